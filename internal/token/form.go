package token

import (
	"errors"
	"fmt"
	"strings"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/secrets"
	"wedata-unbind/internal/strictjson"
)

// The members of the secret.
const (
	memberValue  = "authorizer_access_token"
	memberAppID  = "authorizer_appid"
	memberIndex  = "authorizers"
	memberSecret = "secret_id"
)

var errNoAppID = errors.New("not an appid (wx and 16 hex digits)")

const wantForms = `write the bare token, {"authorizer_access_token":"…","authorizer_appid":"wx…"}, ` +
	`or {"authorizers":{"wx…":{"authorizer_access_token":"…"},"wx…":{"secret_id":"…"}}} (names in lower case)`

// longestKey is longer than an appid and shorter than a token. Errors do not show a longer name in an index: it may be
// a token in the wrong place.
const longestKey = 64

// form is the content of a secret: the index if that is not nil, else one token.
type form struct {
	secret secrets.Secret
	token  string
	appid  string            // of the token's merchant; "" where the secret does not name it
	index  strictjson.Object // entries by merchant, each read when it is needed: one may be faulty and the others not
}

// of returns the token of a merchant, or the name of the secret that holds it.
func (f form) of(merchant string) (token, secretID string, err error) {
	value, listed := f.index[merchant]
	switch {
	case listed:
		return parseEntry(merchant, value)
	case f.index != nil:
		err = fmt.Errorf("merchant %s is not in the index: add it under %s, or correct the event",
			shown(merchant), memberIndex)
	case merchant == "" || merchant == f.appid:
		return f.token, "", nil
	case f.appid == "":
		err = fmt.Errorf("it holds one token and does not tell whose, so merchant %s is unknown: add %s, "+
			"or leave the merchant out of the event", shown(merchant), memberAppID)
	default:
		err = fmt.Errorf("it holds the token of %s, so merchant %s is unknown: make it an index, or correct the event",
			f.appid, shown(merchant))
	}
	return "", "", err
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
	switch {
	case err != nil:
		return form{}, fmt.Errorf("%w: %s", err, wantForms)
	case members.Has(memberValue, memberIndex):
		return form{}, fmt.Errorf("it has both %s and %s: leave one out", memberValue, memberIndex)
	case members.Has(memberIndex):
		return parseIndex(members[memberIndex])
	case !members.Has(memberValue):
		return form{}, fmt.Errorf("it has no member %s or %s: %s", memberValue, memberIndex, wantForms)
	}
	var f form
	f.token, err = word(members, memberValue)
	if kind := strictjson.Kind(members[memberAppID]); err == nil && kind != "nothing" && kind != "null" {
		f.appid, err = word(members, memberAppID)
		if err == nil && !departure.IsAppID(f.appid) {
			err = fmt.Errorf("%s: %w", memberAppID, errNoAppID)
		}
	}
	if err != nil {
		return form{}, err
	}
	return f, nil
}

func parseIndex(value strictjson.Value) (form, error) {
	index, err := strictjson.ParseObject(value)
	if err == nil && len(index) == 0 {
		err = errors.New("empty: add a merchant")
	}
	for key := range index {
		if len(key) > longestKey {
			err = fmt.Errorf("a name of %d bytes where an appid (wx and 16 hex digits) is expected", len(key))
		}
	}
	if err != nil {
		return form{}, fmt.Errorf("%s: %w", memberIndex, err)
	}
	return form{index: index}, nil
}

func parseEntry(merchant string, value strictjson.Value) (token, secretID string, err error) {
	members, err := strictjson.ParseObject(value)
	switch {
	case !departure.IsAppID(merchant):
		err = errNoAppID
	case err != nil:
	case members.Has(memberValue) == members.Has(memberSecret):
		err = fmt.Errorf("it must have either %s or %s", memberValue, memberSecret)
	case members.Has(memberValue):
		token, err = word(members, memberValue)
	default:
		secretID, err = word(members, memberSecret)
	}
	if err != nil {
		err = fmt.Errorf("%s.%s: %w", memberIndex, shown(merchant), err)
	}
	return token, secretID, err
}

// word reads a member that is one word, without the white space around it.
func word(members strictjson.Object, name string) (string, error) {
	text, ok := strictjson.Text(members[name])
	if !ok {
		return "", fmt.Errorf("%s: %s where a string is expected", name, strictjson.Kind(members[name]))
	}
	text = strings.TrimSpace(text)
	if err := checkWord(text); err != nil {
		return "", fmt.Errorf("%s: it %w", name, err)
	}
	return text, nil
}

// checkWord refuses what cannot be a token, an appid or the name of a secret.
func checkWord(text string) error {
	switch {
	case text == "":
		return errors.New("is empty")
	case strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }):
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
