package offboard

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/wedata"
)

// notListed returns the detail for a uid that is not in the bind list.
func notListed(uid string) string {
	const detail = "not in the merchant's bind list: never bound, or bound under another identifier"
	if strings.ContainsAny(uid, ",;，；、") {
		return detail + `; several people are a list, such as ["E1001","E1002"]`
	}
	return detail
}

// merchant is the work on one merchant within one batch.
type merchant struct {
	*Service
	appid string
	share int // how many calls may run at once

	lock    chan struct{} // guards the fields below; a mutex held while a secret is read would stop synctest's clock
	token   *Token        // nil until it is read; renewing it sets another pointer
	renewed bool
	halted  error // why no more calls are made for this merchant
}

// merchant returns the work on one merchant, in a batch with this number of merchants.
func (s *Service) merchant(appid string, merchants int) *merchant {
	share := (s.cfg.Concurrency + merchants - 1) / merchants
	return &merchant{Service: s, appid: appid, share: share, lock: make(chan struct{}, 1)}
}

// unbind carries out the departures of the merchant, then verifies them.
func (m *merchant) unbind(whole context.Context, ps people, outcomes []*departure.Outcome) {
	ctx := whole
	if deadline, ok := whole.Deadline(); ok && !m.cfg.Trust {
		// This leaves time for the bind list. Without it, what was unbound would be tried again.
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(whole, deadline.Add(-min(10*time.Second, time.Until(deadline)/3)))
		defer cancel()
	}
	open := make([]*departure.Outcome, len(outcomes))
	var group errgroup.Group
	group.SetLimit(m.share)
	for i, o := range outcomes {
		group.Go(func() error {
			if p := ps[o.UID]; p != nil {
				_, _ = m.current(ctx, nil) // reads the token during the wait; call returns its error
				if p.wait(ctx, o) {
					return nil
				}
			}
			attempts, err := m.call(ctx, func(token string) error { return m.cfg.API.UnbindUser(ctx, token, o.UID) })
			o.Attempts = attempts
			settle(o, err)
			if err == nil && !m.cfg.Trust || policyOf(err).verify {
				open[i] = o
			}
			return nil
		})
	}
	_ = group.Wait() // no function errs: every fault is in an outcome
	open = slices.DeleteFunc(open, func(o *departure.Outcome) bool { return o == nil })
	if len(open) == 0 {
		return
	}
	if m.token.Value != "" {
		m.halted = nil // the list may be allowed although the call for another uid was refused
	}
	m.verify(whole, open)
}

// verify reads the bind list and sets the outcomes by it. Where the list cannot be read for a reason that may pass, an
// unbinding is Retry. For a lasting reason, such as a missing permission, it is Unbound with the class unverified.
func (m *merchant) verify(ctx context.Context, outcomes []*departure.Outcome) {
	bound, err := m.bound(ctx, outcomes)
	for _, o := range outcomes {
		switch isBound, listed := bound[o.UID]; {
		case err != nil && o.Status == departure.Unbound:
			if settle(o, err); o.Status == departure.Failed || isNotFound(err) {
				o.Status, o.Class, o.ErrCode, o.RID = departure.Unbound, classUnverified, 0, ""
			}
			o.Detail = "not verified, the bind list could not be read: " + err.Error()
		case err != nil:
		case !listed:
			o.Status, o.Class, o.Detail = departure.Unknown, "", notListed(o.UID)
		case !isBound:
			o.Status, o.Class, o.Detail = departure.Unbound, "", ""
		case o.Status == departure.Unbound:
			o.Status, o.Class = departure.Retry, classStillBound
			o.Detail = "WeChat answered errcode 0, and its bind list still shows the uid as bound"
		}
	}
}

// dryRun sets the outcomes that unbind would set, by the bind list alone.
func (m *merchant) dryRun(ctx context.Context, outcomes []*departure.Outcome) {
	bound, err := m.bound(ctx, outcomes)
	for _, o := range outcomes {
		settle(o, err)
		switch isBound, listed := bound[o.UID]; {
		case err != nil:
		case !listed:
			o.Status, o.Detail = departure.Unknown, notListed(o.UID)
		case isBound:
			o.Status = departure.WouldUnbind
			if o.EffectiveAt.After(m.cfg.Now()) {
				o.Detail = due(o.Departure)
			}
		default:
			o.Detail = "the bind list shows the uid as unbound already"
		}
	}
}

// bound returns which uids of the outcomes are in the bind list, and whether they are bound. A uid with two rows is
// bound if one of the rows says so.
func (m *merchant) bound(ctx context.Context, outcomes []*departure.Outcome) (map[string]bool, error) {
	wanted := make(map[string]bool, len(outcomes))
	for _, o := range outcomes {
		wanted[o.UID] = true
	}
	list, err := m.list(ctx, func(uid string) bool { return wanted[uid] })
	bound := make(map[string]bool, len(list))
	for _, b := range list {
		bound[b.UID] = bound[b.UID] || b.Bound
	}
	return bound, err
}

// list reads the entries of the bind list for whose uid keep returns true, or all where keep is nil. Only a few whole
// lists are read at once, since they take memory. Other reads are limited by Concurrency alone: with a limit of four,
// 300 merchants at 50 ms took 4.0 s instead of 2.0 s.
func (m *merchant) list(ctx context.Context, keep func(uid string) bool) (list []wedata.Binding, err error) {
	_, err = m.call(ctx, func(token string) error {
		if keep == nil {
			if m.whole.Acquire(ctx, 1) != nil {
				return noTime(ctx)
			}
			defer m.whole.Release(1)
		}
		list, err = m.cfg.API.QueryBindList(ctx, token, keep)
		return err
	})
	return list, err
}

// call calls WeChat by do with the merchant's token. Where the token is refused, it calls again with a renewed one.
// For a fault that may pass in a moment, it waits and calls again. It returns how often it called. The error is
// WeChat's, the token's or the context's.
func (m *merchant) call(ctx context.Context, do func(token string) error) (attempts int, err error) {
	var refused *refusedError
	for {
		token, err := m.current(ctx, refused)
		if err != nil {
			return attempts, err
		}
		err = do(token.Value)
		attempts++
		if answer, ok := errors.AsType[*wedata.Error](err); ok && answer.Class == wedata.TokenRefused {
			refused = &refusedError{m.appid, token, m.cfg.Now().Sub(token.Written), answer}
			continue
		}
		p := policyOf(err)
		if p.again && attempts < m.cfg.Attempts && m.pause(ctx, attempts) {
			continue
		}
		if p.halts {
			m.lock <- struct{}{}
			m.halted = cmp.Or(m.halted, err) // calls that were not made yet get the same error
			<-m.lock
		}
		return attempts, err
	}
}

// current returns the token to call with, or the error for which no call is made. Refused is the last refusal that
// this call got, or nil. The first refused call of the batch renews the token; every refused call tries once more with
// it. If that is refused too, no more calls are made for this merchant.
func (m *merchant) current(ctx context.Context, refused *refusedError) (*Token, error) {
	if ctx.Err() != nil {
		return nil, noTime(ctx)
	}
	m.lock <- struct{}{}
	defer func() { <-m.lock }()
	switch isRefused := refused != nil && refused.token == m.token; {
	case m.halted != nil:
	case m.token == nil:
		token, err := m.cfg.Tokens.Token(ctx, m.appid)
		m.token, m.halted = &token, err
	case isRefused && m.renewed:
		m.halted = refused
	case isRefused:
		token, err := m.cfg.Tokens.Renew(ctx, m.appid, *m.token)
		m.token, m.halted, m.renewed = &token, err, true
	}
	return m.token, m.halted
}

// pause waits before the next attempt: exponential backoff with full jitter. Where the context would end first, it
// returns false without waiting.
func (m *merchant) pause(ctx context.Context, attempts int) bool {
	wait := rand.N(m.cfg.Backoff<<(attempts-1)) + 1
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= wait {
		return false
	}
	select {
	case <-time.After(wait):
		return true
	case <-ctx.Done():
		return false
	}
}
