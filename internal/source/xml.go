package source

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
)

var errXML = errors.New(
	"not XML, not complete, nested too deeply, or with a DTD, text or element beside the root element")

func isXML(body []byte) bool { return bytes.HasPrefix(bytes.TrimSpace(withoutMark(body)), []byte("<")) }

// xmlFields reads the elements inside the root element: {"UserID":"zhangsan"} for
// <xml><UserID>zhangsan</UserID></xml>. An element becomes a string, or an object of the elements inside it. Several
// elements with one name become a list. Attributes and namespaces are not read. encoding/xml accepts only the five
// entities that XML predefines.
func xmlFields(body []byte) (root any, err error) {
	for dec := xml.NewDecoder(bytes.NewReader(body)); ; { //nolint:gosec // only strings, at a bounded depth
		token, err := dec.Token()
		if errors.Is(err, io.EOF) && root != nil {
			break
		}
		beside := false
		switch t := token.(type) {
		case xml.StartElement:
			if beside = root != nil; !beside {
				root, err = readElement(dec, 1)
			}
		case xml.CharData:
			beside = len(bytes.TrimSpace(t)) > 0
		case xml.Directive:
			beside = true
		}
		if err != nil || beside {
			return nil, errXML
		}
	}
	if _, isText := root.(string); isText { // the root element has no elements in it
		root = map[string]any{}
	}
	return root, nil
}

// readElement reads up to the end of the element that the decoder has just begun.
func readElement(dec *xml.Decoder, depth int) (any, error) {
	if depth > maxDepth/2 { // a list is a level of JSON too
		return nil, errXML
	}
	var text []byte
	elements := map[string]any{}
	repeated := map[string][]any{}
	for {
		token, err := dec.Token()
		if err != nil {
			return nil, err
		}
		switch t := token.(type) {
		case xml.StartElement:
			name := t.Name.Local
			value, err := readElement(dec, depth+1)
			if err != nil {
				return nil, err
			}
			if first, again := elements[name]; again && repeated[name] == nil {
				repeated[name] = []any{first}
			}
			if repeated[name] != nil {
				repeated[name] = append(repeated[name], value)
			}
			elements[name] = value
		case xml.CharData:
			text = append(text, t...)
		case xml.Directive:
			return nil, errXML
		case xml.EndElement:
			if len(elements) == 0 {
				return string(text), nil
			}
			for name, list := range repeated {
				elements[name] = list
			}
			return elements, nil
		}
	}
}
