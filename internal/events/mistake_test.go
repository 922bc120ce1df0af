package events_test

import (
	"strings"
	"testing"

	"wedata-unbind/internal/wedata/wedatatest"
)

const other = "wxfedcba9876543210"

// A member that limits the departure stood in the wrong place or was spelled wrong. It was ignored, and the
// person was unbound at once and everywhere.
func TestALimitInTheWrongPlaceUnbindsNobody(t *testing.T) {
	for name, payload := range map[string]string{
		"effective_at beside data": `{"type":"employee.left","effective_at":"2036-01-01","data":{"uid":"E1001"}}`,
		"merchant beside data":     `{"type":"employee.left","merchant":"wxfedcba9876543210","data":{"uid":"E1001"}}`,
		"dry_run beside data":      `{"type":"employee.left","dry_run":true,"data":{"uid":"E1001"}}`,
		"dryRun beside data":       `{"type":"employee.left","dryRun":true,"data":{"uid":"E1001"}}`,
		"action beside data":       `{"type":"employee.left","action":"list","data":{"uid":"E1001"}}`,
		"uid beside data":          `{"type":"employee.left","uid":"E1002","data":{"uid":"E1001"}}`,
		"dry_run in data":          `{"type":"employee.left","data":{"uid":"E1001","dry_run":true}}`,
		"dryRun in data":           `{"type":"employee.left","data":{"uid":"E1001","dryRun":true}}`,
		"effectiveAt in data":      `{"type":"employee.left","data":{"uid":"E1001","effectiveAt":"2036-01-01"}}`,
		"effective_date in data":   `{"type":"employee.left","data":{"uid":"E1001","effective_date":"2036-01-01"}}`,
		"EFFECTIVE-AT in data":     `{"type":"employee.left","data":{"uid":"E1001","EFFECTIVE-AT":"2036-01-01"}}`,
		"merchants in data":        `{"type":"employee.left","data":{"uid":"E1001","merchants":["wxfedcba9876543210"]}}`,
		"uids in data":             `{"type":"employee.left","data":{"uid":"E1001","uids":["E1002"]}}`,
		"effectiveAt, bare":        `{"uid":"E1001","effectiveAt":"2036-01-01"}`,
	} {
		t.Run(name, func(t *testing.T) {
			onEveryWay(t, payload, func(t *testing.T, b *bench, reply string, err error) { b.wantRefused(t, reply, err) })
		})
	}
}

// A detail-type that only ends in Employee Left unbound whoever stood in a bare detail.
func TestOnlyTheExactDetailTypeUnbinds(t *testing.T) {
	for detailType, want := range map[string]bool{
		"Employee Left": true, "employee left": true, "com.example.employee.left": true, "employee.left": true,
		"Cancelled Employee Left": false, "Not Employee Left": false, "Undo Employee Left": false, "employee left ": false,
		"Employee Left Cancelled": false, "EMPLOYEE LEFT CANCELLED": false, "employee.left.cancelled": false, "": false,
	} {
		event := strings.Replace(eventBridgeEvent(t, `{"uid":"E1001"}`), "Employee Left", detailType, 1)
		for way, send := range map[string]func(*testing.T, *bench){
			"EventBridge": func(t *testing.T, b *bench) { _, _ = b.send(t, event) },
			"SQS":         func(t *testing.T, b *bench) { b.queue.Send(event, nil); b.deliver(t) },
			"destination": func(t *testing.T, b *bench) { b.queue.Send(destinationRecord(t, event), nil); b.deliver(t) },
		} {
			t.Run(detailType+"/"+way, func(t *testing.T) {
				b := newBench(t, options{})
				send(t, b)
				if b.bound("E1001") == want || (b.unbindCalls() != "") != want {
					t.Errorf("E1001 bound: %v, calls %s", b.bound("E1001"), b.unbindCalls())
				}
			})
		}
	}
}

// A departure was accepted while there was one merchant, and carried out after the secret had become an
// index of many. It reached them all.
func TestADepartureStaysWithTheMerchantItWasAcceptedFor(t *testing.T) {
	for _, w := range ways() {
		if strings.Contains(w.name, "SQS") {
			continue // a message in the queue is accepted and carried out at once
		}
		t.Run(w.name, func(t *testing.T) {
			b := newBench(t, options{sources: sources})
			b.wechat.Fail(wedatatest.Fault{Times: -1, Errcode: -1}) // so that each way goes through the queue
			if _, err := w.send(t, b, `{"uid":"E1001"}`); err != nil {
				t.Fatal(err)
			}
			if len(b.queue.Messages()) != 1 {
				t.Fatalf("%d messages in the queue", len(b.queue.Messages()))
			}
			b.heal()
			b.wechat.Bind(other, wedatatest.Bound("E1001"))
			b.index(t, map[string]string{shop: b.wechat.Rotate(shop), other: b.wechat.Rotate(other)})
			// The old token is refused, so the function reads the index.
			if reply, err := b.send(t, `{"uid":"E1002","merchant":"`+shop+`"}`); err != nil || statuses(t, reply) != "unbound" {
				t.Fatalf("got %s, %v", reply, err)
			}
			b.deliver(t)
			if b.bound("E1001") || !b.wechat.Bindings(other)[0].Bound || strings.Contains(b.unbindCalls(), other) {
				t.Errorf("WeChat was called:\n%s", b.unbindCalls())
			}
		})
	}
}

// No test noticed when a cancellation lost its type on its way through the queue. Then it unbinds.
func TestACancellationStaysOneOnItsWay(t *testing.T) {
	const cancelWhen = `{
		"hr": {"scheme":"hmac","keys":["` + key + `"],"header":"X-Signature","encoding":"hex",
			"left_when":{"event":["terminated"]},"cancel_when":{"event":["revoked"]},"uid":"employee.id"},
		"unbind": {"scheme":"bearer","keys":["` + key + `"],"header":"Authorization"}
	}`
	canonical := `{"type":"com.example.employee.left.cancelled","id":"evt-1","data":{"uid":["E1001","E1002"]}}`
	for _, w := range ways() {
		tests := map[string]options{canonical: {sources: sources}}
		if w.name == "hook" {
			tests[`{"event":"revoked","employee":{"id":["E1001","E1002"]}}`] = options{sources: cancelWhen}
		}
		for payload, o := range tests {
			t.Run(w.name+" "+payload, func(t *testing.T) {
				b := newBench(t, o)
				_, err := w.send(t, b, payload)
				letters := b.dead.Messages()
				if w.name == "direct" {
					if err == nil {
						t.Error("no error")
					}
				} else if len(letters) != 2 {
					t.Errorf("%d dead letters", len(letters))
				}
				// Redriven, it goes through the queue once more.
				for _, m := range letters {
					if !strings.Contains(m.Body, `"type":"employee.left.cancelled"`) {
						t.Errorf("the dead letter is %s", m.Body)
					}
				}
				b.dead.Redrive(b.queue)
				b.deliver(t)
				if calls := b.unbindCalls(); calls != "" || !b.bound("E1001") || !b.bound("E1002") {
					t.Errorf("WeChat was called: %s", calls)
				}
			})
		}
	}
}

// A hook writes the type into its message: the queue is all that the next invocation knows.
func TestAHookQueuesTheTypeOfACancellation(t *testing.T) {
	b := newBench(t, options{sources: sources})
	b.request(t, signed(`{"type":"employee.left.cancelled","id":"evt-1","data":{"uid":"E1001"}}`).v2(t))
	if waiting := b.queue.Messages(); len(waiting) != 1 || !strings.Contains(waiting[0].Body, `"type":"employee.left.cancelled"`) {
		t.Errorf("queued %+v", waiting)
	}
}

// SQS refuses U+FFFE and U+FFFF. Cut out of a wrong uid, they left somebody else's,
// who was unbound when the dead letter was redriven.
func TestAWrongUIDNeverBecomesSomebodyElses(t *testing.T) {
	for _, wrong := range []string{"E\uffff1001", "E1001\ufffe", "E\u00001001"} {
		onEveryWay(t, mustJSON(t, map[string]any{"uid": []string{wrong, "E1002"}}), func(t *testing.T, b *bench, _ string, _ error) {
			for range 2 {
				b.dead.Redrive(b.queue)
				b.deliver(t)
			}
			if !b.bound("E1001") || b.bound("E1002") {
				t.Errorf("E1001 bound: %v, E1002 bound: %v", b.bound("E1001"), b.bound("E1002"))
			}
		})
	}
}

// A limit beside an envelope was ignored, and the person was unbound.
func TestALimitBesideAnEnvelopeIsAnError(t *testing.T) {
	for _, event := range []string{
		`{"dry_run":true,` + snsEvent(t, `{"uid":"E1001"}`)[1:],
		`{"dry_run":true,` + eventBridgeEvent(t, `{"uid":"E1001"}`)[1:],
		`{"effective_at":"2036-01-01",` + eventBridgeEvent(t, `{"uid":"E1001"}`)[1:],
		`{"action":"list",` + eventBridgeEvent(t, `{"uid":"E1001"}`)[1:],
	} {
		b := newBench(t, options{})
		if reply, err := b.send(t, event); err == nil || !b.bound("E1001") {
			t.Errorf("%s: got %s, E1001 bound: %v", event, reply, b.bound("E1001"))
		}
	}
}

// A record that does not fit dropped all records after it, and Lambda deleted their messages.
func TestARecordThatDoesNotFitDropsNoOther(t *testing.T) {
	b := newBench(t, options{})
	record := func(uid, more string) string {
		return `{"messageId":"m-` + uid + `","receiptHandle":"r","eventSource":"aws:sqs","body":"{\"uid\":\"` + uid + `\"}"` + more + `}`
	}
	reply, err := b.send(t, `{"Records":[`+record("E1001", "")+`,`+record("E1002", `,"md5OfBody":5`)+`,`+record("E1003", "")+`]}`)
	if err == nil {
		t.Errorf("got %s: all three would be deleted", reply)
	}
}
