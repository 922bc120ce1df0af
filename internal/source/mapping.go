package source

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/strictjson"
)

// mapping finds departures in a vendor's JSON. Its paths are gjson's, with modifiers and queries. They are written by
// whoever may write the secret, and size and depth of the bodies are limited.
type mapping struct {
	each         string // the path of a list, at whose items the other paths start; "" if the body is one event
	left, cancel rules
	people       map[string]string // HR ids to uids, or nil if the HR id is the uid
	decoder      departure.Decoder

	uid, effective, id, time paths
}

// paths are tried in turn.
type paths []string

// readMapping reads the mapping of an entry, with the scheme's defaults for missing members, or returns nil if neither
// has one. A missing left_when is a fault, since every event would be a departure: {} says that this is meant.
func readMapping(m *members, defaults mapping, decoder departure.Decoder) *mapping {
	given := len(m.raw)
	mp := mapping{
		each:      cmp.Or(m.text("each"), defaults.each),
		left:      readRules(m, "left_when", defaults.left),
		cancel:    readRules(m, "cancel_when", nil),
		uid:       m.paths("uid", nil),
		people:    readPeople(m),
		effective: m.paths("effective", nil),
		id:        m.paths("id", defaults.id),
		time:      m.paths("time", defaults.time),
		decoder:   decoder,
	}
	m.checkPath("each", mp.each)
	if len(m.raw) == given && defaults.left == nil {
		return nil
	}
	if mp.left == nil {
		m.fault("left_when", "missing: write {} where every event of this source is a departure")
	}
	if mp.uid == nil {
		m.fault("uid", "missing: the path of what We分析 knows people by")
	}
	if mp.cancel != nil && len(mp.cancel[0]) == 0 {
		m.fault("cancel_when", "has no condition")
	}
	return &mp
}

// readPeople returns nil where the member is missing. Its fault shows no member: HR ids are personal data too.
func readPeople(m *members) (people map[string]string) {
	value := m.take("people")
	if value == nil {
		return nil
	}
	err := strictjson.Unmarshal(value, &people)
	blank := func(uid string) bool { return strings.TrimSpace(uid) == "" }
	if err != nil || people == nil || slices.ContainsFunc(slices.Collect(maps.Values(people)), blank) {
		m.fault("people", "not an object of HR ids to uids, or a uid is not a string or blank")
	}
	return people
}

// events reads the departures in one body: those of each item in turn. More than MaxPairs people, or items that cannot
// be read, are refused whole.
func (mp *mapping) events(body []byte, envelope departure.Meta) []departure.Event {
	if mp.each == "" {
		return mp.event(gjson.ParseBytes(body), envelope)
	}
	list := gjson.GetBytes(body, mp.each)
	switch {
	case length(list) == 0:
		return []departure.Event{departure.Ignore(envelope, mp.each+" is missing or empty")}
	case !list.IsArray():
		err := fmt.Errorf("each: %s is %s where a list is expected", mp.each, kindOf(list))
		return []departure.Event{departure.Refuse(envelope, err)}
	case length(list) > departure.MaxPairs:
		refused := departure.TooMany(envelope, length(list))
		for _, item := range list.Array() {
			ids, _ := mp.identifiers(item, mp.uid.first(item))
			refused.About = append(refused.About, ids...)
		}
		return []departure.Event{refused}
	}
	var events []departure.Event
	var named []string
	people := 0
	for i, item := range list.Array() {
		for _, event := range mp.event(item, envelope) {
			people += len(event.UIDs)
			named = append(named, event.UIDs...)
			if event.Status == departure.Failed {
				people++ // one that could not be read
				event.Detail = fmt.Sprintf("item %d: %s", i+1, event.Detail)
			}
			if event.Class == departure.ClassTooMany {
				return []departure.Event{event}
			}
			if people <= departure.MaxPairs {
				events = append(events, event)
			}
		}
	}
	if people > departure.MaxPairs {
		refused := departure.TooMany(envelope, people)
		refused.About = named
		return []departure.Event{refused}
	}
	return events
}

// event returns the event of those who leave, one for each who is not in people, and one for each fault.
func (mp *mapping) event(item gjson.Result, envelope departure.Meta) []departure.Event {
	left, cancelled := mp.left.hold(item), mp.cancel.hold(item)
	found := mp.uid.first(item)
	if n := length(found); n > departure.MaxPairs && (left || cancelled) {
		refused := departure.TooMany(envelope, n)
		refused.About, _ = mp.identifiers(item, found)
		return []departure.Event{refused}
	}
	ids, wrong := mp.identifiers(item, found)
	var event departure.Event
	var unmapped []string
	for _, id := range ids {
		if uid, known := mp.people[id]; known {
			event.UIDs = append(event.UIDs, uid)
		} else if mp.people == nil {
			event.UIDs = append(event.UIDs, id)
		} else {
			unmapped = append(unmapped, id)
		}
	}
	event.Meta = mp.meta(item, envelope, slices.Concat(ids, event.UIDs))
	var err error
	switch {
	case left && cancelled:
		err = errors.New("left_when and cancel_when both hold")
	case left:
		event.Type = departure.TypeLeft
		event.EffectiveAt, err = mp.effectiveAt(item)
	case cancelled:
		event.Type = departure.TypeCancelled
	default:
		return []departure.Event{departure.Ignore(event.Meta, mp.left.whyNot(item))}
	}
	if err != nil {
		refused := departure.Refuse(event.Meta, err)
		refused.About = ids
		return []departure.Event{refused}
	}
	var events []departure.Event
	if len(event.UIDs) > 0 {
		events = append(events, event)
	}
	for _, id := range unmapped {
		events = append(events, departure.Event{
			Meta: event.Meta, UIDs: []string{id},
			Status: departure.Unknown, Class: departure.ClassUnmapped, Detail: "not in people",
		})
	}
	for _, err := range wrong {
		events = append(events, departure.Refuse(event.Meta, err))
	}
	return events
}

// longestID is how many bytes of an id are logged. One that is longer is none.
const longestID = 256

// meta returns the item's own id and time, or the envelope's where the item has none. One that cannot be read counts
// as missing: no departure is lost over it. People inside the id are masked, since it is logged.
func (mp *mapping) meta(item gjson.Result, meta departure.Meta, people []string) departure.Meta {
	if id := text(mp.id.first(item)); id != "" && len(id) <= longestID {
		meta.ID = id
	}
	if t, err := instant(text(mp.time.first(item))); err == nil {
		meta.Time = t
	}
	return departure.Event{Meta: meta, UIDs: people}.Checked()[0].Meta
}

// identifiers returns the people in the item, each at most once, and what is wrong with the others. The digits of a
// whole number are taken as they are: a float64 does not hold the 19 digits that some systems use.
func (mp *mapping) identifiers(item, found gjson.Result) (ids []string, wrong []error) {
	paths := strings.Join(mp.uid, " or ")
	if length(found) == 0 {
		return nil, []error{fmt.Errorf("uid: nothing at %s", paths)}
	}
	items := found.Array() // of a single value, a list of one
	for i, v := range items {
		var fault string
		id := text(v)
		switch {
		case v.Type == gjson.Number && strings.Trim(v.Raw, "0123456789") != "":
			fault = "a number that is not whole"
		case id == "":
			fault = kindOf(v) + " where a string, a whole number or a list of them is expected"
		default:
			ids = append(ids, id)
			continue
		}
		if found.IsArray() {
			fault = fmt.Sprintf("value %d is %s", i+1, fault)
		}
		wrong = append(wrong, errors.New("uid: "+fault))
	}
	if n := mp.skipped(item, len(items)); n > 0 {
		wrong = append(wrong, fmt.Errorf("uid: missing in %d of the items that %s goes through", n, paths))
	}
	return departure.Unique(ids), wrong
}

// skipped returns how many items of list.#.uid have no uid. gjson leaves them out, but each is a person who leaves.
func (mp *mapping) skipped(item gjson.Result, found int) int {
	for _, path := range mp.uid {
		if list, _, through := strings.Cut(path, ".#."); through && length(item.Get(path)) > 0 {
			return max(0, int(item.Get(list+".#").Int())-found)
		}
	}
	return 0
}

// effectiveAt returns zero, that is at once, where the item has no such member.
func (mp *mapping) effectiveAt(item gjson.Result) (time.Time, error) {
	found := mp.effective.first(item)
	if length(found) == 0 {
		return time.Time{}, nil
	}
	t, err := instant(text(found))
	if err != nil {
		t, err = mp.decoder.ParseEffective(text(found))
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("effective: %w, nor Unix time", err)
	}
	return t, nil
}

// first returns the value of the first path that has one.
func (ps paths) first(item gjson.Result) gjson.Result {
	for _, path := range ps {
		if found := item.Get(path); length(found) > 0 {
			return found
		}
	}
	return gjson.Result{}
}

// length returns how many values there are: none where it is missing, null, an empty string or an empty list.
func length(v gjson.Result) int {
	switch {
	case v.IsArray():
		return int(v.Get("#").Int())
	case v.Type == gjson.Null || v.Type == gjson.String && v.Str == "":
		return 0
	}
	return 1
}

// text returns a string, or the digits of a number; "" for anything else.
func text(v gjson.Result) string {
	if v.Type == gjson.Number {
		return v.Raw
	}
	return v.Str
}

// instant reads a time as vendors write it: RFC 3339, also with an offset without its colon (BambooHR), or Unix time
// in seconds or milliseconds between 2001 and 2286. Other digits are an error: 20261130 as Unix time is a day in 1970,
// and who leaves on that date would be unbound at once.
func instant(s string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05Z0700"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	switch {
	case err == nil && n >= 1e9 && n < 1e10:
		return time.Unix(n, 0).UTC(), nil
	case err == nil && n >= 1e12 && n < 1e13:
		return time.UnixMilli(n).UTC(), nil
	}
	return time.Time{}, errors.New("neither an RFC 3339 time nor Unix time")
}
