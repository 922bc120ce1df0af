package events

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	awsevents "github.com/aws/aws-lambda-go/events"

	"wedata-unbind/internal/departure"
)

// eventBridge is an event from an EventBridge bus. Nobody waits for a reply, as with SNS.
func (h *Handler) eventBridge(ctx context.Context, raw []byte) ([]byte, error) {
	events, err := h.readEventBridge(ctx, raw)
	if err != nil {
		events = []departure.Event{departure.Refuse(h.envelope(ctx), err)}
	}
	return h.carryOut(ctx, "eventbridge", events)
}

// readEventBridge reads the detail. A bare one takes its type from the detail-type, which by custom is written in words:
// Employee Left is employee.left.
func (h *Handler) readEventBridge(ctx context.Context, raw []byte) ([]departure.Event, error) {
	var event awsevents.EventBridgeEvent
	if err := json.Unmarshal(raw, &event); err != nil {
		return nil, fmt.Errorf("eventbridge event: %w", err)
	}
	return h.read(ctx, "eventbridge detail", event.Detail, departure.Meta{
		Type:   strings.ToLower(strings.ReplaceAll(event.DetailType, " ", ".")),
		ID:     event.ID,
		Source: event.Source,
		Time:   event.Time,
	}), nil
}
