package wedatatest

import (
	"crypto/rand"
	"slices"
	"time"
)

// Binding is a person in a merchant's bind list.
type Binding struct {
	UID string
	// Bound tells whether the uid is bound to a WeChat ID now.
	Bound bool
	// Member tells whether that WeChat ID is a member of the merchant's We分析. The API does not show it.
	Member bool
	// Administrator stays a member after the unbinding.
	Administrator bool
	// Nickname is the one at WeChat. The API shows it while the uid is bound.
	Nickname string
	// Created and Updated are when the binding was made and last changed. Zero in [Server.Bind] means now.
	Created, Updated time.Time
}

// Bound returns a person who is bound and a member.
func Bound(uid string) Binding {
	return Binding{UID: uid, Bound: true, Member: true, Nickname: "微信用户"}
}

// Administrator returns a person who is bound, and who stays a member after the unbinding.
func Administrator(uid string) Binding {
	return Binding{UID: uid, Bound: true, Member: true, Administrator: true, Nickname: "微信用户"}
}

// Unbound returns a person who was bound earlier. The list still has the uid.
func Unbound(uid string) Binding { return Binding{UID: uid} }

// issuedToken is a token that the server has given out.
type issuedToken struct {
	merchant string
	errcode  int // the answer to this token, 0 for the merchant's latest
}

// account has the server's data of a merchant.
type account struct {
	token    string
	denied   bool
	bindings []Binding
}

// merchant returns the account of the merchant with that appid, and makes it where it is new.
func (s *Server) merchant(appid string) *account {
	if s.merchants[appid] == nil {
		s.merchants[appid] = &account{}
	}
	return s.merchants[appid]
}

// Rotate gives the merchant a new token and returns it. The token before is no longer the latest (40001).
func (s *Server) Rotate(merchant string) string {
	token := "61_" + rand.Text() + rand.Text()
	s.SetToken(merchant, token)
	return token
}

// SetToken is [Server.Rotate] with a token of the caller's choice.
func (s *Server) SetToken(merchant, token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.merchant(merchant)
	if m.token != "" {
		s.tokens[m.token] = issuedToken{merchant, 40001}
	}
	m.token = token
	s.tokens[token] = issuedToken{merchant, 0}
}

// Expire lets the merchant's token expire (42001).
func (s *Server) Expire(merchant string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens[s.merchant(merchant).token] = issuedToken{merchant, 42001}
}

// Grant sets whether the merchant has granted permission set 18 (else 48001). At first it has.
func (s *Server) Grant(merchant string, granted bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.merchant(merchant).denied = !granted
}

// Bind adds the bindings to the merchant's list. Each replaces one with the same uid.
func (s *Server) Bind(merchant string, bindings ...Binding) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, now := s.merchant(merchant), time.Now()
	for _, b := range bindings {
		if b.Created.IsZero() {
			b.Created = now
		}
		if b.Updated.IsZero() {
			b.Updated = now
		}
		if old := m.find(b.UID); old != nil {
			*old = b
		} else {
			m.bindings = append(m.bindings, b)
		}
	}
}

// Bindings returns the merchant's list, oldest first.
func (s *Server) Bindings(merchant string) []Binding {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.merchant(merchant).bindings)
}

// Binding returns the uid's entry in the merchant's list, and whether there is one.
func (s *Server) Binding(merchant, uid string) (Binding, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.merchant(merchant).find(uid); b != nil {
		return *b, true
	}
	return Binding{}, false
}

// find returns the uid's binding, nil where there is none.
func (m *account) find(uid string) *Binding {
	i := slices.IndexFunc(m.bindings, func(b Binding) bool { return b.UID == uid })
	if i < 0 {
		return nil
	}
	return &m.bindings[i]
}

// unbind returns false where the uid is not bound. An administrator stays a member.
func (m *account) unbind(uid string) bool {
	b := m.find(uid)
	if b == nil || !b.Bound {
		return false
	}
	b.Bound, b.Member, b.Updated = false, b.Administrator, time.Now()
	return true
}

// list returns the bindings as the API shows them.
func (m *account) list() *[]info {
	list := make([]info, len(m.bindings))
	for i, b := range m.bindings {
		list[i] = info{UID: b.UID, CreateTime: b.Created.Unix(), UpdateTime: b.Updated.Unix()}
		if b.Bound {
			list[i].IsBind = 1
			list[i].Nickname = b.Nickname
			list[i].HeadURL = "http://wx.qlogo.cn/mmhead/0"
			list[i].Perm = []permission{{ID: "10001", Name: "全站只读", Desc: "可查看所有模块"}}
		}
	}
	return &list
}
