package simulation

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"wedata-unbind/internal/wedata/wedatatest"
)

// result is what came of a run.
type result struct {
	stats  stats
	broken []violation
	story  []string
}

// simulate runs a plan in a bubble of its own.
func simulate(t *testing.T, p plan) (r result) {
	t.Helper()
	synctest.Test(t, func(*testing.T) {
		w := newFixture(p)
		w.run()
		r = result{w.stats, w.broken, w.story}
	})
	return r
}

// all are the names of all faults.
func allFaults() map[string]bool {
	all := map[string]bool{}
	for _, f := range faults() {
		all[f.name] = true
	}
	return all
}

// planOf is the plan of the run with that number: all faults together, or one of them alone.
func planOf(seed dice, number, people int) plan {
	p := plan{seed: seed + dice(number), size: people, faults: allFaults()}
	if kinds := faults(); number%2 == 1 {
		p.faults = map[string]bool{kinds[number/2%len(kinds)].name: true}
	}
	return p
}

func (p plan) check(t *testing.T, search time.Duration) (stats, bool) {
	t.Helper()
	r := simulate(t, p)
	if len(r.broken) == 0 {
		return r.stats, true
	}
	t.Errorf("seed %d with %d people breaks a promise: %v", p.seed, p.size, r.broken[0])
	fmt.Fprintf(os.Stderr, "seed %d breaks a promise: %v\nlooking for a shorter story\n", p.seed, r.broken[0])
	small, shortest := shrink(t, p, r, search)
	t.Logf("the shortest story found that breaks it: %d people, faults %q\n%s", cmp.Or(len(small.only), small.size),
		slices.Sorted(maps.Keys(small.faults)), strings.Join(shortest.told(), "\n"))
	return r.stats, false
}

// shown is how many of the last lines of a story are shown.
const shown = 120

// told is the end of the story: what concerns the person whose promise was broken, or else all of it.
func (r result) told() []string {
	lines := r.story
	if who := r.broken[0].who; who != "" {
		lines = slices.DeleteFunc(slices.Clone(lines), func(line string) bool {
			return uids.MatchString(line) && !strings.Contains(line, who)
		})
	}
	return lines[max(0, len(lines)-shown):]
}

// TestSimulation is short: all faults together, then each alone. With the race detector it is a part of that.
func TestSimulation(t *testing.T) {
	for _, p := range []plan{{seed: 2, size: 40 / share}, {seed: 9, size: 40 / share}} {
		t.Run(fmt.Sprintf("all faults, seed %d", p.seed), func(t *testing.T) {
			t.Parallel()
			p.faults = allFaults()
			p.check(t, shortSearch)
		})
	}
	for i, f := range faults() {
		if i%share != 0 {
			continue
		}
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			plan{seed: dice(100 + i), size: 5, faults: map[string]bool{f.name: true}}.check(t, shortSearch)
		})
	}
}

// A departure that comes out of the queue just before it is due waits there until then. It does not use its tries up.
func TestADepartureThatIsAlmostDueWaitsInTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newFixture(plan{})
		const uid = "emp-000001"
		e := &event{id: "evt-1", kind: left, people: []string{uid}, at: w.start, due: w.start.Add(90 * time.Second), sent: w.start}
		w.people[uid] = &person{uid: uid, events: []*event{e}, told: map[string]bool{}}
		w.wechat.Bind(merchants[0], wedatatest.Bound(uid))
		w.queue.Send(e.payload(), nil)
		w.loops.Go(func() { w.poll(0) })
		time.Sleep(2 * time.Minute)
		w.end()
		w.loops.Wait()
		time.Sleep(time.Minute)
		if bound, _ := w.isBound(merchants[0], uid); bound || w.stats.invocations["sqs"] != 2 || len(w.broken) > 0 {
			t.Errorf("bound: %v, after %d deliveries, %v:\n%s", bound, w.stats.invocations["sqs"], w.broken, strings.Join(w.story, "\n"))
		}
	})
}

// enough departures meet every kind of fault.
const enough = 10000

// TestSimulate is `make simulate`: many runs, from SIMULATE_SEED on, until there were SIMULATE_N departures.
func TestSimulate(t *testing.T) {
	if os.Getenv("SIMULATE_N") == "" {
		t.Skip("make simulate N=100000 SEED=1 runs it")
	}
	n, err := strconv.Atoi(os.Getenv("SIMULATE_N"))
	seed, wrong := strconv.Atoi(os.Getenv("SIMULATE_SEED"))
	if err != nil || wrong != nil || n < 1 {
		t.Fatalf("N=%s SEED=%s: two numbers are expected, and N is 1 or more", os.Getenv("SIMULATE_N"), os.Getenv("SIMULATE_SEED"))
	}
	start, total := time.Now(), newStats()
	for number := 0; total.ends["departures"] < n; number++ {
		p := planOf(dice(seed), number, 100)
		s, ok := p.check(t, longSearch)
		total.merge(s, p.seed)
		fmt.Fprintf(os.Stderr, "%6s  run %d, seed %d: %d of %d departures\n", time.Since(start).Round(time.Second), number+1, p.seed, total.ends["departures"], n)
		if !ok {
			break
		}
	}
	runtime.GC()
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	fmt.Printf("%v\n%d MB in use, %d goroutines, after %s\n", total, memory.HeapAlloc>>20, runtime.NumGoroutine(), time.Since(start).Round(time.Second))
	whole := n >= enough && !t.Failed()
	for _, f := range faults() {
		if whole && total.faults[f.name] == 0 {
			t.Errorf("the fault %q never happened", f.name)
		}
	}
	if memory.HeapAlloc > maxHeap {
		t.Errorf("%d MB are in use after all runs, at most %d are expected", memory.HeapAlloc>>20, maxHeap>>20)
	}
}
