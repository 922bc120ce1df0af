package departure_test

import (
	"encoding/json"
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

// one returns the only event.
func one(t *testing.T, events []departure.Event) departure.Event {
	t.Helper()
	if len(events) != 1 {
		t.Fatalf("got %d events: %+v", len(events), events)
	}
	return events[0]
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
			payload:  `{"type":"employee.left","subject":"x","data":{"uid":"E1001","department":"x"}}`,
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
			got := one(t, departure.Decoder{Zone: beijing}.Decode([]byte(tc.payload), tc.envelope))
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
		{"the default test event of the console", `{"key1":"value1","key2":"value2","key3":"value3"}`, `unknown member whose name is not shown here; a departure looks like ` + example},
		{"a type without data", `{"type":"employee.left","uid":"E1"}`, `a canonical event needs type and data`},
		{"a CloudEvent without data", `{"specversion":"1.0","id":"1","type":"employee.left"}`, `a canonical event needs type and data`},
		{"data that is a list", `{"type":"employee.left","data":["E1"]}`, "data: a list where a JSON object is expected"},
		{"data without a uid", `{"type":"employee.left","data":{}}`, "uid: missing"},
		{"a type that is null", `{"type":null,"data":{"uid":"E1"}}`, "type: empty or null"},
		{"a dry run of the canonical event", `{"type":"employee.left","dry_run":true,"data":{"uid":"E1"}}`, `member "dry_run" is not expected here`},
		{"an action beside the canonical event", `{"type":"employee.left","action":"list","data":{"uid":"E1"}}`, `member "action" is not expected here`},
		{"a type that is a number", `{"type":1,"data":{"uid":"E1"}}`, "type: a number where a string is expected"},
		{"an id that is a number", `{"type":"employee.left","id":1,"data":{"uid":"E1"}}`, "id: a number where a string is expected"},
		{"a time that is none", `{"type":"employee.left","time":"yesterday","data":{"uid":"E1"}}`, "time: not an RFC 3339 time"},
		{"a uid that is a number", `{"uid":1001}`, "uid: a number where a string is expected (or a list of strings): write it in quotes"},
		{"no uid in the list", `{"uid":[]}`, "uid: an empty list"},
		{"a blank uid", `{"uid":" \u3000"}`, "uid: blank"},
		{"a uid with a control character", `{"uid":"E1\n"}`, "uid: has a control character"},
		{"a uid that is too long", `{"uid":"` + strings.Repeat("张", 86) + `"}`, "uid: 258 bytes long, at most 256 are allowed"},
		{"a blank merchant", `{"uid":"E1","merchant":""}`, "merchant: not an authorizer appid"},
		{"a merchant that is an object", `{"uid":"E1","merchant":{}}`, "merchant: an object where a string is expected"},
		{"a date that is none", `{"uid":"E1","effective_at":"30.11.2026"}`, "effective_at: neither an RFC 3339 time"},
		{"an empty date, which must not mean now", `{"uid":"E1","effective_at":""}`, "effective_at: neither an RFC 3339 time"},
		{"a date that is a number", `{"uid":"E1","effective_at":1795395600}`, "effective_at: a number where a string is expected"},
		{"the moment that never comes", `{"uid":"E1","effective_at":"9999-12-31T23:59:59Z"}`, "effective_at: a day that never comes"},
		{"the year 0", `{"uid":"E1","effective_at":"0000-01-01T00:00:00+08:00"}`, "effective_at: a day of the year 0"},
		{"the day that never comes", `{"uid":"E1","effective_at":"9999-12-31"}`, "effective_at: a day that never comes"},
		{"the moment that never comes", `{"uid":"E1","effective_at":"9999-12-31T23:59:59Z"}`, "effective_at: a day that never comes"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := one(t, departure.Decoder{}.Decode([]byte(tc.payload), departure.Meta{}))
			if got.Status != departure.Failed || got.Class != departure.ClassBadEvent {
				t.Fatalf("decoded as %+v", got)
			}
			if !strings.Contains(got.Detail, tc.want) {
				t.Errorf("got  %v\nwant …%s…", got.Detail, tc.want)
			}
			if len(got.Detail) > 300 {
				t.Errorf("a detail of %d bytes", len(got.Detail))
			}
		})
	}
}

// Each of these was ignored, and the person was unbound at once and everywhere.
func TestALimitInTheWrongPlaceOrSpellingIsAnError(t *testing.T) {
	for _, payload := range []string{
		`{"type":"employee.left","effective_at":"2036-01-01","data":{"uid":"E1"}}`,
		`{"type":"employee.left","merchant":"wx0123456789abcdef","data":{"uid":"E1"}}`,
		`{"type":"employee.left","dryRun":true,"data":{"uid":"E1"}}`,
		`{"type":"employee.left","uid":"E2","data":{"uid":"E1"}}`,
		`{"type":"com.example.employee.left","action":"list","data":{"uid":"E1"}}`,
		`{"type":"employee.left","data":{"uid":"E1","dry_run":true}}`,
		`{"type":"employee.left","data":{"uid":"E1","dryRun":true}}`,
		`{"type":"employee.left","data":{"uid":"E1","effectiveAt":"2036-01-01"}}`,
		`{"type":"employee.left","data":{"uid":"E1","Effective-At":"2036-01-01"}}`,
		`{"type":"employee.left","data":{"uid":"E1","effective_date":"2036-01-01"}}`,
		`{"type":"employee.left","data":{"uid":"E1","merchants":["wx0123456789abcdef"]}}`,
		`{"type":"employee.left","data":{"uid":"E1","merchant_id":"wx0123456789abcdef"}}`,
		`{"type":"employee.left","data":{"uid":"E1","UID":"E2"}}`,
		`{"type":"employee.left","data":{"uid":"E1","action":"list"}}`,
	} {
		t.Run(payload, func(t *testing.T) {
			got := one(t, departure.Decoder{}.Decode([]byte(payload), departure.Meta{}))
			if got.Status != departure.Failed || !strings.Contains(got.Detail, "is not expected here") {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// An employee.left with a prefix was ignored where another member was wrong, or where the prefix was long.
func TestAPrefixIsRemovedFirst(t *testing.T) {
	for payload, want := range map[string]departure.Status{
		`{"type":"com.example.employee.left","id":12345,"data":{"uid":"E1"}}`:                          departure.Failed,
		`{"type":"com.example.employee.left","source":{},"data":{"uid":"E1"}}`:                         departure.Failed,
		`{"type":"com.example.employee.left","time":1795395600,"data":{"uid":"E1"}}`:                   departure.Failed,
		`{"type":"` + strings.Repeat("com.", 100) + `employee.left","data":{"uid":"E1"}}`:              "",
		`{"type":"` + strings.Repeat("com.", 100) + `employee.left.cancelled","data":{"uid":"E1"}}`:    "",
		`{"type":"` + strings.Repeat("com.", 100) + `employee.joined","id":12345,"data":{"uid":"E1"}}`: departure.Ignored,
	} {
		if got := one(t, departure.Decoder{}.Decode([]byte(payload), departure.Meta{})); got.Status != want {
			t.Errorf("%.60s… is %q: %s", payload, got.Status, got.Detail)
		}
	}
}

// One wrong uid in a list took everybody in it along.
func TestOneWrongUIDDoesNotHoldUpTheOthers(t *testing.T) {
	events := departure.Decoder{}.Decode([]byte(`{"uid":["E1"," ","E2",7,"E1","E\n3"],"merchant":"wx0123456789abcdef"}`), departure.Meta{ID: "evt"})
	if len(events) != 4 || !slices.Equal(events[0].UIDs, []string{"E1", "E2"}) || events[0].Status != "" {
		t.Fatalf("got %+v", events)
	}
	for i, want := range []string{"uid: blank", "uid: has a control character", "uid: item 4 is a number where a string is expected: write it in quotes"} {
		if got := events[i+1]; got.Status != departure.Failed || !strings.HasPrefix(got.Detail, want) || got.ID != "evt" {
			t.Errorf("got %+v, want %s", got, want)
		}
	}
	if !slices.Equal(events[2].UIDs, []string{"E\n3"}) {
		t.Errorf("whose uid is wrong is not told: %+v", events[2])
	}
}

func TestAnIdOrSourceThatContainsAUidIsMasked(t *testing.T) {
	payload := `{"type":"employee.left","id":"left-zhangsan-7","source":"zhangsan","data":{"uid":["zhangsan","7"]}}`
	got := one(t, departure.Decoder{}.Decode([]byte(payload), departure.Meta{}))
	if got.ID != "left-z***n-7" || got.Source != "z***n" {
		t.Errorf("got id %s, source %s", got.ID, got.Source)
	}
}

func TestALongIDIsCut(t *testing.T) {
	long := strings.Repeat("张", 200)
	got := one(t, departure.Decoder{}.Decode([]byte(`{"type":"employee.left","id":"`+long+`","data":{"uid":"E1"}}`), departure.Meta{}))
	if got.ID != long[:255] {
		t.Errorf("got %d bytes", len(got.ID))
	}
}

func TestAnIdentifierMayBeAsLongAsItIsAllowed(t *testing.T) {
	uid := strings.Repeat("é", 128)
	got := one(t, departure.Decoder{}.Decode([]byte(`{"uid":"`+uid+`"}`), departure.Meta{}))
	if !slices.Equal(got.UIDs, []string{uid}) {
		t.Errorf("got %q", got.UIDs)
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
	pairs := event.Departures([]string{merchant, ""})
	if len(pairs) != 4 || pairs[1].UID != "张三" || pairs[1].Merchant != "" || pairs[2].UID != "<E&1>" || pairs[2].Merchant != merchant {
		t.Fatalf("pairs are not people outside, merchants inside: %+v", pairs)
	}
	for _, want := range pairs {
		body, err := json.Marshal(want.Event())
		if err != nil {
			t.Fatal(err)
		}
		read := one(t, departure.Decoder{}.Decode(body, departure.Meta{ID: "message", Time: at("2030-01-01T00:00:00Z")}))
		got := read.Departures([]string{""})
		if len(got) != 1 || !reflect.DeepEqual(got[0], want) {
			t.Errorf("%s\ncame back as %+v\nwent in as   %+v", body, got, want)
		}
	}
}

func TestPairsAreCountedBeforeTheyAreBuilt(t *testing.T) {
	events := []departure.Event{
		{UIDs: make([]string, 20)}, // for all merchants
		{UIDs: make([]string, 3), Merchants: make([]string, 2)},
		{UIDs: make([]string, 9), Status: departure.Failed}, // a dead letter each
		{UIDs: make([]string, 9), Status: departure.Unknown},
	}
	if got := departure.Pairs(events, 251); got != 20*251+3*2+9 {
		t.Errorf("got %d", got)
	}
	if got := departure.Pairs(events, 0); got != 20+3*2+9 {
		t.Errorf("got %d where the merchants are not known", got)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"specversion":"1.0","type":"employee.left","data":{"uid":["E1","E2"],"merchant":"wx0123456789abcdef","effective_at":"2026-11-30"}}`))
	f.Add([]byte(`{"uid":"E1001","effective_at":"2026-11-30T18:00:00+08:00"}`))
	f.Add([]byte(`{"type":"x","data":null}`))
	f.Add([]byte(`[{"uid":1}]`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		events := departure.Decoder{Zone: beijing}.Decode(payload, departure.Meta{})
		if len(events) == 0 {
			t.Error("nothing became of it")
		}
		for _, event := range events {
			if event.Status != "" {
				if event.Detail == "" || len(event.UIDs) > 1 || !utf8.ValidString(event.Detail) {
					t.Errorf("no reason, or with people: %+v", event)
				}
				continue
			}
			// What was accepted can be carried out, and can wait in the queue.
			if checked := event.Checked(); !reflect.DeepEqual(checked, []departure.Event{event}) {
				t.Fatalf("accepted %q, which is refused: %+v", payload, checked)
			}
			body, err := json.Marshal(event)
			if err != nil {
				t.Fatal(err)
			}
			again := departure.Decoder{Zone: beijing}.Decode(body, departure.Meta{})
			if len(again) != 1 || !slices.Equal(again[0].UIDs, event.UIDs) || !slices.Equal(again[0].Merchants, event.Merchants) ||
				!again[0].EffectiveAt.Equal(event.EffectiveAt) || again[0].Type != event.Type {
				t.Errorf("%s came back as %+v", body, again)
			}
		}
	})
}

// A webhook's dead letter keeps what was read: without this it named nobody.
func TestARefusedEventNamesItsPeople(t *testing.T) {
	for _, payload := range []string{
		`{"type":"employee.left","data":{"uid":"E1001","effective_at":"soon"}}`,
		`{"type":"employee.left","data":{"uid":"E1001","effectiveAt":"2036-01-01"}}`,
		`{"type":"employee.left","id":7,"data":{"uid":"E1001"}}`,
		`{"uid":"E1001","merchant":"nobody"}`,
		`{"uid":["E1001"],"merchant":7}`,
		`{"uid":"E1001","reason":"x"}`,
	} {
		got := one(t, departure.Decoder{}.Decode([]byte(payload), departure.Meta{}))
		if got.Status != departure.Failed || !slices.Equal(got.About, []string{"E1001"}) {
			t.Errorf("%s: got %+v", payload, got)
		}
	}
}

func TestOnlyTheTypeLosesItsPrefix(t *testing.T) {
	payload := `{"type":"com.example.employee.left","id":"order-5.employee.left","source":"com.example.employee.left","data":{"uid":"E1"}}`
	got := one(t, departure.Decoder{}.Decode([]byte(payload), departure.Meta{}))
	if got.Type != departure.TypeLeft || got.ID != "order-5.employee.left" || got.Source != "com.example.employee.left" {
		t.Errorf("got %+v", got.Meta)
	}
}

// The uids of a list were all built before they were counted.
func TestALongListIsCountedFirst(t *testing.T) {
	list := strings.TrimSuffix(strings.Repeat("0,", departure.MaxPairs+1), ",")
	got := one(t, departure.Decoder{}.Decode([]byte(`{"uid":[`+list+`]}`), departure.Meta{}))
	if got.Status != departure.Failed || got.Class != departure.ClassTooMany {
		t.Errorf("got %s, class %s", got.Status, got.Class)
	}
}

func TestAPrefixThatTakesBackTheTypeMakesItAnotherType(t *testing.T) {
	for eventType, want := range map[string]departure.Status{
		"cancelled.employee.left": departure.Ignored, "com.example.not.employee.left": departure.Ignored,
		"undo.employee.left": departure.Ignored, "hr.employee.left": "", "com.notion.employee.left": "",
	} {
		got := one(t, departure.Decoder{}.Decode([]byte(`{"type":"`+eventType+`","data":{"uid":"E1"}}`), departure.Meta{}))
		if got.Status != want {
			t.Errorf("%s: got %q", eventType, got.Status)
		}
	}
}
