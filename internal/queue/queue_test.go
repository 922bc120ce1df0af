package queue_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"wedata-unbind/internal/lambdatest"
	"wedata-unbind/internal/queue"
	"wedata-unbind/internal/wedata"
)

// bench is a Queue over a stand-in for SQS.
type bench struct {
	*queue.Queue
	sqs         *lambdatest.SQS
	queue, dead *lambdatest.Queue
}

func newBench(t *testing.T) bench {
	t.Helper()
	service := lambdatest.NewSQS()
	server, err := lambdatest.Serve("127.0.0.1:0", service)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	b := bench{sqs: service, dead: service.Create("dead", lambdatest.QueueConfig{})}
	b.queue = service.Create("queue", lambdatest.QueueConfig{DeadLetter: b.dead, MaxReceives: 12})
	client := sqs.New(sqs.Options{
		Region:           lambdatest.Region,
		BaseEndpoint:     &server.URL,
		Credentials:      credentials.NewStaticCredentialsProvider("id", "secret", ""),
		RetryMaxAttempts: 1,
	})
	b.Queue = queue.New(client, b.queue.URL, b.dead.URL)
	return b
}

func TestSendKeepsEveryMessage(t *testing.T) {
	b := newBench(t)
	messages := make([]queue.Message, 23)
	for i := range messages {
		messages[i] = queue.Message{Body: fmt.Appendf(nil, "message %d", i)}
	}
	messages[3].Delay = 90 * time.Second
	messages[4].Delay = 3 * time.Hour
	for i, err := range b.Send(t.Context(), messages) {
		if err != nil {
			t.Errorf("message %d: %v", i, err)
		}
	}
	got := map[string]time.Duration{}
	for _, m := range b.queue.Messages() {
		got[m.Body] = m.Delay
	}
	for _, m := range messages {
		if delay, ok := got[string(m.Body)]; !ok || delay == 0 && m.Delay > 0 {
			t.Errorf("%s: sent %v, delay %v", m.Body, ok, delay)
		}
	}
	if three, four := got["message 3"], got["message 4"]; three < 80*time.Second || three > 90*time.Second || four < 14*time.Minute || four > 15*time.Minute {
		t.Errorf("delays are %v and %v, want 90 s and 15 min", three, four)
	}
}

func TestSendKeepsWithinTheSizeOfABatch(t *testing.T) {
	b := newBench(t)
	b.queue = b.sqs.Create("queue", lambdatest.QueueConfig{MaxBytes: 256 << 10}) // as older queues are; a batch is no larger either
	messages := make([]queue.Message, 4)
	for i := range messages {
		messages[i].Body = []byte(strings.Repeat("x", 200<<10))
	}
	for i, err := range b.Send(t.Context(), messages) {
		if err != nil {
			t.Errorf("message %d: %v", i, err)
		}
	}
	if got := len(b.queue.Messages()); got != 4 {
		t.Errorf("%d messages, want 4", got)
	}
}

// A batch can be accepted with some of its entries refused: those must not be taken for sent.
func TestSendTellsWhichMessagesWereRefused(t *testing.T) {
	b := newBench(t)
	messages := make([]queue.Message, 12)
	for i := range messages {
		messages[i].Body = fmt.Appendf(nil, "message %02d.", i)
	}
	b.sqs.FailEntries("message 11.", "InternalError", 1)
	b.sqs.FailEntries("message 02.", "InternalError", 1)
	for i, err := range b.Send(t.Context(), messages) {
		refused := i == 2 || i == 11
		if refused != (err != nil) {
			t.Errorf("message %d: %v", i, err)
		}
		if err != nil && err.Error() != "queue: send: InternalError" {
			t.Errorf("got %v", err)
		}
	}
	if got := len(b.queue.Messages()); got != 10 {
		t.Errorf("%d messages, want 10", got)
	}
}

func TestAQueueThatIsNotReachedIsAnErrorOfEachMessage(t *testing.T) {
	for _, tc := range []struct {
		name  string
		fault lambdatest.Fault
		want  string
	}{
		{"denied", lambdatest.Fault{Code: "AccessDenied", Status: 403}, "queue: send: AccessDenied: look at the function's role and the queue's policy"},
		{"gone", lambdatest.Fault{Code: "QueueDoesNotExist", Status: 400}, "queue: send: AWS.SimpleQueueService.NonExistentQueue: look at the queue's URL in the environment"},
		{"down", lambdatest.Fault{Code: "InternalError", Status: 500}, "queue: send: InternalError: it may work later"},
		{"dropped", lambdatest.Fault{Drop: true}, "queue: send: not reached: "},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBench(t)
			tc.fault.Times = -1
			b.sqs.Fail(tc.fault)
			for _, err := range b.Send(t.Context(), make([]queue.Message, 3)) {
				if err == nil || !strings.HasPrefix(err.Error(), tc.want) {
					t.Errorf("got %v, want %s", err, tc.want)
				}
			}
			if err := b.Hide(t.Context(), "receipt", time.Minute); err == nil || !strings.HasPrefix(err.Error(), "queue: change message visibility: ") {
				t.Errorf("got %v", err)
			}
		})
	}
}

// A queue that is not there must not cost an invocation all its time.
func TestAfterABatchThatIsNotTakenAtAllTheRestIsNotTried(t *testing.T) {
	b := newBench(t)
	b.sqs.Fail(lambdatest.Fault{Times: 32, Code: "AccessDenied", Status: 403}) // for all that may be under way
	errs := b.Send(t.Context(), slices.Repeat([]queue.Message{{Body: []byte("body")}}, 500))
	for i, err := range errs {
		if err == nil {
			t.Fatalf("message %d was sent", i)
		}
	}
}

func TestWhatSQSTakesInNoMessageIsLeftOut(t *testing.T) {
	b := newBench(t)
	errs := b.SendToDeadLetterQueue(t.Context(), []queue.Message{{Body: []byte("bo\ufffedy"), Attributes: map[string]string{"event_id": "a\x01b\ufffe", "source": "\x00"}}})
	if got := b.dead.Messages(); errs[0] != nil || len(got) != 1 || len(got[0].Attributes) != 1 || got[0].Attributes["event_id"].StringValue != "ab" || got[0].Body != "body" {
		t.Errorf("got %+v, %v", got, errs)
	}
}

func TestBuryTellsTheReason(t *testing.T) {
	b := newBench(t)
	errs := b.SendToDeadLetterQueue(t.Context(), []queue.Message{{Body: []byte("body"), Attributes: map[string]string{"reason": "没有权限", "rid": ""}}})
	if len(errs) != 1 || errs[0] != nil {
		t.Fatal(errs)
	}
	got := b.dead.Messages()
	if len(got) != 1 || got[0].Body != "body" || len(got[0].Attributes) != 1 || got[0].Attributes["reason"].StringValue != "没有权限" {
		t.Errorf("got %+v", got)
	}
}

func TestWhatIsNotSetIsAnErrorWhenItIsNeeded(t *testing.T) {
	none := queue.New(nil, "", "")
	if errs := none.Send(context.Background(), make([]queue.Message, 2)); len(errs) != 2 || errs[0] == nil || !strings.Contains(errs[1].Error(), "set UNBIND_QUEUE_URL") {
		t.Errorf("send: %v", errs)
	}
	if errs := none.SendToDeadLetterQueue(context.Background(), make([]queue.Message, 1)); len(errs) != 1 || errs[0] == nil || !strings.Contains(errs[0].Error(), "set UNBIND_DEAD_LETTER_QUEUE_URL") {
		t.Errorf("send to the dead-letter queue: %v", errs)
	}
	if err := none.Hide(context.Background(), "receipt", 0); err == nil {
		t.Error("postponed nowhere")
	}
	if errs := none.SendToDeadLetterQueue(context.Background(), nil); len(errs) != 0 {
		t.Errorf("nothing to send: %v", errs)
	}
}

func TestPostponeHidesTheMessage(t *testing.T) {
	b := newBench(t)
	b.queue.Send("body", nil)
	_, err := b.queue.Deliver(t.Context(), invoker(func(receipt string) {
		if err := b.Hide(t.Context(), receipt, 10*time.Minute); err != nil {
			t.Error(err)
		}
	}), 1)
	if err != nil {
		t.Fatal(err)
	}
	got := b.queue.Messages()
	if len(got) != 1 || got[0].Delay < 9*time.Minute || got[0].Delay > 10*time.Minute {
		t.Errorf("got %+v", got)
	}
}

func TestWait(t *testing.T) {
	// 18:00 in Beijing: midnight is 6 h away.
	evening := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	// 02:00 in Beijing: midnight is 22 h away.
	night := time.Date(2026, 11, 22, 18, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		name     string
		class    wedata.Class
		received int
		now      time.Time
		min, max time.Duration
	}{
		{"the first time", wedata.Busy, 1, evening, time.Minute, 77 * time.Second},
		{"a count that is not known is the first", wedata.Busy, 0, evening, time.Minute, 77 * time.Second},
		{"the second time", wedata.Busy, 2, evening, 2 * time.Minute, 151 * time.Second},
		{"the sixth time", wedata.Network, 6, evening, 32 * time.Minute, 40*time.Minute + time.Second},
		{"the seventh time", wedata.Network, 7, evening, time.Hour, 75*time.Minute + time.Second},
		{"a count without end", wedata.Busy, 1 << 30, evening, time.Hour, 75*time.Minute + time.Second},
		{"the minute rate waits over a minute", wedata.MinuteRate, 1, evening, time.Minute + time.Second, 77 * time.Second},
		{"the daily quota waits for midnight in Beijing", wedata.DailyQuota, 1, evening, 6 * time.Hour, 6*time.Hour + 16*time.Minute},
		{"but no longer than a message can be hidden", wedata.DailyQuota, 1, night, maxWait, maxWait},
	} {
		t.Run(tc.name, func(t *testing.T) {
			seen := map[time.Duration]bool{}
			for range 1000 {
				got := queue.Wait(string(tc.class), tc.received, tc.now)
				if got < tc.min || got > tc.max {
					t.Fatalf("waits %v, want %v to %v", got, tc.min, tc.max)
				}
				seen[got] = true
			}
			if len(seen) < 2 && tc.min != tc.max {
				t.Error("there is no jitter")
			}
		})
	}
}

func TestDelay(t *testing.T) {
	now := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	for class, want := range map[wedata.Class]time.Duration{wedata.Busy: 0, wedata.Network: 0, wedata.PermissionMissing: 0, wedata.MinuteRate: time.Minute, wedata.DailyQuota: 6 * time.Hour} {
		if got := queue.Delay(string(class), now); got < want || got > want*3/2 {
			t.Errorf("%s waits %v, want %v", class, got, want)
		}
	}
}

const maxWait = 11*time.Hour + 50*time.Minute
