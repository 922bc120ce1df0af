package offboard

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"wedata-unbind/internal/wedata"
)

const notListed = "not in the merchant's bind list: never bound, or known to We分析 by another identifier"

// merchant is the work on one merchant within one batch: its token, and why nothing more is sent to it.
type merchant struct {
	*Service
	appid string

	mu      sync.Mutex
	token   *Token // its address is its generation
	renewed bool
	halted  error
}

// unbind carries out the departures of the merchant, then lets the bind list judge them.
func (m *merchant) unbind(ctx context.Context, outcomes []*Outcome) {
	var wg sync.WaitGroup
	for _, o := range outcomes {
		wg.Go(func() {
			attempts, err := m.call(ctx, func(token string) error { return m.cfg.API.UnbindUser(ctx, token, o.UID) })
			o.Attempts = attempts
			o.settle(err)
			o.check = o.check || o.Status == Unbound && !m.cfg.Trust
		})
	}
	wg.Wait()
	m.judge(ctx, outcomes)
}

// judge reads the bind list where an outcome hangs on it. A list that cannot be read leaves every outcome as it was.
func (m *merchant) judge(ctx context.Context, outcomes []*Outcome) {
	var open []*Outcome
	for _, o := range outcomes {
		if o.check {
			open = append(open, o)
		}
	}
	if len(open) == 0 {
		return
	}
	bound, err := m.bound(ctx)
	for _, o := range open {
		switch isBound, listed := bound[o.UID]; {
		case err != nil && o.Status == Unbound:
			o.Detail = "not verified, the bind list could not be read: " + err.Error()
		case err != nil:
		case !listed:
			o.Status, o.Detail = Unknown, notListed
		case !isBound:
			o.Status, o.Detail = Unbound, ""
		case o.Status == Unbound:
			o.Status, o.Detail = Retry, "WeChat answered errcode 0, and its bind list still shows the uid as bound"
		}
	}
}

// foresee tells what unbind would do.
func (m *merchant) foresee(ctx context.Context, outcomes []*Outcome) {
	bound, err := m.bound(ctx)
	for _, o := range outcomes {
		o.settle(err)
		if err != nil {
			continue
		}
		switch isBound, listed := bound[o.UID]; {
		case !listed:
			o.Status, o.Detail = Unknown, notListed
		case isBound:
			o.Status = WouldUnbind
		default:
			o.Detail = "the bind list shows the uid as unbound already"
		}
	}
}

// bound returns the merchant's bind list: whether each uid in it is bound.
func (m *merchant) bound(ctx context.Context) (map[string]bool, error) {
	list, err := m.list(ctx)
	bound := make(map[string]bool, len(list))
	for _, b := range list {
		bound[b.UID] = b.Bound
	}
	return bound, err
}

func (m *merchant) list(ctx context.Context) (list []wedata.Binding, err error) {
	_, err = m.call(ctx, func(token string) error {
		list, err = m.cfg.API.QueryBindList(ctx, token)
		return err
	})
	return list, err
}

// call makes one call to WeChat with the merchant's token, once more with the renewed one where it is refused, and again
// after a while where that may help. It returns how often it called. The error is WeChat's, the token's or the context's.
func (m *merchant) call(ctx context.Context, do func(token string) error) (attempts int, err error) {
	for {
		called, again, err := m.attempt(ctx, do)
		if called {
			attempts++
		}
		var answer *wedata.Error
		if errors.As(err, &answer) && policyOf(answer).again && attempts < m.cfg.Attempts {
			again = m.pause(ctx, attempts)
		}
		if !again {
			return attempts, err
		}
	}
}

// attempt calls once, when one of the slots is free, unless there is a reason not to. What the answer means for the whole
// merchant is settled before the slot is free again, so that the next in line knows it. Again tells that there is a newer
// token to try.
func (m *merchant) attempt(ctx context.Context, do func(token string) error) (called, again bool, err error) {
	select {
	case m.slots <- struct{}{}:
		defer func() { <-m.slots }()
	case <-ctx.Done():
	}
	if ctx.Err() != nil {
		return false, false, fmt.Errorf("no time left in this invocation: %w", ctx.Err())
	}
	token, err := m.currentToken(ctx)
	if err != nil {
		return false, false, err
	}
	err = do(token.Value)
	var answer *wedata.Error
	switch {
	case !errors.As(err, &answer):
	case answer.Class == wedata.TokenRefused:
		if halted := m.renew(ctx, token, answer); halted != nil {
			return true, false, halted
		}
		return true, true, err
	case policyOf(answer).wide:
		m.halt(err)
	}
	return true, false, err
}

// currentToken returns the token to call with, or why nothing is sent to this merchant any more.
func (m *merchant) currentToken(ctx context.Context) (*Token, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.token == nil && m.halted == nil {
		token, err := m.cfg.Tokens.Token(ctx, m.appid)
		m.token, m.halted = &token, err
	}
	return m.token, m.halted
}

// renew looks for a newer token after one was refused. Of all the calls of the batch only the first refused one reads the
// secret, and each tries once more with what was read; a refusal of that ends the work on this merchant.
func (m *merchant) renew(ctx context.Context, refused *Token, answer *wedata.Error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.halted != nil || m.token != refused:
	case m.renewed:
		m.halted = &refusedError{appid: m.appid, token: *refused, age: m.cfg.Now().Sub(refused.Written), answer: answer}
	default:
		m.renewed = true
		token, err := m.cfg.Tokens.Renew(ctx, m.appid, *refused)
		m.token, m.halted = &token, err
	}
	return m.halted
}

// halt ends the work on this merchant: what has not been sent yet gets the same error.
func (m *merchant) halt(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.halted == nil {
		m.halted = err
	}
}

// pause waits before the next attempt: exponential backoff with full jitter. It returns false at once where the context would
// end before the wait does.
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

// refusedError is a token that WeChat refuses although it was read anew.
type refusedError struct {
	appid  string
	token  Token
	age    time.Duration
	answer *wedata.Error
}

func (e *refusedError) Error() string {
	return fmt.Sprintf("token of %s refused (%d); secret %s was last written %s ago, tokens live 2h: look at what refreshes it",
		name(e.appid), e.answer.Code, e.token.SecretID, readable(e.age))
}

func (e *refusedError) Unwrap() error { return e.answer }

// name is a merchant as errors name it, also where the secret does not tell its appid.
func name(appid string) string { return cmp.Or(appid, "the merchant") }

// readable writes a duration as 3h12m, or 45s where it is under a minute.
func readable(d time.Duration) string {
	if d < time.Minute {
		return d.Truncate(time.Second).String()
	}
	d = d.Truncate(time.Minute)
	if h := d / time.Hour; h > 0 {
		return fmt.Sprintf("%dh%dm", h, (d%time.Hour)/time.Minute)
	}
	return fmt.Sprintf("%dm", d/time.Minute)
}
