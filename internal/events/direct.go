package events

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/offboard"
)

const (
	triggerDirect = "direct"
	// triggerUnknown is an event that belongs to no trigger here.
	triggerUnknown = "unknown"
)

// request is what only a direct invocation can ask for beside an event: an action on merchants, or a dry run.
type request struct {
	event     departure.Event
	dryRun    bool
	action    string
	merchants []string
}

// direct is an invocation by a person or another service that waits for the answer: what may work later is queued, what
// somebody must mend ends in an error.
func (h *Handler) direct(ctx context.Context, members map[string]json.RawMessage) ([]byte, error) {
	asked, err := h.readDirect(ctx, members)
	switch {
	case err != nil:
		return h.finish(ctx, triggerDirect, h.unreadable(ctx, err))
	case asked.action == "list":
		return h.list(ctx, asked.merchants)
	case asked.dryRun:
		return h.finish(ctx, triggerDirect, flat(h.work(ctx, h.cfg.Offboard.DryRun, asked.event)))
	}
	outcomes := flat(h.work(ctx, h.cfg.Offboard.Run, asked.event))
	h.enqueue(ctx, outcomes, func(o *offboard.Outcome) bool { return o.Status == offboard.Retry })
	return h.finish(ctx, triggerDirect, outcomes)
}

func (h *Handler) readDirect(ctx context.Context, members map[string]json.RawMessage) (asked request, err error) {
	raw, isAction := members["action"]
	_, isTyped := members["type"]
	if isAction && !isTyped {
		if json.Unmarshal(raw, &asked.action) != nil || asked.action != "list" {
			return request{}, errors.New(`action: not one that is known; {"action":"list"} tells who is bound`)
		}
		if err := departure.OnlyMembers(members, "action", "merchant"); err != nil {
			return request{}, err
		}
		asked.merchants, err = departure.Strings(members, "merchant")
		return asked, err
	}
	if raw, ok := members["dry_run"]; ok && !isTyped {
		if json.Unmarshal(raw, &asked.dryRun) != nil || departure.Kind(raw) != "a boolean" {
			return request{}, fmt.Errorf("dry_run: %s where true or false is expected", departure.Kind(raw))
		}
		members = maps.Clone(members)
		delete(members, "dry_run")
	}
	asked.event, err = h.cfg.Decoder.DecodeObject(members, h.envelope(ctx))
	return asked, err
}

// asksMore tells whether an event is more than a payload: an action or a dry run, which only a direct invocation may ask
// for, and which must never be mistaken for a departure.
func asksMore(members map[string]json.RawMessage) bool {
	_, action := members["action"]
	_, dryRun := members["dry_run"]
	return action || dryRun
}

// binding is a row of {"action":"list"}, in WeChat's own words: is_bind is 1 or 0, times are Unix seconds.
type binding struct {
	Merchant   string   `json:"merchant,omitempty"`
	UID        string   `json:"uid"`
	IsBind     int      `json:"is_bind"`
	Nickname   string   `json:"nickname,omitempty"`
	CreateTime int64    `json:"create_time,omitempty"`
	UpdateTime int64    `json:"update_time,omitempty"`
	Perm       []string `json:"perm,omitempty"`
}

// list tells who is bound.
func (h *Handler) list(ctx context.Context, merchants []string) ([]byte, error) {
	ctx, cancel := before(ctx, queueTime)
	defer cancel()
	found, err := h.cfg.Offboard.Bindings(ctx, merchants)
	if err != nil {
		h.cfg.Log.ErrorContext(ctx, "list", "reason", err.Error())
		return nil, &UnbindError{Cause: err}
	}
	rows := make([]binding, len(found))
	for i, b := range found {
		rows[i] = binding{Merchant: b.Merchant, UID: b.UID, Nickname: b.Nickname}
		if b.Bound {
			rows[i].IsBind = 1
		}
		if !b.CreateTime.IsZero() {
			rows[i].CreateTime = b.CreateTime.Unix()
		}
		if !b.UpdateTime.IsZero() {
			rows[i].UpdateTime = b.UpdateTime.Unix()
		}
		for _, p := range b.Perm {
			rows[i].Perm = append(rows[i].Perm, p)
		}
	}
	return departure.Marshal(map[string]any{"bindings": rows})
}
