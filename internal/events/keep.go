package events

import (
	"context"
	"strconv"
	"strings"
	"time"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/queue"
	"wedata-unbind/internal/strictjson"
)

// classAWS is the class of a departure that could not be queued.
const classAWS = "aws"

// keep sends failed departures to the dead-letter queue, and those that may work later to the queue. A failed
// departure that the dead-letter queue does not accept goes to the queue too, and later from there to the dead-letter
// queue. Original is the payload, which is kept where it could not be read.
func (h *Handler) keep(ctx context.Context, trigger string, outcomes []*departure.Outcome, original []byte) {
	h.sendToDeadLetterQueue(ctx, trigger, outcomes, original)
	h.enqueue(ctx, outcomes, (*departure.Outcome).Lost)
}

// sendToDeadLetterQueue sends failed departures to the dead-letter queue, and the original payload where it could not
// be read.
func (h *Handler) sendToDeadLetterQueue(
	ctx context.Context, trigger string, outcomes []*departure.Outcome, original []byte,
) {
	var failed []*departure.Outcome
	var messages []queue.Message
	for _, o := range outcomes {
		if o.Status == departure.Failed {
			failed, messages = append(failed, o), append(messages, deadLetter(ctx, trigger, o, original))
		}
	}
	taken(failed, h.cfg.Queue.SendToDeadLetterQueue(ctx, messages), func(o *departure.Outcome) {
		o.Kept = true
		o.Detail += " (it is kept in the dead-letter queue)"
	})
}

// enqueue sends the selected departures to the queue, each as an event of its own, and makes them Queued. A departure
// that cannot be queued gets the queue's error as a further reason. It becomes Retry if it had no status.
func (h *Handler) enqueue(
	ctx context.Context, outcomes []*departure.Outcome, selected func(*departure.Outcome) bool,
) {
	var picked []*departure.Outcome
	var messages []queue.Message
	for _, o := range outcomes {
		// Without a uid there is no departure that could be queued.
		if o.UID == "" || !selected(o) {
			continue
		}
		body, _ := strictjson.Marshal(o.Departure.Event()) // texts and times of JSON: it cannot fail
		picked = append(picked, o)
		messages = append(messages, queue.Message{Body: body, Delay: h.wait(o, queue.Delay(o.Class, h.cfg.Now()))})
	}
	taken(picked, h.cfg.Queue.Send(ctx, messages), queued)
}

// wait returns how long to wait before the next try: until the outcome's NotBefore if it has one, else byClass. To
// NotBefore it adds a second, since SQS counts whole seconds.
func (h *Handler) wait(o *departure.Outcome, byClass time.Duration) time.Duration {
	if o.NotBefore.IsZero() {
		return byClass
	}
	return max(0, o.NotBefore.Sub(h.cfg.Now())) + time.Second
}

func queued(o *departure.Outcome) { o.Status = departure.Queued }

// taken calls yes for each outcome that a queue has accepted: its error is nil. The other outcomes get the error as a
// further reason.
func taken(outcomes []*departure.Outcome, errs []error, yes func(*departure.Outcome)) {
	for i, o := range outcomes {
		switch {
		case errs[i] == nil:
			yes(o)
			continue
		case o.Status == "":
			o.Status, o.Class = departure.Retry, classAWS
		case o.Detail != "":
			o.Detail += "; "
		}
		o.Detail += errs[i].Error()
	}
}

// deadLetter returns the message for the dead-letter queue. Its body is the departure as an event of its own, which
// can be redriven once the fault is corrected, or the original payload that could not be read. Its attributes have the
// reason. SQS allows ten attributes.
func deadLetter(ctx context.Context, trigger string, o *departure.Outcome, original []byte) queue.Message {
	body := original
	if o.UID != "" {
		body, _ = strictjson.Marshal(o.Departure.Event())
	}
	attributes := map[string]string{
		"reason":     o.Detail,
		"class":      o.Class,
		"trigger":    trigger,
		"source":     o.Source,
		"event_id":   o.ID,
		"request_id": requestID(ctx),
		"merchant":   o.Merchant,
		"uid_hash":   departure.Hash(o.UID),
		"rid":        o.RID,
	}
	if o.ErrCode != 0 {
		attributes["errcode"] = strconv.Itoa(o.ErrCode)
	}
	// SQS refuses these two characters. Without them a wrong uid could be another person's, so they are escaped.
	body = []byte(strings.NewReplacer("\ufffe", `\ufffe`, "\uffff", `\uffff`).Replace(string(body)))
	return queue.Message{Body: body, Attributes: attributes}
}
