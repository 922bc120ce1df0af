package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wedata-unbind/internal/lambdatest"
	"wedata-unbind/internal/source/sourcetest"
	"wedata-unbind/internal/wedata/wedatatest"
)

const (
	webhookKey = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	hrKey      = "a key that nobody guesses"
	hrToken    = "a token that nobody guesses"
	aesKey     = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"
)

// hrSystems are entries as docs/hr-systems.md has them.
const hrSystems = `{
	"webhooks": {"scheme":"standard-webhooks","keys":["` + webhookKey + `"]},
	"okta":     {"scheme":"okta","keys":["` + hrKey + `"],"uid":"target.#(type==\"User\").alternateId"},
	"feishu":   {"scheme":"feishu","encrypt_key":"` + hrKey + `","verification_token":"rvaYgkND1GOiu5MM0E1rncYC6PLtF7JV",
		"uid":["event.object.employee_no","event.target_user_id.user_id","event.employment_id"]},
	"lark":     {"scheme":"feishu","verification_token":"xxxxxx","uid":"event.object.user_id"},
	"dingtalk": {"scheme":"dingtalk","token":"` + hrToken + `","aes_key":"` + aesKey + `","owner_keys":["suite"],"uid":["userId","UserId"]},
	"wecom":    {"scheme":"wecom","token":"` + hrToken + `","aes_key":"` + aesKey + `","owner_keys":["corp","suite"],"uid":"UserID"},
	"gusto":    {"scheme":"hmac","keys":["` + hrKey + `"],"header":"X-Gusto-Signature",
		"left_when":{"event_type":["employee.termination_effective"]},"cancel_when":{"event_type":["employee.termination_cancelled"]},"uid":"entity_uuid","id":"uuid"},
	"bamboohr": {"scheme":"hmac","keys":["` + hrKey + `"],"header":"X-BambooHR-Signature",
		"left_when":{"data.changedFields.#(==\"status\")":["status"]},"uid":"data.employeeId"},
	"bamboohr-fields": {"scheme":"hmac","keys":["` + hrKey + `"],"header":"X-BambooHR-Signature","each":"employees",
		"left_when":{"fields.Status":["Inactive"]},"uid":"id"}
}`

// vendorSample returns a vendor's documented payload.
func vendorSample(t *testing.T, name string) []byte {
	t.Helper()
	return []byte(read(t, filepath.Join("..", "..", "internal", "source", "testdata", name)))
}

// newHR is a fixture with sources for the HR systems, where everybody in their samples is bound.
func newHR(t *testing.T) *fixture {
	t.Helper()
	w := newFixture(t, wedatatest.Options{})
	w.aws.Secrets.Put("wedata/sources", hrSystems)
	w.env["UNBIND_SOURCES_SECRET_ID"] = "wedata/sources"
	return w
}

// hrRequest is a request that its vendor signed, and what is to become of it.
type hrRequest struct {
	name, source string
	request      sourcetest.Request
	uid          string // who is unbound
	ignored      string // or why nobody is
}

func hrRequests(t *testing.T) []hrRequest {
	t.Helper()
	at := time.Now()
	okta := func(event string) []byte {
		return []byte(`{"data":{"events":[` + string(vendorSample(t, event)) + `]}}`)
	}
	offboarding := vendorSample(t, "feishu-corehr.offboarding.status_updated_v2.json")
	effective := bytes.Replace(offboarding, []byte(`"status": 1`), []byte(`"status": 3`), 1)
	return []hrRequest{
		{
			"Standard Webhooks", "webhooks",
			sourcetest.StandardWebhooks(webhookKey, at, []byte(`{"type":"employee.left","timestamp":"2026-11-23T00:59:00Z","data":{"uid":"E1001"}}`)), "E1001", "",
		},
		{
			"Standard Webhooks, another event", "webhooks",
			sourcetest.StandardWebhooks(webhookKey, at, vendorSample(t, "standardwebhooks-example.event.json")), "", "is not employee.left",
		},
		{"Okta, deactivated", "okta", sourcetest.Okta(hrKey, okta("okta-user.lifecycle.deactivate-logevent.json")), "john.doe@example.com", ""},
		{"Okta, a session", "okta", sourcetest.Okta(hrKey, vendorSample(t, "okta-event_hook-envelope.json")), "", "eventType is another value"},
		{"Feishu, deleted", "feishu", sourcetest.Feishu(hrKey, at, vendorSample(t, "feishu-contact.user.deleted_v3.json")), "e33ggbyz", ""},
		{"Feishu, resigned", "feishu", sourcetest.Feishu(hrKey, at, vendorSample(t, "feishu-corehr.employment.resigned_v1.json")), "7072306364927985196", ""},
		{"Feishu, offboarding started", "feishu", sourcetest.Feishu(hrKey, at, offboarding), "", "event.status is another value, wanted 3"},
		{"Feishu, offboarding effective", "feishu", sourcetest.Feishu(hrKey, at, effective), "e33ggbyz", ""},
		{
			"DingTalk", "dingtalk",
			sourcetest.DingTalk(hrToken, aesKey, "suite", at, vendorSample(t, "dingtalk-user_leave_org-http.json")), "015xxxx227", "",
		},
		{"WeCom", "wecom", sourcetest.WeCom(hrToken, aesKey, "suite", at, vendorSample(t, "wecom-delete_user-suite.xml")), "zhangsan", ""},
		{
			"Gusto, its token", "gusto",
			sourcetest.HMAC(hrKey, "X-Gusto-Signature", vendorSample(t, "gusto-verification_token.json")), "", `event_type is missing`,
		},
		{
			"BambooHR, another field", "bamboohr",
			sourcetest.HMAC(hrKey, "X-BambooHR-Signature", vendorSample(t, "bamboohr-employee.updated.json")), "", "is missing, wanted",
		},
		{
			"BambooHR by fields, another field", "bamboohr-fields",
			sourcetest.HMAC(hrKey, "X-BambooHR-Signature", vendorSample(t, "bamboohr-field-based-docs.json")), "", "fields.Status is missing",
		},
	}
}

func TestHRSystemsEndInAGoneBinding(t *testing.T) {
	for _, tc := range hrRequests(t) {
		t.Run(tc.name, func(t *testing.T) {
			w := newHR(t)
			w.wechat.Bind(shop, wedatatest.Bound(tc.uid))
			function := w.start(t)
			if got := statusCode(t, invoke(t, function, string(tc.request.Event("/hooks/"+tc.source)))); got != http.StatusOK {
				t.Fatalf("answered %d\n%s", got, function.Log())
			}
			if _, err := w.queue.Deliver(t.Context(), function, 10); err != nil {
				t.Fatal(err)
			}
			for _, b := range w.wechat.Bindings(shop) {
				if b.Bound == (b.UID == tc.uid && tc.uid != "") {
					t.Errorf("%s bound: %v", b.UID, b.Bound)
				}
			}
			if tc.ignored != "" && !logged(t, function, "ignored", tc.ignored) {
				t.Errorf("not ignored because %s:\n%s", tc.ignored, function.Log())
			}
			if strings.Contains(function.Log(), hrKey) || strings.Contains(function.Log(), hrToken) {
				t.Errorf("the log tells a key:\n%s", function.Log())
			}
		})
	}
}

// A verified request that cannot be read, or that names nobody, is accepted and lies in the dead-letter queue, where its
// id leads to the event.
func TestWhatCannotBeReadOfALeaverIsADeadLetter(t *testing.T) {
	for _, tc := range []struct {
		name, source string
		request      sourcetest.Request
		reason, id   string
	}{
		{
			"a name twice", "webhooks",
			sourcetest.StandardWebhooks(webhookKey, time.Now(), []byte(`{"type":"employee.left","data":{"uid":"E1","uid":"E2"}}`)), "stands twice", "msg_1",
		},
		{
			"half of XML", "gusto",
			sourcetest.HMAC(hrKey, "X-Gusto-Signature", []byte("<e><entity_uuid>E1</entity_uuid>")), "not XML", "",
		},
		{
			"nobody", "gusto",
			sourcetest.HMAC(hrKey, "X-Gusto-Signature", []byte(`{"uuid":"evt-9","event_type":"employee.termination_effective"}`)), "uid: nothing at entity_uuid", "evt-9",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newHR(t)
			function := w.start(t)
			if got := statusCode(t, invoke(t, function, string(tc.request.Event("/hooks/"+tc.source)))); got != http.StatusOK {
				t.Fatalf("answered %d\n%s", got, function.Log())
			}
			dead := w.dead.Messages()
			if len(dead) != 1 || len(w.queue.Messages()) > 0 || !strings.Contains(dead[0].Body, tc.reason) || !strings.Contains(dead[0].Body, tc.id) {
				t.Errorf("dead letters %+v", dead)
			}
			if !logged(t, function, "failed", tc.reason) {
				t.Errorf("the log has no reason:\n%s", function.Log())
			}
		})
	}
}

// One bit of the body, of the signature or of a timestamp, or another key: nobody is let in.
func TestWhatIsForgedIsRefused(t *testing.T) {
	for _, tc := range hrRequests(t) {
		forgeries := map[string]sourcetest.Request{}
		for name := range tc.request.Header {
			if name == "Content-Type" || name == "Webhook-Id" {
				continue
			}
			forged := clone(tc.request)
			forged.Header.Set(name, flip(tc.request.Header.Get(name)))
			forgeries[name] = forged
		}
		for name := range tc.request.Query {
			forged := clone(tc.request)
			forged.Query.Set(name, flip(tc.request.Query.Get(name)))
			forgeries[name] = forged
		}
		if tc.source != "okta" { // a bearer key proves the sender, not the body
			forged := clone(tc.request)
			middle := len(forged.Body) / 2
			forged.Body[middle] ^= 1
			forgeries["body"] = forged
		}
		w := newHR(t)
		function := w.start(t)
		for what, forged := range forgeries {
			t.Run(tc.name+"/"+what, func(t *testing.T) {
				if got := statusCode(t, invoke(t, function, string(forged.Event("/hooks/"+tc.source)))); got != http.StatusUnauthorized {
					t.Errorf("answered %d", got)
				}
				if queued := w.queue.Messages(); len(queued) > 0 {
					t.Errorf("queued %+v", queued)
				}
			})
		}
		t.Run(tc.name+"/key", func(t *testing.T) {
			w.aws.Secrets.Put("wedata/sources", strings.NewReplacer(webhookKey, "whsec_"+strings.Repeat("A", 32), hrKey, "another key", hrToken, "another token").Replace(hrSystems))
			if got := statusCode(t, invoke(t, w.start(t), string(tc.request.Event("/hooks/"+tc.source)))); got != http.StatusUnauthorized {
				t.Errorf("answered %d", got)
			}
		})
	}
}

func TestHandshakes(t *testing.T) {
	at := time.Now()
	w := newHR(t)
	function := w.start(t)
	challenge := vendorSample(t, "feishu-url_verification.json")
	sealed := bytes.Replace(challenge, []byte("xxxxxx"), []byte("rvaYgkND1GOiu5MM0E1rncYC6PLtF7JV"), 1)
	for _, tc := range []struct {
		name, source string
		request      sourcetest.Request
		want         string
	}{
		{"Feishu, plain", "lark", sourcetest.Request{Method: http.MethodPost, Body: challenge}, `{"challenge":"ajls384kdjx98XX"}`},
		{"Feishu, encrypted", "feishu", sourcetest.Feishu(hrKey, at, sealed), `{"challenge":"ajls384kdjx98XX"}`},
		{"WeCom", "wecom", sourcetest.WeComEcho(hrToken, aesKey, "corp", at, "1616140317555161061"), "1616140317555161061"},
		{"Okta", "okta", sourcetest.OktaChallenge(hrKey, "ODQ0MjYwMTEz"), `{"verification":"ODQ0MjYwMTEz"}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			reply := invoke(t, function, string(tc.request.Event("/hooks/"+tc.source)))
			var got struct {
				StatusCode int
				Body       string
			}
			if err := json.Unmarshal(reply.Payload, &got); err != nil || got.StatusCode != http.StatusOK || got.Body != tc.want {
				t.Errorf("got %s, %v, want %s", reply.Payload, err, tc.want)
			}
		})
	}
}

func clone(r sourcetest.Request) sourcetest.Request {
	query := map[string][]string{}
	for name, values := range r.Query {
		query[name] = append([]string(nil), values...)
	}
	return sourcetest.Request{Method: r.Method, Query: query, Header: r.Header.Clone(), Body: bytes.Clone(r.Body)}
}

// flip turns a bit near the end of a text, where base64 has no spare ones.
func flip(s string) string {
	b := []byte(s)
	b[len(b)/2] ^= 1
	return string(b)
}

func statusCode(t *testing.T, reply lambdatest.Reply) int {
	t.Helper()
	var got struct{ StatusCode int }
	if err := json.Unmarshal(reply.Payload, &got); err != nil {
		t.Fatalf("reply %s, %v", reply.Payload, reply.Err())
	}
	return got.StatusCode
}

// logged tells whether an outcome of that status was logged for that reason.
func logged(t *testing.T, function *lambdatest.Function, status, reason string) bool {
	t.Helper()
	for line := range strings.Lines(function.Log()) {
		var entry struct{ Message, Status, Reason string }
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatalf("log line %s: %v", line, err)
		}
		if entry.Message == "outcome" && entry.Status == status && strings.Contains(entry.Reason, reason) {
			return true
		}
	}
	return false
}
