// Package token finds a merchant's authorizer_access_token. The secret holds one token, or an index of merchants. The
// index holds their tokens, or names the secrets that do. The package never refreshes a token: your token server does
// that, and writes the secret.
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

// Store implements [offboard.Tokens]. It is safe for concurrent use.
type Store struct {
	secrets *secrets.Cache
	id      string

	mu   sync.Mutex
	form form // the version of the secret that was parsed last
}

// New returns a Store for the secret with this name or ARN. It reads nothing yet.
func New(s *secrets.Cache, secretID string) *Store { return &Store{secrets: s, id: secretID} }

// Merchants returns the appids of the index, sorted, with those of faulty entries. Where index is false, it returns
// the one merchant of a single token, which is "" where the secret does not tell its appid. It errs where the secret
// cannot be read or used.
func (s *Store) Merchants(ctx context.Context) (appids []string, index bool, err error) {
	f := s.usable(ctx)
	return slices.Clone(f.appids), f.index, f.err
}

// Token returns the token of a merchant. It errs where a secret cannot be read or used, and where the merchant is
// unknown. A fault in one merchant's entry is no error for the others. Every error has the class "secret" and says
// what to do. The method Temporary of an error returns true where it may pass.
func (s *Store) Token(ctx context.Context, merchant string) (offboard.Token, error) {
	f := s.usable(ctx)
	if _, known := f.entries[merchant]; f.index && !known {
		f = s.root(s.secrets.Renew(ctx, f.secret)) // somebody may have added it a moment ago
	}
	token, _, err := s.find(ctx, merchant, f)
	return token, err
}

// Renew returns the token of a merchant after WeChat refused one. It reads the secret again, unless the cache already
// has another token. Where there is no other token, it returns the refused one. Its errors are those of Token.
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
		// The merchant's own secret has no other token. The index may name another secret by now.
	}
	token, _, err = s.find(ctx, merchant, s.root(s.secrets.Renew(ctx, f.secret)))
	return token, err
}

// usable returns the parsed secret of the Store. If it cannot be used, it is read again: somebody may have corrected
// it a moment ago.
func (s *Store) usable(ctx context.Context) form {
	f := s.root(s.secrets.Get(ctx, s.id))
	if f.err != nil && f.secret.ID != "" {
		f = s.root(s.secrets.Renew(ctx, f.secret))
	}
	return f
}

// root parses the secret of the Store. It parses each version once, since one batch may look up many merchants.
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
		const text = "secret %s: it holds one token and its %s is %q, so merchant %q is unknown: correct the appid or " +
			"the event, or make it an index"
		err = faultf(text, secrets.Name(f.secret.ID), memberAppID, f.appids[0], merchant)
	}
	return token, holder, err
}

// fault is the error of a secret with wrong content.
type fault struct{ error }

// Class returns the class of the fault in logs and metrics.
func (fault) Class() string { return "secret" }

func faultf(format string, args ...any) error { return fault{fmt.Errorf("token: "+format, args...)} }
