package source

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
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

// members are the members of one object of the sources' secret. Each is read once, by name, and what is not read is not
// known. Every fault is noted with its path, so that one reading finds them all. No fault quotes a value: it may be a key.
type members struct {
	path   string
	raw    map[string]strictjson.Value
	faults []string
}

// fault notes what is wrong with a member, unless something is noted of it already: one fault a member is enough to mend it.
func (m *members) fault(name, format string, args ...any) {
	path := m.path + "." + name + ": "
	if !slices.ContainsFunc(m.faults, func(noted string) bool { return strings.HasPrefix(noted, path) }) {
		m.faults = append(m.faults, path+fmt.Sprintf(format, args...))
	}
}

// take returns a member's JSON, or nil where it is missing.
func (m *members) take(name string) strictjson.Value {
	raw := m.raw[name]
	delete(m.raw, name)
	return raw
}

// rest notes a fault for every member that was not read.
func (m *members) rest(owner string) {
	for _, name := range slices.Sorted(maps.Keys(m.raw)) {
		m.fault(name, "%s has no such member", owner)
	}
}

// verbatim returns a string as it stands, or "" where it is missing.
func (m *members) verbatim(name string) string {
	if raw := m.take(name); raw != nil {
		return m.string(name, raw)
	}
	return ""
}

// text returns a string that is neither empty nor was pasted with white space around it, or "" where it is missing.
func (m *members) text(name string) string {
	if raw := m.take(name); raw != nil {
		return m.word(name, raw)
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

func (m *members) word(name string, raw strictjson.Value) string {
	s := m.string(name, raw)
	if s == "" {
		m.fault(name, "empty")
	}
	if strings.TrimSpace(s) != s {
		m.fault(name, "has white space around it")
	}
	return s
}

func (m *members) string(name string, raw strictjson.Value) string {
	var s string
	if strictjson.Kind(raw) != "a string" || json.Unmarshal(raw, &s) != nil {
		m.fault(name, "%s where a string is expected", strictjson.Kind(raw))
	}
	return s
}

// texts returns a list of strings, which must be there and hold one at least.
func (m *members) texts(name string) []string {
	raw := m.take(name)
	if raw == nil {
		m.fault(name, "missing")
		return nil
	}
	return m.list(name, raw)
}

func (m *members) list(name string, raw strictjson.Value) []string {
	var items []strictjson.Value
	if strictjson.Kind(raw) != "a list" || json.Unmarshal(raw, &items) != nil {
		m.fault(name, "%s where a list of strings is expected", strictjson.Kind(raw))
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
	raw := m.take(name)
	switch {
	case raw == nil:
		return nil
	case strictjson.Kind(raw) == "a list":
		return m.list(name, raw)
	}
	return paths{m.word(name, raw)}
}

// keys returns the decoded keys. An empty key would let everybody in.
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

// aesKey returns the 32 bytes that DingTalk and WeCom write as 43 characters of base64. Their last two bits may be set,
// since the vendors draw the characters at random.
func (m *members) aesKey(name string) []byte {
	s := m.need(name)
	if s == "" {
		return nil
	}
	key, err := base64.RawStdEncoding.DecodeString(s)
	if len(s) != 43 || len(key) != 32 || err != nil { // line breaks count as characters, and are skipped
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

// isHeaderName tells a name that vendors use: what HTTP allows beside letters, digits, - and _ was never seen in one.
func isHeaderName(s string) bool {
	return s != "" && strings.Trim(s, letters+"0123456789-_") == ""
}

const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// duration returns a number of seconds, or a text such as "10m".
func (m *members) duration(name string, fallback time.Duration) time.Duration {
	raw := m.take(name)
	if raw == nil {
		return fallback
	}
	d, err := time.ParseDuration(strings.Trim(string(raw), `"`))
	if strictjson.Kind(raw) == "a number" {
		d, err = time.ParseDuration(string(raw) + "s")
	}
	if err != nil || d <= 0 {
		m.fault(name, `neither a number of seconds nor a duration such as "10m"`)
	}
	return d
}

// zone returns a fixed offset from UTC, or the fallback.
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

// choice returns what a name stands for, or the fallback does where it is missing.
func choice[T any](m *members, name, fallback string, choices map[string]T) T {
	chosen, ok := choices[cmp.Or(m.text(name), fallback)]
	if !ok {
		m.fault(name, "is none of %s", strings.Join(slices.Sorted(maps.Keys(choices)), ", "))
		return choices[fallback]
	}
	return chosen
}
