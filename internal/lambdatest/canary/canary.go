// Package canary finds secrets in the output of a function, also in other spellings: escaped for a URL, in base64, in
// hexadecimal, reversed. It is for tests and never part of the function.
package canary

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Searcher looks for secrets in a text. The zero value looks for nothing.
type Searcher struct{ needles []needle }

// Clone returns a copy of the searcher, to which more secrets can be added.
func (s Searcher) Clone() Searcher { return Searcher{slices.Clip(s.needles)} }

// needle is one spelling of a secret or of a part of it.
type needle struct{ name, form, text string }

// partBytes is how long the parts of a secret are that [Searcher.AddParts] looks for.
const partBytes = 8

// AddWhole makes the searcher look for the whole secret. Parts of it may be shown, as a masked uid is.
func (s *Searcher) AddWhole(name, secret string) {
	for form, spellings := range forms(secret) {
		for _, spelling := range spellings {
			s.needles = append(s.needles, needle{name, form, spelling})
		}
	}
}

// AddParts makes the searcher look for any 15 bytes of the secret in a row, and for the whole of a shorter one.
func (s *Searcher) AddParts(name, secret string) {
	if len(secret) < 2*partBytes {
		s.AddWhole(name, secret)
		return
	}
	for part := range slices.Chunk([]byte(secret), partBytes) {
		if len(part) == partBytes {
			s.AddWhole(name, string(part))
		}
	}
}

// Find returns what the text shows, such as "the token in base64", each at most once and sorted.
func (s *Searcher) Find(text string) []string {
	var found []string
	for _, n := range s.needles {
		if strings.Contains(text, n.text) {
			found = append(found, n.name+" "+n.form)
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// forms returns the spellings of a text, by what they are called.
func forms(text string) map[string][]string {
	reversed := []byte(text)
	slices.Reverse(reversed)
	quoted, _ := json.Marshal(text) // a string always marshals
	small := hex.EncodeToString([]byte(text))
	percent := "%" + strings.ReplaceAll(fmt.Sprintf("% x", text), " ", "%")
	list := map[string][]string{
		"as it is":     {text},
		"in one case":  {strings.ToLower(text), strings.ToUpper(text)},
		"reversed":     {string(reversed)},
		"in hex":       {small, strings.ToUpper(small)},
		"in a URL":     {url.QueryEscape(text), url.PathEscape(text), percent, strings.ToUpper(percent)},
		"in JSON":      {strings.Trim(string(quoted), `"`)},
		"in Go quotes": {strings.Trim(strconv.QuoteToASCII(text), `"`)},
		"as bytes":     {strings.Trim(fmt.Sprintf("%d", []byte(text)), "[]")},
	}
	for before := range 3 {
		list["in base64"] = append(list["in base64"], inBase64(base64.RawStdEncoding, text, before))
		list["in base64url"] = append(list["in base64url"], inBase64(base64.RawURLEncoding, text, before))
	}
	return list
}

// inBase64 returns the characters that depend on the text alone where it stands behind so many other bytes, up to 2.
func inBase64(encoding *base64.Encoding, text string, before int) string {
	whole := encoding.EncodeToString([]byte(strings.Repeat("\x00", before) + text))
	return whole[(before*8+5)/6 : (before+len(text))*8/6]
}
