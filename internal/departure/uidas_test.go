package departure_test

import (
	"strings"
	"testing"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/strictjson"
)

func TestUIDAsAppliesItsStepsInTurn(t *testing.T) {
	for _, tc := range []struct{ name, steps, id, want string }{
		{"no steps", ``, "E1001", "E1001"},
		{"white space around", ``, " E1001\t", "E1001"},
		{"lower case", `["lower"]`, "E1001É", "e1001é"},
		{"before the @", `["before_at"]`, "e1001@shop.example", "e1001"},
		{"before the last @", `["before_at"]`, `"a@b"@shop.example`, `"a@b"`},
		{"no @", `["before_at"]`, "e1001", "e1001"},
		{"white space before the @", `["before_at"]`, "e1001 @shop.example", "e1001"},
		{"a prefix", `[{"prefix":"E"}]`, "1001", "E1001"},
		{"all, in turn", `["before_at","lower",{"prefix":"E"}]`, "A1@X", "Ea1"},
		{"all, in another turn", `[{"prefix":"E"},"lower","before_at"]`, "A1@X", "ea1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var value strictjson.Value
			if tc.steps != "" {
				value = strictjson.Value(tc.steps)
			}
			as, err := departure.ParseUIDAs(value)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := as.UID(tc.id); got != tc.want || err != nil {
				t.Errorf("got %q, %v, want %q", got, err, tc.want)
			}
		})
	}
}

func TestUIDAsNeverLeavesNothing(t *testing.T) {
	as, err := departure.ParseUIDAs(strictjson.Value(`["before_at"]`))
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]string{"": "blank", " ": "blank", "@x": "blank after uid_as", " @x": "blank after uid_as"} {
		if got, err := as.UID(id); got != "" || err == nil || err.Error() != want {
			t.Errorf("%q: got %q, %v, want %s", id, got, err, want)
		}
	}
}

func TestUIDAsRefusesWhatIsNoStep(t *testing.T) {
	for _, steps := range []string{
		`"lower"`, `[]`, `null`, `{"prefix":"E"}`, `["lower","upper"]`, `["lower",1]`, `["lower",{}]`, `["lower",{"prefix":""}]`,
		`["lower",{"prefix":1}]`, `["lower",{"prefix":"E","suffix":"F"}]`, `["lower",{"Prefix":"E"}]`, `["lower",["lower"]]`,
	} {
		as, err := departure.ParseUIDAs(strictjson.Value(steps))
		if as != nil || err == nil || strings.HasPrefix(steps, `["lower",`) && !strings.HasPrefix(err.Error(), "item 2 is none of ") {
			t.Errorf("%s: got %v, %v", steps, as, err)
		}
	}
}
