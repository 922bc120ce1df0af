package offboard

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"

	"golang.org/x/sync/errgroup"

	"wedata-unbind/internal/wedata"
)

// Binding is one row of a merchant's bind list.
type Binding struct {
	Merchant string // the authorizer appid, or "" where the secret does not tell it
	wedata.Binding
}

// Bindings returns the bind lists of the merchants, or of all where none is named, sorted by merchant and uid. It errs
// where one of the lists cannot be read: a part would be taken for the whole. The error names each merchant.
func (s *Service) Bindings(ctx context.Context, merchants []string) ([]Binding, error) {
	if len(merchants) == 0 {
		var err error
		if merchants, _, err = s.cfg.Tokens.Merchants(ctx); err != nil {
			return nil, err
		}
	}
	lists, errs := make([][]Binding, len(merchants)), make([]error, len(merchants))
	var group errgroup.Group
	group.SetLimit(s.cfg.Concurrency)
	for i, appid := range merchants {
		group.Go(func() error {
			list, err := s.merchant(appid, len(merchants)).list(ctx, nil)
			if err != nil {
				errs[i] = fmt.Errorf("bind list of %s: %w", name(appid), err)
			}
			for _, b := range list {
				lists[i] = append(lists[i], Binding{appid, b})
			}
			return nil
		})
	}
	_ = group.Wait() // the errors are in errs: all of them are wanted
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	bindings := slices.Concat(lists...)
	// slices.SortFunc would be 18 KB of code for this type alone.
	sort.Slice(bindings, func(i, j int) bool {
		a, b := bindings[i], bindings[j]
		return cmp.Or(cmp.Compare(a.Merchant, b.Merchant), cmp.Compare(a.UID, b.UID)) < 0
	})
	return bindings, nil
}
