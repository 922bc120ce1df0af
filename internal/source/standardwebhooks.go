package source

import (
	"crypto/sha256"
	"errors"
	"strings"
)

// readStandardWebhooks reads the scheme of the Standard Webhooks specification: HMAC, of which only the keys are
// configured.
func readStandardWebhooks(m *members) scheme {
	return signature{
		keys:      m.keys(decodeWebhookKey),
		hash:      sha256.New,
		encode:    encodings["base64"],
		where:     newPart("webhook-signature", false),
		prefix:    "v1,",
		signed:    "{header:webhook-id}.{header:webhook-timestamp}.{body}",
		timestamp: newPart("webhook-timestamp", false),
		tolerance: defaultTolerance,
	}
}

// decodeWebhookKey decodes a key: whsec_ and the base64 of 24 to 64 bytes (Standard Webhooks, "Signature scheme").
func decodeWebhookKey(s string) ([]byte, error) {
	encoded, ok := strings.CutPrefix(s, "whsec_")
	if !ok {
		return nil, errors.New("does not start with whsec_")
	}
	key, err := decodeBase64(encoded)
	if err == nil && (len(key) < 24 || len(key) > 64) {
		err = errors.New("is not the base64 of 24 to 64 bytes")
	}
	return key, err
}
