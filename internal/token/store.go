// Package token finds a merchant's authorizer_access_token: in one secret with one token, or by an index of many merchants
// that holds their tokens or names secrets that do.
//
// It never refreshes a token: a token server writes the secret.
package token

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/offboard"
	"wedata-unbind/internal/secrets"
)

// Secrets reads secrets. [secrets.Cache] implements it.
type Secrets interface {
	// Get returns the secret with that name or ARN.
	Get(ctx context.Context, id string) (secrets.Secret, error)
	// Renew returns the secret as it is now, after the one seen was of no use.
	Renew(ctx context.Context, seen secrets.Secret) (secrets.Secret, error)
}

// Store finds tokens. It is safe for concurrent use.
type Store struct {
	secrets Secrets
	id      string

	mu     sync.Mutex
	parsed secrets.Secret // the version of the secret that form and err are of
	form   form
	err    error
}

var _ offboard.Tokens = (*Store)(nil)

// New returns the Store of the secret named secretID, a name or an ARN. Its index names all other secrets.
func New(s Secrets, secretID string) *Store {
	return &Store{secrets: s, id: secretID}
}

// Merchants returns the appids of the index, sorted, also those of faulty entries; or the one merchant of a single token,
// which is "" where the secret does not tell its appid. It errs where the secret cannot be read or has no known form.
func (s *Store) Merchants(ctx context.Context) (appids []string, index bool, err error) {
	_, f, err := s.root(s.secrets.Get(ctx, s.id))
	if err != nil {
		return nil, false, err
	}
	return f.merchants(), f.index != nil, nil
}

// Token returns the token of a merchant. It errs where one of the secrets cannot be read or used, or where the merchant is
// unknown. A fault in one merchant's entry does not concern the others. An error that may pass has a method Temporary that
// returns true; for all others somebody must act, and the error says what to do. Every error has the class "secret".
func (s *Store) Token(ctx context.Context, merchant string) (offboard.Token, error) {
	root, f, err := s.root(s.secrets.Get(ctx, s.id))
	if err == nil && f.lacks(merchant) {
		// It may have been added a moment ago.
		root, f, err = s.root(s.secrets.Renew(ctx, root))
	}
	if err != nil {
		return offboard.Token{}, err
	}
	token, _, err := s.find(ctx, merchant, root, f)
	return token, err
}

// Renew returns the token of a merchant after WeChat refused one: as the secret is now, unless the cache has another token
// already. It returns the refused one again where there is no newer one. Errors are those of Token.
func (s *Store) Renew(ctx context.Context, merchant string, refused offboard.Token) (offboard.Token, error) {
	root, f, err := s.root(s.secrets.Get(ctx, s.id))
	if err != nil {
		return offboard.Token{}, err
	}
	token, holder, err := s.find(ctx, merchant, root, f)
	if err != nil || token.Value != refused.Value {
		return token, err
	}
	if holder.ID != root.ID {
		held, err := s.secrets.Renew(ctx, holder)
		if token, err = behind(merchant, held, err); departure.IsTemporary(err) || err == nil && token.Value != refused.Value {
			return token, err
		}
		// Its own secret has nothing new. The index may name another one by now.
	}
	if root, f, err = s.root(s.secrets.Renew(ctx, root)); err != nil {
		return offboard.Token{}, err
	}
	token, _, err = s.find(ctx, merchant, root, f)
	return token, err
}

// root parses the Store's own secret. It keeps the form of the last version, so that an index is not parsed again for each
// merchant in it.
func (s *Store) root(secret secrets.Secret, err error) (secrets.Secret, form, error) {
	if err != nil {
		return secrets.Secret{}, form{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.parsed != secret {
		s.parsed = secret
		if s.form, s.err = parse(secret.Value); s.err != nil {
			s.err = faultf("secret %s: %w", secret.ID, s.err)
		}
	}
	return secret, s.form, s.err
}

// find returns the token of a merchant and the secret that holds it.
func (s *Store) find(ctx context.Context, merchant string, root secrets.Secret, f form) (offboard.Token, secrets.Secret, error) {
	e, err := f.of(merchant)
	if err != nil {
		return offboard.Token{}, root, faultf("secret %s: %w", root.ID, err)
	}
	if e.secretID == "" {
		return offboard.Token{Value: e.token, SecretID: root.ID, Written: root.Written}, root, nil
	}
	held, err := s.secrets.Get(ctx, e.secretID)
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
