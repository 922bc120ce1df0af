package offboard

import (
	"context"
	"fmt"
	"time"
)

// Token is a merchant's authorizer_access_token and the secret that holds it. When WeChat refuses the token, the
// error names the secret and its age.
type Token struct {
	Value    string    // the authorizer_access_token itself, sent to WeChat and nowhere else
	SecretID string    // the name of the secret
	Written  time.Time // when the secret was last written
}

// Format writes the name of the secret, whatever the verb, so that no log or error can show the token by mistake.
func (t Token) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "token in %s", t.SecretID) }

// Tokens returns the merchants and their tokens. Its errors say by a method Temporary() bool whether they may pass by
// themselves (throttling, a network fault), and name their class by a method Class() string.
type Tokens interface {
	// Merchants returns the merchants of a departure that names none, always in the same order. Where index is true,
	// they are the appids of an index. Otherwise there is the one merchant of a single token, which is "" where the
	// secret does not tell its appid.
	Merchants(ctx context.Context) (appids []string, index bool, err error)
	// Token returns the token of a merchant. It may come from a cache.
	Token(ctx context.Context, merchant string) (Token, error)
	// Renew returns the token of a merchant after WeChat refused one. It reads the secret again, unless the cache
	// already has another token. Where there is no other one, it returns the refused token.
	Renew(ctx context.Context, merchant string, refused Token) (Token, error)
}
