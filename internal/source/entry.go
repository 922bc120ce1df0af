package source

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/tidwall/gjson"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/strictjson"
)

// FaultsError has all faults of the sources' secret or of one entry. Each fault starts with its path, and none quotes
// a value.
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
	fault     error    // set if the entry cannot be used; other entries still work
	scheme    scheme   // nil for a topic or an event source: HTTP requests are refused
	get       bool     // as in schemeRow
	mapping   *mapping // nil where payloads are events already
	decoder   departure.Decoder
	merchants merchants
	reply     []byte // the JSON text of the reply for success, or nil for the scheme's own reply
}

// parse reads the secret: a JSON object with an entry for each source's name.
func parse(secret string, decoder departure.Decoder) (map[string]entry, error) {
	raw, err := strictjson.ParseObject([]byte(secret))
	if err != nil {
		var twice *jsontext.SyntacticError
		_, syntax := jsontext.NewDecoder(strings.NewReader(secret)).ReadValue()
		if errors.Is(syntax, jsontext.ErrDuplicateName) && errors.As(syntax, &twice) {
			names := append(slices.Collect(twice.JSONPointer.Tokens()), "", "")
			if names[1] == "people" { // the names in it are personal data
				return nil, faults("sources." + shownSource(names[0]) + ".people: a name stands twice")
			}
		}
		return nil, faults(fmt.Sprintf("sources: %v", err))
	}
	delete(raw, "$schema") // for editors
	entries := make(map[string]entry, len(raw))
	for name, value := range raw {
		m := &members{path: "sources." + shownSource(name)}
		if m.raw, err = strictjson.ParseObject(value); err != nil {
			entries[name] = entry{fault: faults(fmt.Sprintf("%s: %v", m.path, err))}
			continue
		}
		e := readEntry(m, decoder)
		if name == "" || e.scheme != nil && strings.Contains(name, "/") {
			e.fault = faults(append(m.faults, m.path+": no address ends in this name: it is empty or has a slash")...)
		}
		entries[name] = e
	}
	return entries, nil
}

// shownSource returns the name of a source as logs and errors may show it. Anybody can send a name over HTTP.
func shownSource(name string) string {
	if !departure.IsWord(name) {
		return notShown
	}
	return name
}

const notShown = "(name not shown)"

func readEntry(m *members, decoder departure.Decoder) entry {
	e := entry{decoder: departure.Decoder{Zone: parsed(m, "utc_offset", decoder.Zone, departure.ParseOffset)}}
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
	e.merchants = readMerchants(m)
	if e.mapping != nil {
		e.mapping.merchants = e.merchants
	}
	if e.reply = readReply(m); e.reply != nil && row.replies {
		m.fault("reply", "%s has a reply of its own", owner)
	}
	for _, name := range slices.Sorted(maps.Keys(m.raw)) { // the members that were not read
		if !departure.IsWord(name) || strings.Trim(name, letters+"_-") != "" {
			name = notShown
		}
		m.fault(name, "%s has no such member", owner)
	}
	e.fault = faults(m.faults...)
	return e
}

// names returns the names in a table, sorted, as one text.
func names[T any](table map[string]T) string {
	return strings.Join(slices.Sorted(maps.Keys(table)), ", ")
}

// readReply returns the JSON of the member reply, or nil where it is missing. A string in it holds JSON text.
func readReply(m *members) []byte {
	value := m.take("reply")
	if text, ok := strictjson.Text(value); ok {
		value, _ = strictjson.Parse([]byte(text))
		if value == nil {
			m.fault("reply", "is not JSON text")
		}
	}
	return value
}

// read returns the events in a verified message. It errs where a table of people cannot be read.
func (e entry) read(m message, r reading) ([]departure.Event, error) {
	if m.err != nil {
		return []departure.Event{departure.Refuse(r.envelope, m.err)}, nil //nolint:nilerr // the event has it
	}
	r.xml = m.xml
	return e.events(m.body, r)
}

// events returns the events in a payload, which is a JSON value. For a part that cannot be read it returns an event
// with a Status. It errs as read does.
func (e entry) events(payload []byte, r reading) (checked []departure.Event, err error) {
	if text, ok := strictjson.Text(payload); ok {
		_, err := strictjson.Parse([]byte(text))
		if err != nil && strings.IndexAny(strings.TrimSpace(text), "{[") != 0 {
			return []departure.Event{departure.Ignore(r.envelope, "a text and no event, such as a test delivery")}, nil
		}
		err = errors.New("JSON inside a string: send the object itself, without quotes around it")
		return []departure.Event{departure.Refuse(r.envelope, err)}, nil
	}
	var events []departure.Event
	if e.mapping != nil {
		events, err = e.mapping.events(payload, r)
	} else {
		events = e.decode(payload, r)
	}
	for _, event := range events {
		checked = append(checked, event.Checked()...)
	}
	return checked, err
}

// decode reads a payload that needs no mapping. It refuses merchants that the entry does not allow.
func (e entry) decode(payload []byte, r reading) []departure.Event {
	events := e.decoder.Decode(payload, r.envelope)
	allowed, err := e.merchants.of(gjson.ParseBytes(payload))
	for i, event := range events {
		switch {
		case event.Status != "":
		case err != nil:
			events[i] = departure.Refuse(event.Meta, err)
			events[i].About = event.UIDs
		default:
			events[i] = limit(event, allowed, r.only)
		}
	}
	return events
}
