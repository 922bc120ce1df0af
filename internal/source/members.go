package source

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/strictjson"
)

// members are the members of one entry in the sources' secret. Reading a member removes it, so that what is left at the end
// is unknown. Every fault is noted with its path, so that one reading finds them all. No fault quotes a value: it may be a
// key.
type members struct {
	path   string
	raw    strictjson.Object
	faults []string
}

// fault notes what is wrong with a member. Only the first fault of a member is kept.
func (m *members) fault(name, format string, args ...any) {
	path := m.path + "." + name + ": "
	if !slices.ContainsFunc(m.faults, func(noted string) bool { return strings.HasPrefix(noted, path) }) {
		m.faults = append(m.faults, path+fmt.Sprintf(format, args...))
	}
}

// take returns a member's JSON, or nil where it is missing.
func (m *members) take(name string) strictjson.Value {
	value := m.raw[name]
	delete(m.raw, name)
	return value
}

// rest notes a fault for every member that was not read.
func (m *members) rest(owner string) {
	for _, name := range slices.Sorted(maps.Keys(m.raw)) {
		m.fault(name, "%s has no such member", owner)
	}
}

// verbatim returns a string as it is, or "" where it is missing.
func (m *members) verbatim(name string) string {
	if value := m.take(name); value != nil {
		return m.string(name, value)
	}
	return ""
}

// text returns a string without white space around it, or "" where it is missing. An empty one is a fault.
func (m *members) text(name string) string {
	if value := m.take(name); value != nil {
		return m.word(name, value)
	}
	return ""
}

// need is text for what must be there.
func (m *members) need(name string) string {
	s := m.text(name)
	if s == "" {
		m.fault(name, "missing")
	}
	return s
}

func (m *members) word(name string, value strictjson.Value) string {
	s := m.string(name, value)
	if s == "" {
		m.fault(name, "empty")
	}
	if strings.TrimSpace(s) != s {
		m.fault(name, "has white space around it")
	}
	return s
}

func (m *members) string(name string, value strictjson.Value) string {
	s, ok := strictjson.Text(value)
	if !ok {
		m.fault(name, "%s where a string is expected", strictjson.Kind(value))
	}
	return s
}

// texts returns a list of strings, which must be there and not be empty.
func (m *members) texts(name string) []string {
	value := m.take(name)
	if value == nil {
		m.fault(name, "missing")
		return nil
	}
	return m.list(name, value)
}

func (m *members) list(name string, value strictjson.Value) []string {
	var items []strictjson.Value
	if value.Kind() != '[' || strictjson.Unmarshal(value, &items) != nil {
		m.fault(name, "%s where a list of strings is expected", strictjson.Kind(value))
		return nil
	}
	if len(items) == 0 {
		m.fault(name, "an empty list")
	}
	list := make([]string, len(items))
	for i, item := range items {
		list[i] = m.word(fmt.Sprintf("%s[%d]", name, i), item)
	}
	return list
}

// paths returns one path or a list of them, or nil where they are missing.
func (m *members) paths(name string) paths {
	switch value := m.take(name); value.Kind() {
	case 0: // missing
		return nil
	case '[':
		return m.list(name, value)
	default:
		return paths{m.word(name, value)}
	}
}

// keys returns the decoded keys. An empty key is a fault: anybody can sign with it.
func (m *members) keys(decode func(string) ([]byte, error)) [][]byte {
	var keys [][]byte
	for i, s := range m.texts("keys") {
		key, err := decode(s)
		if err == nil && len(key) == 0 {
			err = errors.New("empty")
		}
		if err != nil {
			m.fault(fmt.Sprintf("keys[%d]", i), "%v", err)
		}
		keys = append(keys, key)
	}
	return keys
}

// aesKey returns the 32 bytes that DingTalk and WeCom write as 43 characters of base64. The vendors draw the characters at
// random, so the last two bits may be set.
func (m *members) aesKey(name string) []byte {
	s := m.need(name)
	if s == "" {
		return nil
	}
	key, err := base64.RawStdEncoding.DecodeString(s)
	if len(s) != 43 || len(key) != 32 || err != nil { // the decoder skips line breaks
		m.fault(name, "is not 43 characters of base64")
	}
	return key
}

// header returns a header's name in its canonical form, or "" where it is missing.
func (m *members) header(name string) string {
	s := m.text(name)
	if s != "" && !isHeaderName(s) {
		m.fault(name, "is not the name of a header")
	}
	return http.CanonicalHeaderKey(s)
}

// isHeaderName takes letters, digits, - and _. HTTP allows more, but no known vendor uses it.
func isHeaderName(s string) bool {
	return s != "" && strings.Trim(s, letters+"0123456789-_") == ""
}

const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// duration returns a number of seconds, or a text such as "10m".
func (m *members) duration(name string, fallback time.Duration) time.Duration {
	value := m.take(name)
	if value == nil {
		return fallback
	}
	d, err := time.ParseDuration(strings.Trim(string(value), `"`))
	if value.Kind() == '0' {
		d, err = time.ParseDuration(string(value) + "s")
	}
	if err != nil || d <= 0 {
		m.fault(name, `neither a number of seconds nor a duration such as "10m"`)
	}
	return d
}

// zone returns a fixed offset from UTC, or the fallback where it is missing.
func (m *members) zone(name string, fallback *time.Location) *time.Location {
	s := m.text(name)
	if s == "" {
		return fallback
	}
	zone, err := departure.ParseOffset(s)
	if err != nil {
		m.fault(name, "%v", err)
	}
	return zone
}

// choice returns the row of a table that a member names, or the fallback's row where the member is missing.
func choice[T any](m *members, name, fallback string, table map[string]T) T {
	chosen, ok := table[cmp.Or(m.text(name), fallback)]
	if !ok {
		m.fault(name, "is none of %s", names(table))
		return table[fallback]
	}
	return chosen
}
