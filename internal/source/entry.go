package source

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/strictjson"
)

// FaultsError is all that is wrong with the sources' secret, or with one entry of it. Each fault starts with its path, and
// none quotes a value.
type FaultsError struct{ Faults []string }

// Error returns the faults on one line.
func (e *FaultsError) Error() string { return "source: " + strings.Join(e.Faults, "; ") }

func faults(list ...string) error {
	if len(list) == 0 {
		return nil
	}
	return &FaultsError{list}
}

// entry is one source.
type entry struct {
	// fault is not nil of an entry that is of no use. The others work.
	fault error
	// scheme is nil of an entry for a topic or an event source, which has no door to the outside.
	scheme scheme
	get    bool
	// mapping is nil where payloads are events already.
	mapping *mapping
	// merchants are the only ones its events may name, and those of an event that names none. Empty means any, and all:
	// because the entry says "*", or because it says nothing, which confined tells.
	merchants []string
	confined  bool
	decoder   departure.Decoder
}

// parse reads the secret: one JSON object, the name of a source to its entry.
func parse(secret string, decoder departure.Decoder) (map[string]entry, error) {
	raw, err := strictjson.ParseObject([]byte(secret))
	if err != nil {
		return nil, faults(fmt.Sprintf("sources: %v", err))
	}
	entries := make(map[string]entry, len(raw))
	for name, value := range raw {
		path := "sources." + name
		object, err := strictjson.ParseObject(value)
		if err != nil {
			entries[name] = entry{fault: faults(fmt.Sprintf("%s: %v", path, err))}
			continue
		}
		entries[name] = readEntry(&members{path: path, raw: object}, decoder)
	}
	return entries, nil
}

func readEntry(m *members, decoder departure.Decoder) entry {
	e := entry{decoder: departure.Decoder{Zone: m.zone("utc_offset", decoder.Zone)}}
	owner := "an entry without a scheme"
	var k kind
	if m.raw["scheme"] != nil {
		name := m.text("scheme")
		owner = "the scheme " + name
		k = kinds[name]
		if k.read == nil {
			m.fault("scheme", "is none of %s", strings.Join(slices.Sorted(maps.Keys(kinds)), ", "))
			return entry{fault: faults(m.faults...)} // which members it may have is not known
		}
		e.scheme, e.get = k.read(m), k.get
	}
	e.mapping = readMapping(m, k.mapping, e.decoder)
	if m.raw["merchants"] != nil {
		e.confined = true
		e.merchants = departure.Unique(m.texts("merchants"))
		if slices.Contains(e.merchants, "*") {
			if len(e.merchants) > 1 {
				m.fault("merchants", `"*" stands for all: it goes with no other`)
			}
			e.merchants = nil
		}
		for i, merchant := range e.merchants {
			if !departure.IsAppID(merchant) {
				m.fault(fmt.Sprintf("merchants[%d]", i), "is not an appid such as wx0123456789abcdef")
			}
		}
	}
	m.rest(owner)
	e.fault = faults(m.faults...)
	return e
}

// events reads one payload, which is JSON that strictJSON let pass. What cannot be read of it comes back as a verdict.
func (e entry) events(payload []byte, envelope departure.Meta) []departure.Event {
	if e.mapping == nil {
		event, err := e.decoder.Decode(payload, envelope)
		switch {
		case err != nil && strictjson.Kind(payload) == "a string":
			event = ignored(envelope, "words and no event, as a test delivery is")
		case err != nil:
			event = departure.Refuse(event.Meta, err)
		}
		return []departure.Event{e.confine(event)}
	}
	events := e.mapping.events(payload, envelope)
	for i := range events {
		events[i] = e.confine(events[i])
	}
	return events
}

// confine keeps the event within the merchants that the entry allows.
func (e entry) confine(event departure.Event) departure.Event {
	if event.Status != "" {
		return event
	}
	if len(event.Merchants) == 0 {
		event.Merchants = slices.Clone(e.merchants)
	}
	for _, merchant := range event.Merchants {
		if len(e.merchants) > 0 && !slices.Contains(e.merchants, merchant) {
			return departure.Refuse(event.Meta, errors.New("merchant: not among the merchants of this source"))
		}
	}
	if err := event.Check(); err != nil {
		return departure.Refuse(event.Meta, err)
	}
	return event
}
