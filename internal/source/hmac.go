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
	"strings"
	"time"
)

// defaultTolerance is how old, and how far in the future, a signed timestamp may be (Standard Webhooks' libraries).
const defaultTolerance = 5 * time.Minute

// signature is a sender that signs with HMAC: the schemes hmac and standard-webhooks.
type signature struct {
	keys   []string
	hash   func() hash.Hash
	encode func([]byte) string
	where  part
	// prefix stands before each signature. A vendor that leaves it out has bare set.
	prefix string
	bare   bool
	folded bool   // hexadecimal, which may be written in either case
	signed string // placeholders, and text between them
	// The signed time of sending is a part of its own, or follows a prefix in the part with the signature. Both are
	// empty where the vendor has none.
	timestamp       part
	timestampPrefix string
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
var placeholder = pattern(`\{(body|method|timestamp|(header|query):([A-Za-z0-9_-]+))\}`)

const wantPlaceholders = "{body}, {method}, {header:NAME}, {query:NAME}, {timestamp}"

func readHMAC(m *members) scheme {
	hexadecimal := !m.raw.Has("encoding") || string(m.raw["encoding"]) == `"hex"`
	s := signature{
		hash:            choice(m, "algorithm", "sha256", algorithms),
		encode:          choice(m, "encoding", "hex", encodings),
		folded:          hexadecimal,
		where:           m.part("header"),
		prefix:          m.verbatim("prefix"),
		bare:            true,
		signed:          cmp.Or(m.verbatim("signed"), "{body}"),
		timestamp:       m.part("timestamp_header"),
		timestampPrefix: m.verbatim("timestamp_prefix"),
		tolerance:       m.duration("tolerance", defaultTolerance),
	}
	none := part{}
	if s.where == none {
		m.fault("header", "missing: the name of the header with the signature")
	}
	if s.timestamp != none && s.timestampPrefix != "" {
		m.fault("timestamp_prefix", "stands beside timestamp_header: there is one timestamp")
	}
	if !s.timed() && s.tolerance != defaultTolerance {
		m.fault("tolerance", "has no effect without a timestamp_header or timestamp_prefix")
	}
	s.keys = m.keys(choice(m, "key_encoding", "raw", keyEncodings))
	s.checkSigned(m)
	return s
}

func (s signature) timed() bool { return s.timestamp != (part{}) || s.timestampPrefix != "" }

// checkSigned notes what is wrong with the member signed.
func (s *signature) checkSigned(m *members) {
	stamp := "{timestamp}"
	if s.timestamp != (part{}) {
		stamp = "{" + s.timestamp.String() + "}"
	}
	signs := func(text string) bool { return strings.Contains(strings.ToLower(s.signed), strings.ToLower(text)) }
	switch {
	case strings.Contains(placeholder().ReplaceAllLiteralString(s.signed, ""), "{"):
		m.fault("signed", "has a { that starts none of "+wantPlaceholders)
	case !strings.Contains(s.signed, "{body}"):
		m.fault("signed", "has no {body}: a body that is not signed proves nothing")
	case s.timed() && !signs(stamp) && !signs("{timestamp}"):
		m.fault("signed", "has no %s: a timestamp that is not signed proves nothing", stamp)
	case !s.timed() && signs("{timestamp}"):
		m.fault("signed", "has a {timestamp}: say where it is by timestamp_prefix or timestamp_header")
	case strings.Contains(s.signed, "}{body}") || strings.Contains(s.signed, "{body}{"):
		s.formFault = faults(m.path + ".signed: {body} touches another part, and somebody could move bytes of a form " +
			"from one to the other: have the body sent as JSON")
	}
}

func (s signature) open(r *http.Request, body []byte, now time.Time) (message, error) {
	if err := s.verify(r, body, now); err != nil {
		return message{}, err
	}
	if s.formFault != nil && isForm(r.Header, body) {
		return message{}, s.formFault
	}
	m := decoded(r.Header, body)
	for _, found := range placeholder().FindAllStringSubmatch(s.signed, -1) {
		if name := found[3]; strings.HasSuffix(strings.ToLower(name), "-id") { // webhook-id, Finch's finch-event-id
			m.id, _ = single(newPart(name, found[2] == "query").values(r))
		}
	}
	return m, nil
}

// verify compares every signature that was sent with that of every key.
func (s signature) verify(r *http.Request, body []byte, now time.Time) error {
	sent := strings.Join(s.where.values(r), ",") // as front ends join the values of a repeated header
	stamp, ok := s.stamp(r, sent)
	if !ok {
		return notVerified("the timestamp is missing, or stands twice")
	}
	missing := ""
	signed := placeholder().ReplaceAllStringFunc(s.signed, func(text string) string {
		switch text {
		case "{body}":
			return string(body)
		case "{method}":
			return r.Method
		case "{timestamp}":
			return stamp
		}
		found := placeholder().FindStringSubmatch(text)
		p := newPart(found[3], found[2] == "query")
		value, ok := single(p.values(r))
		if !ok {
			missing = p.String()
		}
		return value
	})
	if missing != "" {
		return notVerified("the signed " + strings.Replace(missing, ":", " ", 1) + " is missing, or stands twice")
	}
	var wanted []string
	for _, key := range s.keys {
		mac := hmac.New(s.hash, []byte(key))
		mac.Write([]byte(signed))
		wanted = append(wanted, unpadded(s.encode(mac.Sum(nil))))
	}
	candidates := s.candidates(sent)
	if !anyEqual(candidates, wanted) {
		return notVerified(fmt.Sprintf("none of %d signatures in %s fits any key", len(candidates), s.where.shown()))
	}
	if !s.timed() {
		return nil
	}
	where := cmp.Or(s.timestampPrefix, s.timestamp.shown())
	at, err := instant(stamp)
	if err != nil {
		return notVerified(where + " is not a time")
	}
	if age := now.Sub(at); age.Abs() > s.tolerance {
		return notVerified(fmt.Sprintf("%s is %s away from now, at most %s is allowed",
			where, age.Round(time.Second), s.tolerance))
	}
	return nil
}

// stamp returns the timestamp as it was sent, or false where the vendor has one and there is not exactly one.
func (s signature) stamp(r *http.Request, sent string) (string, bool) {
	switch {
	case s.timestampPrefix != "":
		var found []string
		for _, word := range words(sent) {
			if stamp, ok := strings.CutPrefix(word, s.timestampPrefix); ok {
				found = append(found, stamp)
			}
		}
		return single(found)
	case s.timestamp != (part{}):
		return single(s.timestamp.values(r))
	}
	return "", true
}

// candidates returns the signatures in what was sent, without base64's padding, in which vendors differ. A signature
// follows each prefix, up to a space or a comma.
func (s signature) candidates(sent string) (found []string) {
	pieces := []string{sent}
	prefixed := s.prefix != "" && (!s.bare || strings.Contains(sent, s.prefix))
	if prefixed {
		pieces = strings.Split(sent, s.prefix)[1:]
	}
	for _, piece := range pieces {
		for i, word := range words(piece) {
			if i > 0 && prefixed {
				break
			}
			if s.folded {
				word = strings.ToLower(word)
			}
			found = append(found, unpadded(word))
		}
	}
	return found
}

func words(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })
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
