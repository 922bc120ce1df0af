// Package queue sends departures that are not done to two queues. Lambda delivers the messages of the queue to the
// function again. A message in the dead-letter queue raises an alarm.
package queue

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
	"golang.org/x/sync/errgroup"
)

// SQS is the part of [sqs.Client] that is called.
type SQS interface {
	SendMessageBatch(
		context.Context, *sqs.SendMessageBatchInput, ...func(*sqs.Options),
	) (*sqs.SendMessageBatchOutput, error)
	ChangeMessageVisibility(
		context.Context, *sqs.ChangeMessageVisibilityInput, ...func(*sqs.Options),
	) (*sqs.ChangeMessageVisibilityOutput, error)
	GetQueueAttributes(
		context.Context, *sqs.GetQueueAttributesInput, ...func(*sqs.Options),
	) (*sqs.GetQueueAttributesOutput, error)
}

// Message is one message to send.
type Message struct {
	Body []byte
	// Delay is how long it stays hidden. SQS allows 15 minutes; more is cut to that.
	Delay time.Duration
	// Attributes are message attributes of type String; empty ones are left out, as SQS refuses them.
	Attributes map[string]string
}

const (
	// maxEntries and maxBytes limit one call of SendMessageBatch: its messages, and the bytes of all of them together.
	// maxDelay limits the delay of one message (Amazon SQS API Reference). Amazon raised maxBytes from 256 KiB to 1
	// MiB; every region allows the smaller value.
	maxEntries = 10
	maxBytes   = 256 << 10
	maxDelay   = 15 * time.Minute

	// maxAtOnce is how many calls run at once: a webhook of 5,000 people has 500 calls and 0.9 s.
	maxAtOnce = 32

	// callTime limits one call with all attempts of the SDK. An invocation keeps 5 s for the queues. A call without a
	// reply must end before that.
	callTime = 4500 * time.Millisecond
)

// Queue is the queue and its dead-letter queue. It is safe for concurrent use.
type Queue struct {
	sqs             SQS
	url, deadLetter string
}

// New returns the queue with these URLs. Where a URL is empty, New does not err, but the methods that need it do.
func New(client SQS, url, deadLetterURL string) *Queue {
	return &Queue{client, url, deadLetterURL}
}

// Send sends messages to the queue. It returns one error for each message, which is nil where SQS confirms the
// message. An error names the operation and what to do, and holds nothing of the message.
func (q *Queue) Send(ctx context.Context, messages []Message) []error {
	return q.send(ctx, q.queue(), messages)
}

// SendToDeadLetterQueue sends messages to the dead-letter queue. Its errors are those of Send.
func (q *Queue) SendToDeadLetterQueue(ctx context.Context, messages []Message) []error {
	return q.send(ctx, q.deadLetterQueue(), messages)
}

// Reachable errs where the attributes of the queue cannot be read. It sends no message.
func (q *Queue) Reachable(ctx context.Context) error { return q.reachable(ctx, q.queue()) }

// DeadLetterQueueReachable errs where the attributes of the dead-letter queue cannot be read.
func (q *Queue) DeadLetterQueueReachable(ctx context.Context) error {
	return q.reachable(ctx, q.deadLetterQueue())
}

func (q *Queue) reachable(ctx context.Context, to destination) error {
	if to.url == "" {
		return to.missing()
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	name := types.QueueAttributeNameQueueArn
	out, err := q.sqs.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: &to.url, AttributeNames: []types.QueueAttributeName{name},
	})
	if err == nil && out.Attributes[string(name)] == "" {
		err = errors.New("the reply has no ARN: " + adviceProxy)
	} else if err != nil {
		err = short(err)
	}
	if err != nil {
		return fmt.Errorf("%s: get queue attributes: %w", to.name, err)
	}
	return nil
}

// Hide hides a received message for a time from now. It cuts a wait that is longer than SQS allows.
func (q *Queue) Hide(ctx context.Context, receiptHandle string, wait time.Duration) error {
	if q.url == "" {
		return q.queue().missing()
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	_, err := q.sqs.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{
		QueueUrl:          &q.url,
		ReceiptHandle:     &receiptHandle,
		VisibilityTimeout: int32(min(wait, maxWait) / time.Second), //nolint:gosec // under 12 h
	})
	if err != nil {
		return fmt.Errorf("queue: change message visibility: %w", short(err))
	}
	return nil
}

// destination is one of the two queues.
type destination struct{ name, variable, url string }

func (q *Queue) queue() destination { return destination{"queue", "UNBIND_QUEUE_URL", q.url} }

func (q *Queue) deadLetterQueue() destination {
	return destination{"dead-letter queue", "UNBIND_DEAD_LETTER_QUEUE_URL", q.deadLetter}
}

func (d destination) missing() error {
	return fmt.Errorf("%s: there is none: set %s", d.name, d.variable)
}

// send sends messages in batches, several at once. After a call that failed it does not send the remaining batches:
// the invocation's time is limited. Their messages get the error of that call.
func (q *Queue) send(ctx context.Context, to destination, messages []Message) []error {
	errs := make([]error, len(messages))
	if to.url == "" {
		return fill(errs, to.missing())
	}
	var down atomic.Pointer[error]
	var group errgroup.Group
	group.SetLimit(maxAtOnce)
	for from := 0; from < len(messages); {
		entries := batch(messages[from:])
		part := errs[from : from+len(entries)]
		from += len(entries)
		group.Go(func() error {
			if err := down.Load(); err != nil {
				fill(part, *err)
			} else if err := q.sendBatch(ctx, to, entries, part); err != nil {
				down.Store(&err)
				fill(part, err)
			}
			return nil
		})
	}
	_ = group.Wait() // the errors are in errs
	return errs
}

// sendBatch sends one batch. It errs where the call fails. Where the call succeeds, it writes to errs an error for
// each entry that SQS refused or did not confirm.
func (q *Queue) sendBatch(
	ctx context.Context, to destination, entries []types.SendMessageBatchRequestEntry, errs []error,
) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	input := &sqs.SendMessageBatchInput{QueueUrl: &to.url, Entries: entries}
	out, err := q.sqs.SendMessageBatch(ctx, input, withoutChecksum)
	if err != nil {
		return fmt.Errorf("%s: send: %w", to.name, short(err))
	}
	// A proxy may answer with status 200 too. So only an entry that SQS confirms counts as sent.
	fill(errs, fmt.Errorf("%s: send: SQS did not confirm the message: %s", to.name, adviceProxy))
	for _, sent := range out.Successful {
		setError(errs, sent.Id, nil)
	}
	for _, failed := range out.Failed {
		setError(errs, failed.Id, fmt.Errorf("%s: send: %s", to.name, aws.ToString(failed.Code)))
	}
	return nil
}

// setError sets the error of the entry with this id. It ignores an id that was not sent.
func setError(errs []error, id *string, err error) {
	if i, notNumber := strconv.Atoi(aws.ToString(id)); notNumber == nil && i >= 0 && i < len(errs) {
		errs[i] = err
	}
}

// withoutChecksum leaves out the SDK's check of MD5OfMessageBody, which panics on a confirmed entry without an Id
// (service/sqs v1.52.10). TLS protects the body.
func withoutChecksum(o *sqs.Options) { o.DisableMessageChecksumValidation = true }

// batch returns the entries of the first messages: as many as one call can send.
func batch(messages []Message) []types.SendMessageBatchRequestEntry {
	var entries []types.SendMessageBatchRequestEntry
	size := 0
	for i, m := range messages {
		size += m.size()
		if i == maxEntries || i > 0 && size > maxBytes {
			break
		}
		entries = append(entries, m.entry(strconv.Itoa(i)))
	}
	return entries
}

func (m Message) size() int {
	size := len(m.Body)
	for name, value := range m.Attributes {
		size += len(name) + len("String") + len(value)
	}
	return size
}

func (m Message) entry(id string) types.SendMessageBatchRequestEntry {
	body := strings.NewReplacer("\ufffe", "", "\uffff", "").Replace(string(m.Body)) // SQS refuses these two
	entry := types.SendMessageBatchRequestEntry{
		Id:           &id,
		MessageBody:  &body,
		DelaySeconds: int32(min(m.Delay, maxDelay) / time.Second), //nolint:gosec // at most 15 min
	}
	for name, value := range m.Attributes {
		if value = clean(value); value == "" {
			continue
		}
		if entry.MessageAttributes == nil {
			entry.MessageAttributes = map[string]types.MessageAttributeValue{}
		}
		entry.MessageAttributes[name] = types.MessageAttributeValue{DataType: aws.String("String"), StringValue: &value}
	}
	return entry
}

// clean removes the characters that SQS refuses (Amazon SQS API Reference, SendMessage): no text of a sender may make
// SQS refuse a message.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == utf8.RuneError || r == '\ufffe' || r == '\uffff' {
			return -1
		}
		return r
	}, s)
}

const adviceProxy = "it may work later; look for a proxy on the way to SQS"

// short returns an error with AWS's error code, if there is one, and what to do. The SDK's own text is long, and may
// quote an unreadable reply.
func short(err error) error {
	var api smithy.APIError
	var unreadable *smithy.DeserializationError
	switch {
	case errors.As(err, &unreadable):
		return errors.New("the reply does not come from SQS: " + adviceProxy)
	case errors.Is(err, context.DeadlineExceeded):
		return errors.New("not reached: no reply in time: it may work later")
	case !errors.As(err, &api):
		return errors.New("not reached: it may work later; if it stays, check the network and the endpoint")
	case strings.HasPrefix(api.ErrorCode(), "AccessDenied"):
		return fmt.Errorf("%s: look at the function's role and the queue's policy", api.ErrorCode())
	case strings.HasSuffix(api.ErrorCode(), "NonExistentQueue"):
		return fmt.Errorf("%s: look at the queue's URL in the environment", api.ErrorCode())
	}
	return fmt.Errorf("%s: it may work later", api.ErrorCode())
}

func fill(errs []error, err error) []error {
	for i := range errs {
		errs[i] = err
	}
	return errs
}
