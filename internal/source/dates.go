package source

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"wedata-unbind/internal/strictjson"
)

// firstYear is the first year that counts as a date. Vendors write an earlier one, such as 0001-01-01, for no date.
const firstYear = 2000

var (
	// zonedTimes are the layouts of a time with an offset from UTC: RFC 3339, also without the offset's colon
	// (BambooHR) or with a space instead of T. time.Parse accepts fractions of a second in all of them.
	zonedTimes = []string{
		time.RFC3339, "2006-01-02T15:04:05Z0700", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05 Z0700",
		"2006/01/02 15:04:05Z07:00", "2006-01-02T15:04Z07:00",
	}
	// localTimes are the layouts of a time without an offset. Its offset is utc_offset.
	localTimes = []string{
		"2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04",
		"2006/1/2 15:04:05", "2006/1/2 15:04", "20060102150405",
	}
	// zonedDays are the layouts of a day with an offset (XML Schema Part 2, 3.2.9), and localDays of a day without
	// one.
	zonedDays = []string{"2006-01-02Z07:00"}
	localDays = []string{time.DateOnly, "2006/1/2", "20060102"}
)

// instant reads a time as vendors write it: RFC 3339, also without the offset's colon (BambooHR), or Unix time in
// seconds or milliseconds between 2001 and 2286. Any other number is an error: 20261130 as Unix time is a day in 1970,
// so a person who leaves on 2026-11-30 would be unbound at once.
func instant(s string) (time.Time, error) {
	if t, err := parseAs(zonedTimes[:2], s, time.UTC); err == nil {
		return t, nil
	}
	return unixTime(s)
}

func unixTime(s string) (time.Time, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	switch {
	case err == nil && n >= 1e9 && n < 1e10:
		return time.Unix(n, 0).UTC(), nil
	case err == nil && n >= 1e12 && n < 1e13:
		return time.UnixMilli(n).UTC(), nil
	}
	return time.Time{}, errors.New("neither an RFC 3339 time nor Unix time")
}

// parseAs reads a time by the first layout that fits.
func parseAs(layouts []string, s string, zone *time.Location) (time.Time, error) {
	for _, layout := range layouts {
		if t, err := time.ParseInLocation(layout, s, zone); err == nil {
			return t, nil
		}
	}
	return time.Time{}, errors.New("another form")
}

// effective is an entry's configuration of when a departure is due.
type effective struct {
	paths paths
	day   bool // read the date alone, for vendors that write a day as midnight
	zone  *time.Location
}

func readEffective(m *members, zone *time.Location) effective {
	if zone == nil {
		zone = time.UTC
	}
	e := effective{paths: m.paths("effective", nil), zone: zone}
	e.day = m.raw.Has("effective_as") && choice(m, "effective_as", "", map[string]bool{"day": true})
	if e.day && e.paths == nil {
		m.fault("effective_as", "has no effect without effective")
	}
	return e
}

// at returns when the item's departure is due. Where the item has no such member, it returns zero, which means at
// once.
func (e effective) at(item gjson.Result) (time.Time, error) {
	found, path := e.paths.first(item)
	if length(found) == 0 {
		return time.Time{}, nil
	}
	if !found.IsArray() {
		return e.one(found)
	}
	// An event has one date. If its people had different dates, one of them would be unbound too early.
	dates := found.Array()
	due, err := e.one(dates[0])
	for _, date := range dates[1:] {
		other, fault := e.one(date)
		err = cmp.Or(err, fault)
		if !other.Equal(due) {
			err = cmp.Or(err, errSeveralDates)
		}
	}
	if err == nil && skipped(item, path) > 0 {
		err = errSeveralDates
	}
	return due, err
}

var errSeveralDates = errors.New(
	"effective: the people of one event leave on different dates: send each departure by hand")

// one reads one value. It returns zero where the value is null or empty.
func (e effective) one(found gjson.Result) (time.Time, error) {
	if length(found) == 0 {
		return time.Time{}, nil
	}
	s := strings.TrimSpace(text(found))
	if s == "" && found.Type != gjson.String {
		return time.Time{}, fmt.Errorf("effective: %s where a time or a date is expected",
			strictjson.Kind(strictjson.Value(found.Raw)))
	}
	t, err := e.parse(s)
	switch {
	case err != nil:
		return time.Time{}, fmt.Errorf("effective: %w", err)
	case t.Year() < firstYear:
		return time.Time{}, fmt.Errorf("effective: a day before the year %d: vendors write one for no date", firstYear)
	case t.Year() > 9998:
		return time.Time{}, errors.New("effective: a day that never comes: have it left out until the day is known")
	}
	return t, nil
}

// parse reads a time or a day. A day is the last one: parse returns its end.
func (e effective) parse(s string) (time.Time, error) {
	if day, err := parseAs(zonedDays, s, e.zone); err == nil {
		if e.day {
			return e.end(day), nil
		}
		return day.AddDate(0, 0, 1), nil
	}
	if day, err := parseAs(localDays, s, e.zone); err == nil {
		return day.AddDate(0, 0, 1), nil
	}
	t, err := parseAs(zonedTimes, s, e.zone)
	if err != nil {
		t, err = parseAs(localTimes, s, e.zone)
	}
	if err != nil {
		if t, err = unixTime(s); err == nil && e.day && !midnight(t) {
			t = t.In(e.zone)
		}
	}
	switch {
	case err != nil:
		return t, errors.New("neither a time such as 2026-11-30T18:00:00+08:00 or 2026-11-30 18:00:00, nor Unix time, " +
			"nor a date such as 2026-11-30, 2026/11/30 or 20261130")
	case e.day && midnight(t.In(e.zone)): // midnight at utc_offset, written with another offset
		return e.end(t.In(e.zone)), nil
	case e.day:
		return e.end(t), nil
	}
	return t, nil
}

func midnight(t time.Time) bool {
	hour, minute, second := t.Clock()
	return hour+minute+second == 0
}

// end returns the end of t's day, at utc_offset.
func (e effective) end(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day()+1, 0, 0, 0, 0, e.zone)
}
