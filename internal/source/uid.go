package source

import (
	"errors"
	"fmt"
	"strings"

	"github.com/tidwall/gjson"

	"wedata-unbind/internal/departure"
)

// identifier is where an item has the people, and the steps that make uids of what stands there.
type identifier struct {
	paths paths
	as    departure.UIDAs
}

func readIdentifier(m *members) identifier {
	id := identifier{paths: m.paths("uid", nil)}
	m.checkOneName("uid", id.paths)
	var err error
	if id.as, err = departure.ParseUIDAs(m.take("uid_as")); err != nil {
		m.fault("uid_as", "%v", err)
	}
	return id
}

// read returns the people found at a path of an item, each at most once, and what is wrong with the others. The digits
// of a whole number are taken as they are: a float64 does not hold the 19 digits that some systems use.
func (id identifier) read(item, found gjson.Result, path string) (ids []string, wrong []error) {
	if length(found) == 0 {
		return nil, []error{fmt.Errorf("uid: nothing at %s", strings.Join(id.paths, " or "))}
	}
	for i, v := range found.Array() { // for a single value this is a list of one
		uid, err := id.one(v)
		switch {
		case err == nil:
			ids = append(ids, uid)
		case found.IsArray():
			wrong = append(wrong, fmt.Errorf("uid: value %d is %w", i+1, err))
		default:
			wrong = append(wrong, fmt.Errorf("uid: %w", err))
		}
	}
	if n := skipped(item, path); n > 0 {
		wrong = append(wrong, fmt.Errorf("uid: missing in %d of the items that %s goes through", n, path))
	}
	return departure.Unique(ids), wrong
}

// one returns the uid in a value.
func (id identifier) one(v gjson.Result) (string, error) {
	given := text(v)
	switch {
	case v.Type == gjson.Number && strings.Trim(v.Raw, "0123456789") != "":
		return "", errors.New("a number that is not whole")
	case given == "":
		return "", errors.New(kindOf(v) + " where a string, a whole number or a list of them is expected")
	}
	return id.as.UID(given)
}
