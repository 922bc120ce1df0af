package token

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/offboard"
	"wedata-unbind/internal/secrets"
	"wedata-unbind/internal/strictjson"
)

const (
	// The members of the secret.
	memberValue  = "authorizer_access_token"
	memberAppID  = "authorizer_appid"
	memberIndex  = "authorizers"
	memberSecret = "secret_id"

	wantForms = `write the bare token, {"authorizer_access_token":"…","authorizer_appid":"wx…"}, or ` +
		`{"authorizers":{"wx…":{"authorizer_access_token":"…"},"wx…":{"secret_id":"…"}}} (names in lower case)`
	noAppID = "not an appid (wx and 16 hex digits)"
)

// form is a parsed secret.
type form struct {
	secret  secrets.Secret
	index   bool
	appids  []string         // the merchants of a departure that names none, sorted
	entries map[string]entry // by merchant; also by "" where there is one token
	err     error            // set where the secret cannot be read or used
}

// entry is one merchant: its token, or the name of the secret that holds the token, or an error.
type entry struct {
	token, secretID string
	err             error
}

// parse reads the content of a secret. Err is the error of reading the secret. No error quotes a value, since any
// value may be a token.
func parse(secret secrets.Secret, err error) form {
	if err != nil {
		return form{err: err}
	}
	f := form{secret: secret}
	if err := f.read(strings.TrimSpace(strings.TrimPrefix(secret.Value, "\ufeff"))); err != nil {
		return form{secret: secret, err: faultf("secret %s: %w", secrets.Name(secret.ID), err)}
	}
	return f
}

func (f *form) read(value string) error {
	if strings.IndexAny(value, `{["`) != 0 {
		f.appids, f.entries = []string{""}, map[string]entry{"": {token: value}}
		if err := checkWord(value); err != nil {
			return fmt.Errorf("a bare token that %w: %s", err, wantForms)
		}
		return nil
	}
	members, err := strictjson.ParseObject([]byte(value))
	switch {
	case err != nil:
		return fmt.Errorf("%w: %s", err, wantForms)
	case members.Has(memberValue, memberIndex):
		return fmt.Errorf("it has both %s and %s: leave one out", memberValue, memberIndex)
	case members.Has(memberValue):
		return f.readSingle(members)
	case members.Has(memberIndex):
		return f.readIndex(members[memberIndex])
	}
	return fmt.Errorf("it has no member %s or %s: %s", memberValue, memberIndex, wantForms)
}

func (f *form) readSingle(members strictjson.Object) error {
	token, err := word(members, memberValue)
	if err != nil {
		return err
	}
	appid, err := members.String(memberAppID)
	appid = strings.TrimSpace(appid)
	if err == nil && strictjson.Kind(members[memberAppID]) == "a string" && !departure.IsAppID(appid) {
		err = fmt.Errorf("%s: %s", memberAppID, noAppID)
	}
	f.appids, f.entries = []string{appid}, map[string]entry{"": {token: token}, appid: {token: token}}
	return err
}

func (f *form) readIndex(value strictjson.Value) error {
	members, err := strictjson.ParseObject(value)
	if err != nil {
		return fmt.Errorf("%s: %w", memberIndex, err)
	}
	if len(members) == 0 {
		return fmt.Errorf("%s: empty: add a merchant", memberIndex)
	}
	f.index, f.appids, f.entries = true, slices.Sorted(maps.Keys(members)), make(map[string]entry, len(members))
	for key, value := range members {
		if len(key) > 64 { // it may be a token in the wrong place: the error must not show it
			return fmt.Errorf("%s: a name of %d bytes: %s", memberIndex, len(key), noAppID)
		}
		f.entries[key] = readEntry(key, value)
	}
	return nil
}

func readEntry(key string, value strictjson.Value) (e entry) {
	if !departure.IsAppID(key) {
		return entry{err: fmt.Errorf("%s.%q: %s", memberIndex, key, noAppID)}
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
	if err != nil {
		e.err = fmt.Errorf("%s.%s: %w", memberIndex, key, err)
	}
	return e
}

// word reads a member that is one word. It removes the white space around it.
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

// checkWord errs where the text cannot be a token or the name of a secret.
func checkWord(s string) error {
	if s == "" {
		return errors.New("is empty")
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return errors.New("has white space or other than visible ASCII characters inside")
	}
	return nil
}

// alone returns the token in a secret that the index names for one merchant.
func (f form) alone(merchant string) (offboard.Token, error) {
	err, name := f.err, secrets.Name(f.secret.ID)
	switch {
	case err != nil:
	case f.index:
		err = faultf("secret %s: it is an index itself: write the token of this merchant alone", name)
	case f.appids[0] != "" && f.appids[0] != merchant:
		err = faultf("secret %s: its %s is %s: write the token of this merchant", name, memberAppID, f.appids[0])
	default:
		return offboard.Token{Value: f.entries[""].token, SecretID: name, Written: f.secret.Written}, nil
	}
	return offboard.Token{}, fmt.Errorf("%s.%s.%s: %w", memberIndex, merchant, memberSecret, err)
}
