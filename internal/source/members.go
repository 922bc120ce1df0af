package source

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"wedata-unbind/internal/strictjson"
)

// members are the members of one entry in the sources' secret. Reading a member removes it, so the members left at the
// end are unknown ones. Faults are collected, each with its path. No fault quotes a value, which may be a key.
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

// verbatim returns a string as it is, or "" where it is missing.
func (m *members) verbatim(name string) string {
	value := m.take(name)
	s, ok := strictjson.Text(value)
	if value != nil && !ok {
		m.fault(name, notString, strictjson.Kind(value))
	}
	return s
}

const notString = "%s where a string is expected"

// text returns a word, or "" where it is missing.
func (m *members) text(name string) string {
	if value := m.take(name); value != nil {
		return m.word(name, value)
	}
	return ""
}

// word returns a string that is neither empty nor an example, and has no white space around it.
func (m *members) word(name string, value strictjson.Value) string {
	s, ok := strictjson.Text(value)
	switch {
	case !ok:
		m.fault(name, notString, strictjson.Kind(value))
	case s == "":
		m.fault(name, "empty")
	case strings.TrimSpace(s) != s:
		m.fault(name, "has white space around it")
	case strings.ContainsAny(s, "…\x00"):
		m.fault(name, "has a … or a zero byte in it: write it in full")
	}
	return s
}

// texts returns a list of words. A missing or empty list is a fault.
func (m *members) texts(name string) []string {
	value := m.take(name)
	var items []strictjson.Value
	switch {
	case value == nil:
		m.fault(name, "missing")
	case value.Kind() != '[' || strictjson.Unmarshal(value, &items) != nil:
		m.fault(name, "%s where a list of strings is expected", strictjson.Kind(value))
	case len(items) == 0:
		m.fault(name, "an empty list")
	}
	list := make([]string, len(items))
	for i, item := range items {
		list[i] = m.word(at(name, i), item)
	}
	return list
}

func at(name string, i int) string { return fmt.Sprintf("%s[%d]", name, i) }

// shortestKey is the least length of a key, in bytes: shorter keys can be guessed.
const (
	shortestKey = 8
	tooShort    = "has %d bytes, at least %d are needed"
)

// keys returns the decoded keys.
func (m *members) keys(decode func(string) ([]byte, error)) []string {
	list := m.texts("keys")
	for i, s := range list {
		m.checkKey(at("keys", i), s)
		key, err := decode(s)
		if err != nil {
			m.fault(at("keys", i), "%v", err)
		} else if len(key) < shortestKey {
			m.fault(at("keys", i), tooShort, len(key), shortestKey)
		}
		list[i] = string(key)
	}
	return list
}

// checkKey notes a fault for a placeholder from examples.
func (m *members) checkKey(name, s string) {
	plain := strings.NewReplacer("-", "", "_", "", " ", "").Replace(strings.ToLower(s))
	if slices.Contains([]string{"secret", "changeme", "yourkeyhere", "yoursecrethere", "yourtokenhere"}, plain) {
		m.fault(name, "a placeholder: write the one that the sender uses")
	}
}

// key returns a key or token. Tokens may be short: WeCom and DingTalk let people choose them.
func (m *members) key(name string) string {
	s := m.text(name)
	if s == "" {
		m.fault(name, "missing")
	}
	m.checkKey(name, s)
	return s
}

// aesKey returns the 32 bytes that DingTalk and WeCom write as 43 characters of base64. The vendors draw the
// characters at random, so the last two bits may be set.
func (m *members) aesKey(name string) []byte {
	s := m.key(name)
	key, err := base64.RawStdEncoding.DecodeString(s)
	if len(s) != 43 || len(key) != 32 || err != nil { // the decoder skips line breaks
		m.fault(name, "is not 43 characters of base64")
	}
	return key
}

// parsed parses the text in a member, or returns the fallback where it is missing or wrong.
func parsed[T any](m *members, name string, fallback T, parse func(string) (T, error)) T {
	s := m.text(name)
	if s == "" {
		return fallback
	}
	value, err := parse(s)
	if err != nil {
		m.fault(name, "%v", err)
		return fallback
	}
	return value
}

// choice returns the row of a table that a member names, or the fallback's row where the member is missing.
func choice[T any](m *members, name, fallback string, table map[string]T) T {
	return parsed(m, name, table[fallback], func(s string) (T, error) {
		row, ok := table[s]
		if !ok {
			return row, errors.New("is none of " + names(table))
		}
		return row, nil
	})
}

// duration returns a number of seconds, or a text such as "10m".
func (m *members) duration(name string, fallback time.Duration) time.Duration {
	value := m.take(name)
	if value == nil {
		return fallback
	}
	s, isText := strictjson.Text(value)
	if !isText {
		s = string(value) + "s"
	}
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 {
		m.fault(name, `neither a number of seconds nor a duration such as "10m"`)
	}
	return d
}
