package offboard_test

import (
	"context"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/offboard"
	"wedata-unbind/internal/wedata"
	"wedata-unbind/internal/wedata/wedatatest"
)

func TestAuditComparesEachMerchant(t *testing.T) {
	b := newFixture(t, wedatatest.Options{})
	b.wechat.Bind(other, wedatatest.Bound("A1"), wedatatest.Unbound("E1002"))
	active := map[string]bool{"E1001": true, "E1002": true, "E1004": true, "E9999": true}
	isActive := func(uid string) bool { return active[uid] }
	for name, tc := range map[string]struct {
		merchants []string
		want      []offboard.Audited
	}{
		"all":  {nil, []offboard.Audited{{shop, 3, []string{"E1003"}}, {other, 3, []string{"A1", "E1003"}}}},
		"some": {[]string{other}, []offboard.Audited{{other, 3, []string{"A1", "E1003"}}}},
	} {
		got, err := b.Audit(t.Context(), tc.merchants, isActive)
		if err != nil || !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s: got %v, %v, want %v", name, got, err, tc.want)
		}
	}
	if got := (offboard.Audited{Bound: 3, Leavers: []string{"A1"}}).Matched(); got != 2 {
		t.Errorf("%d matched", got)
	}
}

// twice is a WeChat whose list has a uid in several rows.
type twice struct{ offboard.API }

func (twice) QueryBindList(context.Context, string, func(string) bool) ([]wedata.Binding, error) {
	return []wedata.Binding{
		{UID: "E1", Bound: true},
		{UID: "E2"},
		{UID: "E1"},
		{UID: "E2", Bound: true},
		{UID: "E2", Bound: true},
		{UID: "E3"},
	}, nil
}

func TestAnAuditCountsAUidOnce(t *testing.T) {
	b := newFixture(t, wedatatest.Options{}, func(c *offboard.Config) { c.API = twice{} })
	got, err := b.Audit(t.Context(), nil, func(string) bool { return false })
	want := []offboard.Audited{{shop, 2, []string{"E1", "E2"}}, {other, 2, []string{"E1", "E2"}}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
}

func TestAnAuditWithoutAllListsIsAnError(t *testing.T) {
	b := newFixture(t, wedatatest.Options{})
	b.wechat.Grant(other, false)
	got, err := b.Audit(t.Context(), nil, func(string) bool { return false })
	if got != nil || err == nil || !strings.Contains(err.Error(), other) {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestCheckTellsEachMerchantsState(t *testing.T) {
	b := newFixture(t, wedatatest.Options{})
	b.wechat.Grant(other, false)
	got := b.Check(t.Context(), nil)
	if len(got) != 2 {
		t.Fatalf("got %+v", got)
	}
	if h := got[0]; h.Merchant != shop || !h.Token || !h.List || h.Age.String() != "3h12m0s" || h.Fault.Status != "" {
		t.Errorf("got %+v", h)
	}
	if h := got[1]; h.Merchant != other || !h.Token || h.List || h.Fault.Status != departure.Failed || h.Fault.Class != string(wedata.PermissionMissing) {
		t.Errorf("got %+v", h)
	}
	if unbind, list := b.calls(); unbind != 0 || list != 2 {
		t.Errorf("%d unbindings, %d lists", unbind, list)
	}
}

func TestACheckWithoutMerchantsIsOneFault(t *testing.T) {
	b := newFixture(t, wedatatest.Options{})
	b.tokens.err = passing{}
	got := b.Check(t.Context(), nil)
	if len(got) != 1 || got[0].Token || got[0].List || got[0].Fault.Status != departure.Retry {
		text, _ := json.Marshal(got)
		t.Errorf("got %s", text)
	}
}
