package simulation

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// How long the search for a shorter story may take, of a long run and of one of many short ones.
const (
	longSearch  = 40 * time.Second
	shortSearch = time.Second
)

// shrink returns a smaller plan that breaks the same promise, and its run: fewer people, fewer faults, no repeated
// events.
func shrink(t *testing.T, p plan, first result, search time.Duration) (plan, result) {
	t.Helper()
	start, shortest := time.Now(), first
	fails := func(p plan) bool {
		if time.Since(start) > search {
			return false
		}
		r := simulate(t, p)
		same := slices.ContainsFunc(r.broken, func(v violation) bool { return v.rule == first.broken[0].rule })
		if same {
			shortest = r
		}
		return same
	}
	if n, err := strconv.Atoi(strings.TrimPrefix(first.broken[0].who, "emp-")); err == nil {
		smaller := p
		if smaller.only = map[int]bool{n / 100: true}; fails(smaller) {
			p = smaller
		}
	}
	if smaller := p; !p.once {
		if smaller.once = true; fails(smaller) {
			p = smaller
		}
	}
	people := slices.Sorted(maps.Keys(p.only))
	for n := 0; p.only == nil && n < p.size; n++ {
		people = append(people, n)
	}
	people = without(people, func(rest []int) bool {
		smaller := p
		smaller.only = setOf(rest)
		return fails(smaller)
	})
	p.only = setOf(people)
	kinds := without(slices.Sorted(maps.Keys(p.faults)), func(rest []string) bool {
		smaller := p
		smaller.faults = setOf(rest)
		return fails(smaller)
	})
	p.faults = setOf(kinds)
	return p, shortest
}

// without leaves out as many elements as it can while the rest still fails: large parts first.
func without[T any](all []T, fails func([]T) bool) []T {
	for part := (len(all) + 1) / 2; part > 0; part /= 2 {
		for from := 0; from < len(all); {
			rest := slices.Concat(all[:from], all[min(from+part, len(all)):])
			if fails(rest) {
				all = rest
			} else {
				from += part
			}
		}
	}
	return all
}

func setOf[T comparable](list []T) map[T]bool {
	set := map[T]bool{}
	for _, x := range list {
		set[x] = true
	}
	return set
}
