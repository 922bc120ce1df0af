package source

import (
	"strings"
	"testing"
	"time"
)

// The forms in which vendors write when somebody leaves. A day is the last one and ends at utc_offset.
func TestEffective(t *testing.T) {
	for _, tt := range []struct {
		name, value, offset string // the value is JSON
		want, day           string // without and with effective_as; a text that is no time starts the error
	}{
		{"RFC 3339", `"2026-11-30T18:00:00+09:00"`, "+08:00", "2026-11-30T18:00:00+09:00", "2026-12-01T00:00:00+08:00"},
		{"an offset without a colon", `"2026-11-30T18:00:00.000+0900"`, "+08:00", "2026-11-30T18:00:00+09:00", "2026-12-01T00:00:00+08:00"},
		{"a blank for T", `"2026-11-30 18:00:00+09:00"`, "+08:00", "2026-11-30T18:00:00+09:00", "2026-12-01T00:00:00+08:00"},
		{"midnight in UTC", `"2026-11-30T00:00:00Z"`, "+08:00", "2026-11-30T00:00:00Z", "2026-12-01T00:00:00+08:00"},
		{"midnight in UTC, west of it", `"2026-11-30T00:00:00Z"`, "-05:00", "2026-11-30T00:00:00Z", "2026-12-01T00:00:00-05:00"},
		{"midnight here, written in UTC", `"2026-11-29T16:00:00Z"`, "+08:00", "2026-11-29T16:00:00Z", "2026-12-01T00:00:00+08:00"},
		{"Unix seconds", `1796054400`, "+08:00", "2026-11-30T16:00:00Z", "2026-12-02T00:00:00+08:00"},
		{"Unix seconds as text", `"1796054400"`, "+00:00", "2026-11-30T16:00:00Z", "2026-12-01T00:00:00Z"},
		{"Unix milliseconds, midnight in UTC, west of it", `1795996800000`, "-05:00", "2026-11-30T00:00:00Z", "2026-12-01T00:00:00-05:00"},
		{"a date", `"2026-11-30"`, "+08:00", "2026-12-01T00:00:00+08:00", "2026-12-01T00:00:00+08:00"},
		{"a date with slashes", `"2026/11/30"`, "+08:00", "2026-12-01T00:00:00+08:00", "2026-12-01T00:00:00+08:00"},
		{"a date with single digits", `"2026/1/5"`, "+08:00", "2026-01-06T00:00:00+08:00", "2026-01-06T00:00:00+08:00"},
		{"8 digits", `"20261130"`, "+08:00", "2026-12-01T00:00:00+08:00", "2026-12-01T00:00:00+08:00"},
		{"8 digits as a number", `20261130`, "+08:00", "2026-12-01T00:00:00+08:00", "2026-12-01T00:00:00+08:00"},
		{"an XML date in UTC", `"2026-11-30Z"`, "+08:00", "2026-12-01T00:00:00Z", "2026-12-01T00:00:00+08:00"},
		{"an XML date with an offset", `"2026-11-30-05:00"`, "+08:00", "2026-12-01T00:00:00-05:00", "2026-12-01T00:00:00+08:00"},
		{"local", `"2026-11-30T18:00:00"`, "+08:00", "2026-11-30T18:00:00+08:00", "2026-12-01T00:00:00+08:00"},
		{"local, with a fraction", `"2026-11-30T18:00:00.000"`, "+08:00", "2026-11-30T18:00:00+08:00", "2026-12-01T00:00:00+08:00"},
		{"local, with a blank", `"2026-11-30 18:00:00"`, "-03:30", "2026-11-30T18:00:00-03:30", "2026-12-01T00:00:00-03:30"},
		{"local, to the minute", `"2026-11-30 18:00"`, "+08:00", "2026-11-30T18:00:00+08:00", "2026-12-01T00:00:00+08:00"},
		{"local, with slashes", `"2026/11/30 18:00:00"`, "+08:00", "2026-11-30T18:00:00+08:00", "2026-12-01T00:00:00+08:00"},
		{"white space around it", `" 2026-11-30\n"`, "+08:00", "2026-12-01T00:00:00+08:00", "2026-12-01T00:00:00+08:00"},
		{"nothing", `null`, "+08:00", "", ""},
		{"an empty text", `""`, "+08:00", "", ""},
		{"the last day of 1999", `"1999-12-30"`, "+08:00", "effective: a day before the year 2000", "effective: a day before the year 2000"},
		{"the first day of 2000", `"2000-01-01"`, "+08:00", "2000-01-02T00:00:00+08:00", "2000-01-02T00:00:00+08:00"},
		{"no date at all", `"0001-01-01T00:00:00Z"`, "+08:00", "effective: a day before the year 2000", "effective: a day before the year 2000"},
		{"never", `"9999-12-31"`, "+08:00", "effective: a day that never comes", "effective: a day that never comes"},
		{"never, as a time", `"9999-12-31T23:59:59Z"`, "+08:00", "effective: a day that never comes", "effective: a day that never comes"},
		{"the day and the month in doubt", `"11/12/2026"`, "+08:00", "effective: neither", "effective: neither"},
		{"a day that no month has", `"2026-02-30"`, "+08:00", "effective: neither", "effective: neither"},
		{"a word", `"soon"`, "+08:00", "effective: neither", "effective: neither"},
		{"few digits", `7`, "+08:00", "effective: neither", "effective: neither"},
		{"an object", `{"y":2026}`, "+08:00", "effective: an object where", "effective: an object where"},
		{"blanks", `"  "`, "+08:00", "effective: neither", "effective: neither"},
	} {
		for as, want := range map[string]string{"": tt.want, `,"effective_as":"day"`: tt.day} {
			t.Run(tt.name+as, func(t *testing.T) {
				entry := `{"left_when":{},"uid":"id","effective":"day"` + as + `,"utc_offset":"` + tt.offset + `"}`
				event := read(t, entry, `{"id":"E1","day":`+tt.value+`}`)[0]
				switch {
				case strings.HasPrefix(want, "effective") || want == "" && event.Status != "":
					if !strings.HasPrefix(event.Detail, want) || event.Status != "failed" || len(event.About) != 1 {
						t.Errorf("got %+v", event)
					}
				case want == "":
					if !event.EffectiveAt.IsZero() {
						t.Errorf("got %v", event.EffectiveAt)
					}
				case event.EffectiveAt.Format(time.RFC3339) != want:
					t.Errorf("got %v, %s", event.EffectiveAt.Format(time.RFC3339), event.Detail)
				}
			})
		}
	}
}

// A form is read as a moment and as a day, or as neither, and the day is that of the moment somewhere on earth.
func FuzzEffective(f *testing.F) {
	for _, s := range []string{"2026-11-30T00:00:00Z", "1796054400", "2026/1/5", "20261130", "2026-11-30-05:00", "2026-11-30 18:00"} {
		f.Add(s, 8*60*60)
	}
	f.Fuzz(func(t *testing.T, s string, seconds int) {
		zone := time.FixedZone("", seconds%(12*60*60))
		at, err := effective{zone: zone}.parse(s)
		day, dayErr := effective{zone: zone, day: true}.parse(s)
		if (err == nil) != (dayErr == nil) {
			t.Fatalf("%q: %v, and as a day %v", s, err, dayErr)
		}
		if away := day.Sub(at); err == nil && (away < -36*time.Hour || away > 60*time.Hour) {
			t.Errorf("%q: %v ends as a day at %v", s, at, day)
		}
	})
}
