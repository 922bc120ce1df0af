package queue_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"

	"wedata-unbind/internal/lambdatest"
	"wedata-unbind/internal/queue"
)

// reachable asks for both queues.
func reachable(ctx context.Context, q *queue.Queue) [2]string {
	text := func(err error) string {
		if err == nil {
			return ""
		}
		return err.Error()
	}
	return [2]string{text(q.Reachable(ctx)), text(q.DeadLetterQueueReachable(ctx))}
}

func TestReachableSendsNothing(t *testing.T) {
	b := newBench(t)
	if got := reachable(t.Context(), b.Queue); got != [2]string{} {
		t.Errorf("got %q", got)
	}
	if n := len(b.queue.Messages()) + len(b.dead.Messages()); n > 0 {
		t.Errorf("%d messages sent", n)
	}
}

func TestReachableSaysWhatToDo(t *testing.T) {
	for _, tc := range []struct {
		name  string
		fault lambdatest.Fault
		want  string
	}{
		{"the role may not ask", lambdatest.Fault{Code: "AccessDenied"}, "AccessDenied: look at the function's role and the queue's policy"},
		{"no such queue", lambdatest.Fault{Code: "QueueDoesNotExist"}, "AWS.SimpleQueueService.NonExistentQueue: look at the queue's URL in the environment"},
		{"throttled", lambdatest.Fault{Code: "RequestThrottled"}, "RequestThrottled: it may work later"},
		{"no connection", lambdatest.Fault{Drop: true}, "not reached: it may work later; if it stays, check the network and the endpoint"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBench(t)
			tc.fault.Times = 2
			b.sqs.Fail(tc.fault)
			want := [2]string{"queue: get queue attributes: " + tc.want, "dead-letter queue: get queue attributes: " + tc.want}
			if got := reachable(t.Context(), b.Queue); got != want {
				t.Errorf("got  %q\nwant %q", got, want)
			}
		})
	}
}

func TestAQueueThatIsNotSetIsNotReachable(t *testing.T) {
	want := [2]string{"queue: there is none: set UNBIND_QUEUE_URL", "dead-letter queue: there is none: set UNBIND_DEAD_LETTER_QUEUE_URL"}
	if got := reachable(t.Context(), queue.New(nil, "", "")); got != want {
		t.Errorf("got %q", got)
	}
}

func TestAReplyThatIsNotOfSQSReachesNoQueue(t *testing.T) {
	for _, body := range []string{"{}", `{"Attributes":{}}`, "<html></html>"} {
		synctest.Test(t, func(t *testing.T) {
			q := overHTTP(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) })
			if err := q.Reachable(t.Context()); err == nil {
				t.Errorf("%s counts as the queue", body)
			}
		})
	}
}
