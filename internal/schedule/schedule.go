// Package schedule keeps departures that are due later, and cancellations, as one-time schedules of Amazon EventBridge
// Scheduler. A departure that comes due is sent to the queue, and its schedule is deleted.
//
// What is known of the service (EventBridge Scheduler User Guide and API Reference):
//   - at() is exact to the minute: the target is called within the 60 s after it. at() in the past is refused.
//   - ActionAfterCompletion DELETE removes a schedule shortly after the call, not in the same moment. So what is read
//     may have come due already, and what is put in its place may be deleted with it: who does that looks once more.
//   - No document promises that ListSchedules shows a schedule right after it was created. So [Store.Put] does not use
//     it: CreateSchedule refuses a name that is taken, and GetSchedule reads by name. [Store.Standing] may miss what
//     was written in the same moment.
//   - UpdateSchedule has no condition. Where a schedule stands and two newer events of the same person and merchant are
//     put in the same fraction of a second, the older of the two can be written last and then stands.
package schedule

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/scheduler/types"
	"golang.org/x/sync/errgroup"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/strictjson"
)

// Scheduler is the part of [scheduler.Client] that is called.
type Scheduler interface {
	CreateSchedule(
		context.Context, *scheduler.CreateScheduleInput, ...func(*scheduler.Options),
	) (*scheduler.CreateScheduleOutput, error)
	GetSchedule(
		context.Context, *scheduler.GetScheduleInput, ...func(*scheduler.Options),
	) (*scheduler.GetScheduleOutput, error)
	UpdateSchedule(
		context.Context, *scheduler.UpdateScheduleInput, ...func(*scheduler.Options),
	) (*scheduler.UpdateScheduleOutput, error)
	DeleteSchedule(
		context.Context, *scheduler.DeleteScheduleInput, ...func(*scheduler.Options),
	) (*scheduler.DeleteScheduleOutput, error)
	ListSchedules(
		context.Context, *scheduler.ListSchedulesInput, ...func(*scheduler.Options),
	) (*scheduler.ListSchedulesOutput, error)
}

const (
	// callTime bounds one call with all attempts of the SDK, as in package queue.
	callTime = 4500 * time.Millisecond

	// maxAtOnce is how many schedules are read at once.
	maxAtOnce = 16

	// maxTries is how often Put starts again where the schedule vanishes between two of its calls.
	maxTries = 3

	// keepCancelled is how long a cancellation stands: as long as the dead-letter queue keeps a departure.
	keepCancelled = 14 * 24 * time.Hour

	// typeExpired is the type under which a cancellation waits. When its time is over, it comes to the function, which
	// ignores every type that it does not know.
	typeExpired = departure.TypeCancelled + ".expired"

	// The most that Scheduler allows (API Reference, RetryPolicy).
	maxEventAge = 24 * 60 * 60
	maxRetries  = 185
)

// Config says where schedules are kept and where they go to.
type Config struct {
	// Group is the schedule group. It belongs to this store alone.
	Group string
	// RoleARN is the role in which Scheduler sends to the queue.
	RoleARN string
	// QueueARN is the queue that gets what is due. DeadLetterQueueARN gets what Scheduler cannot deliver there.
	QueueARN, DeadLetterQueueARN string
	// Now is the clock, time.Now where it is nil.
	Now func() time.Time
}

// Store keeps departures and cancellations until their time comes: one schedule for each uid and merchant.
type Store struct {
	api    Scheduler
	config Config
}

// New returns the store. A value that is missing in the configuration is an error only when the store is used.
func New(api Scheduler, config Config) *Store {
	if config.Now == nil {
		config.Now = time.Now
	}
	return &Store{api, config}
}

// Standing returns what stands for a person: departures and cancellations, in the order of their schedules' names. The
// EffectiveAt of a cancellation is when it ends. What has come due may be among them for a moment after it was sent to
// the queue. It takes one call, and one more for each schedule. Every error is an [*Error].
func (s *Store) Standing(ctx context.Context, uid string) ([]departure.Departure, error) {
	return s.read(ctx, prefix(uid))
}

// All returns all departures that wait, the next first, without cancellations. Every error is an [*Error].
func (s *Store) All(ctx context.Context) ([]departure.Departure, error) {
	all, err := s.read(ctx, "")
	all = slices.DeleteFunc(all, func(d departure.Departure) bool { return d.Type == departure.TypeCancelled })
	// slices.SortFunc would be 12 KB of code for this type alone.
	sort.Slice(all, func(i, j int) bool {
		a, b := all[i], all[j]
		return cmp.Or(a.EffectiveAt.Compare(b.EffectiveAt), cmp.Compare(a.UID, b.UID), cmp.Compare(a.Merchant, b.Merchant)) < 0
	})
	return all, err
}

// Reachable reports whether the schedules can be listed. It changes nothing. Every error is an [*Error].
func (s *Store) Reachable(ctx context.Context) error {
	if err := s.unset(); err != nil {
		return err
	}
	if _, err := s.page(ctx, &scheduler.ListSchedulesInput{GroupName: &s.config.Group, MaxResults: aws.Int32(1)}); err != nil {
		return fault("list", err)
	}
	return nil
}

// Put schedules a departure for its EffectiveAt, or keeps a cancellation for 14 days, unless something newer stands in
// its place. It returns what stands after the call: d, or what is newer. By its Time d must say when it happened. At the
// same time a cancellation counts as newer than a departure, and of two departures the one that is due later: nobody is
// unbound too early. It takes one call where nothing stands, else two or three. Every error is an [*Error].
func (s *Store) Put(ctx context.Context, d departure.Departure) (stands departure.Departure, _ error) {
	if err := s.unset(); err != nil {
		return stands, err
	}
	create, err := s.input(d)
	if err != nil {
		return stands, err
	}
	for range maxTries {
		switch err := s.create(ctx, create); {
		case err == nil:
			return d, nil
		case !isA[*types.ConflictException](err):
			return stands, fault("create", err)
		}
		stands, err = s.get(ctx, *create.Name)
		switch {
		case isA[*types.ResourceNotFoundException](err):
			continue
		case err != nil:
			return stands, err
		case newer(stands, d):
			return stands, nil
		case !newer(d, stands): // the same event once more
			return d, nil
		}
		switch err := s.update(ctx, create); {
		case err == nil:
			return d, nil
		case !isA[*types.ResourceNotFoundException](err):
			return stands, fault("update", err)
		}
	}
	return stands, &Error{"create: the schedule came and went each time: it may work later", true}
}

// Remove deletes what stands for the person and the merchant, or for the person and no merchant where that is "". It
// returns nil where nothing stands there. Every error is an [*Error].
func (s *Store) Remove(ctx context.Context, uid, merchant string) error {
	if err := s.unset(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	_, err := s.api.DeleteSchedule(ctx, &scheduler.DeleteScheduleInput{
		GroupName: &s.config.Group, Name: aws.String(name(uid, merchant)),
	})
	if err == nil || isA[*types.ResourceNotFoundException](err) {
		return nil
	}
	return fault("delete", err)
}

// newer reports whether a replaces b.
func newer(a, b departure.Departure) bool {
	if order := a.Time.Compare(b.Time); order != 0 {
		return order > 0
	}
	if a.Type != b.Type {
		return a.Type == departure.TypeCancelled
	}
	return a.EffectiveAt.After(b.EffectiveAt)
}

// minute rounds up to the whole minute, in UTC.
func minute(t time.Time) time.Time {
	if whole := t.Truncate(time.Minute); whole.Before(t) {
		t = whole.Add(time.Minute)
	}
	return t.UTC()
}

// prefix is how the names of all schedules of a person begin: 32 hex digits of the uid's SHA-256.
func prefix(uid string) string {
	return hash(uid, 32) + "-"
}

// name is the name of a schedule. Scheduler allows 64 characters; a merchant that does not fit is there as a hash.
func name(uid, merchant string) string {
	if start := prefix(uid); len(start)+len(merchant) > 64 {
		return start + hash(merchant, 31)
	}
	return prefix(uid) + cmp.Or(merchant, "all")
}

func hash(text string, digits int) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])[:digits]
}

// deliverable makes an input arrive as it is. SQS refuses the first two characters, so neither the queue nor the
// dead-letter queue would get the departure (Amazon SQS API Reference, SendMessage); package queue removes them too.
// Scheduler replaces words such as <aws.scheduler.attempt-number> (EventBridge Scheduler User Guide, "Adding context
// attributes").
var deliverable = strings.NewReplacer("\ufffe", "", "\uffff", "", "<", `\u003c`)

// input returns the schedule of d.
func (s *Store) input(d departure.Departure) (*scheduler.CreateScheduleInput, error) {
	due, event := d.EffectiveAt, d.Event()
	if d.Type == departure.TypeCancelled {
		due = s.config.Now().Add(keepCancelled)
		event.Type, event.EffectiveAt = typeExpired, due.UTC()
	}
	input, err := strictjson.Marshal(event)
	if err != nil { // a year of five digits
		return nil, &Error{"create: the event cannot be written as JSON: check its times", false}
	}
	return &scheduler.CreateScheduleInput{
		GroupName:                  &s.config.Group,
		Name:                       aws.String(name(d.UID, d.Merchant)),
		ScheduleExpression:         aws.String(minute(due).Format("at(2006-01-02T15:04:05)")),
		ScheduleExpressionTimezone: aws.String("UTC"),
		FlexibleTimeWindow:         &types.FlexibleTimeWindow{Mode: types.FlexibleTimeWindowModeOff},
		ActionAfterCompletion:      types.ActionAfterCompletionDelete,
		State:                      types.ScheduleStateEnabled,
		Target: &types.Target{
			Arn:              &s.config.QueueARN,
			RoleArn:          &s.config.RoleARN,
			Input:            aws.String(deliverable.Replace(string(input))),
			DeadLetterConfig: &types.DeadLetterConfig{Arn: &s.config.DeadLetterQueueARN},
			RetryPolicy: &types.RetryPolicy{
				MaximumEventAgeInSeconds: aws.Int32(maxEventAge), MaximumRetryAttempts: aws.Int32(maxRetries),
			},
		},
	}, nil
}

func (s *Store) create(ctx context.Context, input *scheduler.CreateScheduleInput) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	out, err := s.api.CreateSchedule(ctx, input)
	if err == nil && out.ScheduleArn == nil {
		return errUnconfirmed
	}
	return err
}

func (s *Store) update(ctx context.Context, input *scheduler.CreateScheduleInput) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	out, err := s.api.UpdateSchedule(ctx, &scheduler.UpdateScheduleInput{
		GroupName: input.GroupName, Name: input.Name, State: input.State, Target: input.Target,
		ScheduleExpression: input.ScheduleExpression, ScheduleExpressionTimezone: input.ScheduleExpressionTimezone,
		FlexibleTimeWindow: input.FlexibleTimeWindow, ActionAfterCompletion: input.ActionAfterCompletion,
	})
	if err == nil && out.ScheduleArn == nil {
		return errUnconfirmed
	}
	return err
}

// get returns what the schedule of that name keeps. Where it does not exist, the error is the SDK's.
func (s *Store) get(ctx context.Context, name string) (d departure.Departure, _ error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	out, err := s.api.GetSchedule(ctx, &scheduler.GetScheduleInput{GroupName: &s.config.Group, Name: &name})
	switch {
	case isA[*types.ResourceNotFoundException](err):
		return d, err
	case err != nil:
		return d, fault("get", err)
	case out.Target == nil:
		return d, fault("get", errUnconfirmed)
	}
	d, ok := decode([]byte(aws.ToString(out.Target.Input)))
	if !ok {
		return d, &Error{fmt.Sprintf("get: schedule %s holds no departure of one person: delete it, and send the "+
			"person's departure again", name), false}
	}
	return d, nil
}

// decode reads the input of a schedule.
func decode(input []byte) (d departure.Departure, ok bool) {
	members, err := strictjson.ParseObject(input)
	if err != nil {
		return d, false
	}
	if eventType, _ := members.String("type"); eventType == typeExpired {
		members["type"] = strictjson.Value(`"` + departure.TypeCancelled + `"`)
	}
	events := departure.Decoder{}.DecodeObject(members, departure.Meta{})
	if len(events) != 1 || events[0].Status != "" || len(events[0].UIDs) != 1 || len(events[0].Merchants) > 1 {
		return d, false
	}
	return events[0].Departures([]string{""})[0], true
}

// read returns what the schedules keep whose names begin so, in the order of the names. A schedule that vanishes
// meanwhile is left out.
func (s *Store) read(ctx context.Context, prefix string) ([]departure.Departure, error) {
	if err := s.unset(); err != nil {
		return nil, err
	}
	names, err := s.list(ctx, prefix)
	if err != nil {
		return nil, err
	}
	found := make([]departure.Departure, len(names))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(maxAtOnce)
	for i, name := range names {
		group.Go(func() (err error) {
			found[i], err = s.get(ctx, name)
			if isA[*types.ResourceNotFoundException](err) {
				return nil
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(found, func(d departure.Departure) bool { return d.UID == "" }), nil
}

func (s *Store) list(ctx context.Context, prefix string) (names []string, _ error) {
	input := &scheduler.ListSchedulesInput{GroupName: &s.config.Group, MaxResults: aws.Int32(100)}
	if prefix != "" {
		input.NamePrefix = &prefix
	}
	for {
		out, err := s.page(ctx, input)
		if err != nil {
			return nil, fault("list", err)
		}
		for _, summary := range out.Schedules {
			names = append(names, aws.ToString(summary.Name))
		}
		if aws.ToString(out.NextToken) == "" {
			return names, nil
		}
		input.NextToken = out.NextToken
	}
}

func (s *Store) page(
	ctx context.Context, input *scheduler.ListSchedulesInput,
) (*scheduler.ListSchedulesOutput, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	out, err := s.api.ListSchedules(ctx, input)
	if err == nil && out.Schedules == nil { // Scheduler sends an empty list where there is nothing
		return nil, errUnconfirmed
	}
	return out, err
}

// unset returns an error that names a value which is missing in the configuration.
func (s *Store) unset() error {
	for _, value := range []struct{ variable, set string }{
		{"UNBIND_SCHEDULE_GROUP", s.config.Group},
		{"UNBIND_SCHEDULE_ROLE_ARN", s.config.RoleARN},
		{"UNBIND_QUEUE_ARN", s.config.QueueARN},
		{"UNBIND_DEAD_LETTER_QUEUE_ARN", s.config.DeadLetterQueueARN},
	} {
		if value.set == "" {
			return &Error{"later departures cannot be kept: set " + value.variable, false}
		}
	}
	return nil
}

// isA reports whether err is of type E, at any depth.
func isA[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}
