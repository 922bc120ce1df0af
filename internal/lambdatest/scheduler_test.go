package lambdatest

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/scheduler/types"
)

// newScheduler returns an SDK client of a stand-in with one queue.
func newScheduler(t *testing.T) (*AWS, *scheduler.Client, *Queue) {
	t.Helper()
	services := NewAWS()
	client, url := InMemory(t, services)
	return services, scheduler.New(scheduler.Options{
		Region: Region, BaseEndpoint: &url, HTTPClient: client, Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
	}), services.SQS.Create("unbind", QueueConfig{})
}

func newSchedule(name, at string, to *Queue) *scheduler.CreateScheduleInput {
	return &scheduler.CreateScheduleInput{
		Name: &name, GroupName: aws.String("group"), ScheduleExpression: &at,
		FlexibleTimeWindow: &types.FlexibleTimeWindow{Mode: types.FlexibleTimeWindowModeOff},
		Target:             &types.Target{Arn: aws.String(to.ARN()), RoleArn: aws.String("role"), Input: aws.String("input of " + name)},
	}
}

func TestSchedules(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // which begins at 2000-01-01T00:00:00Z
		services, client, queue := newScheduler(t)
		for i, at := range []string{"at(2000-01-03T00:00:00)", "at(2000-01-02T00:00:00)", "at(2000-01-04T00:00:00)"} {
			if _, err := client.CreateSchedule(t.Context(), newSchedule(fmt.Sprint("s", i), at, queue)); err != nil {
				t.Fatal(err)
			}
		}
		for name, row := range map[string]struct {
			name, at, code string
		}{
			"taken":             {"s1", "at(2000-01-02T00:00:00)", "ConflictException"},
			"past":              {"new", "at(1999-12-31T23:59:59)", "ValidationException"},
			"no time":           {"new", "rate(1 day)", "ValidationException"},
			"too long for them": {fmt.Sprintf("%065d", 1), "at(2000-01-02T00:00:00)", "ValidationException"},
		} {
			if _, err := client.CreateSchedule(t.Context(), newSchedule(row.name, row.at, queue)); errorCode(err) != row.code {
				t.Errorf("%s: %v, want %s", name, err, row.code)
			}
		}
		moved := scheduler.UpdateScheduleInput{
			Name: aws.String("s2"), GroupName: aws.String("group"), ScheduleExpression: aws.String("at(2000-01-02T12:00:00)"),
			FlexibleTimeWindow: newSchedule("s2", "", queue).FlexibleTimeWindow, Target: newSchedule("s2", "", queue).Target,
		}
		if _, err := client.UpdateSchedule(t.Context(), &moved); err != nil {
			t.Error(err)
		}
		got, err := client.GetSchedule(t.Context(), &scheduler.GetScheduleInput{Name: moved.Name, GroupName: moved.GroupName})
		if err != nil || *got.ScheduleExpression != *moved.ScheduleExpression || *got.Target.Input != "input of s2" {
			t.Errorf("got %+v, %v", got, err)
		}

		fired := services.Scheduler.MoveTo(time.Date(2000, 1, 2, 12, 0, 0, 0, time.UTC))
		if !slices.Equal(fired, []string{"s1", "s2"}) || !slices.Equal(bodies(queue.Messages()), []string{"input of s1", "input of s2"}) {
			t.Errorf("fired %q, sent %q", fired, bodies(queue.Messages()))
		}
		if due := services.Scheduler.Due(); len(due) != 1 || due["s0"] != time.Date(2000, 1, 3, 0, 0, 0, 0, time.UTC) {
			t.Errorf("still waiting: %v", due)
		}
		if now := services.Scheduler.Now(); now != time.Date(2000, 1, 2, 12, 0, 0, 0, time.UTC).Local() {
			t.Errorf("it is %v", now)
		}
		if _, err := client.UpdateSchedule(t.Context(), &moved); errorCode(err) != "ResourceNotFoundException" {
			t.Errorf("updated what has fired: %v", err)
		}
	})
}

func TestSchedulesAreListedByGroupAndPrefix(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		services, client, queue := newScheduler(t)
		for i := range 101 {
			if _, err := client.CreateSchedule(t.Context(), newSchedule(fmt.Sprintf("a%03d", i), "at(2000-01-03T00:00:00)", queue)); err != nil {
				t.Fatal(err)
			}
		}
		for name, row := range map[string]struct {
			group, prefix string
			pages         []int
		}{
			"all":           {"group", "", []int{100, 1}},
			"some":          {"group", "a00", []int{10}},
			"none":          {"group", "b", []int{0}},
			"another group": {"other", "", []int{0}},
		} {
			in := &scheduler.ListSchedulesInput{GroupName: &row.group, NamePrefix: &row.prefix}
			if row.prefix == "" {
				in.NamePrefix = nil // the SDK refuses an empty one
			}
			var pages []int
			for more := true; more; more = in.NextToken != nil {
				out, err := client.ListSchedules(t.Context(), in)
				if err != nil {
					t.Fatal(err)
				}
				pages, in.NextToken = append(pages, len(out.Schedules)), out.NextToken
			}
			if !slices.Equal(pages, row.pages) {
				t.Errorf("%s: pages of %d, want %d", name, pages, row.pages)
			}
		}
		if n := services.Scheduler.Calls("ListSchedules"); n != 5 {
			t.Errorf("%d calls, want 5", n)
		}
	})
}

// A departure that has come by the stand-in's clock, but not by the function's, is due now.
func TestPresent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // which begins at 2000-01-01T00:00:00Z
		services, _, _ := newScheduler(t)
		services.Scheduler.MoveTo(time.Date(2000, 1, 3, 0, 0, 0, 0, time.UTC))
		for name, row := range map[string]struct{ text, want string }{
			"come":                {`"effective_at":"2000-01-03T00:00:00Z"`, `"effective_at":"2000-01-01T00:00:00Z"`},
			"in another zone":     {`"effective_at":"2000-01-03T08:00:00+08:00"`, `"effective_at":"2000-01-01T00:00:00Z"`},
			"in a message":        {`\"effective_at\":\"2000-01-02T00:00:00Z\"`, `\"effective_at\":\"2000-01-01T00:00:00Z\"`},
			"still ahead":         {`"effective_at":"2000-01-04T00:00:00Z"`, `"effective_at":"2000-01-04T00:00:00Z"`},
			"due for both clocks": {`"effective_at":"1999-12-31T00:00:00Z"`, `"effective_at":"1999-12-31T00:00:00Z"`},
			"no moment":           {`"effective_at":"2000-01-02"`, `"effective_at":"2000-01-02"`},
		} {
			if got := services.Scheduler.Present(row.text); got != row.want {
				t.Errorf("%s: got %s, want %s", name, got, row.want)
			}
		}
	})
}
