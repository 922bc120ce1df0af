package wedata

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Binding is one person of a merchant's bind list.
type Binding struct {
	UID      string // the person's account in the service provider's system
	Bound    bool   // now; unbound uids stay in the list
	Nickname string // at WeChat, "" for an unbound uid
	// CreateTime and UpdateTime are in UTC, to the second; zero where WeChat sends none.
	CreateTime, UpdateTime time.Time
	Perm                   []string // names of permissions, such as read-only access; none for an unbound uid
}

// lenient are the options for a reply: it can be read although a nickname has broken UTF-8.
var lenient = json.JoinOptions(jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))

// once is a member that may occur only once in its object. It counts the occurrences.
type once[T any] struct {
	value T
	times int
}

// UnmarshalJSONFrom counts and reads the member.
func (o *once[T]) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	o.times++
	return json.UnmarshalDecode(dec, &o.value)
}

var mediaTypes = map[string]string{"application/json": "JSON", "text/html": "HTML", "text/plain": "plain text"}

// readReply returns the list of a reply with errcode 0, or an [*Error]. The error quotes only errmsg: a proxy's page
// may contain the URL with the token.
func (o operation) readReply(resp *http.Response) ([]Binding, error) {
	var r struct {
		Errcode once[jsontext.Value] `json:"errcode"`
		Errmsg  jsontext.Value       `json:"errmsg"`
		Info    once[bindList]       `json:"info"`
	}
	r.Info.value.keep = o.keep
	body := &io.LimitedReader{R: resp.Body, N: o.limit + 1}
	invalid := json.UnmarshalRead(body, &r, lenient)
	_, err := io.Copy(io.Discard, body) // the rest, which is unread where the JSON is invalid
	size := o.limit + 1 - body.N
	unclear := func(format string, args ...any) ([]Binding, error) {
		mediaType, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
		args = append(args, cmp.Or(mediaTypes[mediaType], "another media type"), size)
		why := fmt.Errorf(format+" (%s, %d bytes)", args...)
		return nil, &Error{Op: o.name, HTTPStatus: resp.StatusCode, Class: Unclear, Err: why}
	}
	var code *int
	noCode := json.Unmarshal(r.Errcode.value, &code)
	switch {
	case err != nil:
		return unclear("reply cut off: %w", newCause(err, true))
	case size > o.limit:
		return unclear("reply larger than %d KiB", o.limit>>10)
	case size == 0:
		return unclear("empty reply")
	case invalid != nil:
		return unclear("reply is not a JSON object")
	case noCode != nil || code == nil || r.Errcode.times != 1:
		return unclear("reply has no errcode, two of them, or one that is not a whole number")
	case *code != 0:
		fault := &Error{Op: o.name, HTTPStatus: resp.StatusCode, Code: *code, Class: classOf(*code)}
		var errmsg string
		_ = json.Unmarshal(r.Errmsg, &errmsg, lenient) // the errcode alone decides
		fault.Msg, fault.RID = redact(errmsg, o.token, o.uid)
		return nil, fault
	case resp.StatusCode < 200 || resp.StatusCode > 299:
		return unclear("errcode 0 with an HTTP status other than 2xx")
	case o.list && r.Info.times != 1:
		return unclear("reply has no info, or two of them")
	case o.list && r.Info.value.err != nil:
		return unclear("%w", r.Info.value.err)
	}
	return r.Info.value.kept, nil
}

// bindList is the member info. It is used only where errcode is 0, and errcode may come after it. So a fault is stored
// in err, and reading goes on.
type bindList struct {
	keep  func(uid string) bool // nil for all
	kept  []Binding
	err   error
	entry struct { // reused for each entry, to save memory
		UID    once[string] `json:"uid"`
		IsBind once[*int]   `json:"is_bind"`
	}
}

// UnmarshalJSONFrom reads the entries one by one. It errs only where the JSON is invalid or cannot be read.
func (l *bindList) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	l.kept = []Binding{}
	if kind := dec.PeekKind(); kind != '[' {
		if kind != 'n' {
			l.err = errNoList
		}
		return dec.SkipValue()
	}
	_, err := dec.ReadToken()
	for i := 0; err == nil && dec.PeekKind() != ']'; i++ {
		var entry jsontext.Value
		if entry, err = dec.ReadValue(); err == nil && l.err == nil {
			l.err = l.add(i, entry)
		}
	}
	if err == nil {
		_, err = dec.ReadToken()
	}
	return err
}

var errNoList = errors.New("the reply's info is not a list of bindings")

// add adds an entry if keep selects it. It refuses an entry without uid or is_bind, or with two of them: a bound
// person would seem unknown.
func (l *bindList) add(i int, entry jsontext.Value) error {
	b := &l.entry
	b.UID.times, b.IsBind.times = 0, 0
	switch {
	case json.Unmarshal(entry, b, lenient) != nil:
		return errNoList
	case b.UID.times != 1 || b.UID.value == "" || b.IsBind.times != 1 || b.IsBind.value == nil:
		return fmt.Errorf("entry %d of the reply's info has no uid or no is_bind, or has one of them twice", i)
	case l.keep != nil && !l.keep(b.UID.value):
		return nil
	}
	var more struct {
		Nickname   string `json:"nickname"`
		CreateTime int64  `json:"create_time"`
		UpdateTime int64  `json:"update_time"`
		Perm       []struct {
			Name string `json:"name"`
		} `json:"perm"`
	}
	if json.Unmarshal(entry, &more, lenient) != nil {
		return errNoList
	}
	binding := Binding{
		UID: b.UID.value, Bound: *b.IsBind.value != 0, Nickname: more.Nickname,
		CreateTime: unix(more.CreateTime), UpdateTime: unix(more.UpdateTime),
	}
	for _, p := range more.Perm {
		binding.Perm = append(binding.Perm, p.Name)
	}
	l.kept = append(l.kept, binding)
	return nil
}

func unix(seconds int64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0).UTC()
}
