// Package events is the Lambda handler. It reads the events of all triggers and returns the reply that each trigger
// expects. The table of triggers is in trigger.go. Each trigger has its own file.
package events

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/offboard"
	"wedata-unbind/internal/queue"
	"wedata-unbind/internal/source"
	"wedata-unbind/internal/strictjson"
)

// Config configures a [Handler]. Offboard, Queue, Sources and Log are required.
type Config struct {
	Offboard *offboard.Service
	Queue    *queue.Queue
	Sources  *source.Registry
	Decoder  departure.Decoder
	Log      *slog.Logger
	// Schedules keeps later departures. The actions check and scheduled read it. Nil means that there is none.
	Schedules Schedules
	// Now is the clock. Default time.Now.
	Now func() time.Time
}

// Handler is the function. It is safe for concurrent use.
type Handler struct{ cfg Config }

// New returns a Handler. It errs where something required is missing.
func New(cfg Config) (*Handler, error) {
	if cfg.Offboard == nil || cfg.Queue == nil || cfg.Sources == nil || cfg.Log == nil {
		return nil, errors.New("events: Offboard, Queue, Sources and Log are required")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Handler{cfg}, nil
}

const (
	// replyTime is reserved at the end of an invocation, so that the reply is sent before Lambda ends the invocation.
	replyTime = 500 * time.Millisecond
	// queueTime is reserved before that, for sending what is not done to the queue.
	queueTime = 5 * time.Second
)

// Invoke handles an event of any trigger and returns the JSON reply that the trigger expects. The error is an
// [UnbindError]. It names the departures that are neither done nor kept in a queue, and says what to do.
//
// It implements [github.com/aws/aws-lambda-go/lambda.Handler].
func (h *Handler) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	ctx, cancel := reserve(ctx, replyTime)
	defer cancel()
	e, t, err := invoked(payload)
	if err != nil {
		return h.unreadable(ctx, triggerUnknown, err)
	}
	done := false
	defer func() { // also after a panic
		// A metric filter counts the line. The caller of a direct invocation gets the error.
		if !done && t.name != triggerDirect {
			h.cfg.Log.ErrorContext(ctx, "invocation failed", "trigger", t.name)
		}
	}()
	reply, err := t.reply(h, ctx, e)
	done = err == nil
	return reply, err
}

// carryOut carries out events of triggers that do not wait for a reply. Departures that are not done are sent to a
// queue. It errs only where neither queue accepts a departure.
func (h *Handler) carryOut(ctx context.Context, trigger string, e event, events []departure.Event) ([]byte, error) {
	events, _ = h.bounded(ctx, events)
	outcomes := flat(h.run(ctx, h.cfg.Offboard.Run, events))
	h.keep(ctx, trigger, outcomes, e.payload)
	return h.finish(ctx, trigger, outcomes)
}

// read reads a payload that came in an envelope from a named source. It returns a Failed event for a payload that
// cannot be read. What names the envelope.
func (h *Handler) read(ctx context.Context, what string, payload []byte, envelope departure.Meta) []departure.Event {
	events, err := h.cfg.Sources.Read(ctx, envelope.Source, payload, envelope)
	if err != nil {
		events = []departure.Event{departure.Refuse(envelope, err)}
	}
	return of(what, events)
}

// of puts the name of the envelope before the detail of each failed event.
func of(what string, events []departure.Event) []departure.Event {
	for i := range events {
		if events[i].Status == departure.Failed {
			events[i].Detail = what + ": " + events[i].Detail
		}
	}
	return events
}

// bounded applies [departure.Bounded] to the events. It also returns how many pairs of uid and merchant are left.
func (h *Handler) bounded(ctx context.Context, events []departure.Event) (bounded []departure.Event, pairs int) {
	merchants, _ := h.cfg.Offboard.Merchants(ctx, events) // Run returns the error, and counts again
	bounded = departure.Bounded(events, len(merchants))
	return bounded, departure.Pairs(bounded, len(merchants))
}

// work is the type of Run and DryRun of [offboard.Service].
type work = func(context.Context, ...departure.Event) [][]departure.Outcome

// run does the work, and reserves time for the queue.
func (h *Handler) run(ctx context.Context, do work, events []departure.Event) [][]departure.Outcome {
	ctx, cancel := reserve(ctx, queueTime)
	defer cancel()
	return do(ctx, events...)
}

// finish logs the outcomes and returns the reply, or the error that names those not done.
func (h *Handler) finish(ctx context.Context, trigger string, outcomes []*departure.Outcome) ([]byte, error) {
	h.log(ctx, trigger, outcomes)
	failure := &UnbindError{Total: len(outcomes)}
	for _, o := range outcomes {
		if o.Lost() {
			failure.NotDone = append(failure.NotDone, o)
		}
	}
	if len(failure.NotDone) > 0 {
		return nil, failure
	}
	return strictjson.Marshal(map[string]any{"outcomes": outcomes})
}

// unreadable ends the invocation for an event that cannot be read.
func (h *Handler) unreadable(ctx context.Context, trigger string, err error) ([]byte, error) {
	o := departure.Refuse(h.envelope(), err).Outcome()
	return h.finish(ctx, trigger, []*departure.Outcome{&o})
}

// envelope returns the envelope of an event that comes without one.
func (h *Handler) envelope() departure.Meta { return departure.Meta{Time: h.cfg.Now().UTC()} }

func requestID(ctx context.Context) string {
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		return lc.AwsRequestID
	}
	return ""
}

// log writes one line for each outcome. Metric filters count these lines, and auditors search them.
func (h *Handler) log(ctx context.Context, trigger string, outcomes []*departure.Outcome) {
	for _, o := range outcomes {
		attrs := []slog.Attr{
			slog.String("status", string(o.Status)),
			slog.String("merchant", o.Merchant),
			slog.String("uid", departure.Mask(o.UID)),
			slog.String("uid_hash", departure.Hash(o.UID)),
			slog.Int("errcode", o.ErrCode),
			slog.String("rid", o.RID),
			slog.Int("attempts", o.Attempts),
			slog.String("trigger", trigger),
			slog.String("source", o.Source),
			slog.String("event_id", cmp.Or(o.ID, requestID(ctx))),
			slog.String("reason", o.Detail),
			slog.Int64("duration_ms", o.Took.Milliseconds()),
		}
		if o.Class != "" { // a metric filter counts the lines with this attribute
			attrs = append(attrs, slog.String("class", o.Class))
		}
		if o.DryRun {
			attrs = append(attrs, slog.Bool("dry_run", true))
		}
		if age := h.cfg.Now().Sub(o.Since()); !o.Since().IsZero() && age >= 0 {
			attrs = append(attrs, slog.Float64("age_s", age.Seconds()))
		}
		h.cfg.Log.LogAttrs(ctx, o.Level(), "outcome", attrs...)
	}
}

// reserve returns a context that ends earlier by d, but at most by a quarter of the time that is left.
func reserve(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, deadline.Add(-min(d, time.Until(deadline)/4)))
}

func flat(perEvent [][]departure.Outcome) []*departure.Outcome {
	all := []*departure.Outcome{}
	for _, outcomes := range perEvent {
		for i := range outcomes {
			all = append(all, &outcomes[i])
		}
	}
	return all
}
