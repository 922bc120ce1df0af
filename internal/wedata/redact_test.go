package wedata

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// No part of a token is shown that has 8 characters in a row, whatever its spelling.
func FuzzRedact(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(seed, "invalid credential ", " is not latest")
	}
	f.Add(uint64(1), "x rid: ", "-aaaaaaaa-bbbbbbbb")
	f.Add(uint64(2), "用户", "不存在, rid: 6389a6d5-4b4a6e7d-1f7d2a5e")
	f.Fuzz(func(t *testing.T, seed uint64, before, after string) {
		random := rand.New(rand.NewPCG(seed, 0))
		const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
		text := make([]byte, 138)
		for i := range text {
			text[i] = alphabet[random.IntN(len(alphabet))]
		}
		token := string(text)
		start := random.IntN(len(text) - 8)
		part := text[start : start+8]
		reversed := slices.Clone(part)
		slices.Reverse(reversed)
		inParts := make([]string, len(part))
		for i, c := range part {
			inParts[i] = string(c)
		}
		for name, spelling := range map[string]string{
			"as it is":      string(part),
			"in capitals":   strings.ToUpper(string(part)),
			"reversed":      string(reversed),
			"in hex":        hex.EncodeToString(part),
			"in base64":     base64.StdEncoding.EncodeToString(part),
			"in base64url":  base64.RawURLEncoding.EncodeToString(part),
			"in URL escape": "%" + strings.Join(strings.Fields(fmt.Sprintf("% x", part)), "%"),
			"with dots":     strings.Join(inParts, "."),
			"with blanks":   strings.Join(inParts, " "),
		} {
			if strings.Count(spelling, "-")+strings.Count(spelling, "_") > 2 && strings.HasPrefix(name, "with ") {
				continue // fewer than 6 letters and digits in a row
			}
			msg, rid := redact(before+spelling+after, token, "")
			for _, shown := range []string{msg, rid} {
				if strings.Contains(shown, spelling) {
					t.Errorf("%s: %q of %q is shown in %q", name, spelling, token, shown)
				}
			}
		}
	})
}
