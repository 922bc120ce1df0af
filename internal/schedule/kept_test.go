package schedule

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"wedata-unbind/internal/departure"
)

// sendable returns the text as the queue takes it.
func sendable(text string) string {
	return strings.NewReplacer("\ufffe", "", "\uffff", "").Replace(text)
}

// FuzzKept writes each departure that can be carried out as a schedule, and reads it back.
func FuzzKept(f *testing.F) {
	f.Add([]byte(`{"type":"employee.left","id":"1","source":"hr","time":"2026-11-23T01:00:00Z","data":{"uid":"E1001","merchant":"wx0123456789abcdef"}}`))
	f.Add([]byte(`{"type":"employee.left.cancelled","time":"2026-11-23T01:00:00.123456789+08:00","data":{"uid":["E1","\"<é😀>\u2028"]}}`))
	f.Add([]byte(`{"uid":"E1001","effective_at":"2026-11-30"}`))
	f.Add([]byte(`{"uid":"E1001","effective_at":"9998-12-31"}`))
	f.Add([]byte(`{"uid":"E1001","effective_at":"9999-12-31T23:59:30Z"}`))
	f.Add([]byte(`{"uid":"E1001","effective_at":"9999-12-31T23:00:00-08:00"}`))
	f.Add([]byte(`{"uid":"E1001","effective_at":"0000-01-01T00:00:00+08:00"}`))
	store := New(nil, Config{Group: "unbind", Now: func() time.Time { return time.Date(2026, 11, 23, 1, 0, 0, 0, time.UTC) }})
	f.Fuzz(func(t *testing.T, payload []byte) {
		_, _ = decode(payload) // somebody may have changed a schedule
		for _, event := range (departure.Decoder{}).Decode(payload, departure.Meta{}) {
			if event.Status != "" {
				continue
			}
			for _, d := range event.Departures([]string{""}) {
				input, err := store.input(d)
				if err != nil {
					t.Fatalf("%s: %v", payload, err)
				}
				due, err := time.Parse("at(2006-01-02T15:04:05)", aws.ToString(input.ScheduleExpression))
				if err != nil || d.Type == departure.TypeLeft && due.Before(d.EffectiveAt) {
					t.Errorf("due at %s, and the departure at %v", aws.ToString(input.ScheduleExpression), d.EffectiveAt)
				}
				back, ok := decode([]byte(aws.ToString(input.Target.Input)))
				// A cancellation comes back with the moment at which it ends, and texts without what SQS refuses.
				same := back.UID == sendable(d.UID) && back.Merchant == sendable(d.Merchant) && back.Type == d.Type &&
					back.ID == sendable(d.ID) && back.Source == sendable(d.Source) && back.Time.Equal(d.Time) &&
					(back.EffectiveAt.Equal(d.EffectiveAt) || d.Type == departure.TypeCancelled)
				if !ok || !same {
					t.Errorf("%+v\ncame back as %+v", d, back)
				}
			}
		}
	})
}
