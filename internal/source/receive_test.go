package source

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
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
	oktaEntry     = `{"scheme":"okta","keys":["old key of okta","okta key"],"uid":"target.#(type==\"User\").alternateId"}`
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
			"ignored: event.status is another value, wanted 3", counted,
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
			"left zhangsan", "success",
		},
		{
			"Okta, a batch", oktaEntry, okta("okta-user.lifecycle.deactivate-logevent.json"),
			"left john.doe@example.com; left john.doe@example.com", counted,
		},
		{
			"Okta, a session", oktaEntry, func(t testing.TB) sourcetest.Request { return fromOkta(sample(t, "okta-event_hook-envelope.json")) },
			`ignored: eventType is another value, wanted "user.lifecycle.deactivate" or "user.lifecycle.delete.initiated"`, counted,
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
			"ignored: a text and no event, such as a test delivery", counted,
		},
	}
}

// Every delivery is read, and its reply is one that the OpenAPI document shows.
func TestReceive(t *testing.T) {
	c, _ := schemas(t)
	const content = "openapi.yaml#/paths/~1hooks~1{source}/post/responses/200/content/application~1json/schema"
	validate := compile(t, c, content)
	for _, d := range deliveries() {
		t.Run(d.name, func(t *testing.T) {
			got, err := receive(newRegistry(d.entry), d.make(t))
			if err != nil {
				t.Fatal(err)
			}
			if told := tell(got.Events); told != d.want {
				t.Errorf("got  %s\nwant %s", told, d.want)
			}
			reply := got.Reply(1, 2)
			if d.reply != "" && string(reply.Body) != d.reply {
				t.Errorf("replied %s", reply.Body)
			}
			if d.entry == weComEntry {
				if reply.ContentType != "text/plain; charset=utf-8" {
					t.Errorf("replied %v", reply)
				}
			} else if err := validate(string(reply.Body)); err != nil || reply.ContentType != "application/json" {
				t.Errorf("replied %s: %v", reply.Body, err)
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

// With one other bit in the body, a header, the query or the key, no delivery is verified. The errors go to the log, so
// they quote neither key nor body.
func TestNothingCanBeChanged(t *testing.T) {
	for _, d := range deliveries() {
		t.Run(d.name, func(t *testing.T) {
			refused := func(what string, reg *Registry, r sourcetest.Request) {
				t.Helper()
				got, err := receive(reg, r)
				if !errors.Is(err, ErrNotVerified) || got.Events != nil {
					t.Fatalf("%s: got %v, %v", what, got.Events, err)
				}
				for _, secret := range []string{"stolen", "hmac key", "okta key", encryptKey, "callback token", webhookKey, aesKey, "E1"} {
					if strings.Contains(err.Error(), secret) {
						t.Errorf("%s: %v", what, err)
					}
				}
			}
			reg, signed := newRegistry(d.entry), d.make(t)
			from, to := signedPart(d.entry, signed.Body)
			for i := from; i < to; i++ {
				r := signed
				r.Body = []byte(flip(string(signed.Body), i))
				refused("body", reg, r)
			}
			signed.Header.Del("Content-Type")
			for name, values := range signed.Header {
				for i := range values[0] {
					r := signed
					r.Header = signed.Header.Clone()
					r.Header.Set(name, flip(values[0], i))
					if d.entry == gustoEntry && strings.EqualFold(r.Header.Get(name), values[0]) { // hexadecimal
						continue
					}
					refused(name, reg, r)
				}
			}
			for name, values := range signed.Query {
				for i := range values[0] {
					r := signed
					r.Query = maps.Clone(signed.Query)
					r.Query.Set(name, flip(values[0], i))
					refused(name, reg, r)
				}
			}
			for _, key := range []string{webhookKey, "hmac key", "okta key", encryptKey, "callback token"} {
				other := strings.Replace(d.entry, key, key[:len(key)-1]+string(key[len(key)-1]^1), 1)
				if other != d.entry {
					refused("key", newRegistry(other), signed)
				}
			}
			r := signed
			r.Header, r.Query = signed.Header.Clone(), nil
			for name := range r.Header {
				r.Header.Set(name, "stolen-"+r.Header.Get(name))
			}
			refused("every header", reg, r)
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
		{"WeCom, a word in the place of a challenge", weComEntry, func(testing.TB) sourcetest.Request {
			return sourcetest.WeComEcho("callback token", aesKey, "corp", now, "16161403175551x61061")
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
		{"Okta, without the key", oktaEntry, okta("X-Okta-Verification-Challenge", "abc"), "", ErrNotVerified},
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
			reg := newRegistry(tt.entry)
			if tt.entry == published {
				reg.cfg.Now = func() time.Time { return time.Unix(1409659813, 0) }
			}
			d, err := receive(reg, tt.make(t))
			if !errors.Is(err, tt.err) || len(d.Events) > 0 {
				t.Fatalf("got %v, %v", d.Events, err)
			}
			if tt.err != nil {
				return
			}
			if reply := d.Reply(0, 0); string(reply.Body) != tt.want {
				t.Errorf("replied %s", reply.Body)
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
	if err != nil || tell(d.Events) != "" {
		t.Fatalf("got %s, %v", tell(d.Events), err)
	}
	reply := d.Reply(0, 1)
	var answer struct {
		Signature string `json:"msg_signature"`
		Timestamp string `json:"timeStamp"`
		Nonce     string `json:"nonce"`
		Encrypt   string `json:"encrypt"`
	}
	if err := json.Unmarshal(reply.Body, &answer); err != nil {
		t.Fatal(err)
	}
	c := newCallback(t, "callback token", aesKey, "corp")
	text, _, err := c.open(map[string][]string{"signature": {answer.Signature}, "timestamp": {answer.Timestamp}, "nonce": {answer.Nonce}}, answer.Encrypt)
	if string(text) != "success" || err != nil || answer.Timestamp != "1795395600000" || reply.ContentType != "application/json" {
		t.Errorf("answered %s: %q, %v", reply.Body, text, err)
	}
	if bytes.Equal(d.Reply(0, 1).Body, reply.Body) {
		t.Error("two answers are the same: nothing in them is random")
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
		{"in upper case", header("X-Signature", strings.ToUpper(signature)), nil},
		{"called uncompressed", header("Content-Encoding", "identity"), nil},
		{"in UTF-8", header("Content-Type", "application/json; charset=UTF-8"), nil},
		{"a type of its own", header("Content-Type", "application/vnd.hr+json"), nil},
		{"a byte order mark", fromHMAC([]byte("\ufeff" + string(departed))), nil},
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

// Item 9: a verified request that nobody can read was answered 400 and forgotten. It is a failed event and gets the reply
// that the vendor takes for success.
func TestWhatIsVerifiedAndCannotBeReadIsAFailedEvent(t *testing.T) {
	hmacEntry := `{"scheme":"hmac","keys":["hmac key"],"header":"X-Signature"}`
	typed := func(body, name, value string) sourcetest.Request {
		r := fromHMAC([]byte(body))
		r.Header.Set(name, value)
		return r
	}
	bearer := post([]byte(`{"uid":"E1","uid":"E2"}`), "Authorization", "test key")
	feishu := func(body string) sourcetest.Request { return signFeishu(sealFeishu([]byte(body))) }
	const counted, twice = `{"accepted":1,"ignored":0}`, `member "uid" stands twice`
	for _, tt := range []struct {
		name, entry string
		r           sourcetest.Request
		want, reply string
	}{
		{"compressed", hmacEntry, typed(`{"uid":"E1"}`, "Content-Encoding", "gzip"), "the body is compressed: have it sent as it is", counted},
		{"in another charset", hmacEntry, typed(`{"uid":"E1"}`, "Content-Type", "application/json; charset=gb18030"), "the body is not in UTF-8: have it sent in UTF-8", counted},
		{
			"multipart", hmacEntry, typed("--x\r\nContent-Disposition: form-data; name=\"uid\"\r\n\r\nE1\r\n--x--\r\n", "Content-Type", "multipart/form-data; boundary=x"),
			"not JSON: invalid character '-'", counted,
		},
		{"no body", hmacEntry, fromHMAC(nil), "not JSON: it is empty or ends too early", counted},
		{"half a body", hmacEntry, fromHMAC([]byte("{")), "not JSON: it is empty or ends too early", counted},
		{"trailing data", hmacEntry, fromHMAC([]byte(`{"uid":"E1"}{"uid":"E2"}`)), "not JSON: invalid character '{'", counted},
		{"a name twice", hmacEntry, fromHMAC([]byte(`{"uid":"E1","uid":"E2"}`)), twice, counted},
		{"a name twice, written differently", hmacEntry, fromHMAC([]byte(`{"uid":"E1","\u0075id":"E2"}`)), twice, counted},
		{"a name twice in a form", hmacEntry, fromHMAC([]byte(`uid=E1&uid=E2`)), "a name stands twice in the form", counted},
		{"half of XML", hmacEntry, fromHMAC([]byte(`<e><uid>E1</uid>`)), "not XML, not complete", counted},
		{"bearer", `{"scheme":"bearer","keys":["test key"]}`, bearer, twice, counted},
		{"Standard Webhooks", webhookEntry, fromStandardWebhooks([]byte(`{"uid":"E1","uid":"E2"}`)), twice, counted},
		{"Okta", oktaEntry, fromOkta([]byte(`{"uid":"E1","uid":"E2"}`)), twice, counted},
		{"Feishu", feishuEntry, feishu(`{"uid":"E1","uid":"E2"}`), twice, counted},
		{"Feishu, around what is encrypted", feishuEntry, signFeishu([]byte(`{"encrypt":"a","encrypt":"b"}`)), `member "encrypt" stands twice`, counted},
		{"DingTalk", dingTalkEntry, fromDingTalk([]byte(`{"uid":"E1","uid":"E2"}`)), twice, ""},
		{"WeCom", weComEntry, fromWeCom([]byte(`<xml><UserID>E1</UserID>`), "corp"), "not XML, not complete", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, err := receive(newRegistry(tt.entry), tt.r)
			if err != nil || len(d.Events) != 1 {
				t.Fatalf("got %v, %v", d.Events, err)
			}
			e := d.Events[0]
			if e.Status != departure.Failed || e.Class != departure.ClassBadEvent || !strings.HasPrefix(e.Detail, tt.want) || e.Source != "hr" {
				t.Errorf("got %+v", e)
			}
			reply := d.Reply(1, 0)
			if tt.reply != "" && string(reply.Body) != tt.reply {
				t.Errorf("replied %s", reply.Body)
			}
			if tt.entry == dingTalkEntry && !strings.Contains(string(reply.Body), `"encrypt"`) || tt.entry == weComEntry && len(reply.Body) > 0 {
				t.Errorf("replied %s", reply.Body)
			}
		})
	}
}

// What is not signed stays unverified, whatever is wrong with its body: the reason must not tell how it was decrypted.
func TestFeishuThatIsNotSignedAndCannotBeRead(t *testing.T) {
	for name, body := range map[string][]byte{
		"outside": []byte(`{"encrypt":"a","encrypt":"b"}`), "inside": sealFeishu([]byte(`{"uid":"E1","uid":"E2"}`)),
	} {
		d, err := receive(newRegistry(feishuEntry), post(body))
		if !errors.Is(err, ErrNotVerified) || d.Events != nil || name == "inside" && err.Error() != errSealed.Error() {
			t.Errorf("%s: got %v, %v", name, d.Events, err)
		}
	}
}

// Item 26: of a form, bytes could move between the body and a header beside it: the signature of E1 with the timestamp 23
// is also that of E12 with the timestamp 3.
func TestNoBytesOfAFormMoveIntoAHeader(t *testing.T) {
	const touching = `{"scheme":"hmac","keys":["hmac key"],"header":"X-Signature","signed":%q}`
	const fault = "sources.hr.signed: {body} touches another part"
	for _, tt := range []struct {
		name, signed, body, want string
	}{
		{"a form", "{body}{header:x-time}", "uid=E12", fault},
		{"a form after a header", "{header:x-time}{body}", "uid=E12", fault},
		{"a form after the method", "{method}{body}", "uid=E12", fault},
		{"a form with text between", "{header:x-time}.{body}", "uid=E12", "left E12"},
		{"JSON", "{body}{header:x-time}", `{"uid":"E12"}`, "left E12"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			entry := strings.Replace(fmt.Sprintf(touching, tt.signed), `"signed"`, `"left_when":{},"uid":"uid","signed"`, 1)
			r := post([]byte(tt.body), "X-Time", "3", "Content-Type", "application/x-www-form-urlencoded")
			signed := strings.NewReplacer("{body}", tt.body, "{header:x-time}", "3", "{method}", "POST").Replace(tt.signed)
			r.Header.Set("X-Signature", sourcetest.HMAC("hmac key", "X-Signature", []byte(signed)).Header.Get("X-Signature"))
			d, err := receive(newRegistry(entry), r)
			var faulty *FaultsError
			switch {
			case errors.As(err, &faulty):
				if !strings.HasPrefix(faulty.Faults[0], tt.want) || d.Events != nil {
					t.Errorf("got %v, %v", d.Events, err)
				}
			case err != nil || tell(d.Events) != tt.want:
				t.Errorf("got %s, %v", tell(d.Events), err)
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
		{"with the word", `"keys":["first key","second key"]`, "Authorization", []string{"Bearer second key"}, nil},
		{"without the word", `"keys":["first key","second key"]`, "Authorization", []string{"first key"}, nil},
		{"the word in the entry", `"keys":["Bearer first key"]`, "Authorization", []string{"Bearer first key"}, nil},
		{"a header of its own", `"keys":["first key"],"header":"x-api-key"`, "X-Api-Key", []string{"first key"}, nil},
		{"another key", `"keys":["first key"]`, "Authorization", []string{"Bearer second key"}, ErrNotVerified},
		{"longer", `"keys":["first key"]`, "Authorization", []string{"Bearer first key1"}, ErrNotVerified},
		{"the word alone", `"keys":["first key"]`, "Authorization", []string{"Bearer "}, ErrNotVerified},
		{"twice", `"keys":["first key"]`, "Authorization", []string{"first key", "first key"}, ErrNotVerified},
		{"not at all", `"keys":["first key"]`, "Authorization", nil, ErrNotVerified},
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
