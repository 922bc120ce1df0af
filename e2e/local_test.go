package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"wedata-unbind/internal/lambdatest"
	"wedata-unbind/internal/source/sourcetest"
	"wedata-unbind/internal/wedata/wedatatest"
)

const sampleMerchant = "wx0123456789abcdef" // the one that the files of events/ name

// desk has the stand-ins for a function in a container: two bound people, their merchant's token, the queues.
type desk struct {
	wechat      *wechat
	queue, dead *lambdatest.Queue
	envFile     string // for sam local's --env-vars
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	aws := lambdatest.NewAWS()
	d := &desk{wechat: newWechat()}
	d.dead = aws.SQS.Create("unbind-dead-letter", lambdatest.QueueConfig{})
	d.queue = aws.SQS.Create("unbind", lambdatest.QueueConfig{DeadLetter: d.dead})
	d.wechat.Bind(sampleMerchant, wedatatest.Bound("E1001"), wedatatest.Bound("E1002"))
	aws.Secrets.Put("wedata/token", fmt.Sprintf(`{"authorizer_access_token":%q,"authorizer_appid":%q}`,
		d.wechat.Rotate(sampleMerchant), sampleMerchant))
	aws.Secrets.Put("wedata/sources", deskSources(t, "merchants", []string{sampleMerchant}))

	awsURL := "http://host.docker.internal:" + serve(t, aws)
	env, err := json.Marshal(map[string]any{"UnbindFunction": map[string]string{
		"AWS_ENDPOINT_URL":             awsURL,
		"UNBIND_DEAD_LETTER_QUEUE_URL": d.dead.URL,
		"UNBIND_QUEUE_URL":             d.queue.URL,
		"UNBIND_SCHEDULE_GROUP":        "unbind",
		"UNBIND_SCHEDULE_ROLE_ARN":     "arn:aws:iam::123456789012:role/unbind-schedules",
		"UNBIND_QUEUE_ARN":             d.queue.ARN(),
		"UNBIND_DEAD_LETTER_QUEUE_ARN": d.dead.ARN(),
		"UNBIND_SOURCES_SECRET_ID":     "wedata/sources",
		"WEDATA_BASE_URL":              "http://host.docker.internal:" + serve(t, d.wechat),
		"WEDATA_SECRET_ID":             "wedata/token",
	}})
	if err != nil {
		t.Fatal(err)
	}
	d.envFile = filepath.Join(t.TempDir(), "env.json")
	if err := os.WriteFile(d.envFile, env, 0o600); err != nil {
		t.Fatal(err)
	}
	return d
}

// bound returns the bound uids.
func (d *desk) bound() []string {
	uids := []string{}
	for _, b := range d.wechat.Bindings(sampleMerchant) {
		if b.Bound {
			uids = append(uids, b.UID)
		}
	}
	return uids
}

// container is the function in a container of sam local. The stand-in for SQS delivers to it.
type container struct {
	t       *testing.T
	envFile string
}

func (c container) Invoke(_ context.Context, event []byte) (lambdatest.Reply, error) {
	file := filepath.Join(c.t.TempDir(), "event.json")
	if err := os.WriteFile(file, event, 0o600); err != nil {
		return lambdatest.Reply{}, err
	}
	reply, _ := c.invoke(file)
	return lambdatest.Reply{Payload: []byte(reply)}, nil
}

// invoke sends the event in the file and returns the reply and the log.
func (c container) invoke(file string) (reply, log string) {
	return sam(c.t, environ(),
		"local", "invoke", "UnbindFunction", "--config-env", "local", "--env-vars", c.envFile, "--event", file)
}

// TestLocalAPI calls the HTTP API of sam local. It comes before TestLocalInvoke, so that the image is built only once.
func TestLocalAPI(t *testing.T) {
	d := newDesk(t)
	port := freePort(t)
	base := "http://127.0.0.1:" + port
	cmd := exec.Command(tool(t, "SAM"),
		"local", "start-api", "--config-env", "local", "--env-vars", d.envFile, "--port", port)
	cmd.Dir, cmd.Env = "..", environ()
	start(t, cmd)
	eventually(t, time.Minute, "sam local start-api answers", func() bool {
		reply, err := http.Get(base)
		if err == nil {
			reply.Body.Close()
		}
		return err == nil
	})

	const first, second = `{"uid":"E1001"}`, `{"uid":"E1002"}`
	with := func(method string) sourcetest.Request { return sourcetest.Request{Method: method, Body: []byte(first)} }
	forged := signed(first)
	forged.Body = []byte(second)
	const jsonType, problemType = "application/json", "application/problem+json"
	type row struct {
		name, path  string
		request     sourcetest.Request
		status      int
		contentType string
		body        string // a part of it
		bound       int    // of two people
		queued      int    // messages in the queue
	}
	rows := []row{
		{"no key", "/unbind", with("POST"), http.StatusUnauthorized, problemType, `"instance"`, 2, 0},
		{"a wrong key", "/unbind", sourcetest.Bearer("another-key", []byte(first)), http.StatusUnauthorized, problemType, "", 2, 0},
		{"an unsigned hook", "/hooks/hr", with("POST"), http.StatusUnauthorized, problemType, "", 2, 0},
		{"a forged hook", "/hooks/hr", forged, http.StatusUnauthorized, problemType, "", 2, 0},
		{"an unknown source", "/hooks/nobody", with("POST"), http.StatusNotFound, problemType, "", 2, 0},
		{"GET without a challenge", "/hooks/hr", with("GET"), http.StatusMethodNotAllowed, problemType, "", 2, 0},
		{"a method without a route", "/hooks/hr", with("DELETE"), http.StatusForbidden, jsonType, "", 2, 0},
		{"a path without a route", "/", with("GET"), http.StatusForbidden, jsonType, "", 2, 0},
		{"the right key", "/unbind", sourcetest.Bearer(deskKey, []byte(first)), http.StatusOK, jsonType, `"status":"unbound"`, 1, 0},
		{"a signed hook", "/hooks/hr", signed(second), http.StatusOK, jsonType, `{"accepted":1,"ignored":0}`, 1, 1},
	}
	for _, h := range handshakes() {
		contentType := jsonType
		if h.want[0] != '{' {
			contentType = "text/plain; charset=utf-8"
		}
		rows = append(rows, row{"handshake of " + h.name, h.path, h.request, http.StatusOK, contentType, h.want, 1, 1})
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			status, contentType, body := deliver(t, base, "", row.path, row.request)
			if status != row.status || contentType != row.contentType || !strings.Contains(body, row.body) {
				t.Errorf("got %d, %s %s; want %d, %s …%s…", status, contentType, body, row.status, row.contentType, row.body)
			}
			if bound, queued := len(d.bound()), len(d.queue.Messages()); bound != row.bound || queued != row.queued {
				t.Errorf("%d are bound and %d messages in the queue, want %d and %d; reply %s",
					bound, queued, row.bound, row.queued, body)
			}
		})
	}
	t.Run("the queued departure is carried out", func(t *testing.T) {
		if _, err := d.queue.Deliver(t.Context(), container{t, d.envFile}, 10); err != nil {
			t.Fatal(err)
		}
		if bound, queued := d.bound(), d.queue.Messages(); len(bound) > 0 || len(queued) > 0 {
			t.Errorf("%v are bound, queue %+v", bound, queued)
		}
	})
}

// TestLocalInvoke sends every file of events/ to the function in a container.
func TestLocalInvoke(t *testing.T) {
	everybody, onlySecond, nobody := []string{"E1001", "E1002"}, []string{"E1002"}, []string{}
	want := map[string]struct {
		reply  string // a part of it
		bound  []string
		queued int
	}{
		"audit.json":                       {`"uid": ["E1002"]`, everybody, 0},
		"check.json":                       {`"check": "schedule_group", "ok": true`, everybody, 0},
		"console-default.json":             {`"errorType": "UnbindError"`, everybody, 0},
		"dry-run.json":                     {`"status": "would_unbind"`, everybody, 0},
		"eventbridge-employee-left.json":   {`"status": "unbound"`, onlySecond, 0},
		"http-hook.json":                   {`"statusCode": 200`, everybody, 1}, // a hook queues
		"http-hook-challenge.json":         {`ajls384kdjx98XX`, everybody, 0},
		"http-hook-rest-api.json":          {`"statusCode": 200`, everybody, 1},
		"http-hook-unsigned.json":          {`"statusCode": 401`, everybody, 0},
		"http-unbind.json":                 {`"statusCode": 200`, onlySecond, 0},
		"list.json":                        {`"bindings": [`, everybody, 0},
		"scheduled.json":                   {`"scheduled": []`, everybody, 0},
		"sns-bare.json":                    {`"status": "unbound"`, onlySecond, 0},
		"sns-employee-joined.json":         {`"status": "ignored"`, everybody, 0},
		"sns-employee-left.json":           {`"status": "unbound"`, onlySecond, 0},
		"sns-employee-left-cancelled.json": {`"detail": "was due 2099-12-31T16:00Z"`, everybody, 0},
		"sns-employee-left-later.json":     {`"status": "scheduled"`, everybody, 0},
		"sqs-destination-record.json":      {`"batchItemFailures": []`, onlySecond, 0},
		"sqs-employee-left.json":           {`"batchItemFailures": []`, nobody, 0}, // of two messages
		"sqs-sns-envelope.json":            {`"batchItemFailures": []`, onlySecond, 0},
		"unbind.json":                      {`"status": "unbound"`, onlySecond, 0},
		"unbind-cloudevent.json":           {`"status": "unbound"`, onlySecond, 0},
		"unbind-everywhere.json":           {`"status": "unbound"`, onlySecond, 0},
		"unbind-many.json":                 {`"status": "unbound"`, nobody, 0},
	}
	files, err := filepath.Glob("../events/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no files in events/", err)
	}
	for _, file := range files {
		name := filepath.Base(file)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want, ok := want[name]
			if !ok {
				t.Fatal("no expectation for this event: add a row above")
			}
			d := newDesk(t)
			reply, log := container{t, d.envFile}.invoke(filepath.Join("events", name))
			if !strings.Contains(reply, want.reply) {
				t.Errorf("got the reply %s, want %s in it; the log:\n%s", reply, want.reply, log)
			}
			if got := d.bound(); !slices.Equal(got, want.bound) {
				t.Errorf("%v are bound, want %v; reply %s", got, want.bound, reply)
			}
			if queued, dead := len(d.queue.Messages()), len(d.dead.Messages()); queued != want.queued || dead > 0 {
				t.Errorf("%d messages in the queue and %d in the dead-letter queue, want %d and none", queued, dead, want.queued)
			}
		})
	}
}
