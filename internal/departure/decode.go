package departure

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"wedata-unbind/internal/strictjson"
)

// hint is the end of the errors about payloads. It shows a valid one.
const hint = `a departure looks like {"uid":"E1001"} or {"uid":["E1001","E1002"],"merchant":"wx0123456789abcdef"}`

// Decoder reads payloads.
type Decoder struct {
	// Zone is where a date without a time ends. Nil means UTC.
	Zone *time.Location
}

// Decode reads one payload. With the members type and data it is a canonical event; otherwise it is the bare form: the
// data alone. The envelope has what the transport tells: id, source, time and, for the bare form, the type. Where the
// payload tells them too, the payload counts.
//
// It returns one event with all valid uids, and a Failed event for each invalid one. A payload that cannot be read is
// one Failed event; its Detail names the member and what is wrong with it, and never quotes a value. An event of
// another type is one Ignored event.
func (d Decoder) Decode(payload []byte, envelope Meta) []Event {
	members, err := strictjson.ParseObject(payload)
	if err != nil {
		if _, isText := strictjson.Text(payload); isText {
			err = errors.New("a string where a JSON object is expected: send the object, without quotes around it")
		}
		return []Event{Refuse(envelope, fmt.Errorf("%w; %s", err, hint))}
	}
	return d.DecodeObject(members, envelope)
}

// DecodeObject is Decode for a payload whose members are read already.
func (d Decoder) DecodeObject(members strictjson.Object, envelope Meta) []Event {
	if members.Has("type", "data") {
		return d.canonical(members, envelope)
	}
	if envelope.Type == "" {
		envelope.Type = TypeLeft
	}
	if envelope.Type = withoutPrefix(envelope.Type); envelope.ignored() {
		return []Event{ignored(envelope, people(members))}
	}
	if members.Has("type") || members.Has("specversion") {
		return []Event{Refuse(envelope, errors.New(`a canonical event needs type and data, such as `+
			`{"type":"employee.left","data":{"uid":"E1001"}}`))}
	}
	return d.events(members, envelope, true)
}

func (d Decoder) canonical(members strictjson.Object, envelope Meta) []Event {
	data, dataErr := strictjson.ParseObject(members["data"])
	meta, err := readMeta(members, envelope)
	if err == nil {
		err = Misplaced(members, "")
	}
	if meta.Type != "" && meta.ignored() {
		return []Event{ignored(meta, people(data))} // even if other members are wrong
	}
	meta = meta.hide(people(data))
	if err == nil && dataErr != nil {
		err = fmt.Errorf("data: %w", dataErr)
	}
	if err != nil {
		return refuse(meta, err, data)
	}
	return d.events(data, meta, false)
}

// events reads the data. In the bare form (strict) an unknown member is an error: an event of another kind that
// happens to have a uid must not unbind anybody.
func (d Decoder) events(data strictjson.Object, meta Meta, strict bool) []Event {
	meta = meta.hide(people(data))
	err := Misplaced(data, "data: ", "uid", "merchant", "effective_at")
	if strict {
		if err = data.Only("uid", "merchant", "effective_at"); err != nil {
			err = fmt.Errorf("%w; %s", err, hint)
		}
	}
	event := Event{Meta: meta}
	if err == nil {
		event.Merchants, err = data.Strings("merchant")
	}
	if err == nil {
		event.EffectiveAt, err = d.readEffective(data)
	}
	if err == nil && !data.Has("uid") {
		err = fmt.Errorf("uid: missing; %s", hint)
	}
	if err != nil {
		return refuse(meta, err, data)
	}
	return event.of(data["uid"])
}

// refuse returns the refused event with the people whom its data names: they must be traced.
func refuse(meta Meta, err error, data strictjson.Object) []Event {
	refused := Refuse(meta, err)
	refused.About = people(data)
	return []Event{refused}
}

// Misplaced returns an error for a member that seems to limit the departure, but is in the wrong place or misspelled.
// If it were ignored, somebody would be unbound too early or at too many merchants.
func Misplaced(object strictjson.Object, where string, allowed ...string) error {
	for _, name := range slices.Sorted(maps.Keys(object)) {
		plain := strings.NewReplacer("_", "", "-", "").Replace(strings.ToLower(name))
		for _, start := range []string{"uid", "merchant", "effective", "dryrun", "action"} {
			if strings.HasPrefix(plain, start) && !slices.Contains(allowed, name) {
				const advice = "uid, merchant and effective_at stand in data, and dry_run and action go with the bare " +
					"form of a direct invocation only"
				return fmt.Errorf("%s%s is not expected here: %s", where, strictjson.Member(name), advice)
			}
		}
	}
	return nil
}

func (m Meta) ignored() bool { return m.Type != TypeLeft && m.Type != TypeCancelled }

// ignored returns the event of another type. Its reason shows the type, unless that may be personal data: it is no
// word, or contains a uid.
func ignored(meta Meta, people []string) Event {
	reason := fmt.Sprintf("type %q is not %s", meta.Type, TypeLeft)
	names := func(uid string) bool { return maskIn(meta.Type, uid) != meta.Type }
	if !IsWord(meta.Type) || slices.ContainsFunc(people, names) {
		reason = "another type than " + TypeLeft
	}
	return Ignore(meta.hide(people), reason)
}

// people returns the uids in data that may have faults.
func people(data strictjson.Object) (uids []string) {
	items := []strictjson.Value{data["uid"]}
	if strictjson.Kind(items[0]) == "a list" {
		_ = strictjson.Unmarshal(data["uid"], &items)
	}
	for _, item := range items {
		if uid, ok := strictjson.Text(item); ok {
			uids = append(uids, uid)
		}
	}
	return uids
}

// readMeta reads the members of a CloudEvents event around its data. In Standard Webhooks the time is named timestamp.
// With an error it returns what it read before. It reads the type first, which is "" where it cannot be read.
func readMeta(members strictjson.Object, envelope Meta) (Meta, error) {
	meta := envelope
	meta.Type = ""
	for _, member := range []struct {
		name string
		to   *string
	}{{"type", &meta.Type}, {"id", &meta.ID}, {"source", &meta.Source}} {
		s, err := members.String(member.name)
		if err != nil {
			return meta, err
		}
		if s != "" {
			if member.name == "type" {
				s = withoutPrefix(s)
			}
			*member.to = clip(s, maxUIDBytes)
		}
	}
	if meta.Type == "" {
		return meta, errors.New("type: empty or null; it must be " + TypeLeft)
	}
	for _, name := range []string{"timestamp", "time"} {
		s, err := members.String(name)
		if err != nil {
			return meta, err
		}
		if s == "" {
			continue
		}
		if meta.Time, err = time.Parse(time.RFC3339, s); err != nil {
			return meta, fmt.Errorf("%s: not an RFC 3339 time such as 2026-11-23T01:00:00Z", name)
		}
	}
	return meta, nil
}

// withoutPrefix removes a reverse-DNS prefix from a type that is carried out (CloudEvents 1.0, attribute type). A
// prefix that ends in a negation makes another type of it: hr.not.employee.left.
func withoutPrefix(eventType string) string {
	for _, known := range []string{TypeLeft, TypeCancelled} {
		if prefix, found := strings.CutSuffix(eventType, "."+known); found {
			if negation().MatchString(prefix) {
				return eventType
			}
			return known
		}
	}
	return eventType
}

var negation = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)(^|[._-])(not|undo|cancel|cancell?ed|revoked)$`)
})

func (d Decoder) readEffective(data strictjson.Object) (time.Time, error) {
	if strictjson.Kind(data["effective_at"]) == "null" || !data.Has("effective_at") {
		return time.Time{}, nil
	}
	s, err := data.String("effective_at")
	if err != nil {
		return time.Time{}, err
	}
	t, err := d.ParseEffective(s)
	if err != nil {
		return time.Time{}, fmt.Errorf("effective_at: %w", err)
	}
	return t, nil
}

// ParseOffset reads an offset from UTC, such as +08:00, and returns it as a zone. It errs for any other text.
func ParseOffset(s string) (*time.Location, error) {
	t, err := time.Parse("-07:00", s)
	if err != nil {
		return nil, errors.New("is not an offset such as +08:00")
	}
	_, seconds := t.Zone()
	return time.FixedZone("UTC"+s, seconds), nil
}

// ParseEffective reads when a departure is due: an RFC 3339 time, or a date. A date is the last day: the departure is
// due when that day ends in the Decoder's zone. It returns the time in that zone, and errs for any other text and for
// the years 0 and after 9998.
func (d Decoder) ParseEffective(s string) (time.Time, error) {
	zone := d.Zone
	if zone == nil {
		zone = time.UTC
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		if t, err = time.ParseInLocation(time.DateOnly, s, zone); err == nil {
			t = t.AddDate(0, 0, 1)
		}
	}
	t = t.In(zone)
	switch {
	case err != nil:
		return time.Time{}, errors.New("neither an RFC 3339 time such as 2026-11-30T18:00:00+08:00 " +
			"nor a date such as 2026-11-30")
	case t.UTC().Year() < 1: // JSON holds the years 0 to 9999, in any zone
		return time.Time{}, errors.New("a day of the year 0: leave it out where there is none")
	case t.Year() > 9998:
		return time.Time{}, errors.New("a day that never comes: leave it out, or send the event once the day is known")
	}
	return t, nil
}
