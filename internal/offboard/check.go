package offboard

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/wedata"
)

// Health reports whether departures from one merchant would work now.
type Health struct {
	Merchant string        // the authorizer appid, or "" where it is not known
	Token    bool          // whether there is a token to call with
	Age      time.Duration // since the secret with the token was last written; 0 where that is not known
	List     bool          // whether the bind list can be read
	// Fault is the outcome that a departure would have, without a uid. Its Status is "" where nothing is wrong.
	Fault departure.Outcome
}

// Check reads the bind list of each merchant, or of all where none is named, and returns a Health for each in the same
// order. It unbinds nobody. It calls WeChat once for each merchant, and a second time only with a renewed token. Where
// the merchants cannot be read, it returns one Health without a merchant.
func (s *Service) Check(ctx context.Context, merchants []string) []Health {
	once := *s
	once.cfg.Attempts = 1
	if len(merchants) == 0 {
		var err error
		if merchants, _, err = s.cfg.Tokens.Merchants(ctx); err != nil {
			health := Health{}
			settle(&health.Fault, err)
			return []Health{health}
		}
	}
	all := make([]Health, len(merchants))
	var group errgroup.Group
	group.SetLimit(s.cfg.Concurrency)
	for i, appid := range merchants {
		group.Go(func() error {
			all[i] = once.merchant(appid, len(merchants)).health(ctx)
			return nil
		})
	}
	_ = group.Wait() // no function errs: every fault is in a Health
	return all
}

func (m *merchant) health(ctx context.Context) Health {
	h := Health{Merchant: m.appid}
	_, err := m.list(ctx, func(string) bool { return false }) // the entries are not needed
	if m.token != nil && m.token.Value != "" {
		h.Token = true
		if !m.token.Written.IsZero() {
			h.Age = m.cfg.Now().Sub(m.token.Written)
		}
	}
	h.List = err == nil
	answer, _ := errors.AsType[*wedata.Error](err)
	isUnused := m.cfg.Trust && answer != nil && (answer.Class == wedata.PermissionMissing || isNotFound(err))
	if err != nil && !isUnused { // with Trust a departure does not read the list
		settle(&h.Fault, err)
	}
	return h
}
