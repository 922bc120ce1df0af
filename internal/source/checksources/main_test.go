package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestRun(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := write("good.json", `{"lark":{"scheme":"feishu","verification_token":"t","uid":"id","effective":"day","people":{"7":"E7"},
		"left_when":{"event.status":[3]},"cancel_when":{"event.status":[4]},"merchants":["wx1"]}}`)
	secretly := write("secretly.json", `{"hr":{"left_when":{"t":["left"]},"uid":"id","people":{"secret_ids":["unbind/people-1"]}}}`)
	people := write("people.json", `{"1":"E1"}`)
	bad := write("bad.json", `{"lark":{"scheme":"feishu"},"hr":{"scheme":"bearer"}}`)
	for _, tt := range []struct {
		name, file, source, body string
		want                     string
		err                      string
	}{
		{"faults", bad, "", "", "sources.hr.keys: missing\nsources.lark.encrypt_key: missing: give it, or verification_token\n" +
			"sources.lark.uid: missing: the path of the identifier by which We分析 knows the person\n", errFaulty.Error()},
		{"no source", write("none.json", `{}`), "", "", "sources: there is no source in it\n", errFaulty.Error()},
		{"an unclosed path", write("path.json", `{"hr":{"left_when":{},"uid":"#(a==1"}}`), "", "", "sources.hr.uid: a path has a bracket or quote that is not closed; one that is part of a name is written \\\\(\n", errFaulty.Error()},
		{"a name that no address has", write("name.json", `{"":{}}`), "", "", "sources.(name not shown): no address ends in this name: it is empty or has a slash\n", errFaulty.Error()},
		{"a syntax error", write("syntax.json", "{\n  \"hr\": {,}\n}"), "", "", "sources: not JSON: invalid character ',' at start of string (expecting '\"') (line 2, column 10)\n", errFaulty.Error()},
		{"a schema for editors", write("schema.json", `{"$schema":"sources.json","hr":{}}`), "", "", "no faults\n", ""},
		{"no faults", good, "", "", "no faults\n", ""},
		{"a departure", good, "lark", `{"id":7,"event":{"status":3},"day":"2026-11-30"}`, "departure: E7 of wx1, will wait until 2026-12-01T00:00:00+08:00\n", ""},
		{"a departure that is due", good, "lark", `{"id":7,"event":{"status":3},"day":"2026-11-20"}`, "departure: E7 of wx1, at once (due since 2026-11-21T00:00:00+08:00)\n", ""},
		{"of every merchant", write("every.json", `{"hr":{"left_when":{"t":["left"]},"uid":"id"}}`), "hr", `{"t":"left","id":["1","2"]}`, "departure: 1, 2 of every merchant, at once\n", ""},
		{"a near miss", filepath.Join(dir, "every.json"), "hr", `{"t":"Left","id":"1"}`, "failed: left_when: t is \"left\" in another case where \"left\" is expected\n", "such an event goes to the dead-letter queue"},
		{"people in a secret", secretly, "hr", `{"t":"left","id":["1","2"]}`, "departure: E1 of every merchant, at once\nunknown: 2: not in people\n", ""},
		{"at once", good, "lark", `{"id":"7","event":{"status":3}}`, "departure: E7 of wx1, at once\n", ""},
		{"taken back", good, "lark", `{"id":"7","event":{"status":4}}`, "cancelled: the departure of E7 of wx1\n", ""},
		{"ignored", good, "lark", `{"id":"7","event":{"status":2}}`, "ignored: event.status is another value, wanted 3\n", ""},
		{"unknown", good, "lark", `{"id":"8","event":{"status":3}}`, "unknown: 8: not in people\n", ""},
		{"failed", good, "lark", `{"event":{"status":3}}`, "failed: uid: nothing at id\n", "such an event goes to the dead-letter queue"},
		{"a form", good, "lark", "id=7", "ignored: event.status is missing, wanted 3\n", ""},
		{"XML for an entry without expressions", write("workday.json", `{"workday":{"scheme":"bearer","keys":["01234567"]}}`), "workday", `<event><type>employee.left</type><data><uid>E1</uid></data></event>`, "departure: E1 of every merchant, at once\n", ""},
		{"encrypted", good, "lark", `{"encrypt":"P37w"}`, "", filepath.Join(dir, "body.json") + " is encrypted"},
		{"no such source", good, "hr", `{}`, "", "no source hr in "},
		{"no body", good, "lark", "", "", "usage: "},
		{"no file", "", "", "", "", "usage: "},
		{"a file that is not there", filepath.Join(dir, "none"), "", "", "", "open "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			args := []string{"-file", tt.file, "-source", tt.source, "-body", "", "-people", people}
			if tt.body != "" {
				args[5] = write("body.json", tt.body)
			}
			var out strings.Builder
			err := run(t.Context(), args, &out, time.Date(2026, 11, 23, 1, 0, 0, 0, time.UTC))
			if out.String() != tt.want {
				t.Errorf("got %s", out.String())
			}
			if (err == nil) != (tt.err == "") || err != nil && !strings.HasPrefix(err.Error(), tt.err) {
				t.Errorf("got %v", err)
			}
		})
	}
}
