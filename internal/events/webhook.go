package events

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/later"
	"wedata-unbind/internal/offboard"
	"wedata-unbind/internal/source"
)

const (
	triggerHTTP = "http"

	// answerWithin leaves the shortest deadline among the vendors, one second, a tenth of it for the way (Feishu, WeCom).
	answerWithin = 900 * time.Millisecond
	// unbindWithin is what a caller of POST /unbind is kept waiting, below the 30 s of an HTTP API.
	unbindWithin = 20 * time.Second

	// sourceOfUnbind is the source that callers of POST /unbind prove to be.
	sourceOfUnbind = "unbind"
)

// serve answers a request: a webhook on a path that ends in /hooks/{source}, or a call of one that ends in /unbind.
func (h *Handler) serve(ctx context.Context, r source.Request) httpReply {
	segments := strings.Split(r.Path, "/")
	last := len(segments) - 1
	switch name, err := url.PathUnescape(segments[last]); {
	case err != nil:
	case last > 0 && segments[last-1] == "hooks" && name != "":
		return h.hook(ctx, name, r)
	case last > 0 && name == sourceOfUnbind:
		return h.unbind(ctx, r)
	}
	return h.problem(ctx, "", http.StatusNotFound, errors.New("no such path: "+departure.Quote(r.Path)))
}

// hook takes a webhook in: verify, map, queue, answer. WeChat is called later, when the queue delivers, since vendors do not
// wait that long.
func (h *Handler) hook(ctx context.Context, name string, r source.Request) httpReply {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	delivery, err := h.receive(ctx, name, r)
	if err != nil {
		return h.problem(ctx, name, statusOf(err), err)
	}
	outcomes, err := h.accept(ctx, delivery.Events)
	h.log(ctx, triggerHTTP, outcomes)
	if err != nil {
		return h.problem(ctx, name, http.StatusServiceUnavailable, err)
	}
	ignored := 0
	for _, o := range outcomes {
		if o.Status == offboard.Ignored || o.Status == offboard.Unknown {
			ignored++
		}
	}
	return h.answer(ctx, name, delivery, len(outcomes)-ignored, ignored)
}

// unbind carries out what it can while the caller waits, and leaves the rest to the queue.
func (h *Handler) unbind(ctx context.Context, r source.Request) httpReply {
	ctx, cancel := context.WithTimeout(ctx, unbindWithin)
	defer cancel()
	delivery, err := h.receive(ctx, sourceOfUnbind, r)
	if err == nil && r.Method != http.MethodPost {
		err = source.ErrMethod
	}
	switch {
	case err != nil:
		return h.problem(ctx, sourceOfUnbind, statusOf(err), err)
	case len(delivery.Events) == 0:
		return h.answer(ctx, sourceOfUnbind, delivery, 0, 0)
	}
	for _, event := range delivery.Events {
		if event.Verdict == departure.Failed {
			// The caller hears of it at once, so nothing needs to be kept, and nothing is half done.
			return h.problem(ctx, sourceOfUnbind, http.StatusBadRequest, errors.New(event.Reason))
		}
	}
	outcomes := flat(h.work(ctx, h.cfg.Offboard.Run, delivery.Events...))
	h.enqueue(ctx, outcomes, func(o *offboard.Outcome) bool { return !o.Done() })
	h.log(ctx, triggerHTTP, outcomes)
	status := http.StatusOK
	for _, o := range outcomes {
		switch {
		case !o.Done():
			return h.problem(ctx, sourceOfUnbind, http.StatusServiceUnavailable, errors.New(o.Detail))
		case o.Status == offboard.Queued:
			status = http.StatusAccepted
		}
	}
	return jsonReply(status, map[string]string{"Content-Type": "application/json"}, map[string]any{"outcomes": outcomes})
}

func (h *Handler) receive(ctx context.Context, name string, r source.Request) (source.Delivery, error) {
	envelope := h.envelope(ctx)
	envelope.Source = name
	delivery, err := h.cfg.Sources.Receive(ctx, name, r, envelope)
	for i := range delivery.Events {
		delivery.Events[i].Source = name // it has proved to be this one, whatever its payload says
	}
	return delivery, err
}

// accept puts everything in the events that is to be done into the queue, and leavers that could not be understood into the
// dead-letter queue. Nothing is accepted where any of it is not: the vendor sends it all again.
func (h *Handler) accept(ctx context.Context, events []departure.Event) ([]*offboard.Outcome, error) {
	var outcomes []*offboard.Outcome
	var dead []later.Message
	for _, event := range events {
		if event.Verdict != "" {
			o := offboard.Decided(event)
			outcomes = append(outcomes, &o)
			if o.Status == offboard.Failed {
				// Whom it is about is not known, and the request, which may hold a key, is not kept.
				event.Type = departure.TypeLeft
				body, err := json.Marshal(departure.Event{Meta: event.Meta})
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
			outcomes = append(outcomes, &offboard.Outcome{Departure: d, Status: offboard.Retry})
		}
	}
	h.enqueue(ctx, outcomes, func(o *offboard.Outcome) bool { return o.Status == offboard.Retry })
	errs := h.cfg.Queue.Bury(ctx, dead)
	for _, o := range outcomes {
		if o.Status == offboard.Retry {
			errs = append(errs, errors.New(o.Detail))
		}
	}
	return outcomes, errors.Join(errs...)
}

// answer is the reply that the source's vendor wants to see.
func (h *Handler) answer(ctx context.Context, name string, delivery source.Delivery, accepted, ignored int) httpReply {
	reply, err := delivery.Reply(accepted, ignored)
	if err != nil {
		return h.problem(ctx, name, http.StatusServiceUnavailable, err)
	}
	headers := map[string]string{}
	if reply.ContentType != "" {
		headers["Content-Type"] = reply.ContentType
	}
	return httpReply{reply.Status, headers, string(reply.Body)}
}

// statusOf is the status for an error of a source. What is no fault of the caller's is one of ours.
func statusOf(err error) int {
	for _, row := range []struct {
		err    error
		status int
	}{
		{source.ErrUnknownSource, http.StatusNotFound},
		{source.ErrMethod, http.StatusMethodNotAllowed},
		{source.ErrTooLarge, http.StatusRequestEntityTooLarge},
		{source.ErrNotVerified, http.StatusUnauthorized},
		{source.ErrMalformed, http.StatusBadRequest},
	} {
		if errors.Is(err, row.err) {
			return row.status
		}
	}
	return http.StatusServiceUnavailable
}
