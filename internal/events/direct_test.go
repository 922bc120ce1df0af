package events_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"wedata-unbind/internal/lambdatest"
	"wedata-unbind/internal/wedata/wedatatest"
)

func TestDirectAnswersWithOutcomes(t *testing.T) {
	for _, tc := range []struct {
		name, event, want string
		gone              bool // E1001
	}{
		{"a person", sample(t, "unbind.json"), "unbound", true},
		{"two people", sample(t, "unbind-many.json"), "unbound unbound", true},
		{"every merchant", sample(t, "unbind-everywhere.json"), "unbound", true},
		{"the canonical event", sample(t, "unbind-cloudevent.json"), "unbound", true},
		{"somebody unbound already, and somebody never bound", `{"uid":["E1004","E9999"]}`, "unbound unknown", false},
		{"an event of another type", `{"type":"employee.joined","data":{"uid":"E1001"}}`, "ignored", false},
		{"a dry run", sample(t, "dry-run.json"), "would_unbind would_unbind unknown", false},
		{"a dry run that is none", `{"dry_run":false,"uid":"E1001"}`, "unbound", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBench(t, options{})
			reply, err := b.send(t, tc.event)
			if err != nil {
				t.Fatal(err)
			}
			if got := statuses(t, reply); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
			if b.bound("E1001") == tc.gone {
				t.Errorf("E1001 bound: %v", b.bound("E1001"))
			}
		})
	}
}

func TestADryRunIsMarkedInTheLog(t *testing.T) {
	b := newBench(t, options{})
	if _, err := b.send(t, sample(t, "dry-run.json")); err != nil {
		t.Fatal(err)
	}
	for _, line := range b.logged(t, "outcome") {
		if line["dry_run"] != true {
			t.Errorf("logged %v", line)
		}
	}
}

func TestDirectReplyTellsThePersonWhole(t *testing.T) {
	b := newBench(t, options{})
	reply, err := b.send(t, `{"uid":"E1001"}`)
	const want = `{"outcomes":[{"uid":"E1001","uid_hash":"69050a418734442c","merchant":"wx0123456789abcdef","status":"unbound","attempts":1}]}`
	if err != nil || reply != want {
		t.Errorf("got  %s, %v\nwant %s", reply, err, want)
	}
}

func TestDirectList(t *testing.T) {
	b := newBench(t, options{})
	reply, err := b.send(t, sample(t, "list.json"))
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Bindings []struct {
			Merchant, UID, Nickname string
			IsBind                  *int  `json:"is_bind"`
			CreateTime              int64 `json:"create_time"`
			Perm                    []string
		}
	}
	if err := json.Unmarshal([]byte(reply), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Bindings) != 4 {
		t.Fatalf("got %s", reply)
	}
	first, last := got.Bindings[0], got.Bindings[3]
	if first.UID != "E1001" || first.Merchant != shop || *first.IsBind != 1 || first.Nickname == "" || first.CreateTime == 0 || len(first.Perm) == 0 {
		t.Errorf("E1001 is listed as %+v", first)
	}
	if last.UID != "E1004" || *last.IsBind != 0 || last.Nickname != "" || len(last.Perm) != 0 {
		t.Errorf("E1004 is listed as %+v", last)
	}
	if calls := b.unbindCalls(); calls != "" {
		t.Errorf("a list unbound somebody: %s", calls)
	}
	b.wechat.Grant(shop, false)
	_, err = b.send(t, `{"action":"list","merchant":"`+shop+`"}`)
	if failure := unbindError(t, err); !strings.Contains(failure.Error(), "grant permission set 18") {
		t.Errorf("got %v", failure)
	}
}

func TestDirectRefusesWhatItCannotRead(t *testing.T) {
	for _, tc := range []struct{ name, event, want string }{
		{"nothing", ``, "event: not JSON"},
		{"an empty object", `{}`, `uid: missing; a departure looks like {"uid":"E1001"}`},
		{"a list", `[]`, "event: a list where a JSON object is expected"},
		{"null", `null`, "event: null where a JSON object is expected"},
		{"a number", `42`, "event: a number where a JSON object is expected"},
		{"6 MB of nesting", `{"uid":` + strings.Repeat("[", 6<<20), "event: not JSON: nested too deeply"},
		{"6 MB of nested objects", strings.Repeat(`{"a":`, 6<<20/5), "event: not JSON: nested too deeply"},
		{"the console's default test event", sample(t, "console-default.json"), `unknown member whose name is not shown here; a departure looks like {"uid":"E1001"}`},
		{"an unknown member", `{"uid":"E1","department":"x"}`, `unknown member "department"`},
		{"a number as uid", `{"uid":1001}`, "uid: a number where a string is expected"},
		{"an action nobody knows", `{"action":"delete"}`, `action: not one of audit, check, list, scheduled; {"action":"list"} returns who is bound`},
		{"an action with a uid", `{"action":"list","uid":"E1001"}`, `unknown member "uid"`},
		{"an action that is a person", `{"action":{"uid":"person-1001"}}`, `action: not one of audit, check, list`},
		{"a dry run in words", `{"dry_run":"yes","uid":"E1001"}`, "dry_run: a string where true or false is expected"},
		{"a dry run that is null", `{"dry_run":null,"uid":"E1001"}`, "dry_run: null where true or false is expected"},
		{"a dry run of the canonical event", `{"dry_run":true,"type":"employee.left","data":{"uid":"E1001"}}`, `member "dry_run" is not expected here`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBench(t, options{})
			reply, err := b.send(t, tc.event)
			if failure := unbindError(t, err); !strings.HasPrefix(failure.Error(), "nothing unbound: "+tc.want) {
				t.Errorf("got  %v\nwant nothing unbound: %s…", failure, tc.want)
			}
			if calls := b.wechat.Calls(); reply != "" || len(calls) > 0 || !b.bound("E1001") {
				t.Errorf("reply %q, WeChat was called: %+v", reply, calls)
			}
			if lines := b.logged(t, "outcome"); len(lines) != 1 || lines[0]["status"] != "failed" || lines[0]["level"] != "ERROR" || lines[0]["event_id"] != requestID {
				t.Errorf("logged %v", lines)
			}
		})
	}
}

func TestDirectNamesTheOneThatFailedMasked(t *testing.T) {
	b := newBench(t, options{})
	uids := make([]string, 128)
	for i := range uids {
		uids[i] = fmt.Sprintf("person-%03d", i)
		b.wechat.Bind(shop, wedatatest.Bound(uids[i]))
	}
	b.wechat.Fail(wedatatest.Fault{Errcode: 40097, Path: wedatatest.UnbindPath})
	_, err := b.send(t, mustJSON(t, map[string]any{"uid": uids}))
	failure := unbindError(t, err)
	text := failure.Error()
	if !strings.HasPrefix(text, `1 of 128 departures not done: [{"uid":"p***`) || !strings.Contains(text, `"errcode":40097`) || strings.Contains(text, "person-") {
		t.Errorf("got %s", text)
	}
	left := 0
	for _, uid := range uids {
		if b.bound(uid) {
			left++
			if failure.NotDone[0].UID != uid {
				t.Errorf("%s is bound, and %s is said to be", uid, failure.NotDone[0].UID)
			}
		}
	}
	if left != 1 {
		t.Errorf("%d of 128 are bound still, want 1", left)
	}
}

func TestDirectQueuesWhatMayWorkLater(t *testing.T) {
	b := newBench(t, options{})
	b.wechat.Fail(wedatatest.Fault{Times: -1, Errcode: -1})
	reply, err := b.send(t, `{"uid":["E1001","E1002"]}`)
	if err != nil {
		t.Fatal(err)
	}
	if got := statuses(t, reply); got != "queued queued" || len(b.queue.Messages()) != 2 {
		t.Errorf("got %s and %d messages", got, len(b.queue.Messages()))
	}
}

func TestDirectErrsWhereTheQueueCannotTakeIt(t *testing.T) {
	for _, tc := range []struct {
		name    string
		options options
		want    string
	}{
		{"unreachable", options{}, "queue: send: "},
		{"none", options{noQueue: true}, "queue: there is none: set UNBIND_QUEUE_URL"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBench(t, tc.options)
			b.wechat.Fail(wedatatest.Fault{Times: -1, Errcode: -1})
			b.sqs.Fail(lambdatest.Fault{Times: -1, Code: "AccessDenied", Status: 403})
			_, err := b.send(t, `{"uid":"E1001"}`)
			failure := unbindError(t, err)
			if text := failure.Error(); !strings.HasPrefix(text, "1 of 1 departures not done: ") || !strings.Contains(text, tc.want) || !strings.Contains(text, `"status":"retry"`) {
				t.Errorf("got %s", text)
			}
		})
	}
}
