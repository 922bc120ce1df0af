package events

import (
	"context"
	"errors"
	"slices"
	"time"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/strictjson"
)

// Schedules keeps later departures.
type Schedules interface {
	Reachable
	// All returns every departure that is kept, the next one first.
	All(ctx context.Context) ([]departure.Departure, error)
}

// scheduledRow is a row of {"action":"scheduled"}. Without a merchant it is a departure for every merchant.
type scheduledRow struct {
	UID      string    `json:"uid"`
	Merchant string    `json:"merchant,omitzero"`
	Due      time.Time `json:"due"`
	Source   string    `json:"source,omitzero"`
	EventID  string    `json:"event_id,omitzero"`
}

// scheduled returns the later departures, the next one first. If the request names merchants, it returns the
// departures for these and those for every merchant.
func (h *Handler) scheduled(ctx context.Context, payload strictjson.Object) (any, error) {
	merchants, err := merchantsOf(payload)
	if err != nil {
		return nil, err
	}
	if h.cfg.Schedules == nil {
		return nil, errors.New("scheduled: there is no schedule group: set UNBIND_SCHEDULE_GROUP")
	}
	all, err := h.cfg.Schedules.All(ctx)
	if err != nil {
		return nil, err
	}
	rows := []scheduledRow{}
	for _, d := range all {
		if len(merchants) == 0 || d.Merchant == "" || slices.Contains(merchants, d.Merchant) {
			rows = append(rows, scheduledRow{d.UID, d.Merchant, d.EffectiveAt, d.Source, d.ID})
		}
	}
	return map[string]any{"scheduled": rows}, nil
}
