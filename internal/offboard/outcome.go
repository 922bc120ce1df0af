package offboard

import (
	"errors"
	"time"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/wedata"
)

// Status is what became of a departure.
type Status string

// The statuses.
const (
	// Unbound: WeChat said 0, and the bind list has the uid as not bound.
	Unbound Status = "unbound"
	// Unknown: the uid is not in the bind list.
	Unknown = Status(departure.Unknown)
	// Queued: not done yet, in the queue on its own.
	Queued Status = "queued"
	// WouldUnbind: a dry run, and the uid is bound.
	WouldUnbind Status = "would_unbind"
	// Ignored: not a departure.
	Ignored = Status(departure.Ignored)
	// Retry: may work later.
	Retry = Status(departure.Retry)
	// Failed: somebody must act.
	Failed = Status(departure.Failed)
)

// Outcome is what became of one departure.
type Outcome struct {
	departure.Departure
	Status Status
	// Attempts is how often WeChat was asked to unbind.
	Attempts int
	// ErrCode and RID are WeChat's answer to the last attempt, where there was one: errcode, and the request id that
	// WeChat's support asks for.
	ErrCode int
	RID     string
	// Class is the kind of WeChat's last error, from which a queue can tell how long to wait.
	Class wedata.Class
	// Detail is for a person: why, and what to do. It holds no token and no whole uid.
	Detail string
	// Took is the time from the beginning of its batch until all of its merchant's outcomes were known.
	Took time.Duration

	// DryRun tells that nothing was done.
	DryRun bool

	check bool // the bind list has the last word
}

// Done tells whether nothing is left to do.
func (o Outcome) Done() bool { return o.Status != Retry && o.Status != Failed }

// Masked returns the outcome with its uid as errors and logs may show it.
func (o Outcome) Masked() Masked { return Masked(o) }

// Masked is an Outcome whose JSON does not show the uid.
type Masked Outcome

// MarshalJSON writes the outcome for the caller who asked, uid included.
func (o Outcome) MarshalJSON() ([]byte, error) { return o.marshal(o.UID) }

// MarshalJSON writes the outcome for errors, whose text ends up in logs.
func (m Masked) MarshalJSON() ([]byte, error) { return Outcome(m).marshal(departure.Mask(m.UID)) }

func (o Outcome) marshal(uid string) ([]byte, error) {
	return departure.Marshal(struct {
		UID         string    `json:"uid,omitempty"`
		UIDHash     string    `json:"uid_hash,omitempty"`
		Merchant    string    `json:"merchant,omitempty"`
		Status      Status    `json:"status"`
		Attempts    int       `json:"attempts,omitempty"`
		ErrCode     int       `json:"errcode,omitempty"`
		RID         string    `json:"rid,omitempty"`
		Detail      string    `json:"detail,omitempty"`
		EffectiveAt time.Time `json:"effective_at,omitzero"`
	}{uid, departure.Hash(o.UID), o.Merchant, o.Status, o.Attempts, o.ErrCode, o.RID, o.Detail, o.EffectiveAt})
}

// settle turns the error of the last attempt into the outcome. Nil is errcode 0.
func (o *Outcome) settle(err error) {
	o.Status = Unbound
	if err == nil {
		return
	}
	o.Detail = err.Error()
	o.Status = statusOf(err)
	var answer *wedata.Error
	if errors.As(err, &answer) {
		o.ErrCode, o.RID, o.Class = answer.Code, answer.RID, answer.Class
		o.check = policyOf(answer).check
	}
}

// Since is the moment from which an outcome can be called late: when the departure was due, else when its event happened.
// Zero is not known.
func (o Outcome) Since() time.Time {
	if !o.EffectiveAt.IsZero() {
		return o.EffectiveAt
	}
	return o.Time
}
