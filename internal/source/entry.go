package source

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/strictjson"
)

// FaultsError is all that is wrong with the secret or one entry. Each fault starts with its path, none quotes a value.
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
	fault   error    // set if the entry cannot be used; other entries still work
	scheme  scheme   // nil for a topic or an event source, which takes no HTTP requests
	get     bool     // as its schemeRow has it
	mapping *mapping // nil where payloads are events already
	decoder departure.Decoder
	// merchants are the only ones that its events may name, and the default of events that name none. It is empty for
	// "*", which allows all, and for an entry without the member merchants; namesMerchants tells the two apart.
	merchants      []string
	namesMerchants bool
	// only is the one merchant of the token secret, for events that name none; nil where there are many.
	only []string
}

// parse reads the secret: a JSON object with an entry for each source's name.
func parse(secret string, decoder departure.Decoder) (map[string]entry, error) {
	raw, err := strictjson.ParseObject([]byte(secret))
	if err != nil {
		var twice *jsontext.SyntacticError
		_, syntax := jsontext.NewDecoder(strings.NewReader(secret)).ReadValue()
		if errors.Is(syntax, jsontext.ErrDuplicateName) && errors.As(syntax, &twice) {
			names := append(slices.Collect(twice.JSONPointer.Tokens()), "", "")
			if names[1] == "people" { // whose names are personal data
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

// shownSource returns the name of a source as logs and errors may show it. Over HTTP anybody can send one.
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
	if e.namesMerchants = m.raw.Has("merchants"); e.namesMerchants {
		e.merchants = departure.Unique(m.texts("merchants"))
		for i, merchant := range e.merchants {
			if merchant == "*" && len(e.merchants) > 1 {
				m.fault("merchants", `"*" means all: name no other beside it`)
			} else if merchant != "*" && !departure.IsAppID(merchant) {
				m.fault(at("merchants", i), "is not an appid such as wx0123456789abcdef")
			}
		}
		if slices.Contains(e.merchants, "*") {
			e.merchants = nil
		}
	}
	for _, name := range slices.Sorted(maps.Keys(m.raw)) { // those that were not read
		if !departure.IsWord(name) || strings.Trim(name, letters+"_-") != "" {
			name = notShown
		}
		m.fault(name, "%s has no such member", owner)
	}
	e.fault = faults(m.faults...)
	return e
}

// names lists the names in a table, as an error shows them.
func names[T any](table map[string]T) string {
	return strings.Join(slices.Sorted(maps.Keys(table)), ", ")
}

// read reads the events of a verified message.
func (e entry) read(m message, envelope departure.Meta) []departure.Event {
	if m.err != nil {
		return []departure.Event{departure.Refuse(envelope, m.err)}
	}
	return e.events(m.body, envelope)
}

// events reads one payload, which is a JSON value. What cannot be read comes back as an event with a Status.
func (e entry) events(payload []byte, envelope departure.Meta) []departure.Event {
	if text, ok := strictjson.Text(payload); ok {
		_, err := strictjson.Parse([]byte(text))
		if err != nil && strings.IndexAny(strings.TrimSpace(text), "{[") != 0 {
			return []departure.Event{departure.Ignore(envelope, "a text and no event, such as a test delivery")}
		}
		err = errors.New("JSON inside a string: send the object itself, without quotes around it")
		return []departure.Event{departure.Refuse(envelope, err)}
	}
	read := e.decoder.Decode
	if e.mapping != nil {
		read = e.mapping.events
	}
	var limited []departure.Event
	for _, event := range read(payload, envelope) {
		limited = append(limited, e.limit(event)...)
	}
	return limited
}

// limit keeps the event within the merchants that the entry allows, and checks it.
func (e entry) limit(event departure.Event) []departure.Event {
	if len(event.Merchants) == 0 && event.Status == "" {
		event.Merchants = slices.Concat(e.merchants, e.only)
	}
	other := func(merchant string) bool { return !slices.Contains(e.merchants, merchant) }
	if len(e.merchants) > 0 && slices.ContainsFunc(event.Merchants, other) {
		refused := departure.Refuse(event.Meta, errors.New("merchant: not among the merchants of this source"))
		refused.About = event.UIDs
		return []departure.Event{refused}
	}
	return event.Checked()
}
