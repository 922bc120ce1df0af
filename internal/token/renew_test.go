package token_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/aws/smithy-go"

	"wedata-unbind/internal/secrets"
)

func TestRenew(t *testing.T) {
	inline := func(a, c string) string {
		return `{"authorizers":{"` + wxA + `":{"authorizer_access_token":"` + a + `"},"` + wxC + `":{"authorizer_access_token":"` + c + `"}}}`
	}
	behind := func(name string) string { return `{"authorizers":{"` + wxB + `":{"secret_id":"` + name + `"}}}` }
	for _, tc := range []struct {
		name     string
		secrets  []string
		merchant string
		change   func(*fakeAPI)
		token    string // "" where it ends in an error
		secretID string
		reads    []string
	}{
		{
			name: "a bare token, rotated", secrets: []string{root, "tok-1"},
			change: func(api *fakeAPI) { api.set(root, "tok-2") }, token: "tok-2", secretID: root, reads: []string{root},
		},
		{
			name: "a bare token, not rotated", secrets: []string{root, "tok-1"},
			change: func(*fakeAPI) {}, token: "tok-1", secretID: root, reads: []string{root},
		},
		{
			name: "a token in the index, rotated", secrets: []string{root, inline("tok-1", "tok-c")}, merchant: wxA,
			change: func(api *fakeAPI) { api.set(root, inline("tok-2", "tok-c")) }, token: "tok-2", secretID: root, reads: []string{root},
		},
		{
			name: "a token behind the index, rotated", secrets: []string{root, behind("wedata/b"), "wedata/b", "tok-1"}, merchant: wxB,
			change: func(api *fakeAPI) { api.set("wedata/b", "tok-2") }, token: "tok-2", secretID: "wedata/b", reads: []string{"wedata/b"},
		},
		{
			name: "a token behind the index, not rotated", secrets: []string{root, behind("wedata/b"), "wedata/b", "tok-1"}, merchant: wxB,
			change: func(*fakeAPI) {}, token: "tok-1", secretID: "wedata/b", reads: []string{"wedata/b", root},
		},
		{
			name: "a token behind the index, moved to another secret", secrets: []string{root, behind("wedata/b"), "wedata/b", "tok-1"}, merchant: wxB,
			change: func(api *fakeAPI) { api.set(root, behind("wedata/b2")); api.set("wedata/b2", "tok-2") },
			token:  "tok-2", secretID: "wedata/b2", reads: []string{"wedata/b", root, "wedata/b2"},
		},
		{
			name: "a token behind the index, moved and its secret deleted", secrets: []string{root, behind("wedata/b"), "wedata/b", "tok-1"}, merchant: wxB,
			change: func(api *fakeAPI) {
				delete(api.values, "wedata/b")
				api.set(root, behind("wedata/b2"))
				api.set("wedata/b2", "tok-2")
			},
			token: "tok-2", secretID: "wedata/b2", reads: []string{"wedata/b", root, "wedata/b2"},
		},
		{
			name: "a token behind the index, deleted", secrets: []string{root, behind("wedata/b"), "wedata/b", "tok-1"}, merchant: wxB,
			change: func(api *fakeAPI) { delete(api.values, "wedata/b") }, reads: []string{"wedata/b", root},
		},
		{
			name: "a token behind the index, its secret throttled", secrets: []string{root, behind("wedata/b"), "wedata/b", "tok-1"}, merchant: wxB,
			change: func(api *fakeAPI) { api.faults["wedata/b"] = &smithy.GenericAPIError{Code: "ThrottlingException"} },
			reads:  []string{"wedata/b"},
		},
		{
			name: "a token moved into the index", secrets: []string{root, behind("wedata/b"), "wedata/b", "tok-1"}, merchant: wxB,
			change: func(api *fakeAPI) { api.set(root, strings.ReplaceAll(inline("tok-2", ""), wxA, wxB)) },
			token:  "tok-2", secretID: root, reads: []string{"wedata/b", root},
		},
		{
			name: "a merchant that was removed from the index", secrets: []string{root, inline("tok-1", "tok-c")}, merchant: wxA,
			change: func(api *fakeAPI) { api.set(root, behind("wedata/b")) }, reads: []string{root},
		},
		{
			name: "a secret that was overwritten with two tokens", secrets: []string{root, "tok-1"},
			change: func(api *fakeAPI) { api.set(root, "tok-1 tok-2") }, reads: []string{root},
		},
		{
			name: "a secret that was deleted", secrets: []string{root, "tok-1"},
			change: func(api *fakeAPI) { delete(api.values, root) }, reads: []string{root},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			store, api := newStore(tc.secrets...)
			refused, err := store.Token(t.Context(), tc.merchant)
			if err != nil || refused.Value != "tok-1" {
				t.Fatalf("= %+v, %v", refused, err)
			}
			tc.change(api)
			api.calls = nil
			for range 3 { // a second refusal causes no more reads
				got, err := store.Renew(t.Context(), tc.merchant, refused)
				if tc.token == "" {
					wantError(t, got, err, "")
				} else {
					wantToken(t, got, err, tc.token, tc.secretID)
				}
			}
			api.wantReads(t, tc.reads...)
		})
	}
}

func TestMerchantsOfOneIndexRefusedTogether(t *testing.T) {
	index := func(generation int) string {
		var entries []string
		for i := range 300 {
			entries = append(entries, fmt.Sprintf(`"wx%016x":{"authorizer_access_token":"tok-%d-%d"}`, i, generation, i))
		}
		return `{"authorizers":{` + strings.Join(entries, ",") + `}}`
	}
	for _, tc := range []struct {
		name       string
		generation int // what the index holds when the tokens of generation 1 are refused
	}{
		{"rotated", 2},
		{"not rotated", 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store, api := newStore(root, index(1))
				merchants, _, err := store.Merchants(t.Context())
				if err != nil || len(merchants) != 300 {
					t.Fatalf("%d merchants, %v", len(merchants), err)
				}
				var refused, renewed sync.WaitGroup
				refused.Add(len(merchants))
				for i, merchant := range merchants {
					renewed.Go(func() {
						old, err := store.Token(t.Context(), merchant)
						wantToken(t, old, err, fmt.Sprintf("tok-1-%d", i), root)
						refused.Done()
						refused.Wait()
						api.set(root, index(tc.generation))
						fresh, err := store.Renew(t.Context(), merchant, old)
						wantToken(t, fresh, err, fmt.Sprintf("tok-%d-%d", tc.generation, i), root)
					})
				}
				renewed.Wait()
				api.wantReads(t, root, root)
			})
		})
	}
}

// A secret of no known form counted as read: mended, it was still refused for five minutes.
func TestASecretThatIsMendedIsReadAtOnce(t *testing.T) {
	store, api := newStore(root, "two words")
	if _, _, err := store.Merchants(t.Context()); err == nil {
		t.Fatal("two words are a token")
	}
	api.set(root, "tok-1")
	got, err := store.Token(secrets.WithoutLimit(t.Context()), "")
	wantToken(t, got, err, "tok-1", root)
}
