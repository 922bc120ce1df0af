package wedata

import (
	"encoding/json"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

// maxMsg is the longest [Error.Msg], in bytes.
const maxMsg = 200

var (
	// The request id at the end of an errmsg. Some messages have a comma before it.
	requestID = regexp.MustCompile(`[\s,]*\brid:\s*([[:xdigit:]]{8}(?:-[[:xdigit:]]{8}){2})`)
	// A token that WeChat has cut short: a search for the whole token does not find it.
	tokenParameter = regexp.MustCompile(`access_token=[^&\s"']+`)
	hexEscape      = regexp.MustCompile(`%[[:xdigit:]]{2}`)
)

// redact splits WeChat's errmsg into the request id and the message: one line of at most maxMsg bytes, with *** for
// the secrets. It cleans first, since control characters may split a secret. It cuts last, since half a secret is not
// found.
func redact(errmsg string, secrets ...string) (msg, rid string) {
	msg = clean(errmsg)
	if at := requestID.FindStringSubmatchIndex(msg); at != nil {
		msg, rid = clean(msg[:at[0]]+msg[at[1]:]), msg[at[2]:at[3]]
	}
	for _, secret := range secrets {
		for _, spelling := range spellings(secret) {
			if spelling != "" {
				msg = strings.ReplaceAll(msg, spelling, "***")
			}
		}
	}
	msg = tokenParameter.ReplaceAllString(msg, "access_token=***")
	if len(msg) > maxMsg {
		msg = strings.ToValidUTF8(msg[:maxMsg-len("…")], "") + "…"
	}
	return msg, rid
}

// clean returns the text as one line of valid UTF-8 without control characters.
func clean(text string) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r): // line breaks too
			return ' '
		case unicode.In(r, unicode.Cc, unicode.Cf):
			return -1
		}
		return r
	}, text))
}

// spellings returns the secret as it stands in a text, a URL, JSON and Go's quotes.
func spellings(secret string) []string {
	inURL := url.QueryEscape(secret)
	all := []string{
		secret,
		clean(secret),
		inURL,
		hexEscape.ReplaceAllStringFunc(inURL, strings.ToLower),
		url.PathEscape(secret),
	}
	inJSON, _ := json.Marshal(secret) // cannot fail for a string
	for _, quoted := range []string{string(inJSON), strconv.Quote(secret), strconv.QuoteToASCII(secret)} {
		all = append(all, quoted[1:len(quoted)-1])
	}
	return all
}
