package offboard

import (
	"context"
	"fmt"
	"time"
)

// Token is a merchant's authorizer_access_token and where it was found, so that a refusal can be reported with the age
// of what was refused.
type Token struct {
	// Value is the authorizer_access_token itself. It goes to WeChat and nowhere else.
	Value string
	// SecretID is the name of the secret that holds it.
	SecretID string
	// Written is when the secret was last written.
	Written time.Time
}

// Format writes the name of the secret, whatever the verb, so that no log or error can show the token by mistake.
func (t Token) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "token in %s", t.SecretID) }

// Tokens knows the merchants and their tokens.
//
// An error that may pass by itself (throttling, a network fault) has a method Temporary() bool that returns true; any
// other error means that somebody must act.
type Tokens interface {
	// Merchants returns the merchants a departure that names none stands for: the appids of an index, or the one merchant
	// of a single token, which is "" where the secret does not tell its appid. The order is stable.
	Merchants(ctx context.Context) ([]string, error)
	// Token returns the token of a merchant, from the cache where it is there.
	Token(ctx context.Context, merchant string) (Token, error)
	// Renew returns the token of a merchant after WeChat has refused one: read past the cache, unless a newer one than the
	// refused is known already. It may return the refused token again, where nothing newer is there.
	Renew(ctx context.Context, merchant string, refused Token) (Token, error)
}
