package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/scheduler"

	"wedata-unbind/internal/wedata/wedatatest"
)

// laters has a row for each end of a departure that is announced for later.
func laters() []row {
	return []row{
		{"due later", func(t *testing.T, s *stack, merchant, uid string) {
			due := announce(t, s, merchant, uid, 30*time.Second)
			if got := s.schedules(t, merchant); len(got) != 1 || got[0].Before(due) || got[0].Sub(due) >= time.Minute {
				t.Errorf("schedules at %v, want one within the minute after %v", got, due)
			}
			reply := string(s.invoke(t, `{"action":"scheduled","merchant":"`+merchant+`"}`).Payload)
			if !strings.Contains(reply, uid) {
				t.Errorf("got %s, want %s in it", reply, uid)
			}
			s.unbound(t, 3*time.Minute, merchant, uid)
			if now := time.Now(); now.Before(due) {
				t.Errorf("unbound %v too early", due.Sub(now))
			}
			if got := s.logged(t, 10*time.Second, merchant, "unbound"); got.Trigger != "sqs" {
				t.Errorf("logged %+v, want the trigger sqs", got)
			}
			eventually(t, time.Minute, "the schedule is deleted", func() bool { return len(s.schedules(t, merchant)) == 0 })
		}},
		{"due later, but taken back", func(t *testing.T, s *stack, merchant, uid string) {
			due := announce(t, s, merchant, uid, 10*time.Minute)
			s.publish(t, fmt.Sprintf(`{"type":"employee.left.cancelled","data":%s}`, bare(merchant, uid)))
			if got := s.logged(t, 30*time.Second, merchant, "cancelled"); !strings.HasPrefix(got.Reason, "was due ") {
				t.Errorf("logged %+v, want when it was due", got)
			}
			// The cancellation stands in the place of the departure, which cannot fire any more.
			if got := s.schedules(t, merchant); len(got) != 1 || !got[0].After(due.Add(13*24*time.Hour)) {
				t.Errorf("schedules at %v, want one in 14 days", got)
			}
			// A late duplicate, as a vendor's retry or a redrive may bring it after the day.
			s.send(t, s.outputs["QueueUrl"], departureDue(merchant, uid, due.Add(-20*time.Minute)))
			eventually(t, 30*time.Second, "the duplicate in the log", func() bool { return len(s.outcomes(t, merchant)) == 3 })
			if got := s.logged(t, 10*time.Second, merchant, "cancelled"); got.Trigger != "sqs" {
				t.Errorf("logged %+v, want the trigger sqs", got)
			}
			if !s.wechat.bound(merchant, uid) || s.wechat.calls(merchant, wedatatest.UnbindPath) > 0 {
				t.Error("a departure that was taken back was carried out")
			}
		}},
	}
}

// departureDue is a departure that happened an hour before the test.
func departureDue(merchant, uid string, due time.Time) string {
	return fmt.Sprintf(`{"type":"employee.left","time":%q,"data":{"uid":%q,"merchant":%q,"effective_at":%q}}`,
		time.Now().Add(-time.Hour).UTC().Format(time.RFC3339), uid, merchant, due.UTC().Format(time.RFC3339))
}

// announce announces a departure and waits until it is scheduled.
func announce(t *testing.T, s *stack, merchant, uid string, ahead time.Duration) (due time.Time) {
	t.Helper()
	due = time.Now().Add(ahead).Truncate(time.Second)
	s.publish(t, departureDue(merchant, uid, due))
	s.logged(t, 20*time.Second, merchant, "scheduled")
	return due
}

// schedules returns when the merchant's schedules fire.
func (s *stack) schedules(t *testing.T, merchant string) (at []time.Time) {
	t.Helper()
	client := scheduler.NewFromConfig(s.config)
	pages := scheduler.NewListSchedulesPaginator(client, &scheduler.ListSchedulesInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range page.Schedules {
			if !strings.HasSuffix(*one.Name, "-"+merchant) {
				continue
			}
			whole, err := client.GetSchedule(t.Context(), &scheduler.GetScheduleInput{GroupName: one.GroupName, Name: one.Name})
			if err != nil {
				t.Fatal(err)
			}
			moment, err := time.Parse("at(2006-01-02T15:04:05)", *whole.ScheduleExpression)
			if err != nil {
				t.Fatal(err)
			}
			at = append(at, moment)
		}
	}
	return at
}
