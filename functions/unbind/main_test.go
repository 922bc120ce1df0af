package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"wedata-unbind/internal/lambdatest"
	"wedata-unbind/internal/wedata/wedatatest"
)

const (
	shop     = "wx0123456789abcdef"
	secretID = "wedata/token"
)

// bootstrap is the built function, which the tests below drive from outside as Lambda does.
var bootstrap string

func TestMain(m *testing.M) {
	if kind := os.Getenv(panicVariable); kind != "" {
		runPanicking(kind)
		return
	}
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "bootstrap")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		bootstrap = filepath.Join(dir, "bootstrap")
		build := exec.CommandContext(context.Background(), "go", "build", "-tags", "lambda.norpc,nethttpomithttp2", "-o", bootstrap, ".")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// fixture is the stand-ins around the function, and its environment.
type fixture struct {
	wechat      *wedatatest.Server
	aws         *lambdatest.AWS
	queue, dead *lambdatest.Queue
	env         map[string]string
}

func newFixture(t testing.TB, options wedatatest.Options) *fixture {
	t.Helper()
	w := &fixture{wechat: wedatatest.New(options), aws: lambdatest.NewAWS()}
	wechat, err := lambdatest.Serve("127.0.0.1:0", w.wechat)
	if err != nil {
		t.Fatal(err)
	}
	aws, err := lambdatest.Serve("127.0.0.1:0", w.aws)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = wechat.Close(), aws.Close() })
	w.wechat.Bind(shop, wedatatest.Bound("E1001"), wedatatest.Bound("E1002"))
	w.aws.Secrets.Put(secretID, w.wechat.Rotate(shop))
	w.dead = w.aws.SQS.Create("unbind-dead", lambdatest.QueueConfig{})
	w.queue = w.aws.SQS.Create("unbind", lambdatest.QueueConfig{DeadLetter: w.dead, MaxReceives: 12})
	w.env = map[string]string{
		"AWS_ENDPOINT_URL":             aws.URL,
		"WEDATA_SECRET_ID":             secretID,
		"WEDATA_BASE_URL":              wechat.URL,
		"UNBIND_QUEUE_URL":             w.queue.URL,
		"UNBIND_DEAD_LETTER_QUEUE_URL": w.dead.URL,
		"UNBIND_SCHEDULE_GROUP":        "unbind-later",
		"UNBIND_SCHEDULE_ROLE_ARN":     "arn:aws:iam::123456789012:role/unbind-schedule",
		"UNBIND_QUEUE_ARN":             w.queue.ARN(),
		"UNBIND_DEAD_LETTER_QUEUE_ARN": w.dead.ARN(),
		"AWS_LAMBDA_LOG_FORMAT":        "JSON",
	}
	return w
}

// putToken writes the secret in the form that tells its merchant.
func (w *fixture) putToken() {
	w.aws.Secrets.Put(secretID, `{"authorizer_appid":"`+shop+`","authorizer_access_token":"`+w.wechat.Rotate(shop)+`"}`)
}

// putSources writes the sources of make run, whose keys the events in events/ are signed with.
func (w *fixture) putSources(t testing.TB) {
	t.Helper()
	sources, err := os.ReadFile("../../internal/lambdatest/desk/sources.json")
	if err != nil {
		t.Fatal(err)
	}
	w.aws.Secrets.Put("wedata/sources", string(sources))
	w.env["UNBIND_SOURCES_SECRET_ID"] = "wedata/sources"
}

// start starts the function with the environment as it is now.
func (w *fixture) start(t *testing.T) *lambdatest.Function {
	t.Helper()
	return w.startWithin(t, 0)
}

// startWithin is start with a timeout of the invocations, 0 for the usual one.
func (w *fixture) startWithin(t *testing.T, timeout time.Duration) *lambdatest.Function {
	t.Helper()
	function, err := lambdatest.Start(lambdatest.Config{Path: bootstrap, Env: w.env, Timeout: timeout})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = function.Close() })
	return function
}

// calls returns WeChat's calls so far, one line each.
func (w *fixture) calls() string {
	var b strings.Builder
	for _, c := range w.wechat.Calls() {
		fmt.Fprintf(&b, "%s %s?%s %s → %d\n", c.Method, c.Path, c.Query, c.Body, c.Errcode)
	}
	return b.String()
}

func invoke(t *testing.T, function *lambdatest.Function, event string) lambdatest.Reply {
	t.Helper()
	reply, err := function.Invoke(t.Context(), []byte(event))
	if err != nil {
		t.Fatal(err)
	}
	return reply
}

func sample(t testing.TB, name string) string {
	t.Helper()
	event, err := os.ReadFile(filepath.Join("..", "..", "events", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(event)
}

// bareSNS is an SNS event that names no merchant, as the secret here is a bare token.
func bareSNS(t testing.TB) string { return sample(t, "sns-bare.json") }

const (
	unbindOK = "POST /wedata/wedata_unbind_user?access_token=*** {\"uid\":\"E1001\"} → 0\n"
	listOK   = "POST /wedata/wedata_query_bind_list?access_token=***  → 0\n"
	refused  = "POST /wedata/wedata_unbind_user?access_token=*** {\"uid\":\"E1001\"} → 40001\n"
)

func TestAnSNSEventUnbindsOnceAndLooksOnce(t *testing.T) {
	w := newFixture(t, wedatatest.Options{})
	function := w.start(t)
	reply := invoke(t, function, bareSNS(t))
	if reply.Err() != nil || !strings.Contains(string(reply.Payload), `"status":"unbound"`) {
		t.Fatalf("got %s, %v", reply.Payload, reply.Err())
	}
	if got := w.calls(); got != unbindOK+listOK {
		t.Errorf("WeChat was called\n%s", got)
	}
	for _, c := range w.wechat.Calls() {
		if c.ContentLength != int64(len(c.Body)) {
			t.Errorf("%s: Content-Length %d of %d bytes", c.Path, c.ContentLength, len(c.Body))
		}
	}
	invoke(t, function, bareSNS(t))
	if got := w.aws.Secrets.Reads(secretID); got != 1 {
		t.Errorf("%d secret reads by two events, want 1", got)
	}
}

func TestWithoutVerificationNothingIsLookedAt(t *testing.T) {
	w := newFixture(t, wedatatest.Options{})
	w.env["WEDATA_VERIFY"] = "false"
	reply := invoke(t, w.start(t), bareSNS(t))
	if got := w.calls(); got != unbindOK || !strings.Contains(string(reply.Payload), `"status":"unbound"`) {
		t.Errorf("got %s; WeChat was called\n%s", reply.Payload, got)
	}
}

func TestARotatedTokenCostsOneReadAndOneRetry(t *testing.T) {
	w := newFixture(t, wedatatest.Options{})
	function := w.start(t)
	for range 2 { // a second rotation at once is followed as well
		invoke(t, function, `{"dry_run":true,"uid":"E1001"}`)
		w.wechat.Bind(shop, wedatatest.Bound("E1001"))
		reads, calls := w.aws.Secrets.Reads(secretID), w.calls()
		w.aws.Secrets.Put(secretID, w.wechat.Rotate(shop))
		reply := invoke(t, function, bareSNS(t))
		if !strings.Contains(string(reply.Payload), `"status":"unbound","attempts":2`) {
			t.Errorf("got %s, %v", reply.Payload, reply.Err())
		}
		if got := strings.TrimPrefix(w.calls(), calls); got != refused+unbindOK+listOK {
			t.Errorf("WeChat was called\n%s", got)
		}
		if got := w.aws.Secrets.Reads(secretID) - reads; got != 1 {
			t.Errorf("%d secret reads after the rotation, want 1", got)
		}
	}
}

func TestWithoutTheListErrcode0IsUnverified(t *testing.T) {
	w := newFixture(t, wedatatest.Options{UnbindOnly: true})
	reply := invoke(t, w.start(t), bareSNS(t))
	if !strings.Contains(string(reply.Payload), `"status":"unbound","attempts":1,"class":"unverified","detail":"not verified`) {
		t.Errorf("got %s, %v", reply.Payload, reply.Err())
	}
}

func TestABusyWeChatCostsNothingButTime(t *testing.T) {
	t.Parallel() // it waits for the pauses between attempts
	w := newFixture(t, wedatatest.Options{})
	function := w.start(t)
	w.wechat.Fail(wedatatest.Fault{Times: 20, Errcode: -1})
	reply := invoke(t, function, bareSNS(t))
	if !strings.Contains(string(reply.Payload), `"status":"queued"`) {
		t.Fatalf("got %s, %v", reply.Payload, reply.Err())
	}
	waiting := w.queue.Messages()
	if len(waiting) != 1 || !strings.Contains(waiting[0].Body, `"type":"employee.left"`) || !strings.HasSuffix(waiting[0].Body, `"data":{"uid":"E1001"}}`) {
		t.Fatalf("the queue holds %+v", waiting)
	}
	for range 12 {
		if _, err := w.queue.Deliver(t.Context(), function, 10); err != nil {
			t.Fatal(err)
		}
	}
	if left := len(w.queue.Messages()) + len(w.dead.Messages()); left > 0 || w.wechat.Bindings(shop)[0].Bound {
		t.Errorf("%d messages left, bindings %+v", left, w.wechat.Bindings(shop))
	}
}

func TestAnErrorIsAnUnbindErrorWithWhatWasNotDone(t *testing.T) {
	t.Parallel() // it waits for the pauses between attempts
	w := newFixture(t, wedatatest.Options{})
	w.wechat.Grant(shop, false)
	w.aws.SQS.Fail(lambdatest.Fault{Times: -1, Drop: true})
	function := w.start(t)
	for _, event := range []string{`{"uid":"E1001"}`, bareSNS(t)} {
		reply := invoke(t, function, event)
		if reply.ErrorType != "UnbindError" {
			t.Fatalf("got %s, %v", reply.Payload, reply.Err())
		}
		list, ok := strings.CutPrefix(reply.ErrorMessage, "1 of 1 departures not done: ")
		var outcomes []map[string]any
		if err := json.Unmarshal([]byte(list), &outcomes); !ok || err != nil || len(outcomes) != 1 || outcomes[0]["uid"] != "E***1" {
			t.Errorf("got %s, %v", reply.ErrorMessage, err)
		}
	}
}

func TestEveryOutcomeIsALineOfJSON(t *testing.T) {
	w := newFixture(t, wedatatest.Options{})
	function := w.start(t)
	reply := invoke(t, function, bareSNS(t))
	for line := range strings.Lines(function.Log()) {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Errorf("log line %q: %v", line, err)
		}
		if entry["message"] == "outcome" && entry["status"] == "unbound" && entry["requestId"] == reply.RequestID {
			return
		}
	}
	t.Errorf("no outcome in the log:\n%s", function.Log())
}

func TestTheFunctionDoesNotStartWithAFaultyEnvironment(t *testing.T) {
	w := newFixture(t, wedatatest.Options{})
	delete(w.env, "WEDATA_SECRET_ID")
	w.env["WEDATA_VERIFY"] = "perhaps"
	_, err := w.start(t).Invoke(t.Context(), []byte(bareSNS(t)))
	var exit *lambdatest.ExitError
	if !errors.As(err, &exit) || !strings.Contains(exit.Log, "WEDATA_SECRET_ID: missing") || !strings.Contains(exit.Log, "WEDATA_VERIFY: ") {
		t.Errorf("got %v", err)
	}
}

var unbindNobody = []string{
	"audit", "check", "console-default", "dry-run", "http-hook-challenge", "http-hook-unsigned", "list", "scheduled", "sns-employee-joined",
	"sns-employee-left-cancelled", "sns-employee-left-later",
}

// Every file in events/ is an event that a person can send, and the function knows each for what it is.
func TestEverySampleIsKnown(t *testing.T) {
	files, err := filepath.Glob("../../events/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			w := newFixture(t, wedatatest.Options{})
			w.putToken()
			w.putSources(t)
			function := w.start(t)
			reply := invoke(t, function, sample(t, filepath.Base(file)))
			if wantError := filepath.Base(file) == "console-default.json"; wantError != (reply.Err() != nil) {
				t.Errorf("got %s, %v", reply.Payload, reply.Err())
			}
			// What is queued is a webhook's, which nobody waits for.
			if _, err := w.queue.Deliver(t.Context(), function, 10); err != nil {
				t.Fatal(err)
			}
			unbinds := !slices.Contains(unbindNobody, strings.TrimSuffix(filepath.Base(file), ".json"))
			if left := len(w.queue.Messages()) + len(w.dead.Messages()); left > 0 || w.wechat.Bindings(shop)[0].Bound == unbinds {
				t.Errorf("got %s; %d messages left, E1001 bound: %v", reply.Payload, left, w.wechat.Bindings(shop)[0].Bound)
			}
		})
	}
}
