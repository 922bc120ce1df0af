package events

import (
	"context"
	"errors"
	"net/http"
	"time"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/queue"
	"wedata-unbind/internal/source"
	"wedata-unbind/internal/strictjson"
)

const (
	// answerWithin is the shortest deadline among the vendors, one second (Feishu, WeCom), less a tenth for the network.
	answerWithin = 900 * time.Millisecond
	// unbindWithin is how long a caller of POST /unbind waits at most: less than the 30 s of an HTTP API.
	unbindWithin = 20 * time.Second

	// sourceOfUnbind is the source by which callers of POST /unbind are verified.
	sourceOfUnbind = "unbind"
)

// hook accepts a webhook: verify, map, queue, answer. WeChat is called later, when the queue delivers: vendors do not wait
// that long.
func (h *Handler) hook(w http.ResponseWriter, r *http.Request, name string, body []byte) {
	ctx, cancel := context.WithTimeout(r.Context(), answerWithin)
	defer cancel()
	delivery, err := h.receive(ctx, name, r, body)
	if err != nil {
		h.problem(ctx, w, name, statusOf(err), err)
		return
	}
	outcomes, err := h.accept(ctx, delivery.Events)
	h.log(ctx, triggerHTTP, outcomes)
	if err != nil {
		h.problem(ctx, w, name, http.StatusServiceUnavailable, err)
		return
	}
	ignored := 0
	for _, o := range outcomes {
		if o.Status == departure.Ignored || o.Status == departure.Unknown {
			ignored++
		}
	}
	h.answer(ctx, w, name, delivery, len(outcomes)-ignored, ignored)
}

// unbind carries out what it can while the caller waits. The rest is kept. A payload that cannot be read is answered 400:
// the caller reads why, and nothing was done yet.
func (h *Handler) unbind(w http.ResponseWriter, r *http.Request, body []byte) {
	ctx, cancel := context.WithTimeout(r.Context(), unbindWithin)
	defer cancel()
	delivery, err := h.receive(ctx, sourceOfUnbind, r, body)
	switch {
	case err != nil:
		h.problem(ctx, w, sourceOfUnbind, statusOf(err), err)
		return
	case len(delivery.Events) == 0:
		h.answer(ctx, w, sourceOfUnbind, delivery, 0, 0)
		return
	}
	events := h.bounded(ctx, departure.Merge(delivery.Events))
	for _, event := range events {
		switch event.Status {
		case departure.Failed:
			h.verifiedProblem(ctx, w, sourceOfUnbind, http.StatusBadRequest, errors.New(event.Detail))
			return
		case departure.Retry:
			h.problem(ctx, w, sourceOfUnbind, http.StatusServiceUnavailable, errors.New(event.Detail))
			return
		}
	}
	outcomes := flat(h.run(ctx, h.cfg.Offboard.Run, events))
	h.keep(ctx, triggerHTTP, outcomes, nil)
	h.log(ctx, triggerHTTP, outcomes)
	status := http.StatusOK
	for _, o := range outcomes {
		switch {
		case o.Lost():
			h.problem(ctx, w, sourceOfUnbind, http.StatusServiceUnavailable, errors.New(o.Detail))
			return
		case o.Status == departure.Queued:
			status = http.StatusAccepted
		}
	}
	writeJSON(w, status, "application/json", map[string]any{"outcomes": outcomes})
}

// receive verifies and reads a request to the source of that name.
func (h *Handler) receive(ctx context.Context, name string, r *http.Request, body []byte) (source.Delivery, error) {
	envelope := h.envelope(ctx)
	envelope.Source = name
	delivery, err := h.cfg.Sources.Receive(ctx, name, r, body, envelope)
	for i := range delivery.Events {
		delivery.Events[i].Source = name // the verified one, whatever the payload says
	}
	return delivery, err
}

// accept sends the departures in the events to the queue, one message for each person, and the record of what could not be
// read to the dead-letter queue. It errs where any of it was not taken: then the vendor sends all of it again.
func (h *Handler) accept(ctx context.Context, delivered []departure.Event) ([]*departure.Outcome, error) {
	events := departure.Merge(delivered)
	if pairs := departure.Pairs(events, 1); pairs > departure.MaxPairs {
		events = []departure.Event{departure.TooMany(events[0].Meta, pairs)}
	}
	var outcomes, failed []*departure.Outcome
	var messages, dead []queue.Message
	var queued []*departure.Outcome
	for _, event := range events {
		if event.Status != "" {
			o := event.Outcome()
			outcomes = append(outcomes, &o)
			if o.Status == departure.Failed {
				failed = append(failed, &o)
				dead = append(dead, h.deadLetter(ctx, triggerHTTP, &o, unreadable(event)))
			}
			continue
		}
		for _, uid := range event.UIDs {
			person := event
			person.UIDs = []string{uid}
			body, err := strictjson.Marshal(person)
			if err != nil {
				return outcomes, err
			}
			o := &departure.Outcome{Departure: person.Departures([]string{""})[0]}
			if len(person.Merchants) > 1 {
				o.Merchant = ""
			}
			outcomes, queued = append(outcomes, o), append(queued, o)
			messages = append(messages, queue.Message{Body: body})
		}
	}
	var errs []error
	for i, err := range h.cfg.Queue.SendToDeadLetterQueue(ctx, dead) {
		failed[i].Kept = err == nil
		errs = append(errs, err)
	}
	for i, err := range h.cfg.Queue.Send(ctx, messages) {
		queued[i].Status = departure.Queued
		if err != nil {
			queued[i].Status, queued[i].Class, queued[i].Detail = departure.Retry, classAWS, err.Error()
		}
		errs = append(errs, err)
	}
	for _, o := range outcomes {
		if o.Status == departure.Retry && o.Class != classAWS {
			errs = append(errs, errors.New(o.Detail))
		}
	}
	return outcomes, errors.Join(errs...)
}

// unreadable returns the body of the dead letter for a webhook that could not be read. The request is not kept, since it may
// hold a key. Without a uid in data it cannot be carried out when it is redriven.
func unreadable(event departure.Event) []byte {
	const longest = 1000 // people
	type data struct {
		UID any `json:"uid"`
	}
	body, err := strictjson.Marshal(struct {
		SpecVersion string    `json:"specversion"`
		Source      string    `json:"source"`
		ID          string    `json:"id,omitzero"`
		Type        string    `json:"type"`
		Time        time.Time `json:"time,omitzero"`
		Data        data      `json:"data"`
		Reason      string    `json:"reason"`
		People      []string  `json:"people,omitzero"`
	}{
		"1.0", event.Source, event.ID, departure.TypeLeft, event.Time, data{}, event.Detail,
		event.About[:min(len(event.About), longest)],
	})
	if err != nil {
		return []byte(event.Detail)
	}
	return body
}

// answer writes the reply that the source's vendor wants to see.
func (h *Handler) answer(
	ctx context.Context, w http.ResponseWriter, name string, delivery source.Delivery, accepted, ignored int,
) {
	reply := delivery.Reply(accepted, ignored)
	if reply.ContentType != "" {
		w.Header().Set("Content-Type", reply.ContentType)
	}
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(reply.Body) // it goes to memory
}
