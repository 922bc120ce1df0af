package departure

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Object reads one JSON object into its members, more strictly than encoding/json: a name that stands twice, text that is
// not UTF-8 and anything after the object are errors, and names keep their case. Two readers of one message must never see
// two different people in it. A byte order mark before the object is skipped (RFC 8259, section 8.1).
//
// Only the object's own names are looked at: nested objects stay raw. An error names what is wrong and quotes no value.
func Object(raw []byte) (map[string]json.RawMessage, error) {
	raw = bytes.TrimPrefix(raw, []byte("\ufeff"))
	if !utf8.Valid(raw) {
		return nil, errors.New("not JSON: not valid UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	start, err := dec.Token()
	if err != nil {
		return nil, notJSON(err)
	}
	if start != json.Delim('{') {
		return nil, fmt.Errorf("%s where a JSON object is expected", Kind(raw))
	}
	members := map[string]json.RawMessage{}
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return nil, notJSON(err)
		}
		name, _ := token.(string)
		if _, twice := members[name]; twice {
			return nil, fmt.Errorf("%s stands twice", member(name))
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, notJSON(err)
		}
		members[name] = value
	}
	if _, err := dec.Token(); err != nil {
		return nil, notJSON(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("not JSON: something stands after the object")
	}
	return members, nil
}

// notJSON keeps a syntax error's words, which quote one character at most, and calls the end of the input by its name.
func notJSON(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("not JSON: it is empty or ends too early")
	}
	return fmt.Errorf("not JSON: %w", err)
}

// OnlyMembers returns an error that names a member of the object that is not among the known ones.
func OnlyMembers(members map[string]json.RawMessage, known ...string) error {
	var unknown []string
	for name := range members {
		if !slices.Contains(known, name) {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	return fmt.Errorf("unknown %s", member(slices.Min(unknown)))
}

// member names a member as an error may show it. What is no name, but a text in the place of one, may hold anything.
func member(name string) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
	if name == "" || len(name) > 40 || strings.Trim(name, letters) != "" {
		return "member whose name is not shown here"
	}
	return "member " + strconv.Quote(name)
}

// Kind names the kind of a JSON value as an error message wants it: "a string", "a number", "null", …
func Kind(raw []byte) string {
	trimmed := bytes.TrimLeft(raw, " \t\r\n")
	if len(trimmed) == 0 {
		return "nothing"
	}
	switch trimmed[0] {
	case '{':
		return "an object"
	case '[':
		return "a list"
	case '"':
		return "a string"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	}
	return "a number"
}

// Quote quotes a stranger's word for an error message: on one line, and cut to a length that no message drowns in.
func Quote(s string) string {
	const longest = 60
	if short := clip(s, longest); short != s {
		return strconv.Quote(short) + "…"
	}
	return strconv.Quote(s)
}

// clip cuts a text to at most n bytes, between two characters.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

func isAbsent(members map[string]json.RawMessage, name string) bool {
	raw, ok := members[name]
	return !ok || Kind(raw) == "null"
}

// readString returns the member, or "" where it is missing or null.
func readString(members map[string]json.RawMessage, name string) (string, error) {
	if isAbsent(members, name) {
		return "", nil
	}
	raw := members[name]
	var s string
	if Kind(raw) != "a string" || json.Unmarshal(raw, &s) != nil {
		return "", fmt.Errorf("%s: %s where a string is expected", name, Kind(raw))
	}
	return s, nil
}

// Strings returns the member, a string or a list of strings, without repetitions; nil where it is missing or null.
func Strings(members map[string]json.RawMessage, name string) ([]string, error) {
	if isAbsent(members, name) {
		return nil, nil
	}
	raw := members[name]
	if Kind(raw) != "a list" {
		s, err := readString(members, name)
		if err != nil {
			return nil, fmt.Errorf("%w (or a list of strings): write it in quotes", err)
		}
		return []string{s}, nil
	}
	var items []json.RawMessage
	if err := json.Unmarshal(raw, &items); err != nil {
		return nil, fmt.Errorf("%s: %w", name, notJSON(err))
	}
	if len(items) == 0 {
		return nil, fmt.Errorf("%s: an empty list", name)
	}
	list := make([]string, len(items))
	for i, item := range items {
		if Kind(item) != "a string" || json.Unmarshal(item, &list[i]) != nil {
			return nil, fmt.Errorf("%s: item %d is %s where a string is expected: write it in quotes", name, i, Kind(item))
		}
	}
	return Unique(list), nil
}
