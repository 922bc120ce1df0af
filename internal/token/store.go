// Package token finds a merchant's authorizer_access_token: in one secret with one token, or by an index of many
// merchants that holds their tokens or names secrets that do. It never refreshes a token: your token server does that
// and writes the secret.
package token

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/offboard"
	"wedata-unbind/internal/secrets"
)

// Store finds tokens, as [offboard.Tokens]. It is safe for concurrent use.
type Store struct {
	secrets *secrets.Cache
	id      string

	mu   sync.Mutex
	form form // the version of the secret that was parsed last
}

// New returns the Store of the secret named secretID, a name or an ARN. Its index names all other secrets.
func New(s *secrets.Cache, secretID string) *Store { return &Store{secrets: s, id: secretID} }

// Merchants returns the appids of the index, sorted, also those of faulty entries; or the one merchant of a single
// token, which is "" where the secret does not tell its appid. It errs where the secret cannot be read or used.
func (s *Store) Merchants(ctx context.Context) (appids []string, index bool, err error) {
	f := s.usable(ctx)
	return slices.Clone(f.appids), f.index, f.err
}

// Token returns the token of a merchant. It errs where a secret cannot be read or used, or where the merchant is
// unknown; a fault in one merchant's entry does not concern the others. Every error has the class "secret". One that
// may pass has a method Temporary that returns true; any other says what somebody must do.
func (s *Store) Token(ctx context.Context, merchant string) (offboard.Token, error) {
	f := s.usable(ctx)
	if _, known := f.entries[merchant]; f.index && !known {
		f = s.root(s.secrets.Renew(ctx, f.secret)) // it may have been added a moment ago
	}
	token, _, err := s.find(ctx, merchant, f)
	return token, err
}

// Renew returns the token of a merchant after WeChat refused one: as the secret is now, unless the cache has another
// token already. It returns the refused one again where there is no newer one. Errors are those of Token.
func (s *Store) Renew(ctx context.Context, merchant string, refused offboard.Token) (offboard.Token, error) {
	f := s.root(s.secrets.Get(ctx, s.id))
	token, holder, err := s.find(ctx, merchant, f)
	if err != nil || token.Value != refused.Value {
		return token, err
	}
	if holder.ID != f.secret.ID {
		token, err = parse(s.secrets.Renew(ctx, holder)).alone(merchant)
		if departure.IsTemporary(err) || err == nil && token.Value != refused.Value {
			return token, err
		}
		// Its own secret has nothing new. The index may name another one by now.
	}
	token, _, err = s.find(ctx, merchant, s.root(s.secrets.Renew(ctx, f.secret)))
	return token, err
}

// usable returns the Store's own secret. One that cannot be used is read again: it may have been mended a moment ago.
func (s *Store) usable(ctx context.Context) form {
	f := s.root(s.secrets.Get(ctx, s.id))
	if f.err != nil && f.secret.ID != "" {
		f = s.root(s.secrets.Renew(ctx, f.secret))
	}
	return f
}

// root parses the Store's own secret, but each version once: an index is asked for many merchants.
func (s *Store) root(secret secrets.Secret, err error) form {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil || s.form.secret != secret {
		s.form = parse(secret, err)
	}
	return s.form
}

// find returns the token of a merchant and the secret that holds it.
func (s *Store) find(ctx context.Context, merchant string, f form) (
	token offboard.Token, holder secrets.Secret, err error,
) {
	holder = f.secret
	switch e, known := f.entries[merchant]; {
	case f.err != nil:
		err = f.err
	case e.err != nil:
		err = faultf("secret %s: %w", secrets.Name(f.secret.ID), e.err)
	case e.secretID != "":
		held := parse(s.secrets.Get(ctx, e.secretID))
		holder = held.secret
		token, err = held.alone(merchant)
	case known:
		token = offboard.Token{Value: e.token, SecretID: secrets.Name(holder.ID), Written: holder.Written}
	case f.index:
		err = faultf("secret %s: merchant %q is not in the index: add it under %s, or correct the event",
			secrets.Name(f.secret.ID), merchant, memberIndex)
	default:
		err = faultf("secret %s: it holds one token and its %s is %q, so merchant %q is unknown: correct the appid or "+
			"the event, or make it an index", secrets.Name(f.secret.ID), memberAppID, f.appids[0], merchant)
	}
	return token, holder, err
}

// fault is a secret with a wrong content.
type fault struct{ error }

// Class is the class of the fault in logs and metrics.
func (fault) Class() string { return "secret" }

func faultf(format string, args ...any) error { return fault{fmt.Errorf("token: "+format, args...)} }
