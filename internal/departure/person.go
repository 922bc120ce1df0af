package departure

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

const maxUIDBytes = 256

// checkUID refuses what cannot be a uid. Decoders write U+FFFD in the place of broken text: the sender's identifier is
// lost, and what is left could be another person's.
func checkUID(uid string) error {
	switch {
	case strings.TrimSpace(uid) == "":
		return fmt.Errorf("blank; %s", hint)
	case len(uid) > maxUIDBytes:
		return fmt.Errorf("%d bytes long, at most %d are allowed", len(uid), maxUIDBytes)
	case !utf8.ValidString(uid) || strings.ContainsAny(uid, "\ufffd\ufffe\uffff"):
		return errors.New("not valid Unicode text")
	case strings.ContainsFunc(uid, unicode.IsControl):
		return errors.New("has a control character")
	}
	return nil
}

// maskIn masks a uid inside a text that is logged. A uid of 3 bytes or less is masked only where it is the whole text:
// many ids contain so short a text by chance.
func maskIn(text, uid string) string {
	if len(uid) > 3 || text == uid {
		return strings.ReplaceAll(text, uid, Mask(uid))
	}
	return text
}

// hide masks the people in the id and the source, which are logged.
func (m Meta) hide(people []string) Meta {
	for _, uid := range people {
		m.ID, m.Source = maskIn(m.ID, uid), maskIn(m.Source, uid)
	}
	return m
}

// IsWord reports whether a text is at most 60 letters, digits, ".", "_" and "-". Any other text may hold anything.
func IsWord(text string) bool {
	const (
		longest = 60
		letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"
	)
	return text != "" && len(text) <= longest && strings.Trim(text, letters) == ""
}

// Mask returns a uid as logs and errors may show it: its first and last character, or no character of a uid under 5.
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

// Hash returns the first 16 hex digits of the SHA-256 of the uid, by which a person's log lines are found. It is a
// pseudonym, not a secret: anybody with a list of the uids can compute their hashes.
func Hash(uid string) string {
	if uid == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(uid))
	return hex.EncodeToString(sum[:8])
}

// IsAppID reports whether the text can be an authorizer appid: wx and letters or digits, 64 bytes at most. All known
// appids are wx and 16 hex digits, but WeChat documents no length.
func IsAppID(s string) bool {
	const longest = 64
	digits, ok := strings.CutPrefix(s, "wx")
	return ok && digits != "" && len(s) <= longest &&
		strings.Trim(digits, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789") == ""
}

// clip cuts a text to at most n bytes, and never inside a character.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
