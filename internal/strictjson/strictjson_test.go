package strictjson_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"wedata-unbind/internal/strictjson"
)

func TestTextThatTwoReadersCouldReadDifferentlyIsRefused(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"nothing", "", "not JSON: it is empty or ends too early"},
		{"half an object", `{"uid":`, "not JSON: it is empty or ends too early"},
		{"a word", "Hello", "not JSON: invalid character 'H' at start of value (line 1, column 1)"},
		{"a fault in a later line", "{\n  \"uid\": ,\n}", "not JSON: invalid character ',' at start of value (line 2, column 10)"},
		{"a second value", `{} {}`, "not JSON: invalid character '{' after top-level value (line 1, column 4)"},
		{"a name twice", `{"uid":"E1","uid":"E2"}`, `member "uid" stands twice`},
		{"a name twice, written differently", `{"uid":"E1","\u0075id":"E2"}`, `member "uid" stands twice`},
		{"a name twice inside", `{"data":{"uid":"E1","uid":"E2"}}`, `data: member "uid" stands twice`},
		{"a name that is not shown", `{"小李":1,"小李":2}`, "member whose name is not shown here stands twice"},
		{"broken UTF-8", "{\"uid\":\"E\xff\"}", "not JSON: not valid UTF-8 (line 1, column 10)"},
		{"half a surrogate pair", `{"uid":"\ud800"}`, "not JSON: not valid Unicode text (line 1, column 9)"},
		{"an escape that does not exist", `{"uid":"\q-secret"}`, "not JSON: syntax error (line 1, column 9)"},
		{"nesting without end", strings.Repeat("[", 1<<20), "not JSON: nested too deeply (line 1, column 10001)"},
		{"a list", `[1]`, "a list where a JSON object is expected"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			object, err := strictjson.ParseObject([]byte(tc.text))
			if err == nil || err.Error() != tc.want {
				t.Errorf("got  %v, %v\nwant %s", object, err, tc.want)
			}
		})
	}
}

func TestMembersAreReadByTheirExactNames(t *testing.T) {
	object, err := strictjson.ParseObject([]byte("\ufeff" + `{"uid":"E<1>","UID":7,"list":["a","b"],"none":null,"bad":["a",1],"empty":[]}`))
	if err != nil {
		t.Fatal(err)
	}
	if s, err := object.String("uid"); s != "E<1>" || err != nil {
		t.Errorf("uid is %q, %v", s, err)
	}
	if s, err := object.String("none"); s != "" || err != nil {
		t.Errorf("null is %q, %v", s, err)
	}
	if list, err := object.Strings("list"); len(list) != 2 || err != nil {
		t.Errorf("the list is %v, %v", list, err)
	}
	if list, err := object.Strings("uid"); len(list) != 1 || err != nil {
		t.Errorf("a string as a list is %v, %v", list, err)
	}
	if object.Has("uid", "Uid") || !object.Has("uid", "UID", "none") {
		t.Error("Has does not compare names exactly")
	}
	for name, want := range map[string]string{
		"UID":   "UID: a number where a string is expected (or a list of strings): write it in quotes",
		"bad":   "bad: item 2 is a number where a string is expected: write it in quotes",
		"empty": "empty: an empty list",
	} {
		if _, err := object.Strings(name); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", name, err, want)
		}
	}
	if err := object.Only("uid", "list", "none", "bad", "empty"); err == nil || err.Error() != `unknown member "UID"` {
		t.Errorf("Only: %v", err)
	}
}

func TestUnmarshalNamesTheMemberThatDoesNotFit(t *testing.T) {
	type event struct {
		Records []struct {
			Body string `json:"body"`
		}
	}
	var v, other event
	err := strictjson.Unmarshal([]byte(`{"Records":[{"body":12345}]}`), &v)
	if err == nil || err.Error() != `member "body": a number does not fit here` {
		t.Errorf("got %v", err)
	}
	if err := strictjson.Unmarshal([]byte(`{"records":[{"body":12345}]}`), &other); err != nil || other.Records != nil {
		t.Errorf("another spelling was read: %v, %v", other, err)
	}
}

func TestMarshalWritesWhatPeopleRead(t *testing.T) {
	text, err := strictjson.Marshal(map[string]any{"b": []string(nil), "a": "<&>"})
	if string(text) != `{"a":"<&>","b":[]}` || err != nil {
		t.Errorf("got %s, %v", text, err)
	}
}

// Whatever is accepted, encoding/json accepts too and reads the same members.
func FuzzParseObject(f *testing.F) {
	for _, seed := range []string{`{"uid":"E1"}`, `{"a":{"b":[1,2e9,null,true]},"":"\u00e9"}`, "\ufeff{}", `{"a":1,"a":2}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		object, err := strictjson.ParseObject(text)
		if err != nil {
			return
		}
		var other map[string]json.RawMessage
		if err := json.Unmarshal(bytes.TrimPrefix(text, []byte("\ufeff")), &other); err != nil {
			t.Fatalf("encoding/json refuses it: %v", err)
		}
		if len(other) != len(object) {
			t.Fatalf("%d members, and encoding/json reads %d", len(object), len(other))
		}
		for name, value := range object {
			if !bytes.Equal(value, other[name]) {
				t.Errorf("a member differs: %s, and encoding/json reads %s", value, other[name])
			}
		}
	})
}
