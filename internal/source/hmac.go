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
	"regexp"
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
	signed          string // placeholders, and text between them
	timestampHeader string // the signed header with the time of sending, or "" where the vendor has none
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

// placeholder is what stands for a part of the request in what is signed.
var placeholder = regexp.MustCompile(`\{(body|method|header:([A-Za-z0-9_-]+))\}`)

func readHMAC(m *members) scheme {
	s := signature{
		hash:            choice(m, "algorithm", "sha256", algorithms),
		encode:          choice(m, "encoding", "hex", encodings),
		header:          m.header("header"),
		prefix:          m.verbatim("prefix"),
		signed:          cmp.Or(m.verbatim("signed"), "{body}"),
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
	stamp := "{header:" + s.timestampHeader + "}"
	switch {
	case strings.Contains(placeholder.ReplaceAllString(s.signed, ""), "{"):
		m.fault("signed", "has a { that starts none of {body}, {method}, {header:NAME}")
	case !strings.Contains(s.signed, "{body}"):
		m.fault("signed", "has no {body}: a body that is not signed proves nothing")
	case s.timestampHeader != "" && !strings.Contains(strings.ToLower(s.signed), strings.ToLower(stamp)):
		m.fault("signed", "has no %s: a timestamp that is not signed proves nothing", stamp)
	case strings.Contains(s.signed, "}{body}") || strings.Contains(s.signed, "{body}{"):
		s.formFault = faults(m.path + ".signed: {body} touches another part, and somebody could move bytes of a form " +
			"from one to the other: have the body sent as JSON")
	}
	return s
}

func (s signature) open(r *http.Request, body []byte, now time.Time) (message, error) {
	if err := s.verify(r, body, now); err != nil {
		return message{}, err
	}
	if s.formFault != nil && isForm(r.Header, body) {
		return message{}, s.formFault
	}
	m := decoded(r.Header, body)
	for _, part := range placeholder.FindAllStringSubmatch(s.signed, -1) {
		if header := part[2]; strings.HasSuffix(strings.ToLower(header), "-id") { // webhook-id, Finch's finch-event-id
			m.id = r.Header.Get(header)
		}
	}
	return m, nil
}

// verify compares every signature in the header with that of every key.
func (s signature) verify(r *http.Request, body []byte, now time.Time) error {
	missing := ""
	signed := placeholder.ReplaceAllStringFunc(s.signed, func(part string) string {
		switch part {
		case "{body}":
			return string(body)
		case "{method}":
			return r.Method
		}
		name := placeholder.FindStringSubmatch(part)[2]
		value, ok := single(r.Header.Values(name))
		if !ok {
			missing = name
		}
		return value
	})
	if missing != "" {
		return notVerified("the signed header " + missing + " is missing, or stands twice")
	}
	var wanted []string
	for _, key := range s.keys {
		mac := hmac.New(s.hash, []byte(key))
		mac.Write([]byte(signed))
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
func (s signature) candidates(values []string) (found []string) {
	pieces := []string{strings.Join(values, ",")}
	if s.prefix != "" {
		pieces = strings.Split(pieces[0], s.prefix)[1:]
	}
	for _, piece := range pieces {
		words := strings.FieldsFunc(piece, func(r rune) bool { return r == ',' || r == ' ' })
		for i, word := range words {
			if i == 0 || s.prefix == "" {
				found = append(found, unpadded(word))
			}
		}
	}
	return found
}

func unpadded(s string) string { return strings.TrimRight(s, "=") }

// decodeHex and decodeBase64 drop the decoder's error, which would quote the key.
func decodeHex(s string) ([]byte, error) {
	key, err := hex.DecodeString(s)
	if err != nil {
		return nil, errors.New("is not hexadecimal")
	}
	return key, nil
}

// decodeBase64 reads base64 of either alphabet, padded or not.
func decodeBase64(s string) ([]byte, error) {
	key, err := base64.RawStdEncoding.DecodeString(strings.NewReplacer("-", "+", "_", "/").Replace(unpadded(s)))
	if err != nil {
		return nil, errors.New("is not base64")
	}
	return key, nil
}
