// Package events is the Lambda side: what invokes the function, and what each of those wants to hear back. Each trigger has
// one file with its way in and its way out; probe.go tells them apart.
package events

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/later"
	"wedata-unbind/internal/offboard"
	"wedata-unbind/internal/source"
)

// Config is what a [Handler] is made of. All of it is required but Now.
type Config struct {
	Offboard *offboard.Service
	Queue    *later.Queue
	Sources  *source.Book
	Decoder  departure.Decoder
	Log      *slog.Logger
	// Now is the clock. Default time.Now.
	Now func() time.Time
}

// Handler is the function. It is safe for concurrent use.
type Handler struct{ cfg Config }

// New returns a Handler.
func New(cfg Config) (*Handler, error) {
	if cfg.Offboard == nil || cfg.Queue == nil || cfg.Sources == nil || cfg.Log == nil {
		return nil, errors.New("events: Offboard, Queue, Sources and Log are required")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Handler{cfg}, nil
}

// Invoke handles one invocation, whatever its trigger, and returns the reply that the trigger wants. The error is an
// [UnbindError], and says what to do: what it names is neither done nor kept.
//
// It implements [github.com/aws/aws-lambda-go/lambda.Handler], which leaves the JSON to us.
func (h *Handler) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	// The reply must be out before Lambda ends the invocation, whatever hangs.
	ctx, cancel := before(ctx, 500*time.Millisecond)
	defer cancel()
	event, err := probe(payload)
	if err != nil {
		return h.finish(ctx, triggerUnknown, h.unreadable(ctx, err))
	}
	switch event.kind {
	case kindSNS:
		return h.sns(ctx, payload)
	case kindSQS:
		return h.sqs(ctx, payload)
	case kindEventBridge:
		return h.eventBridge(ctx, payload)
	case kindHTTPv1:
		return h.httpV1(ctx, payload)
	case kindHTTPv2:
		return h.httpV2(ctx, payload)
	case kindPayload:
		return h.direct(ctx, event.members)
	}
	return h.finish(ctx, triggerUnknown, h.unreadable(ctx, event.refuse()))
}

// carryOut is the way of every trigger that nobody waits for: what is not done goes to the queue, and only what the queue
// cannot take ends the invocation in an error.
func (h *Handler) carryOut(ctx context.Context, trigger string, events []departure.Event) ([]byte, error) {
	outcomes := flat(h.work(ctx, h.cfg.Offboard.Run, events...))
	h.enqueue(ctx, outcomes, func(o *offboard.Outcome) bool { return !o.Done() })
	return h.finish(ctx, trigger, outcomes)
}

// read reads a payload that came in an envelope from a named source. One that cannot be read is an event with a verdict.
func (h *Handler) read(ctx context.Context, what string, payload []byte, envelope departure.Meta) []departure.Event {
	events, err := h.cfg.Sources.Read(ctx, envelope.Source, payload, envelope)
	if err != nil {
		events = []departure.Event{departure.Refuse(envelope, err)}
		var passing interface{ Temporary() bool }
		if errors.As(err, &passing) && passing.Temporary() {
			events[0].Verdict = departure.Retry
		}
	}
	for i := range events {
		if events[i].Verdict == departure.Failed {
			events[i].Reason = what + ": " + events[i].Reason
		}
	}
	return events
}

// work does what is asked with events, and leaves time for the queue.
func (h *Handler) work(ctx context.Context, do func(context.Context, ...departure.Event) [][]offboard.Outcome, events ...departure.Event) [][]offboard.Outcome {
	ctx, cancel := before(ctx, queueTime)
	defer cancel()
	return do(ctx, events...)
}

// finish logs the outcomes and returns the reply, or the error that names those not done.
func (h *Handler) finish(ctx context.Context, trigger string, outcomes []*offboard.Outcome) ([]byte, error) {
	h.log(ctx, trigger, outcomes)
	failure := &UnbindError{Total: len(outcomes)}
	for _, o := range outcomes {
		if !o.Done() {
			failure.NotDone = append(failure.NotDone, *o)
		}
	}
	if len(failure.NotDone) > 0 {
		return nil, failure
	}
	return departure.Marshal(map[string]any{"outcomes": outcomes})
}

// unreadable is the one outcome of an event that could not be read.
func (h *Handler) unreadable(ctx context.Context, err error) []*offboard.Outcome {
	return flat(h.cfg.Offboard.Run(ctx, departure.Refuse(h.envelope(ctx), err)))
}

// envelope is what is known of an event that comes without one: the invocation's id and time.
func (h *Handler) envelope(ctx context.Context) departure.Meta {
	meta := departure.Meta{Time: h.cfg.Now().UTC()}
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		meta.ID = lc.AwsRequestID
	}
	return meta
}

// log writes one line an outcome: the audit trail, and what the metric filters count.
func (h *Handler) log(ctx context.Context, trigger string, outcomes []*offboard.Outcome) {
	for _, o := range outcomes {
		level := slog.LevelInfo
		switch o.Status {
		case offboard.Failed:
			level = slog.LevelError
		case offboard.Retry, offboard.Queued:
			level = slog.LevelWarn
		}
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
			slog.String("event_id", o.ID),
			slog.String("reason", o.Detail),
			slog.Int64("duration_ms", o.Took.Milliseconds()),
		}
		if o.DryRun {
			attrs = append(attrs, slog.Bool("dry_run", true))
		}
		if age := h.cfg.Now().Sub(o.Since()); !o.Since().IsZero() && age >= 0 {
			attrs = append(attrs, slog.Float64("age_s", age.Seconds()))
		}
		h.cfg.Log.LogAttrs(ctx, level, "outcome", attrs...)
	}
}

// queueTime is what is kept of an invocation for the queue to take what is not done.
const queueTime = 5 * time.Second

// before returns a context that ends so much earlier, though never by more than a quarter of the time that is left.
func before(ctx context.Context, reserve time.Duration) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, deadline.Add(-min(reserve, time.Until(deadline)/4)))
}

func flat(perEvent [][]offboard.Outcome) []*offboard.Outcome {
	all := []*offboard.Outcome{}
	for _, outcomes := range perEvent {
		for i := range outcomes {
			all = append(all, &outcomes[i])
		}
	}
	return all
}
