package wedata

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
)

const maxMsg = 200 // the longest [Error.Msg], in bytes

// patterns are what an errmsg is searched for. They are compiled for the first error: at the start they took 0.05 ms.
type patterns struct{ requestID, suspect, harmless, notAlnum, blank, control *regexp.Regexp }

var errmsgs = sync.OnceValue(func() patterns {
	return patterns{
		// The request id at the end of an errmsg. Some messages have a comma before it.
		requestID: regexp.MustCompile(`[\s,]*\brid:\s*([[:xdigit:]]{8}(?:-[[:xdigit:]]{8}){2})`),
		// What may spell a secret: a long run, an escape of a URL, JSON or HTML; but not words or an IPv4 address (40164).
		suspect:  regexp.MustCompile(`[!-~]{16,}|[%&\\][!-~]{2,}`),
		harmless: regexp.MustCompile(`^(([a-z]+[-_/])*[a-z]+|(::ffff:)?\d+(\.\d+){3})[.,:;]?$`),
		notAlnum: regexp.MustCompile(`[^0-9a-z]`),
		blank:    regexp.MustCompile(`[\s\v\x{85}\p{Z}]`), // line breaks too
		control:  regexp.MustCompile(`[\p{Cc}\p{Cf}]`),
	}
})

// redact splits WeChat's errmsg into the request id and the message, one line of at most maxMsg bytes. Either is ""
// where it might hold the uid or a part of the token.
func redact(errmsg, token, uid string) (msg, rid string) {
	msg = clean(errmsg)
	if at := errmsgs().requestID.FindStringSubmatchIndex(msg); at != nil {
		msg, rid = clean(msg[:at[0]]+msg[at[1]:]), msg[at[2]:at[3]]
	}
	if len(msg) > maxMsg {
		msg = strings.ToValidUTF8(msg[:maxMsg-len("…")], "") + "…"
	}
	odd := func(run string) bool { return !errmsgs().harmless.MatchString(run) }
	if slices.ContainsFunc(errmsgs().suspect.FindAllString(msg, -1), odd) || tells(msg, token, uid) {
		msg = ""
	}
	if tells(rid, token, uid) {
		rid = ""
	}
	return msg, rid
}

// tells reports whether the text has the uid, the token or 6 characters in a row of the token as it is, reversed, in
// hex or in base64. It compares without case, then letters and digits alone.
func tells(text, token, uid string) bool {
	reversed := []byte(token)
	slices.Reverse(reversed)
	b64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	spellings := fmt.Sprintf("%s\n%s\n%x\n%s\n%s\n%s", token, reversed, token,
		b64(token), b64("\n"+token), b64("\n\n"+token)) // base64 depends on how many bytes stand before
	alnum := func(s string) string { return errmsgs().notAlnum.ReplaceAllLiteralString(strings.ToLower(s), "") }
	for _, form := range []func(string) string{strings.ToLower, alnum} {
		text, spellings := form(text), form(spellings)
		if t, u := form(token), form(uid); t != "" && strings.Contains(text, t) || u != "" && strings.Contains(text, u) {
			return true
		}
		for i := range len(text) - 5 {
			if strings.Contains(spellings, text[i:i+6]) {
				return true
			}
		}
	}
	return false
}

// clean returns the text as one line without control characters.
func clean(text string) string {
	return strings.TrimSpace(errmsgs().control.ReplaceAllLiteralString(errmsgs().blank.ReplaceAllLiteralString(text, " "), ""))
}
