package departure

import (
	"log/slog"
	"slices"
	"time"

	"wedata-unbind/internal/strictjson"
)

// Status is the result of a departure, in one word.
type Status string

// The statuses. [Statuses] says what each means.
const (
	Unbound     Status = "unbound"
	Unknown     Status = "unknown"
	Scheduled   Status = "scheduled"
	Cancelled   Status = "cancelled"
	Queued      Status = "queued"
	WouldUnbind Status = "would_unbind"
	Ignored     Status = "ignored"
	Retry       Status = "retry"
	Failed      Status = "failed"
)

// StatusRow is a row of the table of statuses.
type StatusRow struct {
	Status Status
	// Meaning is for people: the README and the API's description show it.
	Meaning string
	// Level is the level of the outcome's log line.
	Level slog.Level
	// Done means that nothing is left to do for this invocation.
	Done bool
}

// Statuses returns the table of statuses: one row each.
func Statuses() []StatusRow {
	const info, warn, fault = slog.LevelInfo, slog.LevelWarn, slog.LevelError
	return []StatusRow{
		{Unbound, "WeChat unbound the uid, and its bind list shows that " +
			"(or the `class` is `unverified`: it has no list to read)", info, true},
		{Unknown, "not in the merchant's bind list: never bound, or bound under another identifier", info, true},
		{Scheduled, "will be done at `effective_at`; until then it can be taken back", info, true},
		{Cancelled, "was taken back; `detail` says what was due", info, true},
		{Queued, "not done yet; in the queue, tried again after 1, 2, 4 … 60 minutes", warn, true},
		{WouldUnbind, "a dry run, and the uid is bound", info, true},
		{Ignored, "not a departure, or overtaken by a newer event; `detail` says which", info, true},
		{Retry, "may work later, and could not be queued", warn, false},
		{Failed, "somebody must act; `detail` says what to do, and whether the dead-letter queue has it", fault, false},
	}
}

func (s Status) row() StatusRow {
	rows := Statuses()
	if i := slices.IndexFunc(rows, func(row StatusRow) bool { return row.Status == s }); i >= 0 {
		return rows[i]
	}
	return StatusRow{Status: s, Level: slog.LevelError}
}

// Done reports whether nothing is left to do for this invocation.
func (s Status) Done() bool { return s.row().Done }

// Outcome is the result of one departure.
type Outcome struct {
	Departure
	Status Status
	// Attempts is how often WeChat was asked to unbind.
	Attempts int
	// ErrCode and RID are from WeChat's last reply, if there was one: the errcode, and the request id, which WeChat's
	// support asks for.
	ErrCode int
	RID     string
	// Class is the kind of fault, if there was one. Metrics and alarms count by it.
	Class string
	// Detail tells a person the reason and what to do. It holds no token and no whole uid.
	Detail string
	// Took is the time from the start of its batch until all outcomes of its merchant were known.
	Took time.Duration
	// DryRun means that nothing was changed.
	DryRun bool
	// Kept means that the dead-letter queue has the departure.
	Kept bool
	// NotBefore is when the next try makes sense. Where it is zero, the wait depends on the class.
	NotBefore time.Time
}

// Lost reports whether the departure is neither done nor kept in a queue.
func (o Outcome) Lost() bool { return !o.Status.Done() && !o.Kept }

// Level is the level of the outcome's log line. A departure that is queued without a fault is queued by plan: INFO. A
// person who is in no table of people may have left: WARN.
func (o Outcome) Level() slog.Level {
	switch {
	case o.Status == Queued && o.Class == "":
		return slog.LevelInfo
	case o.Class == ClassUnmapped:
		return slog.LevelWarn
	}
	return o.Status.row().Level
}

// Since is the start of the outcome's age: the time at which the departure was due, else the time of its event. It is
// zero where neither is known.
func (o Outcome) Since() time.Time {
	if !o.EffectiveAt.IsZero() {
		return o.EffectiveAt
	}
	return o.Time
}

// MarshalJSON writes the outcome for the caller who asked, with the uid.
func (o Outcome) MarshalJSON() ([]byte, error) { return o.marshal(o.UID) }

// Masked is an [Outcome] whose JSON masks the uid. Errors use it, since their text is logged.
type Masked Outcome

// MarshalJSON writes the outcome with the uid masked.
func (m Masked) MarshalJSON() ([]byte, error) { return Outcome(m).marshal(Mask(m.UID)) }

func (o Outcome) marshal(uid string) ([]byte, error) {
	return strictjson.Marshal(struct {
		UID         string    `json:"uid,omitzero"`
		UIDHash     string    `json:"uid_hash,omitzero"`
		Merchant    string    `json:"merchant,omitzero"`
		Status      Status    `json:"status"`
		Attempts    int       `json:"attempts,omitzero"`
		ErrCode     int       `json:"errcode,omitzero"`
		RID         string    `json:"rid,omitzero"`
		Class       string    `json:"class,omitzero"`
		Detail      string    `json:"detail,omitzero"`
		EffectiveAt time.Time `json:"effective_at,omitzero"`
	}{uid, Hash(o.UID), o.Merchant, o.Status, o.Attempts, o.ErrCode, o.RID, o.Class, o.Detail, o.EffectiveAt})
}
