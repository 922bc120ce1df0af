package events

import (
	"context"
	"errors"
	"fmt"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/strictjson"
)

// isDestination reports whether the event is a Lambda destination record. Lambda sends it to the queue when the last
// try of an asynchronous invocation fails (Lambda Developer Guide, "Capturing records of asynchronous invocations").
func isDestination(e event) bool { return e.context.Has("condition") && e.Has("requestPayload") }

// readDestination reads the event inside a destination record. An action or a dry run is ignored, since nobody waits
// for its reply any more.
func (h *Handler) readDestination(ctx context.Context, e event, meta departure.Meta) []departure.Event {
	if id, ok := strictjson.Text(e.context["requestId"]); ok && id != "" {
		meta.ID = id
	}
	refuse := func(err error) []departure.Event {
		return []departure.Event{departure.Refuse(meta, fmt.Errorf("destination record: %w", err))}
	}
	inner, err := readEvent(e.Object["requestPayload"])
	if err != nil {
		return refuse(err)
	}
	if isDestination(inner) {
		return refuse(errors.New("it wraps another one"))
	}
	if t, err := triggerOf(inner); err == nil && t.name == triggerDirect && !inner.Has("type") {
		dryRun, err := takeDryRun(&inner.Object)
		switch {
		case err != nil:
			return refuse(err)
		case dryRun, inner.Has("action"):
			const reason = "an action or a dry run never waits in the queue: send it again"
			return []departure.Event{departure.Ignore(meta, reason)}
		}
	}
	return h.readQueued(ctx, inner, meta)
}
