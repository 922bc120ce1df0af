package source

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

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
	for _, name := range []string{"lark", "ding", "wecom", "okta", "intranet", "bamboo", "bob", "gusto", "deel", "merge", "finch", "hr-topic"} {
		if _, ok := entries[name]; !ok {
			t.Errorf("no entry %s is documented", name)
		}
	}
}

// What vendors send, through the entries that the documentation has for them. TestReceive has the other samples.
func TestDocumentedRecipes(t *testing.T) {
	all := documented(t)
	for _, tt := range []struct{ source, payload, want string }{
		{"lark", string(sample(t, "feishu-contact.user.deleted_v3.json")), "left e33ggbyz"},
		{"lark", string(sample(t, "feishu-corehr.employment.resigned_v1.json")), "failed: uid: nothing at event.object.user_id or event.target_user_id.user_id"},
		{"ding", string(sample(t, "dingtalk-user_leave_org-http.json")), "left 015xxxx227"},
		{"wecom", string(sample(t, "wecom-delete_user-suite.xml")), "left zhangsan"},
		{"okta", `{"data":{"events":[` + string(sample(t, "okta-user.lifecycle.deactivate-logevent.json")) + `]}}`, "left john.doe@example.com"},

		{"bamboo", `{"employees":[{"id":"12345","action":"Updated","timestamp":"2026-01-31T18:42:00+0000","changedFields":["Status"],"fields":{"Status":"Inactive","Work Email":"bryony@example.com"}}]}`, "left bryony@example.com"},
		{"bamboo", `{"employees":[{"id":"12345","action":"Updated","fields":{"Status":"Inactive"}}]}`, "failed: item 1: uid: nothing at fields.Work Email"},
		{"bamboo", `{"employees":[{"id":"12345","action":"Deleted","fields":{"Status":"Inactive"}}]}`, `ignored: action is another value, wanted "Updated"`},
		{"bamboo", string(sample(t, "bamboohr-field-based-docs.json")), `ignored: fields.Status is missing, wanted "Inactive"`},
		{"bamboo", string(sample(t, "bamboohr-employee.updated.json")), "failed: each: there is no list at employees"},

		{"bob", `{"companyId":636192,"type":"employee.left","triggeredBy":"system","triggeredAt":"2026-11-30T10:00:00.000","version":"v2","data":{"employeeId":"3332883804235530894"}}`, "left 3332883804235530894"},
		{"bob", `{"companyId":636192,"type":"employee.inactivated","data":{"employeeId":"3332883804235530894"}}`, `ignored: type is another value, wanted "employee.left"`},
		{"bob", "Ping test", "ignored: a text and no event, such as a test delivery"},
		{"bob", `{"text":"Ping test"}`, `ignored: type is missing, wanted "employee.left"`},

		{"gusto", strings.Replace(string(sample(t, "gusto-employee.termination_cancelled.json")), "_cancelled", "_effective", 1), "left bcfc9744-0ab3-4ef3-ab0d-e728255d659c"},
		{"gusto", strings.Replace(string(sample(t, "gusto-employee.termination_cancelled.json")), "termination_cancelled", "terminated", 1), `ignored: event_type is another value, wanted "employee.termination_effective" or "employee.terminated_effective"`},

		{"deel", `{"data":{"meta":{"event_type":"contract.terminated","event_id":"e","occurred_at":"2026-02-05T15:39:38.070Z"},"resource":[{"contract_id":"c","worker_email":"a@x"},{"worker_email":"b@x"}]},"timestamp":"2026-02-05T15:39:39Z"}`, "left a@x,b@x"},
		{"deel", `{"data":{"meta":{"event_type":"contract.created"},"resource":[{"worker_email":"a@x"}]}}`, `ignored: data.meta.event_type is another value, wanted "contract.terminated"`},
		{"deel", `{"data":{"meta":{"event_type":"contract.terminated"},"resource":[{"contract_id":"c"}]}}`, "failed: uid: nothing at data.resource.#.worker_email"},

		{"merge", `{"hook":{"id":"h","event":"Employee.changed"},"linked_account":{"id":"l"},"data":{"id":"d","work_email":"a@x","employment_status":"INACTIVE","termination_date":"2026-11-30T00:00:00Z"}}`, "left a@x"},
		{"merge", `{"hook":{"event":"Employee.changed"},"data":{"work_email":"a@x","employment_status":"ACTIVE"}}`, `ignored: data.employment_status is another value, wanted "INACTIVE"`},

		{"finch", `{"connection_id":"c","event_type":"directory.deleted","data":{"individual_id":"b2338cfb-472f-4f72-9faa-e028c083144a"}}`, "left E1001"},
		{"finch", `{"connection_id":"c","event_type":"directory.deleted","data":{"individual_id":"5d0b279e-8cb4-4b5f-8bbd-a2e0ee6f6c3f"}}`, "unknown: not in people 5d0b279e-8cb4-4b5f-8bbd-a2e0ee6f6c3f"},
		{"finch", `{"event_type":"account.updated","data":{"status":"connected"}}`, `ignored: event_type is another value, wanted "directory.deleted"`},

		{"hr-topic", `{"kind":"terminated","worker":{"login":"e1","last_day":"2026-11-30"}}`, "left e1 at 2026-12-01T00:00:00+09:00"},
		{"com.example.hr", `{"status":"left","id":7}`, "left 7 of wx0123456789abcdef"},
	} {
		entry, _ := json.Marshal(all[tt.source])
		if got := tell(read(t, string(entry), tt.payload)); got != tt.want {
			t.Errorf("%s: got  %s\nwant %s", tt.source, got, tt.want)
		}
	}
}

// Item 14: a dead letter of these vendors named nobody, and had our own request id as its event_id.
func TestDeadLettersOfDocumentedRecipesCanBeTraced(t *testing.T) {
	all := documented(t)
	for source, tt := range map[string]struct{ payload, id string }{
		"bamboo": {`{"employees":[{"id":"12345","action":"Updated","timestamp":"2026-01-31T18:42:00+0000","fields":{"Status":"Inactive"}}]}`, "12345"},
		"gusto":  {`{"uuid":"g","event_type":"employee.termination_effective"}`, "g"},
		"deel":   {`{"data":{"meta":{"event_type":"contract.terminated","event_id":"e"},"resource":[{"contract_id":"c"}]}}`, "e"},
		"merge":  {`{"hook":{"id":"h","event":"Employee.changed"},"data":{"id":"d","employment_status":"INACTIVE"}}`, "d"},
		"finch":  {`{"event_type":"directory.deleted","data":{}}`, "msg_1"},
		"bob":    {`{"type":"employee.left","data":{}}`, "request-1"}, // it sends none
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
	name, ok := strings.CutPrefix(url, "https://api.example/hooks/")
	if !ok {
		t.Fatal(fmt.Errorf("sends to %s", url))
	}
	return r, name
}
