package events_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"wedata-unbind/internal/lambdatest"
	"wedata-unbind/internal/queue"
	"wedata-unbind/internal/wedata/wedatatest"
)

const hint = `; a departure looks like {"uid":"E1001"} or {"uid":["E1001","E1002"],"merchant":"wx0123456789abcdef"}`

func TestEverythingThatMayLieInTheQueueIsRead(t *testing.T) {
	for _, tc := range []struct {
		name, body string
		want       string // the status of E1001, or the reason of the dead letter
	}{
		{"a bare payload", `{"uid":"E1001"}`, "unbound"},
		{"the canonical event", sample(t, "unbind-cloudevent.json"), "unbound"},
		{"an SNS event", sample(t, "sns-employee-left.json"), "unbound"},
		{"an EventBridge event", sample(t, "eventbridge-employee-left.json"), "unbound"},
		{"a destination record around an SNS event", destinationRecord(t, sample(t, "sns-employee-left.json")), "unbound"},
		{"a destination record around an EventBridge event", destinationRecord(t, sample(t, "eventbridge-employee-left.json")), "unbound"},
		{"a destination record around a direct event", destinationRecord(t, `{"uid":"E1001"}`), "unbound"},
		{"a destination record around an action", destinationRecord(t, `{"action":"list"}`), "ignored"},
		{"a destination record around a dry run", destinationRecord(t, `{"dry_run":true,"uid":"E1001"}`), "ignored"},
		{"a destination record around what is no dry run", destinationRecord(t, `{"dry_run":false,"uid":"E1001"}`), "unbound"},
		{"an event of another type", `{"type":"employee.joined","data":{"uid":"E1001"}}`, "ignored"},
		{"text", "Message Body", "sqs message: event: not JSON: invalid character 'M' at start of value (line 1, column 1)"},
		{"the documented SNS envelope, whose message is text", documented(t, "sns-envelope-nonraw.json"), "sqs message: sns message: not JSON: invalid character 'M' at start of value (line 1, column 1)" + hint},
		{"an action", `{"action":"list"}`, `sqs message: unknown member "action"` + hint},
		{"a dry run", `{"dry_run":true,"uid":"E1001"}`, `sqs message: unknown member "dry_run"` + hint},
		{"a dry run of the canonical event", `{"dry_run":true,"type":"employee.left","data":{"uid":"E1001"}}`, `sqs message: member "dry_run" is not expected here: uid, merchant and effective_at stand in data, and dry_run and action go with the bare form of a direct invocation only`},
		{"a destination record around another one", destinationRecord(t, destinationRecord(t, `{"uid":"E1001"}`)), "sqs message: destination record: it wraps another one"},
		{"a destination record around an SQS event", destinationRecord(t, sample(t, "sqs-employee-left.json")), `sqs message: an event of the kind sqs is not carried out here; a departure looks like {"uid":"E1001"}`},
		{"a destination record around text", destinationRecord(t, `"text"`), "sqs message: destination record: event: a string where a JSON object is expected"},
		{"an HTTP request", sample(t, "http-unbind.json"), `sqs message: an event of the kind http is not carried out here; a departure looks like {"uid":"E1001"}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBench(t, options{})
			b.queue.Send(tc.body, nil)
			if delivery := b.deliver(t); string(delivery.Reply.Payload) != `{"batchItemFailures":[]}` {
				t.Errorf("got %s", delivery.Reply.Payload)
			}
			lines, dead := b.logged(t, "outcome"), b.dead.Messages()
			if len(lines) != 1 {
				t.Fatalf("logged %v", lines)
			}
			switch status := lines[0]["status"]; {
			case status == "failed":
				if len(dead) != 1 || dead[0].Body != tc.body || dead[0].Attributes["reason"].StringValue != tc.want {
					t.Errorf("dead letters %+v\nwant the reason %s", dead, tc.want)
				}
			case status != tc.want || len(dead) > 0:
				t.Errorf("got %v (%v), want %s", status, lines[0]["reason"], tc.want)
			}
			if b.bound("E1001") == (tc.want == "unbound") {
				t.Errorf("E1001 bound: %v", b.bound("E1001"))
			}
		})
	}
}

func TestTheSamplesOfTheQueueAreCarriedOut(t *testing.T) {
	for _, name := range []string{"sqs-employee-left.json", "sqs-sns-envelope.json", "sqs-destination-record.json"} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, options{})
			reply, err := b.send(t, sample(t, name))
			if err != nil || reply != `{"batchItemFailures":[]}` || b.bound("E1001") {
				t.Errorf("got %s, %v, E1001 bound: %v", reply, err, b.bound("E1001"))
			}
		})
	}
}

func TestABatchIsOneLookAtTheBindList(t *testing.T) {
	b := newBench(t, options{})
	for _, uid := range []string{"E1001", "E1002", "E1003"} {
		b.queue.Send(`{"uid":"`+uid+`"}`, nil)
	}
	b.deliver(t)
	lists := 0
	for _, c := range b.wechat.Calls() {
		if c.Path == wedatatest.ListPath {
			lists++
		}
	}
	if lists != 1 || b.bound("E1001") || b.bound("E1002") || b.bound("E1003") {
		t.Errorf("%d lists, calls %+v", lists, b.wechat.Calls())
	}
}

func TestWhatMayWorkLaterStaysInTheQueue(t *testing.T) {
	for _, tc := range []struct {
		name     string
		fault    wedatatest.Fault
		min, max time.Duration
	}{
		{"busy", wedatatest.Fault{Errcode: -1}, 59 * time.Second, 77 * time.Second},
		{"minute rate", wedatatest.Fault{Errcode: 45011}, 60 * time.Second, 77 * time.Second},
		{"daily quota", wedatatest.Fault{Errcode: 45009}, min(untilBeijingMidnight(), 11*time.Hour+49*time.Minute) - time.Second, 11*time.Hour + 50*time.Minute},
		{"reset", wedatatest.Fault{Kind: wedatatest.Reset}, 59 * time.Second, 77 * time.Second},
		{"HTTP 500", wedatatest.Fault{Status: 500}, 59 * time.Second, 77 * time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBench(t, options{})
			tc.fault.Times = -1
			b.wechat.Fail(tc.fault)
			b.queue.Send(`{"uid":"E1001"}`, nil)
			b.deliver(t)
			waiting := b.queue.Messages()
			if len(waiting) != 1 || waiting[0].Delay < tc.min || waiting[0].Delay > tc.max || waiting[0].Body != `{"uid":"E1001"}` {
				t.Fatalf("waiting %+v, want %v to %v", waiting, tc.min, tc.max)
			}
			b.heal()
			b.deliver(t)
			if left := len(b.queue.Messages()) + len(b.dead.Messages()); left > 0 || b.bound("E1001") {
				t.Errorf("%d messages left, E1001 bound: %v", left, b.bound("E1001"))
			}
		})
	}
}

func untilBeijingMidnight() time.Duration {
	sinceMidnight := time.Duration(time.Now().Add(8*time.Hour).UnixNano()) % (24 * time.Hour)
	return 24*time.Hour - sinceMidnight
}

func TestAMessageThatTellsNoIdHasThatOfItsEnvelope(t *testing.T) {
	for _, tc := range []struct{ name, body, id string }{
		{"the message's own", `{"uid":"E1001"}`, ""},
		{"the request's, of a destination record", destinationRecord(t, `{"uid":"E1001"}`), "e4b46cbf-b738"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBench(t, options{})
			b.queue.Send(tc.body, nil)
			if tc.id == "" {
				tc.id = b.queue.Messages()[0].ID
			}
			b.deliver(t)
			if lines := b.logged(t, "outcome"); len(lines) != 1 || lines[0]["event_id"] != tc.id {
				t.Errorf("logged %v, want the id %s", lines, tc.id)
			}
		})
	}
}

func TestTheWaitGrowsWithEveryReceipt(t *testing.T) {
	b := newBench(t, options{})
	b.wechat.Fail(wedatatest.Fault{Times: -1, Errcode: -1})
	b.queue.Send(`{"uid":"E1001"}`, nil)
	for i := range 3 {
		b.deliver(t)
		if wait, want := b.queue.Messages()[0].Delay, time.Minute<<i; wait < want-time.Second || wait > want*3/2 {
			t.Errorf("receipt %d: waits %v, want about %v", i+1, wait, want)
		}
	}
}

// SQS itself gives a message up without a word of why, so the function does it first.
func TestTheLastTryIsGivenUpWithItsReason(t *testing.T) {
	b := newBench(t, options{})
	b.wechat.Fail(wedatatest.Fault{Times: -1, Errcode: 12345})
	b.queue.Send(`{"uid":"E1001"}`, nil)
	for i := range queue.MaxReceives {
		if dead := b.dead.Messages(); len(dead) > 0 {
			t.Fatalf("given up after %d tries", i)
		}
		b.deliver(t)
	}
	dead := b.dead.Messages()
	if len(dead) != 1 || len(b.queue.Messages()) != 0 || !strings.HasPrefix(dead[0].Attributes["reason"].StringValue, "given up after 12 tries: wedata: unbind user: 12345") {
		t.Errorf("dead letters %+v", dead)
	}
	if lines := b.logged(t, "outcome"); lines[len(lines)-1]["status"] != "failed" {
		t.Errorf("logged %v", lines[len(lines)-1])
	}
}

func TestWhatSomebodyMustMendGoesToTheDeadLetterQueueWithItsReason(t *testing.T) {
	b := newBench(t, options{})
	b.wechat.Grant(shop, false)
	b.queue.Send(`{"type":"employee.left","id":"evt-1","source":"hr","data":{"uid":"E1001"}}`, nil)
	b.deliver(t)
	dead := b.dead.Messages()
	if len(dead) != 1 || len(b.queue.Messages()) != 0 {
		t.Fatalf("%d dead letters, %d in the queue", len(dead), len(b.queue.Messages()))
	}
	if !strings.HasPrefix(dead[0].Body, `{"specversion":"1.0","source":"hr","id":"evt-1","type":"employee.left"`) || !strings.HasSuffix(dead[0].Body, `"data":{"uid":"E1001","merchant":"wx0123456789abcdef"}}`) {
		t.Errorf("the dead letter is %s", dead[0].Body)
	}
	for name, want := range map[string]string{"errcode": "48001", "merchant": shop, "source": "hr", "event_id": "evt-1", "trigger": "sqs"} {
		if got := dead[0].Attributes[name].StringValue; got != want {
			t.Errorf("attribute %s is %q, want %q", name, got, want)
		}
	}
	if reason := dead[0].Attributes["reason"].StringValue; !strings.Contains(reason, "grant permission set 18") || dead[0].Attributes["rid"].StringValue == "" {
		t.Errorf("attributes %+v", dead[0].Attributes)
	}
	// Mended and redriven, it ends well.
	b.heal()
	b.dead.Redrive(b.queue)
	b.deliver(t)
	if left := len(b.queue.Messages()) + len(b.dead.Messages()); left > 0 || b.bound("E1001") {
		t.Errorf("%d messages left, E1001 bound: %v", left, b.bound("E1001"))
	}
}

func TestARecordOfSeveralDeparturesIsSplit(t *testing.T) {
	b := newBench(t, options{})
	b.wechat.Fail(
		wedatatest.Fault{Errcode: 40097, Path: wedatatest.UnbindPath},
		wedatatest.Fault{Errcode: 12345, Path: wedatatest.UnbindPath},
	)
	b.queue.Send(`{"uid":["E1001","E1002","E1003"]}`, nil)
	if delivery := b.deliver(t); len(delivery.Returned) != 0 {
		t.Errorf("the record came back: %s", delivery.Reply.Payload)
	}
	queued, dead := b.queue.Messages(), b.dead.Messages()
	if len(queued) != 1 || len(dead) != 1 || strings.Count(queued[0].Body, "E100") != 1 || strings.Count(dead[0].Body, "E100") != 1 {
		t.Fatalf("queue %+v\ndead %+v", queued, dead)
	}
	left := 0
	for _, uid := range []string{"E1001", "E1002", "E1003"} {
		if b.bound(uid) {
			left++
			if !strings.Contains(queued[0].Body+dead[0].Body, uid) {
				t.Errorf("%s is lost", uid)
			}
		}
	}
	if left != 2 {
		t.Errorf("%d are bound, want 2", left)
	}
}

func TestNothingIsLostWhereTheQueuesAreNotReached(t *testing.T) {
	for name, body := range map[string]string{
		"one departure":       `{"uid":"E1001"}`,
		"several departures":  `{"uid":["E1001","E1002"]}`,
		"nothing to be read":  "text",
		"ended by permission": `{"uid":"E1003"}`,
	} {
		for _, noQueue := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, no queue at all: %v", name, noQueue), func(t *testing.T) {
				b := newBench(t, options{noQueue: noQueue})
				fault := wedatatest.Fault{Times: -1, Errcode: -1}
				if strings.Contains(body, "E1003") {
					fault.Errcode = 48001
				}
				b.wechat.Fail(fault)
				b.sqs.Fail(lambdatest.Fault{Times: -1, Code: "InternalError", Status: 500})
				b.queue.Send(body, nil)
				delivery := b.deliver(t)
				if len(delivery.Returned) != 1 || len(b.queue.Messages()) != 1 {
					t.Errorf("the record is lost: %s", delivery.Reply.Payload)
				}
				if lines := b.logged(t, "message stays in the queue"); len(lines) != 1 || lines[0]["reason"] == "" {
					t.Errorf("logged %v", lines)
				}
			})
		}
	}
}

func TestARecordThatIsDoneDoesNotWaitForOneThatIsNot(t *testing.T) {
	b := newBench(t, options{})
	b.queue.Send(`{"uid":"E1001"}`, nil)
	b.queue.Send(`{"uid":"E1002"}`, nil)
	b.wechat.Fail(wedatatest.Fault{Errcode: 12345, Path: wedatatest.UnbindPath})
	if delivery := b.deliver(t); len(delivery.Returned) != 1 {
		t.Errorf("returned %+v", delivery.Returned)
	}
	if b.bound("E1001") == b.bound("E1002") {
		t.Errorf("E1001 bound: %v, E1002 bound: %v", b.bound("E1001"), b.bound("E1002"))
	}
}

func TestTheReplyToSQSNamesEveryRecordThatStays(t *testing.T) {
	b := newBench(t, options{})
	b.wechat.Fail(wedatatest.Fault{Times: -1, Errcode: -1})
	reply, err := b.send(t, sample(t, "sqs-employee-left.json"))
	const want = `{"batchItemFailures":[{"itemIdentifier":"059f36b4-87a3-44ab-83d2-661970000001"},{"itemIdentifier":"059f36b4-87a3-44ab-83d2-661970000002"}]}`
	if err != nil || reply != want {
		t.Errorf("got  %s, %v\nwant %s", reply, err, want)
	}
}
