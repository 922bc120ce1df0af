package source

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"
)

// Bodies and their readers:
//   - JSON is read by gjson, which takes the first of two members of one name where others take the last. So a name that
//     stands twice, at any depth, is an error, as are trailing data, text that is not UTF-8, and depth without end.
//   - XML and form bodies become an object of strings. A name that stands twice is an error for the same reason.
//   - A byte order mark is skipped. Other charsets than UTF-8 and compressed bodies are errors.

const (
	maxDepth  = 64
	byteOrder = "\ufeff"
)

// isWords tells a body that is no data at all: HiBob's test delivery is "Ping test".
func isWords(body []byte) bool {
	const longest = 40
	return len(bytes.TrimSpace(body)) > 0 && len(body) <= longest && len(bytes.Trim(body, letters+" ")) == 0 && !json.Valid(body)
}

// decode returns the body as JSON text: JSON as it stands, the rest as an object of strings. No error quotes the body.
func decode(header http.Header, body []byte) ([]byte, error) {
	for _, encoding := range header.Values("Content-Encoding") {
		if encoding != "" && !strings.EqualFold(encoding, "identity") {
			return nil, errors.New("the body is compressed: have it sent as it is")
		}
	}
	media, params, _ := mime.ParseMediaType(header.Get("Content-Type"))
	switch charset := strings.ToLower(params["charset"]); charset {
	case "", "utf-8", "utf8", "us-ascii":
	default:
		return nil, errors.New("the body is not in UTF-8: have it sent so")
	}
	if media == "application/x-www-form-urlencoded" && !startsJSON(body) {
		return formObject(body)
	}
	return object(body)
}

// startsJSON tells a body that is JSON whatever its sender calls it: curl -d calls everything a form, and no form begins so.
func startsJSON(body []byte) bool {
	body = bytes.TrimLeft(bytes.TrimPrefix(body, []byte(byteOrder)), " \t\r\n")
	return len(body) > 0 && (body[0] == '{' || body[0] == '[')
}

// startsForm tells a body that begins with a name and an equals sign.
func startsForm(body []byte) bool {
	name, _, found := bytes.Cut(body, []byte("="))
	return found && len(name) > 0 && len(bytes.Trim(name, letters+"0123456789_.-%+")) == 0
}

// object is decode for a body whose headers are not known: a body that starts as XML or a form does is one.
func object(body []byte) ([]byte, error) {
	body = bytes.TrimPrefix(body, []byte(byteOrder))
	switch {
	case bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("<")):
		return xmlObject(body)
	case isWords(body):
		return json.Marshal(string(body))
	case startsForm(body):
		return formObject(body)
	}
	return strictJSON(body)
}

// strictJSON returns the JSON text without a byte order mark, once it is sure that all readers read the same in it.
func strictJSON(body []byte) ([]byte, error) {
	body = bytes.TrimPrefix(body, []byte(byteOrder))
	if !utf8.Valid(body) {
		return nil, errors.New("not JSON: not valid UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	if err := walk(dec, maxDepth); err != nil {
		return nil, fmt.Errorf("not JSON that can be trusted: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("not JSON: something stands after it")
	}
	return body, nil
}

// walk reads one value. It errs where a name stands twice in one object, or where the value is deeper than allowed.
func walk(dec *json.Decoder, depth int) error {
	token, err := dec.Token()
	if err != nil {
		return err
	}
	if _, opens := token.(json.Delim); !opens {
		return nil
	}
	if depth == 0 {
		return errors.New("nested too deeply")
	}
	names := map[string]bool{}
	for dec.More() {
		if token == json.Delim('{') {
			name, err := dec.Token()
			if err != nil {
				return err
			}
			s, _ := name.(string)
			if names[s] {
				return errors.New("a name stands twice in one object")
			}
			names[s] = true
		}
		if err := walk(dec, depth-1); err != nil {
			return err
		}
	}
	_, err = dec.Token()
	return err
}

// formObject reads a form. (The standard library allows no semicolons in it, and a bounded number of fields.)
func formObject(body []byte) ([]byte, error) {
	values, err := url.ParseQuery(strings.TrimPrefix(string(body), byteOrder))
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
	return stringsObject(fields)
}

// xmlObject reads the elements inside the root element: {"UserID":"zhangsan"} of <xml><UserID>zhangsan</UserID></xml>. An
// element that holds elements is no string and is left out; attributes and namespaces are not looked at.
//
// A DTD is an error, and with it every entity of one's own. encoding/xml expands none but XML's own five.
func xmlObject(body []byte) ([]byte, error) {
	var (
		dec    = xml.NewDecoder(bytes.NewReader(bytes.TrimPrefix(body, []byte(byteOrder))))
		fields = map[string]string{}
		names  = map[string]bool{}
		text   strings.Builder
		nested bool
		depth  int
		roots  int
	)
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) && depth == 0 && roots == 1 {
			return stringsObject(fields)
		}
		if err != nil {
			return nil, errors.New("not XML, or not whole")
		}
		switch t := token.(type) {
		case xml.Directive:
			return nil, errors.New("XML with a document type")
		case xml.StartElement:
			depth++
			switch depth {
			case 1:
				roots++
			case 2:
				nested = false
				text.Reset()
			default:
				nested = true
			}
			if depth > maxDepth || roots > 1 {
				return nil, errors.New("XML nested too deeply, or with a second root")
			}
		case xml.EndElement:
			if depth == 2 && names[t.Name.Local] {
				return nil, errors.New("an element stands twice in the XML")
			}
			if depth == 2 {
				names[t.Name.Local] = true
			}
			if depth == 2 && !nested {
				fields[t.Name.Local] = text.String()
			}
			depth--
		case xml.CharData:
			if depth == 2 {
				text.Write(t)
			}
			if depth == 0 && len(bytes.TrimSpace(t)) > 0 {
				return nil, errors.New("text outside of the XML")
			}
		}
	}
}

func stringsObject(fields map[string]string) ([]byte, error) {
	for name, value := range fields {
		if !utf8.ValidString(name) || !utf8.ValidString(value) {
			return nil, errors.New("not valid UTF-8")
		}
	}
	return json.Marshal(fields)
}
