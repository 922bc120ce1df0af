// Package later keeps what cannot be done now: in the queue, whose messages come back to the function, and in its
// dead-letter queue, which raises an alarm.
package later

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
)

// SQS is the part of [sqs.Client] that is used.
type SQS interface {
	SendMessageBatch(context.Context, *sqs.SendMessageBatchInput, ...func(*sqs.Options)) (*sqs.SendMessageBatchOutput, error)
	ChangeMessageVisibility(context.Context, *sqs.ChangeMessageVisibilityInput, ...func(*sqs.Options)) (*sqs.ChangeMessageVisibilityOutput, error)
}

// Message is one message to send.
type Message struct {
	Body []byte
	// Delay is how long it stays invisible: SQS allows 15 minutes, a longer one is cut to that.
	Delay time.Duration
	// Attributes are message attributes of type String; empty ones are left out, as SQS refuses them.
	Attributes map[string]string
}

// Limits of SendMessageBatch (Amazon SQS API Reference): entries a call, and bytes of all its messages together. Amazon
// raised the latter from 256 KiB to 1 MiB; the smaller one holds in every region, and an event is far smaller.
const (
	maxEntries = 10
	maxBytes   = 256 << 10
	maxDelay   = 15 * time.Minute

	// maxAtOnce is how many calls are under way at once: 5,000 messages take a second or so, and SQS does not mind.
	maxAtOnce = 16
)

// Queue is the queue and its dead-letter queue.
type Queue struct {
	sqs             SQS
	url, deadLetter string
}

// NewQueue returns the queue with these URLs. What an empty URL is needed for is an error when it is needed.
func NewQueue(client SQS, url, deadLetterURL string) *Queue {
	return &Queue{client, url, deadLetterURL}
}

// Send puts messages into the queue. The result has one error for each message, nil where the queue has it.
func (q *Queue) Send(ctx context.Context, messages []Message) []error {
	if q.url == "" {
		return repeat(errors.New("queue: there is none: set UNBIND_QUEUE_URL"), len(messages))
	}
	return q.send(ctx, "queue", q.url, messages)
}

// Bury puts messages into the dead-letter queue, with one error for each like Send.
func (q *Queue) Bury(ctx context.Context, messages []Message) []error {
	if q.deadLetter == "" {
		return repeat(errors.New("dead-letter queue: there is none: set UNBIND_DEAD_LETTER_QUEUE_URL"), len(messages))
	}
	return q.send(ctx, "dead-letter queue", q.deadLetter, messages)
}

// Postpone hides a received message for a while, counted from now; a wait that SQS does not allow is cut.
func (q *Queue) Postpone(ctx context.Context, receiptHandle string, wait time.Duration) error {
	if q.url == "" {
		return errors.New("queue: there is none: set UNBIND_QUEUE_URL")
	}
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

// send sends messages in batches, some at once. After one batch that the queue did not take at all, the rest is not tried:
// an invocation's time must not be spent on a queue that is not there.
func (q *Queue) send(ctx context.Context, name, url string, messages []Message) []error {
	var (
		errs  = make([]error, len(messages))
		slots = make(chan struct{}, maxAtOnce)
		wg    sync.WaitGroup
		mu    sync.Mutex
		down  error
	)
	for from := 0; from < len(messages); {
		entries := batch(messages[from:])
		part := errs[from : from+len(entries)]
		from += len(entries)
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			mu.Lock()
			err := down
			mu.Unlock()
			if err == nil {
				err = q.sendBatch(ctx, name, url, entries, part)
			}
			if err != nil {
				copy(part, repeat(err, len(part)))
				mu.Lock()
				down = err
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return errs
}

// sendBatch errs where the call fails. Success of the call is not success of its entries: each has its place in errs.
func (q *Queue) sendBatch(ctx context.Context, name, url string, entries []types.SendMessageBatchRequestEntry, errs []error) error {
	out, err := q.sqs.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: &url, Entries: entries})
	if err != nil {
		return fmt.Errorf("%s: send: %w", name, short(err))
	}
	for _, failed := range out.Failed {
		if i, err := strconv.Atoi(aws.ToString(failed.Id)); err == nil && i >= 0 && i < len(errs) {
			errs[i] = fmt.Errorf("%s: send: %s", name, aws.ToString(failed.Code))
		}
	}
	return nil
}

// batch returns the entries of the first messages, as many as one call may send.
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
	entry := types.SendMessageBatchRequestEntry{
		Id:           &id,
		MessageBody:  aws.String(strings.NewReplacer("\ufffe", "", "\uffff", "").Replace(string(m.Body))), // as in clean
		DelaySeconds: int32(min(m.Delay, maxDelay) / time.Second),                                         //nolint:gosec // at most 15 min
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

// clean leaves out what SQS takes in no message (Amazon SQS API Reference, SendMessage): a stranger's id must not keep a
// message from being sent.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == utf8.RuneError || r == '\ufffe' || r == '\uffff' {
			return -1
		}
		return r
	}, s)
}

// short names an AWS error by its code where it has one, since the SDK's own text is a paragraph.
func short(err error) error {
	var api smithy.APIError
	switch {
	case !errors.As(err, &api):
		return fmt.Errorf("not reached: %w", err)
	case strings.HasPrefix(api.ErrorCode(), "AccessDenied"):
		return fmt.Errorf("%s: look at the function's role and the queue's policy", api.ErrorCode())
	case strings.HasSuffix(api.ErrorCode(), "NonExistentQueue"):
		return fmt.Errorf("%s: look at the queue's URL in the environment", api.ErrorCode())
	}
	return fmt.Errorf("%s: it may work later", api.ErrorCode())
}

func repeat(err error, n int) []error {
	errs := make([]error, n)
	for i := range errs {
		errs[i] = err
	}
	return errs
}
