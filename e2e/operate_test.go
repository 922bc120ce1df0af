package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"wedata-unbind/internal/lambdatest/cloudwatch"
	"wedata-unbind/internal/wedata/wedatatest"
)

// check does what EventBridge Scheduler does by the deployed schedule, while the merchant has a fault: MiniStack keeps
// a schedule of an SDK call, but does not fire it. The failed check raises its own alarm, and no other.
func (s *stack) check(t *testing.T, merchant string) {
	names := s.checks(t)
	if len(names) != 1 {
		t.Fatalf("the schedules %v, want the regular check alone", names)
	}
	schedule, err := scheduler.NewFromConfig(s.config).GetSchedule(t.Context(), &scheduler.GetScheduleInput{Name: &names[0]})
	if err != nil {
		t.Fatal(err)
	}
	target := schedule.Target
	if aws.ToString(target.Arn) != "arn:aws:scheduler:::aws-sdk:lambda:invoke" ||
		aws.ToString(schedule.ScheduleExpression) != "rate(1 hour)" ||
		target.RetryPolicy == nil || aws.ToInt32(target.RetryPolicy.MaximumRetryAttempts) != 0 {
		t.Errorf("deployed %s with %+v", aws.ToString(schedule.ScheduleExpression), target)
	}
	var input struct{ FunctionName, InvocationType, Payload string }
	if err := json.Unmarshal([]byte(aws.ToString(target.Input)), &input); err != nil {
		t.Fatal(err)
	}

	s.wechat.Fail(wedatatest.Fault{Path: wedatatest.ListPath, Merchant: merchant, Errcode: 40164, Times: 1})
	before := len(s.log(t))
	out, err := lambda.NewFromConfig(s.config).Invoke(t.Context(), &lambda.InvokeInput{
		FunctionName: &input.FunctionName, Payload: []byte(input.Payload),
		InvocationType: lambdatypes.InvocationType(input.InvocationType),
	})
	if err != nil || out.FunctionError == nil || !strings.Contains(string(out.Payload), "1 fault: ") {
		t.Fatalf("the check replied %s, %v; want one fault", out.Payload, err)
	}
	template, err := cloudwatch.ReadTemplate("../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	data := cloudwatch.Datapoints(s.filters(t), s.log(t)[before:])
	var raised []string
	for name, alarm := range template.Alarms {
		if is, err := alarm.Raised(data); err == nil && is {
			raised = append(raised, name)
		}
	}
	if !slices.Equal(raised, []string{"CheckFailedAlarm"}) {
		t.Errorf("raised %v of %v", raised, data)
	}
}

// checks returns the names of the schedules in the default group. Departures are in another.
func (s *stack) checks(t *testing.T) (names []string) {
	t.Helper()
	list, err := scheduler.NewFromConfig(s.config).ListSchedules(t.Context(),
		&scheduler.ListSchedulesInput{GroupName: aws.String("default")})
	if err != nil {
		t.Fatal(err)
	}
	for _, schedule := range list.Schedules {
		names = append(names, *schedule.Name)
	}
	return names
}

// deadLetters runs make dead-letters and make redrive. MiniStack has no StartMessageMoveTask; a stand-in before it has.
func (s *stack) deadLetters(t *testing.T) {
	const uid, reason = "somebody@example.com", "permission set 18 is missing"
	s.sendDeadLetter(t, uid, map[string]string{
		"reason": reason, "class": "permission_missing", "source": "hr", "event_id": "evt-7", "uid_hash": "0123456789abcdef",
	})
	s.sendDeadLetter(t, uid, nil)
	s.sendDeadLetter(t, uid, map[string]string{ // as EventBridge Scheduler's
		"ERROR_CODE": "AWS.SimpleQueueService.NonExistentQueue", "ERROR_MESSAGE": "The queue does not exist.",
		"SCHEDULE_ARN": "arn:aws:scheduler:us-east-1:123456789012:schedule/unbind/0123-all",
	})
	ministack, err := url.Parse(s.endpoint)
	if err != nil {
		t.Fatal(err)
	}
	proxy, moved := httputil.NewSingleHostReverseProxy(ministack), make(chan string, 1)
	front := "http://127.0.0.1:" + serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Header.Get("X-Amz-Target") {
		case "AmazonSQS.StartMessageMoveTask":
			body, _ := io.ReadAll(r.Body)
			moved <- string(body)
			io.WriteString(w, `{"TaskHandle":"task-1"}`)
		case "AmazonSQS.ListMessageMoveTasks":
			io.WriteString(w, `{"Results":[{"Status":"RUNNING","ApproximateNumberOfMessagesToMove":3}]}`)
		default:
			proxy.ServeHTTP(w, r)
		}
	}))
	run := func(command string) string {
		cmd := exec.Command(filepath.Join(filepath.Dir(tool(t, "SAM")), "python"), "tools/dead-letters", command, s.name)
		cmd.Dir, cmd.Env = "..", environ("AWS_ENDPOINT_URL="+front)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
		return string(out)
	}
	for range 2 { // the first list takes nothing
		list := run("list")
		for _, want := range []string{
			" " + reason, " permission_missing", " hr", " evt-7", " 0123456789abcdef", "SQS or Lambda moved it",
			"EventBridge Scheduler could not send it to the queue: AWS.SimpleQueueService.NonExistentQueue: The queue",
			"schedule/unbind/0123-all", "3 dead letters; all of them are still in the queue",
		} {
			if !strings.Contains(list, want) {
				t.Errorf("the list lacks %q:\n%s", want, list)
			}
		}
		if strings.Contains(list, uid) {
			t.Errorf("the list has a whole uid:\n%s", list)
		}
	}
	queue, url := sqs.NewFromConfig(s.config), s.outputs["DeadLetterQueueUrl"]
	received, err := queue.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{
		QueueUrl: &url, MaxNumberOfMessages: 10, VisibilityTimeout: 60,
	})
	if err != nil || len(received.Messages) != 3 {
		t.Fatalf("received %v, %v", received, err)
	}
	if list := run("list"); !strings.Contains(list, "about 3 more were hidden") || strings.Contains(list, "no dead letters") {
		t.Errorf("while somebody reads them, the list says\n%s", list)
	}
	for _, message := range received.Messages {
		if _, err := queue.ChangeMessageVisibility(t.Context(), &sqs.ChangeMessageVisibilityInput{
			QueueUrl: &url, ReceiptHandle: message.ReceiptHandle,
		}); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.inQueue(t, s.outputs["DeadLetterQueueUrl"]); n != 3 {
		t.Errorf("%d messages, want 3", n)
	}
	if said := run("redrive"); !strings.Contains(said, "about 3 dead letters are moving back to the queue") {
		t.Errorf("make redrive says %s", said)
	}
	var task struct{ SourceArn, DestinationArn string }
	if err := json.Unmarshal([]byte(<-moved), &task); err != nil ||
		task.SourceArn != s.outputs["DeadLetterQueueArn"] || task.DestinationArn != s.outputs["QueueArn"] {
		t.Errorf("moves %+v, %v", task, err)
	}
}
