// Package wedatatest is a stand-in for WeChat's We分析 API, for tests, benchmarks and runs on one's own machine.
//
// It keeps merchants, their tokens and their bindings in memory. It checks requests and answers them as WeChat
// documents it: errors have HTTP 200, an errcode and a rid. [Server.Fail] makes calls fail. WeChat does not document
// its reply for a uid that is not bound, so [Options] sets it.
package wedatatest

import (
	"cmp"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// The paths of the two calls.
const (
	UnbindPath = "/wedata/wedata_unbind_user"
	ListPath   = "/wedata/wedata_query_bind_list"
)

// Options configures a [Server].
type Options struct {
	// UnbindOnly makes the bind list's path not found.
	UnbindOnly bool
	// NotBound is the errcode for a uid that is not bound. WeChat may send 0, -1, 40097, 9900004 or an unknown code.
	NotBound int
}

// Server is the stand-in. It is an [http.Handler] and safe for concurrent use.
type Server struct {
	options Options

	mu        sync.Mutex // never held while a call waits
	merchants map[string]*account
	tokens    map[string]issuedToken
	faults    []Fault
	calls     []Call
	replies   uint32 // so far; makes each rid unique
}

// Call is a request to the API and how the server answered it.
type Call struct {
	Method, Path string
	// Query has *** for the token.
	Query string
	// Merchant is the one whose token it was, also where the token is not the latest; "" for an unknown token.
	Merchant string
	Body     string
	// ContentLength is -1 for a chunked body.
	ContentLength int64
	// Status is the reply's HTTP status, 0 where there was none: a reset, or a client that did not wait.
	Status int
	// Errcode is the reply's, 0 also where it had none.
	Errcode int
}

// New returns a server without merchants.
func New(options Options) *Server {
	s := &Server{options: options}
	s.Reset()
	return s
}

// Reset removes all merchants, tokens, faults and calls. The options stay.
func (s *Server) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.merchants, s.tokens = map[string]*account{}, map[string]issuedToken{}
	s.faults, s.calls = nil, nil
}

// Calls returns the calls so far, in the order in which they ended.
func (s *Server) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// ServeHTTP answers the two calls of the API. Any other path is not found.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// net/http notices that a client goes away only after the whole body is read.
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	query := r.URL.Query()
	token := query.Get("access_token")
	if token != "" {
		query.Set("access_token", "***")
	}

	s.mu.Lock()
	merchant := s.tokens[token].merchant
	fault := s.fault(r, merchant)
	var answer reply
	if fault.Done {
		answer = s.answer(r, token, string(body))
	}
	s.mu.Unlock()

	status := cmp.Or(fault.Status, http.StatusOK)
	if gone := fault.Latency > 0 && !fault.wait(r.Context()); gone || fault.Kind == Reset {
		status = 0
	}

	s.mu.Lock()
	switch {
	case fault.answers():
		answer = reply{Errcode: fault.Errcode}
	case status != 0 && !fault.Done:
		answer = s.answer(r, token, string(body))
	}
	answer.Errmsg = s.errmsg(answer.Errcode)
	s.calls = append(s.calls, Call{
		Method:        r.Method,
		Path:          r.URL.Path,
		Query:         strings.ReplaceAll(query.Encode(), "%2A", "*"),
		Merchant:      merchant,
		Body:          string(body),
		ContentLength: r.ContentLength,
		Status:        status,
		Errcode:       answer.Errcode,
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

// fault returns the fault for a request.
func (s *Server) fault(r *http.Request, merchant string) Fault {
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

// writeJSON leaves <, > and & as they are, as WeChat does.
func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; encoding=utf-8")
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(v) // the client may have gone away
}
