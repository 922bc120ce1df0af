// Package offboard turns departures into outcomes: it unbinds each uid, and reads the bind list to verify it.
package offboard

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/wedata"
)

// API is the part of WeChat's API that is called. [wedata.Client] implements it.
type API interface {
	UnbindUser(ctx context.Context, token, uid string) error
	QueryBindList(ctx context.Context, token string, keep func(uid string) bool) ([]wedata.Binding, error)
}

// Config configures a [Service]. API and Tokens are required; the zero value of anything else is its default.
type Config struct {
	API    API
	Tokens Tokens
	// Schedules keeps later departures and cancellations. Where it is nil, both are Failed.
	Schedules Schedules
	// Trust means to take WeChat's errcode 0 for an unbinding, without reading the bind list.
	Trust bool
	// Concurrency is about how many calls to WeChat run at once. Every merchant gets the same share of them, at least
	// one. Default 16.
	Concurrency int
	// Attempts is how often a call is made while WeChat is busy or unreachable. After that the departure is queued,
	// for a longer wait. Default 4.
	Attempts int
	// Backoff is the longest wait before the second attempt. It doubles with each attempt. Default 200 ms.
	Backoff time.Duration
	// Now is the clock. Default time.Now.
	Now func() time.Time
}

// Service carries departures out. It is safe for concurrent use.
type Service struct {
	cfg   Config
	whole *semaphore.Weighted // how many whole bind lists are read at once: each takes up to 16 MB of memory
}

// New returns a Service. It errs where something required is missing or a number is negative.
func New(cfg Config) (*Service, error) {
	if cfg.API == nil || cfg.Tokens == nil {
		return nil, errors.New("offboard: API and Tokens are required")
	}
	if cfg.Concurrency < 0 || cfg.Attempts < 0 || cfg.Backoff < 0 {
		return nil, errors.New("offboard: Concurrency, Attempts and Backoff cannot be negative")
	}
	cfg.Concurrency = cmp.Or(cfg.Concurrency, 16)
	cfg.Attempts = cmp.Or(cfg.Attempts, 4)
	cfg.Backoff = cmp.Or(cfg.Backoff, 200*time.Millisecond)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Service{cfg: cfg, whole: semaphore.NewWeighted(4)}, nil
}

// Run carries events out. It returns the outcomes of each event, in the order of the events. The outcomes of one event
// have the order of [departure.Event.Departures]. There is no error for the whole: every departure has an outcome, and
// is Retry where the context ends before its turn. All events are one batch: the bind list of a merchant is read once,
// after all its unbindings.
func (s *Service) Run(ctx context.Context, events ...departure.Event) [][]departure.Outcome {
	return s.each(ctx, events, false)
}

// DryRun returns the outcomes that Run would have, and changes nothing.
func (s *Service) DryRun(ctx context.Context, events ...departure.Event) [][]departure.Outcome {
	return s.each(ctx, events, true)
}

// each plans the outcomes of all events. It then carries out, or dry runs, those that are open: all merchants at once.
func (s *Service) each(ctx context.Context, events []departure.Event, dryRun bool) [][]departure.Outcome {
	all := make([][]departure.Outcome, len(events))
	open, ps := map[string][]*departure.Outcome{}, people{}
	start := s.cfg.Now()
	merchants, fault := s.Merchants(ctx, events)
	// The caller counts too, but it may not have known the merchants.
	tooMany := departure.Pairs(events, len(merchants)) > departure.MaxPairs
	for i, event := range events {
		if tooMany {
			event = departure.Later(event)
		}
		later := !dryRun && (event.Type == departure.TypeCancelled || event.EffectiveAt.After(start))
		all[i] = s.plan(event, merchants, fault, later)
		for j := range all[i] {
			o := &all[i][j]
			o.DryRun = dryRun
			switch {
			case o.Status != "":
			case later:
				p := ps.add(o.UID)
				p.later = append(p.later, o)
			default:
				open[o.Merchant] = append(open[o.Merchant], o)
				if o.Waited && !dryRun && s.cfg.Schedules != nil {
					ps.add(o.UID)
				}
			}
		}
	}
	var asked, group errgroup.Group
	asked.Go(func() error {
		ps.settle(ctx, s)
		return nil
	})
	group.SetLimit(s.cfg.Concurrency)
	for appid, outcomes := range open {
		group.Go(func() error {
			if m := s.merchant(appid, len(open)); dryRun {
				m.dryRun(ctx, outcomes)
			} else {
				m.unbind(ctx, ps, outcomes)
			}
			for _, o := range outcomes {
				o.Took = s.cfg.Now().Sub(start)
			}
			return nil
		})
	}
	_, _ = group.Wait(), asked.Wait() // no function errs: every fault is in an outcome
	for i, event := range events {
		if s.cfg.Schedules != nil && !dryRun && event.Type == departure.TypeLeft {
			s.forget(ctx, ps, event, all[i])
		}
	}
	return all
}

// Merchants returns the merchants for events that name none, with the errors of [Tokens]. Where every event names its
// merchants, it reads nothing and returns nil.
func (s *Service) Merchants(ctx context.Context, events []departure.Event) ([]string, error) {
	if !slices.ContainsFunc(events, func(e departure.Event) bool { return e.Status == "" && len(e.Merchants) == 0 }) {
		return nil, nil
	}
	appids, _, err := s.cfg.Tokens.Merchants(ctx)
	return appids, err
}

// plan returns the outcomes of an event. Those without a status are still to be carried out. An event for later gets
// no outcome for each merchant: the merchants are read on its day.
func (s *Service) plan(event departure.Event, merchants []string, fault error, later bool) []departure.Outcome {
	if event.Status != "" {
		return []departure.Outcome{event.Outcome()}
	}
	if event.Time.IsZero() {
		event.Time = s.cfg.Now()
	}
	switch {
	case later && s.cfg.Schedules == nil:
		merchants, fault = []string{""}, unsetError{}
	case later:
		merchants, fault = []string{""}, nil
	case event.Type == departure.TypeCancelled:
		return []departure.Outcome{departure.Ignore(event.Meta, "a dry run; a cancellation unbinds nobody").Outcome()}
	case len(event.Merchants) > 0:
		fault = nil
	case fault != nil:
		merchants = []string{""}
	}
	if event.Type == departure.TypeCancelled {
		event.EffectiveAt = time.Time{} // a cancellation counts at once
	}
	departures := event.Departures(merchants)
	outcomes := make([]departure.Outcome, len(departures))
	for i, d := range departures {
		outcomes[i].Departure = d
		if fault != nil {
			settle(&outcomes[i], fault)
		}
	}
	return outcomes
}
