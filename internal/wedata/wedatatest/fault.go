package wedatatest

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// Kind is a kind of reply that the API itself never sends.
type Kind string

// The kinds. On a kept connection net/http repeats an idempotent request, so one Reset alone may have no effect.
const (
	HTML      Kind = "html"       // a page, as a proxy sends one
	Empty     Kind = "empty"      // a reply without a body
	Truncated Kind = "truncated"  // JSON that ends in the middle
	Oversized Kind = "oversized"  // a success after 17 MiB of spaces
	NoErrcode Kind = "no_errcode" // JSON without an errcode
	Reset     Kind = "reset"      // no reply: the connection breaks
)

// Fault makes the next calls fail. With a Latency alone, calls are only slow.
type Fault struct {
	// Times is how many calls have the fault: 0 means one, less than 0 all until [Server.Reset].
	Times int
	// Path and Merchant limit it to one of the two calls, and to the tokens of one merchant. "" means all.
	Path, Merchant string
	// Errcode is the API's answer.
	Errcode int
	// Kind replaces the API's reply.
	Kind Kind
	// Status is the reply's HTTP status, 0 meaning 200. Without Errcode and Kind the reply is a page.
	Status int
	// Latency is how long the server waits before it does anything. The wait ends when the client goes away.
	Latency time.Duration
	// Done means that the call is carried out first, and only its reply is late or wrong.
	Done bool
}

// Fail makes the next calls that match fail. Where several faults match, the call has the one that was given first.
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

// answers tells whether the fault replaces the API's answer.
func (f Fault) answers() bool { return f.Errcode != 0 || f.Kind != "" }

// wait waits for the latency. It returns false where the client went away.
func (f Fault) wait(ctx context.Context) bool {
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
	if f.Kind == HTML {
		page(w, status)
		return
	}
	w.WriteHeader(status)
	switch f.Kind {
	case Truncated:
		_, _ = io.WriteString(w, `{"errcode":0,"errm`)
	case Oversized:
		blanks := strings.Repeat(" ", 1<<20)
		for range 17 {
			if _, err := io.WriteString(w, blanks); err != nil {
				return
			}
		}
		_, _ = io.WriteString(w, `{"errcode":0,"errmsg":"ok","info":[]}`)
	case NoErrcode:
		_, _ = io.WriteString(w, `{"errmsg":"ok"}`)
	}
}

// page writes the page of a server or proxy that does not use JSON.
func page(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "text/html")
	w.WriteHeader(status)
	fmt.Fprintf(w, "<html><head><title>%d %[2]s</title></head><body><h1>%[2]s</h1></body></html>\n",
		status, http.StatusText(status))
}

// reset breaks the connection. Without lingering, TCP sends an RST.
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
