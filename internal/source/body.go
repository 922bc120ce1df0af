package source

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"wedata-unbind/internal/strictjson"
)

// Bodies and their readers:
//   - JSON stays as it is. Paths are tried on it by gjson, which takes the first of two members of one name where other
//     readers take the last. So strictjson reads it first, which refuses such names at any depth.
//   - XML and forms become an object of strings. A name that stands twice is an error for the same reason.
//   - A byte order mark is skipped. Other charsets than UTF-8 and compressed bodies are errors.

const (
	// maxDepth bounds the work of gjson: with @dig, a body of MaxBody bytes that is 10,000 levels deep takes half a minute.
	maxDepth = 64

	byteOrderMark = "\ufeff"
	blanks        = " \t\r\n"
)

// decode returns the body as JSON text: JSON as it is, other formats as an object of strings. No error quotes the body.
func decode(header http.Header, body []byte) ([]byte, error) {
	for _, encoding := range header.Values("Content-Encoding") {
		if encoding != "" && !strings.EqualFold(encoding, "identity") {
			return nil, errors.New("the body is compressed: have it sent as it is")
		}
	}
	media, params, _ := mime.ParseMediaType(header.Get("Content-Type"))
	switch strings.ToLower(params["charset"]) {
	case "", "utf-8", "utf8", "us-ascii":
	default:
		return nil, errors.New("the body is not in UTF-8: have it sent in UTF-8")
	}
	if media == "application/x-www-form-urlencoded" && !startsJSON(body) {
		return formObject(body)
	}
	return object(body)
}

// startsJSON reports whether the body is JSON although its Content-Type says that it is a form. curl -d sends that type for
// any body, and no form starts with a bracket.
func startsJSON(body []byte) bool {
	body = bytes.TrimLeft(bytes.TrimPrefix(body, []byte(byteOrderMark)), blanks)
	return len(body) > 0 && (body[0] == '{' || body[0] == '[')
}

// startsForm reports whether the body begins with a name and an equals sign.
func startsForm(body []byte) bool {
	name, _, found := bytes.Cut(body, []byte("="))
	return found && len(name) > 0 && len(bytes.Trim(name, letters+"0123456789_.-%+")) == 0
}

// isWords reports whether the body is words rather than data: HiBob's test delivery is "Ping test".
func isWords(body []byte) bool {
	const longest = 40
	return len(bytes.TrimSpace(body)) > 0 && len(body) <= longest && len(bytes.Trim(body, letters+" ")) == 0 &&
		!json.Valid(body)
}

// object is decode for a body without a usable Content-Type. The format is told by how the body starts.
func object(body []byte) ([]byte, error) {
	body = bytes.TrimPrefix(body, []byte(byteOrderMark))
	switch {
	case bytes.HasPrefix(bytes.TrimLeft(body, blanks), []byte("<")):
		return xmlObject(body)
	case isWords(body):
		return strictjson.Marshal(string(body))
	case startsForm(body):
		return formObject(body)
	}
	return readJSON(body)
}

// readJSON returns the JSON text without a byte order mark, once it is sure that all readers see the same in it.
func readJSON(body []byte) ([]byte, error) {
	value, err := strictjson.Parse(body)
	if err != nil {
		return nil, err
	}
	for dec := jsontext.NewDecoder(bytes.NewReader(value)); ; {
		if _, err := dec.ReadToken(); err != nil {
			return value, nil // its end
		}
		if dec.StackDepth() > maxDepth {
			return nil, errors.New("the JSON is nested too deeply")
		}
	}
}

// formObject reads a form. (The standard library allows no semicolons in it, and a bounded number of fields.)
func formObject(body []byte) ([]byte, error) {
	values, err := url.ParseQuery(strings.TrimPrefix(string(body), byteOrderMark))
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

// element is an XML element. Attributes and namespaces are not read.
type element struct {
	XMLName  xml.Name
	Text     string    `xml:",chardata"`
	Elements []element `xml:",any"`
}

// xmlObject reads the elements inside the root element: {"UserID":"zhangsan"} for <xml><UserID>zhangsan</UserID></xml>. An
// element that holds elements is no string and is left out. encoding/xml limits the depth.
//
// A DTD is an error, and so is every entity but the five of XML itself.
func xmlObject(body []byte) ([]byte, error) {
	var roots []element
	for dec := xml.NewDecoder(bytes.NewReader(bytes.TrimPrefix(body, []byte(byteOrderMark)))); ; {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) && len(roots) == 1 {
			break
		}
		switch t := token.(type) {
		case xml.StartElement:
			var root element
			err = dec.DecodeElement(&root, &t)
			roots = append(roots, root)
		case xml.Directive:
			return nil, errors.New("XML with a document type")
		case xml.CharData:
			if len(bytes.TrimSpace(t)) > 0 {
				return nil, errors.New("text outside of the XML")
			}
		}
		if err != nil || len(roots) > 1 {
			return nil, errors.New("not XML, not whole, or with a second root")
		}
	}
	fields, seen := map[string]string{}, map[string]bool{}
	for _, e := range roots[0].Elements {
		name := e.XMLName.Local
		if seen[name] {
			return nil, errors.New("an element stands twice in the XML")
		}
		seen[name] = true
		if len(e.Elements) == 0 {
			fields[name] = e.Text
		}
	}
	return stringsObject(fields)
}

func stringsObject(fields map[string]string) ([]byte, error) {
	text, err := strictjson.Marshal(fields)
	if err != nil {
		return nil, errors.New("not valid UTF-8")
	}
	return text, nil
}
