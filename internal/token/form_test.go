package token

import (
	"errors"
	"strings"
	"testing"

	"wedata-unbind/internal/secrets"
	"wedata-unbind/internal/strictjson"
)

// FuzzParse looks for a panic, a result beside an error, a token that no secret can hold, and a token in an error.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"tok\n", `{"authorizer_access_token":"tok","authorizer_appid":"wx0123456789abcdef"}`,
		`{"authorizers":{"wx0123456789abcdef":{"authorizer_access_token":"tok"},"wxB":{"secret_id":"wedata/wxB"}}}`,
		`{"authorizers":{"a":1,"b":{},"c":{"secret_id":"s","authorizer_access_token":"tok"}}}`, `"tok"`, `["tok"]`, "{", "\ufeff{}", "\xff",
	} {
		f.Add(seed, "0123456789abcdefghij")
	}
	f.Fuzz(func(t *testing.T, secret, token string) {
		if len(token) < 12 || len(token) > 512 || len(secret) > 64<<10 || strings.Contains(wantForms, token) ||
			strings.ContainsAny(token, `"\`) { // JSON writes these in another way, so such a text is a name with its quote
			return
		}
		secret = strings.ReplaceAll(secret, "tok", token)
		got := parse(secrets.Secret{Value: secret}, nil)
		errs := []error{got.err}
		if got.err != nil && (got.index || got.appids != nil || got.entries != nil) {
			t.Errorf("a result beside the error %v", got.err)
		}
		if got.err == nil && len(got.appids) == 0 {
			t.Error("no merchant")
		}
		if got.err == nil && !got.index && (len(got.appids) != 1 || checkWord(got.entries[""].token) != nil) {
			t.Error("no word")
		}
		for _, e := range got.entries {
			errs = append(errs, e.err)
			if e.err == nil && (e.token == "") == (e.secretID == "") {
				t.Error("neither or both of token and secret")
			}
			if e.err != nil && (e.token != "" || e.secretID != "") {
				t.Errorf("a result beside the error %v", e.err)
			}
		}
		if text := errors.Join(errs...); text != nil && strings.Contains(text.Error(), token) && !inName(secret, token) {
			t.Errorf("the error quotes the content: %v", text)
		}
	})
}

// inName reports whether the text is in a name of the JSON, which errors quote, and not in its values alone.
func inName(secret, text string) bool {
	members, err := strictjson.ParseObject([]byte(strings.TrimSpace(secret)))
	if err != nil {
		return strings.Contains(err.Error(), text) // a name that stands twice
	}
	for name, value := range members {
		if strings.Contains(name, text) || inName(string(value), text) {
			return true
		}
	}
	return false
}
