package token

import (
	"encoding/json"
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

// longestKey is far longer than an appid and far shorter than a token. A longer name in an index is not taken for a
// merchant, since merchants are logged, and whoever mistook one for the other would find his tokens there.
const longestKey = 64

// form is what a secret says: the index if that is not nil, else one token.
type form struct {
	token string
	appid string // of the token's merchant; "" where the secret does not tell
	index map[string]entry
}

// entry is what an index says of one merchant: its token, or the secret that holds it, or what is wrong with it.
type entry struct {
	token    string
	secretID string
	err      error
}

// merchants returns the merchants a departure that names none stands for, sorted.
func (f form) merchants() []string {
	if f.index == nil {
		return []string{f.appid}
	}
	return slices.Sorted(maps.Keys(f.index))
}

// lacks tells whether there is an index without that merchant.
func (f form) lacks(merchant string) bool {
	_, known := f.index[merchant]
	return f.index != nil && !known
}

// of returns what the secret says of a merchant.
func (f form) of(merchant string) (entry, error) {
	if f.index != nil {
		e, known := f.index[merchant]
		if !known {
			return entry{}, fmt.Errorf("merchant %s is not in the index: add it under %s, or correct the event", shown(merchant), memberIndex)
		}
		return e, e.err
	}
	switch {
	case merchant == "" || merchant == f.appid:
		return entry{token: f.token}, nil
	case f.appid == "":
		return entry{}, fmt.Errorf("it holds one token and does not tell whose, so merchant %s is unknown: add %s, or leave the merchant out of the event",
			shown(merchant), memberAppID)
	default:
		return entry{}, fmt.Errorf("it holds the token of %s, so merchant %s is unknown: make it an index, or correct the event", f.appid, shown(merchant))
	}
}

// parse reads a secret in one of its forms. An error never quotes a value, since any value may be a token.
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
	_, hasToken := members[memberValue]
	list, hasIndex := members[memberIndex]
	switch {
	case hasToken && hasIndex:
		return form{}, fmt.Errorf("it has both %s and %s: leave one out", memberValue, memberIndex)
	case hasIndex:
		return parseIndex(list)
	case hasToken:
		return parseToken(members)
	default:
		return form{}, fmt.Errorf("it has no member %s or %s: %s", memberValue, memberIndex, wantForms)
	}
}

func parseToken(members map[string]strictjson.Value) (form, error) {
	token, err := word(members, memberValue)
	if err != nil {
		return form{}, err
	}
	f := form{token: token}
	if raw, told := members[memberAppID]; told && strictjson.Kind(raw) != "null" {
		if f.appid, err = word(members, memberAppID); err != nil {
			return form{}, err
		}
		if !departure.IsAppID(f.appid) {
			return form{}, fmt.Errorf("%s: not an appid (wx and 16 hex digits)", memberAppID)
		}
	}
	return f, nil
}

func parseIndex(raw strictjson.Value) (form, error) {
	entries, err := strictjson.ParseObject(raw)
	if err != nil {
		return form{}, fmt.Errorf("%s: %w", memberIndex, err)
	}
	if len(entries) == 0 {
		return form{}, fmt.Errorf("%s: empty: add a merchant", memberIndex)
	}
	f := form{index: make(map[string]entry, len(entries))}
	for key, raw := range entries {
		if len(key) > longestKey {
			return form{}, fmt.Errorf("%s: a name of %d bytes where an appid (wx and 16 hex digits) is expected", memberIndex, len(key))
		}
		e, err := parseEntry(key, raw)
		if err != nil {
			e.err = fmt.Errorf("%s.%s: %w", memberIndex, shown(key), err)
		}
		f.index[key] = e
	}
	return f, nil
}

func parseEntry(key string, raw strictjson.Value) (entry, error) {
	if !departure.IsAppID(key) {
		return entry{}, errors.New("not an appid (wx and 16 hex digits)")
	}
	members, err := strictjson.ParseObject(raw)
	if err != nil {
		return entry{}, err
	}
	_, hasToken := members[memberValue]
	_, hasSecret := members[memberSecret]
	var e entry
	switch {
	case hasToken == hasSecret:
		return entry{}, fmt.Errorf("it must have either %s or %s", memberValue, memberSecret)
	case hasToken:
		e.token, err = word(members, memberValue)
	default:
		e.secretID, err = word(members, memberSecret)
	}
	return e, err
}

// word reads a member that is one word, with the white space around it put aside.
func word(members map[string]strictjson.Value, name string) (string, error) {
	raw := members[name]
	var s string
	if strictjson.Kind(raw) != "a string" || json.Unmarshal(raw, &s) != nil {
		return "", fmt.Errorf("%s: %s where a string is expected", name, strictjson.Kind(raw))
	}
	s = strings.TrimSpace(s)
	if err := checkWord(s); err != nil {
		return "", fmt.Errorf("%s: it %w", name, err)
	}
	return s, nil
}

// checkWord refuses what no token, appid or name of a secret has in it, as a file that was pasted as a whole would.
func checkWord(s string) error {
	if s == "" {
		return errors.New("is empty")
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return errors.New("has white space or other than visible ASCII characters inside")
	}
	return nil
}

// shown is a merchant as errors show it: as it is if it is an appid, else quoted.
func shown(merchant string) string {
	if departure.IsAppID(merchant) {
		return merchant
	}
	return departure.Quote(merchant)
}
