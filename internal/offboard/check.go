package offboard

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/wedata"
)

// Health is whether departures from one merchant would work now.
type Health struct {
	Merchant string        // the authorizer appid, or "" where it is not known
	Token    bool          // whether there is a token to call with
	Age      time.Duration // since the secret with the token was last written; 0 where that is not known
	List     bool          // whether the bind list can be read
	// Fault is what would become of a departure, as an outcome without a uid. Its Status is "" where nothing is wrong.
	Fault departure.Outcome
}

// Check reads the bind list of the merchants, or of all where none is named, in the order given. It unbinds nobody, and
// calls once: a merchant whom WeChat refuses just now has a fault. Only a refused token is renewed, as for a departure.
// Where the merchants cannot be read, one Health without a merchant says so.
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
	_, err := m.list(ctx, func(string) bool { return false }) // whether it can be read is enough
	if m.token != nil && m.token.Value != "" {
		h.Token = true
		if !m.token.Written.IsZero() {
			h.Age = m.cfg.Now().Sub(m.token.Written)
		}
	}
	h.List = err == nil
	answer, _ := errors.AsType[*wedata.Error](err)
	isUnused := m.cfg.Trust && answer != nil && (answer.Class == wedata.PermissionMissing || isNotFound(err))
	if err != nil && !isUnused { // a departure does not need the list where it is not to be verified
		settle(&h.Fault, err)
	}
	return h
}
