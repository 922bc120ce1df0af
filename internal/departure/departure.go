// Package departure is what is asked of this service: that a uid leaves a merchant, and how that is written as JSON.
//
// It knows neither where an event comes from nor how a departure is carried out.
package departure

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// The types of the canonical event that mean something here. Every other type is acknowledged and ignored.
const (
	TypeLeft      = "employee.left"
	TypeCancelled = "employee.left.cancelled"
)

// MaxPairs is how many pairs of uid and merchant one event may ask for.
const MaxPairs = 5000

const maxUIDBytes = 256

// Meta is what is known of an event beside the people in it.
type Meta struct {
	// Type is TypeLeft, TypeCancelled or, of an ignored event, whatever it said.
	Type string
	// ID is the sender's id of the event, or the transport's where the sender gave none.
	ID string
	// Source is the named sender.
	Source string
	// Time is when the event happened; it decides which of two events is the newer one.
	Time time.Time
}

// Event is one payload: these people leave these merchants.
type Event struct {
	Meta
	// UIDs are the people, each at most once, in the order given.
	UIDs []string
	// Merchants are the authorizer appids they leave, each at most once. Empty means every merchant there is.
	Merchants []string
	// EffectiveAt is when they leave. Zero means at once.
	EffectiveAt time.Time
	// Verdict is what becomes of an event that is not to be carried out, and Reason tells why. Empty means carry it out.
	Verdict Verdict
	Reason  string
}

// Verdict is the outcome of an event that is decided before anything is done.
type Verdict string

// The verdicts.
const (
	// Ignored is an event that asks for nothing.
	Ignored Verdict = "ignored"
	// Unknown is an event about somebody who is nobody here.
	Unknown Verdict = "unknown"
	// Retry is an event that could not be read just now.
	Retry Verdict = "retry"
	// Failed is an event that asks for something and cannot be understood: somebody must act.
	Failed Verdict = "failed"
)

// Refuse returns the event of a payload that could not be read, for the reason that err tells.
func Refuse(meta Meta, err error) Event {
	return Event{Meta: meta, Verdict: Failed, Reason: err.Error()}
}

// Departure is one uid that leaves one merchant: the unit of work, of retry and of report.
type Departure struct {
	Meta
	UID string
	// Merchant is an authorizer appid, or "" for the one merchant of a secret that does not tell its appid.
	Merchant    string
	EffectiveAt time.Time
}

// Check returns an error that names the first thing in the event that cannot be carried out: a uid that is blank, longer
// than 256 bytes or not clean text, a merchant that is no appid, nobody at all, or more than MaxPairs pairs.
func (e Event) Check() error {
	if len(e.UIDs) == 0 {
		return fmt.Errorf("uid: missing; %s", hint)
	}
	for _, uid := range e.UIDs {
		if err := checkText(uid); err != nil {
			return fmt.Errorf("uid: %w", err)
		}
	}
	for _, merchant := range e.Merchants {
		if !IsAppID(merchant) {
			return errors.New("merchant: not an authorizer appid such as wx0123456789abcdef")
		}
	}
	return checkPairs(len(e.UIDs), max(1, len(e.Merchants)))
}

// Departures returns the pairs of the event, people outside and merchants inside, in the order given. An event that names
// no merchant is spread over all. It errs where that makes more than MaxPairs.
func (e Event) Departures(all []string) ([]Departure, error) {
	merchants := e.Merchants
	if len(merchants) == 0 {
		merchants = all
	}
	if err := checkPairs(len(e.UIDs), len(merchants)); err != nil {
		return nil, err
	}
	pairs := make([]Departure, 0, len(e.UIDs)*len(merchants))
	for _, uid := range e.UIDs {
		for _, merchant := range merchants {
			pairs = append(pairs, Departure{Meta: e.Meta, UID: uid, Merchant: merchant, EffectiveAt: e.EffectiveAt})
		}
	}
	return pairs, nil
}

// Event returns the departure as an event of its own, whose JSON can wait in a queue.
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
		UID         any        `json:"uid"`
		Merchant    any        `json:"merchant,omitempty"`
		EffectiveAt *time.Time `json:"effective_at,omitempty"`
	}
	event := struct {
		SpecVersion string     `json:"specversion"`
		Source      string     `json:"source,omitempty"`
		ID          string     `json:"id,omitempty"`
		Type        string     `json:"type"`
		Time        *time.Time `json:"time,omitempty"`
		Data        data       `json:"data"`
	}{
		SpecVersion: "1.0", Source: e.Source, ID: e.ID, Type: e.Type, Time: orNil(e.Time),
		Data: data{UID: oneOrMany(e.UIDs), Merchant: oneOrMany(e.Merchants), EffectiveAt: orNil(e.EffectiveAt)},
	}
	return Marshal(event)
}

// Marshal is json.Marshal with <, > and & as they are, since people read what comes out.
func Marshal(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), err
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

func orNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func checkPairs(uids, merchants int) error {
	if pairs := uids * merchants; pairs > MaxPairs {
		return fmt.Errorf("%d pairs of uid and merchant, at most %d an event: send it in parts", pairs, MaxPairs)
	}
	return nil
}

// checkText refuses what no identifier is. U+FFFD is what a decoder leaves where the text was broken: the identifier that
// was meant is lost, and a near miss must not be looked for.
func checkText(s string) error {
	switch {
	case strings.TrimSpace(s) == "":
		return fmt.Errorf("blank; %s", hint)
	case len(s) > maxUIDBytes:
		return fmt.Errorf("%d bytes long, at most %d are allowed", len(s), maxUIDBytes)
	case !utf8.ValidString(s) || strings.ContainsAny(s, "\ufffd\ufffe\uffff"):
		return fmt.Errorf("not valid Unicode text")
	case strings.ContainsFunc(s, unicode.IsControl):
		return fmt.Errorf("has a control character")
	}
	return nil
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
