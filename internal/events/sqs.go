package events

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	awsevents "github.com/aws/aws-lambda-go/events"
	"golang.org/x/sync/errgroup"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/queue"
	"wedata-unbind/internal/strictjson"
)

const triggerSQS = "sqs"

func isSQS(e event) bool { return e.hasRecordsOf("aws:sqs") }

// message is one message of the queue, with the outcomes of its departures.
type message struct {
	awsevents.SQSMessage
	outcomes []*departure.Outcome
}

// sqs carries out a batch of messages from the queue. A departure that may work later stays in the queue, hidden until
// its next try. One that failed is sent to the dead-letter queue at once, with the reason. The reply names the
// messages that stay in the queue; Lambda deletes the others.
func (h *Handler) sqs(ctx context.Context, e event) ([]byte, error) {
	// All messages are one batch, so that a merchant's bind list is read once.
	var events []departure.Event
	ends := make([]int, len(e.records))
	total := 0
	for i, record := range e.records {
		read, pairs := h.bounded(ctx, h.readMessage(ctx, record.SQSMessage))
		for j := range read {
			read[j].Waited = true
		}
		if total+pairs > departure.MaxPairs {
			read, pairs = []departure.Event{departure.Later(read[0])}, 0
		}
		total += pairs
		events = append(events, read...)
		ends[i] = len(events)
	}
	outcomes := h.run(ctx, h.cfg.Offboard.Run, events)
	// All messages are settled at the same time. Where SQS does not answer, they wait for the timeout together.
	messages, settled := make([]message, len(e.records)), make([]bool, len(e.records))
	var group errgroup.Group
	start := 0
	for i, record := range e.records {
		messages[i] = message{record.SQSMessage, flat(outcomes[start:ends[i]])}
		start = ends[i]
		group.Go(func() error {
			messages[i].endTries()
			settled[i] = h.settle(ctx, messages[i])
			return nil
		})
	}
	_ = group.Wait() // every fault is in an outcome
	reply := awsevents.SQSEventResponse{BatchItemFailures: []awsevents.SQSBatchItemFailure{}}
	for i, m := range messages {
		if !settled[i] {
			stays := awsevents.SQSBatchItemFailure{ItemIdentifier: m.MessageId}
			reply.BatchItemFailures = append(reply.BatchItemFailures, stays)
		}
		h.log(ctx, triggerSQS, m.outcomes)
	}
	return strictjson.Marshal(reply)
}

// endTries makes a Retry on the last try Failed, so that the dead letter has the reason. SQS would move the message to
// the dead-letter queue without it.
func (m message) endTries() {
	if len(m.outcomes) != 1 || m.outcomes[0].Status != departure.Retry || m.received() < queue.MaxReceives {
		return
	}
	o := m.outcomes[0]
	o.Status, o.Detail = departure.Failed, fmt.Sprintf("given up after %d tries: %s", m.received(), o.Detail)
}

// received is how often SQS has delivered the message.
func (m message) received() int {
	n, _ := strconv.Atoi(m.Attributes["ApproximateReceiveCount"])
	return n
}

// settle sends failed departures to the dead-letter queue, and hides the message where a departure may work later. It
// returns whether the message can be deleted.
func (h *Handler) settle(ctx context.Context, m message) bool {
	h.sendToDeadLetterQueue(ctx, triggerSQS, m.outcomes, []byte(m.Body))
	failed := func(o *departure.Outcome) bool { return o.Status == departure.Failed && o.Lost() }
	i := slices.IndexFunc(m.outcomes, failed)
	if i < 0 && len(m.outcomes) > 1 {
		// Each departure gets its own message, so that those that are done are not carried out again.
		h.enqueue(ctx, m.outcomes, (*departure.Outcome).Lost)
	}
	if i < 0 {
		i = slices.IndexFunc(m.outcomes, (*departure.Outcome).Lost)
	}
	if i < 0 {
		return true
	}
	// If hiding fails, the message is received again when its present visibility timeout ends.
	wait := h.wait(m.outcomes[i], queue.Wait(m.outcomes[i].Class, m.received(), h.cfg.Now()))
	if err := h.cfg.Queue.Hide(ctx, m.ReceiptHandle, wait); err != nil {
		h.cfg.Log.WarnContext(ctx, "message stays in the queue", "messageId", m.MessageId, "reason", err.Error())
	}
	return false
}

// readMessage reads the body of a message. It returns a Failed event for a body that cannot be read.
func (h *Handler) readMessage(ctx context.Context, m awsevents.SQSMessage) []departure.Event {
	meta := h.envelope()
	meta.ID = m.MessageId
	if ms, err := strconv.ParseInt(m.Attributes["SentTimestamp"], 10, 64); err == nil {
		meta.Time = time.UnixMilli(ms).UTC()
	}
	body, err := readEvent([]byte(m.Body))
	if err != nil {
		return of("sqs message", []departure.Event{departure.Refuse(meta, err)})
	}
	return of("sqs message", h.readQueued(ctx, body, meta))
}

// readQueued reads an event from the queue. It refuses an event of a kind that is never queued.
func (h *Handler) readQueued(ctx context.Context, e event, meta departure.Meta) []departure.Event {
	t, err := triggerOf(e)
	if err == nil && t.read == nil {
		err = t.refuse()
	}
	if err != nil {
		return []departure.Event{departure.Refuse(meta, err)}
	}
	return t.read(h, ctx, e, meta)
}
