package events_test

import (
	"net/http"
	"strings"
	"testing"

	"wedata-unbind/internal/lambdatest"
	"wedata-unbind/internal/wedata/wedatatest"
)

// An event that says employee.left, and has another member that cannot be read, was ignored.
func TestADepartureWithAFaultyMemberIsNotIgnored(t *testing.T) {
	for name, payload := range map[string]string{
		"id is a number":       `{"type":"com.example.employee.left","id":12345,"data":{"uid":"E1001"}}`,
		"source is an object":  `{"type":"employee.left","source":{"name":"hr"},"data":{"uid":"E1001"}}`,
		"time is a number":     `{"type":"employee.left","time":1763859600,"data":{"uid":"E1001"}}`,
		"time is no time":      `{"type":"employee.left","time":"yesterday","data":{"uid":"E1001"}}`,
		"type is a number":     `{"type":5,"data":{"uid":"E1001"}}`,
		"data is text":         `{"type":"employee.left","data":"E1001"}`,
		"data is JSON in text": `{"type":"employee.left","data":"{\"uid\":\"E1001\"}"}`,
		"no data":              `{"type":"employee.left","id":"evt-1"}`,
	} {
		t.Run(name, func(t *testing.T) {
			onEveryWay(t, payload, func(t *testing.T, b *bench, reply string, err error) { b.wantRefused(t, reply, err) })
		})
	}
}

// A type with a long prefix was cut before the prefix was taken off, and ignored.
func TestALongPrefixIsTakenOffTheType(t *testing.T) {
	payload := `{"type":"` + strings.Repeat("com.example.", 40) + `employee.left","data":{"uid":"E1001"}}`
	onEveryWay(t, payload, func(t *testing.T, b *bench, reply string, err error) {
		if err != nil || b.bound("E1001") {
			t.Errorf("E1001 bound: %v: %s, %v", b.bound("E1001"), reply, err)
		}
	})
}

// One bad uid took everybody in its list along, and the dead letter named nobody.
func TestABadUIDHoldsUpNobodyElse(t *testing.T) {
	bad := strings.Repeat("x", 257)
	payload := `{"type":"employee.left","id":"evt-1","data":{"uid":["E1001","` + bad + `","E1002","",1003]}}`
	onEveryWay(t, payload, func(t *testing.T, b *bench, _ string, err error) {
		if b.bound("E1001") || b.bound("E1002") {
			t.Errorf("E1001 bound: %v, E1002 bound: %v", b.bound("E1001"), b.bound("E1002"))
		}
		letters := b.dead.Messages()
		if err != nil {
			if text := unbindError(t, err).Error(); !strings.Contains(text, "257 bytes long") || !strings.Contains(text, "item 5 is a number") {
				t.Errorf("got %s", text)
			}
			return // direct: the caller reads it
		}
		for range 3 {
			if len(letters) != 1 || !strings.Contains(letters[0].Body, bad) {
				t.Fatalf("want one dead letter, with all that is wrong: %+v", letters)
			}
			b.dead.Redrive(b.queue)
			b.deliver(t)
			letters = b.dead.Messages()
		}
	})
}

// Bad uids that can be named have a dead letter each.
func TestABadUIDHasADeadLetterOfItsOwn(t *testing.T) {
	bad := strings.Repeat("x", 257)
	onEveryWay(t, `{"uid":["E1001","`+bad+`","`+bad+`y","E1002"]}`, func(t *testing.T, b *bench, reply string, err error) {
		if b.bound("E1001") || b.bound("E1002") {
			t.Errorf("E1001 bound: %v, E1002 bound: %v", b.bound("E1001"), b.bound("E1002"))
		}
		if err != nil {
			if text := unbindError(t, err).Error(); !strings.HasPrefix(text, "2 of 4 departures not done") || !strings.Contains(text, "257 bytes long") {
				t.Errorf("got %s", text)
			}
			return // direct: the caller reads it
		}
		for range 3 {
			letters := b.dead.Messages()
			if len(letters) != 2 {
				t.Fatalf("%d dead letters: %s", len(letters), reply)
			}
			for _, m := range letters {
				if !strings.Contains(m.Body, `"data":{"uid":"`+bad) || m.Attributes["uid_hash"].StringValue == "" {
					t.Errorf("the dead letter is %+v", m)
				}
			}
			b.dead.Redrive(b.queue)
			b.deliver(t)
		}
	})
}

// JSON in a JSON string was ignored as a test delivery. A test delivery is text that is no JSON.
func TestJSONInATextIsNotIgnored(t *testing.T) {
	for _, payload := range []string{`"{\"uid\":\"E1001\"}"`, `"{\"type\":\"employee.left\",\"data\":{\"uid\":\"E1001\"}}"`, `"\"E1001\""`} {
		onEveryWay(t, payload, func(t *testing.T, b *bench, reply string, err error) { b.wantRefused(t, reply, err) })
	}
	t.Run("a mapped hook", func(t *testing.T) {
		b := newBench(t, options{sources: sources})
		got := b.request(t, bearer("/hooks/mapped", `"{\"event\":\"terminated\",\"employee\":{\"id\":1}}"`).v2(t))
		b.wantRefused(t, got.Body, nil)
	})
	t.Run("a mapped topic", func(t *testing.T) {
		b := newBench(t, options{sources: `{"employee-left":{"left_when":{"event":["terminated"]},"uid":"employee.id"}}`})
		reply, err := b.send(t, snsEvent(t, `"{\"event\":\"terminated\",\"employee\":{\"id\":1}}"`))
		b.wantRefused(t, reply, err)
	})
}

// A destination record around a departure that says dry_run false was ignored.
func TestADestinationRecordThatIsNoDryRunIsCarriedOut(t *testing.T) {
	for event, want := range map[string]string{
		`{"uid":"E1001","dry_run":false}`:               "unbound",
		`{"uid":"E1001","dry_run":true}`:                "ignored",
		`{"action":"list"}`:                             "ignored",
		`{"uid":"E1001","dry_run":"no"}`:                "failed",
		`{"uid":"E1001","action":"list"}`:               "ignored",
		`{"uid":"E1001","dry_run":false,"unknown":"x"}`: "failed",
	} {
		t.Run(event, func(t *testing.T) {
			b := newBench(t, options{})
			b.queue.Send(destinationRecord(t, event), nil)
			b.deliver(t)
			if lines := b.logged(t, "outcome"); len(lines) != 1 || lines[0]["status"] != want || b.bound("E1001") == (want == "unbound") {
				t.Errorf("E1001 bound: %v, logged %v", b.bound("E1001"), lines)
			}
			if got := len(b.dead.Messages()); (got == 1) != (want == "failed") {
				t.Errorf("%d dead letters", got)
			}
		})
	}
}

// What can never work was queued first, and POST /unbind answered 202.
func TestAFailureGoesStraightToTheDeadLetterQueue(t *testing.T) {
	for _, w := range ways() {
		if w.name == "direct" {
			continue // its caller reads the error
		}
		t.Run(w.name, func(t *testing.T) {
			b := newBench(t, options{sources: sources})
			b.wechat.Grant(shop, false)
			reply, err := w.send(t, b, `{"uid":"E1001"}`)
			if letters := b.dead.Messages(); err != nil || len(letters) != 1 || len(b.queue.Messages()) > 0 || letters[0].Receives > 0 {
				t.Errorf("%d dead letters, %d in the queue: %s, %v", len(letters), len(b.queue.Messages()), reply, err)
			}
			if strings.Contains(reply, "outcomes") && !strings.Contains(reply, `"status":"failed"`) ||
				strings.Contains(reply, "outcomes") && !strings.Contains(reply, "it is kept in the dead-letter queue") {
				t.Errorf("got %s", reply)
			}
		})
	}
	b := newBench(t, options{sources: sources})
	b.wechat.Grant(shop, false)
	if got := b.request(t, bearer("/unbind", `{"uid":"E1001"}`).v2(t)); got.StatusCode != http.StatusOK {
		t.Errorf("POST /unbind: got %+v", got)
	}
}

// What the dead-letter queue does not take goes to the queue, and only what neither takes is an error.
func TestWhatTheDeadLetterQueueDoesNotTakeIsQueued(t *testing.T) {
	for name, event := range map[string]func(*testing.T, string) string{"SNS": snsEvent, "EventBridge": eventBridgeEvent} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, options{})
			b.wechat.Grant(shop, false)
			b.sqs.FailEntries("E1001", "InternalError", 1)
			reply, err := b.send(t, event(t, `{"uid":"E1001"}`))
			if err != nil || statuses(t, reply) != "queued" || len(b.queue.Messages()) != 1 {
				t.Fatalf("got %s, %v, %d in the queue", reply, err, len(b.queue.Messages()))
			}
			b.deliver(t)
			if len(b.dead.Messages()) != 1 {
				t.Errorf("%d dead letters", len(b.dead.Messages()))
			}
		})
	}
}

// A secret that was mended within 30 seconds of a refusal was not read again for whoever tried by hand.
func TestAMendedSecretIsReadAtOnceForACallByHand(t *testing.T) {
	for name, tc := range map[string]struct{ spoil, mend func(*bench) }{
		"a refused token": {
			func(b *bench) { b.token = b.wechat.Rotate(shop) },
			func(b *bench) { b.putToken(b.token) },
		},
		"a missing secret": {
			func(b *bench) { b.secrets.Delete(secretID) },
			func(b *bench) { b.putToken(b.token) },
		},
		"a missing merchant": {
			func(b *bench) { b.index(t, map[string]string{other: "61_other"}) },
			func(b *bench) { b.index(t, map[string]string{shop: b.token}) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, options{})
			tc.spoil(b)
			const event = `{"uid":"E1001","merchant":"` + shop + `"}`
			for range 2 {
				if reply, err := b.send(t, event); err == nil && statuses(t, reply) == "unbound" {
					t.Fatalf("not spoiled: %s", reply)
				}
			}
			tc.mend(b)
			if reply, err := b.send(t, event); err != nil || statuses(t, reply) != "unbound" {
				t.Errorf("got %s, %v", reply, err)
			}
		})
	}
}

// Only who may invoke the function may cause reads. A topic cannot.
func TestRefusalsOfATopicCauseOneReadMore(t *testing.T) {
	b := newBench(t, options{})
	b.wechat.Rotate(shop)
	for range 5 {
		if _, err := b.send(t, snsEvent(t, `{"uid":"E1001"}`)); err != nil {
			t.Fatal(err)
		}
	}
	if got := b.secrets.Reads(secretID); got > 2 {
		t.Errorf("%d reads", got)
	}
}

// After verification the caller is told what is wrong. TestWhoIsNotVerifiedLearnsNothing is the other side.
func TestAVerifiedCallerIsToldWhatIsWrong(t *testing.T) {
	for _, tc := range []struct {
		name    string
		request webhook
		inject  func(*bench)
		status  int
		want    string
	}{
		{"half a JSON", bearer("/unbind", `{"uid":`), nil, http.StatusBadRequest, "not JSON: it is empty or ends too early"},
		{"a number", bearer("/unbind", `{"uid":1001}`), nil, http.StatusBadRequest, "uid: a number where a string is expected"},
		{"an unknown member", bearer("/unbind", `{"uid":"E1001","department":"x"}`), nil, http.StatusBadRequest, `unknown member \"department\"`},
		{"too many", bearer("/unbind", `{"uid":[`+crowd(5001)+`]}`), nil, http.StatusBadRequest, "5001 pairs of uid and merchant, at most 5000"},
		{"the queues are not reached", bearer("/unbind", `{"uid":"E1001"}`), func(b *bench) {
			b.wechat.Grant(shop, false)
			b.sqs.Fail(lambdatest.Fault{Times: -1, Code: "AccessDenied", Status: 403})
		}, http.StatusServiceUnavailable, "AccessDenied"},
		{"a hook, and the queue is not reached", signed(`{"uid":"E1001"}`), func(b *bench) {
			b.sqs.Fail(lambdatest.Fault{Times: -1, Code: "AccessDenied", Status: 403})
		}, http.StatusServiceUnavailable, "AccessDenied"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBench(t, options{sources: sources})
			if tc.inject != nil {
				tc.inject(b)
			}
			got := b.request(t, tc.request.v2(t))
			_, detail, _ := strings.Cut(got.Body, `{"detail":"`)
			if got.StatusCode != tc.status || !strings.Contains(detail, tc.want) || !strings.Contains(detail, requestID) {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// Item 7 for POST /unbind: it carries out what it can, and keeps the rest.
func TestPostUnbindCarriesOutWhatItCan(t *testing.T) {
	b := newBench(t, options{sources: sources})
	got := b.request(t, bearer("/unbind", `{"uid":["E1001",1003]}`).v2(t))
	if letters := b.dead.Messages(); got.StatusCode != http.StatusOK || statuses(t, got.Body) != "unbound failed" || b.bound("E1001") || len(letters) != 1 {
		t.Errorf("got %+v, %d dead letters", got, len(letters))
	}
}

// No test noticed when a message was kept only if the first of its departures may work later.
func TestAMessageStaysForAnyDepartureThatIsNotDone(t *testing.T) {
	b := newBench(t, options{})
	b.wechat.Bind(other, wedatatest.Bound("E1001"))
	b.index(t, map[string]string{shop: b.token, other: b.wechat.Rotate(other)})
	b.wechat.Fail(wedatatest.Fault{Times: -1, Errcode: -1, Merchant: other})
	b.sqs.FailEntries(other, "InternalError", -1) // so that it cannot be split
	b.queue.Send(`{"uid":"E1001","merchant":["`+shop+`","`+other+`"]}`, nil)
	if delivery := b.deliver(t); len(delivery.Returned) != 1 || b.bound("E1001") {
		t.Errorf("lost: %s, bound to the first merchant: %v", delivery.Reply.Payload, b.bound("E1001"))
	}
}

// Section 5 of the contract: a dead letter can always be traced.
func TestADeadLetterCanBeTraced(t *testing.T) {
	const canonical = `{"type":"employee.left","id":"evt-1","data":{"uid":"E1001"}}`
	for _, tc := range []struct {
		name, payload string
		eventID       map[string]string // by way; "" for all others
	}{
		{"with an id", canonical, map[string]string{"": "evt-1"}},
		{"without an id", `{"uid":"E1001"}`, map[string]string{
			"SNS": "95df01b4-ee98-5cb9-9903-4c221d41eb5e", "EventBridge": "6a7e8feb-b491-4cf7-a9f1-bf3703467718", "POST unbind": "none",
		}},
	} {
		for _, w := range ways() {
			if w.name == "direct" {
				continue
			}
			t.Run(tc.name+"/"+w.name, func(t *testing.T) {
				b := newBench(t, options{sources: sources})
				b.wechat.Grant(shop, false)
				if _, err := w.send(t, b, tc.payload); err != nil {
					t.Fatal(err)
				}
				letters := b.dead.Messages()
				if len(letters) != 1 {
					t.Fatalf("%d dead letters", len(letters))
				}
				a := letters[0].Attributes
				for name, want := range map[string]string{"class": "permission_missing", "uid_hash": "69050a418734442c", "merchant": shop} {
					if a[name].StringValue != want {
						t.Errorf("%s is %q, want %q", name, a[name].StringValue, want)
					}
				}
				trigger := map[string]string{"SNS": "sns", "EventBridge": "eventbridge", "POST unbind": "http"}[w.name]
				if trigger == "" {
					trigger = "sqs"
				}
				if a["trigger"].StringValue != trigger || !strings.Contains(a["reason"].StringValue, "permission set 18") || len(a) > 10 {
					t.Errorf("attributes %+v", a)
				}
				want := tc.eventID[w.name]
				if want == "" {
					want = tc.eventID[""]
				}
				switch got := a["event_id"].StringValue; {
				case want == "none" && (got != "" || a["request_id"].StringValue != requestID):
					t.Errorf("event_id is %q, request_id %q", got, a["request_id"].StringValue)
				case want != "none" && want != "" && got != want:
					t.Errorf("event_id is %q, want %q", got, want)
				case got == requestID:
					t.Error("our own request id is the event's id")
				}
			})
		}
	}
}
