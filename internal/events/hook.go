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

// unbind carries out what it can while the caller waits. The rest goes to the queue.
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
	for _, event := range delivery.Events {
		if event.Status == departure.Failed {
			// The caller reads it at once, so nothing is kept; and nothing was done yet.
			h.problem(ctx, w, sourceOfUnbind, http.StatusBadRequest, errors.New(event.Detail))
			return
		}
	}
	outcomes := h.work(ctx, h.cfg.Offboard.Run, delivery.Events...)
	h.enqueue(ctx, outcomes, notDone)
	h.log(ctx, triggerHTTP, outcomes)
	status := http.StatusOK
	for _, o := range outcomes {
		switch {
		case !o.Status.Done():
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

// accept sends the departures in the events to the queue, and events that could not be read to the dead-letter queue. It
// errs where any of it was not taken: then the vendor sends all of it again.
func (h *Handler) accept(ctx context.Context, events []departure.Event) ([]*departure.Outcome, error) {
	var outcomes []*departure.Outcome
	var dead []queue.Message
	for _, event := range events {
		if event.Status != "" {
			o := event.Outcome()
			outcomes = append(outcomes, &o)
			if o.Status == departure.Failed {
				// The request is not kept, since it may hold a key; and whom it names is not known.
				event.Type = departure.TypeLeft
				body, err := strictjson.Marshal(departure.Event{Meta: event.Meta})
				if err != nil {
					return outcomes, err
				}
				dead = append(dead, h.deadLetter(ctx, triggerHTTP, &o, body))
			}
			continue
		}
		departures, err := event.Departures([]string{""})
		if err != nil {
			return outcomes, err
		}
		for _, d := range departures {
			outcomes = append(outcomes, &departure.Outcome{Departure: d})
		}
	}
	h.enqueue(ctx, outcomes, func(o *departure.Outcome) bool { return o.Status == "" })
	errs := h.cfg.Queue.SendToDeadLetterQueue(ctx, dead)
	for _, o := range outcomes {
		if o.Status == departure.Retry {
			errs = append(errs, errors.New(o.Detail))
		}
	}
	return outcomes, errors.Join(errs...)
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
