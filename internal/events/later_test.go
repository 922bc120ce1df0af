package events_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"wedata-unbind/internal/lambdatest"
)

// Whatever EventBridge Scheduler does and whichever way a departure comes, nobody is unbound before the moment, and
// everybody afterwards. The stand-in for SQS delivers without waiting, so the function is asked too early all the time.
func TestNobodyIsUnboundTooEarlyOrNever(t *testing.T) {
	ways := map[string]func(t *testing.T, b *bench, payload string){
		"SNS": func(t *testing.T, b *bench, payload string) {
			if _, err := b.send(t, snsEvent(t, payload)); err != nil {
				t.Error(err)
			}
		},
		"SQS": func(_ *testing.T, b *bench, payload string) { b.queue.Send(payload, nil) },
		"by hand": func(t *testing.T, b *bench, payload string) {
			if _, err := b.send(t, payload); err != nil {
				t.Error(err)
			}
		},
	}
	for _, tc := range []struct {
		name  string
		fault lambdatest.Fault
	}{
		{"all is well", lambdatest.Fault{}},
		{"Scheduler is throttled", lambdatest.Fault{Times: 6, Code: "ThrottlingException", Status: 429}},
		{"the quota is used up", lambdatest.Fault{Times: 6, Code: "ServiceQuotaExceededException", Status: 402}},
		{"Scheduler denies", lambdatest.Fault{Times: 6, Code: "AccessDeniedException", Status: 403}},
		{"Scheduler has a fault", lambdatest.Fault{Times: 6, Code: "InternalServerException", Status: 500}},
		{"Scheduler hangs", lambdatest.Fault{Times: 2, Hang: true}},
		{"Scheduler breaks the connection", lambdatest.Fault{Times: 6, Drop: true}},
		{"a proxy answers", lambdatest.Fault{Times: 6, Status: 502}},
	} {
		for way, send := range ways {
			for _, ahead := range []time.Duration{20 * time.Second, 90 * time.Second, 3 * time.Hour} {
				t.Run(fmt.Sprint(tc.name, ", ", way, ", due in ", ahead), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						b := newBench(t, options{later: true})
						if tc.fault != (lambdatest.Fault{}) {
							b.scheduler.Fail(tc.fault)
						}
						due := time.Now().Add(ahead)
						send(t, b, `{"uid":"E1001","effective_at":"`+due.Format(time.RFC3339)+`"}`)
						for b.bound("E1001") {
							if time.Since(due) > 2*time.Minute {
								t.Fatalf("E1001 is bound 2 min after it was due; %d messages, %d dead letters, schedules %v",
									len(b.queue.Messages()), len(b.dead.Messages()), b.scheduler.Due())
							}
							time.Sleep(ahead / 8)
							b.scheduler.MoveTo(time.Now())
							b.deliver(t)
						}
						if time.Now().Before(due) {
							t.Errorf("unbound %v too early", time.Until(due))
						}
						if left := len(b.queue.Messages()) + len(b.dead.Messages()) + len(b.scheduler.Due()); left > 0 {
							t.Errorf("%d messages and schedules left", left)
						}
					})
				})
			}
		}
	}
}

// SQS counts in whole seconds. A message that came back a part of a second too early would use its tries up.
func TestWhatIsAlmostDueComesBackWhenItIsDue(t *testing.T) {
	for _, ahead := range []time.Duration{200 * time.Millisecond, 90 * time.Second, 90*time.Second + 900*time.Millisecond} {
		t.Run(ahead.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, options{later: true})
				due := time.Now().Add(ahead)
				b.queue.Send(`{"uid":"E1001","effective_at":"`+due.Format(time.RFC3339Nano)+`"}`, nil)
				b.deliver(t)
				waiting := b.queue.Messages()
				if len(waiting) != 1 || time.Now().Add(waiting[0].Delay).Before(due) || waiting[0].Delay > ahead+time.Second {
					t.Fatalf("waiting %+v, want one message that comes back %v from now, at most a second later", waiting, ahead)
				}
				time.Sleep(waiting[0].Delay)
				b.deliver(t)
				if left := len(b.queue.Messages()); left > 0 || b.bound("E1001") {
					t.Errorf("%d messages left, E1001 bound: %v", left, b.bound("E1001"))
				}
			})
		})
	}
}

// The quota of a small region is 250 calls a second, and an event may name 5,000 people. Whoever is throttled is queued, and scheduled from the queue.
func TestAThrottledCrowdIsScheduledInTheEnd(t *testing.T) {
	const people = 300
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, options{later: true})
		b.scheduler.Fail(lambdatest.Fault{Times: people, Code: "ThrottlingException", Status: 429})
		reply, err := b.send(t, snsEvent(t, `{"effective_at":"2000-02-01","uid":[`+crowd(people)+`]}`))
		if err != nil || strings.Count(reply, `"status":"scheduled"`)+strings.Count(reply, `"status":"queued"`) != people {
			t.Fatalf("got %.300s, %v", reply, err)
		}
		for len(b.queue.Messages()) > 0 {
			if d := b.deliver(t); len(d.Dead) > 0 {
				t.Fatalf("%d dead letters", len(d.Dead))
			}
		}
		if scheduled := len(b.scheduler.Due()); scheduled != people || len(b.wechat.Calls()) > 0 {
			t.Errorf("%d are scheduled, WeChat was called %d times", scheduled, len(b.wechat.Calls()))
		}
	})
}
