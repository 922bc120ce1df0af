package wedata

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"time"
)

// Binding is one person of a merchant's bind list.
type Binding struct {
	// UID is the person's account in the service provider's system.
	UID string
	// Bound tells whether the uid is bound now: who was unbound stays in the list.
	Bound bool
	// Nickname is the one at WeChat, "" for who is not bound.
	Nickname string
	// CreateTime and UpdateTime are in UTC, to the second; zero where WeChat tells none.
	CreateTime, UpdateTime time.Time
	// Perm is what the person may see, none for who is not bound.
	Perm []Permission
}

// Permission is a set of We分析 permissions, such as read-only access.
type Permission struct {
	// ID is 0 where WeChat's is not a whole number.
	ID         int
	Name, Desc string
}

// reply is what WeChat answered: the members of a JSON object. Their names are exact, unlike those of a struct's fields.
type reply struct {
	status  int
	members map[string]json.RawMessage
}

// readReply returns a reply that says errcode 0, or why it does not. It reads one byte more than limit at most, and
// quotes nothing but errmsg: a proxy's page may well repeat the URL, and thereby the token.
func readReply(resp *http.Response, limit int, secrets veil) (reply, *Error) {
	body, err := io.ReadAll(io.LimitReader(resp.Body, int64(limit)+1))
	if err != nil {
		err = fmt.Errorf("reply cut off after %d bytes: %w", len(body), secrets.cause(err))
		return reply{}, &Error{HTTPStatus: resp.StatusCode, Class: Unclear, Err: err}
	}
	if len(body) > limit {
		err = fmt.Errorf("reply larger than %d KiB", limit>>10)
		return reply{}, &Error{HTTPStatus: resp.StatusCode, Class: Unclear, Err: err}
	}
	r, fault := parseReply(resp.StatusCode, body, secrets)
	if fault != nil && fault.Class == Unclear {
		mediaType, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
		if err != nil {
			mediaType = "no media type"
		}
		fault.Err = fmt.Errorf("%w (%s, %d bytes)", fault.Err, secrets.line(mediaType), len(body))
	}
	return r, fault
}

// parseReply returns either a reply or a fault, never both.
func parseReply(status int, body []byte, secrets veil) (reply, *Error) {
	unclear := func(why string) (reply, *Error) {
		return reply{}, &Error{HTTPStatus: status, Class: Unclear, Err: errors.New(why)}
	}
	var members map[string]json.RawMessage
	if len(body) == 0 {
		return unclear("empty reply")
	}
	if json.Unmarshal(body, &members) != nil {
		return unclear("reply is not a JSON object")
	}
	var code *int
	if json.Unmarshal(members["errcode"], &code) != nil || code == nil {
		return unclear("reply has no errcode that is a whole number")
	}
	switch {
	case *code != 0:
		var errmsg string
		_ = json.Unmarshal(members["errmsg"], &errmsg) // whatever it is, errcode is what counts
		msg, rid := secrets.errmsg(errmsg)
		return reply{}, &Error{HTTPStatus: status, Code: *code, Msg: msg, RID: rid, Class: classOf(*code)}
	case status < 200 || status > 299:
		return unclear("errcode 0 under such a status")
	}
	return reply{status: status, members: members}, nil
}

// bindings reads the member info. A list without a uid or an is_bind somewhere judges nobody, so it is refused whole.
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
			// A string by the documentation, though it looks like a number.
			ID   json.RawMessage `json:"perm_id"`
			Name string          `json:"name"`
			Desc string          `json:"desc"`
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
			id, _ := strconv.Atoi(string(bytes.Trim(p.ID, `"`)))
			bindings[i].Perm = append(bindings[i].Perm, Permission{ID: id, Name: p.Name, Desc: p.Desc})
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
