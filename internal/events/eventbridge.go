package events

import (
	"cmp"
	"context"
	"strings"

	"wedata-unbind/internal/departure"
)

const triggerEventBridge = "eventbridge"

func isEventBridge(e event) bool {
	return !e.Has("Records") && !e.Has("requestContext") && e.Has("detail-type", "source")
}

// eventBridge carries out an event from an EventBridge bus. Like SNS, EventBridge does not wait for a reply.
func (h *Handler) eventBridge(ctx context.Context, e event) ([]byte, error) {
	return h.carryOut(ctx, triggerEventBridge, e, h.readEventBridge(ctx, e, h.envelope()))
}

// readEventBridge reads the member detail. In the bare form, its type comes from the detail-type.
func (h *Handler) readEventBridge(ctx context.Context, e event, meta departure.Meta) []departure.Event {
	var envelope departure.Meta
	for name, to := range map[string]any{
		"detail-type": &envelope.Type, "id": &envelope.ID, "source": &envelope.Source, "time": &envelope.Time,
	} {
		if err := e.Decode(name, to); err != nil {
			return []departure.Event{departure.Refuse(meta, err)}
		}
	}
	envelope.Type = typeOf(envelope.Type)
	return h.read(ctx, "eventbridge detail", e.Object["detail"], envelope)
}

// typeOf returns the type that a detail-type means. Only two detail-types, in any case, mean a departure or a
// cancellation. Any other one, such as Cancelled Employee Left, is another type, and so is a missing one.
func typeOf(detailType string) string {
	switch {
	case strings.EqualFold(detailType, "Employee Left"):
		return departure.TypeLeft
	case strings.EqualFold(detailType, "Employee Left Cancelled"):
		return departure.TypeCancelled
	}
	return cmp.Or(detailType, "none")
}
