package events

import (
	"context"
	"strconv"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/later"
	"wedata-unbind/internal/offboard"
)

// enqueue sends the departures that which picks to the queue, each as an event of its own, and turns their status to
// Queued. What the queue cannot take keeps its status; its detail then tells both reasons.
func (h *Handler) enqueue(ctx context.Context, outcomes []*offboard.Outcome, which func(*offboard.Outcome) bool) {
	var picked []*offboard.Outcome
	var messages []later.Message
	for _, o := range outcomes {
		// An event that could not be read names nobody: there is no departure that could wait.
		if o.UID == "" || !which(o) {
			continue
		}
		body, err := departure.Marshal(o.Departure.Event())
		if err != nil {
			o.Detail = also(o.Detail, err)
			continue
		}
		picked = append(picked, o)
		messages = append(messages, later.Message{Body: body, Delay: later.Delay(o.Class, h.cfg.Now())})
	}
	if len(messages) == 0 {
		return
	}
	for i, err := range h.cfg.Queue.Send(ctx, messages) {
		if err != nil {
			picked[i].Detail = also(picked[i].Detail, err)
			continue
		}
		picked[i].Status = offboard.Queued
	}
}

// also adds a second reason to the first, if there is one.
func also(reason string, err error) string {
	if reason == "" {
		return err.Error()
	}
	return reason + "; " + err.Error()
}

// deadLetter is the message by which an outcome is put before a person, with the reason in its attributes: the departure as
// an event of its own, which can be redriven once the reason is mended, or else the original that could not be read.
func (h *Handler) deadLetter(ctx context.Context, trigger string, o *offboard.Outcome, original []byte) later.Message {
	body := original
	if o.UID != "" {
		if event, err := departure.Marshal(o.Departure.Event()); err == nil {
			body = event
		}
	}
	attributes := map[string]string{
		"reason":   o.Detail,
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
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		attributes["requestId"] = lc.AwsRequestID
	}
	return later.Message{Body: body, Attributes: attributes}
}
