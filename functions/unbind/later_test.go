package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"wedata-unbind/internal/lambdatest"
	"wedata-unbind/internal/source/sourcetest"
	"wedata-unbind/internal/wedata/wedatatest"
)

// later tells the story of E1001 and E1002 with the built function, from days ahead to the day itself.
type later struct {
	*fixture
	t        *testing.T
	function *lambdatest.Function
	now      time.Time
}

func newLater(t *testing.T) *later {
	w := newFixture(t, wedatatest.Options{})
	return &later{fixture: w, t: t, now: time.Now().UTC()}
}

// announced is an event of some hours ago about a day from now. The day 0 is at once.
func (l *later) announced(hoursAgo, day int) string {
	due := ""
	if day != 0 {
		due = fmt.Sprintf(`,"effective_at":%q`, l.day(day).Format(time.RFC3339))
	}
	return fmt.Sprintf(`{"type":"employee.left","time":%q,"data":{"uid":"E1001"%s}}`, l.hour(-hoursAgo), due)
}

// taken is a cancellation of some hours ago.
func (l *later) taken(hoursAgo int) string {
	return fmt.Sprintf(`{"type":"employee.left.cancelled","time":%q,"data":{"uid":"E1001"}}`, l.hour(-hoursAgo))
}

func (l *later) day(n int) time.Time { return l.now.AddDate(0, 0, n).Truncate(time.Minute) }
func (l *later) hour(n int) string {
	return l.now.Add(time.Duration(n) * time.Hour).Format(time.RFC3339)
}
func (l *later) due(day int) string    { return "due " + l.day(day).Format("2006-01-02T15:04Z") }
func (l *later) isBound(m string) bool { return l.wechat.Bindings(m)[0].Bound }

// sns sends the payload by SNS, and expects this in the reply.
func (l *later) sns(name, payload, want string) {
	l.t.Helper()
	event := fmt.Sprintf(`{"Records":[{"EventSource":"aws:sns","Sns":{"TopicArn":"arn:aws:sns:us-east-1:123456789012:hr","Message":%q}}]}`, payload)
	if reply := invoke(l.t, l.function, event); !strings.Contains(string(reply.Payload), want) {
		l.t.Errorf("%s: got %s, %v; want %s", name, reply.Payload, reply.Err(), want)
	}
}

// deliver passes to the function what is in the queue, as it is by Scheduler's clock.
func (l *later) deliver() lambdatest.Delivery {
	l.t.Helper()
	d, err := l.queue.Deliver(l.t.Context(), l.aws.Scheduler.OnTheDay(l.function), 10)
	if err != nil {
		l.t.Fatal(err)
	}
	return d
}

// comes lets the day come, and returns how many schedules fired.
func (l *later) comes(day int) int {
	l.t.Helper()
	fired := l.aws.Scheduler.MoveTo(l.day(day))
	l.deliver()
	if waiting := len(l.queue.Messages()); waiting > 0 {
		l.t.Errorf("%d messages are left on day %d; %s", waiting, day, l.function.Log())
	}
	return len(fired)
}

// untouched fails the test where WeChat was called.
func (l *later) untouched() {
	l.t.Helper()
	if calls := l.calls(); calls != "" {
		l.t.Errorf("WeChat was called\n%s", calls)
	}
}

func TestALaterDepartureWaitsForItsDay(t *testing.T) {
	l := newLater(t)
	l.putIndex(shop)
	l.function = l.start(t)
	l.sns("announced", l.announced(5, 3), `"status":"scheduled","detail":"`+l.due(3)+`"`)
	l.sns("moved", l.announced(3, 9), `"status":"scheduled","detail":"`+l.due(9)+`"`)
	l.sns("moved before, and delivered later", l.announced(4, 2), `"status":"ignored"`)
	l.sns("delivered twice", l.announced(3, 9), `"status":"scheduled"`)
	if due := l.aws.Scheduler.Due(); len(due) != 1 {
		t.Errorf("schedules %v", due)
	}
	reply := invoke(t, l.function, `{"action":"scheduled"}`)
	if want := `{"scheduled":[{"uid":"E1001","due":"` + l.day(9).Format("2006-01-02T15:04"); !strings.HasPrefix(string(reply.Payload), want) {
		t.Errorf("got %s, want %s", reply.Payload, want)
	}
	for day := 1; day < 9; day++ {
		if fired := l.comes(day); fired > 0 {
			t.Errorf("%d schedules fired on day %d", fired, day)
		}
	}
	l.untouched()

	l.putIndex(shop, otherShop) // a merchant that is added after the event
	l.wechat.Bind(otherShop, wedatatest.Bound("E1001"))
	l.function = l.start(t)
	lists := l.aws.Scheduler.Calls("ListSchedules")
	if fired := l.comes(9); fired != 1 || l.isBound(shop) || l.isBound(otherShop) {
		t.Errorf("%d fired; bound: %v, at the new merchant %v\n%s", fired, l.isBound(shop), l.isBound(otherShop), l.function.Log())
	}
	if n := l.aws.Scheduler.Calls("ListSchedules") - lists; n != 1 {
		t.Errorf("%d lists of schedules, want 1", n)
	}
	if left := len(l.dead.Messages()) + len(l.aws.Scheduler.Due()); left > 0 {
		t.Errorf("%d dead letters and schedules left", left)
	}
}

// A departure is announced and taken back by every way in.
func TestEveryWayInTakesALaterDeparture(t *testing.T) {
	inEventBridge := func(l *later, detailType, detail string) string {
		event, err := json.Marshal(map[string]any{
			"version": "0", "id": "evt-1", "detail-type": detailType, "source": "hr", "time": l.hour(-1), "detail": json.RawMessage(detail),
		})
		if err != nil {
			l.t.Fatal(err)
		}
		return string(event)
	}
	bare := func(l *later) string {
		return `{"uid":"E1001","effective_at":"` + l.day(9).Format(time.RFC3339) + `"}`
	}
	const key = "key-of-the-desk"
	for name, row := range map[string]struct {
		announced, taken func(*later) string
		replies          [2]string // a part of each
	}{
		"by hand": {
			bare,
			func(*later) string { return `{"type":"employee.left.cancelled","data":{"uid":"E1001"}}` },
			[2]string{`"status":"scheduled"`, `"status":"cancelled"`},
		},
		"EventBridge": {
			func(l *later) string { return inEventBridge(l, "Employee Left", bare(l)) },
			func(l *later) string { return inEventBridge(l, "Employee Left Cancelled", `{"uid":"E1001"}`) },
			[2]string{`"status":"scheduled"`, `"status":"cancelled"`},
		},
		"a webhook": {
			func(l *later) string {
				return string(sourcetest.HMAC(key, "X-Signature", []byte(l.announced(2, 9))).Event("/hooks/hr"))
			},
			func(l *later) string {
				return string(sourcetest.HMAC(key, "X-Signature", []byte(l.taken(1))).Event("/hooks/hr"))
			},
			[2]string{`"statusCode":200`, `"statusCode":200`},
		},
		"POST /unbind": {
			func(l *later) string {
				return string(sourcetest.Bearer(key, []byte(l.announced(2, 9))).Event("/unbind"))
			},
			func(l *later) string { return string(sourcetest.Bearer(key, []byte(l.taken(1))).Event("/unbind")) },
			[2]string{`"statusCode":202`, `"statusCode":200`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLater(t)
			l.putToken()
			l.putSources(t)
			l.function = l.start(t)
			for i, event := range []string{row.announced(l), row.taken(l)} {
				reply := invoke(t, l.function, event)
				l.deliver()
				if !strings.Contains(string(reply.Payload), row.replies[i]) {
					t.Errorf("got %s, %v; want %s", reply.Payload, reply.Err(), row.replies[i])
				}
				waiting := string(invoke(t, l.function, `{"action":"scheduled"}`).Payload)
				if got := strings.Contains(waiting, `{"uid":"E1001"`); got != (i == 0) {
					t.Errorf("after event %d there waits %s\n%s", i+1, waiting, l.function.Log())
				}
			}
			l.comes(9)
			l.untouched()
		})
	}
}

func TestWhoeverStaysAfterAllStays(t *testing.T) {
	fails := func(l *later) { l.wechat.Grant(shop, false) }
	for name, story := range map[string]func(*later){
		"taken back": func(l *later) {
			l.sns("announced", l.announced(2, 9), `"status":"scheduled"`)
			l.sns("taken back", l.taken(1), `"status":"cancelled","detail":"was `+l.due(9)+`"`)
		},
		"taken back by hand": func(l *later) {
			l.sns("announced", l.announced(2, 9), `"status":"scheduled"`)
			reply := invoke(l.t, l.function, `{"type":"employee.left.cancelled","data":{"uid":"E1001"}}`)
			if !strings.Contains(string(reply.Payload), `"status":"cancelled","detail":"was `+l.due(9)+`"`) {
				l.t.Errorf("got %s, %v", reply.Payload, reply.Err())
			}
		},
		"taken back before it was announced": func(l *later) {
			l.sns("taken back", l.taken(1), `"status":"cancelled","detail":"nothing was scheduled"`)
			l.sns("announced", l.announced(2, 9), `"status":"cancelled"`)
		},
		"announced once more after it was taken back, by the queue": func(l *later) {
			l.sns("taken back", l.taken(1), `"status":"cancelled"`)
			l.queue.Send(l.announced(2, 0), nil)
			l.queue.Send(l.announced(2, 9), nil)
			l.deliver()
		},
		"taken back after it fired": func(l *later) {
			l.sns("announced", l.announced(2, 9), `"status":"scheduled"`)
			l.aws.Scheduler.MoveTo(l.day(9))
			l.sns("taken back", l.taken(1), `"status":"cancelled"`)
			l.deliver()
		},
		"a dead letter that is redriven": func(l *later) {
			fails(l)
			l.sns("refused", l.announced(2, 0), `"status":"failed"`)
			l.wechat.Grant(shop, true)
			if len(l.dead.Messages()) != 1 {
				l.t.Fatalf("dead letters %+v", l.dead.Messages())
			}
			l.wechat.Reset()
			l.wechat.Bind(shop, wedatatest.Bound("E1001"))
			l.aws.Secrets.Put(secretID, l.wechat.Rotate(shop))
			l.sns("taken back", l.taken(1), `"status":"cancelled"`)
			l.dead.Redrive(l.queue)
			l.deliver()
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLater(t)
			l.function = l.start(t)
			story(l)
			for day := range 20 { // a cancellation stands for 14 days
				l.comes(day)
			}
			l.untouched()
			if left := len(l.dead.Messages()) + len(l.aws.Scheduler.Due()); left > 0 || !l.isBound(shop) {
				t.Errorf("%d dead letters and schedules left, bound: %v\n%s", left, l.isBound(shop), l.function.Log())
			}
		})
	}
}

func TestAFaultOfSchedulerIsTriedAgain(t *testing.T) {
	for name, fault := range map[string]lambdatest.Fault{
		"throttled": {Code: "ThrottlingException", Status: 429},
		"denied":    {Code: "AccessDeniedException", Status: 403},
		"down":      {Status: 503},
		"no reply":  {Drop: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // the SDK waits between its attempts
			l := newLater(t)
			l.function = l.start(t)
			fault.Times = 5
			l.aws.Scheduler.Fail(fault)
			l.sns("announced", l.announced(2, 9), `"status":"queued"`)
			for n := 0; len(l.queue.Messages()) > 0; n++ {
				if d := l.deliver(); n == 8 || len(d.Dead) > 0 {
					t.Fatalf("not scheduled after %d deliveries\n%s", n, l.function.Log())
				}
			}
			if due := l.aws.Scheduler.Due(); len(due) != 1 {
				t.Errorf("schedules %v", due)
			}
			l.untouched()
			lines := linesOf(l.function, "outcome")
			if first, last := lines[0], lines[len(lines)-1]; first["class"] != "schedule" || last["status"] != "scheduled" {
				t.Errorf("the log is\n%s", l.function.Log())
			}

			// What is due: nothing is done before it is known that it was not taken back.
			fault.Times = 2
			if fault.Code != "AccessDeniedException" {
				fault.Times = 4 // the SDK makes three attempts
			}
			l.aws.Scheduler.MoveTo(l.day(9))
			l.aws.Scheduler.Fail(fault)
			if d := l.deliver(); len(d.Returned) != 1 || !l.isBound(shop) {
				t.Errorf("got %s; bound: %v", d.Reply.Payload, l.isBound(shop))
			}
			l.untouched()
			for l.isBound(shop) && len(l.queue.Messages()) > 0 {
				l.deliver()
			}
			if l.isBound(shop) {
				t.Errorf("still bound\n%s", l.function.Log())
			}
		})
	}
}

func TestTheMomentItself(t *testing.T) {
	l := newLater(t)
	l.function = l.start(t)
	moment := func(d time.Duration) string {
		return `{"uid":"E1001","effective_at":"` + l.now.Add(d).Format(time.RFC3339) + `"}`
	}
	l.sns("in 20 s", moment(20*time.Second), `"status":"scheduled"`)
	if fired := l.aws.Scheduler.MoveTo(time.Now()); len(fired) > 0 {
		t.Errorf("fired %v", fired)
	}
	l.queue.Send(moment(20*time.Second), nil)
	for range 3 { // the queue may deliver too early
		if _, err := l.queue.Deliver(t.Context(), l.function, 10); err != nil {
			t.Fatal(err)
		}
		waiting := l.queue.Messages()
		if len(waiting) != 1 || waiting[0].Delay < 10*time.Second || waiting[0].Delay > 25*time.Second {
			t.Errorf("in the queue %+v", waiting)
		}
	}
	l.untouched()
	l.sns("a second ago", moment(-time.Second), `"status":"unbound"`)
	if l.isBound(shop) {
		t.Errorf("still bound\n%s", l.function.Log())
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
