// Package offboard turns departures into outcomes: it unbinds each uid, and lets the bind list judge whether that is true.
//
// It knows neither where departures come from nor where tokens are kept.
package offboard

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/wedata"
)

// API is what is asked of WeChat. [wedata.Client] implements it.
type API interface {
	UnbindUser(ctx context.Context, token, uid string) error
	QueryBindList(ctx context.Context, token string) ([]wedata.Binding, error)
}

// Config is what a [Service] is made of. API and Tokens are required; the zero value of anything else is its default.
type Config struct {
	API    API
	Tokens Tokens
	// Trust believes WeChat's errcode 0 without a look at the bind list.
	Trust bool
	// Concurrency is how many calls to WeChat are under way at once. Default 16.
	Concurrency int
	// Attempts is how often a call is made while WeChat is busy or not reached. Default 4: past that the queue's longer
	// waits do more good than pressing on.
	Attempts int
	// Backoff is the longest wait before the second attempt; it doubles from one to the next. Default 200 ms.
	Backoff time.Duration
	// Now is the clock. Default time.Now.
	Now func() time.Time
}

// Service carries departures out. It is safe for concurrent use.
type Service struct {
	cfg   Config
	slots chan struct{}
}

// New returns a Service.
func New(cfg Config) (*Service, error) {
	if cfg.API == nil || cfg.Tokens == nil {
		return nil, errors.New("offboard: API and Tokens are required")
	}
	if cfg.Concurrency < 0 || cfg.Attempts < 0 || cfg.Backoff < 0 {
		return nil, errors.New("offboard: Concurrency, Attempts and Backoff cannot be negative")
	}
	if cfg.Concurrency == 0 {
		cfg.Concurrency = 16
	}
	if cfg.Attempts == 0 {
		cfg.Attempts = 4
	}
	if cfg.Backoff == 0 {
		cfg.Backoff = 200 * time.Millisecond
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Service{cfg: cfg, slots: make(chan struct{}, cfg.Concurrency)}, nil
}

// Run carries events out and returns the outcomes of each, in the order given, merchants inside. It never errs as a whole:
// every departure has an outcome of its own, and what the context leaves no time for is Retry.
//
// All the events are one batch: the bind list of a merchant is read once, after all its unbindings.
func (s *Service) Run(ctx context.Context, events ...departure.Event) [][]Outcome {
	return s.each(ctx, events, (*merchant).unbind)
}

// DryRun tells what Run would do, and changes nothing.
func (s *Service) DryRun(ctx context.Context, events ...departure.Event) [][]Outcome {
	all := s.each(ctx, events, (*merchant).foresee)
	for _, outcomes := range all {
		for i := range outcomes {
			outcomes[i].DryRun = true
		}
	}
	return all
}

// each plans the outcomes of all events, and lets do fill in those of each merchant.
func (s *Service) each(ctx context.Context, events []departure.Event, do func(*merchant, context.Context, []*Outcome)) [][]Outcome {
	all := make([][]Outcome, len(events))
	groups := map[string][]*Outcome{}
	merchants := sync.OnceValues(func() ([]string, error) { return s.cfg.Tokens.Merchants(ctx) })
	for i, event := range events {
		all[i] = s.plan(event, merchants)
		for j := range all[i] {
			if o := &all[i][j]; o.Status == "" {
				groups[o.Merchant] = append(groups[o.Merchant], o)
			}
		}
	}
	start := s.cfg.Now()
	var wg sync.WaitGroup
	for appid, outcomes := range groups {
		wg.Go(func() {
			do(&merchant{Service: s, appid: appid}, ctx, outcomes)
			for _, o := range outcomes {
				o.Took = s.cfg.Now().Sub(start)
			}
		})
	}
	wg.Wait()
	return all
}

// plan returns the outcomes an event will have. Those without a status are to be carried out.
func (s *Service) plan(event departure.Event, merchants func() ([]string, error)) []Outcome {
	if event.Verdict != "" {
		return []Outcome{Decided(event)}
	}
	appids := event.Merchants
	if len(appids) == 0 {
		all, err := merchants()
		if err != nil {
			return s.undone(event, statusOf(err), err.Error())
		}
		appids = all
	}
	departures, err := event.Departures(appids)
	if err != nil {
		return []Outcome{Decided(departure.Refuse(event.Meta, err))}
	}
	outcomes := make([]Outcome, len(departures))
	for i, d := range departures {
		outcomes[i].Departure = d
		if reason := s.tooEarly(d); reason != "" {
			outcomes[i].Status, outcomes[i].Detail = Failed, reason
		}
	}
	return outcomes
}

// tooEarly tells why a departure cannot be carried out now, although its day has not come or it was taken back.
func (s *Service) tooEarly(d departure.Departure) string {
	switch {
	case d.Type == departure.TypeCancelled:
		return "a departure that was taken back: nothing is scheduled here that could be cancelled"
	case d.EffectiveAt.After(s.cfg.Now()):
		return fmt.Sprintf("due only at %s and nothing here can wait that long: send it again when it is due", d.EffectiveAt.Format(time.RFC3339))
	}
	return ""
}

// Decided returns the one outcome of an event that has a verdict.
func Decided(event departure.Event) Outcome {
	o := Outcome{Departure: departure.Departure{Meta: event.Meta}, Status: Status(event.Verdict), Detail: event.Reason}
	if len(event.UIDs) == 1 {
		o.UID = event.UIDs[0]
	}
	return o
}

// undone returns the outcomes of an event whose merchants could not be told.
func (s *Service) undone(event departure.Event, status Status, detail string) []Outcome {
	departures, _ := event.Departures([]string{""})
	outcomes := make([]Outcome, len(departures))
	for i, d := range departures {
		outcomes[i] = Outcome{Departure: d, Status: status, Detail: detail}
	}
	return outcomes
}
