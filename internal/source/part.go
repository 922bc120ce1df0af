package source

import (
	"errors"
	"net/http"
	"strings"
)

// part is the place of a signature, a key or a timestamp in a request: a header or a query parameter. In an entry, a
// header is its name, and a parameter is query:NAME.
type part struct {
	query bool
	name  string
}

const (
	letters   = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	partNames = letters + "0123456789-_"
)

// part returns the part of a request that a member names, or the zero part where the member is missing. A name may
// have letters, digits, - and _. HTTP allows more characters, but no known vendor uses them.
func (m *members) part(name string) part {
	return parsed(m, name, part{}, func(s string) (part, error) {
		s, query := strings.CutPrefix(s, "query:")
		if s == "" || strings.Trim(s, partNames) != "" {
			return part{}, errors.New("is neither the name of a header nor query: and the name of a parameter")
		}
		return newPart(s, query), nil
	})
}

// newPart returns the part. It brings the name of a header into its canonical case.
func newPart(name string, query bool) part {
	if !query {
		name = http.CanonicalHeaderKey(name)
	}
	return part{query, name}
}

// String returns the part as an entry's signed writes it, without the braces.
func (p part) String() string {
	if p.query {
		return "query:" + p.name
	}
	return "header:" + p.name
}

// shown returns the part as logs show it.
func (p part) shown() string { return strings.TrimPrefix(p.String(), "header:") }

func (p part) values(r *http.Request) []string {
	if p.query {
		return r.URL.Query()[p.name]
	}
	return r.Header.Values(p.name)
}
