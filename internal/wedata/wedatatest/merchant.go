package wedatatest

import (
	"crypto/rand"
	"slices"
	"time"
)

// Binding is a person known to a merchant's We分析.
type Binding struct {
	UID string `json:"uid"`
	// Bound tells whether the uid is bound to a WeChat ID now.
	Bound bool `json:"bound"`
	// Member tells whether that WeChat ID may enter the merchant's We分析. The API does not show it.
	Member bool `json:"member"`
	// Administrator is a person whose membership survives the binding.
	Administrator bool `json:"administrator"`
	// Nickname is the one at WeChat. The API shows it while the uid is bound.
	Nickname string `json:"nickname"`
	// Created and Updated are when the binding was made and last changed. Zero in [Server.Bind] means now.
	Created time.Time `json:"created"`
	Updated time.Time `json:"updated"`
}

// Bound returns a person who is bound, and a member.
func Bound(uid string) Binding {
	return Binding{UID: uid, Bound: true, Member: true, Nickname: "微信用户"}
}

// Administrator returns a person who is bound, and stays a member without the binding.
func Administrator(uid string) Binding {
	b := Bound(uid)
	b.Administrator = true
	return b
}

// Unbound returns a person who was bound once, and is listed still.
func Unbound(uid string) Binding {
	return Binding{UID: uid}
}

// issued is a token of some time.
type issued struct {
	merchant string
	errcode  int // what WeChat says of it, 0 for the merchant's latest
}

type merchant struct {
	token    string
	denied   bool
	bindings []Binding
	place    map[string]int // of a uid in bindings
}

// merchant returns the merchant of that appid, which need not have been heard of before.
func (s *Server) merchant(appid string) *merchant {
	m := s.merchants[appid]
	if m == nil {
		m = &merchant{place: map[string]int{}}
		s.merchants[appid] = m
	}
	return m
}

// Rotate gives the merchant a new token and returns it. The one before is no longer the latest (40001).
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
		s.tokens[m.token] = issued{merchant, 40001}
	}
	m.token = token
	s.tokens[token] = issued{merchant, 0}
}

// Expire ends the life of the merchant's token (42001).
func (s *Server) Expire(merchant string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if token := s.merchant(merchant).token; token != "" {
		s.tokens[token] = issued{merchant, 42001}
	}
}

// Grant tells whether the merchant has granted permission set 18, as it has unless told otherwise (48001).
func (s *Server) Grant(merchant string, granted bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.merchant(merchant).denied = !granted
}

// Bind puts the bindings into the merchant's list, each in the place of one with the same uid.
func (s *Server) Bind(merchant string, bindings ...Binding) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, now := s.merchant(merchant), s.now()
	for _, b := range bindings {
		if b.Created.IsZero() {
			b.Created = now
		}
		if b.Updated.IsZero() {
			b.Updated = now
		}
		if i, ok := m.place[b.UID]; ok {
			m.bindings[i] = b
			continue
		}
		m.place[b.UID] = len(m.bindings)
		m.bindings = append(m.bindings, b)
	}
}

// Bindings returns the merchant's list, oldest first.
func (s *Server) Bindings(merchant string) []Binding {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.merchant(merchant).bindings)
}

// unbind tells whether the uid was bound. The membership goes with the binding, except an administrator's.
func (m *merchant) unbind(uid string, now time.Time) bool {
	i, ok := m.place[uid]
	if !ok || !m.bindings[i].Bound {
		return false
	}
	b := &m.bindings[i]
	b.Bound, b.Member, b.Updated = false, b.Administrator, now
	return true
}

// list shows the bindings as the API does.
func (m *merchant) list() *[]info {
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
