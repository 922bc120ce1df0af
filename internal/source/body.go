package source

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"wedata-unbind/internal/strictjson"
)

// How bodies are read:
//   - JSON stays as it is, for gjson. Of two members with one name gjson reads the first, while other readers read the
//     last. So strictjson checks the body before: it refuses duplicate names at any depth.
//   - A form becomes an object of strings. A duplicate name is an error for the same reason.
//   - XML becomes nested objects.
//   - A byte order mark is skipped. A charset other than UTF-8 and a compressed body are errors.

// maxDepth limits the work of gjson: its @dig takes half a minute on a body of MaxBody bytes with 10,000 levels.
const maxDepth = 64

// decode returns the body as JSON text: JSON as it is, other formats as objects. No error quotes the body.
func decode(header http.Header, body []byte) ([]byte, error) {
	for _, encoding := range header.Values("Content-Encoding") {
		if encoding != "" && !strings.EqualFold(encoding, "identity") {
			return nil, errors.New("the body is compressed: have it sent as it is")
		}
	}
	_, params, _ := mime.ParseMediaType(header.Get("Content-Type"))
	if !slices.Contains([]string{"", "utf-8", "utf8", "us-ascii"}, strings.ToLower(params["charset"])) {
		return nil, errors.New("the body is not in UTF-8: have it sent in UTF-8")
	}
	body = withoutMark(body)
	var fields any
	var err error
	switch {
	case isForm(header, body):
		fields, err = formFields(body)
	case isXML(body):
		fields, err = xmlFields(body)
	default:
		value, err := readJSON(body)
		if err != nil && isWords(body) {
			return strictjson.Marshal(string(body))
		}
		return value, err
	}
	if err != nil {
		return nil, err
	}
	text, err := strictjson.Marshal(fields)
	if err != nil {
		return nil, errors.New("not valid UTF-8")
	}
	return text, nil
}

// isForm reports whether the body is a form: its Content-Type says so, or it starts with a name and =. curl -d sends
// the Content-Type of a form with any body, so a body that starts with a bracket is no form.
func isForm(header http.Header, body []byte) bool {
	body = withoutMark(body)
	media, _, _ := mime.ParseMediaType(header.Get("Content-Type"))
	name, _, hasEquals := bytes.Cut(body, []byte("="))
	return media == "application/x-www-form-urlencoded" && bytes.IndexAny(bytes.TrimSpace(body), "{[<") != 0 ||
		hasEquals && len(name) > 0 && len(bytes.Trim(name, letters+"0123456789_.-%+")) == 0
}

// isWords reports whether the body is only a few words, such as HiBob's test delivery "Ping test".
func isWords(body []byte) bool {
	return len(bytes.TrimSpace(body)) > 0 && len(body) <= 40 && len(bytes.Trim(body, letters+" ")) == 0
}

func withoutMark(body []byte) []byte { return bytes.TrimPrefix(body, []byte("\ufeff")) }

// readJSON returns JSON text without a byte order mark. It errs where the text is not strict JSON, or is nested too
// deeply.
func readJSON(body []byte) ([]byte, error) {
	value, err := strictjson.Parse(body)
	if err != nil {
		return nil, err
	}
	for dec := jsontext.NewDecoder(bytes.NewReader(value)); ; {
		if _, err := dec.ReadToken(); errors.Is(err, io.EOF) {
			return value, nil
		} else if err != nil {
			return nil, err
		}
		if dec.StackDepth() > maxDepth {
			return nil, errors.New("the JSON is nested too deeply")
		}
	}
}

// formFields reads a form. The standard library refuses semicolons in it, and too many fields.
func formFields(body []byte) (map[string]string, error) {
	values, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, errors.New("not a form")
	}
	fields := make(map[string]string, len(values))
	for name, list := range values {
		if len(list) > 1 {
			return nil, errors.New("a name stands twice in the form")
		}
		fields[name] = list[0]
	}
	return fields, nil
}
