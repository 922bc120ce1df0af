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
	// fault is set if the entry cannot be used. Other entries still work.
	fault error
	// scheme is nil for a topic or an event source. Such an entry takes no HTTP requests.
	scheme scheme
	get    bool
	// mapping is nil where payloads are events already.
	mapping *mapping
	// merchants are the only ones that its events may name, and the default of events that name none. Empty means any and
	// all: the entry says "*", or says nothing, and then namesMerchants is false.
	merchants      []string
	namesMerchants bool
	// only is the one merchant of the token secret, for events that name none; nil where there are many.
	only    []string
	decoder departure.Decoder
}

// parse reads the secret: a JSON object with an entry for each source's name.
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
	var row schemeRow
	if m.raw.Has("scheme") {
		name := m.text("scheme")
		owner = "the scheme " + name
		row = schemes[name]
		if row.read == nil {
			m.fault("scheme", "is none of %s", names(schemes))
			return entry{fault: faults(m.faults...)} // which members it may have is not known
		}
		e.scheme, e.get = row.read(m), row.get
	}
	e.mapping = readMapping(m, row.mapping, e.decoder)
	if e.namesMerchants = m.raw.Has("merchants"); e.namesMerchants {
		e.merchants = departure.Unique(m.texts("merchants"))
		if slices.Contains(e.merchants, "*") {
			if len(e.merchants) > 1 {
				m.fault("merchants", `"*" means all: name no other beside it`)
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

// names lists the names in a table, as an error shows them.
func names[T any](table map[string]T) string {
	return strings.Join(slices.Sorted(maps.Keys(table)), ", ")
}

// events reads one payload, which is a JSON value. What cannot be read comes back as an event with a Status.
func (e entry) events(payload []byte, envelope departure.Meta) []departure.Event {
	var events []departure.Event
	text, isText := strictjson.Text(payload)
	_, notJSON := strictjson.Parse([]byte(text))
	switch {
	case isText && notJSON != nil && e.mapping == nil:
		return []departure.Event{departure.Ignore(envelope, "a text and no event, such as a test delivery")}
	case isText && notJSON == nil, e.mapping == nil:
		events = e.decoder.Decode(payload, envelope)
	default:
		events = e.mapping.events(payload, envelope)
	}
	var limited []departure.Event
	for _, event := range events {
		limited = append(limited, e.limit(event)...)
	}
	return limited
}

// limit keeps the event within the merchants that the entry allows, and checks it.
func (e entry) limit(event departure.Event) []departure.Event {
	if event.Status != "" {
		return []departure.Event{event}
	}
	if len(event.Merchants) == 0 {
		event.Merchants = slices.Concat(e.merchants, e.only)
	}
	for _, merchant := range event.Merchants {
		if len(e.merchants) > 0 && !slices.Contains(e.merchants, merchant) {
			refused := departure.Refuse(event.Meta, errors.New("merchant: not among the merchants of this source"))
			refused.About = event.UIDs
			return []departure.Event{refused}
		}
	}
	return event.Checked()
}
