package secrets

import (
	"fmt"
	"io"
	"log/slog"
	"time"
)

// Secret is one version of a secret. Printed or logged in whatever way, it shows its name and never its value.
type Secret struct {
	// ID is the name or ARN it was asked by.
	ID string
	// Value is the secret text, as it was written.
	Value string `json:"-"`
	// Version is the VersionId, which tells two values apart without a look at them.
	Version string
	// Written is when this version was written.
	Written time.Time
}

// String returns the name of the secret, and stars for the value.
func (s Secret) String() string { return s.ID + ":***" }

// Format writes String for every verb: with a Stringer alone, a verb that is none for strings (%d) would print the fields.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// GoString is String, for those who call it without fmt.
func (s Secret) GoString() string { return s.String() }

// LogValue is String, for slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
