package source

import (
	"regexp"
	"strings"
	"sync"

	"github.com/tidwall/gjson"
)

// paths are gjson paths. The first with a value counts.
type paths []string

// paths returns one path or a list of them, or the fallback where they are missing.
func (m *members) paths(name string, fallback paths) (list paths) {
	switch {
	case !m.raw.Has(name):
		return fallback
	case m.raw[name].Kind() == '[':
		list = m.texts(name)
	default:
		list = paths{m.text(name)}
	}
	for _, path := range list {
		m.checkPath(name, path)
	}
	return list
}

var (
	// literal matches text that gjson does not read as syntax: an escaped character, and text in quotes.
	literal = pattern(`\\.|"(\\.|[^"\\])*"`)
	// query matches a condition or the argument of a modifier, if no other one is inside it.
	query = pattern(`\([^()]*\)|:\{[^{}]*\}`)
)

// pattern returns a regular expression that is compiled when it is first used. Most events need none, and compiling
// those of this package at the start of the function took 0.07 ms.
func pattern(expr string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}

// checkPath notes a fault for a path with an unclosed bracket or quote: gjson would find nothing there.
func (m *members) checkPath(name, path string) {
	syntax := literal().ReplaceAllLiteralString(path, "")
	open := strings.Contains(syntax, `"`)
	for _, pair := range []string{"()", "[]", "{}"} {
		open = open || strings.Count(syntax, pair[:1]) > strings.Count(syntax, pair[1:])
	}
	if open {
		m.fault(name, `a path has a bracket or quote that is not closed; one that is part of a name is written \\(`)
	}
}

// checkOneName notes a fault for a path with a wildcard: gjson takes the first member whose name fits, which may be
// another person's.
func (m *members) checkOneName(name string, list paths) {
	for _, path := range list {
		syntax := literal().ReplaceAllLiteralString(path, "")
		for inner := ""; inner != syntax; {
			inner, syntax = syntax, query().ReplaceAllLiteralString(syntax, "")
		}
		if strings.ContainsAny(syntax, "*?") {
			const advice = `write the name itself; a * that is part of it is \\*`
			m.fault(name, "a path has a * or ?, which fits any name: "+advice)
		}
	}
}

// first returns the value of the first path that has one, and that path.
func (ps paths) first(item gjson.Result) (found gjson.Result, path string) {
	for _, path := range ps {
		if found := item.Get(path); length(found) > 0 {
			return found, path
		}
	}
	return gjson.Result{}, ""
}

// length returns the number of values: that of a list's items, 0 for a missing value, null or an empty string, else 1.
func length(v gjson.Result) int {
	switch {
	case v.IsArray():
		return int(v.Get("#").Int())
	case v.Type == gjson.Null || v.Type == gjson.String && v.Str == "":
		return 0
	}
	return 1
}

// text returns a string, or the digits of a number; "" for anything else.
func text(v gjson.Result) string {
	if v.Type == gjson.Number {
		return v.Raw
	}
	return v.Str
}

// skipped returns in how many items of the lists on a path the rest of the path has no value. gjson leaves these items
// out of its result.
func skipped(item gjson.Result, path string) (n int) {
	list, inner, pipe, ok := cutItems(path)
	if !ok || pipe != "" && pipe[0] != '@' { // after | only a modifier applies to all items
		return 0
	}
	if list != "" {
		item = item.Get(list)
	}
	if !item.IsArray() {
		return 0
	}
	item.ForEach(func(_, one gjson.Result) bool {
		found := one.Get(inner)
		switch deeper := skipped(one, inner); {
		case deeper > 0:
			n += deeper
		case !found.Exists(), found.IsArray() && length(found) == 0 && (pipe != "" || strings.Contains(inner, "#")):
			n++
		}
		return true
	})
	return n
}

// cutItems cuts a path at its first step through all items of a list: # or #(…)#, followed by a dot. List is the path
// to the items, inner the path inside each item, and pipe the path that applies to the list of results. It returns
// false where there is no such step.
func cutItems(path string) (list, inner, pipe string, ok bool) {
	if strings.HasPrefix(path, "..") { // gjson's syntax for JSON lines, which no body has
		return "", "", "", false
	}
	start := true // of a step
	for i := 0; i < len(path); i++ {
		switch c := path[i]; {
		case c == '\\':
			i++
			start = false
		case c == '.', c == '|':
			start = true
		case start && c == '#':
			end := i + 1
			if end < len(path) && (path[end] == '(' || path[end] == '[') {
				end += closing(path[end:])
			}
			all := end == i+1
			list := strings.TrimRight(path[:i], ".|")
			if !all && end < len(path) && path[end] == '#' {
				end++
				all, list = true, path[:end]
			}
			if all && end < len(path) && path[end] == '.' {
				inner, pipe = cutPipe(path[end+1:])
				return list, inner, pipe, true
			}
			i, start = end-1, false
		case c == '(' || c == '{' || c == '[' || c == '"':
			i += closing(path[i:]) - 1
			start = false
		default:
			start = false
		}
	}
	return "", "", "", false
}

// cutPipe cuts a path at the first | that is not in brackets or quotes.
func cutPipe(path string) (inner, pipe string) {
	for i := 0; i < len(path); i++ {
		switch path[i] {
		case '\\':
			i++
		case '(', '{', '[', '"':
			i += closing(path[i:]) - 1
		case '|':
			return path[:i], path[i+1:]
		}
	}
	return path, ""
}

// closing returns the length of the text in brackets or quotes at the start of a path, with the brackets or quotes.
func closing(path string) int {
	depth, quoted := 0, false
	for i := 0; i < len(path); i++ {
		switch c := path[i]; {
		case c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case strings.IndexByte("([{", c) >= 0:
			depth++
		case strings.IndexByte(")]}", c) >= 0:
			depth--
		}
		if depth <= 0 && !quoted {
			return min(i+1, len(path))
		}
	}
	return len(path)
}
