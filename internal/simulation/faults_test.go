package simulation

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// fault is one kind of thing that goes wrong. It is for a call where do is set; fixture acts on the others.
type fault struct {
	name string
	// on is the service, or the service and the operation, that the fault is for.
	on string
	// weight is how often it is picked among the faults of a call.
	weight int
	do     func(*exchange) (*http.Response, error)
}

// exchange is one call of the function while it is answered.
type exchange struct {
	*http.Request
	call
	serve func(body []byte) *httptest.ResponseRecorder
}

func (x *exchange) served() *http.Response { return x.serve(x.body).Result() }

// The faults outside of the calls.
const (
	faultKill        = "the process is killed during a call"
	faultStart       = "the function cannot be started"
	faultDeadline    = "the deadline is close"
	faultClock       = "the function's clock is wrong, and jumps"
	faultExpire      = "a token expires before it is renewed"
	faultRotate      = "a token is rotated at WeChat before the secret is written"
	faultTwice       = "SQS delivers twice"
	faultUndelivered = "SNS and EventBridge cannot invoke the function"
	faultAge         = "Lambda gives an event up by its age, before it invokes the function"
	faultLate        = "events arrive late and in another order"
	faultGateway     = "the reply to an HTTP request is lost"
	faultOutage      = "all services are down for hours, one after the other"
)

// notFound is WeChat without one of the calls, or a wrong address.
const notFound = "WeChat answers HTTP 404"

// lasts reports whether waiting does not mend a bind list that cannot be read: an unbinding is then unverified.
func (f fault) lasts() bool {
	switch strings.TrimPrefix(f.name, "WeChat answers ") {
	case "reauthorization_needed", "wrong_token", "permission_missing", "ip_not_allowed", "blocked", "bad_input":
		return true
	}
	return f.name == notFound
}

// faults is the table of all kinds of faults.
func faults() []fault {
	all := []fault{
		{name: faultKill},
		{name: faultStart},
		{name: faultDeadline},
		{name: faultClock},
		{name: faultExpire},
		{name: faultRotate},
		{name: faultTwice},
		{name: faultUndelivered},
		{name: faultAge},
		{name: faultLate},
		{name: faultGateway},
		{name: faultOutage},

		{"errcode 0 without effect", "wechat unbind", 4, reply(200, "application/json", `{"errcode":0,"errmsg":"ok"}`)},
		{"a list without info", "wechat list", 3, reply(200, "application/json", `{"errcode":0,"errmsg":"ok"}`)},
		{"a list entry without is_bind", "wechat list", 3, reply(200, "application/json", `{"errcode":0,"errmsg":"ok","info":[{"uid":"emp-0"}]}`)},
		{"no errcode", "wechat", 3, reply(200, "application/json", `{"errmsg":"ok"}`)},
		{"errcode null", "wechat", 3, reply(200, "application/json", `{"errcode":null,"errmsg":"ok","info":[]}`)},
	}
	all = append(all, fault{notFound, "wechat", 2, reply(404, "text/html", "<html>404 page not found</html>")})
	for class, errcodes := range map[string][]int{
		"busy": {-1}, "token_refused": {40001, 40014, 41001, 42001}, "reauthorization_needed": {42007},
		"wrong_token": {61014, 61015}, "permission_missing": {48001, 61003, 61007, 61016, 61017, 61028},
		"daily_quota": {45009}, "minute_rate": {45011}, "ip_not_allowed": {40164, 45035, 61004},
		"blocked": {48004, 50002, 50004}, "bad_input": {40013, 40066, 40097, 43002, 43003, 44002, 47001, 47002, 9900004},
		"undocumented": {12345},
	} {
		all = append(all, fault{"WeChat answers " + class, "wechat", 3, errcode(errcodes)})
	}
	for _, service := range []string{"wechat", "secrets", "sqs", "scheduler"} {
		all = append(
			all,
			fault{service + " is slow", service, 3, slow(2 * time.Second)},
			fault{service + " is slower than any limit", service, 1, slow(20 * time.Second)},
			fault{service + " hangs", service, 1, hang},
			fault{service + " answers HTTP 500", service, 3, reply(500, "text/html", "<html></html>")},
			fault{service + " answers HTTP 503", service, 3, reply(503, "text/plain", "")},
			fault{service + " answers with a page", service, 3, reply(200, "text/html", "<html>sign in</html>")},
			fault{service + " answers half a reply", service, 3, halved},
			fault{service + " resets the connection", service, 3, reset},
			fault{service + " does the call, and the reply is lost", service, 4, lost},
		)
	}
	for _, service := range []string{"secrets", "sqs", "scheduler"} {
		all = append(
			all,
			fault{service + " throttles", service, 3, refusal("ThrottlingException")},
			fault{service + " denies access", service, 2, refusal("AccessDeniedException")},
			fault{service + " answers an empty object", service, 2, unconfirmed},
		)
	}
	all = append(
		all,
		fault{"the secret is missing", "secrets", 1, refusal("ResourceNotFoundException")},
		fault{"the secret cannot be decrypted", "secrets", 1, refusal("DecryptionFailure")},
		fault{"SQS takes a part of a batch", "sqs SendMessageBatch", 5, partly(true)},
		fault{"SQS confirms a part of a batch", "sqs SendMessageBatch", 5, partly(false)},
		fault{"the schedule group is full", "scheduler CreateSchedule", 3, refusal("ServiceQuotaExceededException")},
		fault{"the schedule is not valid", "scheduler CreateSchedule", 2, refusal("ValidationException")},
	)
	slices.SortStableFunc(all, func(a, b fault) int { return strings.Compare(a.name, b.name) })
	return all
}

// hits reports whether the fault is for a call of that service and operation.
func (f fault) hits(service, operation string) bool {
	return f.do != nil && (f.on == service || f.on == service+" "+operation)
}

func response(r *http.Request, status int, mediaType string, body io.Reader) *http.Response {
	return &http.Response{
		StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r, ContentLength: -1,
		Header: http.Header{"Content-Type": {mediaType}}, Body: io.NopCloser(body),
	}
}

func reply(status int, mediaType, body string) func(*exchange) (*http.Response, error) {
	return func(x *exchange) (*http.Response, error) {
		return response(x.Request, status, mediaType, strings.NewReader(body)), nil
	}
}

func errcode(codes []int) func(*exchange) (*http.Response, error) {
	return func(x *exchange) (*http.Response, error) {
		code := strconv.Itoa(codes[x.number%len(codes)])
		return reply(200, "application/json", `{"errcode":`+code+`,"errmsg":"simulated rid: 1-2-3"}`)(x)
	}
}

func refusal(code string) func(*exchange) (*http.Response, error) {
	return reply(400, "application/x-amz-json-1.0", `{"__type":"`+code+`","message":"simulated"}`)
}

func slow(d time.Duration) func(*exchange) (*http.Response, error) {
	return func(x *exchange) (*http.Response, error) {
		if !pause(x, d) {
			return nil, x.Context().Err()
		}
		return x.served(), nil
	}
}

func hang(x *exchange) (*http.Response, error) {
	<-x.Context().Done()
	return nil, x.Context().Err()
}

var errReset = &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}

func reset(*exchange) (*http.Response, error) { return nil, errReset }

func lost(x *exchange) (*http.Response, error) {
	x.serve(x.body)
	return nil, errReset
}

// halved does the call and cuts the reply in the middle, without an error of the connection at odd calls.
func halved(x *exchange) (*http.Response, error) {
	whole := x.serve(x.body).Body.Bytes()
	half := io.Reader(bytes.NewReader(whole[:len(whole)/2]))
	if x.number%2 == 0 {
		half = io.MultiReader(half, broken{})
	}
	return response(x.Request, 200, "application/json", half), nil
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// unconfirmed does nothing and answers status 200. A reply to a deletion is empty in any case: it cannot be told.
func unconfirmed(x *exchange) (*http.Response, error) {
	if x.operation == "DeleteSchedule" || x.operation == "ChangeMessageVisibility" {
		return x.served(), nil
	}
	return reply(200, "application/json", "{}")(x)
}

// partly lets SQS take every other entry. The rest is refused by name, or is in neither list of the reply.
func partly(named bool) func(*exchange) (*http.Response, error) {
	return func(x *exchange) (*http.Response, error) {
		var in map[string]any
		if json.Unmarshal(x.body, &in) != nil {
			return reset(x)
		}
		entries, _ := in["Entries"].([]any)
		var taken []any
		failed := []any{}
		for i, e := range entries {
			if (i+x.number)%2 == 0 {
				taken = append(taken, e)
			} else if entry, ok := e.(map[string]any); ok {
				failed = append(failed, map[string]any{"Id": entry["Id"], "Code": "InternalError"})
			}
		}
		out := map[string]any{"Successful": []any{}}
		if len(taken) > 0 {
			in["Entries"] = taken
			body, _ := json.Marshal(in)
			_ = json.Unmarshal(x.serve(body).Body.Bytes(), &out)
		}
		out["Failed"] = []any{}
		if named {
			out["Failed"] = failed
		}
		body, _ := json.Marshal(out)
		return reply(200, "application/x-amz-json-1.0", string(body))(x)
	}
}

// pause waits, and returns false where the caller leaves meanwhile.
func pause(x *exchange, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-x.Context().Done():
		return false
	}
}

// call is what a request asks for.
type call struct {
	service, operation string
	// key is whom the call concerns. Faults are drawn by the key and the number of the call with it, so that they do
	// not depend on the order in which the calls of different people happen to run.
	key    string
	number int
	// uid and merchant are WeChat's: the merchant by the token.
	uid, merchant string
	body          []byte
}

// describe reads what a request asks for.
func (w *fixture) describe(r *http.Request, body []byte) call {
	c := call{body: body}
	target := r.Header.Get("X-Amz-Target")
	switch {
	case strings.HasPrefix(r.URL.Path, "/wedata/"):
		c.service, c.operation = "wechat", "list"
		c.merchant = w.merchantOf(r.URL.Query().Get("access_token"))
		if strings.HasSuffix(r.URL.Path, "unbind_user") {
			c.operation, c.uid = "unbind", firstUID(body)
		}
		c.key = c.operation + c.merchant + c.uid
	case strings.HasPrefix(r.URL.Path, "/schedules"):
		c.service = "scheduler"
		c.operation = map[string]string{"POST": "CreateSchedule", "PUT": "UpdateSchedule", "GET": "GetSchedule", "DELETE": "DeleteSchedule"}[r.Method]
		if r.URL.Path == "/schedules" {
			c.operation = "ListSchedules"
		}
		c.key = c.operation + r.URL.Path + r.URL.Query().Get("NamePrefix")
	case strings.HasPrefix(target, "AmazonSQS."):
		c.service, c.operation = "sqs", strings.TrimPrefix(target, "AmazonSQS.")
		c.key = c.operation + firstUID(body) + strconv.FormatBool(bytes.Contains(body, []byte("/dead")))
	default:
		var in struct{ SecretID string }
		_ = json.Unmarshal(body, &in)
		c.service, c.operation, c.key = "secrets", "GetSecretValue", "secret"+in.SecretID
	}
	return c
}

// firstUID returns the first uid in a text, "" where there is none.
func firstUID(text []byte) string { return uids.FindString(string(text)) }
