package departure_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"wedata-unbind/internal/departure"
)

const merchant = "wx0123456789abcdef"

var beijing = time.FixedZone("UTC+08:00", 8*60*60)

func at(s string) time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		panic(err)
	}
	return t
}

func TestDecodeReadsEveryFormOfAPayload(t *testing.T) {
	envelope := departure.Meta{ID: "envelope-id", Source: "topic", Time: at("2026-11-23T01:00:05Z")}
	left := departure.Meta{Type: departure.TypeLeft, ID: "envelope-id", Source: "topic", Time: at("2026-11-23T01:00:05Z")}
	told := departure.Meta{Type: departure.TypeLeft, ID: "evt-1", Source: "hr", Time: at("2026-11-23T01:00:00Z")}
	withType := func(m departure.Meta, eventType string) departure.Meta { m.Type = eventType; return m }

	for _, tc := range []struct {
		name, payload string
		envelope      departure.Meta
		want          departure.Event
	}{
		{
			name:     "the canonical event tells everything itself",
			payload:  `{"specversion":"1.0","id":"evt-1","source":"hr","type":"employee.left","time":"2026-11-23T01:00:00Z","data":{"uid":"E1001","merchant":"wx0123456789abcdef","effective_at":"2026-11-30"}}`,
			envelope: envelope,
			want:     departure.Event{Meta: told, UIDs: []string{"E1001"}, Merchants: []string{merchant}, EffectiveAt: at("2026-11-30T16:00:00Z")},
		},
		{
			name:     "what the canonical event leaves out comes from the envelope",
			payload:  `{"type":"employee.left","data":{"uid":"E1001"}}`,
			envelope: envelope,
			want:     departure.Event{Meta: left, UIDs: []string{"E1001"}},
		},
		{
			name:     "a Standard Webhooks payload calls its time timestamp",
			payload:  `{"type":"employee.left","id":"evt-1","source":"hr","timestamp":"2026-11-23T01:00:00Z","data":{"uid":"E1001"}}`,
			envelope: envelope,
			want:     departure.Event{Meta: told, UIDs: []string{"E1001"}},
		},
		{
			name:     "a reverse-DNS prefix may stand before the type",
			payload:  `{"type":"com.example.employee.left","data":{"uid":"E1001"}}`,
			envelope: envelope,
			want:     departure.Event{Meta: left, UIDs: []string{"E1001"}},
		},
		{
			name:     "a departure that is taken back",
			payload:  `{"type":"employee.left.cancelled","data":{"uid":"E1001"}}`,
			envelope: envelope,
			want:     departure.Event{Meta: withType(left, departure.TypeCancelled), UIDs: []string{"E1001"}},
		},
		{
			name:     "other members of the canonical data are ignored",
			payload:  `{"type":"employee.left","data":{"uid":"E1001","department":"x","UID":"E2"}}`,
			envelope: envelope,
			want:     departure.Event{Meta: left, UIDs: []string{"E1001"}},
		},
		{
			name:     "the bare form is the data alone",
			payload:  `{"uid":"E1001","merchant":["wx0123456789abcdef","wxfedcba9876543210"]}`,
			envelope: envelope,
			want:     departure.Event{Meta: left, UIDs: []string{"E1001"}, Merchants: []string{merchant, "wxfedcba9876543210"}},
		},
		{
			name:     "the bare form takes its type from the envelope",
			payload:  `{"uid":"E1001"}`,
			envelope: withType(envelope, "employee.left.cancelled"),
			want:     departure.Event{Meta: withType(left, departure.TypeCancelled), UIDs: []string{"E1001"}},
		},
		{
			name:     "duplicates collapse in the order given",
			payload:  `{"uid":["B","A","B"],"merchant":["wx0123456789abcdef","wx0123456789abcdef"]}`,
			envelope: envelope,
			want:     departure.Event{Meta: left, UIDs: []string{"B", "A"}, Merchants: []string{merchant}},
		},
		{
			name:     "null is missing, and a byte order mark is skipped",
			payload:  "\ufeff" + `{"uid":"张三 <a&b>","merchant":null,"effective_at":null}`,
			envelope: envelope,
			want:     departure.Event{Meta: left, UIDs: []string{"张三 <a&b>"}},
		},
		{
			name:     "an event of another type is ignored, whatever its data",
			payload:  `{"type":"employee.joined","data":["uid"]}`,
			envelope: envelope,
			want: departure.Event{
				Meta: withType(left, "employee.joined"), Status: departure.Ignored, Detail: `type "employee.joined" is not employee.left`,
			},
		},
		{
			name:     "nor does anything else matter about it",
			payload:  `{"type":"user.created","id":7,"timestamp":1763859600,"dry_run":true,"data":{"uid":"E1001"}}`,
			envelope: envelope,
			want: departure.Event{
				Meta: withType(left, "user.created"), Status: departure.Ignored, Detail: `type "user.created" is not employee.left`,
			},
		},
		{
			name:     "a type that only ends alike is another type",
			payload:  `{"type":"unemployee.left","data":{"uid":"E1001"}}`,
			envelope: envelope,
			want: departure.Event{
				Meta: withType(left, "unemployee.left"), Status: departure.Ignored, Detail: `type "unemployee.left" is not employee.left`,
			},
		},
		{
			name:     "a bare event of another type is ignored, whatever its members",
			payload:  `{"EC2InstanceId":"i-1234567890abcdef0"}`,
			envelope: withType(envelope, "ec2.instance.terminate.successful"),
			want: departure.Event{
				Meta: withType(left, "ec2.instance.terminate.successful"), Status: departure.Ignored,
				Detail: `type "ec2.instance.terminate.successful" is not employee.left`,
			},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := departure.Decoder{Zone: beijing}.Decode([]byte(tc.payload), tc.envelope)
			if err != nil {
				t.Fatal(err)
			}
			if !got.EffectiveAt.Equal(tc.want.EffectiveAt) || !got.Time.Equal(tc.want.Time) {
				t.Errorf("effective at %v, time %v, want %v, %v", got.EffectiveAt, got.Time, tc.want.EffectiveAt, tc.want.Time)
			}
			got.EffectiveAt, got.Time = tc.want.EffectiveAt, tc.want.Time
			if !reflect.DeepEqual(got, tc.want) {
				t.Errorf("got  %+v\nwant %+v", got, tc.want)
			}
		})
	}
}

func TestDecodeRefusesWhatIsNoDeparture(t *testing.T) {
	many := func(n int, format string) string {
		list := make([]string, n)
		for i := range list {
			list[i] = fmt.Sprintf(format, i)
		}
		return `["` + strings.Join(list, `","`) + `"]`
	}
	const example = `{"uid":"E1001"}`
	for _, tc := range []struct{ name, payload, want string }{
		{"nothing", ``, "not JSON: it is empty or ends too early"},
		{"text", `Hello from SNS!`, "not JSON: invalid character 'H'"},
		{"a list", `["E1001"]`, "a list where a JSON object is expected"},
		{"null", `null`, "null where a JSON object is expected"},
		{"a number", `1`, "a number where a JSON object is expected"},
		{"a string", `"E1001"`, "a string where a JSON object is expected"},
		{"an empty object", `{}`, "uid: missing; a departure looks like " + example},
		{"cut short", `{"uid":"E1001"`, "ends too early"},
		{"two objects", `{"uid":"E1001"}{"uid":"E1002"}`, "after top-level value"},
		{"broken UTF-8", "{\"uid\":\"E\xff\"}", "not valid UTF-8"},
		{"half a surrogate pair", `{"uid":"E\ud800"}`, "not valid Unicode text"},
		{"a member twice", `{"uid":"E1001","uid":"E1002"}`, `member "uid" stands twice`},
		{"a member twice inside", `{"type":"employee.left","data":{"uid":"E1001","uid":"E1002"}}`, `data: member "uid" stands twice`},
		{"nesting without end", `{"uid":` + strings.Repeat("[", 6<<20) + `}`, "nested too deeply"},
		{"an unknown member in the bare form", `{"uid":"E1","department":"x"}`, `unknown member "department"; a departure looks like ` + example},
		{"a person in the place of a name", `{"someone@example.com":1}`, "unknown member whose name is not shown here"},
		{"a person in the place of a merchant", `{"uid":"E1","merchant":"someone@example.com"}`, "merchant: not an authorizer appid"},
		{"a name in another case in the bare form", `{"UID":"E1"}`, `unknown member "UID"`},
		{"the default test event of the console", `{"key1":"value1","key2":"value2","key3":"value3"}`, `unknown member "key1"; a departure looks like ` + example},
		{"a type without data", `{"type":"employee.left","uid":"E1"}`, `unknown member "type"`},
		{"data that is a list", `{"type":"employee.left","data":["E1"]}`, "data: a list where a JSON object is expected"},
		{"data without a uid", `{"type":"employee.left","data":{}}`, "uid: missing"},
		{"a type that is null", `{"type":null,"data":{"uid":"E1"}}`, "type: null where a string is expected"},
		{"a dry run of the canonical event", `{"type":"employee.left","dry_run":true,"data":{"uid":"E1"}}`, "dry_run goes with the bare form"},
		{"an action beside the canonical event", `{"type":"employee.left","action":"list","data":{"uid":"E1"}}`, "action goes with the bare form"},
		{"a type that is a number", `{"type":1,"data":{"uid":"E1"}}`, "type: a number where a string is expected"},
		{"an id that is a number", `{"type":"employee.left","id":1,"data":{"uid":"E1"}}`, "id: a number where a string is expected"},
		{"a time that is none", `{"type":"employee.left","time":"yesterday","data":{"uid":"E1"}}`, "time: not an RFC 3339 time"},
		{"a uid that is a number", `{"uid":1001}`, "uid: a number where a string is expected (or a list of strings): write it in quotes"},
		{"a uid in a list that is a number", `{"uid":["E1",1002]}`, "uid: item 1 is a number where a string is expected: write it in quotes"},
		{"no uid in the list", `{"uid":[]}`, "uid: an empty list"},
		{"a blank uid", `{"uid":" \u3000"}`, "uid: blank"},
		{"a uid with a control character", `{"uid":"E1\n"}`, "uid: has a control character"},
		{"a uid that is too long", `{"uid":"` + strings.Repeat("张", 86) + `"}`, "uid: 258 bytes long, at most 256 are allowed"},
		{"a blank merchant", `{"uid":"E1","merchant":""}`, "merchant: not an authorizer appid"},
		{"a merchant that is an object", `{"uid":"E1","merchant":{}}`, "merchant: an object where a string is expected"},
		{"a date that is none", `{"uid":"E1","effective_at":"30.11.2026"}`, "effective_at: neither an RFC 3339 time"},
		{"an empty date, which must not mean now", `{"uid":"E1","effective_at":""}`, "effective_at: neither an RFC 3339 time"},
		{"a date that is a number", `{"uid":"E1","effective_at":1795395600}`, "effective_at: a number where a string is expected"},
		{"the day that never comes", `{"uid":"E1","effective_at":"9999-12-31"}`, "effective_at: a day that never comes"},
		{"too many pairs", `{"uid":` + many(51, "E%d") + `,"merchant":` + many(100, "wx%d") + `}`, "5100 pairs of uid and merchant, at most 5000 an event"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := departure.Decoder{}.Decode([]byte(tc.payload), departure.Meta{})
			if err == nil {
				t.Fatalf("decoded as %+v", got)
			}
			if !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got  %v\nwant …%s…", err, tc.want)
			}
			if len(err.Error()) > 300 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
		})
	}
}

func TestAStrangersIdIsCut(t *testing.T) {
	long := strings.Repeat("张", 200)
	got, err := departure.Decoder{}.Decode([]byte(`{"type":"employee.left","id":"`+long+`","data":{"uid":"E1"}}`), departure.Meta{})
	if err != nil || got.ID != long[:255] {
		t.Errorf("got %d bytes, %v", len(got.ID), err)
	}
}

func TestAnIdentifierMayBeAsLongAsItIsAllowed(t *testing.T) {
	uid := strings.Repeat("é", 128)
	got, err := departure.Decoder{}.Decode([]byte(`{"uid":"`+uid+`"}`), departure.Meta{})
	if err != nil || !slices.Equal(got.UIDs, []string{uid}) {
		t.Errorf("got %q, %v", got.UIDs, err)
	}
}

func TestADateIsTheLastDay(t *testing.T) {
	for _, tc := range []struct {
		name, date string
		zone       *time.Location
		want       string
	}{
		{"a date ends at midnight of the zone", "2026-11-30", beijing, "2026-11-30T16:00:00Z"},
		{"a date ends at midnight UTC without a zone", "2026-11-30", nil, "2026-12-01T00:00:00Z"},
		{"a time is that moment", "2026-11-30T18:00:00+08:00", beijing, "2026-11-30T10:00:00Z"},
		{"the day after a leap day", "2028-02-29", beijing, "2028-02-29T16:00:00Z"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := departure.Decoder{Zone: tc.zone}.ParseEffective(tc.date)
			if err != nil || !got.Equal(at(tc.want)) {
				t.Errorf("got %v, %v, want %s", got, err, tc.want)
			}
		})
	}
}

func TestADepartureSurvivesTheQueue(t *testing.T) {
	event := departure.Event{
		Meta:        departure.Meta{Type: departure.TypeLeft, ID: "evt-1", Source: "hr", Time: at("2026-11-23T01:00:00Z")},
		UIDs:        []string{"张三", "<E&1>"},
		EffectiveAt: at("2026-11-30T16:00:00Z"),
	}
	pairs, err := event.Departures([]string{merchant, ""})
	if err != nil {
		t.Fatal(err)
	}
	if len(pairs) != 4 || pairs[1].UID != "张三" || pairs[1].Merchant != "" || pairs[2].UID != "<E&1>" || pairs[2].Merchant != merchant {
		t.Fatalf("pairs are not people outside, merchants inside: %+v", pairs)
	}
	for _, want := range pairs {
		body, err := json.Marshal(want.Event())
		if err != nil {
			t.Fatal(err)
		}
		read, err := departure.Decoder{}.Decode(body, departure.Meta{ID: "message", Time: at("2030-01-01T00:00:00Z")})
		if err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		got, err := read.Departures([]string{""})
		if err != nil || len(got) != 1 || !reflect.DeepEqual(got[0], want) {
			t.Errorf("%s\ncame back as %+v, %v\nwent in as   %+v", body, got, err, want)
		}
	}
}

func TestDeparturesAreLimitedWhenTheyAreSpreadToo(t *testing.T) {
	event := departure.Event{UIDs: make([]string, 20)}
	if _, err := event.Departures(make([]string, 251)); err == nil || !strings.Contains(err.Error(), "5020 pairs") {
		t.Errorf("got %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"specversion":"1.0","type":"employee.left","data":{"uid":["E1","E2"],"merchant":"wx0123456789abcdef","effective_at":"2026-11-30"}}`))
	f.Add([]byte(`{"uid":"E1001","effective_at":"2026-11-30T18:00:00+08:00"}`))
	f.Add([]byte(`{"type":"x","data":null}`))
	f.Add([]byte(`[{"uid":1}]`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		event, err := departure.Decoder{Zone: beijing}.Decode(payload, departure.Meta{})
		if err != nil {
			if !utf8.ValidString(err.Error()) {
				t.Errorf("error is no text: %q", err)
			}
			return
		}
		if event.Status != "" {
			if event.Detail == "" || len(event.UIDs) > 0 {
				t.Errorf("ignored without a reason, or with people: %+v", event)
			}
			return
		}
		// What was accepted can be carried out, and can wait in the queue.
		if err := event.Check(); err != nil {
			t.Fatalf("accepted %q, which is refused: %v", payload, err)
		}
		body, err := json.Marshal(event)
		if err != nil {
			t.Fatal(err)
		}
		again, err := departure.Decoder{Zone: beijing}.Decode(body, departure.Meta{})
		if err != nil || !slices.Equal(again.UIDs, event.UIDs) || !slices.Equal(again.Merchants, event.Merchants) || !again.EffectiveAt.Equal(event.EffectiveAt) {
			t.Errorf("%s came back as %+v, %v", body, again, err)
		}
	})
}
