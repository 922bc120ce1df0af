package events

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"wedata-unbind/internal/departure"
)

// readDestination reads the event inside a Lambda destination record: what Lambda puts into the queue of an asynchronous
// invocation that failed to the end (Lambda Developer Guide, "Capturing records of asynchronous invocations").
func (h *Handler) readDestination(ctx context.Context, members map[string]json.RawMessage, meta departure.Meta) ([]departure.Event, error) {
	var about struct {
		RequestID string `json:"requestId"`
	}
	if err := json.Unmarshal(members["requestContext"], &about); err == nil && about.RequestID != "" {
		meta.ID = about.RequestID
	}
	payload := members["requestPayload"]
	event, err := probe(payload)
	switch {
	case err != nil:
		return nil, fmt.Errorf("destination record: %w", err)
	case event.kind == kindDestination:
		return nil, errors.New("destination record: it wraps another one")
	case event.kind == kindPayload && asksMore(event.members):
		return []departure.Event{{Meta: meta, Verdict: departure.Ignored, Reason: "an action or a dry run never waits in the queue: ask again"}}, nil
	}
	return h.readBody(ctx, payload, meta)
}
