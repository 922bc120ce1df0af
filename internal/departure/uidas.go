package departure

import (
	"errors"
	"fmt"
	"strings"

	"wedata-unbind/internal/strictjson"
)

// UIDAs are the steps of uid_as, which turn another system's identifier into a uid. Nil leaves it as it is.
type UIDAs []func(string) string

// ParseUIDAs reads a list of steps: "lower", "before_at" or {"prefix":"E"}. It returns nil where there is no value. It
// errs where the value is no list, is empty, or has an item that is no step.
func ParseUIDAs(value strictjson.Value) (UIDAs, error) {
	if value == nil {
		return nil, nil
	}
	var items []strictjson.Value
	if value.Kind() != '[' || strictjson.Unmarshal(value, &items) != nil {
		return nil, fmt.Errorf("%s where a list of steps is expected", strictjson.Kind(value))
	}
	if len(items) == 0 {
		return nil, errors.New("an empty list")
	}
	steps := make(UIDAs, len(items))
	for i, item := range items {
		if steps[i] = readStep(item); steps[i] == nil {
			return nil, fmt.Errorf(`item %d is none of "lower", "before_at", {"prefix":"…"}`, i+1)
		}
	}
	return steps, nil
}

// readStep returns what a step does, or nil where there is no such step.
func readStep(value strictjson.Value) func(string) string {
	switch name, _ := strictjson.Text(value); name {
	case "lower":
		return strings.ToLower
	case "before_at":
		return beforeAt
	}
	object, err := strictjson.ParseObject(value)
	if err != nil || object.Only("prefix") != nil {
		return nil
	}
	prefix, ok := strictjson.Text(object["prefix"])
	if !ok || prefix == "" {
		return nil
	}
	return func(id string) string { return prefix + id }
}

// beforeAt returns what stands before the last @, as in an e-mail address (RFC 5321, section 4.1.2). What has no @
// stays.
func beforeAt(id string) string {
	if i := strings.LastIndexByte(id, '@'); i >= 0 {
		return id[:i]
	}
	return id
}

// UID applies the steps in turn to an identifier, and removes the white space around it. It errs where nothing is
// left.
func (as UIDAs) UID(id string) (string, error) {
	if id = strings.TrimSpace(id); id == "" {
		return "", errors.New("blank")
	}
	for _, step := range as {
		if id = strings.TrimSpace(step(id)); id == "" {
			return "", errors.New("blank after uid_as")
		}
	}
	return id, nil
}
