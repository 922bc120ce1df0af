package source

import (
	"regexp"
	"strings"
	"sync"

	"github.com/tidwall/gjson"
)

// paths are tried in turn.
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
	// literal is what gjson does not read as syntax: an escaped character, and what stands in quotes.
	literal = pattern(`\\.|"(\\.|[^"\\])*"`)
	// query is a condition, or the argument of a modifier, without another one inside.
	query = pattern(`\([^()]*\)|:\{[^{}]*\}`)
)

// pattern returns a regular expression that is compiled when it is first used: most events need none, and at the start
// of the function those of this package took 0.07 ms.
func pattern(expr string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}

// checkPath notes a path with an open bracket or quote: gjson would find nothing at it.
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

// checkOneName notes a path with a wildcard: gjson takes the first member whose name fits, whoever that is.
func (m *members) checkOneName(name string, list paths) {
	for _, path := range list {
		syntax := literal().ReplaceAllLiteralString(path, "")
		for inner := ""; inner != syntax; {
			inner, syntax = syntax, query().ReplaceAllLiteralString(syntax, "")
		}
		if strings.ContainsAny(syntax, "*?") {
			m.fault(name, `a path has a * or ?, which fits any name: write the name itself; a * that is part of it is \\*`)
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

// length returns how many values there are: none where it is missing, null, an empty string or an empty list.
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

// skipped returns how many items that a path goes through have nothing at its end. gjson leaves them out of the list
// that it returns.
func skipped(item gjson.Result, path string) (n int) {
	list, inner, pipe, ok := cutItems(path)
	if !ok || pipe != "" && pipe[0] != '@' { // what follows another | than a modifier picks one of the items
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

// cutItems cuts a path at its first step that goes through all items of a list: # or #(…)#, with a dot after it. List
// leads to the items, inner starts at each of them, and pipe is what is done with the list of what they have. It
// returns false where there is no such step.
func cutItems(path string) (list, inner, pipe string, ok bool) {
	if strings.HasPrefix(path, "..") { // lines of JSON, which no body has
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

// cutPipe cuts what starts at each item from what is done with the list: at the first | outside of brackets and quotes.
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

// closing returns how long the text in brackets or quotes is, with which a path starts.
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
