package departure_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"wedata-unbind/internal/departure"
)

// naive is a second reader of payloads. It is written from the README's section "What comes in", with encoding/json's
// tokens and nothing of the decoder: what both accept must be the same people, merchants and moment.

// naiveObject is an object by member. A nil naiveObject is none.
type naiveObject map[string]any

var (
	loneSurrogate = regexp.MustCompile(`\\u[dD][89a-fA-F]`)
	pairs         = regexp.MustCompile(`\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}`)
)

// naiveObjectOf reads a text that is one object, or returns nil.
func naiveObjectOf(text []byte) naiveObject {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	escapes := pairs.ReplaceAllString(strings.ReplaceAll(string(text), `\\`, ""), "")
	if !json.Valid(text) || !utf8.Valid(text) || loneSurrogate.MatchString(escapes) {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	value, ok := naiveValue(d)
	object, isObject := value.(naiveObject)
	if !ok || !isObject {
		return nil
	}
	return object
}

// naiveValue reads the next value, or returns false where a name stands twice in it.
func naiveValue(d *json.Decoder) (value any, ok bool) {
	token, err := d.Token()
	if err != nil {
		return nil, false
	}
	switch token {
	case json.Delim('{'):
		object := naiveObject{}
		for d.More() {
			name, err := d.Token()
			if err != nil {
				return nil, false
			}
			member, ok := naiveValue(d)
			if _, twice := object[name.(string)]; twice || !ok {
				return nil, false
			}
			object[name.(string)] = member
		}
		_, err = d.Token()
		return object, err == nil
	case json.Delim('['):
		list := []any{}
		for d.More() {
			item, ok := naiveValue(d)
			if !ok {
				return nil, false
			}
			list = append(list, item)
		}
		_, err = d.Token()
		return list, err == nil
	}
	return token, true
}

// naiveReading is what both readers must agree on: "ignored", or who leaves whom and when, and whether anything is
// refused.
func naiveReading(text []byte) string {
	const refused = "refused"
	object := naiveObjectOf(text)
	if object == nil {
		return refused
	}
	eventType, data := departure.TypeLeft, object
	_, hasType := object["type"]
	_, hasData := object["data"]
	if hasType && hasData {
		eventType, _ = object["type"].(string)
		if eventType == "" {
			return refused
		}
		for _, known := range []string{"employee.left", "employee.left.cancelled"} {
			if prefix, found := strings.CutSuffix(eventType, "."+known); found && !takesBack(prefix) {
				eventType = known
				break
			}
		}
		if eventType != "employee.left" && eventType != "employee.left.cancelled" {
			return "ignored"
		}
		for name, value := range object {
			s, isText := value.(string)
			switch name {
			case "id", "source", "time", "timestamp":
				if value != nil && !isText {
					return refused
				}
			}
			if _, isTime := naiveTime(s); (name == "time" || name == "timestamp") && s != "" && !isTime {
				return refused
			}
			if limits(name) {
				return refused
			}
		}
		inner, isObject := object["data"].(naiveObject)
		if !isObject {
			return refused
		}
		data = inner
	}
	for name := range data {
		own := name == "uid" || name == "merchant" || name == "effective_at"
		if !own && (!hasData || !hasType || limits(name)) {
			return refused
		}
	}
	return eventType + naivePeople(data)
}

// takesBack reports a prefix whose last word turns the type around.
func takesBack(prefix string) bool {
	words := strings.FieldsFunc(strings.ToLower(prefix), func(r rune) bool { return r == '.' || r == '_' || r == '-' })
	if len(words) == 0 || !strings.HasSuffix(strings.ToLower(prefix), words[len(words)-1]) {
		return false
	}
	return slices.Contains([]string{"not", "undo", "cancel", "canceled", "cancelled", "revoked"}, words[len(words)-1])
}

// limits reports a member that looks as if it limited the departure.
func limits(name string) bool {
	plain := strings.Map(func(r rune) rune {
		if r == '_' || r == '-' {
			return -1
		}
		return unicode.ToLower(r)
	}, name)
	for _, start := range []string{"uid", "merchant", "effective", "dryrun", "action"} {
		if strings.HasPrefix(plain, start) {
			return true
		}
	}
	return false
}

var (
	rfc3339  = regexp.MustCompile(`^(\d{4}-\d\d-\d\dT)(\d?\d)(:\d\d:\d\d)(?:[.,](\d+))?(Z|[+-]\d\d:\d\d)$`)
	dateOnly = regexp.MustCompile(`^(\d{4})-(\d\d)-(\d\d)$`)
	appid    = regexp.MustCompile(`^wx[A-Za-z0-9]{1,62}$`)
)

// naiveTime reads an RFC 3339 time. The decoder also takes an hour of one digit and a comma before the fraction, as Go's
// package time does: both can mean nothing else.
func naiveTime(s string) (at time.Time, ok bool) {
	m := rfc3339.FindStringSubmatch(s)
	if m == nil {
		return at, false
	}
	err := at.UnmarshalText([]byte(m[1] + ("0" + m[2])[len(m[2])-1:] + m[3] + "." + (m[4] + "0") + m[5]))
	return at, err == nil
}

// naivePeople returns who leaves, of whom and when, and whether anything is refused.
func naivePeople(data naiveObject) string {
	const refused = ": refused"
	merchants, ok := naiveTexts(data["merchant"])
	if !ok || data["merchant"] != nil && len(merchants) == 0 || slices.Contains(merchants, nil) {
		return refused
	}
	when := ""
	switch s, isText := data["effective_at"].(string); {
	case data["effective_at"] == nil:
	case !isText:
		return refused
	case dateOnly.MatchString(s):
		day, err := time.ParseInLocation("2006-01-02", s, beijing)
		if day = day.AddDate(0, 0, 1); err != nil || day.Year() == 9999 || day.UTC().Year() < 1 {
			return refused
		}
		when = day.UTC().Format(time.RFC3339Nano)
	default:
		at, isTime := naiveTime(s)
		if !isTime || at.In(beijing).Year() > 9998 || at.UTC().Year() < 1 {
			return refused
		}
		when = at.UTC().Format(time.RFC3339Nano)
	}
	for _, merchant := range merchants {
		if !appid.MatchString(*merchant) {
			return refused
		}
	}
	uids, ok := naiveTexts(data["uid"])
	if !ok || len(uids) == 0 || len(uids) > 5000 {
		return refused
	}
	var people []string
	wrong := ""
	for _, uid := range uids {
		if uid == nil || strings.TrimSpace(*uid) == "" || len(*uid) > 256 || strings.ContainsAny(*uid, "\ufffd\ufffe\uffff") ||
			strings.ContainsFunc(*uid, unicode.IsControl) {
			wrong = " and others refused"
		} else if !slices.Contains(people, *uid) {
			people = append(people, *uid)
		}
	}
	if len(people) == 0 {
		return refused
	}
	var shops []string
	for _, merchant := range merchants {
		if !slices.Contains(shops, *merchant) {
			shops = append(shops, *merchant)
		}
	}
	return fmt.Sprintf(": %q of %q at %s", people, shops, when) + wrong
}

// naiveTexts returns the texts of a string or a list; nil for an item that is none. It returns false for anything else.
func naiveTexts(value any) (texts []*string, ok bool) {
	switch v := value.(type) {
	case nil:
		return nil, true
	case string:
		return []*string{&v}, true
	case []any:
		for _, item := range v {
			if s, isText := item.(string); isText {
				texts = append(texts, &s)
			} else {
				texts = append(texts, nil)
			}
		}
		return texts, true
	}
	return nil, false
}

// reading is naiveReading of what the decoder read.
func reading(events []departure.Event) string {
	told, wrong := "", ""
	for _, e := range events {
		switch e.Status {
		case departure.Ignored:
			return "ignored"
		case "":
			when := ""
			if !e.EffectiveAt.IsZero() {
				when = e.EffectiveAt.UTC().Format(time.RFC3339Nano)
			}
			told += fmt.Sprintf("%s: %q of %q at %s", e.Type, e.UIDs, e.Merchants, when)
		default:
			wrong = " and others refused"
		}
	}
	if told == "" {
		return "refused"
	}
	return told + wrong
}

// FuzzDecodeTwice lets a second strict reader read what the decoder reads.
func FuzzDecodeTwice(f *testing.F) {
	for _, payload := range []string{
		`{"uid":"E1001"}`, `{"uid":["E1001","E1001",5," "],"merchant":["wx0123456789abcdef"],"effective_at":"2026-11-30"}`,
		`{"specversion":"1.0","id":"evt-1","source":"hr","type":"com.example.employee.left","time":"2026-11-23T01:00:00Z","data":{"uid":"E1","more":[{}]}}`,
		`{"type":"employee.left.cancelled","timestamp":"2026-11-23T01:00:00.5+08:00","data":{"uid":["E1","E2"],"merchant":null,"effective_at":null}}`,
		`{"type":"not.employee.left","data":{"uid":"E1"}}`, `{"type":"employee.left","data":{"uid":"E1","UID":"E2"}}`,
		`{"type":"employee.left","data":{"uid":"E1"},"dry-run":true}`, `{"type":"employee.left","data":{"uid":"\ud83d\ude00"}}`,
		`{"type":"employee.left","data":{"uid":"\ud83d"}}`, `{"uid":"E1","uid":"E2"}`, "\ufeff" + `{"uid":"E1"}`, `{"uid":"E1"} {}`,
		`{"uid":"E1","effective_at":"2026-11-30T1:00:00Z"}`, `{"uid":"E1","effective_at":"2026-02-30"}`, `{"type":7,"data":{"uid":"E1"}}`,
		`{"type":"employee.left","data":{"uid":"E1"},"time":"2026-11-30T01:00:00,5Z"}`, `{"uid":"E1","merchant":[]}`, `{"uid":[]}`,
	} {
		f.Add([]byte(payload))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		got := reading(departure.Decoder{Zone: beijing}.Decode(payload, departure.Meta{}))
		want := naiveReading(payload)
		if strings.HasSuffix(want, ": refused") {
			want = "refused"
		}
		if got != want {
			t.Errorf("%q\nis read as    %s\nand by naive  %s", payload, got, want)
		}
	})
}
