package source

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/source/sourcetest"
)

const (
	feishuEntry   = `{"scheme":"feishu","encrypt_key":"` + encryptKey + `","uid":["event.object.employee_no","event.target_user_id.user_id","event.employment_id"]}`
	dingTalkEntry = `{"scheme":"dingtalk",` + sealedEntry + `,"uid":["userId","UserId"]}`
	weComEntry    = `{"scheme":"wecom",` + sealedEntry + `,"uid":"UserID"}`
	oktaEntry     = `{"scheme":"okta","keys":["old key","okta key"],"uid":"target.#(type==\"User\").alternateId"}`
	webhookEntry  = `{"scheme":"standard-webhooks","keys":["` + webhookKey + `"]}`
	gustoEntry    = `{"scheme":"hmac","keys":["hmac key"],"header":"x-signature",
		"left_when":{"event_type":["employee.termination_effective"]},"cancel_when":{"event_type":["employee.termination_cancelled"]},"uid":"entity_uuid"}`
)

// delivery is a request that its source signed.
type delivery struct {
	name  string
	entry string
	make  func(testing.TB) sourcetest.Request
	want  string // what tell makes of its events
	reply string
}

func deliveries() []delivery {
	feishuSample := func(name string) func(testing.TB) sourcetest.Request {
		return func(t testing.TB) sourcetest.Request { return signFeishu(sealFeishu(sample(t, name))) }
	}
	okta := func(event string) func(testing.TB) sourcetest.Request {
		return func(t testing.TB) sourcetest.Request {
			return fromOkta([]byte(`{"data":{"events":[` + string(sample(t, event)) + `,` + string(sample(t, event)) + `]}}`))
		}
	}
	const counted = `{"accepted":1,"ignored":2}`
	return []delivery{
		{
			"Feishu, a contact deleted", feishuEntry, feishuSample("feishu-contact.user.deleted_v3.json"),
			"left e33ggbyz", counted,
		},
		{
			"Feishu, resigned", feishuEntry, feishuSample("feishu-corehr.employment.resigned_v1.json"),
			"left 7072306364927985196", counted,
		},
		{
			"Feishu, offboarding only started", feishuEntry, feishuSample("feishu-corehr.offboarding.status_updated_v2.json"),
			"ignored: event.status is 1, wanted 3", counted,
		},
		{
			"DingTalk", dingTalkEntry, func(t testing.TB) sourcetest.Request {
				return fromDingTalk(sample(t, "dingtalk-user_leave_org-http.json"))
			},
			"left 015xxxx227", "",
		},
		{
			"WeCom, third-party app", weComEntry, func(t testing.TB) sourcetest.Request {
				return fromWeCom(sample(t, "wecom-delete_user-suite.xml"), "suite")
			},
			"left zhangsan", "",
		},
		{
			"Okta, a batch", oktaEntry, okta("okta-user.lifecycle.deactivate-logevent.json"),
			"left john.doe@example.com; left john.doe@example.com", counted,
		},
		{
			"Okta, a session", oktaEntry, func(t testing.TB) sourcetest.Request { return fromOkta(sample(t, "okta-event_hook-envelope.json")) },
			`ignored: eventType is "user.session.start", wanted "user.lifecycle.deactivate" or "user.lifecycle.delete.initiated"`, counted,
		},
		{
			"Standard Webhooks, another event", webhookEntry,
			func(t testing.TB) sourcetest.Request {
				return fromStandardWebhooks(sample(t, "standardwebhooks-example.event.json"))
			},
			`ignored: type "example.event" is not employee.left`, counted,
		},
		{
			"Standard Webhooks, a departure", webhookEntry, func(testing.TB) sourcetest.Request {
				return fromStandardWebhooks([]byte(`{"type":"employee.left","timestamp":"2026-11-23T00:59:00Z","data":{"uid":"E1","effective_at":"2026-11-30"}}`))
			},
			"left E1 at 2026-12-01T00:00:00+08:00", counted,
		},
		{
			"Gusto, taken back", gustoEntry, func(t testing.TB) sourcetest.Request {
				return fromHMAC(sample(t, "gusto-employee.termination_cancelled.json"))
			},
			"left.cancelled bcfc9744-0ab3-4ef3-ab0d-e728255d659c", counted,
		},
		{
			"Gusto, its token", gustoEntry, func(t testing.TB) sourcetest.Request { return fromHMAC(sample(t, "gusto-verification_token.json")) },
			`ignored: event_type is missing, wanted "employee.termination_effective"`, counted,
		},
		{
			"a form", gustoEntry, func(testing.TB) sourcetest.Request {
				r := fromHMAC([]byte("event_type=employee.termination_effective&entity_uuid=E%2B1"))
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")
				return r
			},
			"left E+1", counted,
		},
		{
			"bare XML", gustoEntry, func(testing.TB) sourcetest.Request {
				return fromHMAC([]byte("\ufeff<?xml version=\"1.0\"?><e><event_type>employee.termination_effective</event_type><entity_uuid>E1</entity_uuid></e>"))
			},
			"left E1", counted,
		},
		{
			"a ping that is no data", gustoEntry, func(testing.TB) sourcetest.Request { return fromHMAC([]byte("Ping test")) },
			`ignored: event_type is missing, wanted "employee.termination_effective"`, counted,
		},
	}
}

func TestReceive(t *testing.T) {
	for _, d := range deliveries() {
		t.Run(d.name, func(t *testing.T) {
			got, err := receive(newRegistry(d.entry), d.make(t))
			if err != nil {
				t.Fatal(err)
			}
			if told := tell(got.Events); told != d.want {
				t.Errorf("got  %s\nwant %s", told, d.want)
			}
			reply, err := got.Reply(1, 2)
			if err != nil || d.reply != "" && string(reply.Body) != d.reply {
				t.Errorf("replied %s, %v", reply.Body, err)
			}
		})
	}
}

// flip returns the text with one of its bits turned.
func flip(s string, at int) string {
	b := []byte(s)
	b[at] ^= 1 << (at % 8)
	return string(b)
}

// signedPart returns the bounds of what is signed of a body: nothing of a bearer's, and what is encrypted of WeCom's.
func signedPart(entry string, body []byte) (from, to int) {
	switch entry {
	case oktaEntry:
		return 0, 0
	case weComEntry:
		return bytes.LastIndex(body, []byte("CDATA[")) + len("CDATA["), bytes.LastIndex(body, []byte("]]>"))
	}
	return 0, len(body)
}

// One bit of the body, of a header, of the query or of the key makes every delivery one that proves nothing.
func TestNothingCanBeChanged(t *testing.T) {
	for _, d := range deliveries() {
		t.Run(d.name, func(t *testing.T) {
			refused := func(what, entry string, r sourcetest.Request) {
				t.Helper()
				if got, err := receive(newRegistry(entry), r); !errors.Is(err, ErrNotVerified) || got.Events != nil {
					t.Errorf("%s: got %v, %v", what, got.Events, err)
				}
			}
			signed := d.make(t)
			from, to := signedPart(d.entry, signed.Body)
			for i := from; i < to; i++ {
				r := signed
				r.Body = []byte(flip(string(signed.Body), i))
				refused("body", d.entry, r)
			}
			signed.Header.Del("Content-Type")
			for name, values := range signed.Header {
				for i := range values[0] {
					r := signed
					r.Header = signed.Header.Clone()
					r.Header.Set(name, flip(values[0], i))
					refused(name, d.entry, r)
				}
			}
			for name, values := range signed.Query {
				for i := range values[0] {
					r := signed
					r.Query = maps.Clone(signed.Query)
					r.Query.Set(name, flip(values[0], i))
					refused(name, d.entry, r)
				}
			}
			for _, key := range []string{webhookKey, "hmac key", "okta key", encryptKey, "callback token"} {
				other := strings.Replace(d.entry, key, key[:len(key)-1]+string(key[len(key)-1]^1), 1)
				if other != d.entry {
					refused("key", other, signed)
				}
			}
		})
	}
}

func TestHandshakes(t *testing.T) {
	const both = `{"scheme":"feishu","encrypt_key":"` + encryptKey + `","verification_token":"xxxxxx","uid":"event.object.user_id"}`
	tokenOnly := strings.Replace(both, `"encrypt_key":"`+encryptKey+`",`, "", 1)
	keyOnly := strings.Replace(both, `"verification_token":"xxxxxx",`, "", 1)
	otherToken := strings.Replace(both, "xxxxxx", "yyyyyy", 1)
	plain := func(t testing.TB) sourcetest.Request { return post(sample(t, "feishu-url_verification.json")) }
	sealed := func(t testing.TB) sourcetest.Request {
		return post(sealFeishu(sample(t, "feishu-url_verification.json")))
	}
	okta := func(headers ...string) func(testing.TB) sourcetest.Request {
		return func(testing.TB) sourcetest.Request {
			r := post(nil, headers...)
			r.Method = http.MethodGet
			return r
		}
	}
	weCom := func(testing.TB) sourcetest.Request {
		v := vectors[0]
		r := post(nil)
		r.Method = http.MethodGet
		r.Query = map[string][]string{"msg_signature": {v.signature}, "timestamp": {v.timestamp}, "nonce": {v.nonce}, "echostr": {v.sealed}}
		return r
	}
	const published = `{"scheme":"wecom","token":"QDG6eK","aes_key":"jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C","owner_keys":["wx5823bf96d3bd56c7"],"uid":"UserID"}`
	for _, tt := range []struct {
		name  string
		entry string
		make  func(testing.TB) sourcetest.Request
		want  string
		err   error
	}{
		{"WeCom, a message in the place of a challenge", weComEntry, func(t testing.TB) sourcetest.Request {
			r := fromWeCom(sample(t, "wecom-delete_user-suite.xml"), "suite")
			sealed := string(r.Body[bytes.LastIndex(r.Body, []byte("CDATA["))+len("CDATA[") : bytes.LastIndex(r.Body, []byte("]]>"))])
			r.Method = http.MethodGet
			r.Query.Set("echostr", sealed)
			return r
		}, "", ErrNotVerified},
		{"Feishu, plain, by its token", tokenOnly, plain, `{"challenge":"ajls384kdjx98XX"}`, nil},
		{"Feishu, plain, by its token, with a key too", both, plain, `{"challenge":"ajls384kdjx98XX"}`, nil},
		{"Feishu, encrypted", keyOnly, sealed, `{"challenge":"ajls384kdjx98XX"}`, nil},
		{"Feishu, encrypted, with a token too", both, sealed, `{"challenge":"ajls384kdjx98XX"}`, nil},
		{"Feishu, encrypted and signed", both, func(t testing.TB) sourcetest.Request { return signFeishu(sealed(t).Body) }, `{"challenge":"ajls384kdjx98XX"}`, nil},
		{"Feishu, encrypted and signed by another", both, func(t testing.TB) sourcetest.Request {
			r := signFeishu(sealed(t).Body)
			r.Header.Set("X-Lark-Signature", strings.Repeat("0", 64))
			return r
		}, "", ErrNotVerified},
		{"Feishu, plain, with no token to know it by", keyOnly, plain, "", ErrNotVerified},
		{"Feishu, another's token", otherToken, plain, "", ErrNotVerified},
		{"Feishu, another's token, encrypted", otherToken, sealed, "", ErrNotVerified},
		{"Feishu, encrypted, with no key to read it", tokenOnly, sealed, "", ErrNotVerified},
		{"Okta", oktaEntry, okta("Authorization", "okta key", "X-Okta-Verification-Challenge", `a"b`), `{"verification":"a\"b"}`, nil},
		{"Okta, from a stranger", oktaEntry, okta("X-Okta-Verification-Challenge", "abc"), "", ErrNotVerified},
		{"Okta, without a challenge", oktaEntry, okta("Authorization", "okta key"), "", ErrMalformed},
		{"WeCom, as published", published, weCom, "1616140317555161061", nil},
		{"WeCom, another echostr", published, func(t testing.TB) sourcetest.Request {
			r := weCom(t)
			r.Query.Set("echostr", vectors[1].sealed)
			return r
		}, "", ErrNotVerified},
		{"WeCom, two echostr", published, func(t testing.TB) sourcetest.Request {
			r := weCom(t)
			r.Query.Add("echostr", vectors[0].sealed)
			return r
		}, "", ErrNotVerified},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, err := receive(newRegistry(tt.entry), tt.make(t))
			if !errors.Is(err, tt.err) || len(d.Events) > 0 {
				t.Fatalf("got %v, %v", d.Events, err)
			}
			if tt.err != nil {
				return
			}
			if reply, err := d.Reply(0, 0); string(reply.Body) != tt.want || err != nil {
				t.Errorf("replied %s, %v", reply.Body, err)
			}
		})
	}
}

func TestFeishuByTokenAlone(t *testing.T) {
	entry := `{"scheme":"feishu","verification_token":"rvaYgkND1GOiu5MM0E1rncYC6PLtF7JV","uid":"event.object.user_id"}`
	body := sample(t, "feishu-contact.user.deleted_v3.json")
	if d, err := receive(newRegistry(entry), post(body)); tell(d.Events) != "left e33ggbyz" || err != nil {
		t.Errorf("version 2: got %s, %v", tell(d.Events), err)
	}
	old := []byte(`{"uuid":"u1","token":"rvaYgkND1GOiu5MM0E1rncYC6PLtF7JV","type":"event_callback","event":{"type":"user_leave"}}`)
	if d, err := receive(newRegistry(entry), post(old)); err != nil || len(d.Events) != 1 || d.Events[0].ID != "u1" || d.Events[0].Status != departure.Ignored {
		t.Errorf("version 1: got %+v, %v", d.Events, err)
	}
	for name, body := range map[string][]byte{
		"another token":           bytes.Replace(body, []byte("rvaY"), []byte("rvaZ"), 1),
		"no token":                []byte(`{"header":{}}`),
		"a token that is no text": []byte(`{"header":{"token":true}}`),
	} {
		if d, err := receive(newRegistry(entry), post(body)); !errors.Is(err, ErrNotVerified) || d.Events != nil {
			t.Errorf("%s: got %v, %v", name, d.Events, err)
		}
	}
}

// What is not signed, or signed and not encrypted, is refused where there is a key, whatever token it shows.
func TestFeishuWithAKey(t *testing.T) {
	entry := `{"scheme":"feishu","encrypt_key":"` + encryptKey + `","verification_token":"rvaYgkND1GOiu5MM0E1rncYC6PLtF7JV","uid":"event.object.user_id"}`
	body := sample(t, "feishu-contact.user.deleted_v3.json")
	for name, r := range map[string]sourcetest.Request{
		"neither":   post(body),
		"signed":    signFeishu(body),
		"encrypted": post(sealFeishu(body)),
	} {
		if d, err := receive(newRegistry(entry), r); !errors.Is(err, ErrNotVerified) || d.Events != nil {
			t.Errorf("%s: got %v, %v", name, d.Events, err)
		}
	}
	if d, err := receive(newRegistry(entry), signFeishu(sealFeishu(body))); tell(d.Events) != "left e33ggbyz" || err != nil {
		t.Errorf("both: got %s, %v", tell(d.Events), err)
	}
}

func TestDingTalkIsAnsweredInItsCipher(t *testing.T) {
	d, err := receive(newRegistry(dingTalkEntry), fromDingTalk([]byte(`{"EventType":"check_url"}`)))
	if err != nil || tell(d.Events) != `ignored: EventType is "check_url", wanted "user_leave_org"` {
		t.Fatalf("got %s, %v", tell(d.Events), err)
	}
	reply, err := d.Reply(0, 1)
	if err != nil {
		t.Fatal(err)
	}
	var said struct {
		Signature string `json:"msg_signature"`
		Timestamp string `json:"timeStamp"`
		Nonce     string `json:"nonce"`
		Encrypt   string `json:"encrypt"`
	}
	if err := json.Unmarshal(reply.Body, &said); err != nil {
		t.Fatal(err)
	}
	c := newCallback(t, "callback token", aesKey, "corp")
	text, _, err := c.open(map[string][]string{"signature": {said.Signature}, "timestamp": {said.Timestamp}, "nonce": {said.Nonce}}, said.Encrypt)
	if string(text) != "success" || err != nil || said.Timestamp != "1795395600000" || reply.ContentType != "application/json" {
		t.Errorf("answered %s: %q, %v", reply.Body, text, err)
	}
	again, _ := d.Reply(0, 1)
	if bytes.Equal(again.Body, reply.Body) {
		t.Error("two answers are the same: nothing in them is random")
	}
}

func TestDingTalkAnswersNothingWithoutRandomBytes(t *testing.T) {
	c := newCallback(t, "token", aesKey, "corp")
	c.random = bytes.NewReader(nil)
	if reply, err := (dingTalk{c}).success("corp", now); err == nil || reply.Body != nil {
		t.Errorf("got %v, %v", reply, err)
	}
}

// The vector of the Standard Webhooks specification's libraries, at the time it is from.
func TestStandardWebhooksVector(t *testing.T) {
	var v struct {
		Secret    string `json:"secret"`
		ID        string `json:"webhook-id"`
		Timestamp string `json:"webhook-timestamp"`
		Body      string `json:"body"`
		Signature string `json:"webhook-signature"`
	}
	if err := json.Unmarshal(sample(t, "standardwebhooks-vector.json"), &v); err != nil {
		t.Fatal(err)
	}
	sent := time.Unix(1614265330, 0)
	entry := `{"scheme":"standard-webhooks","keys":["whsec_` + base64.StdEncoding.EncodeToString(make([]byte, 24)) + `","` + v.Secret + `"]}`
	request := func(signature string) sourcetest.Request {
		return post([]byte(v.Body), "webhook-id", v.ID, "webhook-timestamp", v.Timestamp, "webhook-signature", signature)
	}
	for _, tt := range []struct {
		name      string
		signature string
		at        time.Time
		want      error
	}{
		{"in time", v.Signature, sent, nil},
		{"five minutes old", v.Signature, sent.Add(5 * time.Minute), nil},
		{"older", v.Signature, sent.Add(5*time.Minute + time.Second), ErrNotVerified},
		{"five minutes early", v.Signature, sent.Add(-5 * time.Minute), nil},
		{"earlier", v.Signature, sent.Add(-5*time.Minute - time.Second), ErrNotVerified},
		{"among others", "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc= v2,abc " + v.Signature, sent, nil},
		{"joined by a front end", "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc=," + v.Signature, sent, nil},
		{"of another version", strings.Replace(v.Signature, "v1,", "v2,", 1), sent, ErrNotVerified},
		{"without a version", strings.TrimPrefix(v.Signature, "v1,"), sent, ErrNotVerified},
		{"empty", "", sent, ErrNotVerified},
		{"nothing after the version", "v1,", sent, ErrNotVerified},
	} {
		t.Run(tt.name, func(t *testing.T) {
			reg := newRegistry(entry)
			reg.cfg.Now = func() time.Time { return tt.at }
			d, err := receive(reg, request(tt.signature))
			if !errors.Is(err, tt.want) || (err == nil) != (len(d.Events) == 1) {
				t.Fatalf("got %v, %v", d.Events, err)
			}
		})
	}
}

func TestWhatARequestMayBe(t *testing.T) {
	departed := []byte(`{"uid":"E1"}`)
	entry := `{"scheme":"hmac","keys":["hmac key"],"header":"X-Signature"}`
	with := func(r sourcetest.Request, change func(*sourcetest.Request)) sourcetest.Request {
		change(&r)
		return r
	}
	header := func(name string, values ...string) sourcetest.Request {
		return with(fromHMAC(departed), func(r *sourcetest.Request) { r.Header[name] = values })
	}
	signature := fromHMAC(departed).Header.Get("X-Signature")
	for _, tt := range []struct {
		name string
		r    sourcetest.Request
		want error
	}{
		{"as it should be", fromHMAC(departed), nil},
		{"GET", with(fromHMAC(departed), func(r *sourcetest.Request) { r.Method = http.MethodGet }), ErrMethod},
		{"PUT", with(fromHMAC(departed), func(r *sourcetest.Request) { r.Method = http.MethodPut }), ErrMethod},
		{"too large", fromHMAC(bytes.Repeat([]byte(" "), MaxBody+1)), ErrTooLarge},
		{"no signature", post(departed), ErrNotVerified},
		{"an empty signature", header("X-Signature", ""), ErrNotVerified},
		{"two signatures in one value", header("X-Signature", strings.Repeat("0", 64)+" "+signature), nil},
		{"two signatures, joined", header("X-Signature", strings.Repeat("0", 64)+", "+signature), nil},
		{"two signatures in two values", header("X-Signature", strings.Repeat("0", 64), signature), nil},
		{"padded", header("X-Signature", signature+"=="), nil},
		{"in upper case", header("X-Signature", strings.ToUpper(signature)), ErrNotVerified},
		{"compressed", header("Content-Encoding", "gzip"), ErrMalformed},
		{"called uncompressed", header("Content-Encoding", "identity"), nil},
		{"in another charset", header("Content-Type", "application/json; charset=gb18030"), ErrMalformed},
		{"in UTF-8", header("Content-Type", "application/json; charset=UTF-8"), nil},
		{"a type of its own", header("Content-Type", "application/vnd.hr+json"), nil},
		{"a byte order mark", fromHMAC([]byte("\ufeff" + string(departed))), nil},
		{"no body", fromHMAC(nil), ErrMalformed},
		{"no JSON", fromHMAC([]byte("{")), ErrMalformed},
		{"trailing data", fromHMAC([]byte(`{"uid":"E1"}{"uid":"E2"}`)), ErrMalformed},
		{"a name twice", fromHMAC([]byte(`{"uid":"E1","uid":"E2"}`)), ErrMalformed},
		{"a name twice, once in disguise", fromHMAC([]byte(`{"uid":"E1","\u0075id":"E2"}`)), ErrMalformed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, err := receive(newRegistry(entry), tt.r)
			if !errors.Is(err, tt.want) {
				t.Fatalf("got %v", err)
			}
			if want := map[bool]string{true: "left E1"}[err == nil]; tell(d.Events) != want {
				t.Errorf("got %s", tell(d.Events))
			}
		})
	}
}

func TestBearer(t *testing.T) {
	for _, tt := range []struct {
		name, members, header string
		values                []string
		want                  error
	}{
		{"with the word", `"keys":["k1","k2"]`, "Authorization", []string{"Bearer k2"}, nil},
		{"without the word", `"keys":["k1","k2"]`, "Authorization", []string{"k1"}, nil},
		{"the word in the entry", `"keys":["Bearer k1"]`, "Authorization", []string{"Bearer k1"}, nil},
		{"a header of its own", `"keys":["k1"],"header":"x-api-key"`, "X-Api-Key", []string{"k1"}, nil},
		{"another key", `"keys":["k1"]`, "Authorization", []string{"Bearer k2"}, ErrNotVerified},
		{"longer", `"keys":["k1"]`, "Authorization", []string{"Bearer k11"}, ErrNotVerified},
		{"the word alone", `"keys":["k1"]`, "Authorization", []string{"Bearer "}, ErrNotVerified},
		{"twice", `"keys":["k1"]`, "Authorization", []string{"k1", "k1"}, ErrNotVerified},
		{"not at all", `"keys":["k1"]`, "Authorization", nil, ErrNotVerified},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := post([]byte(`{"uid":"E1"}`))
			r.Header[tt.header] = tt.values
			if _, err := receive(newRegistry(`{"scheme":"bearer",`+tt.members+`}`), r); !errors.Is(err, tt.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// The errors go to the log: neither key nor body may be in them.
func TestErrorsQuoteNoSecret(t *testing.T) {
	for _, d := range deliveries() {
		r := d.make(t)
		for name := range r.Header {
			r.Header.Set(name, "stolen-"+r.Header.Get(name))
		}
		r.Query = nil
		_, err := receive(newRegistry(d.entry), r)
		if err == nil {
			t.Fatalf("%s: no error", d.name)
		}
		for _, secret := range []string{"stolen", "hmac key", "okta key", encryptKey, "callback token", webhookKey, aesKey, "E1"} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%s: %v", d.name, err)
			}
		}
	}
}
