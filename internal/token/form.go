package token

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/strictjson"
)

// The members of the secret.
const (
	memberValue  = "authorizer_access_token"
	memberAppID  = "authorizer_appid"
	memberIndex  = "authorizers"
	memberSecret = "secret_id"
)

const wantForms = `write the bare token, {"authorizer_access_token":"…","authorizer_appid":"wx…"}, ` +
	`or {"authorizers":{"wx…":{"authorizer_access_token":"…"},"wx…":{"secret_id":"…"}}} (names in lower case)`

// longestKey is longer than an appid and shorter than a token. A longer name in an index is not shown as a merchant: it may
// be a token in the wrong place.
const longestKey = 64

// form is the content of a secret: the index if that is not nil, else one token.
type form struct {
	token string
	appid string // of the token's merchant; "" where the secret does not tell
	index map[string]entry
}

// entry is one merchant in an index: its token, or the secret that holds it, or what is wrong with it.
type entry struct {
	token    string
	secretID string
	err      error
}

// merchants returns the merchants of a departure that names none, sorted.
func (f form) merchants() []string {
	if f.index == nil {
		return []string{f.appid}
	}
	return slices.Sorted(maps.Keys(f.index))
}

// lacks reports whether there is an index without that merchant.
func (f form) lacks(merchant string) bool {
	_, known := f.index[merchant]
	return f.index != nil && !known
}

// of returns the entry of a merchant.
func (f form) of(merchant string) (entry, error) {
	switch {
	case f.lacks(merchant):
		return entry{}, fmt.Errorf("merchant %s is not in the index: add it under %s, or correct the event", shown(merchant), memberIndex)
	case f.index != nil:
		return f.index[merchant], f.index[merchant].err
	case merchant == "" || merchant == f.appid:
		return entry{token: f.token}, nil
	case f.appid == "":
		return entry{}, fmt.Errorf("it holds one token and does not tell whose, so merchant %s is unknown: add %s, or leave the merchant out of the event",
			shown(merchant), memberAppID)
	}
	return entry{}, fmt.Errorf("it holds the token of %s, so merchant %s is unknown: make it an index, or correct the event", f.appid, shown(merchant))
}

// parse reads a secret in one of its forms. An error never quotes a value: any value may be a token.
func parse(value string) (form, error) {
	value = strings.TrimSpace(strings.TrimPrefix(value, "\ufeff"))
	if value == "" || !strings.ContainsRune(`{["`, rune(value[0])) {
		if err := checkWord(value); err != nil {
			return form{}, fmt.Errorf("a bare token that %w: %s", err, wantForms)
		}
		return form{token: value}, nil
	}
	members, err := strictjson.ParseObject([]byte(value))
	if err != nil {
		return form{}, fmt.Errorf("%w: %s", err, wantForms)
	}
	hasToken, hasIndex := members.Has(memberValue), members.Has(memberIndex)
	switch {
	case hasToken && hasIndex:
		return form{}, fmt.Errorf("it has both %s and %s: leave one out", memberValue, memberIndex)
	case hasIndex:
		return parseIndex(members[memberIndex])
	case !hasToken:
		return form{}, fmt.Errorf("it has no member %s or %s: %s", memberValue, memberIndex, wantForms)
	}
	var f form
	if f.token, err = word(members, memberValue); err != nil {
		return form{}, err
	}
	if kind := strictjson.Kind(members[memberAppID]); kind != "nothing" && kind != "null" {
		if f.appid, err = word(members, memberAppID); err != nil {
			return form{}, err
		}
		if !departure.IsAppID(f.appid) {
			return form{}, fmt.Errorf("%s: not an appid (wx and 16 hex digits)", memberAppID)
		}
	}
	return f, nil
}

func parseIndex(value strictjson.Value) (form, error) {
	entries, err := strictjson.ParseObject(value)
	if err != nil {
		return form{}, fmt.Errorf("%s: %w", memberIndex, err)
	}
	if len(entries) == 0 {
		return form{}, fmt.Errorf("%s: empty: add a merchant", memberIndex)
	}
	f := form{index: make(map[string]entry, len(entries))}
	for key, value := range entries {
		if len(key) > longestKey {
			return form{}, fmt.Errorf("%s: a name of %d bytes where an appid (wx and 16 hex digits) is expected", memberIndex, len(key))
		}
		e, err := parseEntry(key, value)
		if err != nil {
			e.err = fmt.Errorf("%s.%s: %w", memberIndex, shown(key), err)
		}
		f.index[key] = e
	}
	return f, nil
}

func parseEntry(key string, value strictjson.Value) (e entry, err error) {
	if !departure.IsAppID(key) {
		return entry{}, errors.New("not an appid (wx and 16 hex digits)")
	}
	members, err := strictjson.ParseObject(value)
	switch {
	case err != nil:
	case members.Has(memberValue) == members.Has(memberSecret):
		err = fmt.Errorf("it must have either %s or %s", memberValue, memberSecret)
	case members.Has(memberValue):
		e.token, err = word(members, memberValue)
	default:
		e.secretID, err = word(members, memberSecret)
	}
	return e, err
}

// word reads a member that is one word, without the white space around it.
func word(members strictjson.Object, name string) (string, error) {
	s, ok := strictjson.Text(members[name])
	if !ok {
		return "", fmt.Errorf("%s: %s where a string is expected", name, strictjson.Kind(members[name]))
	}
	s = strings.TrimSpace(s)
	if err := checkWord(s); err != nil {
		return "", fmt.Errorf("%s: it %w", name, err)
	}
	return s, nil
}

// checkWord refuses what cannot be a token, an appid or the name of a secret.
func checkWord(s string) error {
	if s == "" {
		return errors.New("is empty")
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return errors.New("has white space or other than visible ASCII characters inside")
	}
	return nil
}

// shown returns a merchant as errors show it: as it is if it is an appid, else quoted.
func shown(merchant string) string {
	if departure.IsAppID(merchant) {
		return merchant
	}
	return departure.Quote(merchant)
}
