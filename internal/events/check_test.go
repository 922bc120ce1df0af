package events_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/events"
	"wedata-unbind/internal/offboard"
	"wedata-unbind/internal/source"
	"wedata-unbind/internal/wedata"
)

// group is a schedule group.
type group struct{ err error }

func (g group) Reachable(context.Context) error { return g.err }

func (g group) All(context.Context) ([]departure.Departure, error) {
	due := time.Date(2026, 11, 30, 16, 0, 0, 0, time.UTC)
	return []departure.Departure{
		{Meta: departure.Meta{ID: "evt-1", Source: "hr"}, UID: "E1001", EffectiveAt: due},
		{UID: "E1002", Merchant: "wx0123456789abcdef", EffectiveAt: due.Add(time.Hour)},
		{UID: "E1003", Merchant: "wxfedcba9876543210", EffectiveAt: due.Add(time.Hour)},
	}, g.err
}

func TestScheduledTellsWhoLeavesWhen(t *testing.T) {
	const all = `{"scheduled":[{"uid":"E1001","due":"2026-11-30T16:00:00Z","source":"hr","event_id":"evt-1"},` +
		`{"uid":"E1002","merchant":"wx0123456789abcdef","due":"2026-11-30T17:00:00Z"}`
	for _, tc := range []struct {
		name      string
		schedules events.Schedules
		payload   string
		want      string // the reply, or is in the error
	}{
		{"all", group{}, `{"action":"scheduled"}`, all + `,{"uid":"E1003","merchant":"wxfedcba9876543210","due":"2026-11-30T17:00:00Z"}]}`},
		{"of a merchant", group{}, `{"action":"scheduled","merchant":"wx0123456789abcdef"}`, all + `]}`},
		{"a merchant that is none", group{}, `{"action":"scheduled","merchant":"shop"}`, "merchant: not an authorizer appid"},
		{"a fault of Scheduler", group{classified{}}, `{"action":"scheduled"}`, "schedule: get group: AccessDenied"},
		{"no schedule group", nil, `{"action":"scheduled"}`, "set UNBIND_SCHEDULE_GROUP"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBench(t, options{schedules: tc.schedules})
			reply, err := b.send(t, tc.payload)
			if got := reply; err == nil && got != tc.want || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %s, %v", got, err)
			}
		})
	}
}

// classified is an error of a service that names its class.
type classified struct{}

func (classified) Error() string {
	return "schedule: get group: AccessDenied: look at the function's role"
}
func (classified) Class() string { return "schedule" }

// noMerchants is a token secret with one merchant, and a WeChat where nobody is bound.
type noMerchants struct{}

func (noMerchants) Merchants(context.Context) ([]string, bool, error) {
	return []string{""}, false, nil
}

func (noMerchants) Token(context.Context, string) (offboard.Token, error) {
	return offboard.Token{Value: "token", Written: time.Now()}, nil
}

func (noMerchants) Renew(context.Context, string, offboard.Token) (offboard.Token, error) {
	return offboard.Token{Value: "token", Written: time.Now()}, nil
}

func (noMerchants) UnbindUser(context.Context, string, string) error { panic("a check unbinds nobody") }

func (noMerchants) QueryBindList(context.Context, string, func(string) bool) ([]wedata.Binding, error) {
	return nil, nil
}

func TestACheckAsksForTheScheduleGroup(t *testing.T) {
	const healthy = `{"checks":[{"check":"merchant","ok":true,"token":true,"token_age_s":0,"list":true},{"check":"sources","ok":true},` +
		`{"check":"queue","ok":true},{"check":"dead_letter_queue","ok":true}`
	for _, tc := range []struct {
		name  string
		group events.Schedules
		want  string
	}{
		{"there is none", nil, healthy + "]}"},
		{"it is there", group{}, healthy + `,{"check":"schedule_group","ok":true}]}`},
		{
			"it is not",
			group{classified{}},
			`1 fault: [{"check":"schedule_group","ok":false,"class":"schedule","detail":"schedule: get group: AccessDenied: look at the function's role"}]`,
		},
		{
			"nobody says why",
			group{context.DeadlineExceeded},
			`1 fault: [{"check":"schedule_group","ok":false,"class":"aws","detail":"context deadline exceeded"}]`,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBench(t, options{})
			log := slog.New(slog.NewJSONHandler(b.log, nil))
			service, err := offboard.New(offboard.Config{API: noMerchants{}, Tokens: noMerchants{}})
			if err != nil {
				t.Fatal(err)
			}
			h, err := events.New(events.Config{
				Offboard: service, Queue: b.asked, Sources: source.New(source.Config{}), Decoder: departure.Decoder{},
				Log: log, Schedules: tc.group,
			})
			if err != nil {
				t.Fatal(err)
			}
			reply, err := h.Invoke(t.Context(), []byte(`{"action":"check"}`))
			got := string(reply)
			if err != nil {
				got = err.Error()
			}
			if got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}
