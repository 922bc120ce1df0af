package e2e

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	eventbridgetypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"wedata-unbind/internal/source/sourcetest"
	"wedata-unbind/internal/wedata/wedatatest"
)

// row is one path through the deployed stack. Each has its own merchant and person, so that rows do not affect each
// other.
type row struct {
	name string
	run  func(t *testing.T, s *stack, merchant, uid string)
}

// TestDeployment deploys the template, tests every path through it, updates it and removes it.
func TestDeployment(t *testing.T) {
	rows := slices.Concat(triggers(), failures(), laters())
	merchantOf := func(i int) string { return fmt.Sprintf("wx%016x", i+1) }
	uidOf := func(i int) string { return fmt.Sprintf("person-%02d@example.com", i+1) }
	var merchants []string
	for i := range len(rows) + 2 {
		merchants = append(merchants, merchantOf(i))
	}
	crashing, updated := len(rows), len(rows)+1

	s := newStack(t, merchants...)
	for i, merchant := range merchants {
		s.bind(merchant, uidOf(i))
	}
	s.deploy(t)

	t.Run("parameters that do not fit", func(t *testing.T) {
		s.refuse(t, "reserve 5 or more, or 0", "ReservedConcurrency=2")
		s.refuse(t, "SubnetIds and SecurityGroupIds go together", "SubnetIds=subnet-0123456789abcdef0")
		s.refuse(t, "not both", "AlarmTopicArn=arn:aws:sns:us-east-1:123456789012:alarms")
		s.refuse(t, "EventBusName needs EventSources", `EventSources=""`)
		s.refuse(t, "PublisherAccounts", "PublisherAccounts=123456789012,")
		s.refuse(t, "ApiDomainName and ApiCertificateArn go together", "ApiDomainName=hooks.example.com")
		s.refuse(t, "ApiDomainName needs the HTTP API", "ApiDomainName=hooks.example.com", "EnableHttpApi=false",
			"ApiCertificateArn=arn:aws:acm:us-east-1:123456789012:certificate/0a1b")
		s.refuse(t, "PeopleSecretArns", "PeopleSecretArns=arn:aws:secretsmanager:us-east-1:123456789012:secret:*")
		s.refuse(t, "CheckSchedule", "CheckSchedule=hourly")
	})
	t.Run("architecture", func(t *testing.T) { s.architecture(t) })
	t.Run("the regular check", func(t *testing.T) { s.check(t, merchantOf(crashing)) })
	t.Run("killed during a call", func(t *testing.T) { killed(t, s, merchantOf(crashing), uidOf(crashing)) })
	t.Run("paths", func(t *testing.T) {
		for i, row := range rows {
			t.Run(row.name, func(t *testing.T) {
				t.Parallel()
				row.run(t, s, merchantOf(i), uidOf(i))
			})
		}
	})
	t.Run("both queues are empty", func(t *testing.T) {
		for _, name := range []string{"QueueUrl", "DeadLetterQueueUrl"} {
			eventually(t, time.Minute, "an empty queue "+name, func() bool { return s.inQueue(t, s.outputs[name]) == 0 })
		}
	})
	t.Run("metrics", func(t *testing.T) { s.metrics(t) })
	t.Run("dead letters", func(t *testing.T) { s.deadLetters(t) })
	t.Run("no secret in the log", func(t *testing.T) {
		log := strings.Join(s.log(t), "\n")
		for i, merchant := range merchants {
			// Every rotated token begins with 61_.
			for _, secret := range []string{tokenOf(merchant), "61_", uidOf(i), deskKey, deskToken, deskAES} {
				if strings.Contains(log, secret) {
					t.Errorf("the log has %s", secret)
				}
			}
		}
	})
	t.Run("a name of its own", func(t *testing.T) {
		s.deploy(t, "ApiDomainName=hooks.example.com",
			"ApiCertificateArn=arn:aws:acm:us-east-1:000000000000:certificate/0a1b")
		if s.outputs["UnbindUrl"] != "https://hooks.example.com/unbind" || s.outputs["ApiCnameTarget"] == "" {
			t.Errorf("the outputs are %v", s.outputs)
		}
		if status, body := s.call(t, "/unbind", sourcetest.Request{Method: http.MethodPost, Body: []byte("{}")}); status != http.StatusUnauthorized {
			t.Errorf("an unsigned request is answered %d, %s", status, body)
		}
	})
	t.Run("update", func(t *testing.T) {
		// sam keeps a parameter that is not given.
		s.deploy(t, "WedataVerify=false", "EnableHttpApi=false", `ApiDomainName=""`, `ApiCertificateArn=""`, "TokenWriterPolicy=true", "CheckSchedule=off",
			"PeopleSecretArns=arn:aws:secretsmanager:us-east-1:000000000000:secret:unbind/people-*")
		if s.outputs["UnbindUrl"] != "" || s.outputs["TokenWriterPolicyArn"] == "" {
			t.Errorf("the outputs are %v, want no URL and a policy", s.outputs)
		}
		if names := s.checks(t); len(names) > 0 {
			t.Errorf("the schedules %v, want none: the check is off", names)
		}
		merchant, uid := merchantOf(updated), uidOf(updated)
		lists := s.wechat.calls(merchant, wedatatest.ListPath) // the check has read it
		s.invoke(t, fmt.Sprintf(`{"uid":%q,"merchant":%q}`, uid, merchant))
		s.unbound(t, 10*time.Second, merchant, uid)
		if n := s.wechat.calls(merchant, wedatatest.ListPath) - lists; n != 0 {
			t.Errorf("the bind list was read %d times, want none once WedataVerify is false", n)
		}
	})
	t.Run("removal", func(t *testing.T) { s.remove(t) })
}

// triggers has a row for each trigger. Each ends with a gone binding and a log line.
func triggers() []row {
	type step func(t *testing.T, s *stack, merchant, uid string)
	arrives := func(trigger string, send step) step {
		return func(t *testing.T, s *stack, merchant, uid string) {
			send(t, s, merchant, uid)
			s.unbound(t, 30*time.Second, merchant, uid)
			got := s.logged(t, 10*time.Second, merchant, "unbound")
			if got.Trigger != trigger || got.UID == uid || got.UIDHash == "" {
				t.Errorf("logged %+v, want the trigger %s, the uid masked and its hash", got, trigger)
			}
		}
	}
	return []row{
		{"direct invocation", arrives("direct", func(t *testing.T, s *stack, merchant, uid string) {
			reply := string(s.invoke(t, bare(merchant, uid)).Payload)
			if !strings.Contains(reply, `"status":"unbound"`) && !strings.Contains(reply, `"status": "unbound"`) {
				t.Errorf("replied %s, want unbound", reply)
			}
		})},
		{"asynchronous invocation", arrives("direct", func(t *testing.T, s *stack, merchant, uid string) {
			s.invokeAsync(t, bare(merchant, uid))
		})},
		{"topic", arrives("sns", func(t *testing.T, s *stack, merchant, uid string) {
			s.publish(t, canonical(merchant, uid))
		})},
		{"queue", arrives("sqs", func(t *testing.T, s *stack, merchant, uid string) {
			s.send(t, s.outputs["QueueUrl"], canonical(merchant, uid))
		})},
		{"event bus", arrives("eventbridge", func(t *testing.T, s *stack, merchant, uid string) {
			s.putEvent(t, "com.example.hr", bare(merchant, uid))
		})},
		{"event bus, another source", func(t *testing.T, s *stack, merchant, uid string) {
			// The second event shows that the first was not delivered.
			s.putEvent(t, "com.example.other", bare(merchant, uid))
			s.putEvent(t, "com.example.hr", bare(merchant, "nobody"))
			s.logged(t, 30*time.Second, merchant, "unknown")
			if !s.wechat.bound(merchant, uid) {
				t.Error("an event of a source that the rule does not name unbound the person")
			}
		}},
		{"dry run", func(t *testing.T, s *stack, merchant, uid string) {
			s.invoke(t, fmt.Sprintf(`{"uid":[%q,"nobody"],"merchant":%q,"dry_run":true}`, uid, merchant))
			if s.logged(t, 10*time.Second, merchant, "unknown"); !s.wechat.bound(merchant, uid) {
				t.Error("a dry run unbound the person")
			}
		}},
		{"HTTP API", arrives("http", func(t *testing.T, s *stack, merchant, uid string) {
			status, body := s.call(t, "/unbind", sourcetest.Bearer(deskKey, []byte(bare(merchant, uid))))
			if status != http.StatusOK || !strings.Contains(body, `"status":"unbound"`) {
				t.Errorf("got %d %s, want 200 and unbound", status, body)
			}
		})},
		{"webhook", arrives("sqs", func(t *testing.T, s *stack, merchant, uid string) {
			status, reply := s.call(t, "/hooks/hr", signed(canonical(merchant, uid)))
			if status != http.StatusOK || reply != `{"accepted":1,"ignored":0}` {
				t.Errorf("got %d %s, want 200 and one accepted", status, reply)
			}
		})},
		{"webhook with a wrong signature", func(t *testing.T, s *stack, merchant, uid string) {
			forged := signed("another body")
			forged.Body = []byte(canonical(merchant, uid))
			status, reply := s.call(t, "/hooks/hr", forged)
			if status != http.StatusUnauthorized || !strings.Contains(reply, `"instance"`) {
				t.Errorf("got %d %s, want a problem 401 with the request id", status, reply)
			}
			if !s.wechat.bound(merchant, uid) || s.wechat.calls(merchant, wedatatest.UnbindPath) > 0 {
				t.Error("a webhook with a wrong signature unbound the person")
			}
		}},
		{"handshakes", func(t *testing.T, s *stack, _, _ string) {
			for _, h := range handshakes() {
				if status, reply := s.call(t, h.path, h.request); status != http.StatusOK || reply != h.want {
					t.Errorf("%s: got %d %s, want %s", h.name, status, reply, h.want)
				}
			}
		}},
		{"a path without a route", func(t *testing.T, s *stack, _, _ string) {
			status, reply := s.call(t, "/hooks/hr", sourcetest.Request{Method: http.MethodDelete})
			if status != http.StatusNotFound {
				t.Errorf("got %d %s, want the API's own 404", status, reply)
			}
		}},
	}
}

// failures has a row for each kind of departure that cannot be done at once.
func failures() []row {
	return []row{
		{"WeChat is busy, then answers", func(t *testing.T, s *stack, merchant, uid string) {
			s.wechat.divert(tokenOf(merchant), busy)
			s.publish(t, canonical(merchant, uid))
			got := s.logged(t, time.Minute, merchant, "queued")
			if got.ErrCode != -1 || got.Class != "busy" || got.Level != "WARN" {
				t.Errorf("logged %+v, want a warning with errcode -1 and class busy", got)
			}
			s.wechat.divert(tokenOf(merchant), nil)
			// If it was received once more meanwhile, it is hidden for over a minute.
			s.unbound(t, 3*time.Minute, merchant, uid)
			s.logged(t, 10*time.Second, merchant, "unbound")
		}},
		{"permission missing, then granted and redriven", func(t *testing.T, s *stack, merchant, uid string) {
			s.wechat.Grant(merchant, false)
			s.publish(t, canonical(merchant, uid))
			letter := s.takeDeadLetter(t, time.Minute, merchant)
			code, class, reason := attribute(letter, "errcode"), attribute(letter, "class"), attribute(letter, "reason")
			if code != "48001" || class != "permission_missing" || reason == "" {
				t.Errorf("the dead letter has errcode %q, class %q and reason %q, want 48001, permission_missing and a reason",
					code, class, reason)
			}
			got := s.logged(t, 10*time.Second, merchant, "failed")
			if got.Level != "ERROR" || got.ErrCode != 48001 || got.Class != "permission_missing" {
				t.Errorf("logged %+v, want an error with errcode 48001 and class permission_missing", got)
			}
			s.wechat.Grant(merchant, true)
			s.send(t, s.outputs["QueueUrl"], *letter.Body) // MiniStack has no StartMessageMoveTask
			s.unbound(t, time.Minute, merchant, uid)
		}},
		{"permission missing, direct invocation", func(t *testing.T, s *stack, merchant, uid string) {
			s.wechat.Grant(merchant, false)
			out := s.invoke(t, bare(merchant, uid))
			reply := string(out.Payload)
			if out.FunctionError == nil || !strings.Contains(reply, "UnbindError") || !strings.Contains(reply, "48001") {
				t.Errorf("got %s, want an UnbindError with 48001", reply)
			}
			if strings.Contains(reply, uid) || strings.Contains(reply, tokenOf(merchant)) {
				t.Errorf("the error shows the uid or the token: %s", reply)
			}
		}},
		{"token rotated", func(t *testing.T, s *stack, merchant, uid string) {
			s.bind(merchant, "first@example.com")
			s.invoke(t, bare(merchant, "first@example.com")) // from now on the function may have the token in its cache
			s.rotate(t, merchant)
			s.publish(t, canonical(merchant, uid))
			s.unbound(t, time.Minute, merchant, uid)
		}},
		{"token refused until a new one is written", func(t *testing.T, s *stack, merchant, uid string) {
			s.wechat.Expire(merchant)
			s.publish(t, canonical(merchant, uid))
			if got := s.logged(t, time.Minute, merchant, "retry"); got.ErrCode != 42001 || got.Class != "token_refused" {
				t.Errorf("logged %+v, want errcode 42001 and class token_refused", got)
			}
			s.rotate(t, merchant)
			s.unbound(t, 3*time.Minute, merchant, uid)
		}},
	}
}

// killed kills the function's process during a call to WeChat, at each of Lambda's tries. The event must then reach the
// queue by the failure destination, and be carried out from there.
func killed(t *testing.T, s *stack, merchant, uid string) {
	deaths := make(chan int, 10)
	s.wechat.divert(tokenOf(merchant), func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) // the server notices a closed connection only after the body is read
		deaths <- s.killFunction()
		<-r.Context().Done()
	})
	s.invokeAsync(t, bare(merchant, uid))
	for i := range 3 {
		select {
		case n := <-deaths:
			if n == 0 {
				t.Fatal("there was no process to kill")
			}
			t.Logf("killed at try %d", i+1)
		case <-time.After(3 * time.Minute):
			t.Fatalf("Lambda did not make try %d", i+1)
		}
	}
	s.wechat.divert(tokenOf(merchant), nil)
	s.unbound(t, 3*time.Minute, merchant, uid)
	if got := s.logged(t, 10*time.Second, merchant, "unbound"); got.Trigger != "sqs" {
		t.Errorf("logged %+v, want the trigger sqs", got)
	}
}

// killFunction kills the function's processes, children of MiniStack's, and returns how many.
func (s *stack) killFunction() int {
	killed := 0
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, stat := range stats {
		text, err := os.ReadFile(stat)
		if err != nil {
			continue // it has ended
		}
		// pid (comm) state ppid …
		before, after, ok := strings.Cut(string(text), " (bootstrap) ")
		fields := strings.Fields(after)
		if !ok || len(fields) < 2 || fields[1] != strconv.Itoa(s.process) {
			continue
		}
		if pid, err := strconv.Atoi(before); err == nil && syscall.Kill(pid, syscall.SIGKILL) == nil {
			killed++
		}
	}
	return killed
}

// architecture compares the deployed function's architecture with this machine's, for which make e2e builds.
func (s *stack) architecture(t *testing.T) {
	out, err := lambda.NewFromConfig(s.config).GetFunctionConfiguration(t.Context(), &lambda.GetFunctionConfigurationInput{
		FunctionName: aws.String(s.outputs["FunctionName"]),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]lambdatypes.Architecture{
		"amd64": lambdatypes.ArchitectureX8664, "arm64": lambdatypes.ArchitectureArm64,
	}[runtime.GOARCH]
	if len(out.Architectures) != 1 || out.Architectures[0] != want {
		t.Errorf("deployed for %v, want %s", out.Architectures, want)
	}
}

// remove removes the stack as a user does, and checks that nothing is left but the log.
func (s *stack) remove(t *testing.T) {
	sam(t, environ("AWS_ENDPOINT_URL="+s.endpoint),
		"delete", "--stack-name", s.name, "--region", s.config.Region, "--no-prompts")
	_, err := cloudformation.NewFromConfig(s.config).DescribeStacks(t.Context(),
		&cloudformation.DescribeStacksInput{StackName: &s.name})
	if code(err) != "ValidationError" || !strings.Contains(err.Error(), "does not exist") {
		t.Errorf("the stack: %v; want that it does not exist", err)
	}
	_, err = lambda.NewFromConfig(s.config).GetFunction(t.Context(),
		&lambda.GetFunctionInput{FunctionName: aws.String(s.outputs["FunctionName"])})
	if code(err) != "ResourceNotFoundException" {
		t.Errorf("the function: %v; want that it does not exist", err)
	}
	queues, err := sqs.NewFromConfig(s.config).ListQueues(t.Context(), &sqs.ListQueuesInput{})
	if err != nil || len(queues.QueueUrls) > 0 {
		t.Errorf("queues %v, %v; want none", queues.QueueUrls, err)
	}
	topics, err := sns.NewFromConfig(s.config).ListTopics(t.Context(), &sns.ListTopicsInput{})
	if err != nil || len(topics.Topics) > 0 {
		t.Errorf("topics %v, %v; want none", topics.Topics, err)
	}
	groups, err := scheduler.NewFromConfig(s.config).ListScheduleGroups(t.Context(), &scheduler.ListScheduleGroupsInput{})
	if err != nil || len(groups.ScheduleGroups) > 1 || *groups.ScheduleGroups[0].Name != "default" {
		t.Errorf("schedule groups %v, %v; want only AWS's own", groups, err)
	}
	if s.log(t) == nil {
		t.Error("the log is gone; it is evidence and must stay")
	}
}

// code returns AWS's code of the error, or an empty string.
func code(err error) string {
	var coded interface{ ErrorCode() string }
	if errors.As(err, &coded) {
		return coded.ErrorCode()
	}
	return ""
}

func bare(merchant, uid string) string { return fmt.Sprintf(`{"uid":%q,"merchant":%q}`, uid, merchant) }

func canonical(merchant, uid string) string {
	return fmt.Sprintf(`{"specversion":"1.0","id":"evt-%s","source":"hr","type":"employee.left","time":%q,"data":%s}`,
		merchant, time.Now().UTC().Format(time.RFC3339), bare(merchant, uid))
}

func (s *stack) publish(t *testing.T, message string) {
	t.Helper()
	_, err := sns.NewFromConfig(s.config).Publish(t.Context(),
		&sns.PublishInput{TopicArn: aws.String(s.outputs["TopicArn"]), Message: &message})
	if err != nil {
		t.Fatal(err)
	}
}

func (s *stack) putEvent(t *testing.T, source, detail string) {
	t.Helper()
	out, err := eventbridge.NewFromConfig(s.config).PutEvents(t.Context(), &eventbridge.PutEventsInput{
		Entries: []eventbridgetypes.PutEventsRequestEntry{
			{Source: &source, DetailType: aws.String("Employee Left"), Detail: &detail},
		},
	})
	if err != nil || out.FailedEntryCount > 0 {
		t.Fatal(out, err)
	}
}

// invokeAsync invokes the function without waiting for it, as SNS and EventBridge do.
func (s *stack) invokeAsync(t *testing.T, event string) {
	t.Helper()
	_, err := lambda.NewFromConfig(s.config).Invoke(t.Context(), &lambda.InvokeInput{
		FunctionName: aws.String(s.outputs["FunctionName"]), Payload: []byte(event),
		InvocationType: lambdatypes.InvocationTypeEvent,
	})
	if err != nil {
		t.Fatal(err)
	}
}

// call sends a request to the HTTP API, and returns status and body of the reply.
func (s *stack) call(t *testing.T, path string, r sourcetest.Request) (int, string) {
	t.Helper()
	api, err := url.Parse(s.outputs["UnbindUrl"])
	if err != nil {
		t.Fatal(err)
	}
	status, _, body := deliver(t, s.endpoint, api.Host, path, r) // MiniStack knows the API by its host
	return status, body
}
