package source

import (
	"errors"
	"fmt"
	"strings"

	"github.com/tidwall/gjson"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/strictjson"
)

// identifier is where an item has the people, and what is made of what stands there.
type identifier struct {
	paths paths
	as    []func(string) string // applied in turn
}

func readIdentifier(m *members) identifier {
	id := identifier{paths: m.paths("uid", nil)}
	m.checkOneName("uid", id.paths)
	value := m.take("uid_as")
	if value == nil {
		return id
	}
	var steps []strictjson.Value
	if value.Kind() != '[' || strictjson.Unmarshal(value, &steps) != nil || len(steps) == 0 {
		m.fault("uid_as", "%s where a list of steps is expected", strictjson.Kind(value))
	}
	for i, step := range steps {
		f := readStep(step)
		if f == nil {
			m.fault(at("uid_as", i), `is none of "lower", "before_at", {"prefix":"…"}`)
		}
		id.as = append(id.as, f)
	}
	return id
}

// readStep returns what a step of uid_as does, or nil where there is no such step.
func readStep(step strictjson.Value) func(string) string {
	switch name, _ := strictjson.Text(step); name {
	case "lower":
		return strings.ToLower
	case "before_at":
		return beforeAt
	}
	object, err := strictjson.ParseObject(step)
	if err != nil || object.Only("prefix") != nil {
		return nil
	}
	prefix, ok := strictjson.Text(object["prefix"])
	if !ok || prefix == "" {
		return nil
	}
	return func(id string) string { return prefix + id }
}

// beforeAt returns the part of an e-mail address before its last @ (RFC 5321, section 4.1.2). What has no @ stays.
func beforeAt(id string) string {
	if i := strings.LastIndexByte(id, '@'); i >= 0 {
		return id[:i]
	}
	return id
}

// read returns the people found at a path of an item, each at most once, and what is wrong with the others. The digits
// of a whole number are taken as they are: a float64 does not hold the 19 digits that some systems use.
func (id identifier) read(item, found gjson.Result, path string) (ids []string, wrong []error) {
	if length(found) == 0 {
		return nil, []error{fmt.Errorf("uid: nothing at %s", strings.Join(id.paths, " or "))}
	}
	for i, v := range found.Array() { // of a single value, a list of one
		one, fault := id.one(v)
		switch {
		case fault == "":
			ids = append(ids, one)
		case found.IsArray():
			wrong = append(wrong, fmt.Errorf("uid: value %d is %s", i+1, fault))
		default:
			wrong = append(wrong, errors.New("uid: "+fault))
		}
	}
	if n := skipped(item, path); n > 0 {
		wrong = append(wrong, fmt.Errorf("uid: missing in %d of the items that %s goes through", n, path))
	}
	return departure.Unique(ids), wrong
}

// one returns the identifier in a value, or what is wrong with it.
func (id identifier) one(v gjson.Result) (uid, fault string) {
	uid = text(v)
	switch {
	case v.Type == gjson.Number && strings.Trim(v.Raw, "0123456789") != "":
		return "", "a number that is not whole"
	case uid == "":
		return "", kindOf(v) + " where a string, a whole number or a list of them is expected"
	}
	if uid = strings.TrimSpace(uid); uid == "" {
		return "", "blank"
	}
	for _, step := range id.as {
		if uid = strings.TrimSpace(step(uid)); uid == "" {
			return "", "blank after uid_as"
		}
	}
	return uid, ""
}
