package lambdatest

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// newEntries returns a batch with an attribute for each entry.
func newEntries(bodies ...string) []types.SendMessageBatchRequestEntry {
	var list []types.SendMessageBatchRequestEntry
	for i, body := range bodies {
		list = append(list, types.SendMessageBatchRequestEntry{
			Id: aws.String(strconv.Itoa(i)), MessageBody: &body,
			MessageAttributes: map[string]types.MessageAttributeValue{
				"reason": {DataType: aws.String("String"), StringValue: aws.String("busy")},
			},
		})
	}
	return list
}

func bodies(list []Message) []string {
	var out []string
	for _, m := range list {
		out = append(out, m.Body)
	}
	return out
}

func TestSendMessageBatch(t *testing.T) {
	half := strings.Repeat("x", 1<<19+1)
	one := func(change func(*types.SendMessageBatchRequestEntry)) []types.SendMessageBatchRequestEntry {
		list := newEntries("a", "b")
		change(&list[1])
		return list
	}
	attribute := func(value string) func(*types.SendMessageBatchRequestEntry) {
		return func(e *types.SendMessageBatchRequestEntry) {
			e.MessageAttributes["reason"] = types.MessageAttributeValue{DataType: aws.String("String"), StringValue: &value}
		}
	}
	late := func(e *types.SendMessageBatchRequestEntry) { e.DelaySeconds = 901 }
	same := func(e *types.SendMessageBatchRequestEntry) { e.Id = aws.String("0") }
	for name, row := range map[string]struct {
		entries []types.SendMessageBatchRequestEntry
		sent    []string
		failed  string // the failed entry's code
		code    string // the whole call's
	}{
		"all":                 {newEntries("<E1> & 你好", "b"), []string{"<E1> & 你好", "b"}, "", ""},
		"one is to fail":      {newEntries("a", "E2", "c"), []string{"a", "c"}, "InternalError", ""},
		"a control character": {newEntries("a", "\x01"), []string{"a"}, "InvalidMessageContents", ""},
		"an empty body":       {newEntries("a", ""), []string{"a"}, "MissingParameter", ""},
		"an empty attribute":  {one(attribute("")), []string{"a"}, "InvalidParameterValue", ""},
		"a broken attribute":  {one(attribute("\x02")), []string{"a"}, "InvalidParameterValue", ""},
		"too long a delay":    {one(late), []string{"a"}, "InvalidParameterValue", ""},
		"too long a message":  {newEntries("a", strings.Repeat("x", 256<<10)), []string{"a"}, "InvalidParameterValue", ""},
		"eleven":              {newEntries(strings.Split("abcdefghijk", "")...), nil, "", "InvalidParameterValue"},
		"the same id twice":   {one(same), nil, "", "BatchEntryIdsNotDistinct"},
		"together too long":   {newEntries(half, half), nil, "", "BatchRequestTooLong"},
	} {
		t.Run(name, func(t *testing.T) {
			services, _, client := newClients(t)
			q := services.SQS.Create("unbind", QueueConfig{MaxBytes: 256 << 10})
			services.SQS.FailEntries("E2", "InternalError", 1)
			in := &sqs.SendMessageBatchInput{QueueUrl: &q.URL, Entries: row.entries}
			out, err := client.SendMessageBatch(t.Context(), in)
			if row.code != "" {
				if errorCode(err) != row.code || len(q.Messages()) > 0 {
					t.Errorf("error %v, want %s; %d sent", err, row.code, len(q.Messages()))
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			failed := ""
			if len(out.Failed) > 0 {
				failed = *out.Failed[0].Code
			}
			got := q.Messages()
			if !slices.Equal(bodies(got), row.sent) || failed != row.failed || len(out.Successful) != len(row.sent) {
				t.Errorf("sent %q, failed %q, want %q, %q", bodies(got), failed, row.sent, row.failed)
			}
			if got[0].ID != *out.Successful[0].MessageId || got[0].Attributes["reason"].StringValue != "busy" {
				t.Errorf("got %+v", got[0])
			}
		})
	}
	t.Run("an unknown queue", func(t *testing.T) {
		_, _, client := newClients(t)
		in := &sqs.SendMessageBatchInput{QueueUrl: aws.String("https://nowhere"), Entries: newEntries("a")}
		_, err := client.SendMessageBatch(t.Context(), in)
		if errorCode(err) != "AWS.SimpleQueueService.NonExistentQueue" || !errors.As(err, new(*types.QueueDoesNotExist)) {
			t.Errorf("error %v", err)
		}
	})
}

// handler is a function in this process.
type handler func(event awsevents.SQSEvent) (string, error)

func (h handler) Invoke(_ context.Context, event []byte) (Reply, error) {
	var e awsevents.SQSEvent
	if err := json.Unmarshal(event, &e); err != nil {
		return Reply{}, err
	}
	payload, err := h(e)
	return Reply{Payload: []byte(payload)}, err
}

func TestDeliverReadsTheReplyAsAnEventSourceMapping(t *testing.T) {
	all := []string{"a", "b", "c"}
	for name, row := range map[string]struct {
		reply string
		err   error
		stay  []string
	}{
		"an empty list":          {`{"batchItemFailures":[]}`, nil, nil},
		"null":                   {`null`, nil, nil},
		"a null list":            {`{"batchItemFailures":null}`, nil, nil},
		"nothing":                {``, nil, nil},
		"one":                    {`{"batchItemFailures":[{"itemIdentifier":"ID1"}]}`, nil, []string{"b"}},
		"an empty identifier":    {`{"batchItemFailures":[{"itemIdentifier":"ID1"},{"itemIdentifier":""}]}`, nil, all},
		"a null identifier":      {`{"batchItemFailures":[{"itemIdentifier":null}]}`, nil, all},
		"a misspelt key":         {`{"batchItemFailures":[{"ItemIdentifier":"ID1"}]}`, nil, all},
		"an unknown identifier":  {`{"batchItemFailures":[{"itemIdentifier":"other"}]}`, nil, all},
		"not JSON":               {`{`, nil, all},
		"the process has ended":  {``, errors.New("exit"), all},
		"a list of another kind": {`{"batchItemFailures":"ID1"}`, nil, all},
	} {
		t.Run(name, func(t *testing.T) {
			q := NewSQS().Create("unbind", QueueConfig{})
			for _, body := range []string{"a", "b", "c", "over the limit"} {
				q.Send(body, nil)
			}
			d, err := q.Deliver(t.Context(), handler(func(e awsevents.SQSEvent) (string, error) {
				return strings.ReplaceAll(row.reply, "ID1", e.Records[1].MessageId), row.err
			}), 3)
			if !errors.Is(err, row.err) {
				t.Errorf("error %v", err)
			}
			if !slices.Equal(bodies(d.Received), all) {
				t.Errorf("received %q", bodies(d.Received))
			}
			left := bodies(q.Messages())[1:]
			if !slices.Equal(bodies(d.Returned), row.stay) || !slices.Equal(left, row.stay) {
				t.Errorf("returned %q, in the queue %q, want %q", bodies(d.Returned), left, row.stay)
			}
		})
	}
}

func TestDeliverPassesAnSQSEvent(t *testing.T) {
	q := NewSQS().Create("unbind", QueueConfig{})
	q.Send("body", map[string]Attribute{"reason": {DataType: "String", StringValue: "busy"}})
	var got awsevents.SQSMessage
	reply := handler(func(e awsevents.SQSEvent) (string, error) {
		got = e.Records[0]
		return "", nil
	})
	d, err := q.Deliver(t.Context(), reply, 10)
	if err != nil || got.MessageId != d.Received[0].ID || got.Body != "body" ||
		got.EventSource != "aws:sqs" || got.AWSRegion != Region ||
		!strings.HasSuffix(got.EventSourceARN, ":unbind") || *got.MessageAttributes["reason"].StringValue != "busy" {
		t.Errorf("record %+v, %v", got, err)
	}
	sent := strconv.FormatInt(d.Received[0].Sent.UnixMilli(), 10)
	if got.Attributes["ApproximateReceiveCount"] != "1" || got.Attributes["SentTimestamp"] != sent {
		t.Errorf("attributes %v", got.Attributes)
	}
	got.Body = "not invoked"
	if d, err := q.Deliver(t.Context(), reply, 10); err != nil || len(d.Received) > 0 || got.Body != "not invoked" {
		t.Errorf("an empty queue: %+v, %v", d, err)
	}
}

func TestChangeMessageVisibility(t *testing.T) {
	services, _, client := newClients(t)
	q := services.SQS.Create("unbind", QueueConfig{Visibility: time.Minute})
	q.Send("changed", nil)
	q.Send("left alone", nil)
	change := func(handle string, seconds int32) string {
		in := &sqs.ChangeMessageVisibilityInput{QueueUrl: &q.URL, ReceiptHandle: &handle, VisibilityTimeout: seconds}
		_, err := client.ChangeMessageVisibility(t.Context(), in)
		return errorCode(err)
	}
	var handle string
	for times := range 2 {
		d, err := q.Deliver(t.Context(), handler(func(e awsevents.SQSEvent) (string, error) {
			handle = e.Records[0].ReceiptHandle
			got := []string{change(handle, 120), change(handle, 43201), change("x", 1)}
			if want := []string{"", "InvalidParameterValue", "ReceiptHandleIsInvalid"}; !slices.Equal(got, want) {
				t.Errorf("errors %q, want %q", got, want)
			}
			return "{", nil
		}), 10)
		if err != nil || d.Returned[0].Delay != 2*time.Minute || d.Returned[1].Delay != time.Minute {
			t.Errorf("returned %+v, %v", d.Returned, err)
		}
		if want := time.Duration(times) * 2 * time.Minute; d.Received[0].Delay != want {
			t.Errorf("hidden for %v before, want %v", d.Received[0].Delay, want)
		}
	}
	if got := change(handle, 1); got != "ReceiptHandleIsInvalid" {
		t.Errorf("afterwards: %q", got)
	}
}

func TestDeadLetterQueueAndRedrive(t *testing.T) {
	s := NewSQS()
	dead := s.Create("dead", QueueConfig{})
	q := s.Create("unbind", QueueConfig{DeadLetter: dead, MaxReceives: 2})
	q.Send("body", map[string]Attribute{"reason": {DataType: "String", StringValue: "x"}})
	broken := handler(func(awsevents.SQSEvent) (string, error) { return "", errors.New("no") })

	if d, _ := q.Deliver(t.Context(), broken, 1); len(d.Returned) != 1 || len(d.Dead) != 0 {
		t.Errorf("after the first time %+v", d)
	}
	if d, _ := q.Deliver(t.Context(), broken, 1); len(d.Returned) != 0 || len(d.Dead) != 1 {
		t.Errorf("after the second time %+v", d)
	}
	if got := dead.Messages(); len(got) != 1 || got[0].Attributes["reason"].StringValue != "x" || len(q.Messages()) != 0 {
		t.Errorf("dead %+v", got)
	}
	dead.Redrive(q)
	got := q.Messages()
	if len(dead.Messages()) != 0 || len(got) != 1 || got[0].Receives != 0 || got[0].Attributes["reason"].StringValue != "x" {
		t.Errorf("back in the queue %+v", got)
	}
}
