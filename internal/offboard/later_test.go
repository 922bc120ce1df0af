package offboard_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/offboard"
	"wedata-unbind/internal/wedata/wedatatest"
)

// schedules keeps the newest event of each uid and merchant in memory.
type schedules struct {
	mu    sync.Mutex
	kept  []departure.Departure
	calls []string
	err   error // of every call
	deny  string
	takes time.Duration
}

type deniedError string

func (e deniedError) Error() string { return string(e) }
func (deniedError) Temporary() bool { return true }

func (s *schedules) call(name string) error {
	time.Sleep(s.takes)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, name)
	if s.deny == name {
		return deniedError("schedule: " + name + " denied")
	}
	return s.err
}

func (s *schedules) Standing(_ context.Context, uid string) ([]departure.Departure, error) {
	err := s.call("list")
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.kept), func(d departure.Departure) bool { return d.UID != uid }), err
}

func (s *schedules) Put(_ context.Context, d departure.Departure) (departure.Departure, error) {
	if err := s.call("put"); err != nil {
		return departure.Departure{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.kept, func(k departure.Departure) bool { return k.UID == d.UID && k.Merchant == d.Merchant })
	if i >= 0 && s.kept[i].Time.After(d.Time) {
		return s.kept[i], nil
	}
	if i >= 0 {
		s.kept = slices.Delete(s.kept, i, i+1)
	}
	if d.Type == departure.TypeCancelled {
		d.EffectiveAt = now.Add(14 * 24 * hour)
	}
	s.kept = append(s.kept, d)
	return d, nil
}

func (s *schedules) Remove(_ context.Context, uid, merchant string) error {
	err := s.call("remove")
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.kept = slices.DeleteFunc(s.kept, func(d departure.Departure) bool { return d.UID == uid && d.Merchant == merchant })
	}
	return err
}

// String lists what is kept: type, merchant and due hour of each.
func (s *schedules) String() string {
	rows := make([]string, len(s.kept))
	for i, d := range s.kept {
		rows[i] = "cancelled " + d.Merchant
		if d.Type == departure.TypeLeft {
			rows[i] = fmt.Sprintf("due +%v %s", d.EffectiveAt.Sub(now).Round(time.Hour), d.Merchant)
		}
	}
	slices.Sort(rows)
	return strings.TrimSpace(strings.Join(rows, ", "))
}

const (
	hour  = time.Hour
	left  = departure.TypeLeft
	taken = departure.TypeCancelled
)

// step is one event of E1001 and what becomes of it.
type step struct {
	eventType string
	at        time.Duration // the time of the event, from now
	due       time.Duration // from now; 0 is at once
	merchant  string        // "" for none
	waited    bool
	want      string // the statuses
	detail    string // is in the first detail
	calls     string // of the schedules
}

func TestTheNewestEventOfAPersonStands(t *testing.T) {
	for _, tc := range []struct {
		name  string
		steps []step
		kept  string
		bound string // the merchants where E1001 is bound at the end
	}{
		{
			name:  "announced",
			steps: []step{{left, -1 * hour, 9 * hour, "", false, "scheduled", "due 2026-11-23T10:00Z", "list put"}},
			kept:  "due +9h0m0s", bound: shop + " " + other,
		},
		{
			name: "moved twice, out of order",
			steps: []step{
				{left, -3 * hour, 9 * hour, "", false, "scheduled", "", "list put"},
				{left, -1 * hour, 20 * hour, "", false, "scheduled", "", "list put"},
				{left, -2 * hour, 5 * hour, "", false, "ignored", "overtaken by a newer event, of 2026-11-23T00:00Z, due 2026-11-23T21:00Z", "list"},
			},
			kept: "due +20h0m0s", bound: shop + " " + other,
		},
		{
			name: "an older one that is due comes after a newer one for later",
			steps: []step{
				{left, -1 * hour, 9 * hour, "", false, "scheduled", "", "list put"},
				{left, -2 * hour, 0, "", false, "unbound unbound", "", "list"},
			},
			kept: "due +9h0m0s",
		},
		{
			name: "delivered twice",
			steps: []step{
				{left, -1 * hour, 9 * hour, "", false, "scheduled", "", "list put"},
				{left, -1 * hour, 9 * hour, "", false, "scheduled", "", "list put"},
			},
			kept: "due +9h0m0s", bound: shop + " " + other,
		},
		{
			name: "taken back",
			steps: []step{
				{left, -2 * hour, 9 * hour, "", false, "scheduled", "", "list put"},
				{taken, -1 * hour, 0, "", false, "cancelled", "was due 2026-11-23T10:00Z", "list put"},
			},
			kept: "cancelled", bound: shop + " " + other,
		},
		{
			name: "taken back before it was announced",
			steps: []step{
				{taken, -1 * hour, 0, "", false, "cancelled", "nothing was scheduled", "list put"},
				{left, -2 * hour, 9 * hour, "", false, "cancelled", "a newer event, of 2026-11-23T00:00Z, takes it back", "list"},
				{left, -2 * hour, 0, "", true, "cancelled cancelled", "takes it back", "list"},
			},
			kept: "cancelled", bound: shop + " " + other,
		},
		{
			name: "taken back at the time at which it was announced",
			steps: []step{
				{taken, -1 * hour, 0, "", false, "cancelled", "", "list put"},
				{left, -1 * hour, 9 * hour, "", false, "cancelled", "", "list"},
			},
			kept: "cancelled", bound: shop + " " + other,
		},
		{
			name: "taken back, then announced again",
			steps: []step{
				{taken, -2 * hour, 0, "", false, "cancelled", "", "list put"},
				{left, -1 * hour, 9 * hour, "", false, "scheduled", "", "list put"},
				{taken, -2 * hour, 0, "", false, "ignored", "overtaken", "list"},
			},
			kept: "due +9h0m0s", bound: shop + " " + other,
		},
		{
			name: "taken back without a merchant covers every schedule of the person",
			steps: []step{
				{left, -3 * hour, 8 * hour, shop, false, "scheduled", "", "list put"},
				{left, -3 * hour, 9 * hour, other, false, "scheduled", "", "list put"},
				{taken, -1 * hour, 0, "", false, "cancelled", "was due 2026-11-23T09:00Z (" + shop + "), 2026-11-23T10:00Z (" + other + ")", "list put remove remove"},
				{left, -3 * hour, 8 * hour, shop, true, "cancelled", "", "list"},
			},
			kept: "cancelled", bound: shop + " " + other,
		},
		{
			name: "taken back without a merchant leaves a newer departure",
			steps: []step{
				{left, -1 * hour, 8 * hour, shop, false, "scheduled", "", "list put"},
				{taken, -2 * hour, 0, "", false, "cancelled", "nothing was scheduled", "list put"},
			},
			kept: "cancelled , due +8h0m0s " + shop, bound: shop + " " + other,
		},
		{
			name: "taken back for one merchant, announced without",
			steps: []step{
				{left, -2 * hour, 9 * hour, "", false, "scheduled", "", "list put"},
				{taken, -1 * hour, 0, shop, false, "failed", "take it back without a merchant; it is due 2026-11-23T10:00Z", "list"},
			},
			kept: "due +9h0m0s", bound: shop + " " + other,
		},
		{
			name: "taken back for one merchant, then announced for every one and a day on which that is forgotten",
			steps: []step{
				{taken, -1 * hour, 0, shop, false, "cancelled", "", "list put"},
				{left, -2 * hour, 400 * hour, "", false, "failed", "takes it back for " + shop + ", but counts for 14 days only", "list"},
			},
			kept: "cancelled " + shop, bound: shop + " " + other,
		},
		{
			name: "taken back for one merchant, then announced for every one by a newer event",
			steps: []step{
				{taken, -2 * hour, 0, shop, false, "cancelled", "", "list put"},
				{left, -1 * hour, 400 * hour, "", false, "scheduled", "", "list put"},
			},
			kept: "cancelled " + shop + ", due +400h0m0s", bound: shop + " " + other,
		},
		{
			name: "taken back for one merchant, then announced for every one and a day before that ends",
			steps: []step{
				{taken, -1 * hour, 0, shop, false, "cancelled", "", "list put"},
				{left, -2 * hour, 9 * hour, "", false, "scheduled", "", "list put"},
				{left, -2 * hour, -1 * time.Second, "", true, "cancelled unbound", "", "list remove"},
			},
			kept: "cancelled " + shop, bound: shop,
		},
		{
			name: "taken back for one merchant, then carried out for every one",
			steps: []step{
				{taken, -1 * hour, 0, shop, false, "cancelled", "", "list put"},
				{left, -2 * hour, 0, "", true, "cancelled unbound", "", "list"},
			},
			kept: "cancelled " + shop, bound: shop,
		},
		{
			name: "what waited is overtaken by a newer departure that is scheduled",
			steps: []step{
				{left, -1 * hour, 9 * hour, shop, false, "scheduled", "", "list put"},
				{left, -2 * hour, -1 * hour, "", true, "ignored unbound", "overtaken", "list"},
			},
			kept: "due +9h0m0s " + shop, bound: shop,
		},
		{
			name:  "at once by a trigger that does not wait: the schedules are asked after the unbinding",
			steps: []step{{left, -1 * hour, 0, "", false, "unbound unbound", "", "list"}},
		},
		{
			name: "at once takes the older schedules with it",
			steps: []step{
				{left, -3 * hour, 9 * hour, "", false, "scheduled", "", "list put"},
				{left, -3 * hour, 9 * hour, shop, false, "scheduled", "", "list put"},
				{left, -3 * hour, 9 * hour, other, false, "scheduled", "", "list put"},
				{left, -1 * hour, 0, shop, false, "unbound", "", "list remove"},
			},
			kept: "due +9h0m0s , due +9h0m0s " + other, bound: other,
		},
		{
			name: "at once for every merchant takes them all",
			steps: []step{
				{left, -3 * hour, 9 * hour, "", false, "scheduled", "", "list put"},
				{left, -3 * hour, 9 * hour, shop, false, "scheduled", "", "list put"},
				{left, -1 * hour, -1 * hour, "", true, "unbound unbound", "", "list remove remove"},
			},
		},
		{
			name:  "due in 20 s, from the queue: it waits there",
			steps: []step{{left, -1 * hour, 20 * time.Second, "", true, "retry", "due 2026-11-23T01:00Z: it waits in the queue", "list"}},
			bound: shop + " " + other,
		},
		{
			name:  "due in 20 s, by SNS",
			steps: []step{{left, -1 * hour, 20 * time.Second, "", false, "scheduled", "", "list put"}},
			kept:  "due +0s", bound: shop + " " + other,
		},
		{
			name: "moved while its schedule fires: verified once more",
			steps: []step{
				{left, -3 * hour, 30 * time.Second, "", false, "scheduled", "", "list put"},
				{left, -1 * hour, 9 * hour, "", false, "retry", "it replaces a departure due 2026-11-23T01:00Z", "list put"},
				{left, -3 * hour, -1 * time.Second, "", true, "ignored ignored", "overtaken", "list"},
				{left, -1 * hour, 9 * hour, "", true, "scheduled", "", "list put"},
			},
			kept: "due +9h0m0s", bound: shop + " " + other,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			kept := &schedules{}
			b := newFixture(t, wedatatest.Options{}, func(c *offboard.Config) { c.Schedules = kept })
			for i, step := range tc.steps {
				kept.calls = nil
				outcomes := b.Run(t.Context(), step.event())[0]
				if got := statusesOf(outcomes); got != step.want || !strings.Contains(outcomes[0].Detail, step.detail) {
					t.Errorf("step %d: got %s (%s), want %s (%s)", i+1, got, outcomes[0].Detail, step.want, step.detail)
				}
				if got := strings.Join(kept.calls, " "); got != step.calls {
					t.Errorf("step %d: calls %s, want %s", i+1, got, step.calls)
				}
			}
			if got := kept.String(); got != tc.kept {
				t.Errorf("kept %q, want %q", got, tc.kept)
			}
			if got := b.boundAt("E1001"); got != tc.bound {
				t.Errorf("bound at %q, want %q", got, tc.bound)
			}
		})
	}
}

// A cancellation ends like a departure comes due: what is put in its place in these minutes may be deleted with it.
func TestAnnouncedAgainWhileACancellationEnds(t *testing.T) {
	for name, row := range map[string]struct {
		ends time.Duration // from now
		want string
	}{
		"it ends just now":         {30 * time.Second, "retry"},
		"it has ended just now":    {-30 * time.Second, "retry"},
		"it ends in ten minutes":   {10 * time.Minute, "scheduled"},
		"it ended ten minutes ago": {-10 * time.Minute, "scheduled"},
	} {
		t.Run(name, func(t *testing.T) {
			ending := departure.Departure{
				Meta: departure.Meta{Type: taken, Time: now.Add(-14 * 24 * hour)}, UID: "E1001", EffectiveAt: now.Add(row.ends),
			}
			kept := &schedules{kept: []departure.Departure{ending}}
			b := newFixture(t, wedatatest.Options{}, func(c *offboard.Config) { c.Schedules = kept })
			again := step{left, -1 * hour, 9 * hour, "", false, "", "", ""}
			got := b.Run(t.Context(), again.event())[0][0]
			if string(got.Status) != row.want || row.want == "retry" && !got.NotBefore.After(now.Add(5*time.Minute)) {
				t.Errorf("%s, not before %v (%s); want %s", got.Status, got.NotBefore, got.Detail, row.want)
			}
		})
	}
}

func (s step) event() departure.Event {
	e := departure.Event{Meta: departure.Meta{Type: s.eventType, Time: now.Add(s.at), Waited: s.waited}, UIDs: []string{"E1001"}}
	if s.due != 0 {
		e.EffectiveAt = now.Add(s.due)
	}
	if s.merchant != "" {
		e.Merchants = []string{s.merchant}
	}
	return e
}

func statusesOf(outcomes []departure.Outcome) string {
	statuses := make([]string, len(outcomes))
	for i, o := range outcomes {
		statuses[i] = string(o.Status)
	}
	return strings.Join(statuses, " ")
}

func (b *fixture) isBound(merchant, uid string) bool {
	return slices.ContainsFunc(b.wechat.Bindings(merchant), func(r wedatatest.Binding) bool { return r.UID == uid && r.Bound })
}

func (b *fixture) boundAt(uid string) string {
	var merchants []string
	for _, merchant := range []string{shop, other} {
		if b.isBound(merchant, uid) {
			merchants = append(merchants, merchant)
		}
	}
	return strings.Join(merchants, " ")
}

func TestAFaultOfTheSchedulesIsRetried(t *testing.T) {
	for _, tc := range []struct {
		name string
		deny string
		step step
		kept []departure.Departure
		want departure.Status
	}{
		{"nobody says what is kept, and the departure waited", "list", step{eventType: left, waited: true, merchant: shop}, nil, departure.Retry},
		{"nobody says what is kept, and the departure is later", "list", step{eventType: left, due: hour, merchant: shop}, nil, departure.Retry},
		{"a later departure is not kept", "put", step{eventType: left, due: hour, merchant: shop}, nil, departure.Retry},
		{"a cancellation is not kept", "put", step{eventType: taken, merchant: shop}, nil, departure.Retry},
		{"what is taken back stays", "remove", step{eventType: taken}, []departure.Departure{
			{Meta: departure.Meta{Type: left, Time: now.Add(-hour)}, UID: "E1001", Merchant: shop, EffectiveAt: now.Add(hour)},
		}, departure.Retry},
		{"what was carried out stays in the schedules", "remove", step{eventType: left, merchant: shop}, []departure.Departure{
			{Meta: departure.Meta{Type: left, Time: now.Add(-hour)}, UID: "E1001", Merchant: shop, EffectiveAt: now.Add(hour)},
		}, departure.Unbound},
		{"nobody says what is kept after an unbinding", "list", step{eventType: left, merchant: shop}, nil, departure.Unbound},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newFixture(t, wedatatest.Options{}, func(c *offboard.Config) { c.Schedules = &schedules{deny: tc.deny, kept: tc.kept} })
			got := b.Run(t.Context(), tc.step.event())[0][0]
			if got.Status != tc.want || got.Class != "schedule" || !strings.Contains(got.Detail, tc.deny+" denied") {
				t.Errorf("got %s, %s: %s", got.Status, got.Class, got.Detail)
			}
			if bound := b.isBound(shop, "E1001"); bound == (tc.want == departure.Unbound) {
				t.Errorf("bound: %v", bound)
			}
		})
	}
}

// oneToken is a secret with the token of one merchant.
type oneToken struct {
	offboard.Tokens
	err error
}

func (s oneToken) Merchants(context.Context) ([]string, bool, error) {
	return []string{shop}, false, s.err
}

// A webhook names the one merchant of a single token. Its cancellation was refused where another sender had announced the
// departure without a merchant, and the person was unbound on the day.
func TestACancellationByAWebhookTakesBackWhatAnotherSenderAnnounced(t *testing.T) {
	for _, tc := range []struct {
		name   string
		err    error
		cancel string // the merchant
		want   string
		kept   string
	}{
		{"of the one merchant", nil, shop, "cancelled", "cancelled " + shop},
		{"of another merchant", nil, other, "failed", "due +9h0m0s"},
		{"while the secret cannot be read", deniedError("secret: throttled"), shop, "retry", "due +9h0m0s"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			kept := &schedules{kept: []departure.Departure{
				{Meta: departure.Meta{Type: left, Time: now.Add(-2 * hour)}, UID: "E1001", EffectiveAt: now.Add(9 * hour)},
			}}
			b := newFixture(t, wedatatest.Options{}, func(c *offboard.Config) {
				c.Schedules, c.Tokens = kept, oneToken{c.Tokens, tc.err}
			})
			outcomes := b.Run(t.Context(), step{eventType: taken, at: -1 * hour, merchant: tc.cancel}.event())[0]
			if got := statusesOf(outcomes); got != tc.want || kept.String() != tc.kept {
				t.Errorf("got %s (%s) and %q, want %s and %q", got, outcomes[0].Detail, kept, tc.want, tc.kept)
			}
		})
	}
}

// So it is where a webhook moves a departure forward: the older schedule would unbind once more on its day.
func TestADepartureByAWebhookRemovesWhatAnotherSenderAnnounced(t *testing.T) {
	kept := &schedules{kept: []departure.Departure{
		{Meta: departure.Meta{Type: left, Time: now.Add(-2 * hour)}, UID: "E1001", EffectiveAt: now.Add(9 * hour)},
	}}
	b := newFixture(t, wedatatest.Options{}, func(c *offboard.Config) { c.Schedules, c.Tokens = kept, oneToken{c.Tokens, nil} })
	outcomes := b.Run(t.Context(), step{eventType: left, at: -1 * hour, merchant: shop, waited: true}.event())[0]
	if statusesOf(outcomes) != "unbound" || kept.String() != "" {
		t.Errorf("got %s (%s), and %q is kept", statusesOf(outcomes), outcomes[0].Detail, kept)
	}
}

// Who is in no list now may be bound again by the day of an older schedule, and would be unbound on it.
func TestADepartureOfSomebodyUnknownRemovesTheOlderSchedule(t *testing.T) {
	kept := &schedules{kept: []departure.Departure{
		{Meta: departure.Meta{Type: left, Time: now.Add(-2 * hour)}, UID: "E4040", Merchant: shop, EffectiveAt: now.Add(9 * hour)},
	}}
	b := newFixture(t, wedatatest.Options{}, func(c *offboard.Config) { c.Schedules = kept })
	event := step{eventType: left, at: -1 * hour, merchant: shop}.event()
	event.UIDs = []string{"E4040"}
	outcomes := b.Run(t.Context(), event)[0]
	if statusesOf(outcomes) != "unknown" || kept.String() != "" {
		t.Errorf("got %s (%s), and %q is kept", statusesOf(outcomes), outcomes[0].Detail, kept)
	}
}

// The class of the schedules took the place of unverified: the log then said unbound of people who were still bound.
func TestAnUnverifiedUnbindingSaysSoWhereAScheduleIsLeft(t *testing.T) {
	b := newFixture(t, wedatatest.Options{}, func(c *offboard.Config) { c.Schedules = &schedules{deny: "list"} })
	b.wechat.Fail(wedatatest.Fault{Errcode: 48001, Times: -1, Path: wedatatest.ListPath})
	got := b.Run(t.Context(), step{eventType: left, merchant: shop}.event())[0][0]
	if got.Status != departure.Unbound || got.Class != "unverified" || !strings.Contains(got.Detail, "list denied") {
		t.Errorf("got %s, %s: %s", got.Status, got.Class, got.Detail)
	}
}

// One list call is all that a departure from the queue costs, and the token is read meanwhile.
func TestTheSchedulesAreAskedOnceForAPersonBesideTheToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kept := &schedules{takes: time.Second}
		b := newFixture(t, wedatatest.Options{}, func(c *offboard.Config) {
			c.Schedules = kept
			c.Tokens = slowTokens{c.Tokens}
		})
		begun := time.Now()
		first, second := step{eventType: left, waited: true}.event(), step{eventType: left, waited: true, merchant: shop}.event()
		b.Run(t.Context(), first, second)
		if took := time.Since(begun); len(kept.calls) != 1 || took != time.Second {
			t.Errorf("calls %v, after %v", kept.calls, took)
		}
	})
}

type slowTokens struct{ offboard.Tokens }

func (s slowTokens) Token(ctx context.Context, merchant string) (offboard.Token, error) {
	time.Sleep(time.Second)
	return s.Tokens.Token(ctx, merchant)
}

// Events of one batch count in the order of their times.
func TestABatchWithADepartureAndItsCancellation(t *testing.T) {
	kept := &schedules{}
	b := newFixture(t, wedatatest.Options{}, func(c *offboard.Config) { c.Schedules = kept })
	cancelled, announced := step{eventType: taken, at: -1 * hour}.event(), step{eventType: left, at: -2 * hour, due: hour}.event()
	atOnce := step{eventType: left, at: -2 * hour, waited: true}.event()
	got := b.Run(t.Context(), cancelled, announced, atOnce)
	if s := statusesOf(slices.Concat(got...)); s != "cancelled scheduled cancelled cancelled" || kept.String() != "cancelled" {
		t.Errorf("got %s; kept %s", s, kept)
	}
	if got := b.boundAt("E1001"); got != shop+" "+other {
		t.Errorf("bound at %s", got)
	}
}

func TestWithoutSchedulesNothingIsEarlyOrAsked(t *testing.T) {
	b := newFixture(t, wedatatest.Options{})
	for _, step := range []step{{eventType: left, due: hour}, {eventType: taken}} {
		got := b.Run(t.Context(), step.event())[0]
		if len(got) != 1 || got[0].Status != departure.Failed || got[0].Class != "schedule" || !strings.Contains(got[0].Detail, "UNBIND_SCHEDULE_GROUP") {
			t.Errorf("got %v", got)
		}
	}
	if got := b.Run(t.Context(), step{eventType: left, waited: true, merchant: shop}.event())[0][0]; got.Status != departure.Unbound {
		t.Errorf("got %s", got.Status)
	}
}

func TestADryRunOfLaterEventsChangesNothing(t *testing.T) {
	kept := &schedules{}
	b := newFixture(t, wedatatest.Options{}, func(c *offboard.Config) { c.Schedules = kept })
	got := b.DryRun(t.Context(), step{eventType: left, due: hour, merchant: shop}.event(), step{eventType: taken}.event())
	if s := statusesOf(slices.Concat(got...)); s != "would_unbind ignored" || len(kept.calls) > 0 {
		t.Errorf("got %s; calls %v", s, kept.calls)
	}
}
