package source

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"wedata-unbind/internal/departure"
)

// naive is a second mapping, for entries whose paths are names and dots. It is written from docs/hr-systems.md and walks
// through what encoding/json reads, without gjson: whom both find must be the same people.
type naive struct {
	each                  string
	leftPath, cancelPath  string // "" for no rule
	leftValue, cancelJSON string // JSON
	uid                   []string
}

// entry returns the entry of the sources' secret.
func (n naive) entry() string {
	members := map[string]any{"uid": n.uid}
	rule := func(path, value string) any { return map[string]any{path: []json.RawMessage{json.RawMessage(value)}} }
	if n.each != "" {
		members["each"] = n.each
	}
	members["left_when"] = map[string]any{}
	if n.leftPath != "" {
		members["left_when"] = rule(n.leftPath, n.leftValue)
	}
	if n.cancelPath != "" {
		members["cancel_when"] = rule(n.cancelPath, n.cancelJSON)
	}
	text, _ := json.Marshal(members) // texts and JSON
	return string(text)
}

// missing is what stands at a path that leads nowhere.
type missing struct{}

func naiveAt(value any, path string) any {
	for name := range strings.SplitSeq(path, ".") {
		object, ok := value.(map[string]any)
		if !ok {
			return missing{}
		}
		if value, ok = object[name]; !ok {
			return missing{}
		}
	}
	return value
}

// read returns a line for each event: who leaves, who is taken back, "ignored" or "refused".
func (n naive) read(value any) (lines []string) {
	if n.each == "" {
		return n.one(value)
	}
	switch list := naiveAt(value, n.each).(type) {
	case []any:
		if len(list) == 0 {
			return []string{"ignored"}
		}
		for _, item := range list {
			lines = append(lines, n.one(item)...)
		}
		return lines
	default:
		return []string{"refused"}
	}
}

func (n naive) one(item any) []string {
	left, nearlyLeft := naiveRule(item, n.leftPath, n.leftValue)
	cancelled, nearlyCancelled := false, false
	if n.cancelPath != "" {
		cancelled, nearlyCancelled = naiveRule(item, n.cancelPath, n.cancelJSON)
	}
	switch {
	case left && cancelled, nearlyLeft, nearlyCancelled:
		return []string{"refused"}
	case !left && !cancelled:
		return []string{"ignored"}
	}
	var people []string
	lines := []string{}
	for _, v := range n.people(item) {
		uid := ""
		switch v := v.(type) {
		case string:
			uid = strings.TrimSpace(v)
		case json.Number:
			if strings.Trim(v.String(), "0123456789") == "" {
				uid = v.String()
			}
		}
		switch {
		case uid == "" || len(uid) > 256 || strings.ContainsFunc(uid, unicode.IsControl) || strings.ContainsAny(uid, "\ufffd\ufffe\uffff"):
			lines = append(lines, "refused")
		case !slices.Contains(people, uid):
			people = append(people, uid)
		}
	}
	if len(people) > 0 {
		lines = append(lines, fmt.Sprintf("%v %q", cancelled, people))
	}
	if len(lines) == 0 {
		return []string{"refused"}
	}
	return lines
}

// people returns the values at the first path that has any.
func (n naive) people(item any) []any {
	for _, path := range n.uid {
		switch v := naiveAt(item, path).(type) {
		case missing, nil:
		case []any:
			if len(v) > 0 {
				return v
			}
		case string:
			if v != "" {
				return []any{v}
			}
		default:
			return []any{v}
		}
	}
	return nil
}

var whole = regexp.MustCompile(`^(-?[0-9]+)\.0+$`)

// naiveRule tells whether the value at the path is the wanted one, or differs from it only by type, case or white space.
func naiveRule(item any, path, wanted string) (holds, nearly bool) {
	if path == "" {
		return true, false
	}
	got := naiveAt(item, path)
	want := naiveJSON([]byte(wanted))
	if got == want {
		return true, false
	}
	gotText, gotOK := naiveScalar(got)
	wantText, wantOK := naiveScalar(want)
	return false, gotOK && wantOK && strings.EqualFold(gotText, wantText)
}

// naiveScalar returns a string, number or boolean as text, as rules compare them where they do not hold.
func naiveScalar(v any) (string, bool) {
	switch v := v.(type) {
	case string, json.Number, bool:
		return whole.ReplaceAllString(strings.TrimSpace(fmt.Sprint(v)), "$1"), true
	}
	return "", false
}

// naiveJSON reads a text that is known to be JSON.
func naiveJSON(text []byte) (value any) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	_ = d.Decode(&value)
	return value
}

// naiveLines is naive's reading of what the mapping found. Refused ones are counted, as bad items of a list come one by
// one.
func naiveLines(events []departure.Event) (lines []string) {
	for _, e := range events {
		switch e.Status {
		case "":
			lines = append(lines, fmt.Sprintf("%v %q", e.Type == departure.TypeCancelled, e.UIDs))
		case departure.Ignored:
			lines = append(lines, "ignored")
		default:
			lines = append(lines, "refused")
		}
	}
	return lines
}

// FuzzMappingTwice lets a second mapping read what the mapping reads. The numbers pick the entry.
func FuzzMappingTwice(f *testing.F) {
	paths := []string{"", "a", "b", "a.b", "a.b.c", "list", "a.list"}
	values := []string{`"x"`, `"X "`, `3`, `"3"`, `3.0`, `true`, `"true"`, `null`, `""`, `0`}
	for i, body := range []string{
		`{"a":"x","b":"E1001"}`, `{"list":[{"a":"x","b":["E1","E2",7,null]},{"a":"y","b":1}],"a":{"b":" E5 "}}`,
		`{"a":{"b":3,"list":[{"b":12345678901234567890}]},"b":{"c":1}}`, `[{"a":"x","b":"E1"}]`, `{"\u0061":"x","b":"E\u00311"}`,
		`{"a":"{\"b\":\"x\"}","b":"{"}`, `{"list":["{\"a\":\"x\",\"b\":\"E1\"}","[","x"],"b":2.50}`, `{"a":null,"list":[],"b":""}`,
	} {
		for pick := range 6 {
			f.Add([]byte(body), uint64(i*7919+pick*104729))
		}
	}
	f.Fuzz(func(t *testing.T, body []byte, pick uint64) {
		text, err := readJSON(body)
		if err != nil || len(text) > 0 && text[0] == '"' {
			return
		}
		next := func(list []string) string {
			item := list[pick%uint64(len(list))]
			pick /= uint64(len(list))
			return item
		}
		n := naive{
			each: next([]string{"", "", "list", "a.list"}), leftPath: next(paths), leftValue: next(values), cancelPath: next(paths),
			cancelJSON: next(values), uid: []string{next(paths[1:]), next(paths[1:])},
		}
		entries, err := parse(`{"hr":`+n.entry()+`}`, departure.Decoder{})
		if err != nil || entries["hr"].fault != nil {
			t.Fatalf("%s: %v, %v", n.entry(), err, entries["hr"].fault)
		}
		got, want := naiveLines(eventsOf(t, entries["hr"], text)), n.read(naiveJSON(text))
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s\nof %s\nis read as   %q\nand by naive %q", text, n.entry(), got, want)
		}
	})
}
