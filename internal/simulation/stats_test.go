package simulation

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// stats is what happened in one or more runs.
type stats struct {
	mu *sync.Mutex

	stories, invocations, calls, outcomes, faults, ends map[string]int
	worsts                                              map[string]worst
}

// worst is the largest of some number, and whose it was.
type worst struct {
	n   float64
	who string
}

func newStats() stats {
	return stats{
		&sync.Mutex{},
		map[string]int{},
		map[string]int{},
		map[string]int{},
		map[string]int{},
		map[string]int{},
		map[string]int{},
		map[string]worst{},
	}
}

func (w *fixture) count(table *map[string]int, name string) { w.add(table, name, 1) }

func (w *fixture) add(table *map[string]int, name string, n int) {
	w.stats.mu.Lock()
	defer w.stats.mu.Unlock()
	(*table)[name] += n
}

func (w *fixture) worst(name string, n float64, who string) { w.stats.worst(name, n, who) }

func (s stats) worst(name string, n float64, who string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n > s.worsts[name].n {
		s.worsts[name] = worst{n, who}
	}
}

// merge adds another run.
func (s stats) merge(o stats, seed dice) {
	for _, pair := range [][2]map[string]int{
		{s.stories, o.stories}, {s.invocations, o.invocations}, {s.calls, o.calls}, {s.outcomes, o.outcomes}, {s.faults, o.faults}, {s.ends, o.ends},
	} {
		for name, n := range pair[1] {
			pair[0][name] += n
		}
	}
	for name, x := range o.worsts {
		s.worst(name, x.n, fmt.Sprintf("%s, seed %d", x.who, seed))
	}
}

// String is for a person.
func (s stats) String() string {
	var b strings.Builder
	for _, part := range []struct {
		name  string
		table map[string]int
	}{
		{"stories", s.stories},
		{"invocations", s.invocations},
		{"calls of services", s.calls},
		{"faults that happened", s.faults},
		{"outcomes in the log", s.outcomes},
		{"what came of it", s.ends},
	} {
		fmt.Fprintf(&b, "\n%s\n", part.name)
		names := slices.SortedFunc(maps.Keys(part.table), func(x, y string) int {
			return cmp.Or(part.table[y]-part.table[x], strings.Compare(x, y))
		})
		for _, name := range names {
			fmt.Fprintf(&b, "  %9d  %s\n", part.table[name], name)
		}
	}
	fmt.Fprintf(&b, "\nthe worst\n")
	for _, name := range slices.Sorted(maps.Keys(s.worsts)) {
		fmt.Fprintf(&b, "  %9.1f  %s (%s)\n", s.worsts[name].n, name, s.worsts[name].who)
	}
	return b.String()
}
