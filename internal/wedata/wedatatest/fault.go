package wedatatest

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"
)

// Kind is a kind of reply that is not the API's own.
type Kind string

// The kinds.
const (
	// HTML is a page of some proxy on the way.
	HTML Kind = "html"
	// Empty is a reply without a body.
	Empty Kind = "empty"
	// Truncated is JSON that ends in the middle.
	Truncated Kind = "truncated"
	// Oversized is a success behind 17 MiB of blanks.
	Oversized Kind = "oversized"
	// NoErrcode is JSON that says neither yes nor no.
	NoErrcode Kind = "no_errcode"
	// Reset is no reply: the connection breaks. On a connection in use before, a client of net/http repeats what it takes
	// for idempotent, so that one Reset may go unnoticed.
	Reset Kind = "reset"
)

// UnmarshalText refuses what is not one of the kinds.
func (k *Kind) UnmarshalText(text []byte) error {
	switch kind := Kind(text); kind {
	case "", HTML, Empty, Truncated, Oversized, NoErrcode, Reset:
		*k = kind
		return nil
	default:
		return fmt.Errorf("no fault is of the kind %q", kind)
	}
}

// Fault is something that goes wrong with the next calls. One with a Latency alone is slow and then right.
type Fault struct {
	// Times is how many calls it is for: 0 means one, less than 0 all until [Server.Reset].
	Times int `json:"times"`
	// Path and Merchant narrow it down to one of the two calls, and to one merchant's tokens. "" means all.
	Path     string `json:"path"`
	Merchant string `json:"merchant"`
	// Errcode is what the API answers.
	Errcode int `json:"errcode"`
	// Kind is a reply in the place of the API's.
	Kind Kind `json:"kind"`
	// Status is the reply's HTTP status, 0 meaning 200. Without Errcode and Kind it comes with a page.
	Status int `json:"status"`
	// Latency is how long the server waits before it does anything. A client that goes away ends the wait.
	Latency time.Duration `json:"-"`
	// Done means that the call is carried out first, and only its reply is late or wrong.
	Done bool `json:"done"`
}

// Fail lets the next calls that fit go wrong. Of several faults that fit a call, the first one given is taken.
func (s *Server) Fail(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range faults {
		if f.Times == 0 {
			f.Times = 1
		}
		if f.Status != 0 && !f.answers() {
			f.Kind = HTML
		}
		s.faults = append(s.faults, f)
	}
}

func (f Fault) matches(path, merchant string) bool {
	return (f.Path == "" || f.Path == path) && (f.Merchant == "" || f.Merchant == merchant)
}

// answers tells whether the fault has an answer of its own.
func (f Fault) answers() bool { return f.Errcode != 0 || f.Kind != "" }

// wait tells whether the client was still there after the latency.
func (f Fault) wait(ctx context.Context) bool {
	if f.Latency <= 0 {
		return true
	}
	timer := time.NewTimer(f.Latency)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (f Fault) write(w http.ResponseWriter, status int) {
	switch f.Kind {
	case HTML:
		page(w, status)
	case Empty:
		w.WriteHeader(status)
	case Truncated:
		w.WriteHeader(status)
		fmt.Fprint(w, `{"errcode":0,"errm`)
	case Oversized:
		w.WriteHeader(status)
		fmt.Fprint(w, strings.Repeat(" ", 17<<20), `{"errcode":0,"errmsg":"ok","info":[]}`)
	case NoErrcode:
		w.WriteHeader(status)
		fmt.Fprint(w, `{"errmsg":"ok"}`)
	}
}

// page writes what servers and proxies say that do not speak JSON.
func page(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "text/html")
	w.WriteHeader(status)
	fmt.Fprintf(w, "<html><head><title>%d %[2]s</title></head><body><h1>%[2]s</h1></body></html>\n", status, http.StatusText(status))
}

// reset breaks the connection: with nothing to linger for, closing it sends an RST.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}
