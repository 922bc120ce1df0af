package offboard

import "context"

// Audited is what an audit found at one merchant.
type Audited struct {
	Merchant string   // the authorizer appid, or "" where the secret does not tell it
	Bound    int      // how many people are bound
	Leavers  []string // the uids of those of them who are not among the active people, sorted
}

// Matched returns how many people are bound and active.
func (a Audited) Matched() int { return a.Bound - len(a.Leavers) }

// Audit compares the people who are bound with those who are still employed, for these merchants, or for all where
// none is named. It changes nothing. It returns a row for each merchant with somebody bound, sorted by merchant. Its
// errors are those of [Service.Bindings].
func (s *Service) Audit(ctx context.Context, merchants []string, isActive func(uid string) bool) ([]Audited, error) {
	bindings, err := s.Bindings(ctx, merchants)
	if err != nil {
		return nil, err
	}
	var all []Audited
	lastUID := ""
	for _, b := range bindings { // sorted by merchant and uid: rows with the same uid come one after the other
		isNew := len(all) == 0 || all[len(all)-1].Merchant != b.Merchant
		if !b.Bound || !isNew && lastUID == b.UID {
			continue
		}
		if isNew {
			all = append(all, Audited{Merchant: b.Merchant})
		}
		found := &all[len(all)-1]
		lastUID = b.UID
		found.Bound++
		if !isActive(b.UID) {
			found.Leavers = append(found.Leavers, b.UID)
		}
	}
	return all, nil
}
