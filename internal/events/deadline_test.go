package events_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"wedata-unbind/internal/lambdatest"
	"wedata-unbind/internal/wedata/wedatatest"
)

// Lambda ends an invocation at its deadline without a reply or a word in the log. Whatever hangs, the function is faster.
func TestTheReplyIsOutBeforeTheDeadline(t *testing.T) {
	hangs := func(b *bench) { b.wechat.Fail(wedatatest.Fault{Times: -1, Latency: time.Minute}) }
	busy := func(b *bench) { b.wechat.Fail(wedatatest.Fault{Times: -1, Errcode: -1}) }
	listHangs := func(b *bench) {
		b.wechat.Fail(wedatatest.Fault{Times: -1, Latency: time.Minute, Path: wedatatest.ListPath})
	}
	queueHangs := func(b *bench) { b.sqs.Fail(lambdatest.Fault{Times: -1, Hang: true}) }
	for _, tc := range []struct {
		name   string
		event  string
		inject []func(*bench)
		queued int
		want   string // of the reply or the error
	}{
		{"WeChat hangs, by SNS", snsEvent(t, `{"uid":"E1001"}`), []func(*bench){hangs}, 1, `"status":"queued"`},
		{"the list hangs", snsEvent(t, `{"uid":"E1001"}`), []func(*bench){listHangs}, 1, `"status":"queued"`},
		{"WeChat hangs, by hand", `{"uid":"E1001"}`, []func(*bench){hangs}, 1, `"status":"queued"`},
		{"WeChat hangs, a dry run", `{"dry_run":true,"uid":"E1001"}`, []func(*bench){hangs}, 0, "1 of 1 departures not done"},
		{"WeChat hangs, the list", `{"action":"list"}`, []func(*bench){hangs}, 0, "bind list of " + shop},
		{"WeChat hangs, three hundred people", snsEvent(t, `{"uid":[`+crowd(300)+`]}`), []func(*bench){hangs}, 300, `"status":"queued"`},
		{"the queue hangs", snsEvent(t, `{"uid":"E1001"}`), []func(*bench){busy, queueHangs}, 0, "1 of 1 departures not done"},
		{"the dead-letter queue hangs", sample(t, "sqs-sns-envelope.json"), []func(*bench){func(b *bench) { b.wechat.Grant(shop, false) }, queueHangs}, 0, `{"batchItemFailures":[{"itemIdentifier"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, options{})
				for _, inject := range tc.inject {
					inject(b)
				}
				ctx, cancel := context.WithTimeout(t.Context(), 6*time.Second)
				defer cancel()
				reply, err := b.Handler.Invoke(ctx, []byte(tc.event))
				if ctx.Err() != nil {
					t.Fatal("the deadline is over")
				}
				if got := fmt.Sprint(string(reply), err); !strings.Contains(got, tc.want) {
					t.Errorf("got %.300s, want …%s…", got, tc.want)
				}
				if got := len(b.queue.Messages()); got != tc.queued {
					t.Errorf("%d messages in the queue, want %d", got, tc.queued)
				}
				if len(b.logged(t, "outcome"))+len(b.logged(t, "list")) == 0 {
					t.Error("nothing in the log")
				}
			})
		})
	}
}

// Messages were settled one after the other: a queue that hung took the whole invocation.
func TestAQueueThatHangsIsWaitedForOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, options{})
		b.wechat.Grant(shop, false)
		b.sqs.Fail(lambdatest.Fault{Times: -1, Hang: true})
		for range 10 {
			b.queue.Send(`{"uid":"E1001"}`, nil)
		}
		start := time.Now()
		if delivery := b.deliver(t); len(delivery.Returned) != 10 {
			t.Errorf("%d of 10 messages stay in the queue", len(delivery.Returned))
		}
		if took := time.Since(start); took > 15*time.Second {
			t.Errorf("the reply came after %v", took)
		}
	})
}

// crowd returns so many people, as the items of a JSON list.
func crowd(n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("%q", fmt.Sprintf("person-%04d", i))
	}
	return strings.Join(list, ",")
}

func TestAnErrorIsShortEnoughToBeKept(t *testing.T) {
	b := newBench(t, options{noQueue: true})
	b.wechat.Grant(shop, false)
	_, err := b.send(t, snsEvent(t, `{"uid":[`+crowd(2000)+`]}`))
	failure := unbindError(t, err)
	if text := failure.Error(); !strings.HasPrefix(text, "2000 of 2000 departures not done: [{") || len(text) > 100<<10 || len(failure.NotDone) != 2000 {
		t.Errorf("an error of %d bytes: %.200s", len(text), text)
	}
	if lines := b.logged(t, "outcome"); len(lines) != 2000 {
		t.Errorf("%d lines in the log", len(lines))
	}
}
