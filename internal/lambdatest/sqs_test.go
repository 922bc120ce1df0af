package lambdatest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
)

func code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return fmt.Sprint(err)
}

func text(value string) types.MessageAttributeValue {
	return types.MessageAttributeValue{DataType: aws.String("String"), StringValue: &value}
}

func TestSendMessage(t *testing.T) {
	a, _, client := cloud(t)
	a.SQS.Now = func() time.Time { return time.Unix(1_800_000_000, 0) }
	q := a.SQS.Create("unbind", QueueConfig{})
	out, err := client.SendMessage(t.Context(), &sqs.SendMessageInput{
		QueueUrl: &q.URL, MessageBody: aws.String("<E1> & 你好"), DelaySeconds: 60,
		MessageAttributes: map[string]types.MessageAttributeValue{
			"reason": text("busy"),
			"raw":    {DataType: aws.String("Binary"), BinaryValue: []byte{1, 2}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	got := q.Messages()
	if len(got) != 1 || got[0].ID != *out.MessageId || got[0].Body != "<E1> & 你好" || got[0].Delay != time.Minute ||
		!got[0].Sent.Equal(time.Unix(1_800_000_000, 0)) || got[0].Attributes["reason"].StringValue != "busy" || got[0].Attributes["raw"].BinaryValue[1] != 2 {
		t.Errorf("got %+v", got)
	}
	if *out.MD5OfMessageAttributes != got[0].md5() {
		t.Errorf("checksum of the attributes %s, in the queue %s", *out.MD5OfMessageAttributes, got[0].md5())
	}
}

func (m Message) md5() string { return attributesMD5(m.Attributes) }

func TestSendMessageRefuses(t *testing.T) {
	a, _, client := cloud(t)
	q := a.SQS.Create("unbind", QueueConfig{})
	small := a.SQS.Create("small", QueueConfig{MaxBytes: 10})
	eleven := map[string]types.MessageAttributeValue{}
	for i := range 11 {
		eleven[fmt.Sprint("a", i)] = text("x")
	}
	for name, row := range map[string]struct {
		in   sqs.SendMessageInput
		code string
	}{
		"an unknown queue":      {sqs.SendMessageInput{QueueUrl: aws.String(q.URL + "x"), MessageBody: aws.String("b")}, "AWS.SimpleQueueService.NonExistentQueue"},
		"an empty body":         {sqs.SendMessageInput{QueueUrl: &q.URL, MessageBody: aws.String("")}, "MissingParameter"},
		"a control character":   {sqs.SendMessageInput{QueueUrl: &q.URL, MessageBody: aws.String("a\x01")}, "InvalidMessageContents"},
		"more than 1 MiB":       {sqs.SendMessageInput{QueueUrl: &q.URL, MessageBody: aws.String(strings.Repeat("x", 1<<20+1))}, "InvalidParameterValue"},
		"attributes count, too": {sqs.SendMessageInput{QueueUrl: &small.URL, MessageBody: aws.String("b"), MessageAttributes: map[string]types.MessageAttributeValue{"a": text("xyz")}}, "InvalidParameterValue"},
		"eleven attributes":     {sqs.SendMessageInput{QueueUrl: &q.URL, MessageBody: aws.String("b"), MessageAttributes: eleven}, "InvalidParameterValue"},
		"an empty attribute":    {sqs.SendMessageInput{QueueUrl: &q.URL, MessageBody: aws.String("b"), MessageAttributes: map[string]types.MessageAttributeValue{"a": text("")}}, "InvalidParameterValue"},
		"a broken attribute":    {sqs.SendMessageInput{QueueUrl: &q.URL, MessageBody: aws.String("b"), MessageAttributes: map[string]types.MessageAttributeValue{"a": text("\x02")}}, "InvalidParameterValue"},
		"too long a delay":      {sqs.SendMessageInput{QueueUrl: &q.URL, MessageBody: aws.String("b"), DelaySeconds: 901}, "InvalidParameterValue"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := client.SendMessage(t.Context(), &row.in); code(err) != row.code {
				t.Errorf("error %v, want %s", err, row.code)
			}
		})
	}
	if n := len(q.Messages()) + len(small.Messages()); n != 0 {
		t.Errorf("%d messages got through", n)
	}
}

func batch(bodies ...string) []types.SendMessageBatchRequestEntry {
	list := []types.SendMessageBatchRequestEntry{}
	for i, body := range bodies {
		list = append(list, types.SendMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), MessageBody: &body})
	}
	return list
}

func TestSendMessageBatch(t *testing.T) {
	half := strings.Repeat("x", 1<<19+1)
	same := batch("a", "b")
	same[1].Id = same[0].Id
	odd := batch("a")
	odd[0].Id = aws.String("a b")
	for name, row := range map[string]struct {
		entries []types.SendMessageBatchRequestEntry
		sent    []string
		failed  string // the failed entry's code
		code    string // the whole call's
	}{
		"all":                {batch("a", "b"), []string{"a", "b"}, "", ""},
		"one was to fail":    {batch("a", "E2", "c"), []string{"a", "c"}, "InternalError", ""},
		"one is not allowed": {batch("a", "\x01"), []string{"a"}, "InvalidMessageContents", ""},
		"none":               {batch(), nil, "", "AWS.SimpleQueueService.EmptyBatchRequest"},
		"eleven":             {batch(strings.Split("abcdefghijk", "")...), nil, "", "AWS.SimpleQueueService.TooManyEntriesInBatchRequest"},
		"the same id twice":  {same, nil, "", "AWS.SimpleQueueService.BatchEntryIdsNotDistinct"},
		"an odd id":          {odd, nil, "", "InvalidBatchEntryId"},
		"together too long":  {batch(half, half), nil, "", "AWS.SimpleQueueService.BatchRequestTooLong"},
	} {
		t.Run(name, func(t *testing.T) {
			a, _, client := cloud(t)
			q := a.SQS.Create("unbind", QueueConfig{})
			a.SQS.FailEntries("E2", "InternalError", 1)
			out, err := client.SendMessageBatch(t.Context(), &sqs.SendMessageBatchInput{QueueUrl: &q.URL, Entries: row.entries})
			if row.code != "" {
				if code(err) != row.code {
					t.Errorf("error %v, want %s", err, row.code)
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
			if got := bodies(q.Messages()); !slices.Equal(got, row.sent) || failed != row.failed || len(out.Successful) != len(row.sent) {
				t.Errorf("sent %q, failed %q, want %q, %q", got, failed, row.sent, row.failed)
			}
		})
	}
}

func bodies(list []Message) []string {
	var out []string
	for _, m := range list {
		out = append(out, m.Body)
	}
	return out
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
		"an empty identifier":    {`{"batchItemFailures":[{"itemIdentifier":"ID1"},{"itemIdentifier":""}]}`, nil, []string{"a", "b", "c"}},
		"a null identifier":      {`{"batchItemFailures":[{"itemIdentifier":null}]}`, nil, []string{"a", "b", "c"}},
		"a misspelt key":         {`{"batchItemFailures":[{"ItemIdentifier":"ID1"}]}`, nil, []string{"a", "b", "c"}},
		"an unknown identifier":  {`{"batchItemFailures":[{"itemIdentifier":"other"}]}`, nil, []string{"a", "b", "c"}},
		"not JSON":               {`{`, nil, []string{"a", "b", "c"}},
		"the process has ended":  {``, errors.New("exit"), []string{"a", "b", "c"}},
		"a list of another kind": {`{"batchItemFailures":"ID1"}`, nil, []string{"a", "b", "c"}},
	} {
		t.Run(name, func(t *testing.T) {
			q := NewSQS().Create("unbind", QueueConfig{})
			for _, body := range []string{"a", "b", "c"} {
				q.Send(body, nil)
			}
			d, err := q.Deliver(t.Context(), handler(func(e awsevents.SQSEvent) (string, error) {
				return strings.ReplaceAll(row.reply, "ID1", e.Records[1].MessageId), row.err
			}), 10)
			if !errors.Is(err, row.err) {
				t.Errorf("error %v", err)
			}
			if !slices.Equal(bodies(d.Received), []string{"a", "b", "c"}) {
				t.Errorf("received %q", bodies(d.Received))
			}
			if !slices.Equal(bodies(d.Returned), row.stay) || !slices.Equal(bodies(q.Messages()), row.stay) {
				t.Errorf("returned %q, in the queue %q, want %q", bodies(d.Returned), bodies(q.Messages()), row.stay)
			}
		})
	}
}

func TestDeliverGivesARealSQSEvent(t *testing.T) {
	s := NewSQS()
	s.Now = func() time.Time { return time.UnixMilli(1_800_000_000_123) }
	q := s.Create("unbind", QueueConfig{})
	q.Send("body", map[string]Attribute{"reason": {DataType: "String", StringValue: "busy"}})
	var got awsevents.SQSMessage
	if _, err := q.Deliver(t.Context(), handler(func(e awsevents.SQSEvent) (string, error) {
		got = e.Records[0]
		return "", nil
	}), 10); err != nil {
		t.Fatal(err)
	}
	if got.EventSource != "aws:sqs" || got.EventSourceARN != q.ARN || got.AWSRegion != Region || got.Body != "body" ||
		got.Md5OfBody != "841a2d689ad86bd1611447453c22c6fc" || *got.MessageAttributes["reason"].StringValue != "busy" {
		t.Errorf("record %+v", got)
	}
	if a := got.Attributes; a["ApproximateReceiveCount"] != "1" || a["SentTimestamp"] != "1800000000123" || a["ApproximateFirstReceiveTimestamp"] != "1800000000123" {
		t.Errorf("attributes %v", a)
	}
	if d, err := q.Deliver(t.Context(), handler(func(awsevents.SQSEvent) (string, error) {
		t.Error("invoked for an empty queue")
		return "", nil
	}), 10); err != nil || len(d.Received) != 0 {
		t.Errorf("got %+v, %v", d, err)
	}
}

func TestDeliverTakesNoMoreThanTheLimit(t *testing.T) {
	q := NewSQS().Create("unbind", QueueConfig{})
	for _, body := range []string{"a", "b", "c"} {
		q.Send(body, nil)
	}
	d, _ := q.Deliver(t.Context(), handler(func(awsevents.SQSEvent) (string, error) { return "", nil }), 2)
	if !slices.Equal(bodies(d.Received), []string{"a", "b"}) || !slices.Equal(bodies(q.Messages()), []string{"c"}) {
		t.Errorf("received %q, left %q", bodies(d.Received), bodies(q.Messages()))
	}
}

func TestChangeMessageVisibility(t *testing.T) {
	a, _, client := cloud(t)
	q := a.SQS.Create("unbind", QueueConfig{Visibility: time.Minute})
	for _, body := range []string{"changed", "changed in a batch", "left alone"} {
		q.Send(body, nil)
	}
	change := func(handle string, seconds int32) error {
		_, err := client.ChangeMessageVisibility(t.Context(), &sqs.ChangeMessageVisibilityInput{QueueUrl: &q.URL, ReceiptHandle: &handle, VisibilityTimeout: seconds})
		return err
	}
	var handle string
	d, err := q.Deliver(t.Context(), handler(func(e awsevents.SQSEvent) (string, error) {
		handle = e.Records[0].ReceiptHandle
		if err := change(handle, 120); err != nil {
			return "", err
		}
		for name, row := range map[string]struct {
			handle  string
			seconds int32
			code    string
		}{
			"over 12 hours":     {handle, 43201, "InvalidParameterValue"},
			"an unknown handle": {"x", 1, "ReceiptHandleIsInvalid"},
		} {
			if err := change(row.handle, row.seconds); code(err) != row.code {
				t.Errorf("%s: error %v, want %s", name, err, row.code)
			}
		}
		out, err := client.ChangeMessageVisibilityBatch(t.Context(), &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: &q.URL, Entries: []types.ChangeMessageVisibilityBatchRequestEntry{
			{Id: aws.String("0"), ReceiptHandle: &e.Records[1].ReceiptHandle, VisibilityTimeout: 240},
			{Id: aws.String("1"), ReceiptHandle: aws.String("x"), VisibilityTimeout: 1},
		}})
		if err != nil || len(out.Successful) != 1 || len(out.Failed) != 1 || *out.Failed[0].Code != "ReceiptHandleIsInvalid" {
			t.Errorf("batch %+v, %v", out, err)
		}
		return "{", err
	}), 10)
	if err != nil {
		t.Fatal(err)
	}
	var got []time.Duration
	for _, m := range d.Returned {
		got = append(got, m.Delay)
	}
	if want := []time.Duration{2 * time.Minute, 4 * time.Minute, time.Minute}; !slices.Equal(got, want) {
		t.Errorf("hidden for %v, want %v", got, want)
	}
	if err := change(handle, 1); code(err) != "AWS.SimpleQueueService.MessageNotInflight" {
		t.Errorf("afterwards: %v", err)
	}
	if d, _ = q.Deliver(t.Context(), handler(func(awsevents.SQSEvent) (string, error) { return "", nil }), 1); d.Received[0].Delay != 2*time.Minute {
		t.Errorf("the time skipped is told as %v", d.Received[0].Delay)
	}
}

func TestDeadLetterQueueAndRedrive(t *testing.T) {
	s := NewSQS()
	dead := s.Create("unbind-dead", QueueConfig{})
	q := s.Create("unbind", QueueConfig{DeadLetter: dead, MaxReceives: 2})
	q.Send("poison", map[string]Attribute{"reason": {DataType: "String", StringValue: "x"}})
	broken := handler(func(awsevents.SQSEvent) (string, error) { return "", errors.New("no") })

	if d, _ := q.Deliver(t.Context(), broken, 1); len(d.Returned) != 1 || len(d.Dead) != 0 {
		t.Errorf("after the first time %+v", d)
	}
	if d, _ := q.Deliver(t.Context(), broken, 1); len(d.Returned) != 0 || len(d.Dead) != 1 {
		t.Errorf("after the second time %+v", d)
	}
	if got := dead.Messages(); len(got) != 1 || got[0].Source != q.ARN || got[0].Attributes["reason"].StringValue != "x" || len(q.Messages()) != 0 {
		t.Errorf("dead %+v", got)
	}
	if n := dead.Redrive(q); n != 1 || len(dead.Messages()) != 0 {
		t.Errorf("redrove %d, left %+v", n, dead.Messages())
	}
	if got := q.Messages(); len(got) != 1 || got[0].Receives != 0 || got[0].Body != "poison" || got[0].Attributes["reason"].StringValue != "x" {
		t.Errorf("back in the queue %+v", got)
	}
}

func TestGetQueueAttributes(t *testing.T) {
	a, _, client := cloud(t)
	dead := a.SQS.Create("dead", QueueConfig{})
	q := a.SQS.Create("unbind", QueueConfig{DeadLetter: dead, MaxReceives: 5})
	q.Send("now", nil)
	if _, err := client.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &q.URL, MessageBody: aws.String("later"), DelaySeconds: 1}); err != nil {
		t.Fatal(err)
	}
	all, err := client.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &q.URL, AttributeNames: []types.QueueAttributeName{"All"}})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"QueueArn": q.ARN, "ApproximateNumberOfMessages": "1", "ApproximateNumberOfMessagesDelayed": "1",
		"RedrivePolicy": `{"deadLetterTargetArn":"` + dead.ARN + `","maxReceiveCount":5}`,
	} {
		if all.Attributes[name] != want {
			t.Errorf("%s = %q, want %q", name, all.Attributes[name], want)
		}
	}
	one, err := client.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &q.URL, AttributeNames: []types.QueueAttributeName{"QueueArn"}})
	if err != nil || len(one.Attributes) != 1 {
		t.Errorf("one attribute: %v, %v", one, err)
	}
	if _, err := client.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: aws.String("https://nowhere")}); !errors.As(err, new(*types.QueueDoesNotExist)) {
		t.Errorf("unknown queue: %v", err)
	}
}

// The example in AWS's documentation of the algorithm gives no figures; this is the checksum of its layout written out.
func TestAttributesChecksumLayout(t *testing.T) {
	got := attributesMD5(map[string]Attribute{"b": {DataType: "Binary", BinaryValue: []byte{7}}, "a": {DataType: "String", StringValue: "v"}})
	want := bodyMD5("\x00\x00\x00\x01a\x00\x00\x00\x06String\x01\x00\x00\x00\x01v\x00\x00\x00\x01b\x00\x00\x00\x06Binary\x02\x00\x00\x00\x01\x07")
	if got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
