package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
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

const sampleMerchant = "wx0123456789abcdef" // the one that the files of events/ name

// desk is what the function in a container meets on this machine: two people who are bound, their merchant's token, queues.
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
	sources, err := os.ReadFile("../internal/lambdatest/desk/sources.json")
	if err != nil {
		t.Fatal(err)
	}
	aws.Secrets.Put("wedata/sources", string(sources))

	awsURL := "http://host.docker.internal:" + serve(t, aws)
	env, err := json.Marshal(map[string]any{"UnbindFunction": map[string]string{
		"AWS_ENDPOINT_URL":             awsURL,
		"UNBIND_DEAD_LETTER_QUEUE_URL": d.dead.URL,
		"UNBIND_QUEUE_URL":             d.queue.URL,
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

// bound returns who is bound.
func (d *desk) bound() []string {
	uids := []string{}
	for _, b := range d.wechat.Bindings(sampleMerchant) {
		if b.Bound {
			uids = append(uids, b.UID)
		}
	}
	return uids
}

// TestLocalAPI calls the HTTP API as sam local serves it. It runs before TestLocalInvoke, so that the image is made once.
func TestLocalAPI(t *testing.T) {
	d := newDesk(t)
	port := freePort(t)
	cmd := exec.Command(tool(t, "SAM"), "local", "start-api", "--config-env", "local", "--env-vars", d.envFile, "--port", port)
	cmd.Dir, cmd.Env = "..", environ()
	start(t, cmd)

	const event = `{"uid":"E1001"}`
	for _, row := range []struct {
		name, request, key string
		status             int
		contentType        string
		bound, queued      int
	}{
		// Of two people who are bound; what a hook accepts waits in the queue.
		{"no key", "POST /unbind", "", http.StatusUnauthorized, "application/problem+json", 2, 0},
		{"a wrong key", "POST /unbind", "Bearer key-of-somebody", http.StatusUnauthorized, "application/problem+json", 2, 0},
		{"an unsigned hook", "POST /hooks/hr", "", http.StatusUnauthorized, "application/problem+json", 2, 0},
		{"an unknown source", "POST /hooks/nobody", "", http.StatusNotFound, "application/problem+json", 2, 0},
		{"a hook that is no challenge", "GET /hooks/hr", "", http.StatusMethodNotAllowed, "application/problem+json", 2, 0},
		{"a method without a route", "DELETE /hooks/hr", "", http.StatusForbidden, "application/json", 2, 0},
		{"a path without a route", "GET /", "", http.StatusForbidden, "application/json", 2, 0},
		{"the right key", "POST /unbind", "Bearer key-of-the-desk", http.StatusOK, "application/json", 1, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			method, path, _ := strings.Cut(row.request, " ")
			var reply *http.Response
			eventually(t, time.Minute, "a reply of sam local start-api", func() bool {
				request, err := http.NewRequestWithContext(t.Context(), method, "http://127.0.0.1:"+port+path, strings.NewReader(event))
				if err != nil {
					t.Fatal(err)
				}
				request.Header.Set("Authorization", row.key)
				reply, err = http.DefaultClient.Do(request)
				return err == nil
			})
			defer reply.Body.Close()
			body, _ := io.ReadAll(reply.Body)
			if reply.StatusCode != row.status || reply.Header.Get("Content-Type") != row.contentType {
				t.Errorf("got %s, %s %s; want %d, %s", reply.Status, reply.Header.Get("Content-Type"), body, row.status, row.contentType)
			}
			if bound, queued := len(d.bound()), len(d.queue.Messages()); bound != row.bound || queued != row.queued {
				t.Errorf("%d are bound and %d messages in the queue, want %d and %d; reply %s", bound, queued, row.bound, row.queued, body)
			}
		})
	}
}

// TestLocalInvoke sends every file of events/ to the function in a container.
func TestLocalInvoke(t *testing.T) {
	everybody, onlySecond, nobody := []string{"E1001", "E1002"}, []string{"E1002"}, []string{}
	want := map[string]struct {
		reply  string // a part of it
		bound  []string
		queued int
	}{
		"console-default.json":           {`"errorType": "UnbindError"`, everybody, 0},
		"dry-run.json":                   {`"status": "would_unbind"`, everybody, 0},
		"eventbridge-employee-left.json": {`"status": "unbound"`, onlySecond, 0},
		"http-hook.json":                 {`"statusCode": 200`, everybody, 1}, // hooks answer first
		"http-hook-challenge.json":       {`ajls384kdjx98XX`, everybody, 0},
		"http-hook-rest-api.json":        {`"statusCode": 200`, everybody, 1},
		"http-hook-unsigned.json":        {`"statusCode": 401`, everybody, 0},
		"http-unbind.json":               {`"statusCode": 200`, onlySecond, 0},
		"list.json":                      {`"bindings": [`, everybody, 0},
		"sns-bare.json":                  {`"status": "unbound"`, onlySecond, 0},
		"sns-employee-joined.json":       {`"status": "ignored"`, everybody, 0},
		"sns-employee-left.json":         {`"status": "unbound"`, onlySecond, 0},
		"sqs-destination-record.json":    {`"batchItemFailures": []`, onlySecond, 0},
		"sqs-employee-left.json":         {`"batchItemFailures": []`, nobody, 0}, // of two messages
		"sqs-sns-envelope.json":          {`"batchItemFailures": []`, onlySecond, 0},
		"unbind.json":                    {`"status": "unbound"`, onlySecond, 0},
		"unbind-cloudevent.json":         {`"status": "unbound"`, onlySecond, 0},
		"unbind-everywhere.json":         {`"status": "unbound"`, onlySecond, 0},
		"unbind-many.json":               {`"status": "unbound"`, nobody, 0},
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
				t.Fatal("what should become of this event? Give it a row above")
			}
			d := newDesk(t)
			reply, log := sam(t, environ(), "local", "invoke", "UnbindFunction", "--config-env", "local",
				"--env-vars", d.envFile, "--event", filepath.Join("events", name))
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
