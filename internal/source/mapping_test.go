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

func eventsOf(t testing.TB, e entry, payload []byte) []departure.Event {
	t.Helper()
	events, err := e.events(payload, reading{envelope: envelope})
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
		{"another event", `{` + left + `,"uid":"id"}`, `{"type":"hired","id":"E1"}`, `ignored: type is another value, wanted "left"`},
		{"no type", `{` + left + `,"uid":"id"}`, `{"id":"E1"}`, `ignored: type is missing, wanted "left"`},
		{"a type that is no value", `{` + left + `,"uid":"id"}`, `{"type":["left"],"id":"E1"}`, `ignored: type is a list, wanted "left"`},
		{"no object", `{` + left + `,"uid":"id"}`, `["left"]`, `ignored: type is missing, wanted "left"`},
		{"every event", `{"left_when":{},"uid":"id"}`, `{"id":"E1"}`, "left E1"},
		{"no JSON", `{` + left + `,"uid":"id"}`, `{`, "failed: not JSON: it is empty or ends too early"},

		{"several conditions", `{"left_when":{"kind":["user"],"status":[3,5]},"uid":"id"}`, `{"kind":"user","status":5,"id":"E1"}`, "left E1"},
		{"one of them fails", `{"left_when":{"kind":["user"],"status":[3,5]},"uid":"id"}`, `{"kind":"user","status":2,"id":"E1"}`, "ignored: status is another value, wanted 3 or 5"},
		{"the first that fails is told", `{"left_when":{"z":["user"],"a":[3]},"uid":"id"}`, `{}`, `ignored: z is missing, wanted "user"`},
		{"a text is no number", `{"left_when":{"status":[3]},"uid":"id"}`, `{"status":"3"}`, `failed: left_when: status is "3" where 3 is expected`},
		{"a number is no text", `{"left_when":{"status":["3"]},"uid":"id"}`, `{"status":3}`, `failed: left_when: status is 3 where "3" is expected`},
		{"digit by digit", `{"left_when":{"status":[9007199254740993]},"uid":"id"}`, `{"status":9007199254740992}`, `ignored: status is another value, wanted 9007199254740993`},
		{"3.0 is not 3", `{"left_when":{"status":[3]},"uid":"id"}`, `{"status":3.0}`, `failed: left_when: status is 3 written in another way where 3 is expected`},
		{"a boolean", `{"left_when":{"active":[false]},"uid":"id"}`, `{"active":false,"id":"E1"}`, "left E1"},
		{"a boolean is no text", `{"left_when":{"active":[false]},"uid":"id"}`, `{"active":"false"}`, `failed: left_when: active is "false" where false is expected`},
		{"null is not absent", `{"left_when":{"active":[null]},"uid":"id"}`, `{}`, `ignored: active is missing, wanted null`},
		{"null is null", `{"left_when":{"active":[null]},"uid":"id"}`, `{"active":null,"id":"E1"}`, "left E1"},
		{"a query in a list", `{"left_when":{"changed.#(==\"status\")":["status"]},"uid":"id"}`, `{"changed":["name","status"],"id":"E1"}`, "left E1"},
		{"a long number is not shown", `{` + left + `,"uid":"id"}`, `{"type":` + strings.Repeat("1", 99) + `}`, `ignored: type is a number, wanted "left"`},
		{"a uid is not shown", `{"left_when":{"id":["E2"]},"uid":"id"}`, `{"id":"E1"}`, `ignored: id is another value, wanted "E2"`},

		{"taken back", `{` + left + `,"cancel_when":{"type":["back"]},"uid":"id"}`, `{"type":"back","id":"E1"}`, "left.cancelled E1"},
		{"both", `{` + left + `,"cancel_when":{"back":[true]},"uid":"id"}`, `{"type":"left","back":true,"id":"E1"}`, "failed: left_when and cancel_when both hold"},

		{"nobody", `{` + left + `,"uid":"id"}`, `{"type":"left"}`, "failed: uid: nothing at id"},
		{"an empty uid", `{` + left + `,"uid":["id","mail"]}`, `{"type":"left","id":""}`, "failed: uid: nothing at id or mail"},
		{"a blank uid", `{` + left + `,"uid":"id"}`, `{"type":"left","id":" "}`, "failed: uid: blank"},
		{"a path in turn", `{` + left + `,"uid":["id","mail"]}`, `{"type":"left","id":null,"mail":"e1@x"}`, "left e1@x"},
		{"a whole number", `{` + left + `,"uid":"id"}`, `{"type":"left","id":7072306364927985196}`, "left 7072306364927985196"},
		{"a list of people", `{` + left + `,"uid":"people.#.mail"}`, `{"type":"left","people":[{"mail":"a@x"},{"mail":"b@x"}]}`, "left a@x,b@x"},
		{"a list of people, of whom one is not told", `{` + left + `,"uid":"people.#.mail"}`, `{"type":"left","people":[{"mail":"a@x"},{"name":"B"}]}`, "left a@x; failed: uid: missing in 1 of the items that people.#.mail goes through"},
		{"a reason tells nobody", `{"left_when":{"user.id":["E9"]},"uid":"user|id"}`, `{"user":{"id":"E1"}}`, `ignored: user.id is another value, wanted "E9"`},
		{"nor anybody's mail", `{"left_when":{"mail":["e9@x"]},"uid":"id"}`, `{"id":"E1","mail":"e1@x"}`, `ignored: mail is another value, wanted "e9@x"`},
		{"a number that is not whole", `{` + left + `,"uid":"id"}`, `{"type":"left","id":1e3}`, "failed: uid: a number that is not whole"},
		{"a negative number", `{` + left + `,"uid":"id"}`, `{"type":"left","id":-1}`, "failed: uid: a number that is not whole"},
		{"an object", `{` + left + `,"uid":["id","mail"]}`, `{"type":"left","id":{},"mail":"e1@x"}`, "failed: uid: an object where a string, a whole number or a list of them is expected"},
		{"a list", `{` + left + `,"uid":"id"}`, `{"type":"left","id":["E1",2,"E1"]}`, "left E1,2"},
		{"a list with a hole", `{` + left + `,"uid":"id"}`, `{"type":"left","id":["E1",null]}`, "left E1; failed: uid: value 2 is null where a string, a whole number or a list of them is expected"},
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
		{"a date as a number", `{` + left + `,"uid":"id","effective":"day"}`, `{"type":"left","id":"E1","day":20261130}`, "left E1 at 2026-12-01T00:00:00+08:00"},
		{"no day at all", `{` + left + `,"uid":"id","effective":"day"}`, `{"type":"left","id":"E1","day":"0000-00-00"}`, "failed: effective: "},
		{"a day that is no text", `{` + left + `,"uid":"id","effective":"day"}`, `{"type":"left","id":"E1","day":{"y":2026}}`, "failed: effective: "},
		{"taken back, no day needed", `{"left_when":{"a":[1]},"cancel_when":{"a":[2]},"uid":"id","effective":"day"}`, `{"a":2,"id":"E1","day":"soon"}`, "left.cancelled E1"},

		{"a batch", `{"each":"list",` + left + `,"uid":"id"}`, `{"list":[{"type":"left","id":"E1"},{"type":"hired"},{"type":"left","id":2}]}`, `left E1; ignored: type is another value, wanted "left"; left 2`},
		{"a batch of all there is", `{"each":"@this",` + left + `,"uid":"id"}`, `[{"type":"left","id":"E1"}]`, "left E1"},
		{"an empty batch", `{"each":"list",` + left + `,"uid":"id"}`, `{"list":[]}`, "ignored: list is empty"},
		{"no batch", `{"each":"list",` + left + `,"uid":"id"}`, `{}`, "failed: each: there is no list at list"},
		{"a batch that is too long", `{"each":"list",` + left + `,"uid":"id"}`, `{"list":[0` + strings.Repeat(",0", departure.MaxPairs) + `]}`, "failed: 5001 pairs of uid and merchant, at most 5000 are carried out at once"},
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
		{feishu, lark("corehr.offboarding.status_updated_v2", `"3"`), `failed: left_when: event.status is "3" where 3 is expected`},
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
	if got := tell(read(t, overridden, lark("contact.user.deleted_v3", "3"))); got != `ignored: header.event_type is another value, wanted "contact.user.updated_v3"` {
		t.Errorf("an entry's own left_when does not replace the default: %s", got)
	}
}

// An entry's own members do not change the default that other entries of the scheme have.
func TestEntriesShareNoState(t *testing.T) {
	entries, err := parse(`{"a":{"scheme":"feishu","verification_token":"t","uid":"id","left_when":{"header.event_type":["y"]}},
		"b":{"scheme":"feishu","verification_token":"t","uid":"id"}}`, departure.Decoder{})
	if err != nil {
		t.Fatal(err)
	}
	payload := []byte(`{"header":{"event_type":"x"}}`)
	for name, want := range map[string]string{"a": `wanted "y"`, "b": `wanted "contact.user.deleted_v3" or "corehr.employment.resigned_v1"`} {
		if got := eventsOf(t, entries[name], payload)[0].Detail; got != "header.event_type is another value, "+want {
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
	numbers := func(n int) string {
		ids := make([]string, n)
		for i := range ids {
			ids[i] = strconv.Itoa(i)
		}
		return strings.Join(ids, ",")
	}
	same := "x" + strings.Repeat(`","x`, departure.MaxPairs-1)
	const too = " pairs of uid and merchant, at most 5000 are carried out at once: send it in parts"
	const one, each = `{"left_when":{"left":[true]},"cancel_when":{"left":[false]},"uid":"ids"}`, `{"each":"list","left_when":{"left":[true]},"uid":"ids"}`
	for _, tt := range []struct{ name, entry, payload, want string }{
		{"many times the same", one, `{"left":true,"ids":["` + same + `"]}`, "left x"},
		{"a list of people", one, `{"left":true,"ids":[` + numbers(5001) + `]}`, "failed: 5001" + too},
		{"who are taken back", one, `{"left":false,"ids":[` + numbers(5001) + `]}`, "failed: 5001" + too},
		{"who did not leave", one, `{"ids":[` + numbers(5001) + `]}`, "ignored: left is missing, wanted true"},
		{"a list in one item", each, `{"list":[{"left":true,"ids":["E1"]},{"left":true,"ids":[` + numbers(5001) + `]}]}`, "failed: item 2: 5001" + too},
		{"lists in several items", each, `{"list":[{"left":true,"ids":[` + numbers(3000) + `]},{"left":true,"ids":[` + numbers(3000) + `]}]}`, "failed: 6000" + too},
		{"lists in items of which one left", each, `{"list":[{"left":true,"ids":["E1"]},{"ids":[` + numbers(5000) + `]}]}`, "left E1; ignored: left is missing, wanted true"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tell(read(t, tt.entry, tt.payload)); got != tt.want {
				t.Errorf("got  %.200s\nwant %s", got, tt.want)
			}
		})
	}
}

// Item 7: a list with one value that is no identifier was refused with everybody in it, and the dead letter named nobody.
func TestEachOfAListByItself(t *testing.T) {
	const entry = `{"left_when":{},"uid":"ids","id":"id","people":{"7":"E7","9":"E9"}}`
	events := read(t, entry, `{"id":"evt-7","ids":["7",null,8,1.5,"9",6]}`)
	const want = "left E7,E9; unknown: not in people 8; unknown: not in people 6; " +
		"failed: uid: value 2 is null where a string, a whole number or a list of them is expected; " +
		"failed: uid: value 4 is a number that is not whole"
	if got := tell(events); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for _, e := range events {
		if e.ID != "evt-7" || e.Source != "hr" || (e.Status == departure.Failed) != (e.Class == departure.ClassBadEvent) {
			t.Errorf("got %+v", e)
		}
	}
}

// Items 12 and 14: what was read of a departure that fails stays in it, so that a dead letter can be traced.
func TestAFailedEventKeepsWhatWasRead(t *testing.T) {
	const entry = `{"each":"list","left_when":{},"cancel_when":{"back":[true]},"uid":"ids","effective":"day","id":"id","time":"at"}`
	events := read(t, entry, `{"list":[{"id":"e1","at":1795395600,"ids":"E1001"},
		{"id":"e2","at":1795395600,"ids":["E1001","E1002"],"day":"soon"},
		{"id":"e3","at":1795395600,"ids":"E1003","back":true},
		{"id":"e4","at":1795395600}]}`)
	if len(events) != 4 || events[0].Status != "" {
		t.Fatalf("got %s", tell(events))
	}
	for i, want := range []struct{ id, about, detail string }{
		{"e2", "E1001,E1002", "item 2: effective: "},
		{"e3", "E1003", "item 3: left_when and cancel_when both hold"},
		{"e4", "", "item 4: uid: nothing at ids"},
	} {
		e := events[i+1]
		if e.ID != want.id || !e.Time.Equal(now) || strings.Join(e.About, ",") != want.about || !strings.HasPrefix(e.Detail, want.detail) {
			t.Errorf("got %+v", e)
		}
	}
}

// Item 23: an id is logged, so nobody's identifier stays in it: neither the uid nor the HR system's.
func TestAnIDShowsNobody(t *testing.T) {
	const plain, people = `{"left_when":{"a":[1]},"uid":"u","id":"id"}`, `{"left_when":{"a":[1]},"uid":"u","id":"id","people":{"hr-77":"E1001"}}`
	for _, tt := range []struct{ name, entry, payload, want string }{
		{"a uid", plain, `{"a":1,"u":"E1001","id":"left-E1001"}`, "left-E***1"},
		{"a uid and nothing else", plain, `{"a":1,"u":"E1001","id":"E1001"}`, "E***1"},
		{"of an event that is ignored", plain, `{"a":2,"u":"E1001","id":"hired-E1001"}`, "hired-E***1"},
		{"an HR id", people, `{"a":1,"u":"hr-77","id":"hr-77-left"}`, "h***7-left"},
		{"the uid of an HR id", people, `{"a":1,"u":"hr-77","id":"E1001-left"}`, "E***1-left"},
		{"somebody unmapped", people, `{"a":1,"u":"hr-78","id":"hr-78-left"}`, "h***8-left"},
		{"an id beside it", plain, `{"a":1,"u":"E1001","id":"evt-1"}`, "evt-1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := read(t, tt.entry, tt.payload)[0].ID; got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// Item 8: JSON in a JSON string was ignored as a test delivery. A test delivery is a text that is no JSON.
func TestJSONInAStringIsNoTestDelivery(t *testing.T) {
	const direct, mapped = `{}`, `{"left_when":{"type":["left"]},"uid":"uid"}`
	const inside = "failed: JSON inside a string: send the object itself, without quotes around it"
	for _, tt := range []struct{ name, payload, want string }{
		{"an object", `"{\"type\":\"left\",\"uid\":\"E1\"}"`, inside},
		{"an object with a name twice", `"{\"uid\":\"E1\",\"uid\":\"E2\"}"`, inside},
		{"half an object", `" {\"uid\":\"E1\""`, inside},
		{"a string", `"\"E1\""`, inside},
		{"a number", `"1001"`, inside},
		{"a text", `"Ping test"`, "ignored: a text and no event, such as a test delivery"},
	} {
		for _, entry := range []string{direct, mapped} {
			t.Run(tt.name+" to "+entry, func(t *testing.T) {
				if got := tell(read(t, entry, tt.payload)); got != tt.want {
					t.Errorf("got %s", got)
				}
			})
		}
	}
	for entry, want := range map[string]string{mapped: "ignored: a text and no event, such as a test delivery"} {
		if got := tell(read(t, entry, "Ping test")); got != want {
			t.Errorf("HiBob's: %s", got)
		}
	}
}

// Item 23: a reason goes to the log. It shows the entry's values, and no value of the payload, whatever it is.
func TestReasonsQuoteNoValue(t *testing.T) {
	const entry = `{"left_when":{"kind":["terminated"],"who":["E1",7,true]},"uid":"uid","effective":"day"}`
	for _, value := range []string{`"Zq9x"`, `4711`, `47.11`, `{"Zq9x":"Zq9x"}`, `["Zq9x"]`, `"Zq9x@example.com"`} {
		for _, payload := range []string{
			`{"kind":` + value + `}`, `{"kind":"terminated","who":` + value + `}`, `{"kind":"terminated","who":7,"uid":{"a":` + value + `}}`,
			`{"kind":"terminated","who":7,"uid":[[` + value + `]]}`, `{"kind":"terminated","who":7,"uid":"E1","day":` + value + `}`,
			`{"kind":` + value + `,"kind":1}`, `{"kind":` + value, `"` + strings.ReplaceAll(value, `"`, `\"`) + `"`,
		} {
			for _, e := range read(t, entry, payload) {
				if e.Status == "" || strings.Contains(e.Detail, "Zq9x") || strings.Contains(e.Detail, "47") {
					t.Errorf("%s: %+v", payload, e)
				}
			}
		}
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
		body, err := decode(nil, []byte(payload))
		if err != nil {
			return
		}
		mp := mapping{each: each, left: rules{{}}, uid: identifier{paths: paths{path}}, effective: effective{paths: paths{path}, zone: time.UTC}, id: paths{path}, time: paths{path}}
		e := entry{mapping: &mp}
		for _, event := range eventsOf(t, e, body) {
			if event.Status == "" && len(event.Checked()) != 1 {
				t.Errorf("got %+v", event)
			}
			if event.EffectiveAt.Year() > 9999 || event.Time.Year() > 9999 {
				t.Errorf("no JSON can hold %+v", event)
			}
		}
		(rules{{test{path: path, want: []gjson.Result{{}}}}}).whyNot(gjson.ParseBytes(body))
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
		if _, err := readJSON(body); err != nil || len(eventsOf(b, e, body)) != 51 {
			b.Fatal("not read")
		}
	}
}
