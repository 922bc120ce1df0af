package offboard

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"wedata-unbind/internal/departure"
)

// Schedules keeps departures until they are due, and cancellations for 14 days. It keeps the newest event by time for
// each uid and merchant. The merchant "" means every merchant, and has an event of its own. Errors name their class by
// a method Class() string, and tell by a method Temporary() bool whether they may pass.
type Schedules interface {
	// Standing returns all events that are kept for a person. The EffectiveAt of a cancellation is when it ends.
	Standing(ctx context.Context, uid string) ([]departure.Departure, error)
	// Put keeps the departure or cancellation, unless a newer one is kept already. It returns the newer one of the
	// two.
	Put(ctx context.Context, d departure.Departure) (departure.Departure, error)
	// Remove removes the event that is kept for a uid and merchant. It is no error if there is none.
	Remove(ctx context.Context, uid, merchant string) error
}

const (
	// firing is how long before and after its due minute EventBridge Scheduler may be delivering or deleting a
	// schedule: it delivers within 60 s and deletes it afterwards (EventBridge Scheduler User Guide, "Schedule
	// types"). A change in this time could be deleted with the schedule.
	firing = 2 * time.Minute
	// afterFiring is how long after such a change it is verified.
	afterFiring = 10 * time.Minute
)

// unsetError is the error of a later departure or a cancellation where Schedules is nil.
type unsetError struct{}

func (unsetError) Error() string {
	return "a later departure or a cancellation needs a schedule group: set UNBIND_SCHEDULE_GROUP, then send it again"
}

// Class returns the class of the fault.
func (unsetError) Class() string { return classSchedule }

// person has the events that are kept for one person. They are read once in a batch.
type person struct {
	uid   string
	later []*departure.Outcome // to be scheduled or cancelled, before any departure of the person is carried out
	known chan struct{}        // closed when the fields below are set
	kept  []departure.Departure
	err   error
}

// people are the people of a batch whose schedules are read, by uid: those with a later departure, a cancellation, or
// a departure that was in the queue.
type people map[string]*person

func (ps people) add(uid string) *person {
	p := ps[uid]
	if p == nil {
		p = &person{uid: uid, known: make(chan struct{})}
		ps[uid] = p
	}
	return p
}

// settle reads the kept events of each person. It then schedules the later departures and carries out the
// cancellations, in the order of the events' times. It does not wait for WeChat.
func (ps people) settle(ctx context.Context, s *Service) {
	start := s.cfg.Now()
	var group errgroup.Group
	group.SetLimit(s.cfg.Concurrency)
	for _, p := range ps {
		group.Go(func() error {
			defer close(p.known)
			p.kept, p.err = s.cfg.Schedules.Standing(ctx, p.uid)
			slices.SortStableFunc(p.later, func(a, b *departure.Outcome) int { return a.Time.Compare(b.Time) })
			for _, o := range p.later {
				switch {
				case p.err != nil:
					unscheduled(o, p.err)
				case o.Type == departure.TypeCancelled:
					s.cancel(ctx, p, o)
				default:
					s.schedule(ctx, p, o)
				}
				o.Took = s.cfg.Now().Sub(start)
			}
			return nil
		})
	}
	_ = group.Wait() // every fault is in an outcome
}

// unscheduled sets the outcome of a departure whose schedules could not be read or changed.
func unscheduled(o *departure.Outcome, err error) {
	o.Status, o.Class, o.Detail = departure.Failed, classSchedule, err.Error()
	if departure.IsTemporary(err) {
		o.Status = departure.Retry
	}
}

// schedule keeps a departure until it is due.
func (s *Service) schedule(ctx context.Context, p *person, o *departure.Outcome) {
	if p.overtakes(o) {
		return
	}
	if o.Waited && o.EffectiveAt.Sub(s.cfg.Now()) <= firing {
		// The clock of EventBridge Scheduler may be ahead of this one. The departure waits in the queue, not in a new
		// schedule.
		o.Status, o.Class, o.NotBefore = departure.Retry, classNotDue, o.EffectiveAt
		o.Detail = due(o.Departure) + ": it waits in the queue"
		return
	}
	if d, found := p.takesPartBack(o); found {
		o.Status, o.Class = departure.Failed, departure.ClassBadEvent
		o.Detail = "it is for every merchant, and a newer event takes it back for " + d.Merchant +
			", but counts for 14 days only: send it for the other merchants; it is " + due(o.Departure)
		return
	}
	if s.put(ctx, p, o) {
		i := slices.IndexFunc(p.kept, func(d departure.Departure) bool { return d.Merchant == o.Merchant })
		o.EffectiveAt = p.kept[i].EffectiveAt // that of another event with the same time, if it is later
		o.Status, o.Detail = departure.Scheduled, due(o.Departure)
	}
}

// cancel removes the kept departures of the person that are older than the cancellation. It also keeps the
// cancellation: the departure may arrive late or again.
func (s *Service) cancel(ctx context.Context, p *person, o *departure.Outcome) {
	if p.overtakes(o) {
		return
	}
	var old []departure.Departure
	for _, d := range p.kept {
		switch {
		case d.Type == departure.TypeCancelled || d.Time.After(o.Time):
		case d.Merchant == o.Merchant || o.Merchant == "":
			old = append(old, d)
		case d.Merchant == "":
			all, err := s.isAll(ctx, o.Merchant)
			if err != nil {
				settle(o, err)
				return
			}
			if !all {
				o.Status, o.Class = departure.Failed, departure.ClassBadEvent
				o.Detail = "the departure was announced without a merchant: take it back without a merchant; it is " +
					due(d)
				return
			}
			old = append(old, d)
		}
	}
	if !s.put(ctx, p, o) {
		return
	}
	for _, d := range old {
		if d.Merchant == o.Merchant {
			continue // the cancellation has replaced it
		}
		if err := s.cfg.Schedules.Remove(ctx, d.UID, d.Merchant); err != nil {
			unscheduled(o, err)
			return
		}
		p.replace(d.Merchant)
	}
	o.Status, o.Detail = departure.Cancelled, "nothing was scheduled"
	if len(old) > 0 {
		o.Detail = "was " + due(old...)
	}
}

// isAll reports whether the merchants that an event names are all there are. With a single token, a webhook's event
// names its merchant, while other senders need not name it.
func (s *Service) isAll(ctx context.Context, named ...string) (bool, error) {
	if len(named) == 0 {
		return true, nil
	}
	merchants, index, err := s.cfg.Tokens.Merchants(ctx)
	return err == nil && !index && slices.Equal(named, merchants), err
}

// put keeps the outcome's event and returns true. Otherwise it sets the outcome and returns false: a newer event is
// kept already, or the event must be tried again.
func (s *Service) put(ctx context.Context, p *person, o *departure.Outcome) bool {
	kept, err := s.cfg.Schedules.Put(ctx, o.Departure)
	if err != nil {
		unscheduled(o, err)
		return false
	}
	before := p.replace(o.Merchant, kept)
	if p.overtakes(o) {
		return false
	}
	now := s.cfg.Now()
	if before.EffectiveAt.Sub(now).Abs() <= firing {
		what := "departure "
		if before.Type == departure.TypeCancelled {
			what = "cancellation "
		}
		o.Status, o.Class, o.NotBefore = departure.Retry, classNotDue, now.Add(afterFiring)
		o.Detail = "it replaces a " + what + due(before) +
			", whose schedule EventBridge Scheduler may delete just now: it is tried again later"
		return false
	}
	return true
}

// replace notes which event is now kept for a merchant, if any, and returns the one before.
func (p *person) replace(merchant string, kept ...departure.Departure) (before departure.Departure) {
	p.kept = slices.DeleteFunc(p.kept, func(d departure.Departure) bool {
		if d.Merchant == merchant {
			before = d
		}
		return d.Merchant == merchant
	})
	p.kept = append(p.kept, kept...)
	return before
}

// overtakes reports whether a newer event is kept for the outcome's person and merchant. If so, it sets the outcome.
// Of two events with the same time the cancellation is newer: a departure is announced before it is taken back.
func (p *person) overtakes(o *departure.Outcome) bool {
	var newest departure.Departure
	for _, d := range p.kept {
		covers := d.Merchant == "" || d.Merchant == o.Merchant
		taken := d.Type == departure.TypeCancelled && o.Type == departure.TypeLeft && d.Time.Equal(o.Time)
		if covers && (d.Time.After(o.Time) || taken) && !newest.Time.After(d.Time) {
			newest = d
		}
	}
	switch newest.Type {
	case "":
		return false
	case departure.TypeCancelled:
		o.Status, o.Detail = departure.Cancelled, "a newer event, of "+minute(newest.Time)+", takes it back"
	default:
		o.Status, o.Detail = departure.Ignored, "overtaken by a newer event, of "+minute(newest.Time)+", "+due(newest)
	}
	o.Class = ""
	return true
}

// takesPartBack returns a newer cancellation for one merchant, where the departure is for every merchant and the
// cancellation ends before the departure is due. The departure would then be carried out at that merchant too.
func (p *person) takesPartBack(o *departure.Outcome) (cancelled departure.Departure, found bool) {
	i := slices.IndexFunc(p.kept, func(d departure.Departure) bool {
		return d.Type == departure.TypeCancelled && d.Merchant != "" && o.Merchant == "" && !d.Time.Before(o.Time) &&
			d.EffectiveAt.Before(o.EffectiveAt)
	})
	if i < 0 {
		return cancelled, false
	}
	return p.kept[i], true
}

// wait waits until the person's kept events are known. It reports whether it set the outcome: a newer event is kept,
// or there was an error.
func (p *person) wait(ctx context.Context, o *departure.Outcome) bool {
	select {
	case <-p.known:
	case <-ctx.Done():
		settle(o, noTime(ctx))
		return true
	}
	if p.err != nil {
		unscheduled(o, p.err)
		return true
	}
	return p.overtakes(o)
}

// forget removes the schedules of people whom an event has unbound. On their day they would unbind the people once
// more, who may have come back by then.
func (s *Service) forget(ctx context.Context, ps people, event departure.Event, outcomes []departure.Outcome) {
	done := map[string][]*departure.Outcome{}
	for i := range outcomes {
		if o := &outcomes[i]; o.Status == departure.Unbound || o.Status == departure.Unknown && o.Class == "" {
			done[o.UID] = append(done[o.UID], o)
		}
	}
	var group errgroup.Group
	group.SetLimit(s.cfg.Concurrency)
	for uid, outcomes := range done {
		group.Go(func() error {
			p, asked := ps[uid]
			if !asked {
				p = &person{}
				p.kept, p.err = s.cfg.Schedules.Standing(ctx, uid)
			}
			everywhere, fault := s.isAll(ctx, event.Merchants...)
			for _, o := range outcomes {
				if err := cmp.Or(p.err, fault, s.remove(ctx, p, o, everywhere)); err != nil {
					o.Class = cmp.Or(o.Class, classSchedule) // unverified is more important
					o.Detail = strings.TrimPrefix(o.Detail+"; ", "; ") + "an older schedule may be left: " + err.Error()
				}
			}
			return nil
		})
	}
	_ = group.Wait() // every fault is in an outcome
}

// remove removes the kept departures for the outcome's merchant that are older and not due yet. Everywhere means that
// the event named all merchants: then it removes those for every merchant too.
func (s *Service) remove(ctx context.Context, p *person, o *departure.Outcome, everywhere bool) error {
	for _, d := range slices.Clone(p.kept) {
		mine := d.Merchant == o.Merchant || d.Merchant == "" && everywhere
		if mine && d.Type == departure.TypeLeft && !d.Time.After(o.Time) && d.EffectiveAt.After(s.cfg.Now()) {
			if err := s.cfg.Schedules.Remove(ctx, o.UID, d.Merchant); err != nil {
				return err
			}
			p.replace(d.Merchant)
		}
	}
	return nil
}

// due returns a text that says when departures are due, in UTC.
func due(departures ...departure.Departure) string {
	moments := make([]string, len(departures))
	for i, d := range departures {
		moments[i] = minute(d.EffectiveAt)
		if len(departures) > 1 {
			moments[i] += " (" + cmp.Or(d.Merchant, "every merchant") + ")"
		}
	}
	return "due " + strings.Join(moments, ", ")
}

func minute(t time.Time) string { return t.UTC().Format("2006-01-02T15:04Z07:00") }
