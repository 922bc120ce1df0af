package offboard

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/singleflight"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/wedata"
)

// notListed is the detail of an unknown uid.
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

	renewal singleflight.Group
	mu      sync.Mutex
	token   *Token // nil until it is read; a renewed one has another address
	renewed bool
	halted  error // why nothing more is sent to this merchant
}

// merchant returns the work on one merchant of so many in the batch.
func (s *Service) merchant(appid string, merchants int) *merchant {
	return &merchant{Service: s, appid: appid, share: (s.cfg.Concurrency + merchants - 1) / merchants}
}

// listTime is kept free for the bind list: what was unbound and not verified would be tried again.
const listTime = 10 * time.Second

// unbind carries out the departures of the merchant, then verifies them.
func (m *merchant) unbind(whole context.Context, outcomes []*departure.Outcome) {
	ctx := whole
	if deadline, ok := whole.Deadline(); ok && !m.cfg.Trust {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(whole, deadline.Add(-min(listTime, time.Until(deadline)/3)))
		defer cancel()
	}
	verify := make([]bool, len(outcomes))
	var group errgroup.Group
	group.SetLimit(m.share)
	for i, o := range outcomes {
		group.Go(func() error {
			attempts, err := m.call(ctx, func(token string) error { return m.cfg.API.UnbindUser(ctx, token, o.UID) })
			o.Attempts = attempts
			settle(o, err)
			verify[i] = err == nil && !m.cfg.Trust || policyOf(err).verify
			return nil
		})
	}
	_ = group.Wait() // no function errs: every fault is in an outcome
	var open []*departure.Outcome
	for i, o := range outcomes {
		if verify[i] {
			open = append(open, o)
		}
	}
	if len(open) > 0 {
		m.verify(whole, open)
	}
}

// verify reads the bind list, which decides. Where it cannot be read for a reason that may pass, an unbinding is Retry;
// for a lasting reason, such as a missing permission, it is Unbound with the class unverified.
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

// dryRun sets the outcomes that unbind would have.
func (m *merchant) dryRun(ctx context.Context, outcomes []*departure.Outcome) {
	bound, err := m.bound(ctx, outcomes)
	for _, o := range outcomes {
		settle(o, err)
		if err != nil {
			continue
		}
		switch isBound, listed := bound[o.UID]; {
		case !listed:
			o.Status, o.Detail = departure.Unknown, notListed(o.UID)
		case isBound:
			o.Status = departure.WouldUnbind
		default:
			o.Detail = "the bind list shows the uid as unbound already"
		}
	}
}

// bound looks the uids of the outcomes up in the bind list: each that is in it, and whether it is bound. A uid may stand
// there twice: it is bound if any row says so.
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

// list reads the entries of the bind list that keep wants, or all for nil. It waits while maxLists others are read.
func (m *merchant) list(ctx context.Context, keep func(uid string) bool) (list []wedata.Binding, err error) {
	_, err = m.call(ctx, func(token string) error {
		if err := m.lists.Acquire(ctx, 1); err != nil {
			return fmt.Errorf("no time left in this invocation: %w", err)
		}
		defer m.lists.Release(1)
		list, err = m.cfg.API.QueryBindList(ctx, token, keep)
		return err
	})
	return list, err
}

// call makes one call to WeChat with the merchant's token. It calls again with a renewed token where the token is refused,
// and after a while where WeChat may answer then. It returns how often it called. The error is WeChat's, the token's or the
// context's.
func (m *merchant) call(ctx context.Context, do func(token string) error) (attempts int, err error) {
	for {
		token, err := m.current(ctx)
		if err != nil {
			return attempts, err
		}
		err = do(token.Value)
		attempts++
		var answer *wedata.Error
		if errors.As(err, &answer) && answer.Class == wedata.TokenRefused {
			if err := m.renew(ctx, token, answer); err != nil {
				return attempts, err
			}
			continue
		}
		p := policyOf(err)
		if p.again && attempts < m.cfg.Attempts && m.pause(ctx, attempts) {
			continue
		}
		if p.halts {
			m.halt(err)
		}
		return attempts, err
	}
}

// current returns the token to call with, or why nothing is sent to this merchant.
func (m *merchant) current(ctx context.Context) (*Token, error) {
	if ctx.Err() != nil {
		return nil, fmt.Errorf("no time left in this invocation: %w", ctx.Err())
	}
	if token, err := m.state(); token != nil || err != nil {
		return token, err
	}
	_, _, _ = m.renewal.Do("", func() (any, error) {
		if token, err := m.state(); token == nil && err == nil {
			m.set(m.cfg.Tokens.Token(ctx, m.appid))
		}
		return nil, nil
	})
	return m.state()
}

// renew reads the token again after it was refused. Only the first refused call of the batch reads it; each of them tries
// once more with what was read. If that is refused too, the work on this merchant ends.
func (m *merchant) renew(ctx context.Context, refused *Token, answer *wedata.Error) error {
	_, err, _ := m.renewal.Do("", func() (any, error) {
		token, err := m.state()
		switch {
		case err != nil || token != refused:
			return nil, err
		case m.renewed: // nobody else reads or writes it meanwhile
			m.halt(&refusedError{appid: m.appid, token: *refused, age: m.cfg.Now().Sub(refused.Written), answer: answer})
		default:
			m.renewed = true
			m.set(m.cfg.Tokens.Renew(ctx, m.appid, *refused))
		}
		_, err = m.state()
		return nil, err
	})
	return err
}

func (m *merchant) state() (*Token, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.token, m.halted
}

func (m *merchant) set(token Token, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.token = &token
	m.halted = cmp.Or(m.halted, err)
}

// halt ends the work on this merchant: what was not sent yet gets the same error.
func (m *merchant) halt(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.halted = cmp.Or(m.halted, err)
}

// pause waits before the next attempt: exponential backoff with full jitter. It returns false at once where the context
// would end before the wait does.
func (m *merchant) pause(ctx context.Context, attempts int) bool {
	wait := rand.N(m.cfg.Backoff<<(attempts-1)) + 1
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= wait {
		return false
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
