package wedata

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"time"
)

// Binding is one person of a merchant's bind list.
type Binding struct {
	// UID is the person's account in the service provider's system.
	UID string
	// Bound tells whether the uid is bound now. Unbound uids stay in the list.
	Bound bool
	// Nickname is the one at WeChat, "" for an unbound uid.
	Nickname string
	// CreateTime and UpdateTime are in UTC, to the second; zero where WeChat sends none.
	CreateTime, UpdateTime time.Time
	// Perm has the names of the person's permissions, such as read-only access; none for an unbound uid.
	Perm []string
}

// reply has the members of WeChat's JSON object. It is a map because member names are exact here, and encoding/json
// ignores case in the names of struct fields.
type reply struct {
	status  int
	members map[string]json.RawMessage
}

var mediaTypes = map[string]string{"application/json": "JSON", "text/html": "HTML", "text/plain": "plain text"}

// readReply returns either a reply with errcode 0 or a fault, never both. It quotes nothing but errmsg, since the page
// of a proxy may repeat the URL with the token.
func (o operation) readReply(resp *http.Response) (reply, *Error) {
	body, err := io.ReadAll(io.LimitReader(resp.Body, int64(o.limit)+1))
	unclear := func(format string, args ...any) (reply, *Error) {
		mediaType, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
		args = append(args, cmp.Or(mediaTypes[mediaType], "another media type"), len(body))
		why := fmt.Errorf(format+" (%s, %d bytes)", args...)
		return reply{}, &Error{Op: o.name, HTTPStatus: resp.StatusCode, Class: Unclear, Err: why}
	}
	switch {
	case err != nil:
		return unclear("reply cut off: %w", newCause(err, true))
	case len(body) > o.limit:
		return unclear("reply larger than %d KiB", o.limit>>10)
	case len(body) == 0:
		return unclear("empty reply")
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) != nil {
		return unclear("reply is not a JSON object")
	}
	var code *int
	if json.Unmarshal(members["errcode"], &code) != nil || code == nil {
		return unclear("reply has no errcode that is a whole number")
	}
	if *code != 0 {
		fault := &Error{Op: o.name, HTTPStatus: resp.StatusCode, Code: *code, Class: classOf(*code)}
		var errmsg string
		_ = json.Unmarshal(members["errmsg"], &errmsg) // the errcode alone decides
		fault.Msg, fault.RID = redact(errmsg, o.token, o.uid)
		return reply{}, fault
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return unclear("errcode 0 with an HTTP status that is no success")
	}
	return reply{resp.StatusCode, members}, nil
}

// bindings reads the member info. It refuses the whole list where an entry has no uid or no is_bind: without that
// entry somebody who is bound would seem unknown.
func (r reply) bindings() ([]Binding, error) {
	info, ok := r.members["info"]
	if !ok {
		return nil, errors.New("reply has no info")
	}
	var list []struct {
		UID        string `json:"uid"`
		IsBind     *int   `json:"is_bind"`
		Nickname   string `json:"nickname"`
		CreateTime int64  `json:"create_time"`
		UpdateTime int64  `json:"update_time"`
		Perm       []struct {
			Name string `json:"name"`
		} `json:"perm"`
	}
	if json.Unmarshal(info, &list) != nil {
		return nil, errors.New("the reply's info is not a list of bindings")
	}
	bindings := make([]Binding, len(list))
	for i, b := range list {
		if b.UID == "" || b.IsBind == nil {
			return nil, fmt.Errorf("entry %d of the reply's info has no uid or no is_bind", i)
		}
		bindings[i] = Binding{
			UID:        b.UID,
			Bound:      *b.IsBind != 0,
			Nickname:   b.Nickname,
			CreateTime: unix(b.CreateTime),
			UpdateTime: unix(b.UpdateTime),
		}
		for _, p := range b.Perm {
			bindings[i].Perm = append(bindings[i].Perm, p.Name)
		}
	}
	return bindings, nil
}

func unix(seconds int64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0).UTC()
}
