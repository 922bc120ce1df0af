package source

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"wedata-unbind/internal/strictjson"
)

type (
	// rules hold where at least one rule holds.
	rules []rule
	// rule holds where all of its tests hold.
	rule []test
	// test is a path and the values that it may have. Values are compared exactly: 3 is not "3", a number is compared
	// digit by digit (3.0 is not 3), and an object or a list equals nothing.
	test struct {
		path string
		want []gjson.Result
	}
)

// newRule reads {"path":[values],…}, in the order written.
func newRule(text string) rule {
	r := rule{}
	gjson.Parse(text).ForEach(func(path, values gjson.Result) bool {
		r = append(r, test{path: path.Str, want: values.Array()})
		return true
	})
	return r
}

// readRules reads a member with one rule, or returns the fallback where the member is missing.
func readRules(m *members, name string, fallback rules) rules {
	value := m.take(name)
	if value == nil {
		return fallback
	}
	object, err := strictjson.ParseObject(value)
	if err != nil {
		m.fault(name, "%v", err)
		return nil
	}
	r := newRule(string(value))
	for _, t := range r {
		if strings.TrimSpace(t.path) == "" {
			m.fault(name, "a path is blank")
		}
		m.checkPath(name, t.path)
		nested := func(v gjson.Result) bool { return v.Type == gjson.JSON }
		if object[t.path].Kind() != '[' || len(t.want) == 0 || slices.ContainsFunc(t.want, nested) {
			m.fault(name+"."+t.path, "a list of strings, numbers or booleans is expected")
		}
	}
	return rules{r}
}

func (rs rules) hold(item gjson.Result) bool {
	return slices.ContainsFunc(rs, func(r rule) bool { return r.firstFailed(item) < 0 })
}

// whyNot returns why no rule holds: the first failed test of the rule that came furthest, which is most likely the one
// that was meant.
func (rs rules) whyNot(item gjson.Result) string {
	reason, furthest := "", -1
	for _, r := range rs {
		if i := r.firstFailed(item); i > furthest {
			reason, furthest = r[i].reason(item), i
		}
	}
	return reason
}

// nearly returns why a rule does not hold although it seems to be meant: all of its tests hold, but for values that
// differ only by type, case or white space. It returns "" where there is no such rule.
func (rs rules) nearly(item gjson.Result) string {
	for _, r := range rs {
		if reason := r.nearly(item); reason != "" {
			return reason
		}
	}
	return ""
}

func (r rule) nearly(item gjson.Result) (reason string) {
	for _, t := range r {
		if t.holds(item) {
			continue
		}
		near := t.nearly(item)
		if near == "" {
			return ""
		}
		reason = cmp.Or(reason, near)
	}
	return reason
}

// nearly shows the entry's own value, with the difference: any value of the sender's may be somebody's identifier.
func (t test) nearly(item gjson.Result) string {
	got := item.Get(t.path)
	if !got.Exists() || got.Type == gjson.JSON || got.Type == gjson.Null {
		return ""
	}
	for _, want := range t.want {
		is, expected := scalar(got), scalar(want)
		trimmed := strings.TrimSpace(is)
		if want.Type == gjson.Null || !strings.EqualFold(digits(trimmed), digits(strings.TrimSpace(expected))) {
			continue
		}
		shown := want.Raw
		switch isText, wantsText := got.Type == gjson.String, want.Type == gjson.String; {
		case isText && !wantsText:
			shown = strconv.Quote(want.Raw)
		case !isText && wantsText:
			shown = strings.TrimSpace(want.Str)
		}
		switch {
		case trimmed != is:
			shown += " with white space around it"
		case digits(trimmed) != digits(strings.TrimSpace(expected)):
			shown += " in another case"
		case kindOf(got) == kindOf(want):
			shown += " written in another way"
		}
		return fmt.Sprintf("%s is %s where %s is expected", t.path, shown, want.Raw)
	}
	return ""
}

// scalar returns the text of a string, or of a number or boolean as it is written.
func scalar(v gjson.Result) string {
	if v.Type == gjson.String {
		return v.Str
	}
	return v.Raw
}

var fraction = pattern(`^(-?[0-9]+)\.0+$`)

// digits writes a whole number without a fraction: 3 for 3.0.
func digits(s string) string {
	if parts := fraction().FindStringSubmatch(s); parts != nil {
		return parts[1]
	}
	return s
}

// firstFailed returns the index of the first test that does not hold, or -1.
func (r rule) firstFailed(item gjson.Result) int {
	return slices.IndexFunc(r, func(t test) bool { return !t.holds(item) })
}

func (t test) holds(item gjson.Result) bool {
	got := item.Get(t.path)
	return slices.ContainsFunc(t.want, func(want gjson.Result) bool {
		if got.Type == gjson.String {
			return want.Type == gjson.String && got.Str == want.Str
		}
		return got.Type == want.Type && got.Raw == want.Raw
	})
}

// reason shows the entry's own values. Of the sender's it shows only the kind: any value may be somebody's identifier.
func (t test) reason(item gjson.Result) string {
	got, is := item.Get(t.path), "another value"
	sameKind := func(want gjson.Result) bool { return kindOf(want) == kindOf(got) }
	if !got.Exists() {
		is = "missing"
	} else if !slices.ContainsFunc(t.want, sameKind) {
		is = kindOf(got)
	}
	wanted := make([]string, len(t.want))
	for i, want := range t.want {
		wanted[i] = want.Raw
	}
	return fmt.Sprintf("%s is %s, wanted %s", t.path, is, strings.Join(wanted, " or "))
}

func kindOf(v gjson.Result) string { return strictjson.Kind(strictjson.Value(v.Raw)) }
