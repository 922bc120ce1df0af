package canary_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"wedata-unbind/internal/lambdatest/canary"
)

const secret = "61_kP7+vQ2/xT9=mZ4 wL8\"rB5<nH3>"

func backwards(s string) string {
	b := []byte(s)
	slices.Reverse(b)
	return string(b)
}

// spelled writes a text in each way in which it could be shown, with other bytes around it.
func spelled(text string) map[string]string {
	quoted, _ := json.Marshal(text)
	list := map[string]string{
		"as it is":     text,
		"in one case":  strings.ToUpper(text),
		"reversed":     backwards(text),
		"in hex":       hex.EncodeToString([]byte("x" + text + "y")),
		"in a URL":     url.QueryEscape(text),
		"in JSON":      string(quoted),
		"in Go quotes": fmt.Sprintf("%q", text),
		"as bytes":     fmt.Sprintf("%d", []byte(text)),
	}
	return list
}

func TestEachFormIsFound(t *testing.T) {
	var whole canary.Searcher
	whole.AddWhole("the token", secret)
	texts := map[string][]string{
		"in a URL": {url.PathEscape(secret), "%" + strings.Join(strings.Fields(fmt.Sprintf("% X", secret)), "%")},
		"in hex":   {strings.ToUpper(hex.EncodeToString([]byte(secret)))},
	}
	for form, text := range spelled(secret) {
		texts[form] = append(texts[form], text)
	}
	for before := range 7 {
		for after := range 4 {
			text := []byte("abcdefg"[:before] + secret + "hijk"[:after])
			texts["in base64"] = append(texts["in base64"], base64.StdEncoding.EncodeToString(text))
			texts["in base64url"] = append(texts["in base64url"], base64.URLEncoding.EncodeToString(text))
		}
	}
	for form, list := range texts {
		for _, text := range list {
			if found := whole.Find("before " + text + " after"); !slices.Contains(found, "the token "+form) {
				t.Errorf("%s is not found in %s, only %v", form, text, found)
			}
		}
	}
}

func TestAnyPartOf15BytesIsFound(t *testing.T) {
	var parts canary.Searcher
	parts.AddParts("the token", secret)
	for start := range len(secret) - 15 {
		for form, text := range spelled(secret[start : start+15]) {
			if found := parts.Find("before " + text + " after"); !slices.Contains(found, "the token "+form) {
				t.Errorf("%s is not found in %s, only %v", form, text, found)
			}
		}
	}
	var short canary.Searcher
	short.AddParts("a key", "sh0rt-key")
	if found := short.Find("the sh0rt-key"); len(found) == 0 {
		t.Error("a short secret is not found")
	}
}

func TestWhatMayBeShownIsNotFound(t *testing.T) {
	var s canary.Searcher
	s.AddWhole("the uid", "person-1001")
	s.AddParts("the token", secret)
	for _, text := range []string{"", "p***1", "uid_hash 69050a418734442c", "person-1002", "person-100", secret[:7]} {
		if found := s.Find(text); len(found) > 0 {
			t.Errorf("%s: found %v", text, found)
		}
	}
}
