package events

import (
	"context"
	"strings"

	"wedata-unbind/internal/departure"
)

const triggerEventBridge = "eventbridge"

func isEventBridge(e event) bool {
	return !e.Has("Records") && !e.Has("requestContext") && e.Has("detail-type", "source")
}

// eventBridge is an event from an EventBridge bus. EventBridge does not wait for a reply, as SNS does not.
func (h *Handler) eventBridge(ctx context.Context, e event) ([]byte, error) {
	events, err := h.readEventBridge(ctx, e, departure.Meta{})
	if err != nil {
		events = []departure.Event{departure.Refuse(h.envelope(ctx), err)}
	}
	return h.carryOut(ctx, triggerEventBridge, events)
}

// readEventBridge reads the detail. A bare one takes its type from the detail-type, which is mostly written in words:
// "Employee Left" is employee.left.
func (h *Handler) readEventBridge(ctx context.Context, e event, _ departure.Meta) ([]departure.Event, error) {
	var envelope departure.Meta
	for name, to := range map[string]any{
		"detail-type": &envelope.Type, "id": &envelope.ID, "source": &envelope.Source, "time": &envelope.Time,
	} {
		if err := e.Decode(name, to); err != nil {
			return nil, err
		}
	}
	envelope.Type = strings.ToLower(strings.ReplaceAll(envelope.Type, " ", "."))
	return h.read(ctx, "eventbridge detail", e.Object["detail"], envelope), nil
}
