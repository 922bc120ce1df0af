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
	keys            []string
	hash            func() hash.Hash
	header, prefix  string
	encode          func([]byte) string
	signed          []string // see parseSigned
	timestampHeader string   // the signed header with the time of sending, or "" where the vendor has none
	tolerance       time.Duration
	formFault       error // returned for a form, or nil where its bytes cannot move out of the body
}

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
	} else if s.timestampHeader != "" && !slices.Contains(s.signed, headerPart(s.timestampHeader)) {
		m.fault("signed", "has no {header:%s}: a timestamp that is not signed proves nothing", s.timestampHeader)
	}
	if touchesBody(s.signed) {
		s.formFault = faults(m.path + ".signed: the body touches another part: somebody could move bytes of a form between " +
			"them, so have it sent as JSON")
	}
	return s
}

// touchesBody reports whether the body stands beside another placeholder with no text between them.
func touchesBody(parts []string) bool {
	for i := 1; i < len(parts); i++ {
		pair := parts[i-1 : i+1]
		if slices.Contains(pair, "{body}") && strings.HasPrefix(pair[0], "{") && strings.HasPrefix(pair[1], "{") {
			return true
		}
	}
	return false
}

// parseSigned splits what a vendor signs into {body}, {method}, {header:NAME} and the text between them.
func parseSigned(template string) ([]string, error) {
	var parts []string
	for rest := template; rest != ""; {
		if text, _, _ := strings.Cut(rest, "{"); text != "" {
			parts, rest = append(parts, text), rest[len(text):]
			continue
		}
		inside, after, closed := strings.Cut(rest[1:], "}")
		name, isHeader := strings.CutPrefix(inside, "header:")
		switch {
		case !closed:
			return nil, errors.New("a { without its }")
		case isHeader && isHeaderName(name):
			parts = append(parts, headerPart(name))
		case inside == "body" || inside == "method":
			parts = append(parts, "{"+inside+"}")
		default:
			return nil, errors.New("a placeholder that is none of {body}, {method}, {header:NAME}")
		}
		rest = after
	}
	if !slices.Contains(parts, "{body}") {
		return nil, errors.New("has no {body}: a body that is not signed proves nothing")
	}
	return parts, nil
}

func headerPart(name string) string { return "{header:" + http.CanonicalHeaderKey(name) + "}" }

func (s signature) open(r *http.Request, body []byte, now time.Time) (message, error) {
	if err := s.verify(r, body, now); err != nil {
		return message{}, err
	}
	if s.formFault != nil && isForm(r.Header, body) {
		return message{}, s.formFault
	}
	m := decoded(r.Header, body)
	for _, part := range s.signed { // Standard Webhooks: webhook-id, Finch: finch-event-id
		if name, isID := strings.CutSuffix(part, "-Id}"); isID {
			m.id = r.Header.Get(strings.TrimPrefix(name, "{header:") + "-Id")
		}
	}
	return m, nil
}

// verify compares every signature in the header with that of every key.
func (s signature) verify(r *http.Request, body []byte, now time.Time) error {
	var signed []byte
	for _, p := range s.signed {
		header, isHeader := strings.CutPrefix(p, "{header:")
		switch {
		case p == "{body}":
			signed = append(signed, body...)
		case p == "{method}":
			signed = append(signed, r.Method...)
		case isHeader:
			header = strings.TrimSuffix(header, "}")
			value, ok := single(r.Header.Values(header))
			if !ok {
				return notVerified("the signed header " + header + " is missing, or stands twice")
			}
			signed = append(signed, value...)
		default:
			signed = append(signed, p...)
		}
	}
	var wanted []string
	for _, key := range s.keys {
		mac := hmac.New(s.hash, []byte(key))
		mac.Write(signed)
		wanted = append(wanted, unpadded(s.encode(mac.Sum(nil))))
	}
	candidates := s.candidates(r.Header.Values(s.header))
	if !anyEqual(candidates, wanted) {
		return notVerified(fmt.Sprintf("none of %d signatures in %s fits any key", len(candidates), s.header))
	}
	if s.timestampHeader == "" {
		return nil
	}
	sent, err := instant(r.Header.Get(s.timestampHeader))
	if err != nil {
		return notVerified(s.timestampHeader + " is not a time")
	}
	if age := now.Sub(sent); age.Abs() > s.tolerance {
		return notVerified(fmt.Sprintf("%s is %s away from now, at most %s is allowed",
			s.timestampHeader, age.Round(time.Second), s.tolerance))
	}
	return nil
}

// candidates returns the signatures in the values of the header, without base64's padding, in which vendors differ. A
// signature follows each prefix, up to a space or a comma. Front ends join several values with commas.
func (s signature) candidates(values []string) []string {
	var found []string
	pieces := []string{strings.Join(values, ",")}
	if s.prefix != "" {
		pieces = strings.Split(pieces[0], s.prefix)[1:]
	}
	for _, piece := range pieces {
		words := strings.FieldsFunc(piece, func(r rune) bool { return r == ',' || r == ' ' })
		if s.prefix != "" && len(words) > 1 {
			words = words[:1]
		}
		for _, word := range words {
			found = append(found, unpadded(word))
		}
	}
	return found
}

func unpadded(s string) string { return strings.TrimRight(s, "=") }
