package secrets

import (
	"fmt"
	"time"
)

// Secret is one version of a secret. Printed or logged in whatever way, it never shows its value.
type Secret struct {
	ID      string    // the name or ARN it was asked by
	Value   string    `json:"-"` // the secret text, as it was written
	Version string    // the VersionId, which tells two values apart without a look at them
	Written time.Time // when this version was written
}

// Format writes the name of the secret, and stars for the value, whatever the verb. String would not serve for %d.
func (s Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, s.ID+":***") }
