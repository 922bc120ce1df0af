package offboard_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/lambdatest"
	"wedata-unbind/internal/offboard"
	"wedata-unbind/internal/wedata"
	"wedata-unbind/internal/wedata/wedatatest"
)

const (
	shop  = "wx0123456789abcdef"
	other = "wxfedcba9876543210"
)

var now = time.Date(2026, 11, 23, 1, 0, 0, 0, time.UTC)

// fixture is a service over a stand-in for WeChat, and the tokens it is given.
type fixture struct {
	*offboard.Service
	wechat *wedatatest.Server
	tokens *tokens
}

func newFixture(t *testing.T, options wedatatest.Options, change ...func(*offboard.Config)) *fixture {
	t.Helper()
	wechat := wedatatest.New(options)
	httpClient, url := lambdatest.InMemory(t, wechat)
	client, err := wedata.New(wedata.Config{BaseURL: url, HTTPClient: httpClient})
	if err != nil {
		t.Fatal(err)
	}
	b := &fixture{wechat: wechat, tokens: &tokens{values: map[string]string{}}}
	for _, merchant := range []string{shop, other} {
		b.tokens.set(merchant, wechat.Rotate(merchant))
		wechat.Bind(merchant, wedatatest.Bound("E1001"), wedatatest.Bound("E1002"), wedatatest.Administrator("E1003"), wedatatest.Unbound("E1004"))
	}
	cfg := offboard.Config{API: client, Tokens: b.tokens, Backoff: time.Microsecond, Now: func() time.Time { return now }}
	for _, f := range change {
		f(&cfg)
	}
	if b.Service, err = offboard.New(cfg); err != nil {
		t.Fatal(err)
	}
	return b
}

// one carries out the departure of one uid from shop.
func (b *fixture) one(t *testing.T, uid string) departure.Outcome {
	t.Helper()
	outcomes := b.Run(t.Context(), leaves(uid))
	if len(outcomes) != 1 || len(outcomes[0]) != 1 {
		t.Fatalf("%d outcomes of one departure", len(slices.Concat(outcomes...)))
	}
	return outcomes[0][0]
}

// calls returns how often each of WeChat's two calls was made.
func (b *fixture) calls() (unbind, list int) {
	for _, c := range b.wechat.Calls() {
		switch c.Path {
		case wedatatest.UnbindPath:
			unbind++
		case wedatatest.ListPath:
			list++
		}
	}
	return unbind, list
}

func leaves(uids ...string) departure.Event {
	return departure.Event{Meta: departure.Meta{Type: departure.TypeLeft}, UIDs: uids, Merchants: []string{shop}}
}

// tokens is a secret store in memory.
type tokens struct {
	mu      sync.Mutex
	values  map[string]string
	next    map[string]string // what a renewal finds
	err     error
	renewed int
	listed  int // how often Merchants was asked
}

type passing struct{}

func (passing) Error() string   { return "secret wedata/token: throttled" }
func (passing) Temporary() bool { return true }

func (s *tokens) set(merchant, value string) { s.values[merchant] = value }

func (s *tokens) Merchants(context.Context) ([]string, bool, error) {
	s.listed++
	merchants := make([]string, 0, len(s.values))
	for m := range s.values {
		merchants = append(merchants, m)
	}
	slices.Sort(merchants)
	return merchants, true, s.err
}

func (s *tokens) Token(_ context.Context, merchant string) (offboard.Token, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	value, ok := s.values[merchant]
	if !ok {
		return offboard.Token{}, fmt.Errorf("merchant %s: not in secret wedata/token", merchant)
	}
	return offboard.Token{Value: value, SecretID: "wedata/token", Written: now.Add(-3*time.Hour - 12*time.Minute)}, s.err
}

func (s *tokens) Renew(ctx context.Context, merchant string, _ offboard.Token) (offboard.Token, error) {
	s.mu.Lock()
	s.renewed++
	if next, ok := s.next[merchant]; ok {
		s.values[merchant] = next
	}
	s.mu.Unlock()
	return s.Token(ctx, merchant)
}

func TestTheBindListVerifiesEveryUnbinding(t *testing.T) {
	for _, tc := range []struct {
		name     string
		notBound int
		uid      string
		want     departure.Status
		attempts int
	}{
		{"a bound uid", 0, "E1001", departure.Unbound, 1},
		{"an administrator, whose membership stays", 0, "E1003", departure.Unbound, 1},
		{"a uid that is unbound already", 0, "E1004", departure.Unbound, 1},
		{"a uid that is unbound already, with the error busy", -1, "E1004", departure.Unbound, 4},
		{"a uid that is unbound already, with the error bad arguments", 40097, "E1004", departure.Unbound, 1},
		{"a uid that is not bound, with errcode 0", 0, "E9999", departure.Unknown, 1},
		{"a uid that is not bound, with the error busy", -1, "E9999", departure.Unknown, 4},
		{"a uid that is not bound, with the error bad arguments", 40097, "E9999", departure.Unknown, 1},
		{"a uid that is not bound, with the error bad parameters", 9900004, "E9999", departure.Unknown, 1},
		{"a uid that is not bound, with an undocumented errcode", 99999, "E9999", departure.Unknown, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newFixture(t, wedatatest.Options{NotBound: tc.notBound})
			got := b.one(t, tc.uid)
			if got.Status != tc.want || got.Attempts != tc.attempts {
				t.Errorf("got %s after %d attempts (%s), want %s after %d", got.Status, got.Attempts, got.Detail, tc.want, tc.attempts)
			}
			if _, list := b.calls(); list != 1 {
				t.Errorf("the list was read %d times", list)
			}
		})
	}
}

func TestAUidThatIsStillBoundIsRetried(t *testing.T) {
	b := newFixture(t, wedatatest.Options{})
	service, err := offboard.New(offboard.Config{API: successAPI{}, Tokens: b.tokens})
	if err != nil {
		t.Fatal(err)
	}
	got := service.Run(t.Context(), leaves("E1001"))[0][0]
	if got.Status != departure.Retry || !strings.Contains(got.Detail, "still shows the uid as bound") {
		t.Errorf("got %s: %s", got.Status, got.Detail)
	}
}

// successAPI answers every unbinding with success, and its list still has the uid as bound.
type successAPI struct{}

func (successAPI) UnbindUser(context.Context, string, string) error { return nil }

func (successAPI) QueryBindList(context.Context, string, func(string) bool) ([]wedata.Binding, error) {
	return []wedata.Binding{{UID: "E1001", Bound: true}}, nil
}

// A uid may stand in the list twice. Any row that is bound counts, wherever it stands.
func TestAUidInTwoRowsIsBoundIfOneOfThemIs(t *testing.T) {
	for _, rows := range [][]bool{{true, false}, {false, true}, {false, true, false}} {
		api := &listAPI{}
		for _, bound := range rows {
			api.list = append(api.list, wedata.Binding{UID: "E1001", Bound: bound}, wedata.Binding{UID: "E1002"}, wedata.Binding{UID: "E1002"})
		}
		service, err := offboard.New(offboard.Config{API: api, Tokens: &tokens{values: map[string]string{shop: "61_token"}}})
		if err != nil {
			t.Fatal(err)
		}
		got := service.Run(t.Context(), leaves("E1001", "E1002"))[0]
		if got[0].Status != departure.Retry || got[0].Class != "still_bound" || got[1].Status != departure.Unbound {
			t.Errorf("%v: got %s (%s) and %s", rows, got[0].Status, got[0].Class, got[1].Status)
		}
		dry := service.DryRun(t.Context(), leaves("E1001", "E1002"))[0]
		if dry[0].Status != departure.WouldUnbind || dry[1].Status != departure.Unbound {
			t.Errorf("%v: the dry run is %s and %s", rows, dry[0].Status, dry[1].Status)
		}
	}
}

func TestAListKeepsOnlyTheLeavers(t *testing.T) {
	api := &listAPI{list: []wedata.Binding{{UID: "E1001"}, {UID: "E1002"}}}
	service, err := offboard.New(offboard.Config{API: api, Tokens: &tokens{values: map[string]string{shop: "61_token"}}})
	if err != nil {
		t.Fatal(err)
	}
	service.Run(t.Context(), leaves("E1001", "E9999"))
	service.DryRun(t.Context(), leaves("E1002"))
	if want := []string{"E1001", "E1002"}; !slices.Equal(api.kept, want) {
		t.Errorf("kept %v, want %v", api.kept, want)
	}
	if all, err := service.Bindings(t.Context(), nil); err != nil || len(all) != 2 {
		t.Errorf("got %v, %v", all, err)
	}
}

func TestListsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &tokens{values: map[string]string{}}
		for i := range 40 {
			store.set(fmt.Sprintf("wx%016x", i), "61_token")
		}
		api := &listAPI{list: []wedata.Binding{{UID: "E1001"}}, takes: time.Second}
		service, err := offboard.New(offboard.Config{API: api, Tokens: store})
		if err != nil {
			t.Fatal(err)
		}
		want := func(what string, most int, took time.Duration) {
			t.Helper()
			if api.most != most || time.Since(api.begun) != took {
				t.Errorf("%s: %d at once, after %v; want %d, %v", what, api.most, time.Since(api.begun), most, took)
			}
			api.most = 0
		}
		api.begun = time.Now()
		if _, err := service.Bindings(t.Context(), nil); err != nil {
			t.Error(err)
		}
		want("whole lists need memory", 4, 10*time.Second)

		event := leaves("E1001")
		event.Merchants = nil
		api.begun = time.Now()
		service.Run(t.Context(), event)
		want("of others little is kept", 16, 3*time.Second)

		// A wait for a whole list ends with the context.
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		api.begun = time.Now()
		if _, err := service.Bindings(ctx, nil); err == nil {
			t.Error("no error without time")
		}
		want("no time", 4, 1500*time.Millisecond)
	})
}

// listAPI answers every unbinding with success and changes nothing. It returns its list.
type listAPI struct {
	list  []wedata.Binding
	takes time.Duration
	begun time.Time

	mu        sync.Mutex
	now, most int // how many lists are read, and were at most
	kept      []string
}

func (*listAPI) UnbindUser(context.Context, string, string) error { return nil }

func (a *listAPI) QueryBindList(ctx context.Context, _ string, keep func(string) bool) (list []wedata.Binding, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.now++
	a.most = max(a.most, a.now)
	a.mu.Unlock()
	select {
	case <-time.After(a.takes):
	case <-ctx.Done():
		err = ctx.Err()
	}
	a.mu.Lock()
	a.now--
	for _, b := range a.list {
		if keep == nil || keep(b.UID) {
			list = append(list, b)
			if keep != nil {
				a.kept = append(a.kept, b.UID)
			}
		}
	}
	return list, err
}

func TestEveryErrorHasItsStatus(t *testing.T) {
	for _, tc := range []struct {
		name     string
		errcodes []int
		want     departure.Status
		attempts int
		list     int
	}{
		{"busy: four attempts, then the queue", []int{-1}, departure.Retry, 4, 1},
		{"a refused token: one more attempt", []int{40001, 40014, 42001, 41001}, departure.Retry, 2, 0},
		{"rate and quota", []int{45011, 45009}, departure.Retry, 1, 0},
		{"an undocumented code", []int{12345}, departure.Retry, 1, 1},
		{"authorization", []int{42007}, departure.Failed, 1, 0},
		{"kind of token", []int{61014, 61015}, departure.Failed, 1, 0},
		{"permission", []int{48001, 61007, 61003, 61016, 61017, 61028}, departure.Failed, 1, 0},
		{"IP", []int{61004, 40164, 45035}, departure.Failed, 1, 0},
		{"blocked", []int{48004, 50002, 50004}, departure.Failed, 1, 0},
		{"bad input", []int{47001, 47002, 40097, 44002, 43002, 43003, 40066, 40013, 9900004}, departure.Failed, 1, 1},
	} {
		for _, errcode := range tc.errcodes {
			t.Run(fmt.Sprintf("%s: %d", tc.name, errcode), func(t *testing.T) {
				b := newFixture(t, wedatatest.Options{})
				b.wechat.Fail(wedatatest.Fault{Times: -1, Errcode: errcode, Path: wedatatest.UnbindPath})
				got := b.one(t, "E1001")
				if got.Status != tc.want || got.Attempts != tc.attempts || got.ErrCode != errcode || got.RID == "" || got.Detail == "" {
					t.Errorf("got %s after %d attempts, errcode %d, rid %q (%s), want %s after %d", got.Status, got.Attempts, got.ErrCode, got.RID, got.Detail, tc.want, tc.attempts)
				}
				if _, list := b.calls(); list != tc.list {
					t.Errorf("the list was read %d times, want %d", list, tc.list)
				}
			})
		}
	}
}

func TestUnclearRepliesAreRetriedFromTheQueue(t *testing.T) {
	for _, kind := range []wedatatest.Kind{wedatatest.HTML, wedatatest.Empty, wedatatest.Truncated, wedatatest.NoErrcode, wedatatest.Oversized} {
		t.Run(string(kind), func(t *testing.T) {
			b := newFixture(t, wedatatest.Options{})
			b.wechat.Fail(wedatatest.Fault{Kind: kind})
			got := b.one(t, "E1001")
			if _, list := b.calls(); got.Status != departure.Retry || got.Attempts != 1 || list != 1 {
				t.Errorf("got %s after %d attempts and %d lists: %s", got.Status, got.Attempts, list, got.Detail)
			}
		})
	}
}

func TestFaultsOfServerAndNetworkAreTriedAgain(t *testing.T) {
	for _, fault := range []wedatatest.Fault{{Status: 500}, {Status: 502}, {Kind: wedatatest.Reset}} {
		fault.Times = -1
		t.Run(fmt.Sprintf("%s%d always", fault.Kind, fault.Status), func(t *testing.T) {
			b := newFixture(t, wedatatest.Options{}, func(c *offboard.Config) { c.Attempts = 2 })
			b.wechat.Fail(fault)
			if got := b.one(t, "E1001"); got.Status != departure.Retry || got.Attempts != 2 {
				t.Errorf("got %s after %d attempts: %s", got.Status, got.Attempts, got.Detail)
			}
		})
		fault.Times = 1
		t.Run(fmt.Sprintf("%s%d once", fault.Kind, fault.Status), func(t *testing.T) {
			b := newFixture(t, wedatatest.Options{})
			b.wechat.Fail(fault)
			if got := b.one(t, "E1001"); got.Status != departure.Unbound {
				t.Errorf("got %s after %d attempts: %s", got.Status, got.Attempts, got.Detail)
			}
		})
	}
}

func TestALostReplyToAnUnbindingIsVerifiedByTheList(t *testing.T) {
	b := newFixture(t, wedatatest.Options{NotBound: 40097})
	b.wechat.Fail(wedatatest.Fault{Kind: wedatatest.Truncated, Done: true})
	if got := b.one(t, "E1001"); got.Status != departure.Unbound || got.Detail != "" {
		t.Errorf("got %s: %s", got.Status, got.Detail)
	}
}

func TestTheDetailSaysThatTheListCannotBeRead(t *testing.T) {
	b := newFixture(t, wedatatest.Options{UnbindOnly: true})
	got := b.one(t, "E1001")
	if got.Status != departure.Unbound || !strings.HasPrefix(got.Detail, "not verified, the bind list could not be read: wedata: query bind list: HTTP 404") {
		t.Errorf("got %s: %s", got.Status, got.Detail)
	}
	if calls := b.wechat.Calls(); len(calls) != 2 {
		t.Errorf("%d calls, want one of each", len(calls))
	}
}

func TestTrustTakesErrcode0WithoutTheList(t *testing.T) {
	b := newFixture(t, wedatatest.Options{}, func(c *offboard.Config) { c.Trust = true })
	got := b.one(t, "E9999")
	if unbind, list := b.calls(); got.Status != departure.Unbound || unbind != 1 || list != 0 {
		t.Errorf("got %s after %d unbindings and %d lists", got.Status, unbind, list)
	}
}

func TestARotatedTokenIsRenewedOnce(t *testing.T) {
	b := newFixture(t, wedatatest.Options{})
	b.tokens.next = map[string]string{shop: b.wechat.Rotate(shop)}
	outcomes := b.Run(t.Context(), leaves("E1001", "E1002", "E1003"))[0]
	for _, o := range outcomes {
		if o.Status != departure.Unbound {
			t.Errorf("%s: got %s: %s", o.UID, o.Status, o.Detail)
		}
	}
	if b.tokens.renewed != 1 {
		t.Errorf("the token was renewed %d times", b.tokens.renewed)
	}
}

func TestATokenThatStaysRefusedIsReportedWithItsAge(t *testing.T) {
	b := newFixture(t, wedatatest.Options{})
	b.wechat.Rotate(shop)
	uids := make([]string, 40)
	for i := range uids {
		uids[i] = fmt.Sprintf("E%d", i)
	}
	const want = "token of " + shop + " refused (40001); secret wedata/token was last written 3h12m ago, tokens live 2h: check what refreshes it"
	for _, o := range b.Run(t.Context(), leaves(uids...))[0] {
		if o.Status != departure.Retry || o.Detail != want || o.Class != string(wedata.TokenRefused) {
			t.Fatalf("got %s: %s", o.Status, o.Detail)
		}
	}
	// The first 16 are under way at once; of what waits behind them nothing is sent.
	if unbind, _ := b.calls(); unbind > 2*16 || b.tokens.renewed != 1 {
		t.Errorf("%d calls and %d renewals", unbind, b.tokens.renewed)
	}
}

func TestARateLimitedMerchantGetsNoMoreCalls(t *testing.T) {
	b := newFixture(t, wedatatest.Options{}, func(c *offboard.Config) { c.Concurrency = 1 })
	b.wechat.Fail(wedatatest.Fault{Times: -1, Errcode: 45011, Merchant: shop})
	event := leaves("E1001", "E1002", "E1003")
	event.Merchants = []string{shop, other}
	outcomes := b.Run(t.Context(), event)[0]
	attempts := 0
	for _, o := range outcomes {
		want := departure.Unbound
		if o.Merchant == shop {
			want = departure.Retry
			attempts += o.Attempts
			if o.ErrCode != 45011 || o.Class != string(wedata.MinuteRate) {
				t.Errorf("got errcode %d, class %s", o.ErrCode, o.Class)
			}
		}
		if o.Status != want {
			t.Errorf("%s of %s: got %s", o.UID, o.Merchant, o.Status)
		}
	}
	if attempts != 1 {
		t.Errorf("%d unbindings sent, want 1", attempts)
	}
}

func TestAMerchantWithoutPermissionGetsOneCall(t *testing.T) {
	for _, errcode := range []int{48001, 61004, 48004, 42007, 61014} {
		b := newFixture(t, wedatatest.Options{}, func(c *offboard.Config) { c.Concurrency = 1 })
		b.wechat.Fail(wedatatest.Fault{Times: -1, Errcode: errcode})
		outcomes := b.Run(t.Context(), leaves("E1001", "E1002", "E1003"))[0]
		for _, o := range outcomes {
			if o.Status != departure.Failed || o.ErrCode != errcode {
				t.Errorf("%d: %s is %s with errcode %d", errcode, o.UID, o.Status, o.ErrCode)
			}
		}
		if calls := b.wechat.Calls(); len(calls) != 1 {
			t.Errorf("%d: %d calls, want 1", errcode, len(calls))
		}
	}
}

func TestThePausesGrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const backoff, runs = time.Second, 200
		api := &busyAPI{}
		service, err := offboard.New(offboard.Config{API: api, Tokens: &tokens{values: map[string]string{shop: "61_token"}}, Backoff: backoff})
		if err != nil {
			t.Fatal(err)
		}
		longest := make([]time.Duration, 3)
		for range runs {
			api.calls = nil
			service.Run(t.Context(), leaves("E1001"))
			if len(api.calls) != 4 {
				t.Fatalf("%d calls", len(api.calls))
			}
			for i := range longest {
				longest[i] = max(longest[i], api.calls[i+1].Sub(api.calls[i]))
			}
		}
		// Full jitter: of 200 pauses between nothing and the limit, the longest comes near it.
		for i, got := range longest {
			if limit := backoff << i; got > limit+time.Nanosecond || got < limit*3/4 {
				t.Errorf("pause %d is at most %v, want nearly %v", i+1, got, limit)
			}
		}
	})
}

// busyAPI answers every call with busy, and records when it was called.
type busyAPI struct{ calls []time.Time }

func (a *busyAPI) UnbindUser(context.Context, string, string) error {
	a.calls = append(a.calls, time.Now())
	return &wedata.Error{Op: "unbind user", Code: -1, Class: wedata.Busy}
}

func (a *busyAPI) QueryBindList(context.Context, string, func(string) bool) ([]wedata.Binding, error) {
	return nil, &wedata.Error{Op: "query bind list", Code: 45011, Class: wedata.MinuteRate}
}

func TestThreeHundredMerchantsAndOneWithoutPermission(t *testing.T) {
	b := newFixture(t, wedatatest.Options{})
	clear(b.tokens.values)
	for i := range 300 {
		merchant := fmt.Sprintf("wx%016x", i)
		b.tokens.set(merchant, b.wechat.Rotate(merchant))
		b.wechat.Bind(merchant, wedatatest.Bound("E1001"))
	}
	denied := fmt.Sprintf("wx%016x", 7)
	b.wechat.Grant(denied, false)
	event := leaves("E1001")
	event.Merchants = nil
	outcomes := b.Run(t.Context(), event)[0]
	if len(outcomes) != 300 || !slices.IsSortedFunc(outcomes, func(a, b departure.Outcome) int { return strings.Compare(a.Merchant, b.Merchant) }) {
		t.Fatalf("%d outcomes, or not in order", len(outcomes))
	}
	for _, o := range outcomes {
		want := departure.Unbound
		if o.Merchant == denied {
			want = departure.Failed
		}
		if o.Status != want {
			t.Errorf("%s: got %s (%s), want %s", o.Merchant, o.Status, o.Detail, want)
		}
	}
}

func TestTheListIsReadOncePerMerchantAndBatch(t *testing.T) {
	b := newFixture(t, wedatatest.Options{})
	everywhere := leaves("E1001")
	everywhere.Merchants = nil
	outcomes := b.Run(t.Context(), leaves("E1001", "E1002"), everywhere, leaves("E1003"), departure.Event{Meta: everywhere.Meta, UIDs: []string{"E9999"}})
	var got []string
	for i, perEvent := range outcomes {
		for _, o := range perEvent {
			got = append(got, fmt.Sprint(i, " ", o.UID, " ", o.Merchant, " ", o.Status))
		}
	}
	want := []string{
		"0 E1001 " + shop + " unbound", "0 E1002 " + shop + " unbound",
		"1 E1001 " + shop + " unbound", "1 E1001 " + other + " unbound",
		"2 E1003 " + shop + " unbound",
		"3 E9999 " + shop + " unknown", "3 E9999 " + other + " unknown",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if unbind, list := b.calls(); unbind != 7 || list != 2 || b.tokens.listed != 1 {
		t.Errorf("%d unbindings, %d lists, merchants asked for %d times, want 7, 2 and 1", unbind, list, b.tokens.listed)
	}
	calls := b.wechat.Calls()
	for i, c := range calls {
		later := func(d wedatatest.Call) bool { return d.Merchant == c.Merchant && d.Path == wedatatest.UnbindPath }
		if c.Path == wedatatest.ListPath && slices.ContainsFunc(calls[i:], later) {
			t.Error("a list was read before the merchant's last unbinding")
		}
	}
}

func TestWhatIsNotDueIsNotSent(t *testing.T) {
	later := leaves("E1001")
	later.EffectiveAt = now.Add(time.Second)
	cancelled := leaves("E1001")
	cancelled.Type = departure.TypeCancelled
	for _, tc := range []struct {
		name  string
		event departure.Event
		want  departure.Status
	}{
		{"a departure in the future", later, departure.Failed},
		{"a departure that was taken back", cancelled, departure.Failed},
		{"an event that is ignored", departure.Event{Status: departure.Ignored, Detail: "a reason"}, departure.Ignored},
		{"an event with an unmapped uid", departure.Event{UIDs: []string{"E1001"}, Status: departure.Unknown, Detail: "a reason"}, departure.Unknown},
		{"an event that could not be read", departure.Refuse(departure.Meta{}, errors.New("a reason")), departure.Failed},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newFixture(t, wedatatest.Options{})
			got := b.Run(t.Context(), tc.event)[0]
			if len(got) != 1 || got[0].Status != tc.want || got[0].Detail == "" {
				t.Errorf("got %+v", got)
			}
			if calls := b.wechat.Calls(); len(calls) > 0 {
				t.Errorf("WeChat was called: %+v", calls)
			}
		})
	}
}

func TestADepartureThatIsDueIsCarriedOut(t *testing.T) {
	b := newFixture(t, wedatatest.Options{})
	due := leaves("E1001")
	due.EffectiveAt = now
	if got := b.Run(t.Context(), due)[0][0]; got.Status != departure.Unbound {
		t.Errorf("got %s: %s", got.Status, got.Detail)
	}
}

func TestErrorsOfTheTokenHaveTheirStatus(t *testing.T) {
	for _, tc := range []struct {
		name string
		err  error
		want departure.Status
	}{
		{"a temporary one", fmt.Errorf("token: %w", passing{}), departure.Retry},
		{"a lasting one", errors.New("secret wedata/token: missing"), departure.Failed},
		{"no time left", fmt.Errorf("token: %w", context.DeadlineExceeded), departure.Retry},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newFixture(t, wedatatest.Options{})
			b.tokens.err = tc.err
			everywhere := leaves("E1001", "E1002")
			everywhere.Merchants = nil
			outcomes := b.Run(t.Context(), leaves("E1001"), everywhere)
			if len(outcomes[1]) != 2 {
				t.Fatalf("%d outcomes of two people", len(outcomes[1]))
			}
			for _, o := range slices.Concat(outcomes...) {
				if o.Status != tc.want || o.UID == "" || o.Detail != tc.err.Error() || o.Attempts != 0 {
					t.Errorf("got %+v", o)
				}
			}
		})
	}
}

func TestWithoutTimeNothingIsSent(t *testing.T) {
	b := newFixture(t, wedatatest.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	got := b.Run(ctx, leaves("E1001", "E1002"))[0]
	for _, o := range got {
		if o.Status != departure.Retry || !strings.HasPrefix(o.Detail, "no time left") {
			t.Errorf("got %s: %s", o.Status, o.Detail)
		}
	}
	if calls := b.wechat.Calls(); len(calls) > 0 {
		t.Errorf("WeChat was called: %+v", calls)
	}
}

func TestNoPauseBeyondTheDeadline(t *testing.T) {
	b := newFixture(t, wedatatest.Options{}, func(c *offboard.Config) { c.Backoff = 24 * time.Hour })
	b.wechat.Fail(wedatatest.Fault{Times: -1, Errcode: -1})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	got := b.Run(ctx, leaves("E1001"))[0][0]
	if got.Status != departure.Retry || ctx.Err() != nil {
		t.Errorf("got %s, %v", got.Status, ctx.Err())
	}
}

func TestADryRunChangesNothing(t *testing.T) {
	b := newFixture(t, wedatatest.Options{})
	got := b.DryRun(t.Context(), leaves("E1001", "E9999", "E1004"))[0]
	for i, want := range []departure.Status{departure.WouldUnbind, departure.Unknown, departure.Unbound} {
		if got[i].Status != want {
			t.Errorf("%s: got %s, want %s", got[i].UID, got[i].Status, want)
		}
	}
	if unbind, list := b.calls(); unbind != 0 || list != 1 {
		t.Errorf("%d unbindings and %d lists", unbind, list)
	}
	later := leaves("E1001")
	later.EffectiveAt = now.Add(time.Hour)
	if got := b.DryRun(t.Context(), later)[0][0]; got.Status != departure.WouldUnbind || got.Detail != "due 2026-11-23T02:00Z" {
		t.Errorf("a later departure: the dry run says %s (%s)", got.Status, got.Detail)
	}
	b.wechat.Grant(shop, false)
	if got := b.DryRun(t.Context(), leaves("E1001"))[0][0]; got.Status != departure.Failed || got.ErrCode != 48001 {
		t.Errorf("without permission: got %s, %d", got.Status, got.ErrCode)
	}
}

func TestBindingsAreSortedAndWhole(t *testing.T) {
	b := newFixture(t, wedatatest.Options{})
	list, err := b.Bindings(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, row := range list {
		got = append(got, fmt.Sprint(row.Merchant, " ", row.UID, " ", row.Bound))
	}
	want := []string{
		shop + " E1001 true", shop + " E1002 true", shop + " E1003 true", shop + " E1004 false",
		other + " E1001 true", other + " E1002 true", other + " E1003 true", other + " E1004 false",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	b.wechat.Grant(other, false)
	if list, err := b.Bindings(t.Context(), []string{shop, other}); err == nil || list != nil || !strings.HasPrefix(err.Error(), "bind list of "+other+": wedata: query bind list: 48001") {
		t.Errorf("got %v, %v", list, err)
	}
}

func TestOutcomeJSON(t *testing.T) {
	whole := departure.Outcome{
		Departure: departure.Departure{UID: "E1001", Merchant: shop, EffectiveAt: now},
		Status:    departure.Failed, Attempts: 1, ErrCode: 48001, RID: "r-1", Detail: "a <reason> & more",
	}
	for _, tc := range []struct {
		name string
		v    json.Marshaler
		want string
	}{
		{
			"for the caller", whole,
			`{"uid":"E1001","uid_hash":"69050a418734442c","merchant":"wx0123456789abcdef","status":"failed","attempts":1,"errcode":48001,"rid":"r-1","detail":"a <reason> & more","effective_at":"2026-11-23T01:00:00Z"}`,
		},
		{
			"for errors and logs", departure.Masked(whole),
			`{"uid":"E***1","uid_hash":"69050a418734442c","merchant":"wx0123456789abcdef","status":"failed","attempts":1,"errcode":48001,"rid":"r-1","detail":"a <reason> & more","effective_at":"2026-11-23T01:00:00Z"}`,
		},
		{"empty members are left out", departure.Outcome{Status: departure.Ignored}, `{"status":"ignored"}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := tc.v.MarshalJSON()
			if err != nil || string(got) != tc.want {
				t.Errorf("got  %s, %v\nwant %s", got, err, tc.want)
			}
		})
	}
}

func TestATokenCannotBePrinted(t *testing.T) {
	token := offboard.Token{Value: "61_secret", SecretID: "wedata/token"}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		if got := fmt.Sprintf(verb, token); got != "token in wedata/token" {
			t.Errorf("%s prints %s", verb, got)
		}
	}
}

func TestNewRefusesBadConfigs(t *testing.T) {
	b := newFixture(t, wedatatest.Options{})
	for name, cfg := range map[string]offboard.Config{
		"no API":               {Tokens: b.tokens},
		"no tokens":            {API: successAPI{}},
		"negative concurrency": {API: successAPI{}, Tokens: b.tokens, Concurrency: -1},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := offboard.New(cfg); err == nil {
				t.Error("accepted")
			}
		})
	}
}
