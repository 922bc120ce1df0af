package events_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// way is one of the ways in. It sends a payload, and what it queued is delivered.
type way struct {
	name string
	send func(*testing.T, *bench, string) (reply string, err error)
}

func ways() []way {
	invoke := func(event func(*testing.T, string) string) func(*testing.T, *bench, string) (string, error) {
		return func(t *testing.T, b *bench, payload string) (string, error) { return b.send(t, event(t, payload)) }
	}
	queued := func(event func(*testing.T, string) string) func(*testing.T, *bench, string) (string, error) {
		return func(t *testing.T, b *bench, payload string) (string, error) {
			b.queue.Send(event(t, payload), nil)
			delivery := b.deliver(t)
			return string(delivery.Reply.Payload), delivery.Reply.Err()
		}
	}
	itself := func(_ *testing.T, payload string) string { return payload }
	return []way{
		{"direct", invoke(itself)},
		{"SNS", invoke(snsEvent)},
		{"EventBridge", invoke(eventBridgeEvent)},
		{"SQS", queued(itself)},
		{"SNS envelope in SQS", queued(snsEnvelope)},
		{"SNS event in SQS", queued(snsEvent)},
		{"EventBridge event in SQS", queued(eventBridgeEvent)},
		{"destination record in SQS", queued(func(t *testing.T, payload string) string { return destinationRecord(t, snsEvent(t, payload)) })},
		{"POST unbind", func(t *testing.T, b *bench, payload string) (string, error) {
			return b.request(t, bearer("/unbind", payload).v2(t)).Body, nil
		}},
		{"hook", func(t *testing.T, b *bench, payload string) (string, error) {
			got := b.request(t, signed(payload).v2(t))
			if got.StatusCode != http.StatusOK {
				t.Errorf("the vendor got %+v", got)
			}
			b.deliver(t)
			return got.Body, nil
		}},
	}
}

// onEveryWay runs a test of a payload on every way in, with sources.
func onEveryWay(t *testing.T, payload string, test func(t *testing.T, b *bench, reply string, err error)) {
	t.Helper()
	for _, w := range ways() {
		t.Run(w.name, func(t *testing.T) {
			b := newBench(t, options{sources: sources})
			reply, err := w.send(t, b, payload)
			test(t, b, reply, err)
		})
	}
}

// snsEnvelope is a message as a queue gets it that is subscribed to the topic.
func snsEnvelope(t *testing.T, payload string) string {
	t.Helper()
	return mustJSON(t, map[string]any{
		"Type": "Notification", "MessageId": "95df01b4-ee98-5cb9-9903-4c221d41eb5e", "Message": payload,
		"TopicArn": "arn:aws:sns:us-east-1:123456789012:employee-left", "Timestamp": "2026-11-23T01:00:01.123Z",
	})
}

// wantRefused checks that nobody was unbound and that somebody is told: the caller by an error or a reply, or an operator by
// a dead letter.
func (b *bench) wantRefused(t *testing.T, reply string, err error) {
	t.Helper()
	if calls := b.wechat.Calls(); len(calls) > 0 || !b.bound("E1001") {
		t.Errorf("E1001 bound: %v, WeChat was called: %+v", b.bound("E1001"), calls)
	}
	if err == nil && len(b.dead.Messages()) != 1 && !strings.Contains(reply, `"status":400`) {
		t.Errorf("lost: reply %s, %d dead letters, log %s", reply, len(b.dead.Messages()), b.log.String())
	}
	if len(b.queue.Messages()) > 0 || strings.Contains(b.log.String(), `"status":"ignored"`) {
		t.Errorf("%d messages in the queue, log %s", len(b.queue.Messages()), b.log.String())
	}
}

// unbindCalls returns the bodies of the calls that unbind, with the merchant before each.
func (b *bench) unbindCalls() string {
	var calls []string
	for _, c := range b.wechat.Calls() {
		if strings.HasSuffix(c.Path, "unbind_user") {
			calls = append(calls, c.Merchant+" "+c.Body)
		}
	}
	return strings.Join(calls, "\n")
}

// errorLines returns how many lines of the log have the level ERROR.
func (b *bench) errorLines() int { return strings.Count(b.log.String(), `"level":"ERROR"`) }

// index writes the secret as an index of these merchants, each with its present token.
func (b *bench) index(t *testing.T, tokens map[string]string) {
	t.Helper()
	authorizers := map[string]any{}
	for appid, token := range tokens {
		authorizers[appid] = map[string]string{"authorizer_access_token": token}
	}
	value, err := json.Marshal(map[string]any{"authorizers": authorizers})
	if err != nil {
		t.Fatal(err)
	}
	b.secrets.Put(secretID, string(value))
}
