package source

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/tidwall/gjson"

	"wedata-unbind/internal/departure"
)

// mapping finds departures in a vendor's JSON. Its paths are gjson's, with modifiers and queries. That is safe: only
// the operator writes the secret, and the size and depth of bodies are limited.
type mapping struct {
	each         string // the path of a list; the other paths start at its items; "" if the body is one event
	left, cancel rules
	uid          identifier
	people       people
	effective    effective
	id, time     paths
	merchants    merchants
}

// reading is what is needed to read a body.
type reading struct {
	envelope departure.Meta
	find     lookup   // looks people up in secrets; nil where the entry has the people itself
	only     []string // the one merchant of the token secret, for events that name none; nil where there are many
	xml      bool     // the body was XML, where a list of one item looks like the item
}

// readMapping reads the mapping of an entry, with the scheme's defaults for missing members. It returns nil if neither
// has one. A missing left_when is a fault, since every event would be a departure; {} says that this is intended. An
// entry with cancel_when and without left_when reads cancellations alone.
func readMapping(m *members, defaults mapping, decoder departure.Decoder) *mapping {
	given := len(m.raw)
	own := m.raw.Has("left_when")
	mp := mapping{
		each:      cmp.Or(m.text("each"), defaults.each),
		left:      readRules(m, "left_when", defaults.left),
		cancel:    readRules(m, "cancel_when", nil),
		uid:       readIdentifier(m),
		people:    readPeople(m),
		effective: readEffective(m, decoder.Zone),
		id:        m.paths("id", defaults.id),
		time:      m.paths("time", defaults.time),
	}
	m.checkPath("each", mp.each)
	if len(m.raw) == given && defaults.left == nil {
		return nil
	}
	if mp.cancel != nil && len(mp.cancel[0]) == 0 {
		if own {
			m.fault("cancel_when", "has no condition, so every event is a cancellation: leave left_when out")
		}
		mp.left = nil // the scheme's default
	}
	if mp.left == nil && mp.cancel == nil {
		m.fault("left_when", "missing: write {} where every event of this source is a departure")
	}
	if mp.uid.paths == nil {
		m.fault("uid", "missing: the path of the identifier by which We分析 knows the person")
	}
	return &mp
}

// events reads the departures in one body, item by item. A body with more than MaxPairs people, or without a readable
// list of items, is refused as a whole. It errs where a table of people cannot be read.
func (mp *mapping) events(body []byte, r reading) ([]departure.Event, error) {
	if mp.each == "" {
		return mp.event(gjson.ParseBytes(body), r)
	}
	whole := gjson.ParseBytes(body)
	list := whole.Get(mp.each)
	refuse := func(format string, args ...any) ([]departure.Event, error) {
		return []departure.Event{departure.Refuse(r.envelope, fmt.Errorf("each: "+format, args...))}, nil
	}
	items := list.Array() // for a single value this is a list of one
	switch {
	case !list.Exists() || list.Type == gjson.Null:
		return refuse("there is no list at %s", mp.each)
	case !list.IsArray() && (!r.xml || !list.IsObject()):
		return refuse("%s is %s where a list is expected", mp.each, kindOf(list))
	case len(items) == 0 && skipped(whole, mp.each) == 0:
		return []departure.Event{departure.Ignore(r.envelope, mp.each+" is empty")}, nil
	case len(items) > departure.MaxPairs:
		refused := departure.TooMany(r.envelope, len(items))
		for _, item := range items {
			found, path := mp.uid.paths.first(item)
			ids, _ := mp.uid.read(item, found, path)
			refused.About = append(refused.About, ids...)
		}
		return []departure.Event{refused}, nil
	}
	events, err := mp.ofItems(items, r)
	if n := skipped(whole, mp.each); n > 0 {
		missing, _ := refuse("missing in %d of the items that %s goes through", n, mp.each)
		events = append(events, missing...)
	}
	return events, err
}

// ofItems reads the departures in each item of a list.
func (mp *mapping) ofItems(items []gjson.Result, r reading) (events []departure.Event, err error) {
	var named []string
	people := 0
	for i, item := range items {
		found, err := mp.event(item, r)
		if err != nil {
			return nil, err
		}
		for _, event := range found {
			people += len(event.UIDs)
			named = append(named, event.UIDs...)
			if event.Status == departure.Failed {
				people++ // somebody whose uid cannot be read
				event.Detail = fmt.Sprintf("item %d: %s", i+1, event.Detail)
			}
			if event.Class == departure.ClassTooMany {
				return []departure.Event{event}, nil
			}
			if people <= departure.MaxPairs {
				events = append(events, event)
			}
		}
	}
	if people > departure.MaxPairs {
		refused := departure.TooMany(r.envelope, people)
		refused.About = named
		return []departure.Event{refused}, nil
	}
	return events, nil
}

// event returns one event of the people who leave, an Unknown event for each person who is not in people, and a
// refused event for each fault.
func (mp *mapping) event(item gjson.Result, r reading) ([]departure.Event, error) {
	find := r.find
	if find == nil {
		find = mp.people.find
	}
	eventType, reason, err := mp.typeOf(item)
	found, path := mp.uid.paths.first(item)
	if n := length(found); n > departure.MaxPairs && eventType != "" {
		refused := departure.TooMany(r.envelope, n)
		refused.About, _ = mp.uid.read(item, found, path)
		return []departure.Event{refused}, nil
	}
	ids, wrong := mp.uid.read(item, found, path)
	var event departure.Event
	var unmapped []string
	if eventType != "" || mp.people.secretIDs == nil { // for an ignored event no secret is read
		for _, id := range ids {
			uid, known, err := find(id)
			switch {
			case err != nil:
				return nil, err
			case known:
				event.UIDs = append(event.UIDs, uid)
			default:
				unmapped = append(unmapped, id)
			}
		}
	}
	event.Meta = mp.meta(item, r.envelope, slices.Concat(ids, event.UIDs))
	if eventType == "" && err == nil {
		return []departure.Event{departure.Ignore(event.Meta, reason)}, nil
	}
	event.Type = cmp.Or(eventType, event.Type)
	if err == nil && eventType == departure.TypeLeft {
		event.EffectiveAt, err = mp.effective.at(item)
	}
	if err == nil {
		event.Merchants, err = mp.merchants.of(item)
	}
	if err != nil {
		refused := departure.Refuse(event.Meta, err)
		refused.About = ids
		return []departure.Event{refused}, nil
	}
	if len(event.Merchants) == 0 {
		event.Merchants = r.only
	}
	event.Merchants = slices.Clone(event.Merchants)
	var events []departure.Event
	if len(event.UIDs) > 0 {
		events = []departure.Event{event}
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
	return events, nil
}

// typeOf returns the type of the item's event, or "" and the reason to ignore it. It errs where the rules are
// ambiguous, or hold but for the spelling of a value.
func (mp *mapping) typeOf(item gjson.Result) (eventType, reason string, err error) {
	left, cancelled := mp.left.hold(item), mp.cancel.hold(item)
	nearlyLeft, nearlyCancelled := "", ""
	if !left {
		nearlyLeft = mp.left.nearly(item)
	}
	if !cancelled {
		nearlyCancelled = mp.cancel.nearly(item)
	}
	switch {
	case left && cancelled:
		return "", "", errors.New("left_when and cancel_when both hold")
	case nearlyLeft != "":
		return "", "", errors.New("left_when: " + nearlyLeft)
	case nearlyCancelled != "":
		return "", "", errors.New("cancel_when: " + nearlyCancelled)
	case left:
		return departure.TypeLeft, "", nil
	case cancelled:
		return departure.TypeCancelled, "", nil
	case mp.left == nil:
		return "", mp.cancel.whyNot(item), nil
	}
	return "", mp.left.whyNot(item), nil
}

// longestID is how long an id may be, in bytes. A longer one counts as missing.
const longestID = 256

// meta returns the item's own id and time, or the envelope's where the item has none. An id or time that cannot be
// read counts as missing, since the departure must not fail for it. People inside the id are masked, since it is
// logged.
func (mp *mapping) meta(item gjson.Result, meta departure.Meta, people []string) departure.Meta {
	id, _ := mp.id.first(item)
	if id := text(id); id != "" && len(id) <= longestID {
		meta.ID = id
	}
	at, _ := mp.time.first(item)
	if t, err := instant(text(at)); err == nil {
		meta.Time = t
	}
	return departure.Event{Meta: meta, UIDs: people}.Checked()[0].Meta
}
