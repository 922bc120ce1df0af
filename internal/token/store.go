// Package token finds a merchant's authorizer_access_token: in a secret with one token, or by an index of many
// merchants that holds their tokens or names secrets that do.
//
// It never refreshes a token: your token server does that and writes the secret.
package token

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/offboard"
	"wedata-unbind/internal/secrets"
)

// Store finds tokens. It is safe for concurrent use.
type Store struct {
	cache *secrets.Cache
	id    string

	mu   sync.Mutex
	form form // of the version of the secret parsed last
	err  error
}

var _ offboard.Tokens = (*Store)(nil)

// New returns the Store of the secret named secretID, a name or an ARN. The index in it names all other secrets.
func New(cache *secrets.Cache, secretID string) *Store {
	return &Store{cache: cache, id: secretID}
}

// Merchants returns the appids of the index, sorted, also those of faulty entries; or the one merchant of a single
// token, "" where the secret does not name it. Index reports which of the two the secret is. It errs where the secret
// cannot be read or has no known form.
func (s *Store) Merchants(ctx context.Context) (appids []string, index bool, err error) {
	f, err := s.root(s.cache.Get(ctx, s.id))
	switch {
	case err != nil:
		return nil, false, err
	case f.index == nil:
		return []string{f.appid}, false, nil
	}
	return slices.Sorted(maps.Keys(f.index)), true, nil
}

// Token returns the token of a merchant. It errs where a secret cannot be read or used, or the merchant is unknown. A
// fault in one merchant's entry does not affect the others. An error that may pass has a method Temporary that returns
// true. Any other error says what to do. Every error has the class "secret".
func (s *Store) Token(ctx context.Context, merchant string) (offboard.Token, error) {
	f, err := s.root(s.cache.Get(ctx, s.id))
	if _, listed := f.index[merchant]; f.index != nil && !listed { // it may have been added a moment ago
		f, err = s.root(s.cache.Renew(ctx, f.secret))
	}
	if err != nil {
		return offboard.Token{}, err
	}
	token, _, err := s.find(ctx, merchant, f)
	return token, err
}

// Renew returns the token of a merchant after WeChat refused one: as the secret is now, unless the cache has another
// token already. It returns the refused one again where there is no newer one. Errors are those of Token.
func (s *Store) Renew(ctx context.Context, merchant string, refused offboard.Token) (offboard.Token, error) {
	f, err := s.root(s.cache.Get(ctx, s.id))
	if err != nil {
		return offboard.Token{}, err
	}
	token, holder, err := s.find(ctx, merchant, f)
	if err != nil || token.Value != refused.Value {
		return token, err
	}
	if holder.ID != s.id {
		held, err := s.cache.Renew(ctx, holder)
		token, err = behind(merchant, held, err)
		if departure.IsTemporary(err) || err == nil && token.Value != refused.Value {
			return token, err
		}
		// That secret has no new token. The index may name another secret now.
	}
	if f, err = s.root(s.cache.Renew(ctx, f.secret)); err != nil {
		return offboard.Token{}, err
	}
	token, _, err = s.find(ctx, merchant, f)
	return token, err
}

// root returns the form of the Store's own secret. It parses each version once, not for each merchant in it.
func (s *Store) root(secret secrets.Secret, err error) (form, error) {
	if err != nil {
		return form{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.form.secret != secret {
		s.form, s.err = parse(secret.Value)
		s.form.secret = secret
		if s.err != nil {
			s.err = faultf("secret %s: %w", secret.ID, s.err)
		}
	}
	return s.form, s.err
}

// find returns the token of a merchant and the secret that holds it.
func (s *Store) find(ctx context.Context, merchant string, f form) (offboard.Token, secrets.Secret, error) {
	value, secretID, err := f.of(merchant)
	switch {
	case err != nil:
		return offboard.Token{}, f.secret, faultf("secret %s: %w", f.secret.ID, err)
	case secretID == "":
		return offboard.Token{Value: value, SecretID: f.secret.ID, Written: f.secret.Written}, f.secret, nil
	}
	held, err := s.cache.Get(ctx, secretID)
	token, err := behind(merchant, held, err)
	return token, held, err
}

// behind returns the token in a secret that the index names for a merchant.
func behind(merchant string, held secrets.Secret, err error) (offboard.Token, error) {
	if err != nil {
		return offboard.Token{}, fmt.Errorf("token: %s.%s.%s: %w", memberIndex, merchant, memberSecret, err)
	}
	f, err := parse(held.Value)
	switch {
	case err != nil:
	case f.index != nil:
		err = errors.New("it is an index itself: write the token of this merchant alone")
	case f.appid != "" && f.appid != merchant:
		err = fmt.Errorf("its %s is %s: it is the secret of another merchant", memberAppID, f.appid)
	default:
		return offboard.Token{Value: f.token, SecretID: held.ID, Written: held.Written}, nil
	}
	return offboard.Token{}, faultf("%s.%s.%s: secret %s: %w", memberIndex, merchant, memberSecret, held.ID, err)
}

// fault is a secret with a wrong content.
type fault struct{ err error }

func (f *fault) Error() string { return "token: " + f.err.Error() }

// Class is the class of the fault in logs and metrics.
func (f *fault) Class() string { return "secret" }

func faultf(format string, args ...any) error { return &fault{fmt.Errorf(format, args...)} }
