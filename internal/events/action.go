package events

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/strictjson"
)

// action is what a person may request by {"action":"NAME"}. No action unbinds anybody.
type action struct {
	members []string // the names of the members that it allows next to "action"
	do      func(*Handler, context.Context, strictjson.Object) (any, error)
}

// actions is the table of actions.
func actions() map[string]action {
	return map[string]action{
		"audit":     {[]string{"merchant", "active", "uid_as"}, (*Handler).audit},
		"check":     {[]string{"merchant"}, (*Handler).check},
		"list":      {[]string{"merchant"}, (*Handler).list},
		"scheduled": {[]string{"merchant"}, (*Handler).scheduled},
	}
}

// Actions returns the names of the actions, sorted.
func Actions() []string { return slices.Sorted(maps.Keys(actions())) }

// requestError is the error of a wrong request for an action. Any other error of an action is a fault.
type requestError struct{ error }

// action carries an action out and returns its reply.
func (h *Handler) action(ctx context.Context, payload strictjson.Object) ([]byte, error) {
	name, _ := strictjson.Text(payload["action"])
	row, known := actions()[name]
	if !known {
		names := strings.Join(Actions(), ", ")
		err := fmt.Errorf(`action: not one of %s; {"action":"list"} returns who is bound`, names)
		return h.unreadable(ctx, triggerDirect, err)
	}
	if err := payload.Only(append(row.members, "action")...); err != nil {
		return h.unreadable(ctx, triggerDirect, err)
	}
	ctx, cancel := reserve(ctx, queueTime)
	defer cancel()
	reply, err := row.do(h, ctx, payload)
	if refused, ok := errors.AsType[requestError](err); ok {
		return h.unreadable(ctx, triggerDirect, refused)
	}
	var text []byte
	if err == nil {
		text, err = strictjson.Marshal(reply)
	}
	if err == nil && len(text) > maxReply {
		err = fmt.Errorf("%s: the reply has %d bytes, and Lambda returns at most %d: name fewer merchants",
			name, len(text), maxReply)
	}
	if err != nil {
		attrs := []slog.Attr{slog.String("reason", err.Error())}
		if found, ok := errors.AsType[*checkError](err); ok {
			// A metric filter counts the faults of a check of all merchants. The name of a single one may be mistyped.
			attrs = append(attrs, slog.Int("faults", len(found.faults)), slog.Bool("partial", payload.Has("merchant")))
		}
		h.cfg.Log.LogAttrs(ctx, slog.LevelError, name, attrs...)
		return nil, &UnbindError{Cause: err}
	}
	h.cfg.Log.InfoContext(ctx, name)
	return text, nil
}

// maxReply is how long a reply may be, in bytes (AWS Lambda Developer Guide, quotas: 6 MB for a synchronous
// invocation).
const maxReply = 6 << 20

// merchantsOf returns the merchants that a request names, sorted, each once. Nil means all.
func merchantsOf(payload strictjson.Object) ([]string, error) {
	merchants, err := payload.Strings("merchant")
	if err != nil {
		return nil, requestError{err}
	}
	if slices.ContainsFunc(merchants, func(appid string) bool { return !departure.IsAppID(appid) }) {
		return nil, requestError{errors.New("merchant: not an authorizer appid such as wx0123456789abcdef")}
	}
	slices.Sort(merchants)
	return slices.Compact(merchants), nil
}

// binding is a row of {"action":"list"}. Members are those of WeChat: is_bind is 1 or 0, times are Unix seconds.
type binding struct {
	Merchant   string   `json:"merchant,omitzero"`
	UID        string   `json:"uid"`
	IsBind     int      `json:"is_bind"`
	Nickname   string   `json:"nickname,omitzero"`
	CreateTime int64    `json:"create_time,omitzero"`
	UpdateTime int64    `json:"update_time,omitzero"`
	Perm       []string `json:"perm,omitzero"`
}

// list returns who is bound.
func (h *Handler) list(ctx context.Context, payload strictjson.Object) (any, error) {
	merchants, err := merchantsOf(payload)
	if err != nil {
		return nil, err
	}
	found, err := h.cfg.Offboard.Bindings(ctx, merchants)
	if err != nil {
		return nil, err
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
		rows[i].Perm = b.Perm
	}
	return map[string]any{"bindings": rows}, nil
}
