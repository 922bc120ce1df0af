// Package wedatatest is a stand-in for WeChat's We分析 API, for tests, benchmarks and runs on one's own machine.
//
// It keeps merchants, their tokens and their bindings in memory, checks requests as WeChat does, and answers as WeChat
// documents it: errors with HTTP 200, an errcode and a rid. On demand it fails in every way that is known. What WeChat
// does not document, its reply for a uid that is not bound, is set by [Options].
package wedatatest

import (
	"cmp"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// The paths of the two calls.
const (
	UnbindPath = "/wedata/wedata_unbind_user"
	ListPath   = "/wedata/wedata_query_bind_list"
)

// Options is how a [Server] behaves.
type Options struct {
	// UnbindOnly makes it know nothing but unbind: the bind list's path is not found.
	UnbindOnly bool `json:"unbind_only"`
	// NotBound is the errcode for a uid that is not bound. WeChat does not document its own: 0, -1, 40097, 9900004 and
	// codes nobody has heard of are all possible.
	NotBound int `json:"not_bound"`
}

// Server is the stand-in. It is an [http.Handler] and safe for concurrent use. Another process can drive it on the paths
// that begin with [ControlPrefix].
type Server struct {
	control http.Handler
	now     func() time.Time

	mu        sync.Mutex
	options   Options
	merchants map[string]*merchant
	tokens    map[string]issued
	faults    []Fault
	calls     []Call
	replies   uint32 // so far, which makes each rid unique
}

// Call is a request to the API as the server saw and answered it.
type Call struct {
	Method string `json:"method"`
	Path   string `json:"path"`
	// Query has *** for the token.
	Query string `json:"query"`
	// Merchant is whose token it was, the latest or an older one; "" for an unknown token.
	Merchant string `json:"merchant"`
	Body     string `json:"body"`
	// ContentLength is -1 for a chunked body.
	ContentLength int64 `json:"content_length"`
	// Status is the reply's HTTP status, 0 where there was none: a reset connection, a client that did not wait.
	Status int `json:"status"`
	// Errcode is the reply's, 0 also where it had none.
	Errcode int `json:"errcode"`
	// Fault is the kind of reply that took the place of the API's own, "" where none did.
	Fault Kind `json:"fault,omitempty"`
}

// New returns a server without merchants.
func New(options Options) *Server {
	s := &Server{options: options, now: time.Now}
	s.control = control(s)
	s.Reset()
	return s
}

// Reset forgets merchants, tokens, faults and calls. The options stay.
func (s *Server) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.merchants, s.tokens = map[string]*merchant{}, map[string]issued{}
	s.faults, s.calls = nil, nil
}

// SetOptions changes the behaviour from the next call on.
func (s *Server) SetOptions(options Options) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.options = options
}

// Calls returns the calls so far, in the order of their ends.
func (s *Server) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// ServeHTTP answers the two calls of the API and those that drive the server. Any other path is not found.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, ControlPrefix) {
		s.control.ServeHTTP(w, r)
		return
	}
	// The whole body first: only then does net/http notice a client that goes away.
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil {
		page(w, http.StatusRequestEntityTooLarge)
		return
	}
	query := r.URL.Query()
	req := request{Request: r, token: query.Get("access_token"), body: string(body)}
	if req.token != "" {
		query.Set("access_token", "***")
	}

	s.mu.Lock()
	merchant := s.tokens[req.token].merchant
	fault := s.fault(req, merchant)
	var answer reply
	if fault.Done {
		answer = s.answer(req)
	}
	s.mu.Unlock()

	status := cmp.Or(fault.Status, http.StatusOK)
	if gone := !fault.wait(r.Context()); gone || fault.Kind == Reset {
		status = 0
	}

	s.mu.Lock()
	switch {
	case fault.answers():
		answer = reply{Errcode: fault.Errcode}
	case status != 0 && !fault.Done:
		answer = s.answer(req)
	}
	answer.Errmsg = s.errmsg(answer.Errcode)
	s.calls = append(s.calls, Call{
		Method:        r.Method,
		Path:          r.URL.Path,
		Query:         strings.ReplaceAll(query.Encode(), "%2A", "*"),
		Merchant:      merchant,
		Body:          req.body,
		ContentLength: r.ContentLength,
		Status:        status,
		Errcode:       answer.Errcode,
		Fault:         fault.Kind,
	})
	s.mu.Unlock()

	switch {
	case status == 0:
		reset(w)
	case fault.Kind != "":
		fault.write(w, status)
	default:
		writeJSON(w, status, answer)
	}
}

// fault returns what goes wrong with a request, if anything.
func (s *Server) fault(r request, merchant string) Fault {
	switch {
	case r.URL.Path != UnbindPath && (r.URL.Path != ListPath || s.options.UnbindOnly):
		return Fault{Kind: HTML, Status: http.StatusNotFound}
	case r.Method == http.MethodPost && r.Header.Get("Content-Length") == "":
		return Fault{Kind: HTML, Status: http.StatusPreconditionFailed}
	}
	i := slices.IndexFunc(s.faults, func(f Fault) bool { return f.matches(r.URL.Path, merchant) })
	if i < 0 {
		return Fault{}
	}
	fault := s.faults[i]
	if s.faults[i].Times--; s.faults[i].Times == 0 {
		s.faults = slices.Delete(s.faults, i, i+1)
	}
	return fault
}

// writeJSON answers as WeChat does, which escapes neither <, > and & nor Chinese.
func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; encoding=utf-8")
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(v) // a client that has gone away needs no answer
}
