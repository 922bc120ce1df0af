package token_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/smithy-go"

	"wedata-unbind/internal/offboard"
	"wedata-unbind/internal/secrets"
	"wedata-unbind/internal/token"
)

const (
	root = "wedata/token"
	wxA  = "wx000000000000000a"
	wxB  = "wx000000000000000b"
	wxC  = "wx000000000000000c"
)

var written = time.Date(2026, 11, 23, 1, 0, 0, 0, time.UTC)

// fakeAPI is a Secrets Manager: values by name, and faults by name.
type fakeAPI struct {
	mu     sync.Mutex
	values map[string]string
	faults map[string]error
	calls  []string
}

func (f *fakeAPI) GetSecretValue(_ context.Context, in *secretsmanager.GetSecretValueInput, _ ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, *in.SecretId)
	if err := f.faults[*in.SecretId]; err != nil {
		return nil, err
	}
	value, ok := f.values[*in.SecretId]
	if !ok {
		return nil, &smithy.GenericAPIError{Code: "ResourceNotFoundException", Message: "can't find the specified secret"}
	}
	return &secretsmanager.GetSecretValueOutput{ // another value has another version
		SecretString: aws.String(value), VersionId: aws.String("version of " + value), CreatedDate: aws.Time(written),
	}, nil
}

func (f *fakeAPI) set(name, value string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.values[name] = value
}

// wantReads compares with the names of the secrets read since the last call.
func (f *fakeAPI) wantReads(t *testing.T, names ...string) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if fmt.Sprint(f.calls) != fmt.Sprint(names) {
		t.Errorf("read %v, want %v", f.calls, names)
	}
	f.calls = nil
}

// newStore returns a Store over the real cache and a Secrets Manager with these names and values.
func newStore(namesAndValues ...string) (*token.Store, *fakeAPI) {
	api := &fakeAPI{values: map[string]string{}, faults: map[string]error{}}
	for i := 0; i < len(namesAndValues); i += 2 {
		api.values[namesAndValues[i]] = namesAndValues[i+1]
	}
	return token.New(secrets.New(api, secrets.Config{}), root), api
}

func wantToken(t *testing.T, got offboard.Token, err error, value, secretID string) {
	t.Helper()
	if want := (offboard.Token{Value: value, SecretID: secretID, Written: written}); err != nil || got != want {
		t.Errorf("= %+v, %v; want %+v", got, err, want)
	}
}

type classifiedError interface {
	error
	Class() string
}

func wantError(t *testing.T, got offboard.Token, err error, says string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), says) {
		t.Errorf("error = %v; want one that says %q", err, says)
	}
	if got != (offboard.Token{}) {
		t.Error("a result beside the error")
	}
	if err != nil && strings.Contains(err.Error(), "tok-") {
		t.Errorf("the error quotes a token: %v", err)
	}
	if classified, ok := errors.AsType[classifiedError](err); !ok || classified.Class() != "secret" {
		t.Errorf("%v has not the class secret", err)
	}
}

func TestSingleToken(t *testing.T) {
	for _, tc := range []struct {
		name      string
		secret    string
		merchants string
		merchant  string
		fails     string
	}{
		{name: "bare", secret: "tok-1", merchants: `[""]`},
		{name: "bare with a line feed at the end", secret: "tok-1\n", merchants: `[""]`},
		{name: "bare with white space around", secret: "\ufeff \ttok-1\r\n\r\n", merchants: `[""]`},
		{
			name: "bare, a merchant named", secret: "tok-1", merchants: `[""]`, merchant: wxA,
			fails: "token: secret wedata/token: it holds one token and its authorizer_appid is \"\", so merchant \"" + wxA + "\" is unknown: correct the appid or the event",
		},
		{name: "object", secret: `{"authorizer_access_token":"tok-1"}`, merchants: `[""]`},
		{name: "object with a line feed in the token", secret: `{"authorizer_access_token":"tok-1\n"}`, merchants: `[""]`},
		{
			name: "object as WeChat replies it", merchants: `[""]`,
			secret: `{"authorizer_access_token":"tok-1","expires_in":7200,"authorizer_refresh_token":"tok-refresh"}`,
		},
		{name: "object with an unknown appid", secret: `{"authorizer_access_token":"tok-1","authorizer_appid":null}`, merchants: `[""]`},
		{
			name: "object, a merchant named", secret: `{"authorizer_access_token":"tok-1"}`, merchants: `[""]`, merchant: wxA,
			fails: `it holds one token and its authorizer_appid is ""`,
		},
		{
			name: "object with its appid", secret: `{"authorizer_appid":"` + wxA + `","authorizer_access_token":"tok-1"}`,
			merchants: `["` + wxA + `"]`,
		},
		{
			name: "object with its appid, that merchant named", secret: `{"authorizer_appid":"` + wxA + `","authorizer_access_token":"tok-1"}`,
			merchants: `["` + wxA + `"]`, merchant: wxA,
		},
		{
			name: "object with its appid, another merchant named", secret: `{"authorizer_appid":"` + wxA + `","authorizer_access_token":"tok-1"}`,
			merchants: `["` + wxA + `"]`, merchant: wxB,
			fails: `it holds one token and its authorizer_appid is "` + wxA + `", so merchant "` + wxB + `" is unknown`,
		},
		{
			name: "a merchant that is a whole line", secret: "tok-1", merchants: `[""]`, merchant: "wedata/other\nx",
			fails: `merchant "wedata/other\nx" is unknown`,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			store, api := newStore(root, tc.secret)
			merchants, _, err := store.Merchants(t.Context())
			if got := fmt.Sprintf("%q", merchants); err != nil || got != tc.merchants {
				t.Errorf("Merchants = %s, %v; want %s", got, err, tc.merchants)
			}
			got, err := store.Token(t.Context(), tc.merchant)
			if tc.fails != "" {
				wantError(t, got, err, tc.fails)
			} else {
				wantToken(t, got, err, "tok-1", root)
			}
			api.wantReads(t, root)
		})
	}
}

func TestASecretInNoKnownForm(t *testing.T) {
	for _, tc := range []struct{ name, secret, says string }{
		{"two words", "tok-1 tok-2", "white space"},
		{"two lines", "tok-1\ntok-2", "white space"},
		{"a control character", "tok-1\x00tok-2", "white space or other than visible ASCII"},
		{"a zero-width space from a copy", "tok-1\u200btok-2", "visible ASCII"},
		{"not UTF-8", "tok-1\xfftok-2", "visible ASCII"},
		{"JSON, a string", `"tok-1"`, "a string where a JSON object is expected: write the bare token"},
		{"JSON, a list", `["tok-1"]`, "a list where a JSON object is expected"},
		{"JSON, an empty object", `{}`, "it has no member authorizer_access_token or authorizers"},
		{"JSON, other members", `{"access_token":"tok-1"}`, "it has no member authorizer_access_token or authorizers"},
		{"JSON, the names in another case", `{"Authorizer_Access_Token":"tok-1"}`, "(names in lower case)"},
		{"JSON, cut off", `{"authorizer_access_token":"tok-1`, "ends too early"},
		{"JSON, something behind", `{"authorizer_access_token":"tok-1"} tok-2`, "after top-level value"},
		{"JSON, a member twice", `{"authorizer_access_token":"tok-1","authorizer_access_token":"tok-2"}`, "stands twice"},
		{"JSON, not UTF-8", "{\"authorizer_access_token\":\"tok-1\xff\"}", "not valid UTF-8"},
		{"token null", `{"authorizer_access_token":null}`, "authorizer_access_token: null where a string is expected"},
		{"token a number", `{"authorizer_access_token":1}`, "authorizer_access_token: a number where a string is expected"},
		{"token empty", `{"authorizer_access_token":" "}`, "authorizer_access_token: it is empty"},
		{"token of two words", `{"authorizer_access_token":"tok-1 tok-2"}`, "authorizer_access_token: it has white space"},
		{"appid a number", `{"authorizer_access_token":"tok-1","authorizer_appid":1}`, "authorizer_appid: a number where a string is expected"},
		{"appid no appid", `{"authorizer_access_token":"tok-1","authorizer_appid":"tok-2"}`, "authorizer_appid: not an appid"},
		{"token and index", `{"authorizer_access_token":"tok-1","authorizers":{}}`, "both authorizer_access_token and authorizers: leave one out"},
		{"index empty", `{"authorizers":{}}`, "authorizers: empty: add a merchant"},
		{"index null", `{"authorizers":null}`, "authorizers: null where a JSON object is expected"},
		{"index a list", `{"authorizers":[{"authorizer_access_token":"tok-1"}]}`, "authorizers: a list where a JSON object is expected"},
		{
			"a merchant twice", `{"authorizers":{"` + wxA + `":{"authorizer_access_token":"tok-1"},"` + wxA + `":{"secret_id":"s"}}}`,
			`authorizers: member whose name is not shown here stands twice`,
		},
		{
			"token and appid confused", `{"authorizers":{"tok-` + strings.Repeat("x", 130) + `":{"authorizer_access_token":"` + wxA + `"}}}`,
			"authorizers: a name of 134 bytes: not an appid",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			store, _ := newStore(root, tc.secret)
			says := "token: secret wedata/token: "
			for _, says := range []string{says, tc.says} {
				got, err := store.Token(t.Context(), "")
				wantError(t, got, err, says)
			}
			merchants, _, err := store.Merchants(t.Context())
			wantError(t, offboard.Token{}, err, says)
			if merchants != nil {
				t.Errorf("Merchants = %q beside an error", merchants)
			}
		})
	}
}

func TestIndex(t *testing.T) {
	const index = `{"authorizers":{
		"` + wxB + `":{"secret_id":"wedata/b","comment":"other members are ignored"},
		"` + wxA + `":{"authorizer_access_token":"tok-a"},
		"` + wxC + `":{"authorizer_access_token":"tok-c"},
		"wx00000000000000d1":{"secret_id":"wedata/d","authorizer_access_token":"tok-d"},
		"wx00000000000000d2":{},
		"wx00000000000000d3":"tok-d",
		"wx00000000000000d4":{"secret_id":7},
		"wx00000000000000d5":{"secret_id":"wedata/bare"},
		"wx00000000000000d6":{"secret_id":"wedata/gone"},
		"wx00000000000000d7":{"secret_id":"` + root + `"},
		"wx00000000000000d8":{"secret_id":"wedata/b"},
		"wx00000000000000d9":{"secret_id":"wedata/words"},
		"wx00000000000000da":{"secret_id":"wedata/busy"},
		"WX000000000000000A":{"authorizer_access_token":"tok-A"}
	},"version":3}`
	store, api := newStore(
		root, index,
		"wedata/b", `{"authorizer_access_token":"tok-b","authorizer_appid":"`+wxB+`"}`,
		"wedata/bare", "tok-bare\n",
		"wedata/words", "tok-1 tok-2",
	)
	api.faults["wedata/busy"] = &smithy.GenericAPIError{Code: "ThrottlingException"}
	for _, tc := range []struct {
		name, merchant  string
		token, secretID string
		says            string
		temporary       bool
	}{
		{name: "token in the index", merchant: wxA, token: "tok-a", secretID: root},
		{name: "token behind the index", merchant: wxB, token: "tok-b", secretID: "wedata/b"},
		{name: "bare token behind the index", merchant: "wx00000000000000d5", token: "tok-bare", secretID: "wedata/bare"},
		{name: "not in it", merchant: "wx0000000000000fff", says: `token: secret wedata/token: merchant "wx0000000000000fff" is not in the index: add it under authorizers`},
		{name: "none named", merchant: "", says: `merchant "" is not in the index`},
		{name: "the name of a secret", merchant: "wedata/b", says: `merchant "wedata/b" is not in the index`},
		{name: "both", merchant: "wx00000000000000d1", says: "authorizers.wx00000000000000d1: it must have either authorizer_access_token or secret_id"},
		{name: "neither", merchant: "wx00000000000000d2", says: "authorizers.wx00000000000000d2: it must have either authorizer_access_token or secret_id"},
		{name: "no object", merchant: "wx00000000000000d3", says: "authorizers.wx00000000000000d3: a string where a JSON object is expected"},
		{name: "no name", merchant: "wx00000000000000d4", says: "authorizers.wx00000000000000d4: secret_id: a number where a string is expected"},
		{name: "secret missing", merchant: "wx00000000000000d6", says: "authorizers.wx00000000000000d6.secret_id: secrets: read wedata/gone: no such secret"},
		{name: "an index behind the index", merchant: "wx00000000000000d7", says: "authorizers.wx00000000000000d7.secret_id: token: secret wedata/token: it is an index itself"},
		{name: "another's secret", merchant: "wx00000000000000d8", says: "secret wedata/b: its authorizer_appid is " + wxB},
		{name: "secret in no known form", merchant: "wx00000000000000d9", says: "secret wedata/words: a bare token that has white space"},
		{name: "secret throttled", merchant: "wx00000000000000da", says: "secrets: read wedata/busy: throttled", temporary: true},
		{name: "no appid", merchant: "WX000000000000000A", says: `authorizers."WX000000000000000A": not an appid`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := store.Token(t.Context(), tc.merchant)
			if tc.says == "" {
				wantToken(t, got, err, tc.token, tc.secretID)
				return
			}
			wantError(t, got, err, tc.says)
			var passing interface{ Temporary() bool }
			if got := errors.As(err, &passing) && passing.Temporary(); got != tc.temporary {
				t.Errorf("Temporary = %v", got)
			}
		})
	}
	t.Run("merchants are all that are in it, sorted", func(t *testing.T) {
		merchants, _, err := store.Merchants(t.Context())
		want := "[WX000000000000000A " + wxA + " " + wxB + " " + wxC + " wx00000000000000d1 wx00000000000000d2 wx00000000000000d3 " +
			"wx00000000000000d4 wx00000000000000d5 wx00000000000000d6 wx00000000000000d7 wx00000000000000d8 wx00000000000000d9 wx00000000000000da]"
		if got := fmt.Sprint(merchants); err != nil || got != want {
			t.Errorf("Merchants = %s, %v; want %s", got, err, want)
		}
	})
	// The index was read again once, for the first merchant that is not in it, and not for the others.
	api.wantReads(t, root, "wedata/b", "wedata/bare", root, "wedata/gone", "wedata/words", "wedata/busy")
}

func TestAMerchantAddedSinceTheLastReadIsFound(t *testing.T) {
	store, api := newStore(root, `{"authorizers":{"`+wxA+`":{"authorizer_access_token":"tok-a"}}}`)
	got, err := store.Token(t.Context(), wxA)
	wantToken(t, got, err, "tok-a", root)
	api.set(root, `{"authorizers":{"`+wxA+`":{"authorizer_access_token":"tok-a"},"`+wxB+`":{"authorizer_access_token":"tok-b"}}}`)
	got, err = store.Token(t.Context(), wxB)
	wantToken(t, got, err, "tok-b", root)
	api.wantReads(t, root, root)
}

func TestSecretThatCannotBeRead(t *testing.T) {
	store, api := newStore()
	api.faults[root] = &smithy.GenericAPIError{Code: "AccessDeniedException"}
	got, err := store.Token(t.Context(), "")
	wantError(t, got, err, "secrets: read wedata/token: access denied")
	got, err = store.Renew(t.Context(), "", offboard.Token{Value: "tok-1"})
	wantError(t, got, err, "secrets: read wedata/token: access denied")
	_, _, err = store.Merchants(t.Context())
	wantError(t, offboard.Token{}, err, "secrets: read wedata/token: access denied")
	api.wantReads(t, root)
}
