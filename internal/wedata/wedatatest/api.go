package wedatatest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// reply is the JSON of both calls.
type reply struct {
	Errcode int     `json:"errcode"`
	Errmsg  string  `json:"errmsg"`
	Info    *[]info `json:"info,omitempty"`
}

// info is an entry of the bind list. An unbound uid has no nickname, picture or permissions.
type info struct {
	UID        string       `json:"uid"`
	CreateTime int64        `json:"create_time"`
	UpdateTime int64        `json:"update_time"`
	Nickname   string       `json:"nickname,omitempty"`
	HeadURL    string       `json:"head_url,omitempty"`
	IsBind     int          `json:"is_bind"`
	Perm       []permission `json:"perm,omitempty"`
}

type permission struct {
	ID   string `json:"perm_id"`
	Name string `json:"name"`
	Desc string `json:"desc"`
}

// answer carries out a valid request, and returns the reply or an error as WeChat does.
func (s *Server) answer(r *http.Request, token, body string) reply {
	issued, known := s.tokens[token]
	switch {
	case r.Method != http.MethodPost:
		return reply{Errcode: 43002}
	case token == "":
		return reply{Errcode: 41001}
	case !known:
		return reply{Errcode: 40001}
	case issued.errcode != 0:
		return reply{Errcode: issued.errcode}
	}
	merchant := s.merchants[issued.merchant]
	switch {
	case merchant.denied:
		return reply{Errcode: 48001}
	case r.URL.Path == ListPath:
		return reply{Info: merchant.list()}
	}
	uid, errcode := parseUID(body)
	if errcode == 0 && !merchant.unbind(uid) {
		errcode = s.options.NotBound
	}
	return reply{Errcode: errcode}
}

// parseUID returns the uid in the body of an unbind call, or an errcode.
func parseUID(body string) (uid string, errcode int) {
	var data struct {
		UID any `json:"uid"`
	}
	switch {
	case body == "":
		return "", 44002
	case json.Unmarshal([]byte(body), &data) != nil:
		return "", 47001
	case strings.Contains(strings.ReplaceAll(body, `\\`, ""), `\u`):
		return "", 47002
	}
	if uid, _ = data.UID.(string); uid == "" {
		return "", 40097
	}
	return uid, 0
}

// errmsg returns WeChat's text for an errcode. In half of the messages a comma stands before the rid.
func (s *Server) errmsg(errcode int) string {
	if errcode == 0 {
		return "ok"
	}
	text := cmp.Or(errmsgs[errcode], "error")
	s.replies++
	if s.replies%2 == 0 {
		text += ","
	}
	return fmt.Sprintf("%s rid: %08x-%08x-%08x", text, uint32(time.Now().Unix()), s.replies*0x9e3779b1, s.replies)
}

var errmsgs = map[int]string{
	-1:      "system error",
	40001:   "invalid credential, access_token is invalid or not latest",
	40013:   "invalid appid",
	40014:   "invalid access_token",
	40066:   "invalid url",
	40097:   "invalid args",
	40164:   "invalid ip 203.0.113.7, not in whitelist",
	41001:   "access_token missing",
	42001:   "access_token expired",
	42007:   "access_token and refresh_token exception",
	43002:   "require POST method",
	43003:   "require https",
	44002:   "empty post data",
	45009:   "reach max api daily quota limit",
	45011:   "api minute-quota reach limit, must slower, retry next minute",
	45035:   "access clientip is not registered, not in ip-white-list",
	47001:   "data format error",
	47002:   `data format error, \u escapes are not supported`,
	48001:   "api unauthorized",
	48004:   "api forbidden for irregularities",
	50002:   "user limited",
	50004:   "service forbidden",
	61003:   "component is not authorized by this account",
	61004:   "access clientip is not registered",
	61007:   "api is unauthorized to component",
	61014:   "must use component token for component api",
	61015:   "must use authorizer token for this api",
	61016:   "function category of api need be confirmed by component",
	61017:   "function category is not authorized",
	61028:   "function is not authorized by this account",
	9900004: "invalid parameters",
}
