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

// events reads the departures in one body. Each item gives one event, and one more for those who are not in people.
func (mp *mapping) events(body []byte, envelope departure.Meta) []departure.Event {
	if mp.each == "" {
		return mp.event(gjson.ParseBytes(body), envelope)
	}
	list := gjson.GetBytes(body, mp.each)
	items := list.Array()
	var err error
	switch {
	case isEmpty(list):
		return []departure.Event{departure.Ignore(envelope, mp.each+" is missing or empty")}
	case !list.IsArray():
		err = fmt.Errorf("each: %s is %s where a list is expected", mp.each, kindOf(list))
	case len(items) > departure.MaxPairs:
		err = fmt.Errorf("each: %d items, at most %d are read", len(items), departure.MaxPairs)
	}
	if err != nil {
		return []departure.Event{departure.Refuse(envelope, err)}
	}
	var events []departure.Event
	for i, item := range items {
		for _, event := range mp.event(item, envelope) {
			if event.Status == departure.Failed {
				event.Detail = fmt.Sprintf("item %d: %s", i+1, event.Detail)
			}
			events = append(events, event)
		}
	}
	return events
}

func (mp *mapping) event(item gjson.Result, envelope departure.Meta) []departure.Event {
	ids, err := mp.identifiers(item)
	event := departure.Event{Meta: mp.meta(item, envelope, ids)}
	switch left, cancelled := mp.left.hold(item), mp.cancel.hold(item); {
	case left && cancelled:
		err = errors.New("left_when and cancel_when both hold")
	case left:
		event.Type = departure.TypeLeft
		if err == nil {
			event.EffectiveAt, err = mp.effectiveAt(item)
		}
	case cancelled:
		event.Type = departure.TypeCancelled
	default:
		return []departure.Event{departure.Ignore(event.Meta, mp.left.whyNot(item, ids))}
	}
	if err != nil {
		refused := departure.Refuse(event.Meta, err)
		refused.About = ids
		return []departure.Event{refused}
	}
	unmapped := departure.Event{
		Meta: event.Meta, Status: departure.Unknown, Class: departure.ClassUnmapped, Detail: "not in people",
	}
	event.UIDs, unmapped.UIDs = mp.translate(ids)
	nobody := func(e departure.Event) bool { return len(e.UIDs) == 0 }
	return slices.DeleteFunc([]departure.Event{event, unmapped}, nobody)
}

// meta returns the item's own id and time, or the envelope's where the item has none. One that cannot be read counts
// as missing: no departure is lost over it. So does an id that is a person's, since ids are logged.
func (mp *mapping) meta(item gjson.Result, meta departure.Meta, people []string) departure.Meta {
	const longest = 256
	if id := text(mp.id.first(item)); id != "" && len(id) <= longest && !slices.Contains(people, id) {
		meta.ID = id
	}
	if t, err := instant(text(mp.time.first(item))); err == nil {
		meta.Time = t
	}
	return meta
}

// identifiers returns the people in the item, each at most once. The digits of a whole number are taken as they are: a
// float64 does not hold the 19 digits that some systems use.
func (mp *mapping) identifiers(item gjson.Result) ([]string, error) {
	found := mp.uid.first(item)
	if isEmpty(found) {
		return nil, fmt.Errorf("uid: nothing at %s", strings.Join(mp.uid, " or "))
	}
	items := found.Array() // of a single value, a list of one
	if n := mp.skipped(item, len(items)); n > 0 {
		return nil, fmt.Errorf("uid: missing in %d of the items that %s goes through", n, strings.Join(mp.uid, " or "))
	}
	ids := make([]string, len(items))
	for i, v := range items {
		if v.Type == gjson.Number && strings.Trim(v.Raw, "0123456789") != "" {
			return nil, errors.New("uid: a number that is not whole")
		}
		if ids[i] = text(v); ids[i] == "" {
			return nil, fmt.Errorf("uid: %s where a string, a whole number or a list of them is expected", kindOf(v))
		}
	}
	return departure.Unique(ids), nil
}

// skipped returns how many items of list.#.uid have no uid. gjson leaves them out, but each is a person who leaves.
func (mp *mapping) skipped(item gjson.Result, found int) int {
	for _, path := range mp.uid {
		if list, _, through := strings.Cut(path, ".#."); through && !isEmpty(item.Get(path)) {
			return max(0, int(item.Get(list+".#").Int())-found)
		}
	}
	return 0
}

// translate returns the uids of those who are in people, and the ids of those who are not.
func (mp *mapping) translate(ids []string) (uids, unmapped []string) {
	if mp.people == nil {
		return ids, nil
	}
	for _, id := range ids {
		if uid, ok := mp.people[id]; ok {
			uids = append(uids, uid)
		} else {
			unmapped = append(unmapped, id)
		}
	}
	return departure.Unique(uids), unmapped
}

// effectiveAt returns zero, that is at once, where the item has no such member.
func (mp *mapping) effectiveAt(item gjson.Result) (time.Time, error) {
	found := mp.effective.first(item)
	if isEmpty(found) {
		return time.Time{}, nil
	}
	if t, err := instant(text(found)); err == nil {
		return t, nil
	}
	t, err := mp.decoder.ParseEffective(text(found))
	if err != nil {
		return time.Time{}, fmt.Errorf("effective: %w, nor Unix time", err)
	}
	return t, nil
}

// first returns the value of the first path that has one.
func (ps paths) first(item gjson.Result) gjson.Result {
	for _, path := range ps {
		if found := item.Get(path); !isEmpty(found) {
			return found
		}
	}
	return gjson.Result{}
}

// isEmpty reports whether a value is missing, null, an empty string or an empty list.
func isEmpty(v gjson.Result) bool {
	return v.Type == gjson.Null || v.Type == gjson.String && v.Str == "" || v.IsArray() && len(v.Array()) == 0
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
