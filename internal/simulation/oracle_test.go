package simulation

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/lambdatest"
)

// The bounds. Each is what one invocation, or one process, may do at most.
const (
	// maxSkew is how wrong a clock of Lambda is here. A departure is never early by the function's own clock, and so by
	// the true time never earlier than that.
	maxSkew = 90 * time.Second

	// maxUnbinds is how often WeChat is asked to unbind a uid at a merchant, for each message of the batch that names the
	// uid: 4 attempts while it is busy or unreachable, and 1 more after each of the 2 refusals of a token.
	maxUnbinds = 6

	// maxLists is how often a merchant's bind list is read: as often, for the whole batch.
	maxLists = 6

	// maxSecretReads is how often a secret is asked for: in 60 s a read and a renewal begin 3 times at most, since none is
	// repeated for 30 s after it failed; each has the 3 attempts of the SDK.
	maxSecretReads = 18

	// maxBatches is how often a batch of messages is sent to a queue, for each message that names its first uid: the SDK's
	// 3 attempts, each of which may have worked.
	maxBatches = 3

	// maxPlaces is how many messages and schedules there are of a person. A message makes 36 copies of itself at most: it is
	// received 12 times, and each time the SDK's 3 attempts may all have worked although no reply came. There may be one
	// for each of 3 merchants. An event that is sent 3 times and its redrives multiply that; 5 times it is never reached.
	maxPlaces = 5 * 3 * 36

	// maxHeap is how much memory the simulation has in use after many runs, in bytes: what an invocation leaves is freed.
	maxHeap = 200 << 20

	// maxReceives is how often a message comes to the function before it is in the dead-letter queue.
	maxReceives = 12
)

// violation is a promise that was broken.
type violation struct{ rule, who, detail string }

func (v violation) String() string { return fmt.Sprintf("%s: %s: %s", v.rule, v.who, v.detail) }

func (w *fixture) violated(rule, who, format string, args ...any) {
	v := violation{rule, who, fmt.Sprintf(format, args...)}
	w.note("✗✗✗ %s", v)
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.broken) < 20 {
		w.broken = append(w.broken, v)
	}
	w.end() // the rest of the run would tell nothing more
}

// isBound reports whether WeChat has the uid bound, and whether its list has it at all.
func (w *fixture) isBound(merchant, uid string) (bound, listed bool) {
	b, listed := w.wechat.Binding(merchant, uid)
	return listed && b.Bound, listed
}

// checkCall is before each call of the function: may it unbind this person at this merchant now?
func (i *instance) checkCall(inv *invocation, c call) {
	if c.service != "wechat" {
		return
	}
	if c.merchant == "" {
		i.violated("only tokens of merchants are used", c.uid, "an unknown token")
	}
	if c.operation != "unbind" {
		return
	}
	p := i.people[c.uid]
	if p == nil {
		i.violated("nobody is unbound who has not left", c.uid, "an unknown uid %s", c.body)
		return
	}
	now := time.Now().Add(time.Duration(i.skew.Load()))
	i.mu.Lock()
	defer i.mu.Unlock()
	why := "no event names them at " + c.merchant
	for _, e := range p.events {
		if e.kind != left || e.sent.IsZero() || !e.covers(c.merchant) {
			continue
		}
		if e.due.After(now) {
			why = fmt.Sprintf("%s is due %s, it is %s", e.id, e.due, now)
			continue
		}
		by := newerOf(p, e, c.merchant, inv, now)
		if by == nil || inv != nil && inv.carries[e.id] {
			return
		}
		why = fmt.Sprintf("%s was overtaken by %s", e.id, by.id)
	}
	i.mu.Unlock()
	i.violated("nobody is unbound who has not left, too early, or whose departure was taken back", c.uid, "at %s: %s", c.merchant, why)
	i.mu.Lock()
}

// newerOf returns the newer event that stood before the invocation began and takes the departure back, or moves it.
func newerOf(p *person, e *event, merchant string, inv *invocation, now time.Time) *event {
	for _, n := range p.events {
		if !n.at.After(e.at) || n.kind == left && !n.due.After(now) {
			continue
		}
		for m, since := range n.finished {
			if (m == "" || m == merchant) && inv != nil && since.Before(inv.began) {
				return n
			}
		}
	}
	return nil
}

// logger reads the log of an instance as operators and auditors do.
type logger struct{ *instance }

func (*logger) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }
func (l *logger) WithAttrs([]slog.Attr) slog.Handler             { return l }
func (l *logger) WithGroup(string) slog.Handler                  { return l }

func (l *logger) Handle(_ context.Context, r slog.Record) error {
	if l.dead.Load() {
		return nil
	}
	line := map[string]string{}
	r.Attrs(func(a slog.Attr) bool {
		line[a.Key] = a.Value.String()
		l.secretIn("the log", line[a.Key], true)
		return true
	})
	l.secretIn("the log", r.Message, true)
	if r.Message != "outcome" {
		l.count(&l.stats.ends, "log: "+r.Message)
		return nil
	}
	l.note("instance %d: %s %s %s %s (%s) %s %s", l.id, line["event_id"], line["uid"], line["merchant"], line["status"], line["class"], line["trigger"], line["reason"])
	l.count(&l.stats.outcomes, strings.TrimSpace(line["status"]+" "+line["class"]))
	l.outcome(line)
	if line["status"] == string(departure.Unbound) && !l.trust {
		l.verified(line)
	}
	return nil
}

// The keys by which an invocation counts bind lists: those refused for a lasting reason, and those that came whole.
const (
	noList = "no list of "
	aList  = "a list of "
)

// verified checks that somebody is said to be unbound after a list was read, or unverified where it cannot be by waiting.
func (l *logger) verified(line map[string]string) {
	inv, merchant := l.now.Load(), line["merchant"]
	if inv == nil {
		return
	}
	inv.mu.Lock()
	refused, seen := inv.by[noList+merchant] > 0 || l.unread.Load(), inv.by[aList+merchant] > 0
	inv.mu.Unlock()
	switch {
	case line["class"] != "unverified" && !seen:
		l.violated("unbound is only said of who is not bound, or marked unverified", line["uid"], "at %s, and no list was read: %s", merchant, line["reason"])
	case line["class"] == "unverified" && !refused:
		l.violated("unverified is only said where the list is refused for a lasting reason", line["uid"], "at %s: %s", merchant, line["reason"])
	}
}

// outcome checks what the function says of a departure.
func (w *fixture) outcome(line map[string]string) {
	if line["status"] == string(departure.Ignored) {
		w.mu.Lock()
		w.ignored[line["event_id"]] = true
		w.mu.Unlock()
	}
	p := w.hashed(line["uid_hash"])
	if p == nil {
		return
	}
	merchant, status, class := line["merchant"], departure.Status(line["status"]), line["class"]
	bound, listed := w.isBound(merchant, p.uid)
	switch {
	case status == departure.Unbound && class == "unverified", status == departure.Unbound && w.trust:
		w.mu.Lock()
		p.believed[merchant] = true
		w.mu.Unlock()
	case status == departure.Unbound && bound:
		w.violated("unbound is only said of who is not bound, or marked unverified", p.uid, "at %s, class %q: %s", merchant, class, line["reason"])
	case status == departure.Unknown && class != "unmapped" && listed:
		w.violated("unknown is only said of who is not in the list", p.uid, "at %s", merchant)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if status == departure.Unbound || status == departure.Unknown {
		p.told[merchant] = true
	}
	for _, e := range p.events {
		if e.id != line["event_id"] {
			continue
		}
		if e.kind == cancelled && status == departure.Cancelled || e.kind == left && status == departure.Scheduled {
			if _, before := e.finished[merchant]; !before {
				e.finished[merchant] = time.Now()
			}
		}
		if status == departure.Failed && class == departure.ClassBadEvent && e.kind != unreadable {
			w.mu.Unlock()
			w.violated("no readable event is refused", p.uid, "%s (%s): %s", e.id, e.kind, line["reason"])
			w.mu.Lock()
		}
		gone := status == departure.Ignored || status == departure.Cancelled
		if e.kind == left && gone && !hasNewer(p, e) {
			w.mu.Unlock()
			w.violated("no departure vanishes", p.uid, "%s is %s, and there is no newer event: %s", e.id, status, line["reason"])
			w.mu.Lock()
		}
	}
}

// hasNewer reports whether a newer event of the person was sent.
func hasNewer(p *person, e *event) bool {
	for _, n := range p.events {
		if n.at.After(e.at) && !n.sent.IsZero() && (n.kind == left || n.kind == cancelled) {
			return true
		}
	}
	return false
}

func (w *fixture) hashed(hash string) *person {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.hashes) == 0 {
		for uid, p := range w.people {
			w.hashes[departure.Hash(uid)] = p
		}
	}
	return w.hashes[hash]
}

// secretIn checks that a text tells no token and no key and, where uids is true, no whole uid.
func (w *fixture) secretIn(where, text string, uidToo bool) {
	for _, secret := range []string{"61_", key} {
		if strings.Contains(text, secret) {
			w.violated("nothing secret is told", "", "%s tells a token or key: %s", where, text)
		}
	}
	if uidToo && strings.Contains(text, "emp-0") {
		w.violated("nothing secret is told", "", "%s tells a uid: %s", where, text)
	}
}

// checkMessages checks what is sent to the queues.
func (w *fixture) checkMessages(body []byte) {
	w.secretIn("a message", string(body), false)
	var in struct {
		QueueURL string `json:"QueueUrl"`
		Entries  []struct {
			MessageBody       string
			MessageAttributes map[string]struct{ StringValue string }
		}
	}
	_ = json.Unmarshal(body, &in)
	for _, e := range in.Entries {
		if in.QueueURL == w.dead.URL && e.MessageAttributes["reason"].StringValue == "" {
			w.violated("a dead letter has its reason", firstUID([]byte(e.MessageBody)), "%s", e.MessageBody)
		}
		for _, a := range e.MessageAttributes {
			w.secretIn("an attribute", a.StringValue, true)
		}
	}
}

// bounded checks how much an invocation asked of the services. Several messages of a batch may name the same person.
func (w *fixture) bounded(inv *invocation, payload string) {
	inv.mu.Lock()
	defer inv.mu.Unlock()
	for key, n := range inv.by {
		for _, b := range []struct {
			prefix, name string
			most         int
		}{
			{"unbind", "unbind calls for a uid and merchant in an invocation", maxUnbinds},
			{"list", "list calls for a merchant in an invocation", maxLists},
			{"secret", "reads of a secret in an invocation", maxSecretReads},
			{"SendMessageBatch", "sends of a batch in an invocation", maxBatches},
		} {
			if !strings.HasPrefix(key, b.prefix) {
				continue
			}
			who, most := uids.FindString(key), b.most
			if who != "" {
				most *= max(1, strings.Count(payload, who))
			}
			w.worst(b.name, float64(n)*float64(b.most)/float64(most), key)
			if n > most {
				w.violated("the load is bounded", who, "%s: %d (%s), at most %d", b.name, n, key, most)
			}
		}
	}
}

// done reports whether nothing is left to do for an event of a person. w.mu is locked.
func (w *fixture) done(p *person, e *event) bool {
	switch e.kind {
	case cancelled:
		return len(e.finished) > 0 || hasNewer(p, e)
	case left:
		if hasNewer(p, e) {
			return true
		}
		for _, m := range w.covered(e) {
			if bound, _ := w.isBound(m, p.uid); bound && !p.believed[m] {
				return false
			}
		}
	case unreadable:
		return e.told
	}
	return true
}

// checkPlace is after each invocation: each departure in it is done, or in one of the places of the contract.
func (w *fixture) checkPlace(people []string) {
	for _, uid := range departure.Unique(people) {
		p := w.people[uid]
		if p == nil {
			continue
		}
		for try := 0; ; try++ {
			e := w.missing(p)
			if e == nil {
				break
			}
			if try == 3 {
				w.violated("no departure vanishes", uid, "%s (%s) is in no place", e.id, e.kind)
				break
			}
			if !w.sleep(time.Millisecond) { // it may be on its way from one place to another
				return
			}
		}
	}
}

// missing returns an event of the person that is neither done nor in any place.
func (w *fixture) missing(p *person) *event {
	w.mu.Lock()
	defer w.mu.Unlock()
	var open *event
	for _, e := range p.events {
		if e.pending > 0 {
			return nil
		}
		if !e.sent.IsZero() && !w.done(p, e) {
			open = e
		}
	}
	if open == nil {
		return nil
	}
	places := 0
	for _, list := range [][]lambdatest.Message{w.dead.Messages(), w.queue.Messages(), w.queue.InFlight()} {
		for _, m := range list {
			if strings.Contains(m.Body, p.uid) {
				places++
			}
		}
	}
	for _, input := range w.aws.Scheduler.Inputs() {
		if strings.Contains(input, p.uid) {
			places++
		}
	}
	w.stats.worst("messages and schedules of a person", float64(places), p.uid)
	if places > maxPlaces {
		w.mu.Unlock()
		w.violated("the load is bounded", p.uid, "%d messages and schedules, at most %d", places, maxPlaces)
		w.mu.Lock()
	}
	if places > 0 {
		return nil
	}
	return open
}

// checkLines checks that the log tells the end of what nothing newer took back: also of those who were not bound.
func (w *fixture) checkLines(p *person) {
	w.mu.Lock()
	var untold string
	for _, e := range p.events {
		switch {
		case e.kind == joined && !w.ignored[e.id]:
			untold = e.id
		case e.kind == left && !hasNewer(p, e):
			for _, m := range w.covered(e) {
				if !p.told[m] {
					untold = e.id + " at " + m
				}
			}
		}
	}
	w.mu.Unlock()
	if untold != "" {
		w.violated("every departure ends in a line of the log", p.uid, "%s has none", untold)
	}
}

// checkEnd is when the faults have ended and the dead letters were redriven.
func (w *fixture) checkEnd() {
	if w.ended.Err() != nil {
		return
	}
	if time.Since(w.start) >= atMost {
		who := ""
		for _, m := range append(w.queue.Messages(), w.dead.Messages()...) {
			if w.redrivable(m) {
				who = firstUID([]byte(m.Body))
				w.note("left over: %s %v", m.Body, m.Attributes)
			}
		}
		w.violated("in the end everything is settled", who, "%d in the queue, %d dead letters, %d schedules after %s",
			len(w.queue.Messages()), len(w.dead.Messages()), len(w.aws.Scheduler.Inputs()), time.Since(w.start))
	}
	for _, p := range w.everybody() {
		w.count(&w.stats.stories, p.story)
		w.checkPlace([]string{p.uid})
		leaves := false
		w.mu.Lock()
		var open *event
		for _, e := range p.events {
			leaves = leaves || e.kind == left
			if e.kind != unreadable && !w.done(p, e) {
				open = e
			}
		}
		w.mu.Unlock()
		w.checkLines(p)
		if open != nil {
			w.violated("in the end everything is settled", p.uid, "%s (%s) is not", open.id, open.kind)
		}
		for _, m := range p.bound {
			bound, _ := w.isBound(m, p.uid)
			if !leaves && !bound {
				w.violated("nobody is unbound who has not left, too early, or whose departure was taken back", p.uid, "%s, and is not bound at %s", p.story, m)
			}
			w.count(&w.stats.ends, map[bool]string{true: "bound in the end", false: "unbound in the end"}[bound])
		}
		if len(p.believed) > 0 {
			w.add(&w.stats.ends, "unbound, and no list showed it", len(p.believed))
		}
	}
}
