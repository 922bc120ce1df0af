package wedata

import (
	"regexp"
	"slices"
	"testing"
)

func TestTheTableOfClasses(t *testing.T) {
	var codes []int
	advice := map[string]Class{}
	name := regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`) // dimensions of metrics, and patterns of metric filters
	for _, class := range Classes() {
		if !name.MatchString(string(class)) {
			t.Errorf("%q is not in snake_case", class)
		}
		if other, seen := advice[class.Advice()]; seen || class.Advice() == "" {
			t.Errorf("%s has no advice, or that of %s", class, other)
		}
		advice[class.Advice()] = class
		codes = append(codes, class.row().errcodes...)
	}
	slices.Sort(codes)
	if unique := slices.Compact(slices.Clone(codes)); len(unique) != len(codes) || len(advice) != len(Classes()) {
		t.Errorf("an errcode or a class stands twice: %v, %v", codes, Classes())
	}
	for _, code := range codes {
		if class := classOf(code); !slices.Contains(class.row().errcodes, code) {
			t.Errorf("%d has the class %s", code, class)
		}
	}
}

func TestTemporary(t *testing.T) {
	temporary := []Class{Busy, TokenRefused, DailyQuota, MinuteRate, Undocumented, Unclear, Network}
	for _, class := range Classes() {
		if got := (&Error{Class: class}).Temporary(); got != slices.Contains(temporary, class) {
			t.Errorf("%s: temporary is %v", class, got)
		}
	}
}
