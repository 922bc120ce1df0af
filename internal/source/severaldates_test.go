package source

import (
	"testing"
	"time"

	"github.com/tidwall/gjson"
)

func TestPeopleOfOneEventWithDifferentDates(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		body string
		want string // "" for an error
	}{
		"one person":              {`{"list":[{"last":"2026-11-29"}]}`, "2026-11-30"},
		"the same date":           {`{"list":[{"last":"2026-11-29"},{"last":"2026-11-29"}]}`, "2026-11-30"},
		"no date at all":          {`{"list":[{},{}]}`, "0001-01-01"},
		"null for all":            {`{"list":[{"last":null},{"last":""}]}`, "0001-01-01"},
		"different dates":         {`{"list":[{"last":"2026-11-29"},{"last":"2027-06-30"}]}`, ""},
		"a date for one of them":  {`{"list":[{},{"last":"2027-06-30"}]}`, ""},
		"null for one of them":    {`{"list":[{"last":"2027-06-30"},{"last":null}]}`, ""},
		"one that cannot be read": {`{"list":[{"last":"2027-06-30"},{"last":"soon"}]}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			due, err := effective{paths: paths{"list.#.last"}, zone: time.UTC}.at(gjson.Parse(tt.body))
			if got := due.Format(time.DateOnly); (err != nil) != (tt.want == "") || err == nil && got != tt.want {
				t.Errorf("got %s, %v, want %s", got, err, tt.want)
			}
		})
	}
}
