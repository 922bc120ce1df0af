package events_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"wedata-unbind/internal/lambdatest"
	"wedata-unbind/internal/wedata/wedatatest"
)

const (
	key = "kY7#pQ2vLx9+Rm4zWt8/Bn6"

	// hr signs its bodies; unbind shows a key. feishu has its own ways.
	sources = `{
		"hr": {"scheme":"hmac","keys":["` + key + `"],"header":"X-Signature","encoding":"hex"},
		"unbind": {"scheme":"bearer","keys":["` + key + `"],"header":"Authorization"},
		"mapped": {"scheme":"bearer","keys":["` + key + `"],"header":"Authorization",
			"left_when":{"event":["terminated"]},"uid":"employee.id","people":{"1":"E1001","2":"E1002"},"id":"id"},
		"elsewhere": {"scheme":"bearer","keys":["` + key + `"],"header":"Authorization","merchants":["wxfedcba9876543210"]},
		"lark": {"scheme":"feishu","verification_token":"xxxxxx","uid":"event.object.employee_no"},
		"faulty": {"scheme":"hmac","keys":[""],"header":"X-Signature"}
	}`
)

// webhook is a request, in the form of either of the two payload formats.
type webhook struct {
	method, path, body string
	header             map[string]string
	base64             bool
}

func post(path, body string, header ...string) webhook {
	w := webhook{method: http.MethodPost, path: path, body: body, header: map[string]string{"content-type": "application/json"}}
	for i := 0; i < len(header); i += 2 {
		w.header[header[i]] = header[i+1]
	}
	return w
}

// signed is a request of the source hr.
func signed(body string) webhook {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(body))
	return post("/hooks/hr", body, "x-signature", hex.EncodeToString(mac.Sum(nil)))
}

// bearer is a request that shows the key.
func bearer(path, body string) webhook { return post(path, body, "authorization", "Bearer "+key) }

func (w webhook) encoded() string {
	if w.base64 {
		return base64.StdEncoding.EncodeToString([]byte(w.body))
	}
	return w.body
}

func (w webhook) v2(t *testing.T) string {
	t.Helper()
	return mustJSON(t, map[string]any{
		"version": "2.0", "rawPath": w.path, "rawQueryString": "", "headers": w.header, "body": w.encoded(), "isBase64Encoded": w.base64,
		"requestContext": map[string]any{"requestId": "JKJaXmPLvHcESHA=", "http": map[string]any{"method": w.method, "path": w.path}},
	})
}

func (w webhook) v1(t *testing.T) string {
	t.Helper()
	many := map[string][]string{}
	for name, value := range w.header {
		many[strings.ToUpper(name)] = []string{value}
	}
	return mustJSON(t, map[string]any{
		"httpMethod": w.method, "path": w.path, "headers": w.header, "multiValueHeaders": many, "body": w.encoded(), "isBase64Encoded": w.base64,
		"requestContext": map[string]any{"requestId": "77375676-xmpl", "httpMethod": w.method},
	})
}

// answer is the function's reply as a front end reads it.
type answer struct {
	StatusCode int               `json:"statusCode"`
	Headers    map[string]string `json:"headers"`
	Body       string            `json:"body"`
}

func (b *bench) request(t *testing.T, event string) answer {
	t.Helper()
	reply, err := b.send(t, event)
	if err != nil {
		t.Fatal(err)
	}
	var a answer
	if err := json.Unmarshal([]byte(reply), &a); err != nil {
		t.Fatalf("reply %s: %v", reply, err)
	}
	return a
}

func TestAWebhookIsQueuedAndEndsInAGoneBinding(t *testing.T) {
	encoded := signed(`{"type":"employee.left","id":"evt-1","time":"2026-11-23T01:00:00Z","data":{"uid":["E1001","E1002"]}}`)
	encoded.base64 = true
	for name, event := range map[string]string{
		"payload format 1.0": signed(encoded.body).v1(t),
		"payload format 2.0": signed(encoded.body).v2(t),
		"base64":             encoded.v2(t),
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, options{sources: sources})
			got := b.request(t, event)
			if got.StatusCode != http.StatusOK || got.Body != `{"accepted":2,"ignored":0}` || got.Headers["Content-Type"] != "application/json" {
				t.Fatalf("got %+v", got)
			}
			if calls := b.wechat.Calls(); len(calls) > 0 {
				t.Errorf("the vendor waited for WeChat: %+v", calls)
			}
			const want = `{"specversion":"1.0","source":"hr","id":"evt-1","type":"employee.left","time":"2026-11-23T01:00:00Z","data":{"uid":"E1001","merchant":"wx0123456789abcdef"}}`
			if waiting := b.queue.Messages(); len(waiting) != 2 || waiting[0].Body != want {
				t.Errorf("queued %+v\nwant %s", waiting, want)
			}
			b.deliver(t)
			if b.bound("E1001") || b.bound("E1002") || len(b.queue.Messages()) > 0 {
				t.Error("still bound")
			}
			if lines := b.logged(t, "outcome"); len(lines) != 4 || lines[0]["status"] != "queued" || lines[0]["trigger"] != "http" || lines[2]["source"] != "hr" || lines[2]["event_id"] != "evt-1" {
				t.Errorf("logged %v", lines)
			}
		})
	}
}

func TestWhoIsNotVerifiedLearnsNothing(t *testing.T) {
	forged := signed(`{"uid":"E1001"}`)
	forged.body = `{"uid":"E1002"}`
	get := bearer("/hooks/mapped", "")
	get.method = http.MethodGet
	put := bearer("/unbind", `{"uid":"E1001"}`)
	put.method = http.MethodPut
	broken := signed("")
	broken.base64, broken.body = true, ""
	notBase64 := strings.Replace(broken.v2(t), `"body":""`, `"body":"%"`, 1)
	for _, tc := range []struct {
		name  string
		event string
		want  int
	}{
		{"an unsigned request", post("/hooks/hr", `{"uid":"E1001"}`).v2(t), http.StatusUnauthorized},
		{"a forged request", forged.v2(t), http.StatusUnauthorized},
		{"another key", post("/unbind", `{"uid":"E1001"}`, "authorization", "Bearer guess").v2(t), http.StatusUnauthorized},
		{"a source nobody knows", bearer("/hooks/nobody", `{"uid":"E1001"}`).v2(t), http.StatusNotFound},
		{"another path", bearer("/", `{"uid":"E1001"}`).v2(t), http.StatusNotFound},
		{"a path that ends otherwise", bearer("/unbind/", `{"uid":"E1001"}`).v2(t), http.StatusNotFound},
		{"no source in the path", bearer("/hooks/", `{"uid":"E1001"}`).v2(t), http.StatusNotFound},
		{"a method nobody needs", get.v2(t), http.StatusMethodNotAllowed},
		{"a method nobody needs to unbind", put.v2(t), http.StatusMethodNotAllowed},
		{"a body that is too large", signed(strings.Repeat(" ", 256<<10+1)).v2(t), http.StatusRequestEntityTooLarge},
		{"no base64", notBase64, http.StatusBadRequest},
		{"a faulty source", bearer("/hooks/faulty", `{"uid":"E1001"}`).v2(t), http.StatusServiceUnavailable},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBench(t, options{sources: sources})
			got := b.request(t, tc.event)
			want := fmt.Sprintf(`{"instance":%q,"status":%d,"title":%q,"type":"about:blank"}`, requestID, tc.want, http.StatusText(tc.want))
			if got.StatusCode != tc.want || got.Body != want || got.Headers["Content-Type"] != "application/problem+json" {
				t.Errorf("got  %+v\nwant %s", got, want)
			}
			if (got.Headers["Retry-After"] != "") != (tc.want == http.StatusServiceUnavailable) {
				t.Errorf("Retry-After is %q", got.Headers["Retry-After"])
			}
			if left := len(b.queue.Messages()) + len(b.dead.Messages()) + len(b.wechat.Calls()); left > 0 {
				t.Error("something was done")
			}
			msg := map[int]string{http.StatusUnauthorized: "signature refused", http.StatusServiceUnavailable: "request not served"}[tc.want]
			if msg == "" {
				msg = "request refused"
			}
			lines := b.logged(t, msg)
			if len(lines) != 1 || lines[0]["reason"] == "" || strings.Contains(b.log.String(), key) {
				t.Fatalf("logged %s", b.log.String())
			}
			if strings.Contains(tc.event, "/hooks/hr") && tc.want != http.StatusBadRequest && lines[0]["source"] != "hr" {
				t.Errorf("the log does not tell whose request it was: %v", lines[0])
			}
		})
	}
}

func TestWithoutSourcesThereIsNothingOnAnyPath(t *testing.T) {
	for _, request := range []webhook{
		post("/unbind", `{"uid":"E1001"}`),
		{method: http.MethodGet, path: "/unbind"},
		{method: http.MethodDelete, path: "/hooks/hr"},
		signed(`{"uid":"E1001"}`),
		post("/", ""),
	} {
		for _, event := range []string{request.v1(t), request.v2(t), strings.Replace(request.v2(t), `"rawQueryString":""`, `"rawQueryString":"%zz"`, 1)} {
			if got := newBench(t, options{}).request(t, event); got.StatusCode != http.StatusNotFound {
				t.Errorf("%s %s: got %d", request.method, request.path, got.StatusCode)
			}
		}
	}
}

// A sender that calls its JSON a form, as curl -d does, lost the leaver: the whole body was taken for the name of a field.
func TestJSONIsJSONWhateverItsSenderCallsIt(t *testing.T) {
	b := newBench(t, options{sources: sources})
	hook := signed(`{"uid":"E1001"}`)
	hook.header["content-type"] = "application/x-www-form-urlencoded"
	if got := b.request(t, hook.v2(t)); got.StatusCode != http.StatusOK || len(b.queue.Messages()) != 1 {
		t.Errorf("got %+v, %d messages in the queue, %d dead letters", got, len(b.queue.Messages()), len(b.dead.Messages()))
	}
}

// Who has proved to be one source must not be written down as another.
func TestTheProvenNameCounts(t *testing.T) {
	b := newBench(t, options{sources: sources})
	b.request(t, signed(`{"type":"employee.left","source":"okta","data":{"uid":"E1001"}}`).v2(t))
	if waiting := b.queue.Messages(); len(waiting) != 1 || !strings.Contains(waiting[0].Body, `"source":"hr"`) {
		t.Errorf("queued %+v", waiting)
	}
	if lines := b.logged(t, "outcome"); len(lines) != 1 || lines[0]["source"] != "hr" {
		t.Errorf("logged %v", lines)
	}
}

func TestATestDeliveryIsNoAlarm(t *testing.T) {
	b := newBench(t, options{sources: sources})
	if got := b.request(t, signed("Ping test").v2(t)); got.Body != `{"accepted":0,"ignored":1}` || len(b.dead.Messages()) > 0 {
		t.Errorf("got %+v, %d dead letters", got, len(b.dead.Messages()))
	}
}

func TestAMappedWebhook(t *testing.T) {
	for _, tc := range []struct {
		name, body       string
		want             string
		status           string
		queued, deadends int
	}{
		{"somebody left", `{"event":"terminated","id":"x-1","employee":{"id":1}}`, `{"accepted":1,"ignored":0}`, "queued", 1, 0},
		{"something else happened", `{"event":"hired","employee":{"id":1}}`, `{"accepted":0,"ignored":1}`, "ignored", 0, 0},
		{"somebody left whom nobody knows here", `{"event":"terminated","employee":{"id":3}}`, `{"accepted":0,"ignored":1}`, "unknown", 0, 0},
		{"somebody left, and it is not told who", `{"event":"terminated","id":"x-2"}`, `{"accepted":1,"ignored":0}`, "failed", 0, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBench(t, options{sources: sources})
			if got := b.request(t, bearer("/prod/hooks/mapped", tc.body).v2(t)); got.StatusCode != http.StatusOK || got.Body != tc.want {
				t.Errorf("got %+v, want %s", got, tc.want)
			}
			if lines := b.logged(t, "outcome"); len(lines) != 1 || lines[0]["status"] != tc.status || (lines[0]["reason"] == "") != (tc.status == "queued") {
				t.Errorf("logged %v", lines)
			}
			dead := b.dead.Messages()
			if len(b.queue.Messages()) != tc.queued || len(dead) != tc.deadends {
				t.Fatalf("%d queued, %d dead", len(b.queue.Messages()), len(dead))
			}
			if tc.deadends > 0 {
				a := dead[0].Attributes
				if a["source"].StringValue != "mapped" || a["event_id"].StringValue != "x-2" || a["reason"].StringValue == "" || strings.Contains(dead[0].Body, "terminated") {
					t.Errorf("the dead letter is %s with %+v", dead[0].Body, a)
				}
			}
		})
	}
}

func TestASourceCannotReachAnotherMerchant(t *testing.T) {
	b := newBench(t, options{sources: sources})
	got := b.request(t, bearer("/hooks/elsewhere", `{"uid":"E1001","merchant":"`+shop+`"}`).v2(t))
	if got.StatusCode != http.StatusOK || len(b.queue.Messages()) != 0 || len(b.dead.Messages()) != 1 {
		t.Errorf("got %+v, %d queued, %d dead", got, len(b.queue.Messages()), len(b.dead.Messages()))
	}
}

func TestAHandshakeIsAnswered(t *testing.T) {
	b := newBench(t, options{sources: sources})
	got := b.request(t, post("/hooks/lark", `{"challenge":"ajls384kdjx98XX","token":"xxxxxx","type":"url_verification"}`).v2(t))
	if got.StatusCode != http.StatusOK || got.Body != `{"challenge":"ajls384kdjx98XX"}` {
		t.Errorf("got %+v", got)
	}
}

// Who is in no table of people may have left, and nobody is unbound. It was logged like a person who was never bound.
func TestWhoIsInNoTableIsAWarning(t *testing.T) {
	b := newBench(t, options{sources: sources})
	if got := b.request(t, bearer("/hooks/mapped", `{"event":"terminated","employee":{"id":"7"}}`).v2(t)); got.StatusCode != http.StatusOK {
		t.Fatalf("got %+v", got)
	}
	lines := b.logged(t, "outcome")
	if len(lines) != 1 || lines[0]["level"] != "WARN" || lines[0]["status"] != "unknown" || lines[0]["class"] != "unmapped" {
		t.Errorf("logged %v", lines)
	}
}

func TestWhatCannotBeQueuedIsNotAcknowledged(t *testing.T) {
	body := `{"type":"employee.left","data":{"uid":["E1001","E1002"]}}`
	fromVendor := func(t *testing.T) string { return signed(body).v2(t) }
	mapped := func(t *testing.T) string { return bearer("/hooks/mapped", `{"event":"terminated"}`).v2(t) }
	for _, tc := range []struct {
		name   string
		inject func(*bench)
		event  func(*testing.T) string
	}{
		{"the queue is not reached", func(b *bench) { b.sqs.Fail(lambdatest.Fault{Times: -1, Drop: true}) }, fromVendor},
		{"the queue takes one of two", func(b *bench) { b.sqs.FailEntries("E1002", "InternalError", -1) }, fromVendor},
		{"the queue is slow", func(b *bench) { b.sqs.Fail(lambdatest.Fault{Times: -1, Hang: true}) }, fromVendor},
		{"the dead-letter queue is not reached", func(b *bench) { b.sqs.Fail(lambdatest.Fault{Times: -1, Drop: true}) }, mapped},
		{"the sources are not read", func(b *bench) {
			b.secrets.Fail(lambdatest.Fault{Times: -1, Code: "InternalServiceError", Status: 500})
		}, fromVendor},
		{"the sources hang", func(b *bench) { b.secrets.Fail(lambdatest.Fault{Times: -1, Hang: true}) }, fromVendor},
		{"the sources are gone", func(b *bench) { b.secrets.Delete(sourcesID) }, fromVendor},
		{"the sources are no JSON", func(b *bench) { b.secrets.Put(sourcesID, "{") }, fromVendor},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, options{sources: sources})
				tc.inject(b)
				start := time.Now()
				got := b.request(t, tc.event(t))
				if got.StatusCode != http.StatusServiceUnavailable || got.Headers["Retry-After"] == "" {
					t.Errorf("got %+v", got)
				}
				if took := time.Since(start); took > time.Second {
					t.Errorf("answered after %v", took)
				}
			})
		})
	}
}

func TestPostUnbind(t *testing.T) {
	for _, tc := range []struct {
		name, body string
		inject     func(*bench)
		want       int
		statuses   string
	}{
		{"done", `{"uid":["E1001","E9999"]}`, func(*bench) {}, http.StatusOK, "unbound unknown"},
		{"of another type", `{"type":"employee.joined","data":{}}`, func(*bench) {}, http.StatusOK, "ignored"},
		{"busy", `{"uid":"E1001"}`, func(b *bench) { b.wechat.Fail(wedatatest.Fault{Times: -1, Errcode: -1}) }, http.StatusAccepted, "queued"},
		{"without permission", `{"uid":"E1001"}`, func(b *bench) { b.wechat.Grant(shop, false) }, http.StatusOK, "failed"},
		{"not to be read", `{"uid":1001}`, func(*bench) {}, http.StatusBadRequest, ""},
		{"an action", `{"action":"list"}`, func(*bench) {}, http.StatusBadRequest, ""},
		{"a dry run", `{"dry_run":true,"uid":"E1001"}`, func(*bench) {}, http.StatusBadRequest, ""},
		{"busy, and the queue not reached", `{"uid":"E1001"}`, func(b *bench) {
			b.wechat.Fail(wedatatest.Fault{Times: -1, Errcode: -1})
			b.sqs.Fail(lambdatest.Fault{Times: -1, Drop: true})
		}, http.StatusServiceUnavailable, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBench(t, options{sources: sources})
			tc.inject(b)
			got := b.request(t, bearer("/unbind", tc.body).v2(t))
			if got.StatusCode != tc.want {
				t.Fatalf("got %+v, want %d", got, tc.want)
			}
			if tc.statuses != "" && statuses(t, got.Body) != tc.statuses {
				t.Errorf("got %s, want %s", got.Body, tc.statuses)
			}
			if tc.want == http.StatusBadRequest && (!b.bound("E1001") || len(b.wechat.Calls()) > 0) {
				t.Error("something was done")
			}
		})
	}
}

// A topic or an event source with an entry sends events in the format of its vendor; without one it sends events.
func TestATopicMayCarryItsVendorsFormat(t *testing.T) {
	const words = `{
		"employee-left": {"left_when":{"event":["terminated"]},"uid":"employee.id"},
		"hr": {"left_when":{"event":["terminated"]},"uid":"employee.id"}
	}`
	for name, event := range map[string]string{
		"SNS":         snsEvent(t, `{"event":"terminated","employee":{"id":"E1001"}}`),
		"EventBridge": eventBridgeEvent(t, `{"event":"terminated","employee":{"id":"E1001"}}`),
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, options{sources: words})
			if reply, err := b.send(t, event); err != nil || statuses(t, reply) != "unbound" || b.bound("E1001") {
				t.Errorf("got %s, %v", reply, err)
			}
			b.queue.Send(event, nil)
			if delivery := b.deliver(t); len(delivery.Returned)+len(b.dead.Messages()) > 0 {
				t.Errorf("through the queue: %s", delivery.Reply.Payload)
			}
		})
	}
}

// Sources that cannot be read just now are no reason to give a departure up.
func TestATopicWaitsForItsSources(t *testing.T) {
	b := newBench(t, options{sources: sources})
	b.secrets.Fail(lambdatest.Fault{Times: -1, Code: "ThrottlingException", Status: 400})
	_, err := b.send(t, snsEvent(t, `{"uid":"E1001"}`))
	unbindError(t, err)
	b.queue.Send(destinationRecord(t, snsEvent(t, `{"uid":"E1001"}`)), nil)
	if delivery := b.deliver(t); len(delivery.Returned) != 1 || len(b.dead.Messages()) > 0 {
		t.Errorf("got %s, %d dead", delivery.Reply.Payload, len(b.dead.Messages()))
	}
}
