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

// Schedules keeps departures until they are due, and cancellations for 14 days. For each uid and merchant it keeps the
// newest event by time; the merchant "" is one of its own and stands for every merchant. Its errors name their class by
// a method Class() string.
type Schedules interface {
	// Standing returns all that is kept for a person. The EffectiveAt of a cancellation is when it ends.
	Standing(ctx context.Context, uid string) ([]departure.Departure, error)
	// Put keeps the departure or cancellation, unless a newer one is there. It returns the newer one of the two.
	Put(ctx context.Context, d departure.Departure) (departure.Departure, error)
	// Remove removes what is kept for a uid and merchant, if anything is.
	Remove(ctx context.Context, uid, merchant string) error
}

const (
	// firing is how long before and after its due minute a schedule may be in the hands of EventBridge Scheduler, which
	// delivers within 60 s and deletes it afterwards (EventBridge Scheduler User Guide, "Schedule types"). A schedule
	// that is changed meanwhile could be deleted with the change.
	firing = 2 * time.Minute
	// afterFiring is when a change in that time is verified.
	afterFiring = 10 * time.Minute
)

// unsetError is a departure or cancellation for the schedules where there are none.
type unsetError struct{}

func (unsetError) Error() string {
	return "a later departure or a cancellation needs a schedule group: set UNBIND_SCHEDULE_GROUP, then send it again"
}

// Class returns the class of the fault.
func (unsetError) Class() string { return classSchedule }

// person is what is kept for one person, asked once in a batch.
type person struct {
	uid   string
	later []*departure.Outcome // scheduled or cancelled before anything of the person is carried out
	known chan struct{}        // closed when what follows is known
	kept  []departure.Departure
	err   error
}

// people are the people of a batch whose schedules are asked: those with a departure that belongs to the schedules, or
// that waited in the queue.
type people map[string]*person

func (ps people) add(uid string) *person {
	p := ps[uid]
	if p == nil {
		p = &person{uid: uid, known: make(chan struct{})}
		ps[uid] = p
	}
	return p
}

// settle asks for each person what is kept, and schedules or cancels what belongs to the schedules, in the order of
// the events' times. Nothing of it waits for WeChat.
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

// unscheduled sets the outcome of a departure whose schedules could not be asked or changed.
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
		// It may come from a schedule, whose clock is ahead of this one. The queue waits for the moment itself.
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
		o.EffectiveAt = p.kept[i].EffectiveAt // an event of the same time may be due later
		o.Status, o.Detail = departure.Scheduled, due(o.Departure)
	}
}

// cancel takes back what is kept for the person and is older than the cancellation. The cancellation itself is kept
// too: the departure may still come, late or once more.
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
				o.Detail = "the departure was announced without a merchant: take it back without a merchant; it is " + due(d)
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
			continue // the cancellation is in its place
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

// isAll reports whether merchants that an event names are all that there are: a webhook names the one merchant of a single
// token, and other senders need not.
func (s *Service) isAll(ctx context.Context, named ...string) (bool, error) {
	if len(named) == 0 {
		return true, nil
	}
	merchants, index, err := s.cfg.Tokens.Merchants(ctx)
	return err == nil && !index && slices.Equal(named, merchants), err
}

// put keeps the outcome's event. Where it returns false, the outcome has its status: a newer event is kept already, or
// the event has to be tried again.
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
		o.Detail = "it is kept in the place of a " + what + due(before) + ", whose schedule may be deleted just now: " +
			"looked at once more later"
		return false
	}
	return true
}

// replace notes what is kept for a merchant from now on, and returns what was kept before.
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

// overtakes reports whether something newer is kept for the outcome's person and merchant. The outcome then has its
// status. Of two events of one time the cancellation is newer: a departure is announced before it is taken back.
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

// takesPartBack returns the newer cancellation for one merchant of a departure for every one, if it ends before the
// departure is due: it would then be forgotten.
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

// wait waits until it is known what is kept for the person. It reports whether that settles the outcome.
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

// forget removes what is kept of departures that an event carried out: it would unbind the people once more on its
// day, and they may have come back by then.
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
					o.Class = cmp.Or(o.Class, classSchedule) // unverified says more
					o.Detail = strings.TrimPrefix(o.Detail+"; ", "; ") + "an older schedule may be left: " + err.Error()
				}
			}
			return nil
		})
	}
	_ = group.Wait() // every fault is in an outcome
}

// remove removes the older departures of the outcome's merchant that are still due, and those for every merchant.
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

// due says when departures are due, in UTC.
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
