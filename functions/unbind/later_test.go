package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"wedata-unbind/internal/wedata/wedatatest"
)

// The built function keeps a departure until its day, and heeds what was taken back.
func TestALaterDepartureIsKeptAndTakenBack(t *testing.T) {
	w := newFixture(t, wedatatest.Options{})
	function := w.start(t)
	now := time.Now().UTC()
	due := now.Add(9 * time.Hour).Truncate(time.Second)
	at := func(ago time.Duration) string { return now.Add(-ago).Format(time.RFC3339) }
	left := func(ago time.Duration, effective string) string {
		return fmt.Sprintf(`{"type":"employee.left","time":%q,"data":{"uid":"E1001","effective_at":%q}}`, at(ago), effective)
	}
	taken := fmt.Sprintf(`{"type":"employee.left.cancelled","time":%q,"data":{"uid":"E1001"}}`, at(time.Hour))
	later := left(2*time.Hour, due.Format(time.RFC3339))
	const late = "2026-01-01T00:00:00Z"

	for _, step := range []struct{ name, event, want string }{
		{"announced", later, `"status":"scheduled","detail":"due ` + due.Format("2006-01-02T15:04Z") + `"`},
		{"announced before, and delivered later", left(3*time.Hour, due.Add(time.Hour).Format(time.RFC3339)), `"status":"ignored"`},
		{"who leaves when", `{"action":"scheduled"}`, `{"scheduled":[{"uid":"E1001","due":"` + due.Format("2006-01-02T15:04")},
		{"taken back", taken, `"status":"cancelled","detail":"was due ` + due.Format("2006-01-02T15:04Z") + `"`},
		{"nobody leaves", `{"action":"scheduled"}`, `{"scheduled":[]}`},
		{"a late duplicate", later, `"status":"cancelled"`},
	} {
		if reply := invoke(t, function, step.event); !strings.Contains(string(reply.Payload), step.want) {
			t.Errorf("%s: got %s, want %s", step.name, reply.Payload, step.want)
		}
	}
	// A redriven dead letter of the time before it was taken back.
	w.queue.Send(left(2*time.Hour, late), nil)
	if _, err := w.queue.Deliver(t.Context(), function, 10); err != nil || len(w.queue.Messages()) > 0 || w.calls() != "" {
		t.Fatalf("got %v, %d messages, calls %s", err, len(w.queue.Messages()), w.calls())
	}
	// A newer departure, from the queue: one list of the schedules, and the person is out.
	lists := w.aws.Scheduler.Calls("ListSchedules")
	w.queue.Send(left(time.Minute, late), nil)
	if _, err := w.queue.Deliver(t.Context(), function, 10); err != nil || w.aws.Scheduler.Calls("ListSchedules") != lists+1 {
		t.Errorf("got %v, %d lists", err, w.aws.Scheduler.Calls("ListSchedules")-lists)
	}
	if w.wechat.Bindings(shop)[0].Bound {
		t.Errorf("E1001 is still bound; %s", function.Log())
	}
}

// What fires is in the queue. The function does not carry it out before its own clock says so.
func TestWhatFiresTooEarlyWaits(t *testing.T) {
	w := newFixture(t, wedatatest.Options{})
	function := w.start(t)
	due := time.Now().Add(9 * time.Hour)
	invoke(t, function, `{"uid":"E1001","effective_at":"`+due.Format(time.RFC3339)+`"}`)
	if fired := w.aws.Scheduler.MoveTo(due.Add(time.Minute)); len(fired) != 1 {
		t.Fatalf("fired %v", fired)
	}
	if _, err := w.queue.Deliver(t.Context(), function, 10); err != nil || w.calls() != "" || !w.wechat.Bindings(shop)[0].Bound {
		t.Errorf("got %v; calls %s", err, w.calls())
	}
}
