package source

import (
	"context"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"wedata-unbind/internal/departure"
)

func read(t testing.TB, entry, payload string) []departure.Event {
	t.Helper()
	events, err := newRegistry(entry).Read(context.Background(), "hr", []byte(payload), envelope)
	if err != nil {
		t.Fatal(err)
	}
	return events
}

func TestMapping(t *testing.T) {
	const left = `"left_when":{"type":["left"]}`
	for _, tt := range []struct {
		name, entry, payload, want string
	}{
		{"a departure", `{` + left + `,"uid":"id"}`, `{"type":"left","id":"E1"}`, "left E1"},
		{"another event", `{` + left + `,"uid":"id"}`, `{"type":"hired","id":"E1"}`, `ignored: type is "hired", wanted "left"`},
		{"no type", `{` + left + `,"uid":"id"}`, `{"id":"E1"}`, `ignored: type is missing, wanted "left"`},
		{"a type that is no value", `{` + left + `,"uid":"id"}`, `{"type":["left"],"id":"E1"}`, `ignored: type is a list, wanted "left"`},
		{"no object", `{` + left + `,"uid":"id"}`, `["left"]`, `ignored: type is missing, wanted "left"`},
		{"every event", `{"left_when":{},"uid":"id"}`, `{"id":"E1"}`, "left E1"},
		{"no JSON", `{` + left + `,"uid":"id"}`, `{`, "failed: not JSON: it is empty or ends too early"},

		{"several conditions", `{"left_when":{"kind":["user"],"status":[3,5]},"uid":"id"}`, `{"kind":"user","status":5,"id":"E1"}`, "left E1"},
		{"one of them fails", `{"left_when":{"kind":["user"],"status":[3,5]},"uid":"id"}`, `{"kind":"user","status":2,"id":"E1"}`, "ignored: status is 2, wanted 3 or 5"},
		{"the first that fails is told", `{"left_when":{"z":["user"],"a":[3]},"uid":"id"}`, `{}`, `ignored: z is missing, wanted "user"`},
		{"a text is no number", `{"left_when":{"status":[3]},"uid":"id"}`, `{"status":"3"}`, `ignored: status is "3", wanted 3`},
		{"a number is no text", `{"left_when":{"status":["3"]},"uid":"id"}`, `{"status":3}`, `ignored: status is 3, wanted "3"`},
		{"digit by digit", `{"left_when":{"status":[9007199254740993]},"uid":"id"}`, `{"status":9007199254740992}`, `ignored: status is 9007199254740992, wanted 9007199254740993`},
		{"3.0 is not 3", `{"left_when":{"status":[3]},"uid":"id"}`, `{"status":3.0}`, `ignored: status is 3.0, wanted 3`},
		{"a boolean", `{"left_when":{"active":[false]},"uid":"id"}`, `{"active":false,"id":"E1"}`, "left E1"},
		{"a boolean is no text", `{"left_when":{"active":[false]},"uid":"id"}`, `{"active":"false"}`, `ignored: active is "false", wanted false`},
		{"null is not absent", `{"left_when":{"active":[null]},"uid":"id"}`, `{}`, `ignored: active is missing, wanted null`},
		{"null is null", `{"left_when":{"active":[null]},"uid":"id"}`, `{"active":null,"id":"E1"}`, "left E1"},
		{"a query in a list", `{"left_when":{"changed.#(==\"status\")":["status"]},"uid":"id"}`, `{"changed":["name","status"],"id":"E1"}`, "left E1"},
		{"a long text is cut", `{` + left + `,"uid":"id"}`, `{"type":"` + strings.Repeat("x", 99) + `"}`, `ignored: type is "` + strings.Repeat("x", 60) + `"…, wanted "left"`},
		{"a long number is not shown", `{` + left + `,"uid":"id"}`, `{"type":` + strings.Repeat("1", 99) + `}`, `ignored: type is a number, wanted "left"`},
		{"a uid is not shown", `{"left_when":{"id":["E2"]},"uid":"id"}`, `{"id":"E1"}`, `ignored: id is another value, wanted "E2"`},

		{"taken back", `{` + left + `,"cancel_when":{"type":["back"]},"uid":"id"}`, `{"type":"back","id":"E1"}`, "left.cancelled E1"},
		{"both", `{` + left + `,"cancel_when":{"back":[true]},"uid":"id"}`, `{"type":"left","back":true,"id":"E1"}`, "failed: left_when and cancel_when both hold"},

		{"nobody", `{` + left + `,"uid":"id"}`, `{"type":"left"}`, "failed: uid: nothing at id"},
		{"an empty uid", `{` + left + `,"uid":["id","mail"]}`, `{"type":"left","id":""}`, "failed: uid: nothing at id or mail"},
		{"a blank uid", `{` + left + `,"uid":"id"}`, `{"type":"left","id":" "}`, "failed: uid: blank; a departure looks like "},
		{"a path in turn", `{` + left + `,"uid":["id","mail"]}`, `{"type":"left","id":null,"mail":"e1@x"}`, "left e1@x"},
		{"a whole number", `{` + left + `,"uid":"id"}`, `{"type":"left","id":7072306364927985196}`, "left 7072306364927985196"},
		{"a list of people", `{` + left + `,"uid":"people.#.mail"}`, `{"type":"left","people":[{"mail":"a@x"},{"mail":"b@x"}]}`, "left a@x,b@x"},
		{"a list of people, of whom one is not told", `{` + left + `,"uid":"people.#.mail"}`, `{"type":"left","people":[{"mail":"a@x"},{"name":"B"}]}`, "failed: uid: missing in 1 of the items that people.#.mail goes through"},
		{"a reason tells nobody", `{"left_when":{"user.id":["E9"]},"uid":"user|id"}`, `{"user":{"id":"E1"}}`, `ignored: user.id is another value, wanted "E9"`},
		{"nor anybody's mail", `{"left_when":{"mail":["e9@x"]},"uid":"id"}`, `{"id":"E1","mail":"e1@x"}`, `ignored: mail is another value, wanted "e9@x"`},
		{"a number that is not whole", `{` + left + `,"uid":"id"}`, `{"type":"left","id":1e3}`, "failed: uid: a number that is not whole"},
		{"a negative number", `{` + left + `,"uid":"id"}`, `{"type":"left","id":-1}`, "failed: uid: a number that is not whole"},
		{"an object", `{` + left + `,"uid":["id","mail"]}`, `{"type":"left","id":{},"mail":"e1@x"}`, "failed: uid: an object where a string, a whole number or a list of them is expected"},
		{"a list", `{` + left + `,"uid":"id"}`, `{"type":"left","id":["E1",2,"E1"]}`, "left E1,2"},
		{"a list with a hole", `{` + left + `,"uid":"id"}`, `{"type":"left","id":["E1",null]}`, "failed: uid: null where a string, a whole number or a list of them is expected"},
		{"an empty list", `{` + left + `,"uid":"id"}`, `{"type":"left","id":[]}`, "failed: uid: nothing at id"},
		{"the user among targets", `{` + left + `,"uid":"target.#(type==\"User\").mail"}`, `{"type":"left","target":[{"type":"App","mail":"x"},{"type":"User","mail":"e1@x"}]}`, "left e1@x"},
		{"too long", `{` + left + `,"uid":"id"}`, `{"type":"left","id":"` + strings.Repeat("x", 257) + `"}`, "failed: uid: 257 bytes long, at most 256 are allowed"},

		{"somebody known", `{` + left + `,"uid":"id","people":{"7":"E7"}}`, `{"type":"left","id":7}`, "left E7"},
		{"somebody not known", `{` + left + `,"uid":"id","people":{"7":"E7"}}`, `{"type":"left","id":8}`, "unknown: not in people 8"},
		{"some known", `{` + left + `,"uid":"id","people":{"7":"E7","9":"E7"}}`, `{"type":"left","id":[7,8,9]}`, "left E7; unknown: not in people 8"},
		{"nobody is known", `{` + left + `,"uid":"id","people":{}}`, `{"type":"left","id":8}`, "unknown: not in people 8"},

		{"at a time", `{` + left + `,"uid":"id","effective":"day"}`, `{"type":"left","id":"E1","day":"2026-11-30T18:00:00+09:00"}`, "left E1 at 2026-11-30T18:00:00+09:00"},
		{"on a day", `{` + left + `,"uid":"id","effective":"day"}`, `{"type":"left","id":"E1","day":"2026-11-30"}`, "left E1 at 2026-12-01T00:00:00+08:00"},
		{"on a day elsewhere", `{` + left + `,"uid":"id","effective":"day","utc_offset":"-03:30"}`, `{"type":"left","id":"E1","day":"2026-11-30"}`, "left E1 at 2026-12-01T00:00:00-03:30"},
		{"in seconds", `{` + left + `,"uid":"id","effective":"day"}`, `{"type":"left","id":"E1","day":1796083200}`, "left E1 at 2026-12-01T00:00:00Z"},
		{"in milliseconds, as text", `{` + left + `,"uid":"id","effective":"day"}`, `{"type":"left","id":"E1","day":"1796083200000"}`, "left E1 at 2026-12-01T00:00:00Z"},
		{"not told", `{` + left + `,"uid":"id","effective":"day"}`, `{"type":"left","id":"E1","day":null}`, "left E1"},
		{"a date as a number", `{` + left + `,"uid":"id","effective":"day"}`, `{"type":"left","id":"E1","day":20261130}`, "failed: effective: "},
		{"no day at all", `{` + left + `,"uid":"id","effective":"day"}`, `{"type":"left","id":"E1","day":"0000-00-00"}`, "failed: effective: "},
		{"a day that is no text", `{` + left + `,"uid":"id","effective":"day"}`, `{"type":"left","id":"E1","day":{"y":2026}}`, "failed: effective: "},
		{"taken back, no day needed", `{"left_when":{"a":[1]},"cancel_when":{"a":[2]},"uid":"id","effective":"day"}`, `{"a":2,"id":"E1","day":"soon"}`, "left.cancelled E1"},

		{"a batch", `{"each":"list",` + left + `,"uid":"id"}`, `{"list":[{"type":"left","id":"E1"},{"type":"hired"},{"type":"left","id":2}]}`, `left E1; ignored: type is "hired", wanted "left"; left 2`},
		{"a batch of all there is", `{"each":"@this",` + left + `,"uid":"id"}`, `[{"type":"left","id":"E1"}]`, "left E1"},
		{"an empty batch", `{"each":"list",` + left + `,"uid":"id"}`, `{"list":[]}`, "ignored: list is missing or empty"},
		{"no batch", `{"each":"list",` + left + `,"uid":"id"}`, `{}`, "ignored: list is missing or empty"},
		{"a batch that is too long", `{"each":"list",` + left + `,"uid":"id"}`, `{"list":[0` + strings.Repeat(",0", departure.MaxPairs) + `]}`, "failed: each: 5001 items, at most 5000 are read"},
		{"a batch that is no list", `{"each":"list",` + left + `,"uid":"id"}`, `{"list":{"type":"left"}}`, "failed: each: list is an object where a list is expected"},

		{"of the entry's merchants", `{` + left + `,"uid":"id","merchants":["wx1","wx2"]}`, `{"type":"left","id":"E1"}`, "left E1 of wx1,wx2"},
		{"of a merchant named twice", `{` + left + `,"uid":"id","merchants":["wx1","wx1"]}`, `{"type":"left","id":"E1"}`, "left E1 of wx1"},
		{"of all merchants", `{` + left + `,"uid":"id","merchants":["*"]}`, `{"type":"left","id":"E1"}`, "left E1"},
		{"an event of our own", `{}`, `{"uid":"E1","merchant":"wx9"}`, "left E1 of wx9"},
		{"an event of an allowed merchant", `{"merchants":["wx1","wx2"]}`, `{"uid":"E1","merchant":"wx2"}`, "left E1 of wx2"},
		{"an event of another merchant", `{"merchants":["wx1","wx2"]}`, `{"uid":"E1","merchant":["wx1","wx9"]}`, `failed: merchant: not among the merchants of this source`},
		{"an event of any merchant", `{"merchants":["*"]}`, `{"uid":"E1","merchant":"wx9"}`, "left E1 of wx9"},
		{"an event of no merchant", `{"merchants":["wx1"]}`, `{"uid":"E1"}`, "left E1 of wx1"},
		{"an event of no merchant, of all", `{"merchants":["*"]}`, `{"uid":"E1"}`, "left E1"},
		{"an event that is none", `{}`, `{"employee":"E1"}`, `failed: unknown member "employee"`},
		{"a day as the entry has it", `{"utc_offset":"+00:00"}`, `{"uid":"E1","effective_at":"2026-11-30"}`, "left E1 at 2026-12-01T00:00:00Z"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := tell(read(t, tt.entry, tt.payload))
			failed := strings.HasPrefix(tt.want, "failed") && strings.HasPrefix(got, tt.want)
			if got != tt.want && !failed {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// What the vendors document of their events, row by row, and those events that look alike and are none.
func TestDefaults(t *testing.T) {
	const (
		feishu   = `{"scheme":"feishu","verification_token":"t","uid":"event.employment_id"}`
		dingTalk = `{"scheme":"dingtalk",` + sealedEntry + `,"uid":["userId","UserId"]}`
		weCom    = `{"scheme":"wecom",` + sealedEntry + `,"uid":"UserID"}`
	)
	lark := func(event, status string) string {
		return `{"header":{"event_type":"` + event + `"},"event":{"employment_id":"7","status":` + status + `}}`
	}
	okta := func(event string) string {
		return `{"data":{"events":[{"eventType":"` + event + `","actor":{"type":"User","alternateId":"admin"},"target":[{"type":"AppUser","alternateId":"app"},{"type":"User","alternateId":"e1@x"}]}]}}`
	}
	for _, tt := range []struct {
		entry, payload string
		want           string // "" means ignored
	}{
		{feishu, lark("contact.user.deleted_v3", "null"), "left 7"},
		{feishu, lark("corehr.employment.resigned_v1", "null"), "left 7"},
		{feishu, lark("corehr.offboarding.status_updated_v2", "3"), "left 7"},
		{feishu, lark("corehr.offboarding.status_updated_v2", "1"), ""},
		{feishu, lark("corehr.offboarding.status_updated_v2", "2"), ""},
		{feishu, lark("corehr.offboarding.status_updated_v2", "4"), ""},
		{feishu, lark("corehr.offboarding.status_updated_v2", "5"), ""},
		{feishu, lark("corehr.offboarding.status_updated_v2", "6"), ""},
		{feishu, lark("corehr.offboarding.status_updated_v2", `"3"`), ""},
		{feishu, lark("corehr.offboarding.updated_v1", "5"), "left 7"},
		{feishu, lark("corehr.offboarding.updated_v1", "2"), ""},
		{feishu, lark("corehr.offboarding.updated_v1", "3"), ""},
		{feishu, lark("contact.user.updated_v3", "3"), ""},
		{dingTalk, `{"EventType":"user_leave_org","userId":["a","b"]}`, "left a,b"},
		{dingTalk, `{"EventType":"user_leave_org","UserId":["a"]}`, "left a"},
		{dingTalk, `{"EventType":"user_add_org","userId":["a"]}`, ""},
		{dingTalk, `{"EventType":"check_url"}`, ""},
		{weCom, `{"MsgType":"event","Event":"change_contact","ChangeType":"delete_user","UserID":"a"}`, "left a"},
		{weCom, `{"InfoType":"change_contact","ChangeType":"delete_user","UserID":"a"}`, "left a"},
		{weCom, `{"Event":"change_contact","ChangeType":"update_user","UserID":"a"}`, ""},
		{weCom, `{"Event":"subscribe","ChangeType":"delete_user","UserID":"a"}`, ""},
		{weCom, `{"ChangeType":"delete_user","UserID":"a"}`, ""},
		{oktaEntry, okta("user.lifecycle.deactivate"), "left e1@x"},
		{oktaEntry, okta("user.lifecycle.delete.initiated"), "left e1@x"},
		{oktaEntry, okta("user.lifecycle.suspend"), ""},
	} {
		t.Run(tt.payload, func(t *testing.T) {
			got := tell(read(t, tt.entry, tt.payload))
			ignored := tt.want == "" && strings.HasPrefix(got, "ignored: ")
			if got != tt.want && !ignored {
				t.Errorf("got %s", got)
			}
		})
	}
	overridden := strings.Replace(feishu, `"uid"`, `"left_when":{"header.event_type":["contact.user.updated_v3"]},"uid"`, 1)
	if got := tell(read(t, overridden, lark("contact.user.deleted_v3", "3"))); got != `ignored: header.event_type is "contact.user.deleted_v3", wanted "contact.user.updated_v3"` {
		t.Errorf("an entry's own left_when does not replace the default: %s", got)
	}
}

// What one entry hides is not hidden in another of the same scheme.
func TestEntriesShareNoState(t *testing.T) {
	entries, err := parse(`{"a":{"scheme":"feishu","verification_token":"t","uid":"header.event_type"},"b":{"scheme":"feishu","verification_token":"t","uid":"id"}}`, departure.Decoder{})
	if err != nil {
		t.Fatal(err)
	}
	payload := []byte(`{"header":{"event_type":"x"}}`)
	for name, want := range map[string]string{"a": "header.event_type is another value", "b": `header.event_type is "x"`} {
		if got := entries[name].events(payload, envelope)[0].Detail; !strings.HasPrefix(got, want) {
			t.Errorf("%s: got %s", name, got)
		}
	}
}

func TestMetaOfTheMessageBeforeThatOfTheEnvelope(t *testing.T) {
	events := read(t, feishuEntry, string(sample(t, "feishu-contact.user.deleted_v3.json")))
	want := departure.Meta{Type: departure.TypeLeft, ID: "5e3702a84e847582be8db7fb73283c02", Source: "hr", Time: time.UnixMilli(1608725989000).UTC()}
	if events[0].Meta != want {
		t.Errorf("Feishu: got %+v", events[0].Meta)
	}
	const entry = `{"left_when":{},"uid":"u","id":"id","time":"at"}`
	for payload, want := range map[string]departure.Meta{
		`{"u":"E1","id":7,"at":"2026-01-31T18:42:00+0000"}`:              {ID: "7", Time: time.Date(2026, 1, 31, 18, 42, 0, 0, time.UTC)},
		`{"u":"E1","id":{},"at":"yesterday"}`:                            {ID: "request-1", Time: now},
		`{"u":"E1","id":"` + strings.Repeat("x", 257) + `","at":"2026"}`: {ID: "request-1", Time: now},
	} {
		want.Type, want.Source = departure.TypeLeft, "hr"
		if got := read(t, entry, payload)[0].Meta; got.ID != want.ID || !got.Time.Equal(want.Time) || got.Source != "hr" {
			t.Errorf("%s: got %+v", payload, got)
		}
	}
	d, err := receive(newRegistry(webhookEntry), fromStandardWebhooks([]byte(`{"uid":"E1"}`)))
	if err != nil || d.Events[0].ID != "msg_1" {
		t.Errorf("Standard Webhooks: got %+v, %v", d.Events, err)
	}
}

func TestTooManyPeople(t *testing.T) {
	payload := `{"ids":["` + strings.Join(strings.Split(strings.Repeat("x", departure.MaxPairs), ""), `","`) + `"]}`
	payload = strings.Replace(payload, `"x"`, `"y"`, 1)
	if got := tell(read(t, `{"left_when":{},"uid":"ids"}`, payload)); got != "left y,x" {
		t.Errorf("many times the same: got %.60s", got)
	}
	var ids []string
	for i := range departure.MaxPairs + 1 {
		ids = append(ids, strconv.Itoa(i))
	}
	payload = `{"ids":[` + strings.Join(ids, ",") + `]}`
	if got := tell(read(t, `{"left_when":{},"uid":"ids"}`, payload)); !strings.HasPrefix(got, "failed: 5001 pairs") {
		t.Errorf("too many: got %.60s", got)
	}
}

// For any body and any path, each event is a departure with people or has a status.
func FuzzEvents(f *testing.F) {
	files, err := os.ReadDir("testdata")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		if !file.IsDir() {
			f.Add(string(sample(f, file.Name())), "event.object.user_id", "")
		}
	}
	for _, path := range []string{"@this", "#(a==1)#.b", "a.#.b|@reverse", "..0", "{a,b}", `!"x"`, `a\.b`, "@pretty:{", "#(", "*?*?*?*", "[", "|", "@flatten|@join"} {
		f.Add(`[{"a":1,"b":["x",2]}]`, path, path)
	}
	f.Fuzz(func(t *testing.T, payload, path, each string) {
		body, err := object([]byte(payload))
		if err != nil {
			return
		}
		mp := mapping{each: each, left: rules{{}}, uid: paths{path}, effective: paths{path}, id: paths{path}, time: paths{path}}
		e := entry{mapping: &mp}
		for _, event := range e.events(body, departure.Meta{}) {
			if event.Status == "" && len(event.Checked()) != 1 {
				t.Errorf("got %+v", event)
			}
			if event.EffectiveAt.Year() > 9999 || event.Time.Year() > 9999 {
				t.Errorf("no JSON can hold %+v", event)
			}
		}
		(rules{{test{path: path, want: []gjson.Result{{}}}}}).whyNot(gjson.ParseBytes(body), nil)
	})
}

func BenchmarkMapping(b *testing.B) {
	body := []byte(`{"data":{"events":[` + strings.Repeat(string(sample(b, "okta-user.lifecycle.deactivate-logevent.json"))+",", 50) + `{}]}}`)
	entries, err := parse(`{"hr":`+oktaEntry+`}`, departure.Decoder{})
	if err != nil {
		b.Fatal(err)
	}
	e := entries["hr"]
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if _, err := readJSON(body); err != nil || len(e.events(body, envelope)) != 51 {
			b.Fatal("not read")
		}
	}
}
