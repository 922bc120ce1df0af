package departure

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// hint is the end of every error about a payload that is not one: what a valid one looks like.
const hint = `a departure looks like {"uid":"E1001"} or {"uid":["E1001","E1002"],"merchant":"wx0123456789abcdef"}`

// Decoder reads payloads.
type Decoder struct {
	// Zone is where a date without a time ends. Nil means UTC.
	Zone *time.Location
}

// Decode reads one payload: the canonical event where it has the members type and data, else the bare form, which is the
// data alone. What the payload does not tell of itself is taken from the envelope, that is what its transport knows of it:
// id, source, time and, of a bare payload, the type.
//
// An event of another type is no error: it comes back with the verdict Ignored. An error names the member and what is
// wrong with it, and never quotes a value; the event beside it has the Meta that is known all the same.
func (d Decoder) Decode(payload []byte, envelope Meta) (Event, error) {
	members, err := Object(payload)
	if err != nil {
		return Event{Meta: envelope}, err
	}
	return d.DecodeObject(members, envelope)
}

// DecodeObject is Decode for a payload whose members are read already.
func (d Decoder) DecodeObject(members map[string]json.RawMessage, envelope Meta) (Event, error) {
	_, hasType := members["type"]
	data, hasData := members["data"]
	if hasType && hasData {
		return d.canonical(members, data, envelope)
	}
	if envelope.Type == "" {
		envelope.Type = TypeLeft
	}
	return d.event(members, envelope, true)
}

func (d Decoder) canonical(members map[string]json.RawMessage, data json.RawMessage, envelope Meta) (Event, error) {
	meta, err := readMeta(members, envelope)
	switch {
	case meta.Type == "":
		return Event{Meta: meta}, fmt.Errorf("type: %s where a string is expected", Kind(members["type"]))
	case meta.ignored():
		return ignored(meta), nil // whatever else is odd about an event that asks for nothing
	case err != nil:
		return Event{Meta: meta}, err
	}
	// Whoever writes these wants nobody unbound, and has not got the bare form to say so in.
	for _, name := range []string{"dry_run", "action"} {
		if _, ok := members[name]; ok {
			return Event{Meta: meta}, fmt.Errorf(`%s goes with the bare form of a direct invocation only, such as {"dry_run":true,"uid":"E1001"}`, name)
		}
	}
	inner, err := Object(data)
	if err != nil {
		return Event{Meta: meta}, fmt.Errorf("data: %w", err)
	}
	return d.event(inner, meta, false)
}

// event reads the data. In the bare form (strict) a member that is not known is an error, since an event of another kind
// that happens to have a uid must never unbind anybody.
func (d Decoder) event(data map[string]json.RawMessage, meta Meta, strict bool) (Event, error) {
	if meta.Type = withoutPrefix(meta.Type); meta.ignored() {
		return ignored(meta), nil
	}
	event := Event{Meta: meta}
	if strict {
		if err := OnlyMembers(data, "uid", "merchant", "effective_at"); err != nil {
			return event, fmt.Errorf("%w; %s", err, hint)
		}
	}
	var err error
	if event.UIDs, err = Strings(data, "uid"); err != nil {
		return event, err
	}
	if event.Merchants, err = Strings(data, "merchant"); err != nil {
		return event, err
	}
	if event.EffectiveAt, err = d.readEffective(data); err != nil {
		return event, err
	}
	return event, event.Check()
}

func (m Meta) ignored() bool { return m.Type != TypeLeft && m.Type != TypeCancelled }

func ignored(meta Meta) Event {
	return Event{Meta: meta, Verdict: Ignored, Reason: fmt.Sprintf("type %s is not %s", Quote(meta.Type), TypeLeft)}
}

// readMeta reads the members of a CloudEvents event around its data. A Standard Webhooks payload calls the time timestamp.
// Beside the error it returns what could be read: the type, "" where there is none, comes first.
func readMeta(members map[string]json.RawMessage, envelope Meta) (Meta, error) {
	meta := envelope
	meta.Type = ""
	for _, m := range []struct {
		name string
		to   *string
	}{{"type", &meta.Type}, {"id", &meta.ID}, {"source", &meta.Source}} {
		s, err := readString(members, m.name)
		if err != nil {
			return meta, err
		}
		if s != "" {
			*m.to = clip(s, maxUIDBytes)
		}
	}
	meta.Type = withoutPrefix(meta.Type)
	for _, name := range []string{"timestamp", "time"} {
		s, err := readString(members, name)
		if err != nil {
			return meta, err
		}
		if s == "" {
			continue
		}
		at, err := time.Parse(time.RFC3339, s)
		if err != nil {
			return meta, fmt.Errorf("%s: not an RFC 3339 time such as 2026-11-23T01:00:00Z", name)
		}
		meta.Time = at
	}
	return meta, nil
}

// withoutPrefix takes the reverse-DNS prefix off a type that means something here (CloudEvents 1.0, attribute type).
func withoutPrefix(eventType string) string {
	for _, known := range []string{TypeLeft, TypeCancelled} {
		if strings.HasSuffix(eventType, "."+known) {
			return known
		}
	}
	return eventType
}

func (d Decoder) readEffective(data map[string]json.RawMessage) (time.Time, error) {
	s, err := readString(data, "effective_at")
	if err != nil || isAbsent(data, "effective_at") {
		return time.Time{}, err
	}
	t, err := d.ParseEffective(s)
	if err != nil {
		return time.Time{}, fmt.Errorf("effective_at: %w", err)
	}
	return t, nil
}

// ParseOffset reads an offset from UTC such as +08:00, as the zone of a Decoder.
func ParseOffset(s string) (*time.Location, error) {
	t, err := time.Parse("-07:00", s)
	if err != nil {
		return nil, errors.New("is not an offset such as +08:00")
	}
	_, seconds := t.Zone()
	return time.FixedZone("UTC"+s, seconds), nil
}

// ParseEffective reads the moment of a departure: an RFC 3339 time, or a date, which is the last day, so that the
// departure is due when that day ends in the Decoder's zone.
func (d Decoder) ParseEffective(s string) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, nil
	}
	zone := d.Zone
	if zone == nil {
		zone = time.UTC
	}
	day, err := time.ParseInLocation(time.DateOnly, s, zone)
	if err != nil {
		return time.Time{}, errors.New("neither an RFC 3339 time such as 2026-11-30T18:00:00+08:00 nor a date such as 2026-11-30")
	}
	if day.Year() > 9998 {
		return time.Time{}, errors.New("a day that never comes: leave it out, or send the event once the day is known")
	}
	return day.AddDate(0, 0, 1), nil
}
