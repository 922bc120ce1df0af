package lambdatest

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"time"

	awsevents "github.com/aws/aws-lambda-go/events"
)

// Invoker is a function that takes events: a [Function], or one in the process of a test.
type Invoker interface {
	Invoke(ctx context.Context, event []byte) (Reply, error)
}

// Delivery is the result of the delivery of one batch of messages.
type Delivery struct {
	// Received are the messages that the function got. Their Delay is how long they would have been hidden on AWS.
	Received []Message
	// Reply is the function's.
	Reply Reply
	// Returned are those that were not done and are in the queue again. Dead are those that were received too often
	// and are in the dead-letter queue.
	Returned, Dead []Message
}

// Deliver passes up to limit messages to the function in one SQS event, as an event source mapping with
// ReportBatchItemFailures does, but without waiting until they are visible. A message is done where the reply does not
// name it in batchItemFailures. After an error, or a reply that the mapping would not understand, no message is done.
// With an empty queue nothing happens, and Received is empty. Deliver errs where Invoke does.
func (q *Queue) Deliver(ctx context.Context, fn Invoker, limit int) (Delivery, error) {
	return q.deliver(ctx, fn, limit, func(*Message) bool { return true })
}

// DeliverDue is Deliver for the messages that are visible now. A message that is not done becomes visible again after
// the queue's visibility timeout, counted from now, or after the time that the function has set. In a bubble of
// testing/synctest the time is virtual.
func (q *Queue) DeliverDue(ctx context.Context, fn Invoker, limit int) (Delivery, error) {
	now := time.Now()
	return q.deliver(ctx, fn, limit, func(m *Message) bool { return !m.visible.After(now) })
}

func (q *Queue) deliver(ctx context.Context, fn Invoker, limit int, which func(*Message) bool) (Delivery, error) {
	var d Delivery
	batch, event := q.receive(limit, which, &d)
	if len(batch) == 0 {
		return d, nil
	}
	payload, err := json.Marshal(event)
	if err == nil {
		d.Reply, err = fn.Invoke(ctx, payload)
	}
	failed := batch
	if err == nil && d.Reply.Err() == nil {
		failed = failures(d.Reply.Payload, batch)
	}
	q.settle(batch, failed, &d)
	return d, err
}

// receive takes messages out of the queue. Until settle the function may change how long they stay hidden.
func (q *Queue) receive(limit int, which func(*Message) bool, d *Delivery) (batch []*Message, event awsevents.SQSEvent) {
	q.sqs.mu.Lock()
	defer q.sqs.mu.Unlock()
	q.waiting = slices.DeleteFunc(q.waiting, func(m *Message) bool {
		take := len(batch) < limit && which(m)
		if take {
			batch = append(batch, m)
		}
		return take
	})
	for _, m := range batch {
		m.visible = time.Now().Add(q.config.Visibility)
		m.Receives++
		d.Received = append(d.Received, *m)
		m.Delay, m.handle = q.config.Visibility, uuid()
		q.inFlight[m.handle] = m
		event.Records = append(event.Records, q.record(m))
	}
	return batch, event
}

func (q *Queue) record(m *Message) awsevents.SQSMessage {
	record := awsevents.SQSMessage{
		MessageId: m.ID, ReceiptHandle: m.handle, Body: m.Body,
		Attributes: map[string]string{
			"ApproximateReceiveCount": strconv.Itoa(m.Receives),
			"SentTimestamp":           strconv.FormatInt(m.Sent.UnixMilli(), 10),
		},
		MessageAttributes: map[string]awsevents.SQSMessageAttribute{},
		EventSource:       "aws:sqs", AWSRegion: Region,
		EventSourceARN: q.ARN(),
	}
	for name, a := range m.Attributes {
		record.MessageAttributes[name] = awsevents.SQSMessageAttribute{DataType: a.DataType, StringValue: &a.StringValue}
	}
	return record
}

// failures returns the messages that are not done by the reply. As in Lambda's event source mapping, an empty reply,
// null and an empty list mean that all are done; an identifier that is empty, null, misspelt or unknown means that
// none is done.
func failures(payload []byte, batch []*Message) []*Message {
	if len(payload) == 0 {
		return nil
	}
	var reply struct {
		BatchItemFailures []map[string]any `json:"batchItemFailures"`
	}
	if json.Unmarshal(payload, &reply) != nil {
		return batch
	}
	var failed []*Message
	for _, item := range reply.BatchItemFailures {
		i := slices.IndexFunc(batch, func(m *Message) bool { return m.ID == item["itemIdentifier"] })
		if i < 0 {
			return batch
		}
		failed = append(failed, batch[i])
	}
	return failed
}

// settle puts the failed messages back into the queue, or into the dead-letter queue.
func (q *Queue) settle(batch, failed []*Message, d *Delivery) {
	q.sqs.mu.Lock()
	defer q.sqs.mu.Unlock()
	for _, m := range batch {
		delete(q.inFlight, m.handle)
		dead := q.config.DeadLetter
		switch {
		case !slices.Contains(failed, m):
		case dead != nil && m.Receives >= q.config.MaxReceives:
			m.Delay, m.Receives, m.visible = 0, 0, time.Now()
			dead.waiting = append(dead.waiting, m)
			d.Dead = append(d.Dead, *m)
		default:
			q.waiting = append(q.waiting, m)
			d.Returned = append(d.Returned, *m)
		}
	}
}
