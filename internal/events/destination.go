package events

import (
	"context"
	"errors"
	"fmt"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/strictjson"
)

// isDestination reports a Lambda destination record: what Lambda sends to the queue when an asynchronous invocation has
// failed for good (Lambda Developer Guide, "Capturing records of asynchronous invocations").
func isDestination(e event) bool { return e.context.Has("condition") && e.Has("requestPayload") }

// readDestination reads the event inside a destination record.
func (h *Handler) readDestination(ctx context.Context, e event, meta departure.Meta) ([]departure.Event, error) {
	if id, ok := strictjson.Text(e.context["requestId"]); ok && id != "" {
		meta.ID = id
	}
	inner, err := readEvent(e.Object["requestPayload"])
	if err != nil {
		return nil, fmt.Errorf("destination record: %w", err)
	}
	t, err := triggerOf(inner)
	switch {
	case err != nil:
		return nil, err
	case isDestination(inner):
		return nil, errors.New("destination record: it wraps another one")
	case t.name == triggerDirect && (inner.Has("action") || inner.Has("dry_run")):
		return []departure.Event{departure.Ignore(meta, "an action or a dry run never waits in the queue: send it again")}, nil
	}
	return h.readQueued(ctx, inner, meta)
}
