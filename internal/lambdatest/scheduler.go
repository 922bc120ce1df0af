package lambdatest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// Scheduler stands in for Amazon EventBridge Scheduler with one-time schedules whose targets are queues. It is an
// [http.Handler]. Every group exists. Schedules are delivered by [Scheduler.MoveTo] alone, which moves the clock.
type Scheduler struct {
	endpoint

	sqs *SQS

	mu        sync.Mutex
	ahead     time.Duration         // of the real clock
	schedules map[string]*scheduled // by group/name
	calls     map[string]int
}

// scheduled is a schedule: the members that the stand-in uses, and the request as it was sent.
type scheduled struct {
	Name, GroupName, ScheduleExpression string

	Target struct {
		Arn, Input, RoleArn string
	}

	due  time.Time
	sent map[string]any
}

// NewScheduler returns a stand-in without schedules. The targets are the queues of a stand-in for SQS.
func NewScheduler(queues *SQS) *Scheduler {
	s := &Scheduler{sqs: queues, schedules: map[string]*scheduled{}, calls: map[string]int{}}
	s.operations = map[string]func([]byte) (any, *apiError){
		"CreateSchedule": func(input []byte) (any, *apiError) { return s.write(input, false) },
		"UpdateSchedule": func(input []byte) (any, *apiError) { return s.write(input, true) },
		"GetSchedule": func(input []byte) (any, *apiError) {
			return s.existing(input, func(one *scheduled) any { return one.sent })
		},
		"DeleteSchedule": func(input []byte) (any, *apiError) {
			return s.existing(input, func(one *scheduled) any {
				delete(s.schedules, one.key())
				return struct{}{}
			})
		},
		"ListSchedules": s.list,
	}
	return s
}

func (one *scheduled) key() string { return one.GroupName + "/" + one.Name }

// Now returns the time of the stand-in's clock.
func (s *Scheduler) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now()
}

func (s *Scheduler) now() time.Time { return time.Now().Add(s.ahead) }

// MoveTo moves the clock to t. Schedules that are then due are sent to their queues and deleted, the earliest first.
// It returns their names. A target that is no queue of the stand-in gets nothing.
func (s *Scheduler) MoveTo(t time.Time) (fired []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ahead = time.Until(t)
	list := slices.SortedFunc(maps.Values(s.schedules), func(a, b *scheduled) int {
		return cmp.Or(a.due.Compare(b.due), strings.Compare(a.key(), b.key()))
	})
	for _, one := range list {
		if one.due.After(t) {
			break
		}
		s.sqs.sendTo(one.Target.Arn, one.Target.Input)
		delete(s.schedules, one.key())
		fired = append(fired, one.Name)
	}
	return fired
}

// Next returns when the next schedule is due; it is zero where there is none.
func (s *Scheduler) Next() (next time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.schedules {
		if next.IsZero() || one.due.Before(next) {
			next = one.due
		}
	}
	return next
}

// Inputs returns the input of each schedule, by name.
func (s *Scheduler) Inputs() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	inputs := map[string]string{}
	for _, one := range s.schedules {
		inputs[one.Name] = one.Target.Input
	}
	return inputs
}

// Due returns when each schedule is due, by name.
func (s *Scheduler) Due() map[string]time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	due := map[string]time.Time{}
	for _, one := range s.schedules {
		due[one.Name] = one.due
	}
	return due
}

// OnTheDay returns fn as it would be by the stand-in's clock. A function's own clock cannot be moved, so each event is
// changed by [Scheduler.Present].
func (s *Scheduler) OnTheDay(fn Invoker) Invoker { return onTheDay{s, fn} }

type onTheDay struct {
	scheduler *Scheduler
	fn        Invoker
}

// Invoke passes the event to the function, with the present moment in it.
func (o onTheDay) Invoke(ctx context.Context, event []byte) (Reply, error) {
	return o.fn.Invoke(ctx, []byte(o.scheduler.Present(string(event))))
}

// effectiveAt finds when a departure is due in a canonical event, also where an event of SQS has it as a string.
var effectiveAt = regexp.MustCompile(`(\\?"effective_at\\?":\\?")([^"\\]+)`)

// Present returns a canonical event, or an event of SQS with canonical events, changed for a function with the real
// clock: each effective_at that is past by the stand-in's clock, and future by the real clock, becomes the real time.
func (s *Scheduler) Present(text string) string {
	now, moved := time.Now(), s.Now()
	return effectiveAt.ReplaceAllStringFunc(text, func(found string) string {
		parts := effectiveAt.FindStringSubmatch(found)
		due, err := time.Parse(time.RFC3339, parts[2])
		if err != nil || !due.After(now) || due.After(moved) {
			return found
		}
		return parts[1] + now.UTC().Format(time.RFC3339)
	})
}

// Calls returns the number of calls of an operation, such as "GetSchedule". Failed calls count too.
func (s *Scheduler) Calls(operation string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[operation]
}

// schedulerPath is where the paths of schedules begin.
const schedulerPath = "/schedules"

// schedulerOperation is [Operation] for Scheduler.
func schedulerOperation(r *http.Request) (service, operation string) {
	switch {
	case r.URL.Path == schedulerPath:
		return ServiceScheduler, "ListSchedules"
	case strings.HasPrefix(r.URL.Path, schedulerPath+"/"):
		return ServiceScheduler, map[string]string{
			"POST": "CreateSchedule", "PUT": "UpdateSchedule", "GET": "GetSchedule", "DELETE": "DeleteSchedule",
		}[r.Method]
	}
	return "", ""
}

// ServeHTTP answers an SDK client. The protocol has the operation in the method and path, and part of the input in the
// path and the query: it is put together here.
func (s *Scheduler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	input := map[string]any{}
	if len(body) > 0 && json.Unmarshal(body, &input) != nil {
		refuse(w, http.StatusBadRequest, "SerializationException", "not JSON")
		return
	}
	_, operation := schedulerOperation(r)
	if operation != "ListSchedules" {
		input["Name"] = path.Base(r.URL.Path)
	}
	for member, parameter := range map[string]string{
		"groupName": "GroupName", "ScheduleGroup": "GroupName", "NamePrefix": "NamePrefix", "NextToken": "NextToken",
	} {
		if value := r.URL.Query().Get(member); value != "" {
			input[parameter] = value
		}
	}
	s.mu.Lock()
	s.calls[operation]++
	s.mu.Unlock()
	whole, _ := json.Marshal(input) // it was read from JSON
	r.Body = io.NopCloser(bytes.NewReader(whole))
	s.serve(w, r, operation)
}

// write creates a schedule, or replaces an existing one as a whole.
func (s *Scheduler) write(input []byte, exists bool) (any, *apiError) {
	one := new(scheduled)
	if err := decode(input, one); err != nil {
		return nil, err
	}
	if err := decode(input, &one.sent); err != nil {
		return nil, err
	}
	delete(one.sent, "ClientToken")
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	one.due, err = time.Parse("at(2006-01-02T15:04:05)", one.ScheduleExpression)
	switch {
	case err != nil:
		return nil, &apiError{"ValidationException", "Invalid Schedule Expression " + one.ScheduleExpression + "."}
	case one.due.Before(s.now()):
		return nil, &apiError{"ValidationException", "Schedule Expression is in the past."}
	case len(one.Name) > 64 || one.Target.Arn == "" || one.Target.RoleArn == "":
		return nil, &apiError{"ValidationException", "Name or Target is not valid."}
	case exists && s.schedules[one.key()] == nil:
		return nil, noSchedule()
	case !exists && s.schedules[one.key()] != nil:
		return nil, &apiError{"ConflictException", "Schedule " + one.Name + " already exists."}
	}
	s.schedules[one.key()] = one
	arn := "arn:aws:scheduler:" + Region + ":" + accountID + ":schedule/" + one.key()
	return map[string]string{"ScheduleArn": arn}, nil
}

func noSchedule() *apiError {
	return &apiError{"ResourceNotFoundException", "The schedule does not exist."}
}

// existing calls a function with an existing schedule.
func (s *Scheduler) existing(input []byte, do func(*scheduled) any) (any, *apiError) {
	var in scheduled
	if err := decode(input, &in); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if one := s.schedules[in.key()]; one != nil {
		return do(one), nil
	}
	return nil, noSchedule()
}

// list returns up to 100 schedules of a group by name. A token is the last name of the page before.
func (s *Scheduler) list(input []byte) (any, *apiError) {
	var in struct{ GroupName, NamePrefix, NextToken string }
	if err := decode(input, &in); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	page := []map[string]any{}
	token := ""
	found := []string{}
	for key, one := range s.schedules {
		if one.GroupName == in.GroupName && strings.HasPrefix(one.Name, in.NamePrefix) && one.Name > in.NextToken {
			found = append(found, key)
		}
	}
	slices.Sort(found)
	for _, key := range found {
		one := s.schedules[key]
		if len(page) == 100 {
			token, _ = page[99]["Name"].(string)
			break
		}
		page = append(page, map[string]any{"Name": one.Name, "GroupName": one.GroupName, "State": one.sent["State"]})
	}
	output := map[string]any{"Schedules": page}
	if token != "" {
		output["NextToken"] = token
	}
	return output, nil
}
