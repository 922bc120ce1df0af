package departure

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode/utf8"
)

// Mask returns a uid as logs and errors may show it: its first and last character, or nothing of one that is so short
// that this would tell most of it.
func Mask(uid string) string {
	const hidden = "***"
	if uid == "" {
		return ""
	}
	if utf8.RuneCountInString(uid) < 5 {
		return hidden
	}
	_, first := utf8.DecodeRuneInString(uid)
	_, last := utf8.DecodeLastRuneInString(uid)
	return uid[:first] + hidden + uid[len(uid)-last:]
}

// IsAppID tells an authorizer appid from other words. All that are known are wx and 16 hex digits; WeChat promises no length.
func IsAppID(s string) bool {
	const longest = 64
	digits, ok := strings.CutPrefix(s, "wx")
	return ok && digits != "" && len(s) <= longest &&
		strings.Trim(digits, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789") == ""
}

// Hash returns the pseudonym by which one person's history is found in the logs: the first 16 hex digits of the SHA-256 of
// the uid. It is a pseudonym and no secret: who can list all uids can compute all hashes.
func Hash(uid string) string {
	if uid == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(uid))
	return hex.EncodeToString(sum[:8])
}
