package events_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/events"
	"wedata-unbind/internal/lambdatest"
	"wedata-unbind/internal/offboard"
	"wedata-unbind/internal/queue"
	"wedata-unbind/internal/schedule"
	"wedata-unbind/internal/secrets"
	"wedata-unbind/internal/source"
	"wedata-unbind/internal/token"
	"wedata-unbind/internal/wedata"
	"wedata-unbind/internal/wedata/wedatatest"
)

const (
	shop      = "wx0123456789abcdef"
	secretID  = "wedata/token"
	sourcesID = "wedata/sources"
	requestID = "8476a536-e9f4-11e8-9739-2dfe598c3fcd"
)

// bench is the function with stand-ins for all that is around it, in one process.
type bench struct {
	*events.Handler
	wechat      *wedatatest.Server
	secrets     *lambdatest.SecretsManager
	sqs         *lambdatest.SQS
	scheduler   *lambdatest.Scheduler
	queue, dead *lambdatest.Queue
	asked       *queue.Queue
	token       string
	log         *lockedBuffer
}

// options are what a test changes of a bench.
type options struct {
	wechat  wedatatest.Options
	noQueue bool
	sources string // the sources' secret, "" for none
	now     func() time.Time

	schedules events.Schedules
	later     bool         // whether there is a schedule group
	api       offboard.API // WeChat's stand-in over HTTP if it is nil
}

func newBench(t *testing.T, o options) *bench {
	t.Helper()
	aws := lambdatest.NewAWS()
	b := &bench{wechat: wedatatest.New(o.wechat), secrets: aws.Secrets, sqs: aws.SQS, scheduler: aws.Scheduler, log: &lockedBuffer{}}
	awsClient, awsURL := lambdatest.InMemory(t, aws)
	wechatClient, wechatURL := lambdatest.InMemory(t, b.wechat)

	b.token = b.wechat.Rotate(shop)
	b.wechat.Bind(shop, people()...)
	b.putToken(b.token)
	b.dead = b.sqs.Create("dead", lambdatest.QueueConfig{})
	b.queue = b.sqs.Create("queue", lambdatest.QueueConfig{DeadLetter: b.dead, MaxReceives: 12})

	client, err := wedata.New(wedata.Config{BaseURL: wechatURL, HTTPClient: wechatClient})
	if err != nil {
		t.Fatal(err)
	}
	keys := credentials.NewStaticCredentialsProvider("id", "secret", "")
	cache := secrets.New(secretsmanager.New(secretsmanager.Options{
		Region: lambdatest.Region, BaseEndpoint: &awsURL, HTTPClient: awsClient, Credentials: keys, RetryMaxAttempts: 1,
	}), secrets.Config{Now: o.now})
	if o.api == nil {
		o.api = client
	}
	tokens := token.New(cache, secretID)
	work := offboard.Config{API: o.api, Tokens: tokens, Backoff: time.Microsecond}
	if o.later {
		work.Schedules = schedule.New(scheduler.New(scheduler.Options{
			Region: lambdatest.Region, BaseEndpoint: &awsURL, HTTPClient: awsClient, Credentials: keys, RetryMaxAttempts: 1,
		}), schedule.Config{Group: "unbind", RoleARN: "role", QueueARN: b.queue.ARN(), DeadLetterQueueARN: b.dead.ARN()})
	}
	service, err := offboard.New(work)
	if err != nil {
		t.Fatal(err)
	}
	waiting := queue.New(sqs.New(sqs.Options{
		Region: lambdatest.Region, BaseEndpoint: &awsURL, HTTPClient: awsClient, Credentials: keys, RetryMaxAttempts: 1,
	}), b.queue.URL, b.dead.URL)
	if o.noQueue {
		waiting = queue.New(nil, "", "")
	}
	sources := source.Config{Secrets: cache, Merchants: tokens.Merchants, Decoder: departure.Decoder{Zone: time.FixedZone("UTC+08:00", 8*60*60)}}
	if o.sources != "" {
		sources.SecretID = sourcesID
		b.secrets.Put(sourcesID, o.sources)
	}
	b.asked = waiting
	if b.Handler, err = events.New(events.Config{
		Offboard: service,
		Queue:    waiting,
		Sources:  source.New(sources),
		Decoder:  sources.Decoder,

		Schedules: o.schedules,
		Log:       slog.New(slog.NewJSONHandler(b.log, nil)),
	}); err != nil {
		t.Fatal(err)
	}
	return b
}

// putToken writes the secret, as somebody's token server does.
func (b *bench) putToken(value string) {
	b.secrets.Put(secretID, `{"authorizer_access_token":"`+value+`","authorizer_appid":"`+shop+`"}`)
}

// heal lets WeChat be well again, with the shop's token and its people as at first.
func (b *bench) heal() {
	b.wechat.Reset()
	b.wechat.SetToken(shop, b.token)
	b.wechat.Bind(shop, people()...)
	b.putToken(b.token)
}

func people() []wedatatest.Binding {
	return []wedatatest.Binding{wedatatest.Bound("E1001"), wedatatest.Bound("E1002"), wedatatest.Bound("E1003"), wedatatest.Unbound("E1004")}
}

// send invokes the function with an event.
func (b *bench) send(t *testing.T, event string) (reply string, err error) {
	t.Helper()
	ctx := lambdacontext.NewContext(t.Context(), &lambdacontext.LambdaContext{AwsRequestID: requestID})
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	payload, err := b.Handler.Invoke(ctx, []byte(event))
	if payload != nil && err != nil {
		t.Errorf("both a reply and an error: %s, %v", payload, err)
	}
	return string(payload), err
}

// Invoke lets the stand-in for SQS deliver to the function.
func (b *bench) Invoke(ctx context.Context, event []byte) (lambdatest.Reply, error) {
	payload, err := b.Handler.Invoke(ctx, event)
	reply := lambdatest.Reply{Payload: payload}
	if failure := (*events.UnbindError)(nil); errors.As(err, &failure) {
		reply.ErrorType, reply.ErrorMessage = "UnbindError", failure.Error()
	}
	return reply, nil
}

// deliver hands what waits in the queue to the function, as one batch.
func (b *bench) deliver(t *testing.T) lambdatest.Delivery {
	t.Helper()
	delivery, err := b.queue.Deliver(t.Context(), b, 10)
	if err != nil {
		t.Fatal(err)
	}
	return delivery
}

// bound tells whether WeChat has the uid bound to the shop.
func (b *bench) bound(uid string) bool {
	return slices.ContainsFunc(b.wechat.Bindings(shop), func(x wedatatest.Binding) bool { return x.UID == uid && x.Bound })
}

// statuses returns the statuses of a reply's outcomes in order.
func statuses(t *testing.T, reply string) string {
	t.Helper()
	var r struct {
		Outcomes []struct {
			Status string `json:"status"`
		} `json:"outcomes"`
	}
	if err := json.Unmarshal([]byte(reply), &r); err != nil {
		t.Fatalf("reply %q: %v", reply, err)
	}
	list := make([]string, len(r.Outcomes))
	for i, o := range r.Outcomes {
		list[i] = o.Status
	}
	return strings.Join(list, " ")
}

// logged returns the lines of the log with that message.
func (b *bench) logged(t *testing.T, msg string) []map[string]any {
	t.Helper()
	var lines []map[string]any
	for line := range strings.Lines(b.log.String()) {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatalf("log line %q: %v", line, err)
		}
		if entry["msg"] == msg {
			lines = append(lines, entry)
		}
	}
	return lines
}

// unbindError returns the error as what every error of the function is.
func unbindError(t *testing.T, err error) *events.UnbindError {
	t.Helper()
	var failure *events.UnbindError
	if !errors.As(err, &failure) {
		t.Fatalf("got the error %v, want an UnbindError", err)
	}
	return failure
}

// sample returns one of the events a user can send, from the folder events.
func sample(t *testing.T, name string) string {
	t.Helper()
	return readFile(t, filepath.Join("..", "..", "events", name))
}

// documented returns one of the events that AWS documents.
func documented(t *testing.T, name string) string {
	t.Helper()
	return readFile(t, filepath.Join("testdata", name))
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// mustJSON writes v as JSON.
func mustJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The triggers' events around a payload.

func snsEvent(t *testing.T, payload string) string {
	t.Helper()
	return mustJSON(t, map[string]any{"Records": []any{map[string]any{
		"EventSource": "aws:sns", "EventVersion": "1.0",
		"Sns": map[string]any{
			"Type": "Notification", "MessageId": "95df01b4-ee98-5cb9-9903-4c221d41eb5e", "Message": payload,
			"TopicArn": "arn:aws:sns:us-east-1:123456789012:employee-left", "Timestamp": "2026-11-23T01:00:01.123Z",
		},
	}}})
}

func eventBridgeEvent(t *testing.T, payload string) string {
	t.Helper()
	return mustJSON(t, map[string]any{
		"version": "0", "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718", "detail-type": "Employee Left", "source": "hr",
		"time": "2026-11-23T01:00:00Z", "detail": json.RawMessage(payload),
	})
}

func destinationRecord(t *testing.T, event string) string {
	t.Helper()
	return mustJSON(t, map[string]any{
		"version": "1.0", "timestamp": "2026-11-23T01:03:00.000Z",
		"requestContext":  map[string]any{"requestId": "e4b46cbf-b738", "functionArn": "arn", "condition": "RetriesExhausted", "approximateInvokeCount": 3},
		"requestPayload":  json.RawMessage(event),
		"responsePayload": map[string]any{"errorType": "UnbindError", "errorMessage": "1 of 1 departures not done"},
	})
}

type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
