package source

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/strictjson"
)

// mapping reads departures out of a vendor's JSON. Its paths are gjson's, modifiers and queries included: they come from
// whoever may write the secret, and what they are tried on is bounded.
type mapping struct {
	// each leads to a list whose items the others look at; "" means that they look at the whole.
	each         string
	left, cancel rules
	uid          paths
	// people translates; nil means that the HR system knows people by their uid.
	people              map[string]string
	effective, id, time paths
	decoder             departure.Decoder
}

// paths are tried in turn.
type paths []string

// readMapping reads the expressions of an entry, over those that its scheme brings. It returns nil where there are none.
//
// left_when may not be left out: without it, every event of the source would make somebody leave. Whoever means that says
// so with {}.
func readMapping(m *members, brought mapping, decoder departure.Decoder) *mapping {
	members := len(m.raw)
	mp := mapping{
		each:      cmp.Or(m.text("each"), brought.each),
		left:      or(readRules(m, "left_when"), brought.left),
		cancel:    readRules(m, "cancel_when"),
		uid:       m.paths("uid"),
		people:    readPeople(m),
		effective: m.paths("effective"),
		id:        or(m.paths("id"), brought.id),
		time:      or(m.paths("time"), brought.time),
		decoder:   decoder,
	}
	if len(m.raw) == members && brought.left == nil {
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

func or[S ~[]E, E any](given, brought S) S {
	if given == nil {
		return brought
	}
	return given
}

// readPeople returns nil where the member is missing. Its faults name nobody: an HR system's ids are people's too.
func readPeople(m *members) map[string]string {
	raw := m.take("people")
	if raw == nil {
		return nil
	}
	object, err := strictjson.ParseObject(raw)
	if err != nil {
		m.fault("people", "not an object, or one where an id stands twice")
	}
	people := make(map[string]string, len(object))
	for id, value := range object {
		var uid string
		if json.Unmarshal(value, &uid) != nil || strings.TrimSpace(uid) == "" {
			m.fault("people", "somebody's uid is not a string, or blank")
		}
		people[id] = uid
	}
	return people
}

// events reads the departures of one body: one event an item of each, and one for those among them whom people does not
// know.
func (mp *mapping) events(body []byte, envelope departure.Meta) []departure.Event {
	if mp.each == "" {
		return mp.event(gjson.ParseBytes(body), envelope)
	}
	list := gjson.GetBytes(body, mp.each)
	if isEmpty(list) {
		return []departure.Event{ignored(envelope, mp.each+" is missing or empty")}
	}
	if !list.IsArray() {
		kind := strictjson.Kind(strictjson.Value(list.Raw))
		return []departure.Event{departure.Refuse(envelope, fmt.Errorf("each: %s is %s where a list is expected", mp.each, kind))}
	}
	items := list.Array()
	if len(items) > departure.MaxPairs {
		return []departure.Event{departure.Refuse(envelope, fmt.Errorf("each: %d items, at most %d are read", len(items), departure.MaxPairs))}
	}
	var events []departure.Event
	for _, item := range items {
		events = append(events, mp.event(item, envelope)...)
	}
	return events
}

func (mp *mapping) event(item gjson.Result, envelope departure.Meta) []departure.Event {
	ids, err := mp.identifiers(item)
	meta := mp.meta(item, envelope, ids)
	left, cancelled := mp.left.hold(item), mp.cancel.hold(item)
	switch {
	case left && cancelled:
		return []departure.Event{departure.Refuse(meta, errors.New("left_when and cancel_when both hold"))}
	case left:
		meta.Type = departure.TypeLeft
	case cancelled:
		meta.Type = departure.TypeCancelled
	default:
		return []departure.Event{ignored(meta, mp.left.whyNot(item, ids))}
	}
	if err != nil {
		return []departure.Event{departure.Refuse(meta, err)}
	}
	event := departure.Event{Meta: meta}
	if left {
		if event.EffectiveAt, err = mp.effectiveAt(item); err != nil {
			return []departure.Event{departure.Refuse(meta, err)}
		}
	}
	var strangers []string
	event.UIDs, strangers = mp.translate(ids)
	var events []departure.Event
	if len(event.UIDs) > 0 {
		events = append(events, event)
	}
	if len(strangers) > 0 {
		events = append(events, departure.Event{Meta: meta, UIDs: strangers, Status: departure.Unknown, Class: departure.ClassUnmapped, Detail: "not in people"})
	}
	return events
}

func ignored(meta departure.Meta, reason string) departure.Event {
	return departure.Event{Meta: meta, Status: departure.Ignored, Detail: reason}
}

// meta is what the item tells of itself, and what the envelope tells where it does not. An id or a time that cannot be read
// counts as not told: nobody's departure is lost over it. So does an id that is a person's, since ids are logged.
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

// identifiers returns the people in the item, each at most once. A whole number is taken digit by digit, since a float64
// does not hold the 19 digits that some systems use.
func (mp *mapping) identifiers(item gjson.Result) ([]string, error) {
	found := mp.uid.first(item)
	if isEmpty(found) {
		return nil, fmt.Errorf("uid: nothing at %s", strings.Join(mp.uid, " or "))
	}
	items := []gjson.Result{found}
	if found.IsArray() {
		items = found.Array()
	}
	if n := mp.skipped(item, len(items)); n > 0 {
		return nil, fmt.Errorf("uid: missing in %d of the items that %s goes through", n, strings.Join(mp.uid, " or "))
	}
	ids := make([]string, len(items))
	for i, v := range items {
		if v.Type == gjson.Number && strings.Trim(v.Raw, "0123456789") != "" {
			return nil, errors.New("uid: a number that is not whole")
		}
		if ids[i] = text(v); ids[i] == "" {
			return nil, fmt.Errorf("uid: %s where a string, a whole number or a list of them is expected", strictjson.Kind(strictjson.Value(v.Raw)))
		}
	}
	return departure.Unique(ids), nil
}

// skipped returns how many items of list.#.uid have no uid: gjson leaves them out of what it finds, and each is somebody
// who leaves.
func (mp *mapping) skipped(item gjson.Result, found int) int {
	for _, path := range mp.uid {
		if list, _, through := strings.Cut(path, ".#."); through && !isEmpty(item.Get(path)) {
			return max(0, int(item.Get(list+".#").Int())-found)
		}
	}
	return 0
}

// translate parts those whom people knows, as it knows them, from those whom it does not.
func (mp *mapping) translate(ids []string) (uids, strangers []string) {
	if mp.people == nil {
		return ids, nil
	}
	for _, id := range ids {
		if uid, ok := mp.people[id]; ok {
			uids = append(uids, uid)
		} else {
			strangers = append(strangers, id)
		}
	}
	return departure.Unique(uids), strangers
}

// effectiveAt returns zero, that is at once, where the item does not tell.
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

// first returns what the first path leads to that leads to anything.
func (ps paths) first(item gjson.Result) gjson.Result {
	for _, path := range ps {
		if found := item.Get(path); !isEmpty(found) {
			return found
		}
	}
	return gjson.Result{}
}

// isEmpty reports whether there is nothing: neither a value, nor a letter, nor an item.
func isEmpty(v gjson.Result) bool {
	return v.Type == gjson.Null || v.Type == gjson.String && v.Str == "" || v.IsArray() && len(v.Array()) == 0
}

// text returns a string, or the digits of a number; "" of everything else.
func text(v gjson.Result) string {
	switch v.Type {
	case gjson.String:
		return v.Str
	case gjson.Number:
		return v.Raw
	default:
		return ""
	}
}

// instant reads a moment as vendors write it: RFC 3339, also with an offset that lacks its colon (BambooHR), or Unix time
// in seconds or milliseconds of this century and the next. Digits that are neither are a date, or nothing that should be
// guessed at: as Unix time, 20261130 lies in 1970, and who leaves on that day would be gone at once.
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
