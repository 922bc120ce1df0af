package offboard

import "context"

// Audited is what an audit found at one merchant.
type Audited struct {
	Merchant string   // the authorizer appid, or "" where the secret does not tell it
	Bound    int      // how many people are bound
	Leavers  []string // the uids of those of them who are not among the active people, sorted
}

// Matched returns how many of those who are bound are active.
func (a Audited) Matched() int { return a.Bound - len(a.Leavers) }

// Audit compares who is bound to the merchants, or to all where none is named, with the people who are still
// employed. It changes nothing. It returns the merchants who have anybody bound, sorted; errors are those of
// [Service.Bindings].
func (s *Service) Audit(ctx context.Context, merchants []string, isActive func(uid string) bool) ([]Audited, error) {
	bindings, err := s.Bindings(ctx, merchants)
	if err != nil {
		return nil, err
	}
	var all []Audited
	lastUID := ""
	for _, b := range bindings { // sorted, so that the rows of one uid are neighbours
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
