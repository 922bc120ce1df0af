package offboard

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"wedata-unbind/internal/wedata"
)

// Binding is one row of a merchant's bind list.
type Binding struct {
	// Merchant is the authorizer appid, or "" where the secret does not tell it.
	Merchant string
	wedata.Binding
}

// Bindings returns the bind lists of the merchants, or of all where none is named, sorted by merchant and uid. It errs
// where one of the lists cannot be read, since half a list would be taken for a whole one; the error names each merchant.
func (s *Service) Bindings(ctx context.Context, merchants []string) ([]Binding, error) {
	if len(merchants) == 0 {
		all, err := s.cfg.Tokens.Merchants(ctx)
		if err != nil {
			return nil, err
		}
		merchants = all
	}
	lists, errs := make([][]Binding, len(merchants)), make([]error, len(merchants))
	var wg sync.WaitGroup
	for i, appid := range merchants {
		wg.Go(func() {
			list, err := (&merchant{Service: s, appid: appid}).list(ctx)
			if err != nil {
				errs[i] = fmt.Errorf("bind list of %s: %w", name(appid), err)
			}
			for _, b := range list {
				lists[i] = append(lists[i], Binding{appid, b})
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	bindings := slices.Concat(lists...)
	slices.SortFunc(bindings, func(a, b Binding) int {
		if c := strings.Compare(a.Merchant, b.Merchant); c != 0 {
			return c
		}
		return strings.Compare(a.UID, b.UID)
	})
	return bindings, nil
}
