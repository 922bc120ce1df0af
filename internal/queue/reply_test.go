package queue_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"wedata-unbind/internal/lambdatest"
	"wedata-unbind/internal/queue"
)

// overHTTP returns a Queue whose calls h answers.
func overHTTP(t *testing.T, h http.HandlerFunc) *queue.Queue {
	t.Helper()
	client, url := lambdatest.InMemory(t, h)
	return queue.New(sqs.New(sqs.Options{
		Region:           lambdatest.Region,
		BaseEndpoint:     &url,
		Credentials:      credentials.NewStaticCredentialsProvider("id", "secret", ""),
		HTTPClient:       client,
		RetryMaxAttempts: 1,
	}), url+"/queue", url+"/dead")
}

// Regression of issue 9, number 10: a reply with status 200 that did not confirm an entry counted as sent.
func TestOnlyWhatSQSConfirmsIsSent(t *testing.T) {
	const (
		unconfirmed = "queue: send: SQS did not confirm the message: it may work later; look for a proxy on the way to SQS"
		unreadable  = "queue: send: the reply does not come from SQS: it may work later; look for a proxy on the way to SQS"
	)
	none := [4]string{unconfirmed, unconfirmed, unconfirmed, unconfirmed}
	for _, tc := range []struct {
		name, reply string
		want        [4]string // the error of each message
	}{
		{"all", `{"Successful":[{"Id":"0"},{"Id":"1"},{"Id":"2"},{"Id":"3"}]}`, [4]string{}},
		{"half", `{"Successful":[{"Id":"0"},{"Id":"3"}]}`, [4]string{1: unconfirmed, 2: unconfirmed}},
		{
			"half, one refused", `{"Successful":[{"Id":"0"},{"Id":"3"}],"Failed":[{"Id":"1","Code":"InternalError"}]}`,
			[4]string{1: "queue: send: InternalError", 2: unconfirmed},
		},
		{
			"one both confirmed and refused",
			`{"Successful":[{"Id":"0"},{"Id":"1"},{"Id":"2"},{"Id":"3"}],"Failed":[{"Id":"1","Code":"InternalError"}]}`,
			[4]string{1: "queue: send: InternalError"},
		},
		{"none", `{}`, none},
		{"null members", `{"Successful":null,"Failed":null}`, none},
		{"empty", ``, none},
		{"entries without an id", `{"Successful":[{},{"Id":null},{"Id":""}]}`, none},
		{"ids that were not sent", `{"Successful":[{"Id":"4"},{"Id":"-1"},{"Id":"queue"}],"Failed":[{"Id":"10"}]}`, none},
		{"an HTML page", `<html><body>Welcome</body></html>`, [4]string{unreadable, unreadable, unreadable, unreadable}},
		{"other JSON", `{"Successful":"secret"}`, [4]string{unreadable, unreadable, unreadable, unreadable}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			q := overHTTP(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, tc.reply) })
			for i, err := range q.Send(t.Context(), make([]queue.Message, 4)) {
				if got := fmt.Sprint(err); got != tc.want[i] && (err != nil || tc.want[i] != "") {
					t.Errorf("message %d: %s, want %q", i, got, tc.want[i])
				}
			}
		})
	}
}

// Regression of issue 9, number 18: a call without a reply took all that was left of the invocation.
func TestACallWithoutAReplyEnds(t *testing.T) {
	const limit = 5 * time.Second // what an invocation keeps free for the queues
	for _, tc := range []struct {
		name string
		call func(*testing.T, *queue.Queue) error
		want string
	}{
		{
			"send", func(t *testing.T, q *queue.Queue) error { return q.Send(t.Context(), make([]queue.Message, 1))[0] },
			"queue: send: not reached: no reply in time: it may work later",
		},
		{
			"send more than runs at once", func(t *testing.T, q *queue.Queue) error {
				return q.Send(t.Context(), make([]queue.Message, 500))[499]
			},
			"queue: send: not reached: no reply in time: it may work later",
		},
		{
			"send to the dead-letter queue", func(t *testing.T, q *queue.Queue) error {
				return q.SendToDeadLetterQueue(t.Context(), make([]queue.Message, 1))[0]
			},
			"dead-letter queue: send: not reached: no reply in time: it may work later",
		},
		{
			"hide", func(t *testing.T, q *queue.Queue) error { return q.Hide(t.Context(), "receipt", time.Minute) },
			"queue: change message visibility: not reached: no reply in time: it may work later",
		},
		{
			"ask for the queue", func(t *testing.T, q *queue.Queue) error { return q.Reachable(t.Context()) },
			"queue: get queue attributes: not reached: no reply in time: it may work later",
		},
		{
			"ask for the dead-letter queue", func(t *testing.T, q *queue.Queue) error {
				return q.DeadLetterQueueReachable(t.Context())
			},
			"dead-letter queue: get queue attributes: not reached: no reply in time: it may work later",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				service := lambdatest.NewSQS()
				service.Fail(lambdatest.Fault{Times: -1, Hang: true})
				q := overHTTP(t, service.ServeHTTP)
				begin := time.Now()
				err := tc.call(t, q)
				if took := time.Since(begin); took >= limit {
					t.Errorf("took %v", took)
				}
				if err == nil || err.Error() != tc.want {
					t.Errorf("got %v, want %s", err, tc.want)
				}
			})
		})
	}
}

// Regression of issue 9, number 27. SQS refuses a batch of more than 256 KiB in regions where it has not raised the
// limit.
func TestABatchHoldsNoMoreThan256KiB(t *testing.T) {
	const limit = 256 << 10
	for _, tc := range []struct {
		name       string
		body       int
		attributes map[string]string
		batches    int
	}{
		{"ten small messages", 1 << 10, nil, 1},
		{"four fit", limit / 4, nil, 3},
		{"by one byte three fit", limit/4 + 1, nil, 4},
		{"attributes count: name, type and value", limit/4 - 8, map[string]string{"a": "b"}, 3},
		{"attributes count: by one byte three fit", limit/4 - 7, map[string]string{"a": "b"}, 4},
		{"a larger message goes alone", limit + 1, nil, 10},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var mu sync.Mutex
			var batches []int
			q := overHTTP(t, func(w http.ResponseWriter, r *http.Request) {
				var in struct {
					Entries []struct {
						ID                string `json:"Id"`
						MessageBody       string
						MessageAttributes map[string]struct{ DataType, StringValue string }
					}
				}
				if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
					t.Error(err)
				}
				size, confirmed := 0, []map[string]string{}
				for _, e := range in.Entries {
					size += len(e.MessageBody)
					for name, a := range e.MessageAttributes {
						size += len(name) + len(a.DataType) + len(a.StringValue)
					}
					confirmed = append(confirmed, map[string]string{"Id": e.ID})
				}
				if size > limit && len(in.Entries) > 1 {
					t.Errorf("a batch of %d messages has %d bytes", len(in.Entries), size)
				}
				mu.Lock()
				batches = append(batches, len(in.Entries))
				mu.Unlock()
				json.NewEncoder(w).Encode(map[string]any{"Successful": confirmed})
			})
			message := queue.Message{Body: []byte(strings.Repeat("x", tc.body)), Attributes: tc.attributes}
			for i, err := range q.Send(t.Context(), slices.Repeat([]queue.Message{message}, 10)) {
				if err != nil {
					t.Errorf("message %d: %v", i, err)
				}
			}
			if len(batches) != tc.batches {
				t.Errorf("batches of %v messages, want %d batches", batches, tc.batches)
			}
		})
	}
}
