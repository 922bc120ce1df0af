// Package departure has the two kinds of data that this service works with: departures (a person leaves a merchant)
// and their outcomes. It reads and writes both as JSON.
//
// It does not depend on where an event comes from, nor on how a departure is carried out.
package departure

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"wedata-unbind/internal/strictjson"
)

// The types of the canonical event that are carried out. Every other type is ignored.
const (
	TypeLeft      = "employee.left"
	TypeCancelled = "employee.left.cancelled"
)

// MaxPairs is how many pairs of uid and merchant one invocation carries out.
const MaxPairs = 5000

// Meta is what is known of an event beside the people in it.
type Meta struct {
	// Type is TypeLeft, TypeCancelled or, of an ignored event, any other text.
	Type string
	// ID is the sender's id of the event, or the transport's where the sender gave none.
	ID string
	// Source is the named sender.
	Source string
	// Time is when the event happened. It decides which of two events is newer.
	Time time.Time
	// Waited means that the event was in the queue: a newer one may have come since.
	Waited bool
}

// Event is one payload: these people leave these merchants.
type Event struct {
	Meta
	// UIDs are the people, each at most once, in the order given.
	UIDs []string
	// Merchants are the authorizer appids they leave, each at most once. Empty means every merchant.
	Merchants []string
	// EffectiveAt is when they leave. Zero means at once.
	EffectiveAt time.Time
	// Status is empty for an event that is to be carried out. Otherwise it is the event's outcome, with its Class and
	// Detail.
	Status Status
	Class  string
	Detail string
	// About are the people whom a refused event names, as far as they could be read.
	About []string
	// Faults are the details of refused events that Bounded made one.
	Faults []string
}

// The classes of faults that are found before anything is sent to WeChat.
const (
	// ClassBadEvent is an event that cannot be read.
	ClassBadEvent = "bad_event"
	// ClassTooMany is more than MaxPairs.
	ClassTooMany = "too_many"
	// ClassUnmapped is a person who is not in the source's table of people.
	ClassUnmapped = "unmapped"
)

// Refuse returns the event of a payload that cannot be read, for the reason that err gives. The event is Failed, or
// Retry where the error may pass.
func Refuse(meta Meta, err error) Event {
	event := Event{Meta: meta, Status: Failed, Class: cmp.Or(ClassOf(err), ClassBadEvent), Detail: err.Error()}
	if IsTemporary(err) {
		event.Status = Retry
	}
	return event
}

// IsTemporary reports whether the same call may succeed later although nobody changes anything. Errors say so by a
// method Temporary() bool.
func IsTemporary(err error) bool {
	var passing interface{ Temporary() bool }
	return errors.As(err, &passing) && passing.Temporary()
}

// ClassOf returns the class of a fault, or "" where it has none. Errors name it by a method Class() string.
func ClassOf(err error) string {
	var classified interface{ Class() string }
	if errors.As(err, &classified) {
		return classified.Class()
	}
	return ""
}

// merge joins all refused events into one, if one of them names nobody. They come from one payload, which is kept once
// and needs one line in the log.
func merge(events []Event) []Event {
	const shown = 5
	if !slices.ContainsFunc(events, func(e Event) bool { return e.Status == Failed && len(e.UIDs) == 0 }) {
		return events
	}
	var merged, refused []Event
	for _, e := range events {
		if e.Status == Failed {
			e.UIDs, e.About = nil, slices.Concat(e.UIDs, e.About)
			refused = append(refused, e)
		} else {
			merged = append(merged, e)
		}
	}
	one := refused[0]
	if len(refused) > 1 {
		one.About = nil
		for _, e := range refused {
			one.About, one.Faults = append(one.About, e.About...), append(one.Faults, e.Detail)
		}
		one.Detail = fmt.Sprintf("%d departures cannot be read: %s",
			len(refused), strings.Join(one.Faults[:min(len(refused), shown)], "; "))
		if len(refused) > shown {
			one.Detail += " …"
		}
	}
	return append(merged, one)
}

// Bounded returns one refused event where the events stand for more than MaxPairs, else the events. If a refused event
// names nobody, all refused events become one. An event that names no merchant counts for this number of merchants.
func Bounded(events []Event, merchants int) []Event {
	pairs := Pairs(events, merchants)
	if pairs <= MaxPairs {
		return merge(events)
	}
	event := TooMany(events[0].Meta, pairs)
	for _, e := range events {
		event.About = append(event.About, e.UIDs...)
	}
	return []Event{event}
}

// TooMany returns the refused event that replaces events with this number of pairs, which is over MaxPairs.
func TooMany(meta Meta, pairs int) Event {
	event := Refuse(meta, fmt.Errorf(
		"%d pairs of uid and merchant, at most %d are carried out at once: send it in parts", pairs, MaxPairs))
	event.Class = ClassTooMany
	return event
}

// Later returns a Retry that replaces an event which would take this invocation over MaxPairs.
func Later(event Event) Event {
	return Event{
		Meta: event.Meta, Status: Retry, Class: ClassTooMany,
		Detail: fmt.Sprintf("more than %d pairs of uid and merchant at once: this comes next", MaxPairs),
	}
}

// Ignore returns the event of a payload that asks for nothing.
func Ignore(meta Meta, reason string) Event {
	return Event{Meta: meta, Status: Ignored, Detail: reason}
}

// Outcome returns the one outcome of an event that has a status. An id or a source that contains a uid has it masked,
// as Checked does.
func (e Event) Outcome() Outcome {
	e.Meta = e.hide(e.UIDs).hide(e.About)
	o := Outcome{Departure: Departure{Meta: e.Meta}, Status: e.Status, Class: e.Class, Detail: e.Detail}
	if len(e.UIDs) == 1 {
		o.UID = e.UIDs[0]
	}
	return o
}

// Departure is one uid that leaves one merchant: the unit of work, of retry and of report.
type Departure struct {
	Meta
	UID string
	// Merchant is an authorizer appid, or "" for the one merchant of a secret that does not tell its appid.
	Merchant    string
	EffectiveAt time.Time
}

// Checked returns the event with its valid uids, and a Failed event for each invalid one: one wrong uid does not hold
// up the others. An event without a uid, or with a merchant that is no appid, fails as a whole. A uid inside the id or
// the source is masked, since both are logged.
func (e Event) Checked() []Event {
	if e.Status != "" {
		return []Event{e}
	}
	for _, merchant := range e.Merchants {
		if !IsAppID(merchant) {
			refused := Refuse(e.Meta, errors.New("merchant: not an authorizer appid such as wx0123456789abcdef"))
			refused.About = e.UIDs
			return []Event{refused}
		}
	}
	if len(e.UIDs) == 0 {
		return []Event{Refuse(e.Meta, fmt.Errorf("uid: missing; %s", hint))}
	}
	e.Meta = e.hide(e.UIDs)
	e.Merchants = Unique(e.Merchants)
	all := Unique(e.UIDs)
	e.UIDs = nil
	var failed []Event
	for _, uid := range all {
		if err := checkUID(uid); err != nil {
			wrong := Refuse(e.Meta, fmt.Errorf("uid: %w", err))
			if uid != "" { // an empty one names nobody
				wrong.UIDs = []string{uid}
			}
			failed = append(failed, wrong)
			continue
		}
		e.UIDs = append(e.UIDs, uid)
	}
	if len(e.UIDs) == 0 {
		return failed
	}
	return append([]Event{e}, failed...)
}

// of returns the event for the people in a member uid, a string or a list of strings, as Checked does.
func (e Event) of(uid strictjson.Value) []Event {
	items := []strictjson.Value{uid}
	isList := uid.Kind() == '['
	if isList {
		items = nil
		if err := strictjson.Unmarshal(uid, &items); err != nil {
			return []Event{Refuse(e.Meta, fmt.Errorf("uid: %w", err))}
		}
		switch {
		case len(items) == 0:
			return []Event{Refuse(e.Meta, errors.New("uid: an empty list"))}
		case len(items) > MaxPairs: // before anything is built of them
			refused := TooMany(e.Meta, len(items))
			refused.About = people(strictjson.Object{"uid": uid})
			return []Event{refused}
		}
	}
	var failed []Event
	for i, item := range items {
		text, ok := strictjson.Text(item)
		switch {
		case ok:
			e.UIDs = append(e.UIDs, text)
		case isList:
			refused := Refuse(e.Meta, fmt.Errorf("uid: item %d is %s where a string is expected: write it in quotes",
				i+1, strictjson.Kind(item)))
			if item.Kind() == '0' { // a number may be somebody's id
				refused.About = []string{item.String()}
			}
			failed = append(failed, refused)
		default:
			failed = append(failed, Refuse(e.Meta, fmt.Errorf("uid: %s where a string is expected "+
				"(or a list of strings): write it in quotes", strictjson.Kind(item))))
		}
	}
	if len(e.UIDs) == 0 {
		return failed
	}
	return append(e.Checked(), failed...)
}

// Pairs returns how many pairs of uid and merchant the events stand for. An event that names no merchant counts for
// this number of merchants. A person in a Failed event counts once.
func Pairs(events []Event, merchants int) int {
	pairs := 0
	for _, e := range events {
		switch e.Status {
		case "":
			pairs += len(e.UIDs) * cmp.Or(len(e.Merchants), merchants, 1)
		case Failed:
			pairs += len(e.UIDs)
		}
	}
	return pairs
}

// Departures returns one departure for each person and merchant: the people in their order and, for each of them, the
// merchants. An event that names no merchant is for all of them.
func (e Event) Departures(all []string) []Departure {
	merchants := e.Merchants
	if len(merchants) == 0 {
		merchants = all
	}
	pairs := make([]Departure, 0, len(e.UIDs)*len(merchants))
	for _, uid := range e.UIDs {
		for _, merchant := range merchants {
			pairs = append(pairs, Departure{Meta: e.Meta, UID: uid, Merchant: merchant, EffectiveAt: e.EffectiveAt})
		}
	}
	return pairs
}

// Event returns the departure as an event with one person and at most one merchant, whose JSON can be queued.
func (d Departure) Event() Event {
	e := Event{Meta: d.Meta, UIDs: []string{d.UID}, EffectiveAt: d.EffectiveAt}
	if d.Merchant != "" {
		e.Merchants = []string{d.Merchant}
	}
	return e
}

// MarshalJSON writes the canonical event: a CloudEvents 1.0 JSON event with the members that are known.
func (e Event) MarshalJSON() ([]byte, error) {
	type data struct {
		UID         any       `json:"uid"`
		Merchant    any       `json:"merchant,omitzero"`
		EffectiveAt time.Time `json:"effective_at,omitzero"`
	}
	return strictjson.Marshal(struct {
		SpecVersion string    `json:"specversion"`
		Source      string    `json:"source,omitzero"`
		ID          string    `json:"id,omitzero"`
		Type        string    `json:"type"`
		Time        time.Time `json:"time,omitzero"`
		Data        data      `json:"data"`
	}{
		SpecVersion: "1.0", Source: e.Source, ID: e.ID, Type: e.Type, Time: e.Time,
		Data: data{UID: oneOrMany(e.UIDs), Merchant: oneOrMany(e.Merchants), EffectiveAt: e.EffectiveAt},
	})
}

func oneOrMany(list []string) any {
	switch len(list) {
	case 0:
		return nil
	case 1:
		return list[0]
	}
	return list
}

// Unique returns the list without repetitions, in the order of the first occurrences.
func Unique(list []string) []string {
	seen := make(map[string]bool, len(list))
	return slices.DeleteFunc(list, func(s string) bool {
		again := seen[s]
		seen[s] = true
		return again
	})
}
