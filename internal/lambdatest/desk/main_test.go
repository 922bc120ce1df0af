package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	scheduling "github.com/aws/aws-sdk-go-v2/service/scheduler/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// The test binary is the function too. Lambda's own variable tells that it was started as such.
func TestMain(m *testing.M) {
	if os.Getenv("AWS_LAMBDA_RUNTIME_API") != "" {
		lambda.Start(toy)
		return
	}
	os.Exit(m.Run())
}

// toy unbinds the uid of an event, or of the first SQS message; one with effective_at is scheduled for then. Where WeChat refuses, the uid goes to the queue; in the
// queue it stays, but "E1004" goes to the dead-letter queue. Without a uid it ends in an error.
func toy(ctx context.Context, event json.RawMessage) (any, error) {
	var in struct {
		UID         string
		EffectiveAt time.Time `json:"effective_at"`
		Records     []struct{ MessageID, Body string }
	}
	if err := json.Unmarshal(event, &in); err != nil {
		return nil, err
	}
	fromQueue := len(in.Records) > 0
	if fromQueue {
		if err := json.Unmarshal([]byte(in.Records[0].Body), &in); err != nil {
			return nil, err
		}
	}
	if in.UID == "" {
		return nil, errors.New("uid: missing")
	}
	later := in.EffectiveAt.After(time.Now())
	if later && fromQueue {
		return nil, errors.New("too early")
	}
	config, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, err
	}
	if later {
		_, err := scheduler.NewFromConfig(config).CreateSchedule(ctx, &scheduler.CreateScheduleInput{
			Name: &in.UID, GroupName: aws.String(os.Getenv("UNBIND_SCHEDULE_GROUP")),
			ScheduleExpression: aws.String(in.EffectiveAt.Format("at(2006-01-02T15:04:05)")),
			FlexibleTimeWindow: &scheduling.FlexibleTimeWindow{Mode: scheduling.FlexibleTimeWindowModeOff},
			Target: &scheduling.Target{
				Arn: aws.String(os.Getenv("UNBIND_QUEUE_ARN")), RoleArn: aws.String(os.Getenv("UNBIND_SCHEDULE_ROLE_ARN")),
				Input: aws.String(string(event)),
			},
		})
		return "scheduled", err
	}
	id := &secretsmanager.GetSecretValueInput{SecretId: aws.String(os.Getenv("WEDATA_SECRET_ID"))}
	secret, err := secretsmanager.NewFromConfig(config).GetSecretValue(ctx, id)
	if err != nil {
		return nil, err
	}
	var token struct {
		Value string `json:"authorizer_access_token"`
	}
	if err := json.Unmarshal([]byte(*secret.SecretString), &token); err != nil {
		return nil, err
	}
	body := `{"uid":"` + in.UID + `"}`
	reply, err := http.Post(os.Getenv("WEDATA_BASE_URL")+"/wedata/wedata_unbind_user?access_token="+token.Value,
		"application/json", strings.NewReader(body))
	var wechat struct{ ErrCode int }
	if err == nil {
		defer reply.Body.Close()
		err = json.NewDecoder(reply.Body).Decode(&wechat)
	}
	if err == nil && wechat.ErrCode == 0 {
		fmt.Printf(`{"status":"unbound","uid":"E***","merchant":"wx","attempts":1,"trigger":"toy"}` + "\n")
		return json.RawMessage(`{"batchItemFailures":[]}`), nil
	}
	fmt.Println("the token is", token.Value)
	queue, url := sqs.NewFromConfig(config), os.Getenv("UNBIND_QUEUE_URL")
	if fromQueue {
		if in.UID != "E1004" {
			return json.RawMessage(`{"batchItemFailures":[{"itemIdentifier":"` + in.Records[0].MessageID + `"}]}`), nil
		}
		url = os.Getenv("UNBIND_DEAD_LETTER_QUEUE_URL")
	}
	entries := []types.SendMessageBatchRequestEntry{{Id: aws.String("0"), MessageBody: &body, DelaySeconds: 120}}
	_, err = queue.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: &url, Entries: entries})
	return "queued", err
}

func desk(t *testing.T, event string, args ...string) (code int, out, errs string) {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	t.Chdir(t.TempDir())
	if err := os.WriteFile("event.json", []byte(event), 0o600); err != nil {
		t.Fatal(err)
	}
	args = append([]string{"-bootstrap", path, "-event", "event.json"}, args...)
	code = command(t.Context(), args, &page{w: &stdout}, &stderr)
	return code, stdout.String(), stderr.String()
}

func TestSend(t *testing.T) {
	for name, row := range map[string]struct {
		event string
		args  []string
		code  int
		says  []string
	}{
		"done at once": {`{"uid":"E1001"}`, nil, 0, []string{
			"Event  event.json (direct invocation)",
			`  {"uid":"E1001"}`,
			`"authorizer_access_token":"***"`,
			" 1 Secrets GetSecretValue wedata/token → version ",
			` 2 WeChat  POST /wedata/wedata_unbind_user?access_token=*** {"uid":"E1001"} → errcode 0`,
			"unbound   E***, wx, 1 attempt, by toy\n",
			"\nunbound: E1001 no longer sees the figures of wx0123456789abcdef\n",
		}},
		"an administrator": {`{"uid":"E1003"}`, nil, 0, []string{
			"unbound: E1003 of wx0123456789abcdef, who is an administrator there and stays a member\n",
		}},
		"nothing to do": {`{"uid":"E9"}`, nil, 0, []string{"the bind list is as it was\n"}},
		"done from the queue": {`{"uid":"E1001"}`, []string{"-fault", "-1"}, 0, []string{
			"→ errcode -1 ",
			`SQS     SendMessageBatch unbind {"uid":"E1001"}, in 2m0s → 1 accepted`,
			"the token is ***",
			"Queue  1 message to the function (receive 1); on AWS it waits 2m0s first\n",
			"unbound: E1001 no longer sees",
		}},
		"an SQS event": {`{"Records":[{"eventSource":"aws:sqs","body":"{\"uid\":\"E1002\"}"}]}`, []string{"-fault", "html"}, 0, []string{
			"(SQS, 1 message)",
			"→ a reply that is not JSON",
			"1 message not done, back in the queue",
			"(receive 2); on AWS it waits 1m0s first",
			"unbound: E1002 no longer sees",
		}},
		"done on its day": {`{"uid":"E1001","effective_at":"2099-12-31T16:00:00Z"}`, nil, 0, []string{
			"1 Scheduler CreateSchedule E1001 at(2099-12-31T16:00:00)",
			"Later  it is 2099-12-31T16:00Z for EventBridge Scheduler: 1 message to the queue",
			"the desk writes the present moment in the place of effective_at",
			"2 Secrets   GetSecretValue",
			"unbound: E1001 no longer sees",
		}},
		"one event after another": {`{"uid":"E1001"}`, []string{"-event", "event.json"}, 0, []string{
			"2 WeChat    POST", "4 WeChat    POST", "unbound: E1001 no longer sees",
		}},
		"never done": {`{"uid":"E1001"}`, []string{"-fault", "48001:always"}, 1, []string{
			"1 message received 12 times, to the dead-letter queue",
			"Dead-letter queue  1 message, which on AWS raises an alarm",
			"nobody was unbound: the reason stands above\n",
		}},
		"an index of merchants": {`{}`, []string{"-secret", "index"}, 1, []string{
			`wedata/token is {"authorizers":{"wx0123456789abcdef":{`,
		}},
		"the bare token": {`{}`, []string{"-secret", "bare"}, 1, []string{"wedata/token is ***\n"}},
		"an error":       {`{}`, nil, 1, []string{"Error  errorString, after ", "  uid: missing\n", "nobody was unbound"}},
		"no connection":  {`{"uid":"E1001"}`, []string{"-fault", "reset"}, 0, []string{"→ no reply"}},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, errs := desk(t, row.event, row.args...)
			if code != row.code || errs != "" {
				t.Errorf("exit status %d, want %d; errors %q", code, row.code, errs)
			}
			for _, want := range row.says {
				if !strings.Contains(unwrapped(out), unwrapped(want)) {
					t.Errorf("%q is missing in:\n%s", want, out)
				}
			}
			for line := range strings.Lines(out) {
				if columns(line) > 101 {
					t.Errorf("%d columns: %s", columns(line), line)
				}
			}
		})
	}
}

func unwrapped(text string) string { return strings.Join(strings.Fields(text), " ") }

func TestWhatCannotBeTriedSaysWhatToDo(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, text := range map[string]string{"events/unbind.json": "{}", "other": "not a program"} {
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for name, row := range map[string]struct {
		args []string
		says string
	}{
		"no bootstrap":         {[]string{"-bootstrap", "nowhere", "-event", "events/unbind.json"}, "`make run` builds it"},
		"another machine's":    {[]string{"-bootstrap", "./other", "-event", "events/unbind.json"}, "is not for this machine"},
		"no event file":        {[]string{"-event", "events/x.json"}, "events/unbind.json"},
		"an event of another":  {[]string{"-event", "other"}, "other is not JSON"},
		"a fault":              {[]string{"-fault", "slow"}, `invalid value "slow" for flag -fault: it is neither an errcode nor one of [html empty`},
		"a fault's times":      {[]string{"-fault", "48001:0"}, `"0" is no number of times`},
		"a form of the secret": {[]string{"-secret", "json"}, `invalid value "json" for flag -secret: it is none of object, index, bare`},
		"no sources":           {[]string{"-sources", "nowhere.json"}, "nowhere.json: no such file"},
		"an argument":          {[]string{"events/unbind.json"}, "named by -event"},
		"a taken address":      {[]string{"serve", "-listen", "256.0.0.1:1"}, "choose another address"},
	} {
		t.Run(name, func(t *testing.T) {
			var stderr bytes.Buffer
			code := command(t.Context(), row.args, &page{w: io.Discard}, &stderr)
			if code != 2 || !strings.Contains(stderr.String(), row.says) {
				t.Errorf("exit status %d, %q; want 2 and %q", code, stderr.String(), row.says)
			}
			if strings.Contains(stderr.String(), "Usage") || strings.Count(stderr.String(), row.says) > 1 {
				t.Errorf("it says more than the error, and only once: %q", stderr.String())
			}
		})
	}
	t.Run("help is no fault", func(t *testing.T) {
		var stderr bytes.Buffer
		code := command(t.Context(), []string{"-h"}, &page{w: io.Discard}, &stderr)
		if code != 0 || !strings.Contains(stderr.String(), "-event") {
			t.Errorf("exit status %d, %q", code, stderr.String())
		}
	})
}

func TestNewEvent(t *testing.T) {
	for name, row := range map[string]struct{ text, trigger, payload string }{
		"SNS":         {`{"Records":[{"EventSource":"aws:sns","Sns":{"Message":"m"}}]}`, "SNS", "m"},
		"SQS":         {`{"Records":[{"eventSource":"aws:sqs","body":"b"},{}]}`, "SQS, 2 messages", "b"},
		"EventBridge": {`{"source":"hr","detail-type":"Employee Left","detail":{"uid":"E1"}}`, "EventBridge, Employee Left", `{"uid":"E1"}`},
		"HTTP API":    {`{"requestContext":{"http":{"method":"POST","path":"/unbind"}},"body":"b"}`, "HTTP API, POST /unbind", "b"},
		"REST API":    {`{"requestContext":{"httpMethod":"GET"},"httpMethod":"GET","path":"/x","body":null}`, "REST API, GET /x", ""},
		"direct":      {`{ "uid": "E1" }`, "direct invocation", `{"uid":"E1"}`},
		"a list":      {`[1]`, "direct invocation", `[1]`},
	} {
		t.Run(name, func(t *testing.T) {
			e, err := newEvent("f", []byte(row.text))
			if err != nil || e.trigger != row.trigger || e.payload != row.payload || string(e.raw) != row.text {
				t.Errorf("got %+v, %v", e, err)
			}
		})
	}
}

// lines is a writer that hands over what is written, for a reader who waits for it.
type lines chan string

func (l lines) Write(b []byte) (int, error) {
	l <- string(b)
	return len(b), nil
}

func TestServe(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	sources := filepath.Join(t.TempDir(), "sources.json")
	if err := os.WriteFile(sources, []byte(`{"hr":{}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"serve", "-listen", "127.0.0.1:0", "-sources", sources, "-secret", "index"}
	written, ended := make(lines), make(chan int, 1)
	go func() {
		ended <- command(ctx, args, &page{w: written}, io.Discard)
		close(written)
	}()
	var all string
	until := func(text string) {
		for !strings.Contains(all, text) {
			line, ok := <-written
			if !ok {
				t.Fatalf("%q is missing in:\n%s", text, all)
			}
			all += line
		}
	}
	until("\nCalls\n")
	var env struct{ Parameters map[string]string }
	if err := json.NewDecoder(strings.NewReader(all[strings.Index(all, "{"):])).Decode(&env); err != nil {
		t.Fatalf("%v in:\n%s", err, all)
	}
	url := env.Parameters["WEDATA_BASE_URL"]
	if url == "" || url != env.Parameters["AWS_ENDPOINT_URL"] {
		t.Errorf("environment %v", env.Parameters)
	}
	url = strings.Replace(url, "host.docker.internal", "127.0.0.1", 1)
	var calls sync.WaitGroup
	calls.Go(func() {
		reply, err := http.Post(url+"/wedata/wedata_query_bind_list?access_token=x", "application/json", nil)
		if err != nil {
			t.Error(err)
			return
		}
		reply.Body.Close()
	})
	until("  1 WeChat    POST /wedata/wedata_query_bind_list?access_token=***")
	until("→ errcode 40001")
	calls.Go(func() { getSecret(t, url, env.Parameters["UNBIND_SOURCES_SECRET_ID"], `"SecretString":"{\"hr\":{}}"`) })
	until("  2 Secrets   GetSecretValue wedata/sources")
	calls.Go(func() { getSecret(t, url, env.Parameters["WEDATA_SECRET_ID"], `"SecretString":"{\"authorizers\":`) })
	until("  3 Secrets   GetSecretValue wedata/token")
	calls.Wait() // a call is shown before its reply is sent, and the end of serve cuts replies off
	cancel()
	until("Bind list at the end")
	for range written {
	}
	if code := <-ended; code != 0 {
		t.Errorf("exit status %d", code)
	}
}

func getSecret(t *testing.T, url, id, want string) {
	r, err := http.NewRequest(http.MethodPost, url, strings.NewReader(`{"SecretId":"`+id+`"}`))
	if err != nil {
		t.Error(err)
		return
	}
	r.Header.Set("X-Amz-Target", "secretsmanager.GetSecretValue")
	reply, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Error(err)
		return
	}
	defer reply.Body.Close()
	if body, err := io.ReadAll(reply.Body); err != nil || !strings.Contains(string(body), want) {
		t.Errorf("%s is %s, %v; want %s in it", id, body, err, want)
	}
}

// The variables of make are the desk's flags.
func TestMakePassesTheFlags(t *testing.T) {
	if _, err := exec.LookPath("make"); err != nil {
		t.Skip("no make")
	}
	for target, want := range map[string]string{
		"run":       "-event e.json -event f.json -fault -1 -fault html:3 -secret index -sources s.json",
		"local-api": "STANDINS='-fault -1 -fault html:3 -secret index -sources s.json' tools/with-standins",
	} {
		const event = "e.json f.json"
		run := exec.CommandContext(t.Context(), "make", "-n", target,
			"EVENT="+event, "FAULT=-1 html:3", "SECRET=index", "SOURCES=s.json")
		run.Dir = "../../.."
		out, err := run.CombinedOutput()
		if err != nil || !strings.Contains(unwrapped(string(out)), unwrapped(want)) {
			t.Errorf("make -n %s: %v\n%s\nwant %s", target, err, out, want)
		}
	}
}

func TestWrap(t *testing.T) {
	for name, row := range map[string]struct {
		text string
		want []string
	}{
		"at a blank":           {"unbound from all", []string{"unbound", "from all"}},
		"at a comma":           {`{"a":1,"bcde":2}`, []string{`{"a":1,`, `"bcde":2}`}},
		"nowhere to break":     {"0123456789ab", []string{"0123456789", "ab"}},
		"wide characters":      {"微信用户微信用户", []string{"微信用户微", "信用户"}},
		"lines stay lines":     {"a\nb\n", []string{"a", "b"}},
		"an early blank is no": {"a 0123456789", []string{"a 01234567", "89"}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := wrap(row.text, 10); strings.Join(got, "|") != strings.Join(row.want, "|") {
				t.Errorf("got %q, want %q", got, row.want)
			}
		})
	}
}

func TestColour(t *testing.T) {
	var b bytes.Buffer
	p := &page{w: &b, colour: true}
	p.good("unbound")
	if b.String() != "\x1b[32munbound\x1b[0m\n" {
		t.Errorf("%q", b.String())
	}
	f, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if newPage(f).colour {
		t.Error("colour in a file")
	}
}

// In a container of sam local the function finds the same stand-ins.
func TestSAMLocalHasTheEnvironmentOfTheDesk(t *testing.T) {
	text, err := os.ReadFile("../../../tools/local.json")
	if err != nil {
		t.Fatal(err)
	}
	var functions map[string]map[string]string
	if err := json.Unmarshal(text, &functions); err != nil {
		t.Fatal(err)
	}
	_, o := newFlags("", io.Discard)
	want := newStandIns(o).env("http://host.docker.internal:8787")
	if got := functions["UnbindFunction"]; !maps.Equal(got, want) {
		t.Errorf("tools/local.json has %v\nwant %v", got, want)
	}
}
