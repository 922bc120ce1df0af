package events

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/offboard"
	"wedata-unbind/internal/strictjson"
)

// audited is the reply of {"action":"audit"}.
type audited struct {
	Leavers []leavers `json:"leavers"`
	Bound   int       `json:"bound"`
	Matched int       `json:"matched"`
	Warning string    `json:"warning,omitzero"`
}

// leavers is a request that unbinds people who are bound and not active.
type leavers struct {
	UID      []string `json:"uid"`
	Merchant string   `json:"merchant,omitzero"`
}

// audit returns who is bound and not among the active people.
func (h *Handler) audit(ctx context.Context, payload strictjson.Object) (any, error) {
	merchants, err := merchantsOf(payload)
	if err != nil {
		return nil, err
	}
	active, err := activeOf(payload)
	if err != nil {
		return nil, requestError{err}
	}
	found, err := h.cfg.Offboard.Audit(ctx, merchants, func(uid string) bool { return active[uid] })
	if err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	reply := audited{Warning: warning(found, active)}
	for _, m := range found {
		reply.Bound += m.Bound
		reply.Matched += m.Matched()
		for part := range slices.Chunk(m.Leavers, departure.MaxPairs) {
			reply.Leavers = append(reply.Leavers, leavers{part, m.Merchant})
		}
	}
	return reply, nil
}

// activeOf returns the uids of the people still employed.
func activeOf(payload strictjson.Object) (map[string]bool, error) {
	if kind := payload["active"].Kind(); kind != '[' {
		return nil, fmt.Errorf(`active: %s where a list of everybody still employed is expected, such as ["E1001","E1002"]`,
			strictjson.Kind(payload["active"]))
	}
	steps, err := departure.ParseUIDAs(payload["uid_as"])
	if err != nil {
		return nil, fmt.Errorf("uid_as: %w", err)
	}
	ids, err := payload.Strings("active")
	if err != nil {
		return nil, err
	}
	active := make(map[string]bool, len(ids))
	for i, id := range ids {
		uid, err := steps.UID(strings.TrimPrefix(id, "\ufeff")) // jq -R keeps the byte order mark of a file
		if err != nil {
			return nil, fmt.Errorf("active: item %d is %w", i+1, err)
		}
		active[uid] = true
	}
	return active, nil
}

// warning returns what speaks against the list of active ids, or "". Where few of those who are bound are on it, it
// has most likely other identifiers than We分析. Pasted back, the leavers would then be people who still work here.
func warning(found []offboard.Audited, active map[string]bool) string {
	bound, matched := 0, 0
	var doubts []string
	for _, m := range found {
		bound, matched = bound+m.Bound, matched+m.Matched()
		if text := doubt(m.Matched(), m.Bound, " of "+m.Merchant, len(active)); text != "" {
			doubts = append(doubts, text)
		}
	}
	if bound == 0 {
		return "nobody is bound, so nothing was compared"
	}
	if text := doubt(matched, bound, "", len(active)); text != "" {
		doubts = []string{text}
	} else if len(doubts) > maxDoubts {
		doubts = append(doubts[:maxDoubts], fmt.Sprintf("and %d more merchants", len(doubts)-maxDoubts))
	}
	if same := otherCase(found, active); len(same) > 0 {
		more := ""
		if len(same) > maxDoubts {
			same, more = same[:maxDoubts], fmt.Sprintf(" and %d more", len(same)-maxDoubts)
		}
		doubts = append(doubts, "leavers who are active in another case, probably the same people: "+
			strings.Join(same, ", ")+more)
	}
	return strings.Join(doubts, "; ")
}

// maxDoubts is how many merchants, and how many people, a warning names.
const maxDoubts = 5

// otherCase returns the leavers whose uid is an active id but for upper and lower case, sorted. A few of them among
// many who match would raise no other doubt.
func otherCase(found []offboard.Audited, active map[string]bool) []string {
	leaving := map[string][]string{}
	for _, m := range found {
		for _, uid := range m.Leavers {
			lower := strings.ToLower(uid)
			leaving[lower] = append(leaving[lower], uid)
		}
	}
	var same []string
	for id := range active {
		lower := strings.ToLower(id)
		same = append(same, leaving[lower]...)
		delete(leaving, lower) // two active ids may be the same in lower case
	}
	slices.Sort(same)
	return slices.Compact(same)
}

// doubt returns a warning where less than half of those who are bound are active.
func doubt(matched, bound int, where string, active int) string {
	counts := fmt.Sprintf("%d of %d bound uids%s are among your %d active ids", matched, bound, where, active)
	switch {
	case matched == 0:
		return counts + ": probably different identifiers"
	case matched*2 < bound:
		return "only " + counts + ": compare some of the leavers with your HR system before you unbind them"
	}
	return ""
}
