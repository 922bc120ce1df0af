package offboard_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/offboard"
	"wedata-unbind/internal/wedata/wedatatest"
)

// Where the list could not be read, people who were still bound had the status unbound.
func TestTheStatusWhereTheListCannotBeRead(t *testing.T) {
	for _, tc := range []struct {
		name   string
		fault  wedatatest.Fault
		status departure.Status
		class  string
	}{
		{"busy", wedatatest.Fault{Errcode: -1}, departure.Retry, "busy"},
		{"minute rate", wedatatest.Fault{Errcode: 45011}, departure.Retry, "minute_rate"},
		{"HTML", wedatatest.Fault{Kind: wedatatest.HTML}, departure.Retry, "unclear"},
		{"HTTP 503", wedatatest.Fault{Status: 503}, departure.Retry, "unclear"},
		{"no reply", wedatatest.Fault{Kind: wedatatest.Reset}, departure.Retry, "network"},
		{"no permission", wedatatest.Fault{Errcode: 48001}, departure.Unbound, "unverified"},
		{"HTTP 404", wedatatest.Fault{Status: 404}, departure.Unbound, "unverified"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newFixture(t, wedatatest.Options{})
			tc.fault.Times, tc.fault.Path = -1, wedatatest.ListPath
			b.wechat.Fail(tc.fault)
			o := b.one(t, "E1001")
			if o.Status != tc.status || o.Class != tc.class || !strings.HasPrefix(o.Detail, "not verified, the bind list could not be read: ") {
				t.Errorf("got %s, class %s: %s", o.Status, o.Class, o.Detail)
			}
		})
	}
}

// A rate limit in the middle of a batch made those before it unbound without a list.
func TestARateLimitWithinABatchIsRetried(t *testing.T) {
	b := newFixture(t, wedatatest.Options{}, func(c *offboard.Config) { c.Concurrency = 1 })
	b.wechat.Bind(shop, wedatatest.Bound("E1005"), wedatatest.Bound("E1006"))
	b.wechat.Fail(
		wedatatest.Fault{Times: 2, Latency: time.Nanosecond, Path: wedatatest.UnbindPath},
		wedatatest.Fault{Times: -1, Errcode: 45011},
	)
	for _, o := range b.Run(t.Context(), leaves("E1001", "E1002", "E1005", "E1006"))[0] {
		if o.Status != departure.Retry || o.Class != "minute_rate" {
			t.Errorf("%s: got %s, class %s: %s", o.UID, o.Status, o.Class, o.Detail)
		}
	}
}

// Out of time, no list was read: 76 of 150 who were still bound had the status unbound.
func TestTimeIsKeptForTheList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newFixture(t, wedatatest.Options{}, func(c *offboard.Config) { c.Now = time.Now })
		uids := make([]string, 3000)
		for i := range uids {
			uids[i] = fmt.Sprintf("P%04d", i)
			b.wechat.Bind(shop, wedatatest.Bound(uids[i]))
		}
		b.wechat.Fail(wedatatest.Fault{Times: -1, Latency: 500 * time.Millisecond})
		ctx, cancel := context.WithTimeout(t.Context(), 55*time.Second)
		defer cancel()
		outcomes := b.Run(ctx, leaves(uids...))[0]
		bound, counts := map[string]bool{}, map[string]int{}
		for _, x := range b.wechat.Bindings(shop) {
			bound[x.UID] = x.Bound
		}
		for _, o := range outcomes {
			counts[fmt.Sprint(o.Status, " ", o.Class)]++
			if bound[o.UID] && o.Status == departure.Unbound {
				t.Fatalf("%s is bound", o.UID)
			}
		}
		if _, lists := b.calls(); lists != 1 || counts["unbound "] < 1000 || counts["unbound "]+counts["retry no_time"]+counts["retry network"] != 3000 {
			t.Errorf("%d lists were read; outcomes: %v", lists, counts)
		}
	})
}

// Calls were served first come, first served, so that one slow merchant delayed the fast ones.
func TestASlowMerchantDoesNotDelayTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newFixture(t, wedatatest.Options{}, func(c *offboard.Config) { c.Now = time.Now })
		uids := make([]string, 300)
		for i := range uids {
			uids[i] = fmt.Sprintf("P%03d", i)
		}
		event := leaves(uids...)
		for i := range 9 {
			fast := fmt.Sprintf("wx%016x", i)
			b.tokens.set(fast, b.wechat.Rotate(fast))
			event.Merchants = append(event.Merchants, fast)
		}
		for _, merchant := range event.Merchants {
			for _, uid := range uids {
				b.wechat.Bind(merchant, wedatatest.Bound(uid))
			}
		}
		b.wechat.Fail(
			wedatatest.Fault{Times: -1, Merchant: shop, Latency: 3 * time.Second},
			wedatatest.Fault{Times: -1, Latency: 100 * time.Millisecond},
		)
		ctx, cancel := context.WithTimeout(t.Context(), 55*time.Second)
		defer cancel()
		done := map[string]int{}
		for _, o := range b.Run(ctx, event)[0] {
			if o.Status == departure.Unbound {
				done[o.Merchant]++
			}
		}
		for _, merchant := range event.Merchants {
			if n := done[merchant]; merchant != shop && n != len(uids) || merchant == shop && n < 20 {
				t.Errorf("%s: %d of %d are unbound", merchant, n, len(uids))
			}
		}
	})
}

// The refused call for one uid kept the list from being read, and the others were unbound without it.
func TestTheListIsReadAfterARefusedCall(t *testing.T) {
	b := newFixture(t, wedatatest.Options{}, func(c *offboard.Config) { c.Concurrency = 1 })
	b.wechat.Fail(
		wedatatest.Fault{Path: wedatatest.UnbindPath, Latency: time.Nanosecond},
		wedatatest.Fault{Path: wedatatest.UnbindPath, Errcode: 40164},
	)
	outcomes := b.Run(t.Context(), leaves("E1001", "E1002"))[0]
	if _, lists := b.calls(); lists != 1 || outcomes[0].Status != departure.Unbound || outcomes[0].Class != "" ||
		outcomes[1].Status != departure.Failed {
		t.Errorf("%d lists were read, outcomes %+v", lists, outcomes)
	}
}
