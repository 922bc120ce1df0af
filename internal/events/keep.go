package events

import (
	"context"
	"strconv"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/queue"
	"wedata-unbind/internal/strictjson"
)

// classAWS is the class of a departure that a queue did not take.
const classAWS = "aws"

// keep keeps what is not done: what may work later in the queue, what somebody must act on in the dead-letter queue. What the
// dead-letter queue does not take goes to the queue too, and from there to the dead-letter queue later.
func (h *Handler) keep(ctx context.Context, trigger string, outcomes []*departure.Outcome, original []byte) {
	h.sendToDeadLetterQueue(ctx, trigger, outcomes, original)
	h.enqueue(ctx, outcomes, func(o *departure.Outcome) bool { return o.Lost() })
}

// sendToDeadLetterQueue sends the departures that failed to the dead-letter queue, and the original of what could not be
// read.
func (h *Handler) sendToDeadLetterQueue(ctx context.Context, trigger string, outcomes []*departure.Outcome, original []byte) {
	var failed []*departure.Outcome
	var messages []queue.Message
	for _, o := range outcomes {
		if o.Status == departure.Failed {
			failed = append(failed, o)
			messages = append(messages, h.deadLetter(ctx, trigger, o, original))
		}
	}
	for i, err := range h.cfg.Queue.SendToDeadLetterQueue(ctx, messages) {
		if err != nil {
			notQueued(failed[i], err)
			continue
		}
		failed[i].Kept = true
		failed[i].Detail += " (it is kept in the dead-letter queue)"
	}
}

// enqueue sends the departures that which picks to the queue, each as an event of its own, and makes them Queued. What the
// queue does not take is Retry unless it failed before; its detail then tells both reasons.
func (h *Handler) enqueue(ctx context.Context, outcomes []*departure.Outcome, which func(*departure.Outcome) bool) {
	var picked []*departure.Outcome
	var messages []queue.Message
	for _, o := range outcomes {
		// An event that could not be read names nobody: no departure of it can wait.
		if o.UID == "" || !which(o) {
			continue
		}
		body, err := strictjson.Marshal(o.Departure.Event())
		if err != nil {
			notQueued(o, err)
			continue
		}
		picked = append(picked, o)
		messages = append(messages, queue.Message{Body: body, Delay: queue.Delay(o.Class, h.cfg.Now())})
	}
	if len(messages) == 0 {
		return
	}
	for i, err := range h.cfg.Queue.Send(ctx, messages) {
		if err != nil {
			notQueued(picked[i], err)
			continue
		}
		picked[i].Status = departure.Queued
	}
}

// notQueued adds the reason why the queue did not take the departure to the outcome.
func notQueued(o *departure.Outcome, err error) {
	if o.Status == "" {
		o.Status, o.Class = departure.Retry, classAWS
	}
	if o.Detail != "" {
		o.Detail += "; "
	}
	o.Detail += err.Error()
}

// deadLetter returns the message for the dead-letter queue: the departure as an event of its own, which can be redriven once
// the fault is mended, or else the original that could not be read. The reason stands in its attributes.
func (h *Handler) deadLetter(ctx context.Context, trigger string, o *departure.Outcome, original []byte) queue.Message {
	body := original
	if o.UID != "" {
		if event, err := strictjson.Marshal(o.Departure.Event()); err == nil {
			body = event
		}
	}
	attributes := map[string]string{
		"reason":   o.Detail,
		"class":    o.Class,
		"trigger":  trigger,
		"source":   o.Source,
		"event_id": o.ID,
		"merchant": o.Merchant,
		"uid_hash": departure.Hash(o.UID),
		"rid":      o.RID,
	}
	if o.ErrCode != 0 {
		attributes["errcode"] = strconv.Itoa(o.ErrCode)
	}
	attributes["request_id"] = requestID(ctx)
	return queue.Message{Body: body, Attributes: attributes}
}

func requestID(ctx context.Context) string {
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		return lc.AwsRequestID
	}
	return ""
}
