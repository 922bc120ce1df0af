package events_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"wedata-unbind/internal/lambdatest"
	"wedata-unbind/internal/wedata/wedatatest"
)

func TestEveryTriggerIsToldByItsStructure(t *testing.T) {
	for _, tc := range []struct {
		name, event string
		trigger     string
		want        string // of the reply or the error
	}{
		{"SNS, as documented: the message is no JSON", documented(t, "sns-event.json"), "sns", `{"outcomes":[{"status":"failed","class":"bad_event","detail":"sns message: not JSON: invalid character 'H'`},
		{"an SNS envelope, invoked directly", documented(t, "sns-envelope-nonraw.json"), "unknown", "nothing unbound: an event of the kind SNS envelope is not carried out here"},
		{"EventBridge, as documented: another detail-type", documented(t, "eventbridge-autoscaling.json"), "eventbridge", `{"outcomes":[{"status":"ignored","detail":"another type than employee.left"}]}`},
		{"HTTP API, as documented", documented(t, "apigw-v2-request-no-authorizer.json"), "", `{"statusCode":404,`},
		{"REST API, as documented", documented(t, "devguide-apigateway-v1.json"), "", `{"statusCode":404,`},
		{"function URL, as documented", documented(t, "lambda-urls-request.json"), "", `{"statusCode":404,`},
		{"a load balancer", `{"requestContext":{"elb":{"targetGroupArn":"arn"}},"httpMethod":"POST","path":"/unbind","body":"{}"}`, "unknown", "nothing unbound: a load balancer's request (requestContext.elb) is not carried out here"},
		{"S3", `{"Records":[{"eventSource":"aws:s3","s3":{}}]}`, "unknown", `nothing unbound: an event with Records of aws:s3 is not carried out here`},
		{"Kinesis beside a uid", `{"Records":[{"eventSource":"aws:kinesis"}],"uid":"E1001"}`, "unknown", `nothing unbound: an event with Records of aws:kinesis is not carried out here`},
		{"no records", `{"Records":[]}`, "unknown", "nothing unbound: an event with empty or unreadable Records is not carried out here"},
		{"a destination record, invoked directly", destinationRecord(t, `{"uid":"E1001"}`), "unknown", "nothing unbound: an event of the kind Lambda destination record is not carried out here"},
		{"a condition without a payload", `{"requestContext":{"condition":"RetriesExhausted"},"uid":"E1001"}`, "unknown", `nothing unbound: an event with a requestContext that has (condition) is not carried out here`},
		{"a context of something else", `{"requestContext":{"routeKey":"$connect","connectionId":"x"}}`, "unknown", `nothing unbound: an event with a requestContext that has (connectionId, routeKey) is not carried out here`},
		{"a context that is a list", `{"requestContext":[]}`, "unknown", "nothing unbound: an event with an unreadable requestContext is not carried out here"},
		{"SNS", sample(t, "sns-employee-left.json"), "sns", `{"outcomes":[{"uid":"E1001",`},
		{"SNS with a bare payload", sample(t, "sns-bare.json"), "sns", `{"outcomes":[{"uid":"E1001",`},
		{"SNS about somebody who joined", sample(t, "sns-employee-joined.json"), "sns", `{"outcomes":[{"status":"ignored",`},
		{"EventBridge", sample(t, "eventbridge-employee-left.json"), "eventbridge", `{"outcomes":[{"uid":"E1001",`},
		{"SQS", sample(t, "sqs-employee-left.json"), "sqs", `{"batchItemFailures":[]}`},
		{"HTTP without a source", sample(t, "http-unbind.json"), "", `{"statusCode":404,`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBench(t, options{})
			got, err := b.send(t, tc.event)
			if err != nil {
				got = unbindError(t, err).Error()
			}
			if !strings.HasPrefix(got, tc.want) {
				t.Errorf("got  %s\nwant %s…", got, tc.want)
			}
			if strings.Contains(got, "is not carried out here") && !strings.HasSuffix(got, `a departure looks like {"uid":"E1001"}`) {
				t.Errorf("the error shows no valid event: %s", got)
			}
			if unbound := strings.Contains(tc.want, "E1001") || tc.trigger == "sqs"; b.bound("E1001") == unbound {
				t.Errorf("E1001 bound: %v", b.bound("E1001"))
			}
			for _, line := range b.logged(t, "outcome") {
				if line["trigger"] != tc.trigger {
					t.Errorf("logged as %v", line["trigger"])
				}
			}
		})
	}
}

func TestTheEnvelopeTellsWhatThePayloadDoesNot(t *testing.T) {
	for _, tc := range []struct{ name, event, id, source string }{
		{"the canonical event tells itself", sample(t, "sns-employee-left.json"), "evt-1", "hr"},
		{"SNS: message id and topic", sample(t, "sns-bare.json"), "95df01b4-ee98-5cb9-9903-4c221d41eb5e", "employee-left"},
		{"EventBridge: id and source", sample(t, "eventbridge-employee-left.json"), "6a7e8feb-b491-4cf7-a9f1-bf3703467718", "hr"},
		{"direct: request id", sample(t, "unbind.json"), requestID, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBench(t, options{})
			if _, err := b.send(t, tc.event); err != nil {
				t.Fatal(err)
			}
			lines := b.logged(t, "outcome")
			if len(lines) != 1 || lines[0]["event_id"] != tc.id || lines[0]["source"] != tc.source || lines[0]["age_s"] == nil {
				t.Errorf("logged %v", lines)
			}
		})
	}
}

func TestOneLineIsLoggedForEachOutcome(t *testing.T) {
	b := newBench(t, options{})
	b.wechat.Fail(wedatatest.Fault{Errcode: 48001})
	if _, err := b.send(t, snsEvent(t, `{"uid":"E1001"}`)); err != nil {
		t.Fatal(err)
	}
	lines := b.logged(t, "outcome")
	if len(lines) != 1 {
		t.Fatalf("%d lines", len(lines))
	}
	for field, want := range map[string]any{
		"level": "ERROR", "status": "failed", "class": "permission_missing", "merchant": shop, "uid": "E***1", "uid_hash": "69050a418734442c", "errcode": 48001.0, "attempts": 1.0,
		"trigger": "sns", "source": "employee-left", "event_id": "95df01b4-ee98-5cb9-9903-4c221d41eb5e",
	} {
		if lines[0][field] != want {
			t.Errorf("%s is %v, want %v", field, lines[0][field], want)
		}
	}
	for _, field := range []string{"rid", "reason", "duration_ms", "age_s"} {
		if lines[0][field] == nil || lines[0][field] == "" {
			t.Errorf("there is no %s", field)
		}
	}
}

// What nobody waits for goes to the queue when it is not done, each departure by itself, and ends well once WeChat is well.
func TestWhatIsNotDoneComesBackThroughTheQueue(t *testing.T) {
	for name, event := range map[string]func(*testing.T, string) string{"SNS": snsEvent, "EventBridge": eventBridgeEvent} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, options{})
			b.wechat.Fail(wedatatest.Fault{Times: -1, Errcode: -1})
			reply, err := b.send(t, event(t, `{"type":"employee.left","id":"evt-1","source":"hr","time":"2026-11-23T01:00:00Z","data":{"uid":["E1001","E1002"]}}`))
			if err != nil || statuses(t, reply) != "queued queued" {
				t.Fatalf("got %s, %v", reply, err)
			}
			waiting := b.queue.Messages()
			if len(waiting) != 2 {
				t.Fatalf("%d messages in the queue, want 2", len(waiting))
			}
			const want = `{"specversion":"1.0","source":"hr","id":"evt-1","type":"employee.left","time":"2026-11-23T01:00:00Z","data":{"uid":"E1001","merchant":"wx0123456789abcdef"}}`
			if waiting[0].Body != want || waiting[0].Delay != 0 {
				t.Errorf("queued %s after %v\nwant   %s", waiting[0].Body, waiting[0].Delay, want)
			}
			b.heal()
			if delivery := b.deliver(t); len(delivery.Returned) != 0 || b.bound("E1001") || b.bound("E1002") {
				t.Errorf("reply %s, E1001 bound: %v, E1002 bound: %v", delivery.Reply.Payload, b.bound("E1001"), b.bound("E1002"))
			}
			if left := len(b.queue.Messages()) + len(b.dead.Messages()); left > 0 {
				t.Errorf("%d messages left", left)
			}
		})
	}
}

func TestAgeIsCountedFromTheDayThatItWasDue(t *testing.T) {
	b := newBench(t, options{})
	due := time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)
	if _, err := b.send(t, snsEvent(t, `{"uid":"E1001","effective_at":"`+due+`"}`)); err != nil {
		t.Fatal(err)
	}
	if age, ok := b.logged(t, "outcome")[0]["age_s"].(float64); !ok || age < 3599 || age > 3700 {
		t.Errorf("age_s is %v, want an hour", age)
	}
}

func TestARateLimitIsWaitedForInTheQueue(t *testing.T) {
	b := newBench(t, options{})
	b.wechat.Fail(wedatatest.Fault{Times: -1, Errcode: 45011})
	if _, err := b.send(t, snsEvent(t, `{"uid":"E1001"}`)); err != nil {
		t.Fatal(err)
	}
	if waiting := b.queue.Messages(); len(waiting) != 1 || waiting[0].Delay.Seconds() <= 60 {
		t.Errorf("queued %+v", waiting)
	}
}

func TestWhatTheQueueCannotTakeEndsTheInvocationInAnError(t *testing.T) {
	b := newBench(t, options{})
	b.wechat.Fail(wedatatest.Fault{Times: -1, Errcode: 48001})
	b.sqs.FailEntries("E1002", "InternalError", -1)
	_, err := b.send(t, snsEvent(t, `{"uid":["E1001","E1002"]}`))
	failure := unbindError(t, err)
	if len(failure.NotDone) != 1 || failure.NotDone[0].UID != "E1002" || failure.Total != 2 || !strings.Contains(failure.Error(), "queue: send: InternalError") {
		t.Errorf("got %v", failure)
	}
	if len(b.dead.Messages()) != 1 || len(b.queue.Messages()) != 0 {
		t.Errorf("%d dead letters, want that of E1001", len(b.dead.Messages()))
	}
}

func TestWithoutAScheduleGroupALaterDepartureIsNeverEarly(t *testing.T) {
	b := newBench(t, options{})
	reply, err := b.send(t, snsEvent(t, `{"uid":"E1001","effective_at":"9000-01-01"}`))
	if err != nil || statuses(t, reply) != "failed" {
		t.Fatalf("got %s, %v", reply, err)
	}
	dead := b.dead.Messages()
	if len(dead) != 1 || dead[0].Attributes["class"].StringValue != "schedule" || !b.bound("E1001") {
		t.Errorf("dead letters %+v", dead)
	}
	if _, err := b.send(t, `{"uid":"E1001","effective_at":"9000-01-01"}`); err == nil || len(b.wechat.Calls()) > 0 {
		t.Errorf("got %v, WeChat was called %d times", err, len(b.wechat.Calls()))
	}
}

func TestHTTPTellsNothingToUnverifiedCallers(t *testing.T) {
	b := newBench(t, options{})
	reply, err := b.send(t, sample(t, "http-unbind.json"))
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		StatusCode int               `json:"statusCode"`
		Headers    map[string]string `json:"headers"`
		Body       string            `json:"body"`
	}
	if err := json.Unmarshal([]byte(reply), &got); err != nil {
		t.Fatal(err)
	}
	const want = `{"instance":"` + requestID + `","status":404,"title":"Not Found","type":"about:blank"}`
	if got.StatusCode != http.StatusNotFound || got.Headers["Content-Type"] != "application/problem+json" || got.Body != want {
		t.Errorf("got  %+v\nwant %s", got, want)
	}
	if lines := b.logged(t, "request refused"); len(lines) != 1 || lines[0]["reason"] == "" {
		t.Errorf("logged %v", lines)
	}
}

func TestSecretsAreReadOnce(t *testing.T) {
	b := newBench(t, options{})
	for range 3 {
		if _, err := b.send(t, snsEvent(t, `{"uid":"E1001"}`)); err != nil {
			t.Fatal(err)
		}
	}
	if got := b.secrets.Reads(secretID); got != 1 {
		t.Errorf("%d reads, want 1", got)
	}
	b.putToken(b.wechat.Rotate(shop))
	if reply, err := b.send(t, snsEvent(t, `{"uid":"E1001"}`)); err != nil || statuses(t, reply) != "unbound" {
		t.Errorf("after the rotation: %s, %v", reply, err)
	}
	if got := b.secrets.Reads(secretID); got != 2 {
		t.Errorf("%d reads after a rotation, want 2", got)
	}
}

func TestASecretThatCannotBeReadIsNoReasonToLoseADeparture(t *testing.T) {
	for _, tc := range []struct {
		name  string
		fault lambdatest.Fault
		want  string
	}{
		{"missing", lambdatest.Fault{Code: "ResourceNotFoundException", Status: 400}, "failed"},
		{"throttled", lambdatest.Fault{Code: "ThrottlingException", Status: 400}, "retry"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBench(t, options{})
			tc.fault.Times = -1
			b.secrets.Fail(tc.fault)
			reply, err := b.send(t, snsEvent(t, `{"uid":"E1001"}`))
			if want := map[string]string{"retry": "queued", "failed": "failed"}[tc.want]; err != nil || statuses(t, reply) != want {
				t.Fatalf("got %s, %v, want %s", reply, err, want)
			}
			b.deliver(t)
			queued, dead := len(b.queue.Messages()), len(b.dead.Messages())
			if tc.want == "retry" && (queued != 1 || dead != 0) || tc.want == "failed" && (queued != 0 || dead != 1) {
				t.Errorf("%d in the queue and %d dead", queued, dead)
			}
		})
	}
}
