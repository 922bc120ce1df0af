package simulation

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"wedata-unbind/internal/wedata/wedatatest"
)

// person is somebody with all events about them.
type person struct {
	uid    string
	story  string
	bound  []string // the merchants at which they are bound at first
	events []*event // in the order of their times
	// believed are the merchants where unbound was said without a list that shows it.
	believed map[string]bool
	// told are the merchants where the log told the end of a departure.
	told map[string]bool
}

// The kinds of events.
const (
	left       = "employee.left"
	cancelled  = "employee.left.cancelled"
	joined     = "employee.joined"
	unreadable = "unreadable"
	dryRun     = "dry run"
	listing    = "list"
)

// event is what a sender sends, once or more often.
type event struct {
	id, kind, way string
	people        []string
	merchants     []string // none for all
	at            time.Time
	due           time.Time // zero for at once
	first         time.Time // when it is sent
	gaps          []time.Duration
	bare          bool

	// guarded by fixture.mu
	sent     time.Time            // when it arrived first
	pending  int                  // deliveries that the sender still answers for
	finished map[string]time.Time // when a cancellation or a later departure stood, by merchant
	told     bool                 // the caller knows that it cannot be read
}

// covers reports whether the event is for the merchant.
func (e *event) covers(merchant string) bool {
	return len(e.merchants) == 0 || slices.Contains(e.merchants, merchant)
}

// ways are how events come. A mapped webhook names no merchants.
var ways = []string{"sns", "eventbridge", "hook", "unbind", "direct", "queue", "envelope", "mapped"}

// populate makes the people and their stories.
func (w *fixture) populate() {
	for n := range w.size {
		if w.only != nil && !w.only[n] {
			continue
		}
		w.populateOne(n)
	}
	for _, p := range w.people {
		slices.SortFunc(p.events, func(a, b *event) int { return a.at.Compare(b.at) })
		for _, e := range p.events {
			if e.people[0] == p.uid {
				w.sending++
			}
			if e.kind == left {
				w.add(&w.stats.ends, "departures", len(w.covered(e)))
			}
		}
	}
}

// covered are the merchants that an event is for.
func (w *fixture) covered(e *event) (covered []string) {
	for _, m := range w.merchants() {
		if e.covers(m) {
			covered = append(covered, m)
		}
	}
	return covered
}

func (w *fixture) populateOne(n int) {
	roll := func(what string) float64 { return w.seed.roll(what, n) }
	pick := func(what string, of int) int { return w.seed.pick(what, n, of) }
	all := w.merchants()
	p := &person{uid: fmt.Sprintf("emp-%06d", n*100), believed: map[string]bool{}, told: map[string]bool{}}
	for _, m := range all {
		if w.seed.roll("bound "+m, n) < 0.8 {
			p.bound = append(p.bound, m)
		}
	}
	w.people[p.uid] = p
	var scope []string
	switch s := roll("scope"); {
	case s < 0.3:
		scope = []string{all[pick("merchant", len(all))]}
	case s < 0.4 && len(all) > 1:
		scope = slices.Clone(all[:2])
	}
	serial := 0
	add := func(kind string, at time.Duration, due time.Duration) *event {
		serial++
		what := fmt.Sprintf("event %d", serial)
		e := &event{
			id: fmt.Sprintf("evt-%d-%d", n, serial), kind: kind, way: ways[w.seed.pick(what, n, len(ways))],
			people: []string{p.uid}, merchants: scope, at: w.start.Add(at), finished: map[string]time.Time{},
		}
		if due > 0 {
			e.due = w.start.Add(due)
		}
		if e.way == "mapped" && (scope != nil || kind != left && kind != cancelled) {
			e.way = "hook"
		}
		delay := time.Duration(w.seed.roll(what+" delay", n) * float64(time.Minute))
		if w.faults[faultLate] {
			delay = time.Duration(w.seed.roll(what+" delay", n) * float64(4*time.Hour))
			w.count(&w.stats.faults, faultLate)
		}
		e.first = e.at.Add(delay)
		if !w.once && w.seed.roll(what+" again", n) < 0.15 {
			e.gaps = []time.Duration{time.Duration(w.seed.roll(what+" gap", n) * float64(time.Hour)), 5 * time.Second}
		}
		p.events = append(p.events, e)
		return e
	}
	at := time.Duration(roll("at") * float64(18*time.Hour))
	due := at + 5*time.Hour + time.Duration(roll("due")*float64(20*time.Hour))
	between := at + time.Duration((0.05+0.9*roll("between"))*float64(due-at))
	switch s := roll("story"); {
	case s < 0.36:
		p.story = "leaves"
		e := add(left, at, 0)
		e.bare = (e.way == "direct" || e.way == "queue" || e.way == "sns" || e.way == "unbind") && roll("bare") < 0.4
	case s < 0.44:
		p.story = "leaves with others"
		e := add(left, at, 0)
		if roll("group later") < 0.2 {
			e.due = w.start.Add(due)
		}
		if e.way == "mapped" {
			e.way = "sns"
		}
		for k := range 1 + pick("group", 24) {
			member := &person{uid: fmt.Sprintf("emp-%06d", n*100+k+1), story: p.story, bound: p.bound, events: []*event{e}, believed: map[string]bool{}, told: map[string]bool{}}
			e.people = append(e.people, member.uid)
			w.people[member.uid] = member
		}
	case s < 0.58:
		p.story = "leaves later"
		add(left, at, due)
	case s < 0.67:
		p.story = "leaves later, and takes it back"
		add(left, at, due)
		add(cancelled, between, 0)
	case s < 0.71:
		p.story = "takes back what comes later"
		e := add(left, at, due)
		c := add(cancelled, at+time.Minute, 0)
		e.first, c.first = c.first, e.first
		if e.first.Before(c.first) {
			e.first = c.first.Add(time.Minute)
		}
	case s < 0.78:
		p.story = "leaves on another day"
		add(left, at, due)
		add(left, between, between+time.Duration(roll("moved")*float64(20*time.Hour)))
	case s < 0.81:
		p.story = "takes it back, and leaves all the same"
		add(left, at, due)
		add(cancelled, between, 0)
		add(left, between+time.Hour, between+9*time.Hour)
	case s < 0.84:
		p.story, p.bound = "was never bound", nil
		add(left, at, 0)
	case s < 0.87:
		p.story = "joins"
		add(joined, at, 0)
	case s < 0.89:
		p.story = "leaves in an event that cannot be read"
		add(unreadable, at, 0)
	case s < 0.91:
		p.story = "is looked at"
		add([]string{dryRun, listing}[pick("look", 2)], at, 0).way = "direct"
	default:
		p.story = "stays"
	}
	for _, uid := range slices.Concat([]string{p.uid}, othersOf(p)) {
		for _, m := range p.bound {
			w.wechat.Bind(m, wedatatest.Bound(uid))
		}
	}
}

func othersOf(p *person) []string {
	if len(p.events) == 0 {
		return nil
	}
	return p.events[0].people[1:]
}

func (w *fixture) everybody() []*person {
	all := make([]*person, 0, len(w.people))
	for _, p := range w.people {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b *person) int { return compare(a.uid, b.uid) })
	return all
}

func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func text(v any) string {
	b, err := json.Marshal(v)
	must(err)
	return string(b)
}

// payload is the event as its sender writes it.
func (e *event) payload() string {
	data := map[string]any{"uid": e.people}
	if len(e.people) == 1 {
		data["uid"] = e.people[0]
	}
	if len(e.merchants) > 0 {
		data["merchant"] = e.merchants
	}
	if !e.due.IsZero() {
		data["effective_at"] = e.due.Format(time.RFC3339Nano)
	}
	switch {
	case e.kind == dryRun:
		return text(map[string]any{"uid": e.people, "dry_run": true})
	case e.kind == listing:
		return text(map[string]any{"action": "list"})
	case e.kind == unreadable:
		return text(map[string]any{"type": left, "id": e.id, "data": map[string]any{"uid": e.people, "effectiveAt": "unreadable"}})
	case e.bare:
		return text(data)
	case e.way == "mapped":
		what := map[string]string{left: "terminated", cancelled: "rehired"}[e.kind]
		body := map[string]any{"what": what, "who": map[string]any{"id": e.people[0]}, "id": e.id, "at": e.at.Format(time.RFC3339Nano)}
		if !e.due.IsZero() {
			body["last"] = e.due.Format(time.RFC3339Nano)
		}
		return text(body)
	}
	return text(map[string]any{
		"specversion": "1.0", "id": e.id, "source": "hr", "type": e.kind, "time": e.at.Format(time.RFC3339Nano), "data": data,
	})
}

// send sends the event as often as the plan says.
func (w *fixture) send(e *event) {
	defer func() {
		w.mu.Lock()
		w.sending--
		w.mu.Unlock()
	}()
	if !w.sleep(time.Until(e.first)) {
		return
	}
	w.deliver(e)
	for _, gap := range e.gaps {
		if !w.sleep(gap) {
			return
		}
		w.deliver(e)
	}
}

// deliver sends the event until somebody has it: that is what senders of its way do.
func (w *fixture) deliver(e *event) {
	w.mu.Lock()
	if e.sent.IsZero() {
		e.sent = time.Now()
	}
	e.pending++
	w.mu.Unlock()
	payload := e.payload()
	w.note("%s sends %s", e.way, payload)
	switch e.way {
	case "sns":
		w.async(e, snsEvent(payload, e), snsEnvelope(payload, e))
	case "eventbridge":
		event := eventBridgeEvent(payload, e)
		w.async(e, event, event)
	case "queue":
		w.queue.Send(payload, nil)
	case "envelope":
		w.queue.Send(snsEnvelope(payload, e), nil)
	case "direct":
		w.again(e, func() bool {
			_, err := w.invoke("direct", []byte(payload), e.id)
			return err == nil
		})
	default:
		path := map[string]string{"hook": "/hooks/hr", "mapped": "/hooks/mapped", "unbind": "/unbind"}[e.way]
		w.again(e, func() bool {
			began := time.Now()
			reply, err := w.invoke("http", []byte(request(path, payload)), e.id)
			lost := w.happens(faultGateway, e.id, 0.3)
			status := parseReply(reply).StatusCode
			return err == nil && !lost && time.Since(began) < gatewayTime && (status == 200 || status == 202 || status == 400)
		})
	}
	w.mu.Lock()
	e.pending--
	e.told = e.told || e.kind == unreadable && (e.way == "direct" || e.way == "unbind")
	w.mu.Unlock()
	w.checkPlace(e.people)
}

// again tries until the caller has a reply that says yes. Who invokes by hand reads that the event cannot be read, and gives up.
func (w *fixture) again(e *event, try func() bool) {
	for n := 0; !try(); n++ {
		if e.kind == unreadable && e.way == "direct" && n > 10 || e.kind == dryRun && n > 3 || e.kind == listing && n > 3 {
			return
		}
		if !w.sleep(min(time.Hour, time.Minute<<min(n, 6))) {
			return
		}
	}
}

// async is an asynchronous invocation: two retries, then the failure destination. Undelivered is what SNS or EventBridge
// sends to the queue where it cannot invoke the function at all.
func (w *fixture) async(e *event, event, undelivered string) {
	if w.happens(faultUndelivered, e.id, 0.5) {
		w.queue.Send(undelivered, nil)
		return
	}
	if w.happens(faultAge, e.id, 0.5) {
		w.queue.Send(destinationRecord(e, event, "EventAgeExceeded", 0, nil), nil)
		return
	}
	for attempt := range retries + 1 {
		if _, err := w.invoke(e.way, []byte(event), e.id); err == nil {
			return
		}
		if !w.sleep(time.Duration(attempt+1) * time.Minute) {
			return
		}
	}
	w.add(&w.stats.ends, "destination records", 1)
	failure := map[string]any{"errorType": "UnbindError", "errorMessage": "not done"}
	w.queue.Send(destinationRecord(e, event, "RetriesExhausted", retries+1, failure), nil)
}

// destinationRecord is what Lambda sends to the failure destination. The failure is nil where the function was not invoked.
func destinationRecord(e *event, payload, condition string, invokes int, failure map[string]any) string {
	record := map[string]any{
		"version": "1.0", "timestamp": time.Now().Format(time.RFC3339),
		"requestContext": map[string]any{"requestId": "request-of-" + e.id, "condition": condition, "approximateInvokeCount": invokes},
		"requestPayload": json.RawMessage(payload),
	}
	if failure != nil {
		record["responsePayload"] = failure
	}
	return text(record)
}

const topic = "arn:aws:sns:us-east-1:123456789012:employee-left"

func snsEvent(payload string, e *event) string {
	return text(map[string]any{"Records": []any{map[string]any{"EventSource": "aws:sns", "EventVersion": "1.0", "Sns": map[string]any{
		"Type": "Notification", "MessageId": e.id, "Message": payload, "TopicArn": topic, "Timestamp": e.at.Format(time.RFC3339Nano),
	}}}})
}

func snsEnvelope(payload string, e *event) string {
	return text(map[string]any{
		"Type": "Notification", "MessageId": e.id, "Message": payload, "TopicArn": topic, "Timestamp": e.at.Format(time.RFC3339Nano),
	})
}

func eventBridgeEvent(payload string, e *event) string {
	detailType := "Employee Left"
	return text(map[string]any{
		"version": "0", "id": e.id, "detail-type": detailType, "source": "hr", "time": e.at.Format(time.RFC3339), "detail": json.RawMessage(payload),
	})
}

func request(path, body string) string {
	return text(map[string]any{
		"version": "2.0", "rawPath": path, "headers": map[string]string{"content-type": "application/json", "authorization": "Bearer " + key},
		"body": body, "requestContext": map[string]any{"http": map[string]any{"method": "POST", "path": path}},
	})
}
