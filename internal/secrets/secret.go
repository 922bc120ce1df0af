package secrets

import (
	"fmt"
	"io"
	"log/slog"
	"time"
)

// Secret is one version of a secret. Every way to print or log it shows its name and not its value.
type Secret struct {
	// ID is the name or ARN it was asked by.
	ID string
	// Value is the secret text, as it was written.
	Value string `json:"-"`
	// Version is the VersionId of Secrets Manager. Another value has another one.
	Version string
	// Written is when this version was written.
	Written time.Time
}

// String returns the name of the secret, and stars for the value.
func (s Secret) String() string { return s.ID + ":***" }

// Format writes String for every verb. With String alone, fmt would print the fields for %d.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue is String, for slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
