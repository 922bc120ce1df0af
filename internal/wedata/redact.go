package wedata

import (
	"encoding/json"
	"errors"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxText is how many bytes of somebody else's text an error may hold.
const maxText = 200

var (
	// The request id at the end of an errmsg, at times with a comma before it.
	requestID = regexp.MustCompile(`[\s,]*\brid:\s*([[:xdigit:]]{8}(?:-[[:xdigit:]]{8}){2})`)
	// A token that was cut short on its way, and so is not to be found as a whole.
	tokenParameter = regexp.MustCompile(`access_token=[^&\s"']+`)
	// What Go's errors quote: a URL, a proxy's address, the first bytes of something that is not HTTP.
	quotation = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
	hexEscape = regexp.MustCompile(`%[[:xdigit:]]{2}`)
)

// veil is what a call must not tell: it hides those secrets in texts that others wrote.
type veil []string

// line returns the text as one line of at most maxText bytes without secrets. Hiding comes after cleaning, to see the
// text as it will be read, and before cutting, which could leave half a secret.
func (v veil) line(text string) string {
	text = clean(text)
	for _, secret := range v {
		for _, s := range spellings(secret) {
			if s != "" {
				text = strings.ReplaceAll(text, s, "***")
			}
		}
	}
	text = tokenParameter.ReplaceAllString(text, "access_token=***")
	if len(text) <= maxText {
		return text
	}
	end := maxText - len("…")
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}

// errmsg splits WeChat's errmsg into what it says and the request id.
func (v veil) errmsg(errmsg string) (msg, rid string) {
	errmsg = clean(errmsg)
	if at := requestID.FindStringSubmatchIndex(errmsg); at != nil {
		rid = errmsg[at[2]:at[3]]
		errmsg = errmsg[:at[0]] + errmsg[at[1]:]
	}
	return v.line(errmsg), rid
}

// cause returns why there was no reply, without the URL: what a [*url.Error] wraps stands for it, and quotations are left
// out. An error whose text this changes answers errors.Is alone.
func (v veil) cause(err error) error {
	for urlErr := (*url.Error)(nil); errors.As(err, &urlErr); {
		err = urlErr.Err
	}
	if text := v.line(quotation.ReplaceAllString(err.Error(), `"…"`)); text != err.Error() {
		return veiled{text, err}
	}
	return err
}

type veiled struct {
	text  string
	cause error
}

func (e veiled) Error() string { return e.text }

// Is looks at the cause without handing it out, as Unwrap would.
func (e veiled) Is(target error) bool { return errors.Is(e.cause, target) }

// clean returns the text as one line without characters that a log would not show.
func clean(text string) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r): // line breaks of all kinds
			return ' '
		case unicode.In(r, unicode.Cc, unicode.Cf):
			return -1
		}
		return r
	}, text))
}

// spellings returns the secret as a text, a URL, JSON or Go's quotes would show it.
func spellings(secret string) []string {
	inJSON, _ := json.Marshal(secret) // a string always can be
	inURL := url.QueryEscape(secret)
	bare := func(quoted string) string { return quoted[1 : len(quoted)-1] }
	return []string{
		secret,
		clean(secret),
		inURL,
		hexEscape.ReplaceAllStringFunc(inURL, strings.ToLower),
		url.PathEscape(secret),
		bare(string(inJSON)),
		bare(strconv.Quote(secret)),
		bare(strconv.QuoteToASCII(secret)),
	}
}
