package source

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // some vendors sign with HMAC-SHA1, which is not broken as SHA-1 is
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"net/http"
	"slices"
	"strings"
	"time"
)

// defaultTolerance is how old, and how far in the future, a signed timestamp may be (Standard Webhooks' libraries).
const defaultTolerance = 5 * time.Minute

// signature is a sender that signs with HMAC: the schemes hmac and standard-webhooks.
type signature struct {
	keys   [][]byte
	hash   func() hash.Hash
	header string
	prefix string
	encode func([]byte) string
	signed []part
	// timestampHeader is the signed header with the time of sending, or "" where the vendor has none.
	timestampHeader string
	tolerance       time.Duration
	// idHeader is the signed header with the id of the message, or "".
	idHeader string
}

// part is a piece of the signed text: a text, or a placeholder and, for partHeader, the header's name.
type part struct{ placeholder, text string }

const (
	partBody   = "body"
	partMethod = "method"
	partHeader = "header"
)

var algorithms = map[string]func() hash.Hash{"sha256": sha256.New, "sha512": sha512.New, "sha1": sha1.New}

var encodings = map[string]func([]byte) string{
	"hex":       hex.EncodeToString,
	"base64":    base64.StdEncoding.EncodeToString,
	"base64url": base64.URLEncoding.EncodeToString,
}

var keyEncodings = map[string]func(string) ([]byte, error){
	"raw":    func(s string) ([]byte, error) { return []byte(s), nil },
	"hex":    decodeHex,
	"base64": decodeBase64,
}

func readHMAC(m *members) scheme {
	s := signature{
		hash:            choice(m, "algorithm", "sha256", algorithms),
		encode:          choice(m, "encoding", "hex", encodings),
		header:          m.header("header"),
		prefix:          m.verbatim("prefix"),
		timestampHeader: m.header("timestamp_header"),
		tolerance:       m.duration("tolerance", defaultTolerance),
	}
	if s.header == "" {
		m.fault("header", "missing: the name of the header with the signature")
	}
	if s.timestampHeader == "" && s.tolerance != defaultTolerance {
		m.fault("tolerance", "has no effect without a timestamp_header")
	}
	s.keys = m.keys(choice(m, "key_encoding", "raw", keyEncodings))
	var err error
	if s.signed, err = parseSigned(cmp.Or(m.verbatim("signed"), "{body}")); err != nil {
		m.fault("signed", "%v", err)
	} else if s.timestampHeader != "" && !slices.Contains(s.signed, part{partHeader, s.timestampHeader}) {
		m.fault("signed", "has no {header:%s}: a timestamp that is not signed proves nothing", s.timestampHeader)
	}
	return s
}

// parseSigned reads what a vendor signs: {body}, {method} and {header:NAME}, with text between them.
func parseSigned(template string) ([]part, error) {
	var parts []part
	for rest := template; rest != ""; {
		text, after, opened := strings.Cut(rest, "{")
		if text != "" {
			parts = append(parts, part{text: text})
		}
		if !opened {
			break
		}
		inside, after, closed := strings.Cut(after, "}")
		name, isHeader := strings.CutPrefix(inside, partHeader+":")
		switch {
		case !closed:
			return nil, errors.New("a { without its }")
		case isHeader && isHeaderName(name):
			parts = append(parts, part{partHeader, http.CanonicalHeaderKey(name)})
		case inside == partBody || inside == partMethod:
			parts = append(parts, part{placeholder: inside})
		default:
			return nil, errors.New("a placeholder that is none of {body}, {method}, {header:NAME}")
		}
		rest = after
	}
	if !slices.Contains(parts, part{placeholder: partBody}) {
		return nil, errors.New("has no {body}: a body that is not signed proves nothing")
	}
	return parts, nil
}

func (s signature) open(r *http.Request, body []byte, now time.Time) (message, error) {
	if err := s.verify(r, body, now); err != nil {
		return message{}, err
	}
	m, err := newMessage(decode(r.Header, body))
	m.id = r.Header.Get(s.idHeader)
	return m, err
}

// verify compares every signature in the header with that of every key, each in constant time.
func (s signature) verify(r *http.Request, body []byte, now time.Time) error {
	signed, err := s.signedText(r, body)
	if err != nil {
		return err
	}
	candidates := s.candidates(r.Header.Values(s.header))
	matches := false
	for _, key := range s.keys {
		mac := hmac.New(s.hash, key)
		mac.Write(signed)
		want := unpadded(s.encode(mac.Sum(nil)))
		for _, candidate := range candidates {
			matches = equal(want, unpadded(candidate)) || matches
		}
	}
	if !matches {
		return notVerified(fmt.Sprintf("none of %d signatures in %s fits any key", len(candidates), s.header))
	}
	return s.checkAge(r.Header.Get(s.timestampHeader), now)
}

func (s signature) signedText(r *http.Request, body []byte) ([]byte, error) {
	var text []byte
	for _, p := range s.signed {
		switch p.placeholder {
		case partBody:
			text = append(text, body...)
		case partMethod:
			text = append(text, r.Method...)
		case partHeader:
			value, ok := single(r.Header.Values(p.text))
			if !ok {
				return nil, notVerified("the signed header " + p.text + " is missing, or stands twice")
			}
			text = append(text, value...)
		default:
			text = append(text, p.text...)
		}
	}
	return text, nil
}

// candidates returns the signatures in the values of the header: what follows each prefix, up to a space or a comma. One
// value may hold several, and front ends join several values with commas.
func (s signature) candidates(values []string) []string {
	fields := func(list string) []string {
		return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
	}
	list := strings.Join(values, ",")
	if s.prefix == "" {
		return fields(list)
	}
	var found []string
	for _, piece := range strings.Split(list, s.prefix)[1:] {
		if words := fields(piece); len(words) > 0 {
			found = append(found, words[0])
		}
	}
	return found
}

// unpadded removes base64's padding, since vendors differ in it.
func unpadded(s string) string { return strings.TrimRight(s, "=") }

func (s signature) checkAge(timestamp string, now time.Time) error {
	if s.timestampHeader == "" {
		return nil
	}
	sent, err := instant(timestamp)
	if err != nil {
		return notVerified(s.timestampHeader + " is not a time")
	}
	if age := now.Sub(sent); age.Abs() > s.tolerance {
		return notVerified(fmt.Sprintf("%s is %s away from now, at most %s is allowed",
			s.timestampHeader, age.Round(time.Second), s.tolerance))
	}
	return nil
}
