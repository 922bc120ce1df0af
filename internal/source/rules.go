package source

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/strictjson"
)

// rules hold where one of them does, a rule where all of its tests do.
type (
	rules []rule
	rule  []test
	// test is a path and the values that it may have. Values are compared exactly: 3 is not "3", a number is compared digit
	// by digit (3.0 is not 3), and an object or a list equals nothing.
	test struct {
		path string
		want []gjson.Result
	}
)

// oneOf returns a test against values of this program's own.
func oneOf(path string, values ...any) test {
	t := test{path: path}
	for _, value := range values {
		raw, _ := json.Marshal(value) // a string or a number
		t.want = append(t.want, gjson.ParseBytes(raw))
	}
	return t
}

func (rs rules) hold(item gjson.Result) bool {
	return slices.ContainsFunc(rs, func(r rule) bool { return r.firstFailed(item) < 0 })
}

// whyNot returns why the rules do not hold: the first failed test of the rule that came furthest, which is the one that was
// meant. It does not show who is among the people in the item.
func (rs rules) whyNot(item gjson.Result, people []string) string {
	reason, furthest := "", -1
	for _, r := range rs {
		if i := r.firstFailed(item); i > furthest {
			reason, furthest = r[i].reason(item, people), i
		}
	}
	return reason
}

// firstFailed returns the index of the first test that does not hold, or -1.
func (r rule) firstFailed(item gjson.Result) int {
	return slices.IndexFunc(r, func(t test) bool { return !t.holds(item) })
}

func (t test) holds(item gjson.Result) bool {
	got := item.Get(t.path)
	return slices.ContainsFunc(t.want, func(want gjson.Result) bool {
		if got.Type != want.Type {
			return false
		}
		if got.Type == gjson.String {
			return got.Str == want.Str
		}
		return got.Raw == want.Raw
	})
}

func (t test) reason(item gjson.Result, people []string) string {
	got, shown := item.Get(t.path), "missing"
	switch {
	case !got.Exists():
	case slices.Contains(people, text(got)) || strings.Contains(text(got), "@"):
		shown = "another value"
	default:
		shown = show(got)
	}
	wanted := make([]string, len(t.want))
	for i, want := range t.want {
		wanted[i] = show(want)
	}
	return fmt.Sprintf("%s is %s, wanted %s", t.path, shown, strings.Join(wanted, " or "))
}

// show returns a short value as a reason may show it, and only the kind of a long one.
func show(v gjson.Result) string {
	switch {
	case v.Type == gjson.String:
		return departure.Quote(v.Str)
	case v.Type == gjson.JSON || len(v.Raw) > 20:
		return strictjson.Kind(strictjson.Value(v.Raw))
	}
	return v.Raw
}

// readRules reads {"path":[values],…}, in the order written, or returns nil where the member is missing.
func readRules(m *members, name string) rules {
	raw := m.take(name)
	if raw == nil {
		return nil
	}
	if _, err := strictjson.ParseObject(raw); err != nil {
		m.fault(name, "%v", err)
		return nil
	}
	r := rule{}
	gjson.ParseBytes(raw).ForEach(func(path, values gjson.Result) bool {
		t := test{path: path.Str, want: values.Array()}
		nested := func(v gjson.Result) bool { return v.Type == gjson.JSON }
		if strings.TrimSpace(path.Str) == "" {
			m.fault(name, "a path is blank")
		}
		if !values.IsArray() || len(t.want) == 0 || slices.ContainsFunc(t.want, nested) {
			m.fault(name+"."+path.Str, "a list of strings, numbers or booleans is expected")
		}
		r = append(r, t)
		return true
	})
	return rules{r}
}
