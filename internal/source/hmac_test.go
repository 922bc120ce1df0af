package source

import (
	"crypto/hmac"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/quick"
	"time"

	"wedata-unbind/internal/source/sourcetest"
)

// shape is one way to sign that an entry of hmac can describe.
type shape struct {
	algorithm, encoding, prefix string
	signed                      []string // the placeholders and texts in their order
}

func (s shape) entry(key string) string {
	entry, _ := json.Marshal(map[string]any{
		"scheme": "hmac", "keys": []string{"another key", key}, "header": "X-Signature", "algorithm": s.algorithm,
		"encoding": s.encoding, "prefix": s.prefix, "signed": strings.Join(s.signed, ""),
	})
	return string(entry)
}

func (s shape) sign(key string, r *sourcetest.Request) {
	mac := hmac.New(algorithms[s.algorithm], []byte(key))
	for _, p := range s.signed {
		switch p {
		case "{body}":
			mac.Write(r.Body)
		case "{method}":
			mac.Write([]byte(r.Method))
		case "{header:x-id}":
			mac.Write([]byte(r.Header.Get("X-Id")))
		default:
			mac.Write([]byte(p))
		}
	}
	r.Header.Set("X-Signature", s.prefix+encodings[s.encoding](mac.Sum(nil)))
}

// Whatever the shape: what is signed is let in, and nothing else is.
func TestHMACOfEveryShape(t *testing.T) {
	pick := func(list ...string) string { return list[rand.IntN(len(list))] }
	property := func(keyBytes [8]byte, uid uint32, id uint64, at uint16) bool {
		key := hex.EncodeToString(keyBytes[:])
		s := shape{
			algorithm: pick(slices.Collect(maps.Keys(algorithms))...),
			encoding:  pick(slices.Collect(maps.Keys(encodings))...),
			prefix:    pick("", "sha256=", "v1,", "v0:"),
			signed:    []string{"{body}", "{header:x-id}", "{method}", ".", "v0:\n"},
		}
		rand.Shuffle(len(s.signed), func(i, j int) { s.signed[i], s.signed[j] = s.signed[j], s.signed[i] })
		r := post(fmt.Appendf(nil, `{"uid":"%d"}`, uid), "X-Id", strconv.FormatUint(id, 10))
		s.sign(key, &r)
		if d, err := receive(newRegistry(s.entry(key)), r); err != nil || len(d.Events) != 1 {
			t.Logf("%+v: %v", s, err)
			return false
		}
		refused := func(what string, entry string, change func(*sourcetest.Request)) bool {
			changed := r
			changed.Header = r.Header.Clone()
			change(&changed)
			_, err := receive(newRegistry(entry), changed)
			if !errors.Is(err, ErrNotVerified) {
				t.Logf("%s of %+v: %v", what, s, err)
			}
			return errors.Is(err, ErrNotVerified)
		}
		return refused("body", s.entry(key), func(r *sourcetest.Request) { r.Body = []byte(flip(string(r.Body), int(at)%len(r.Body))) }) &&
			refused("header", s.entry(key), func(r *sourcetest.Request) { r.Header.Set("X-Id", flip(r.Header.Get("X-Id"), 0)) }) &&
			refused("header twice", s.entry(key), func(r *sourcetest.Request) { r.Header.Add("X-Id", r.Header.Get("X-Id")) }) &&
			refused("signature", s.entry(key), func(r *sourcetest.Request) {
				given := r.Header.Get("X-Signature")
				other := flip(given, len(s.prefix)+int(at)%20)
				if strings.EqualFold(other, given) { // hexadecimal in another case is the same
					other = flip(other, len(s.prefix)+20)
				}
				r.Header.Set("X-Signature", other)
			}) &&
			refused("key", s.entry(flip(key, 0)), func(*sourcetest.Request) {})
	}
	if err := quick.Check(property, &quick.Config{MaxCount: 300}); err != nil {
		t.Error(err)
	}
}

func TestTimestampsOfHMAC(t *testing.T) {
	const entry = `{"scheme":"hmac","keys":["test key"],"header":"X-Signature","signed":"{header:x-time}.{body}","timestamp_header":"x-time"%s}`
	for _, tt := range []struct {
		name, stamp, more string
		want              error
	}{
		{"seconds", "1795395600", "", nil},
		{"milliseconds", "1795395600123", "", nil},
		{"RFC 3339", "2026-11-23T01:00:00Z", "", nil},
		{"old", "1795395000", "", ErrNotVerified},
		{"old, with more tolerance", "1795395000", `,"tolerance":"10m"`, nil},
		{"old, with seconds of tolerance", "1795395000", `,"tolerance":600`, nil},
		{"too old for less tolerance", "1795395580", `,"tolerance":10`, ErrNotVerified},
		{"in the future", "1795396200", "", ErrNotVerified},
		{"no time", "now", "", ErrNotVerified},
		{"of long ago", "7", "", ErrNotVerified},
		{"empty", "", "", ErrNotVerified},
		{"joined", "1795395600,1795395600", "", ErrNotVerified},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := post([]byte(`{"uid":"E1"}`), "X-Time", tt.stamp)
			mac := hmac.New(algorithms["sha256"], []byte("test key"))
			mac.Write([]byte(tt.stamp + `.{"uid":"E1"}`))
			r.Header.Set("X-Signature", encodings["hex"](mac.Sum(nil)))
			if _, err := receive(newRegistry(fmt.Sprintf(entry, tt.more)), r); !errors.Is(err, tt.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestInstants(t *testing.T) {
	for s, want := range map[string]string{
		"2026-11-23T01:00:00+08:00": "2026-11-22T17:00:00Z",
		"2026-11-23T01:00:00+0800":  "2026-11-22T17:00:00Z",
		"1000000000":                "2001-09-09T01:46:40Z",
		"9999999999":                "2286-11-20T17:46:39Z",
		"1000000000000":             "2001-09-09T01:46:40Z",
		"999999999":                 "",
		"10000000000":               "",
		"10000000000000":            "",
		"20261130":                  "",
		"20261130120000":            "",
		"-1795395600":               "",
		"1795395600.5":              "",
		"2026-11-23":                "",
		"":                          "",
	} {
		got, err := instant(s)
		if (err != nil) != (want == "") || err == nil && got.UTC().Format(time.RFC3339) != want {
			t.Errorf("%q: got %v, %v", s, got, err)
		}
	}
}

func FuzzSigned(f *testing.F) {
	f.Add("{body}", "v1,abc v1,def", "v1,")
	f.Add("{header:x}.{method}{body}", "a,b c", "")
	f.Fuzz(func(t *testing.T, template, header, prefix string) {
		s := signature{keys: []string{"\x01"}, hash: algorithms["sha256"], where: newPart("S", false), prefix: prefix, encode: encodings["hex"], signed: template}
		if err := s.verify(&http.Request{Header: http.Header{"S": {header}}}, []byte(header), now); !errors.Is(err, ErrNotVerified) {
			t.Errorf("%q is a signature: %v", header, err)
		}
	})
}
