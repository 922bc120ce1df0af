package source

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"wedata-unbind/internal/departure"
)

func faultsOf(t *testing.T, entry string) []string {
	t.Helper()
	entries, err := parse(`{"hr":`+entry+`,"fine":{"scheme":"bearer","keys":["test key"]}}`, departure.Decoder{})
	if err == nil {
		err = entries["hr"].fault
		if e := entries["fine"]; e.fault != nil || e.scheme == nil {
			t.Errorf("the entry beside it: %v", e.fault)
		}
	}
	var faulty *FaultsError
	if errors.As(err, &faulty) {
		return faulty.Faults
	}
	return nil
}

const notClosed = `a path has a bracket or quote that is not closed; one that is part of a name is written \\(`

const mapped = `"left_when":{"type":["left"]},"uid":"id"`

// faultRows are entries and what is wrong with them.
var faultRows = []struct {
	name  string
	entry string
	want  []string
}{
	{"no object", `3`, []string{"sources.hr: a number where a JSON object is expected"}},
	{"a member twice", `{"uid":"a","uid":"b"}`, []string{`sources: hr: member "uid" stands twice`}},
	{"an unknown scheme", `{"scheme":"md5","keys":["secret"]}`, []string{"sources.hr.scheme: is none of bearer, dingtalk, feishu, hmac, okta, standard-webhooks, wecom"}},
	{"an empty scheme", `{"scheme":""}`, []string{"sources.hr.scheme: empty"}},
	{"a member of no scheme", `{"keys":["test key"]}`, []string{"sources.hr.keys: an entry without a scheme has no such member"}},
	{"a member of another scheme", `{"scheme":"bearer","keys":["test key"],"token":"t"}`, []string{"sources.hr.token: the scheme bearer has no such member"}},

	{"bearer without keys", `{"scheme":"bearer"}`, []string{"sources.hr.keys: missing"}},
	{"no keys in the list", `{"scheme":"bearer","keys":[]}`, []string{"sources.hr.keys: an empty list"}},
	{"keys that are no list", `{"scheme":"bearer","keys":"secret"}`, []string{"sources.hr.keys: a string where a list of strings is expected"}},
	{"an empty key", `{"scheme":"bearer","keys":["test key",""]}`, []string{"sources.hr.keys[1]: empty"}},
	{"the word alone as a key", `{"scheme":"bearer","keys":["Bearer "]}`, []string{"sources.hr.keys[0]: has white space around it"}},
	{"a blank key", `{"scheme":"bearer","keys":[" "]}`, []string{"sources.hr.keys[0]: has white space around it"}},
	{"a number as a key", `{"scheme":"bearer","keys":[3]}`, []string{"sources.hr.keys[0]: a number where a string is expected"}},
	{"a key with a line end", `{"scheme":"bearer","keys":["secret\n"]}`, []string{"sources.hr.keys[0]: has white space around it"}},

	{"a webhook key without its mark", `{"scheme":"standard-webhooks","keys":["c2VjcmV0"]}`, []string{"sources.hr.keys[0]: does not start with whsec_"}},
	{"a webhook key that is too short", `{"scheme":"standard-webhooks","keys":["whsec_c2VjcmV0"]}`, []string{"sources.hr.keys[0]: is not the base64 of 24 to 64 bytes"}},
	{"a webhook key that is no base64", `{"scheme":"standard-webhooks","keys":["whsec_secret!"]}`, []string{"sources.hr.keys[0]: is not base64"}},

	{"hmac without a header", `{"scheme":"hmac","keys":["test key"]}`, []string{"sources.hr.header: missing: the name of the header with the signature"}},
	{"hmac, all else wrong", `{"scheme":"hmac","keys":["zz"],"key_encoding":"hex","header":"a b","algorithm":"md5","encoding":"hex2","signed":"{method}","tolerance":-1}`, []string{
		"sources.hr.algorithm: is none of sha1, sha256, sha512",
		"sources.hr.encoding: is none of base64, base64url, hex",
		"sources.hr.header: is neither the name of a header nor query: and the name of a parameter",
		`sources.hr.tolerance: neither a number of seconds nor a duration such as "10m"`,
		"sources.hr.keys[0]: is not hexadecimal",
		"sources.hr.signed: has no {body}: a body that is not signed proves nothing",
	}},
	{"an unknown key encoding", `{"scheme":"hmac","keys":["test key"],"header":"h","key_encoding":"utf-7"}`, []string{"sources.hr.key_encoding: is none of base64, hex, raw"}},
	{"an unknown placeholder", `{"scheme":"hmac","keys":["test key"],"header":"h","signed":"{url}{body}"}`, []string{"sources.hr.signed: has a { that starts none of {body}, {method}, {header:NAME}, {query:NAME}, {timestamp}"}},
	{"an open placeholder", `{"scheme":"hmac","keys":["test key"],"header":"h","signed":"{body}{header:x"}`, []string{"sources.hr.signed: has a { that starts none of {body}, {method}, {header:NAME}, {query:NAME}, {timestamp}"}},
	{"a timestamp that is not signed", `{"scheme":"hmac","keys":["test key"],"header":"h","timestamp_header":"x-time"}`, []string{"sources.hr.signed: has no {header:X-Time}: a timestamp that is not signed proves nothing"}},
	{"a tolerance of nothing", `{"scheme":"hmac","keys":["test key"],"header":"h","tolerance":60}`, []string{"sources.hr.tolerance: has no effect without a timestamp_header or timestamp_prefix"}},

	{"feishu without a key", `{"scheme":"feishu","uid":"a"}`, []string{"sources.hr.encrypt_key: missing: give it, or verification_token"}},
	{"feishu with an empty key", `{"scheme":"feishu","uid":"a","encrypt_key":"","verification_token":"t"}`, []string{"sources.hr.encrypt_key: empty"}},
	{"feishu without a uid", `{"scheme":"feishu","verification_token":"t"}`, []string{"sources.hr.uid: missing: the path of the identifier by which We分析 knows the person"}},
	{"dingtalk without anything", `{"scheme":"dingtalk","uid":"a"}`, []string{"sources.hr.token: missing", "sources.hr.aes_key: missing", "sources.hr.owner_keys: missing"}},
	{"a key of the wrong length", `{"scheme":"wecom","token":"t","aes_key":"` + aesKey[1:] + `","owner_keys":["o"],"uid":"a"}`, []string{"sources.hr.aes_key: is not 43 characters of base64"}},
	{"a key with a line break", `{"scheme":"wecom","token":"t","aes_key":"` + aesKey[:42] + `\n","owner_keys":["o"],"uid":"a"}`, []string{"sources.hr.aes_key: has white space around it"}},
	{"a key with a line break inside", `{"scheme":"wecom","token":"t","aes_key":"` + aesKey[:20] + `\n` + aesKey[21:] + `","owner_keys":["o"],"uid":"a"}`, []string{"sources.hr.aes_key: is not 43 characters of base64"}},
	{"a merchant that is none", `{"scheme":"bearer","keys":["test key"],"merchants":["wx0123456789abcdef","WX1"]}`, []string{"sources.hr.merchants[1]: is not an appid such as wx0123456789abcdef"}},
	{"a key of the wrong letters", `{"scheme":"wecom","token":"t","aes_key":"!` + aesKey[1:] + `","owner_keys":["o"],"uid":"a"}`, []string{"sources.hr.aes_key: is not 43 characters of base64"}},
	{"no owner", `{"scheme":"wecom","token":"t","aes_key":"` + aesKey + `","owner_keys":[""],"uid":"a"}`, []string{"sources.hr.owner_keys[0]: empty"}},

	{"a uid without left_when", `{"uid":"a"}`, []string{"sources.hr.left_when: missing: write {} where every event of this source is a departure"}},
	{"left_when without a uid", `{"left_when":{"a":[1]}}`, []string{"sources.hr.uid: missing: the path of the identifier by which We分析 knows the person"}},
	{"no conditions", `{"left_when":{},"cancel_when":{},"uid":"a"}`, []string{"sources.hr.cancel_when: has no condition, so every event is a cancellation: leave left_when out"}},
	{"conditions that are none", `{"left_when":{"a":1,"b":[],"c":[[1]],"":[1]},"uid":"a"}`, []string{
		"sources.hr.left_when.a: a list of strings, numbers or booleans is expected",
		"sources.hr.left_when.b: a list of strings, numbers or booleans is expected",
		"sources.hr.left_when.c: a list of strings, numbers or booleans is expected",
		"sources.hr.left_when: a path is blank",
	}},
	{"conditions in a list", `{"left_when":["a"],"uid":"a"}`, []string{"sources.hr.left_when: a list where a JSON object is expected"}},
	{"paths that are none", `{` + mapped + `,"id":3,"time":[],"effective":[""],"each":""}`, []string{
		"sources.hr.each: empty", "sources.hr.effective[0]: empty",
		"sources.hr.id: a number where a string is expected", "sources.hr.time: an empty list",
	}},
	{"people without a uid", `{` + mapped + `,"people":{"7":"E7","8":8}}`, []string{"sources.hr.people: not an object of HR ids to uids, or a uid is not a string or blank"}},
	{"people that are none", `{` + mapped + `,"people":null}`, []string{"sources.hr.people: not an object of HR ids to uids, or a uid is not a string or blank"}},
	{"people twice", `{` + mapped + `,"people":{"张三":"E7","张三":"E8"}}`, []string{"sources.hr.people: a name stands twice"}},
	{"people twice, by a name of letters", `{` + mapped + `,"people":{"zhangsan":"E7","zhangsan":"E8"}}`, []string{"sources.hr.people: a name stands twice"}},
	{"a name twice inside people", `{` + mapped + `,"people":{"zhangsan":{"a":1,"a":2}}}`, []string{"sources.hr.people: a name stands twice"}},
	{"a member that may be a key", `{"scheme":"bearer","keys":["test key"],"s3cr3t-0f-hr":1}`, []string{"sources.hr.(name not shown): the scheme bearer has no such member"}},

	{"a key that is short", `{"scheme":"bearer","keys":["1234567"]}`, []string{"sources.hr.keys[0]: has 7 bytes, at least 8 are needed"}},
	{"a key that is short without the word", `{"scheme":"bearer","keys":["Bearer 1234567"]}`, []string{"sources.hr.keys[0]: has 7 bytes, at least 8 are needed"}},
	{"a key that is short once decoded", `{"scheme":"hmac","keys":["c2VjcmV0"],"key_encoding":"base64","header":"h"}`, []string{"sources.hr.keys[0]: has 6 bytes, at least 8 are needed"}},
	{"an encrypt key that is short", `{"scheme":"feishu","encrypt_key":"1234567","uid":"a"}`, []string{"sources.hr.encrypt_key: has 7 bytes, at least 8 are needed"}},
	{"a key that was not filled in", `{"scheme":"okta","keys":["…"],"uid":"a"}`, []string{"sources.hr.keys[0]: has a … or a zero byte in it: write it in full"}},
	{"a key that was filled in by half", `{"scheme":"standard-webhooks","keys":["whsec_abcdefghijkl…"]}`, []string{"sources.hr.keys[0]: has a … or a zero byte in it: write it in full"}},
	{"a zero byte in a key", `{"scheme":"bearer","keys":["test\u0000key"]}`, []string{"sources.hr.keys[0]: has a … or a zero byte in it: write it in full"}},
	{"a token that was not filled in", `{"scheme":"feishu","verification_token":"…","uid":"a"}`, []string{"sources.hr.verification_token: has a … or a zero byte in it: write it in full"}},
	{"an owner that was not filled in", `{"scheme":"wecom","token":"t","aes_key":"` + aesKey + `","owner_keys":["ww…"],"uid":"a"}`, []string{"sources.hr.owner_keys[0]: has a … or a zero byte in it: write it in full"}},
	{"a key of an example", `{"scheme":"bearer","keys":["your-key-here"]}`, []string{"sources.hr.keys[0]: a placeholder: write the one that the sender uses"}},
	{"another key of an example", `{"scheme":"hmac","keys":["Change_Me"],"header":"h"}`, []string{"sources.hr.keys[0]: a placeholder: write the one that the sender uses"}},
	{"a token of an example", `{"scheme":"wecom","token":"secret","aes_key":"` + aesKey + `","owner_keys":["o"],"uid":"a"}`, []string{"sources.hr.token: a placeholder: write the one that the sender uses"}},

	{"paths that are not closed", `{"each":"list.#(a==1","left_when":{"{a,b":[1]},"uid":["a","#(t==\"User)\").id"],"effective":"[a","id":"@join:{","time":"#(t==\"User)"}`, []string{
		"sources.hr.left_when: " + notClosed, "sources.hr.effective: " + notClosed, "sources.hr.id: " + notClosed, "sources.hr.time: " + notClosed, "sources.hr.each: " + notClosed,
	}},
	{"paths that are closed", `{"each":"list.#(a==\"(\")#","left_when":{"{a,b}":[1]},"uid":"target.#(type==\"User\").id","id":"a\\(b","time":"a)b"}`, nil},

	{"no merchants", `{"merchants":[]}`, []string{"sources.hr.merchants: an empty list"}},
	{"all merchants and one", `{"merchants":["*","wx1"]}`, []string{`sources.hr.merchants: "*" means all: name no other beside it`}},
	{"an offset that is none", `{"utc_offset":"Asia/Shanghai"}`, []string{"sources.hr.utc_offset: is not an offset such as +08:00"}},

	{"an entry that says nothing", `{}`, nil},
	{"a topic's mapping", `{` + mapped + `,"each":"list","cancel_when":{"type":["back"]},"people":{},"effective":"day","id":["a","b"],"time":"t","merchants":["wx1"],"utc_offset":"-03:30"}`, nil},
	{"all of hmac", `{"scheme":"hmac","keys":["AAECAwQFBgc="],"key_encoding":"base64","header":"h","algorithm":"sha1","encoding":"base64url","prefix":"v0=","signed":"v0:{header:t}:{method}\n{body} ","timestamp_header":"T","tolerance":"10m",` + mapped + `}`, nil},
}

func TestFaults(t *testing.T) {
	for _, tt := range faultRows {
		t.Run(tt.name, func(t *testing.T) {
			got := faultsOf(t, tt.entry)
			if !slices.Equal(got, tt.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
			if strings.Contains(strings.Join(got, " "), "secret") {
				t.Error("a fault quotes a key")
			}
		})
	}
}

// Item 25: what check-sources called good. Item 23: no name that may be a key or HR id is shown.
func TestNamesOfSources(t *testing.T) {
	for _, tt := range []struct{ name, secret, want string }{
		{"an empty name", `{"":{}}`, "sources.(name not shown): no address ends in this name: it is empty or has a slash"},
		{"a name with a slash", `{"a/b":{"scheme":"bearer","keys":["test key"]}}`, "sources.(name not shown): no address ends in this name: it is empty or has a slash"},
		{"an event source with a slash", `{"aws.partner/a/b":{}}`, ""},
		{"a name that is not shown", `{"张三":{"uid":""}}`, "sources.(name not shown).uid: empty"},
		{"a long name", `{"` + strings.Repeat("x", 61) + `":3}`, "sources.(name not shown): a number where a JSON object is expected"},
		{"a schema beside them", `{"$schema":"sources.json","hr":{}}`, ""},
		{"a syntax error", "{\"hr\":\n  {\"scheme\":}}", "sources: not JSON: invalid character '}' at start of value (line 2, column 13)"},
		{"no source", `{}`, "sources: there is no source in it"},
		{"nothing but a schema", `{"$schema":"sources.json"}`, "sources: there is no source in it"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got string
			var faulty *FaultsError
			if err := registryOf(&vault{versions: []string{tt.secret}}).Check(t.Context()); errors.As(err, &faulty) {
				got = faulty.Faults[0]
			} else if err != nil {
				t.Fatal(err)
			}
			if got != tt.want {
				t.Errorf("got %s", got)
			}
		})
	}
	if _, err := registryOf(&vault{versions: []string{`{}`}}).Receive(t.Context(), "张三", httpRequest(post(nil)), nil, envelope); err == nil ||
		!errors.Is(err, ErrUnknownSource) || strings.Contains(err.Error(), "张三") {
		t.Errorf("a name not shown: %v", err)
	}
}

func TestASecretThatIsNone(t *testing.T) {
	for _, secret := range []string{"", "whsec_stolen", `["stolen"]`, `{"a":{}}stolen`, `{"a":{},"a":{}}`} {
		entries, err := parse(secret, departure.Decoder{})
		var faulty *FaultsError
		if entries != nil || !errors.As(err, &faulty) || !strings.HasPrefix(faulty.Faults[0], "sources: ") {
			t.Errorf("%q: got %v, %v", secret, entries, err)
		}
		if err != nil && strings.Contains(err.Error(), "stolen") {
			t.Errorf("quotes the secret: %v", err)
		}
	}
}

// Every name of the table has to be read and fail without members, and none may let a request in.
func TestEverySchemeNeedsItsMembers(t *testing.T) {
	for name := range schemes {
		if got := faultsOf(t, `{"scheme":"`+name+`","uid":"id","left_when":{}}`); len(got) == 0 {
			t.Errorf("%s needs nothing", name)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, entry := range []string{feishuEntry, dingTalkEntry, weComEntry, oktaEntry, webhookEntry, gustoEntry} {
		f.Add(`{"hr":` + entry + `}`)
	}
	f.Add(`{"hr":{"left_when":{"a":[1,"b",true,null]},"uid":["a"],"utc_offset":"+08:00","people":{"a":"b"}}}`)
	f.Fuzz(func(t *testing.T, secret string) {
		entries, err := parse(secret, departure.Decoder{})
		if (entries == nil) == (err == nil) {
			t.Fatalf("got %v, %v", entries, err)
		}
		for name, e := range entries {
			if e.fault == nil && e.mapping != nil && len(e.mapping.uid.paths) == 0 {
				t.Errorf("%s has expressions and no uid", name)
			}
			if e.fault == nil {
				eventsOf(t, e, []byte(`{"a":[{"b":1}]}`))
			}
		}
	})
}
