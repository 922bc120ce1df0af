package events

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	awsevents "github.com/aws/aws-lambda-go/events"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/later"
	"wedata-unbind/internal/offboard"
)

const triggerSQS = "sqs"

// record is one SQS message, the events in it, and what became of them.
type record struct {
	awsevents.SQSMessage
	events   []departure.Event
	outcomes []*offboard.Outcome
}

// sqs is a batch from the queue. What may work later stays there, hidden as long as the reason asks for; what somebody must
// mend moves to the dead-letter queue at once, with the reason. The reply names the messages that stay: all others are
// deleted by Lambda.
func (h *Handler) sqs(ctx context.Context, raw []byte) ([]byte, error) {
	var batch awsevents.SQSEvent
	if err := json.Unmarshal(raw, &batch); err != nil {
		return h.finish(ctx, triggerSQS, h.unreadable(ctx, fmt.Errorf("sqs event: %w", err)))
	}
	records := make([]record, len(batch.Records))
	var events []departure.Event
	for i, message := range batch.Records {
		records[i] = record{SQSMessage: message, events: h.readMessage(ctx, message)}
		events = append(events, records[i].events...)
	}
	// All records are one batch, so that a merchant's bind list is read once.
	outcomes := h.work(ctx, h.cfg.Offboard.Run, events...)
	reply := awsevents.SQSEventResponse{BatchItemFailures: []awsevents.SQSBatchItemFailure{}}
	for i := range records {
		r := &records[i]
		r.outcomes = flat(outcomes[:len(r.events)])
		outcomes = outcomes[len(r.events):]
		r.giveUp()
		if !h.dispose(ctx, r) {
			reply.BatchItemFailures = append(reply.BatchItemFailures, awsevents.SQSBatchItemFailure{ItemIdentifier: r.MessageId})
		}
		h.log(ctx, triggerSQS, r.outcomes)
	}
	return departure.Marshal(reply)
}

// giveUp turns a last try into a failure. SQS would move the message to the dead-letter queue all the same, but without a
// word of why.
func (r *record) giveUp() {
	if len(r.outcomes) != 1 || r.outcomes[0].Status != offboard.Retry || r.received() < later.MaxReceives {
		return
	}
	o := r.outcomes[0]
	o.Status, o.Detail = offboard.Failed, fmt.Sprintf("given up after %d tries: %s", r.received(), o.Detail)
}

// received is how often SQS has handed the message over.
func (r *record) received() int {
	n, _ := strconv.Atoi(r.Attributes["ApproximateReceiveCount"])
	return n
}

// dispose finds a place for everything in the record that is not done. It returns whether the message can be deleted.
func (h *Handler) dispose(ctx context.Context, r *record) bool {
	var dead []later.Message
	for _, o := range r.outcomes {
		if o.Status == offboard.Failed {
			dead = append(dead, h.deadLetter(ctx, triggerSQS, o, []byte(r.Body)))
		}
	}
	if err := errors.Join(h.cfg.Queue.Bury(ctx, dead)...); err != nil {
		h.keep(ctx, r, r.outcomes[0], err)
		return false
	}
	retry := func(o *offboard.Outcome) bool { return o.Status == offboard.Retry }
	if len(r.outcomes) > 1 {
		// Departures of one message part here: what is done must not wait for what is not.
		h.enqueue(ctx, r.outcomes, retry)
	}
	if i := slices.IndexFunc(r.outcomes, retry); i >= 0 {
		h.keep(ctx, r, r.outcomes[i], nil)
		return false
	}
	return true
}

// keep leaves the record in the queue, hidden as long as the outcome asks for. Where hiding does not work it comes back when
// its present visibility timeout ends, which loses nothing.
func (h *Handler) keep(ctx context.Context, r *record, o *offboard.Outcome, reason error) {
	wait := later.Wait(o.Class, r.received(), h.cfg.Now())
	if err := errors.Join(reason, h.cfg.Queue.Postpone(ctx, r.ReceiptHandle, wait)); err != nil {
		h.cfg.Log.WarnContext(ctx, "message stays in the queue", "messageId", r.MessageId, "reason", err.Error())
	}
}

// readMessage reads the body of a message. One that cannot be read is a refused event.
func (h *Handler) readMessage(ctx context.Context, message awsevents.SQSMessage) []departure.Event {
	meta := h.envelope(ctx)
	meta.ID = message.MessageId
	if ms, err := strconv.ParseInt(message.Attributes["SentTimestamp"], 10, 64); err == nil {
		meta.Time = time.UnixMilli(ms).UTC()
	}
	events, err := h.readBody(ctx, []byte(message.Body), meta)
	if err != nil {
		return []departure.Event{departure.Refuse(meta, fmt.Errorf("sqs message: %w", err))}
	}
	return events
}

// readBody reads whatever may lie in the queue: a payload, an SNS envelope, an SNS or EventBridge event, or what Lambda
// makes of an invocation that failed around one of these.
func (h *Handler) readBody(ctx context.Context, body []byte, meta departure.Meta) ([]departure.Event, error) {
	event, err := probe(body)
	if err != nil {
		return nil, err
	}
	switch event.kind {
	case kindSNS:
		return h.readSNS(ctx, body)
	case kindEnvelope:
		return h.readEnvelope(ctx, body)
	case kindEventBridge:
		return h.readEventBridge(ctx, body)
	case kindDestination:
		return h.readDestination(ctx, event.members, meta)
	case kindPayload:
		event, err := h.cfg.Decoder.DecodeObject(event.members, meta)
		return []departure.Event{event}, err
	}
	return nil, event.refuse()
}
