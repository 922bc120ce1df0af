package events

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/queue"
	"wedata-unbind/internal/source"
	"wedata-unbind/internal/strictjson"
)

const (
	// answerWithin is the shortest deadline of a vendor (Feishu, WeCom: one second), less a tenth for the network.
	answerWithin = 900 * time.Millisecond
	// unbindWithin is how long a caller of POST /unbind waits at most: less than the 30 s of an HTTP API.
	unbindWithin = 20 * time.Second

	// sourceOfUnbind is the name of the source that verifies callers of POST /unbind.
	sourceOfUnbind = "unbind"
)

// hook accepts a webhook: it verifies the request, maps its events, queues the departures and answers. WeChat is
// called when the queue delivers them: vendors do not wait that long.
func (h *Handler) hook(w http.ResponseWriter, r *http.Request, name string, body []byte) {
	ctx, cancel := context.WithTimeout(r.Context(), answerWithin)
	defer cancel()
	delivery, err := h.receive(ctx, name, r, body)
	if err != nil {
		h.refuse(ctx, w, name, err)
		return
	}
	outcomes := h.accept(ctx, delivery.Events)
	if h.lost(ctx, w, name, outcomes) {
		return
	}
	ignored := 0
	for _, o := range outcomes {
		if o.Status == departure.Ignored || o.Status == departure.Unknown {
			ignored++
		}
	}
	answer(w, delivery, len(outcomes)-ignored, ignored)
}

// unbind carries out departures while the caller waits. Those that are not done are sent to a queue. If no departure
// in the payload can be carried out, the answer is 400 with the reason, and nothing is queued.
func (h *Handler) unbind(w http.ResponseWriter, r *http.Request, body []byte) {
	ctx, cancel := context.WithTimeout(r.Context(), unbindWithin)
	defer cancel()
	delivery, err := h.receive(ctx, sourceOfUnbind, r, body)
	if err != nil {
		h.refuse(ctx, w, sourceOfUnbind, err)
		return
	}
	if len(delivery.Events) == 0 { // a handshake
		answer(w, delivery, 0, 0)
		return
	}
	events, _ := h.bounded(ctx, delivery.Events)
	if !slices.ContainsFunc(events, func(e departure.Event) bool { return e.Status != departure.Failed }) {
		h.problem(ctx, w, sourceOfUnbind, http.StatusBadRequest, errors.New(events[0].Detail), events[0].Detail)
		return
	}
	outcomes := flat(h.run(ctx, h.cfg.Offboard.Run, events))
	h.keep(ctx, triggerHTTP, outcomes, recordOf(events))
	if h.lost(ctx, w, sourceOfUnbind, outcomes) {
		return
	}
	status := http.StatusOK
	waits := func(o *departure.Outcome) bool {
		return o.Status == departure.Queued || o.Status == departure.Scheduled
	}
	if slices.ContainsFunc(outcomes, waits) {
		status = http.StatusAccepted
	}
	writeJSON(w, status, "application/json", map[string]any{"outcomes": outcomes})
}

// receive verifies and reads a request to the source of that name.
func (h *Handler) receive(ctx context.Context, name string, r *http.Request, body []byte) (source.Delivery, error) {
	envelope := h.envelope()
	envelope.Source = name
	delivery, err := h.cfg.Sources.Receive(ctx, name, r, body, envelope)
	for i := range delivery.Events {
		delivery.Events[i].Source = name // the verified one, whatever the payload says
	}
	return delivery, err
}

// accept sends the departures to the queue, one message for each person, and refused events to the dead-letter queue.
func (h *Handler) accept(ctx context.Context, delivered []departure.Event) (outcomes []*departure.Outcome) {
	events := departure.Bounded(delivered, 1)
	var people []*departure.Outcome
	var messages []queue.Message
	for _, event := range events {
		if event.Status != "" {
			o := event.Outcome()
			outcomes = append(outcomes, &o)
			continue
		}
		for _, uid := range event.UIDs {
			person := event
			person.UIDs = []string{uid}
			body, _ := strictjson.Marshal(person)
			people = append(people, &departure.Outcome{Departure: person.Departures([]string{""})[0]})
			messages = append(messages, queue.Message{Body: body})
			if len(event.Merchants) > 1 {
				people[len(people)-1].Merchant = ""
			}
		}
	}
	h.sendToDeadLetterQueue(ctx, triggerHTTP, outcomes, recordOf(events))
	taken(people, h.cfg.Queue.Send(ctx, messages), queued)
	return append(outcomes, people...)
}

// lost logs the outcomes. If a departure is neither done nor kept, it answers 503 and returns true: the caller must
// send the request again.
func (h *Handler) lost(ctx context.Context, w http.ResponseWriter, name string, outcomes []*departure.Outcome) bool {
	h.log(ctx, triggerHTTP, outcomes)
	i := slices.IndexFunc(outcomes, (*departure.Outcome).Lost)
	if i >= 0 {
		reason := outcomes[i].Detail
		h.problem(ctx, w, name, http.StatusServiceUnavailable, errors.New(reason), reason)
	}
	return i >= 0
}

// recordOf returns the body of the dead letter for a request that could not be read. The request itself is not kept,
// since it may hold a key. The body has no uid in data, so that it unbinds nobody when it is redriven.
func recordOf(events []departure.Event) []byte {
	namesNobody := func(e departure.Event) bool { return e.Status == departure.Failed && len(e.UIDs) == 0 }
	i := slices.IndexFunc(events, namesNobody)
	if i < 0 {
		return nil
	}
	event, room := events[i], 600<<10
	people := within(&room, event.About)
	body, _ := strictjson.Marshal(map[string]any{
		"specversion": "1.0", "source": event.Source, "id": event.ID, "type": event.Type, "time": event.Time,
		"data":   map[string]any{"uid": nil},
		"reason": event.Detail, "people": people, "faults": within(&room, event.Faults),
	})
	return body
}

// within returns as many of the first texts as fit into room bytes, and subtracts their bytes from room.
func within(room *int, texts []string) []string {
	for i, text := range texts {
		if *room -= len(text) + len(`"",`); *room < 0 {
			return texts[:i]
		}
	}
	return texts
}

// answer writes the reply that the source's vendor expects.
func answer(w http.ResponseWriter, delivery source.Delivery, accepted, ignored int) {
	reply := delivery.Reply(accepted, ignored)
	if reply.ContentType != "" {
		w.Header().Set("Content-Type", reply.ContentType)
	}
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(reply.Body) // a write to memory, which does not fail
}
