package wedatatest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// request is a call to the API, its body read.
type request struct {
	*http.Request
	token, body string
}

// reply is what both calls answer with.
type reply struct {
	Errcode int     `json:"errcode"`
	Errmsg  string  `json:"errmsg"`
	Info    *[]info `json:"info,omitempty"`
}

// info is an entry of the bind list. Who is unbound has no nickname, picture or permissions.
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

// answer carries out a request, if WeChat would.
func (s *Server) answer(r request) reply {
	issued, known := s.tokens[r.token]
	switch {
	case r.Method != http.MethodPost:
		return reply{Errcode: 43002}
	case r.token == "":
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
	uid, errcode := parseUID(r.body)
	if errcode == 0 && !merchant.unbind(uid, s.now()) {
		errcode = s.options.NotBound
	}
	return reply{Errcode: errcode}
}

// parseUID returns the uid of an unbinding's body, or the errcode for a body without one.
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

// errmsg words an errcode as WeChat does. The rid stands behind a comma in some of its messages and not in others.
func (s *Server) errmsg(errcode int) string {
	if errcode == 0 {
		return "ok"
	}
	s.replies++
	comma := ""
	if s.replies%2 == 0 {
		comma = ","
	}
	rid := fmt.Sprintf("%08x-%08x-%08x", uint32(s.now().Unix()), s.replies*0x9e3779b1, s.replies)
	return errmsg(errcode) + comma + " rid: " + rid
}

func errmsg(errcode int) string {
	switch errcode {
	case -1:
		return "system error"
	case 40001:
		return "invalid credential, access_token is invalid or not latest"
	case 40013:
		return "invalid appid"
	case 40014:
		return "invalid access_token"
	case 40066:
		return "invalid url"
	case 40097:
		return "invalid args"
	case 40164:
		return "invalid ip 203.0.113.7, not in whitelist"
	case 41001:
		return "access_token missing"
	case 42001:
		return "access_token expired"
	case 42007:
		return "access_token and refresh_token exception"
	case 43002:
		return "require POST method"
	case 43003:
		return "require https"
	case 44002:
		return "empty post data"
	case 45009:
		return "reach max api daily quota limit"
	case 45011:
		return "api minute-quota reach limit, must slower, retry next minute"
	case 45035:
		return "access clientip is not registered, not in ip-white-list"
	case 47001:
		return "data format error"
	case 47002:
		return `data format error, \u escapes are not supported`
	case 48001:
		return "api unauthorized"
	case 48004:
		return "api forbidden for irregularities"
	case 50002:
		return "user limited"
	case 50004:
		return "service forbidden"
	case 61003:
		return "component is not authorized by this account"
	case 61004:
		return "access clientip is not registered"
	case 61007:
		return "api is unauthorized to component"
	case 61014:
		return "must use component token for component api"
	case 61015:
		return "must use authorizer token for this api"
	case 61016:
		return "function category of api need be confirmed by component"
	case 61017:
		return "function category is not authorized"
	case 61028:
		return "function is not authorized by this account"
	case 9900004:
		return "invalid parameters"
	default:
		return "error"
	}
}
