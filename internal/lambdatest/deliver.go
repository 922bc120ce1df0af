package lambdatest

import (
	"context"
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	awsevents "github.com/aws/aws-lambda-go/events"
)

// Invoker is a function that takes events: a [Function] or a [Runtime].
type Invoker interface {
	Invoke(ctx context.Context, event []byte) (Reply, error)
}

// Delivery is what became of one batch of messages.
type Delivery struct {
	// Received are the messages as the function got them, each with the time that it would have waited on AWS.
	Received []Message
	// Reply is the function's.
	Reply Reply
	// Returned are those that were not done and are in the queue again, Dead those that went to the dead-letter queue
	// since they were received too often.
	Returned, Dead []Message
}

// Deliver hands up to limit waiting messages to the function in one SQS event, as an event source mapping with
// ReportBatchItemFailures does, without waiting for their time to come. Done is what the function does not name in
// batchItemFailures; an error, or a reply that SQS's mapping would not understand, returns all. Without a message nothing
// is invoked and Received is empty. It errs where Invoke does, with the messages returned.
func (q *Queue) Deliver(ctx context.Context, fn Invoker, limit int) (Delivery, error) {
	var d Delivery
	batch, event := q.receive(limit, &d)
	if len(batch) == 0 {
		return d, nil
	}
	payload, err := json.Marshal(event)
	if err == nil {
		d.Reply, err = fn.Invoke(ctx, payload)
	}
	isFailed := func(string) bool { return true }
	if err == nil && d.Reply.Err() == nil {
		isFailed = failures(d.Reply.Payload, batch)
	}
	q.settle(batch, isFailed, &d)
	return d, err
}

// receive takes messages out of the queue and puts them into flight, hidden for a while which the function may change.
func (q *Queue) receive(limit int, d *Delivery) ([]*Message, awsevents.SQSEvent) {
	q.sqs.mu.Lock()
	defer q.sqs.mu.Unlock()
	n := min(limit, len(q.waiting))
	batch := slices.Clone(q.waiting[:n])
	q.waiting = q.waiting[n:]
	var event awsevents.SQSEvent
	now := q.sqs.now()
	for _, m := range batch {
		if m.Receives++; m.FirstReceived.IsZero() {
			m.FirstReceived = now
		}
		m.handle = uuid()
		q.inFlight[m.handle] = m
		event.Records = append(event.Records, q.record(m))
	}
	d.Received = copies(batch)
	for _, m := range batch {
		m.Delay = q.config.Visibility
	}
	return batch, event
}

func (q *Queue) record(m *Message) awsevents.SQSMessage {
	attributes := map[string]string{
		"ApproximateReceiveCount":          strconv.Itoa(m.Receives),
		"SentTimestamp":                    millis(m.Sent),
		"SenderId":                         "AROASTANDINSTANDINSTA:unbind",
		"ApproximateFirstReceiveTimestamp": millis(m.FirstReceived),
	}
	if m.Source != "" {
		attributes["DeadLetterQueueSourceArn"] = m.Source
	}
	record := awsevents.SQSMessage{
		MessageId: m.ID, ReceiptHandle: m.handle, Body: m.Body, Md5OfBody: bodyMD5(m.Body),
		Md5OfMessageAttributes: attributesMD5(m.Attributes), Attributes: attributes,
		MessageAttributes: map[string]awsevents.SQSMessageAttribute{},
		EventSource:       "aws:sqs", EventSourceARN: q.ARN, AWSRegion: Region,
	}
	for name, a := range m.Attributes {
		attribute := awsevents.SQSMessageAttribute{
			DataType: a.DataType, BinaryValue: a.BinaryValue, StringListValues: []string{}, BinaryListValues: [][]byte{},
		}
		if a.BinaryValue == nil {
			attribute.StringValue = &a.StringValue
		}
		record.MessageAttributes[name] = attribute
	}
	return record
}

// failures reads the function's reply as an SQS event source mapping does. Nothing, null and an empty list mean that all
// is done; an identifier that is empty, null, misspelt or unknown means that nothing is.
func failures(payload []byte, batch []*Message) func(id string) bool {
	all := func(string) bool { return true }
	if len(payload) == 0 {
		return func(string) bool { return false }
	}
	var reply struct {
		BatchItemFailures []map[string]any `json:"batchItemFailures"`
	}
	if json.Unmarshal(payload, &reply) != nil {
		return all
	}
	failed := map[string]bool{}
	for _, item := range reply.BatchItemFailures {
		id, _ := item["itemIdentifier"].(string)
		if !slices.ContainsFunc(batch, func(m *Message) bool { return m.ID == id }) {
			return all
		}
		failed[id] = true
	}
	return func(id string) bool { return failed[id] }
}

// settle ends the flight: what failed goes back, or on to the dead-letter queue, which keeps the time of sending.
func (q *Queue) settle(batch []*Message, isFailed func(id string) bool, d *Delivery) {
	q.sqs.mu.Lock()
	defer q.sqs.mu.Unlock()
	var returned, dead []*Message
	for _, m := range batch {
		delete(q.inFlight, m.handle)
		switch {
		case !isFailed(m.ID):
		case q.config.DeadLetter != nil && m.Receives >= q.config.MaxReceives:
			m.Source, m.Delay, m.Receives, m.FirstReceived = q.ARN, 0, 0, time.Time{}
			dead = append(dead, m)
		default:
			returned = append(returned, m)
		}
	}
	q.waiting = append(q.waiting, returned...)
	if len(dead) > 0 {
		q.config.DeadLetter.waiting = append(q.config.DeadLetter.waiting, dead...)
	}
	d.Returned, d.Dead = copies(returned), copies(dead)
}

func millis(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }

func bodyMD5(body string) string {
	sum := md5.Sum([]byte(body))
	return hex.EncodeToString(sum[:])
}

// attributesMD5 is SQS's checksum of message attributes: name, type and value of each in the order of names, every one
// with its length before it, and the transport type (1 text, 2 binary) before the value. Without attributes it is "".
func attributesMD5(attributes map[string]Attribute) string {
	if len(attributes) == 0 {
		return ""
	}
	var b []byte
	add := func(s string) { b = append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...) }
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		a := attributes[name]
		add(name)
		add(a.DataType)
		if strings.HasPrefix(a.DataType, "Binary") {
			b = append(b, 2)
			add(string(a.BinaryValue))
		} else {
			b = append(b, 1)
			add(a.StringValue)
		}
	}
	return bodyMD5(string(b))
}
