package source

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	neturl "net/url"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/source/sourcetest"
)

// docPart is a part of docs/hr-systems.md: its entries, and the command lines to try them.
type docPart struct {
	heading  string
	entries  map[string]map[string]any
	commands []string
}

var fence = regexp.MustCompile("(?s)```(json|sh)\n(.*?)```")

// docParts reads the documentation, with keys in place of every …
func docParts(t testing.TB) []docPart {
	t.Helper()
	text, err := os.ReadFile("../../docs/hr-systems.md")
	if err != nil {
		t.Fatal(err)
	}
	var parts []docPart
	for section := range strings.SplitSeq("\n"+string(text), "\n## ") {
		heading, rest, _ := strings.Cut(section, "\n")
		part := docPart{heading: heading, entries: map[string]map[string]any{}}
		for _, block := range fence.FindAllStringSubmatch(rest, -1) {
			if block[1] == "sh" {
				part.commands = append(part.commands, block[2])
				continue
			}
			var entries map[string]map[string]any
			if err := json.Unmarshal([]byte(block[2]), &entries); err != nil {
				t.Fatalf("%s: %v\n%s", heading, err, block[2])
			}
			maps.Copy(part.entries, entries)
		}
		for _, entry := range part.entries {
			fillIn(entry)
		}
		parts = append(parts, part)
	}
	return parts
}

const docKey = "a2V5IG9mIHRoZSBkb2N1bWVudGF0aW9u" // as good as base64 as it is as text

func fillIn(entry map[string]any) {
	for name, value := range map[string]any{
		"keys": []string{docKey}, "encrypt_key": encryptKey, "verification_token": "VERIFICATION_TOKEN",
		"token": "callback token", "aes_key": aesKey, "owner_keys": []string{"corp"},
	} {
		if _, ok := entry[name]; ok {
			entry[name] = value
		}
	}
	if entry["scheme"] == "standard-webhooks" {
		entry["keys"] = []string{"whsec_" + docKey}
	}
}

func documented(t testing.TB) map[string]map[string]any {
	t.Helper()
	all := map[string]map[string]any{}
	for _, part := range docParts(t) {
		maps.Copy(all, part.entries)
	}
	return all
}

func TestDocumentedEntriesHaveNoFaults(t *testing.T) {
	all := documented(t)
	secret, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := parse(string(secret), departure.Decoder{})
	if err != nil {
		t.Fatal(err)
	}
	for name, e := range entries {
		if e.fault != nil {
			t.Errorf("%s: %v", name, e.fault)
		}
	}
}

// A dead letter has the sender's id, by which the event is found again.
func TestDeadLettersOfDocumentedRecipesCanBeTraced(t *testing.T) {
	all := documented(t)
	for source, tt := range map[string]struct{ payload, id string }{
		"bamboo":         {`{"employees":[{"id":"12345","action":"Updated","timestamp":"2026-01-31T18:42:00+0000","fields":{"Status":"Inactive"}}]}`, "12345"},
		"gusto":          {`{"uuid":"g","event_type":"employee.termination_effective"}`, "g"},
		"deel":           {`{"data":{"meta":{"event_type":"contract.terminated","event_id":"e"},"resource":[{"contract_id":"c"}]}}`, "e"},
		"merge":          {`{"hook":{"id":"h","event":"Employee.changed"},"data":{"id":"d","employment_status":"INACTIVE"}}`, "d"},
		"lark":           {`{"header":{"event_id":"l","event_type":"contact.user.deleted_v3"},"event":{}}`, "l"},
		"ding":           {`{"EventType":"user_leave_org","eventId":"d"}`, "d"},
		"ding-suite":     {`{"bizData":[{"id":5872,"biz_type":13,"biz_data":"{\"syncAction\":\"user_leave_org\"}","corp_id":"dingffea2a0dcc37d0"}]}`, "5872"},
		"feilian":        {`{"header":{"event_id":"f","event_type":"user.v1.delete"},"data":{"events":[{"object":{}}]}}`, "f"},
		"xinren":         {`{"messageId":"x","type":"employee_dismiss"}`, "x"},
		"okta":           {`{"data":{"events":[{"uuid":"o","eventType":"user.lifecycle.deactivate","target":[]}]}}`, "o"},
		"entra":          {`{"type":"employee.left","id":"e","data":{}}`, "e"},
		"workos":         {`{"event":"dsync.user.deleted","id":"w","data":{}}`, "w"},
		"greenhouse":     {`{"event_type":"employee:updated","id":"h","payload":{"updated_fields":[{"id":"left_company"}]}}`, "h"},
		"factorial":      {`{"id":7,"terminated_on":"2026-11-20"}`, "7"},
		"deel-contracts": {`{"data":{"meta":{"event_type":"contract.terminated","tracking_id":"t"},"resource":{}}}`, "t"},
		"sap-soap":       {`{"Body":{"ExternalEvent":{"externalEventMeta":{"externalEventId":"s","type":"com.successfactors.Employment.AssignmentInformation.Termination"}}}}`, "s"},
		"finch":          {`{"event_type":"directory.deleted","data":{}}`, "msg_1"},
		"bob":            {`{"type":"employee.left","data":{}}`, "request-1"}, // it sends none
	} {
		t.Run(source, func(t *testing.T) {
			entry, _ := json.Marshal(all[source])
			var events []departure.Event
			if source != "finch" {
				events = read(t, string(entry), tt.payload)
			} else { // its id is a header
				stamp := strconv.FormatInt(now.Unix(), 10)
				r := sourcetest.StandardWebhooks("whsec_"+docKey, now, []byte(tt.payload))
				r = post(r.Body, "finch-event-id", "msg_1", "finch-timestamp", stamp, "finch-signature", r.Header.Get("Webhook-Signature"))
				d, err := receive(newRegistry(string(entry)), r)
				if err != nil {
					t.Fatal(err)
				}
				events = d.Events
			}
			if len(events) != 1 || events[0].Status != departure.Failed || events[0].ID != tt.id {
				t.Errorf("got %+v", events)
			}
		})
	}
}

// The table of signs in paths.
func TestDocumentedPaths(t *testing.T) {
	page, err := os.ReadFile("../../docs/hr-systems.md")
	if err != nil {
		t.Fatal(err)
	}
	const list = `{"list":[{"id":"a","type":"User"},{"id":"b","type":"App"},{"id":"c","type":"User"}]}`
	for path, tt := range map[string]struct{ body, want string }{
		"data.user.email":          {`{"data":{"user":{"email":"e1@x"}}}`, `"e1@x"`},
		"list.0.id":                {list, `"a"`},
		"list.#.id":                {list, `["a","b","c"]`},
		"list.#":                   {list, `3`},
		`list.#(type=="User")#.id`: {list, `["a","c"]`},
		"list.#.id|0":              {list, `"a"`},
		"user*.id":                 {`{"user_2":{"id":"chance"}}`, `"chance"`},
		"data|@fromstr|id":         {`{"data":"{\"id\":7}"}`, `7`},
		"[first,second].0":         {`{"second":"b"}`, `"b"`},
		`[result,!"OK"].0`:         {`{}`, `"OK"`},
		`fields.e\.mail`:           {`{"fields":{"e.mail":"e1@x"}}`, `"e1@x"`},
		`\@type`:                   {`{"@type":"t"}`, `"t"`},
		`changed.#(=="status")`:    {`{"changed":["name","status"]}`, `"status"`},
	} {
		if got := gjson.Get(tt.body, path).Raw; got != tt.want {
			t.Errorf("%s finds %s, want %s", path, got, tt.want)
		}
		inJSON, _ := json.Marshal(path)
		shown := []string{"`" + path + "`", ">" + strings.ReplaceAll(path, "|", "&#124;") + "<", string(inJSON)}
		if !slices.ContainsFunc(shown, func(text string) bool { return strings.Contains(string(page), text) }) {
			t.Errorf("%s is not in the documentation", path)
		}
	}
}

// The commands of the documentation, with a curl that sends nothing. What it would have sent is verified, and with another
// key it is not.
func TestDocumentedCommands(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("no openssl")
	}
	for _, part := range docParts(t) {
		for _, commands := range part.commands {
			if !strings.Contains(commands, "$HOOK_URL") && !strings.Contains(commands, "${HOOK_URL}") {
				continue
			}
			t.Run(part.heading, func(t *testing.T) {
				r, name := sentBy(t, commands, docKey)
				entry := maps.Clone(part.entries[name])
				delete(entry, "encrypt_key") // Feishu's command tries the token alone
				text, _ := json.Marshal(entry)
				b := newRegistry(string(text))
				b.cfg.Now = time.Now
				d, err := receive(b, r)
				if err != nil {
					t.Fatal(err)
				}
				reply := d.Reply(1, 0)
				handshake := strings.Contains(string(reply.Body), `"hi"`)
				if !handshake && !strings.HasPrefix(tell(d.Events), "left ") {
					t.Errorf("got %s, answered %s", tell(d.Events), reply.Body)
				}
				if strings.Contains(commands, "$KEY") {
					r, _ := sentBy(t, commands, "YW5vdGhlciBrZXkgdGhhbiB0aGUgb25l")
					if _, err := receive(b, r); err == nil {
						t.Error("another key does as well")
					}
				}
			})
		}
	}
}

// sentBy returns the request of the only curl in the commands, and the source that it goes to.
func sentBy(t *testing.T, commands, key string) (sourcetest.Request, string) {
	t.Helper()
	script := `HOOK_URL=https://api.example/hooks/ KEY=` + key + `; curl() { printf '%s\0' "$@"; }` + "\n" + commands
	out, err := exec.CommandContext(t.Context(), "bash", "-euc", script).Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, script)
	}
	r := post(nil)
	r.Method = http.MethodGet
	args := slices.Collect(bytes.SplitSeq(bytes.TrimSuffix(out, []byte{0}), []byte{0}))
	var url string
	for i := 0; i < len(args); i++ {
		switch string(args[i]) {
		case "-d":
			i++
			r.Method, r.Body = http.MethodPost, args[i]
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded") // as curl says of everything
		case "-H":
			i++
			name, value, _ := strings.Cut(string(args[i]), ": ")
			r.Header.Set(name, value)
		default:
			url = string(args[i])
		}
	}
	path, query, _ := strings.Cut(url, "?")
	name, ok := strings.CutPrefix(path, "https://api.example/hooks/")
	if !ok {
		t.Fatalf("sends to %s", url)
	}
	if r.Query, err = neturl.ParseQuery(query); err != nil {
		t.Fatal(err)
	}
	return r, name
}
