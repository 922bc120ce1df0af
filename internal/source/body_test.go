package source

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestBodies(t *testing.T) {
	form := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	for _, tt := range []struct {
		name   string
		header http.Header
		body   string
		want   string // "" means refused
	}{
		{"JSON as it stands", nil, ` {"a": 1.0}`, ` {"a": 1.0}`},
		{"a list", nil, `[1]`, `[1]`},
		{"a word of JSON", nil, `null`, `null`},
		{"a word", nil, `Ping test`, `"Ping test"`},
		{"blanks", nil, `  `, ""},
		{"a sentence with more than words", nil, `Ping: test`, ""},
		{"nothing", nil, ``, ""},
		{"half", nil, `{"a":`, ""},
		{"two", nil, `{} {}`, ""},
		{"a name twice, deep inside", nil, `{"a":[{"b":1,"c":{"d":1,"d":2}}]}`, ""},
		{"a name twice, in two objects", nil, `{"a":[{"b":1},{"b":1}]}`, `{"a":[{"b":1},{"b":1}]}`},
		{"as deep as allowed", nil, strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth), strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth)},
		{"deeper", nil, strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1), ""},
		{"not UTF-8", nil, "{\"a\":\"\xff\"}", ""},
		{"a number that no float64 holds", nil, `{"a":1e999}`, `{"a":1e999}`},

		{"a form", form, "a=1&b=%E5%BC%A0+x", `{"a":"1","b":"张 x"}`},
		{"a form with a name twice", form, "a=1&a=2", ""},
		{"a form with semicolons", form, "a=1;b=2", ""},
		{"a form that is not UTF-8", form, "a=%FF", ""},
		{"a form with half an escape", form, "a=%F", ""},
		{"an empty form", form, "", `{}`},

		{"XML", nil, "<xml>\n <UserID><![CDATA[zhang]]></UserID><N>&lt;1&gt;</N><E/></xml>\n", `{"E":"","N":"<1>","UserID":"zhang"}`},
		{"XML with a declaration", nil, `<?xml version="1.0" encoding="utf-8"?><x><a>1</a></x>`, `{"a":"1"}`},
		{"XML in another charset", nil, `<?xml version="1.0" encoding="gbk"?><x><a>1</a></x>`, ""},
		{"XML inside XML", nil, `<x><list><a>1</a></list><b>2</b></x>`, `{"b":"2","list":{"a":"1"}}`},
		{"XML with a comment inside a value", nil, `<x><a>1<!-- -->2</a></x>`, `{"a":"12"}`},
		{"XML with an element twice, once with others in it", nil, `<x><a><b/></a><a>2</a></x>`, `{"a":[{"b":""},"2"]}`},
		{"XML with an element twice", nil, `<x><a>1</a><a>2</a></x>`, `{"a":["1","2"]}`},
		{"XML with an element twice, apart", nil, `<x><a>1</a><b/><a>2</a><a>3</a></x>`, `{"a":["1","2","3"],"b":""}`},
		{"XML with namespaces and attributes", nil, `<s:Envelope xmlns:s="urn:s"><s:Body><n:a xmlns:n="urn:n" k="v">1</n:a></s:Body></s:Envelope>`, `{"Body":{"a":"1"}}`},
		{"XML with text between elements", nil, "<x>\n more <a>1</a> text</x>", `{"a":"1"}`},
		{"XML with one element", nil, `<x>text</x>`, `{}`},
		{"XML as deep as allowed", nil, strings.Repeat("<x>", maxDepth/2) + strings.Repeat("</x>", maxDepth/2), strings.Repeat(`{"x":`, maxDepth/2-1) + `""` + strings.Repeat("}", maxDepth/2-1)},
		{"deeper XML", nil, strings.Repeat("<x>", maxDepth/2+1) + strings.Repeat("</x>", maxDepth/2+1), ""},
		{"XML with two roots", nil, `<x><a>1</a></x><x/>`, ""},
		{"XML with text after it", nil, `<x><a>1</a></x>more`, ""},
		{"XML with a document type", nil, `<!DOCTYPE x [<!ENTITY e "1">]><x><a>1</a></x>`, ""},
		{"XML with an entity", nil, `<x><a>&e;</a></x>`, ""},
		{"half of XML", nil, `<x><a>1</a>`, ""},
		{"deep XML", nil, strings.Repeat("<x>", 20_000) + strings.Repeat("</x>", 20_000), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := decode(tt.header, []byte(tt.body))
			if tt.want == "" && err == nil || tt.want != "" && (err != nil || !same(got, tt.want)) {
				t.Errorf("got %s, %v", got, err)
			}
		})
	}
}

// same compares JSON as a reader sees it, or as it stands.
func same(got []byte, want string) bool {
	var a, b any
	return string(got) == want || json.Unmarshal(got, &a) == nil && json.Unmarshal([]byte(want), &b) == nil &&
		toJSON(a) == toJSON(b)
}

func toJSON(v any) string {
	raw, _ := json.Marshal(v)
	return string(raw)
}

// A long body takes time in proportion to its length, whatever is in it. Each is read in two lengths, one 8 times the other.
// Were the time to grow by the square, the ratio would be 64. What takes a tenth of a second at most is quick enough.
func TestHostileBodiesAreReadQuickly(t *testing.T) {
	for name, hostile := range map[string]struct{ before, repeated, after string }{
		"depth":     {repeated: "["},
		"names":     {`{"a":1`, `,"a":1`, `}`},
		"items":     {`[1`, `,1`, `]`},
		"elements":  {before: "<x>", repeated: "<y>"},
		"escapes":   {`{"uid":"`, `\u0041`, `"}`},
		"comments":  {"<x>", "<!---->", "</x>"},
		"fields":    {repeated: "a&"},
		"documents": {before: "<!DOCTYPE ", repeated: "<!"},
	} {
		took := func(length int) time.Duration {
			body := hostile.before + strings.Repeat(hostile.repeated, length/len(hostile.repeated)) + hostile.after
			start := time.Now()
			for _, header := range []http.Header{nil, {"Content-Type": {"application/x-www-form-urlencoded"}}} {
				if text, err := decode(header, []byte(body)); err == nil {
					(entry{mapping: &mapping{each: "@this", left: rules{newRule(`{"uid":[1]}`)}, uid: identifier{paths: paths{"uid"}}}}).events(text, reading{envelope: envelope})
				}
			}
			return time.Since(start)
		}
		short, long := took(MaxBody/32), took(MaxBody/4)
		for range 2 { // the best of three, because other programs run beside this one
			short, long = min(short, took(MaxBody/32)), min(long, took(MaxBody/4))
		}
		if ratio := float64(long) / float64(short); ratio > 24 && long > 100*time.Millisecond {
			t.Errorf("%s: 8 times the length takes %.0f times the time, %s", name, ratio, long)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("", `{"a":[{"b":1}]}`)
	f.Add("", "\ufeff<xml><UserID><![CDATA[zhang]]></UserID></xml>")
	f.Add("", "Ping test")
	f.Add("application/x-www-form-urlencoded", "a=1&b=%20")
	f.Add("application/json; charset=gbk", "{}")
	f.Fuzz(func(t *testing.T, contentType, body string) {
		text, err := decode(http.Header{"Content-Type": {contentType}}, []byte(body))
		if (err == nil) != json.Valid(text) {
			t.Errorf("got %q, %v", text, err)
		}
		if err == nil {
			if _, err := readJSON(text); err != nil {
				t.Errorf("%q is not what it seems: %v", text, err)
			}
		}
	})
}
