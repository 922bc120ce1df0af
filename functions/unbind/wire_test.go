package main

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// wire is the way of TCP connections to a stand-in, which a test disturbs. What the stand-in gets and sends passes
// through it.
type wire struct {
	// URL is where the function reaches the stand-in.
	URL    string
	target string

	mu    sync.Mutex
	fault disturbance
	conns map[*net.TCPConn]fate // of the function
	asked chan struct{}         // gets a value for each request that a disturbance has read
}

// fate is what becomes of a kept connection.
type fate int

const (
	kept  fate = iota
	lost       // everything gets lost, as at a NAT gateway that has forgotten it: nobody is told
	dying      // the next byte resets it, as at a server that has forgotten it
)

// disturbance is what happens to a connection in the place of the stand-in. It may pass requests on by the wire.
type disturbance func(w *wire, conn *net.TCPConn)

// newWire opens a wire to the URL of a stand-in.
func newWire(t *testing.T, target string) *wire {
	t.Helper()
	to, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{
		URL: "http://" + listener.Addr().String(), target: to.Host,
		conns: map[*net.TCPConn]fate{}, asked: make(chan struct{}, 1000),
	}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() { w.serve(conn.(*net.TCPConn)) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		w.each((*net.TCPConn).Close)
		running.Wait()
	})
	return w
}

// disturb lets this happen to all connections that there are from now on; nil is none.
func (w *wire) disturb(fault disturbance) {
	w.mu.Lock()
	w.fault = fault
	w.mu.Unlock()
	w.each(func(conn *net.TCPConn) error { return conn.Close() }) // a kept one would not be disturbed
}

// each does something to all connections of the function.
func (w *wire) each(do func(*net.TCPConn) error) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for conn := range w.conns {
		_ = do(conn) // it may have ended meanwhile
		n++
	}
	return n
}

// doom gives this fate to the connections that there are now.
func (w *wire) doom(f fate) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for conn := range w.conns {
		w.conns[conn] = f
	}
}

func (w *wire) fate(conn *net.TCPConn) fate {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.conns[conn]
}

func (w *wire) serve(conn *net.TCPConn) {
	w.mu.Lock()
	w.conns[conn] = kept
	fault := w.fault
	w.mu.Unlock()
	defer func() {
		conn.Close()
		w.mu.Lock()
		delete(w.conns, conn)
		w.mu.Unlock()
	}()
	if fault == nil {
		fault = pass
	}
	fault(w, conn)
}

// request reads the next request of the connection, or returns nil where there is none.
func (w *wire) request(from *bufio.Reader) *http.Request {
	r, err := http.ReadRequest(from)
	if err != nil {
		return nil
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil
	}
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	if len(body) == 0 {
		r.Body = http.NoBody // else the length would not be sent
	}
	r.RequestURI, r.URL.Scheme, r.URL.Host = "", "http", w.target
	select {
	case w.asked <- struct{}{}:
	default:
	}
	return r
}

// pass carries requests to the stand-in and replies back.
func pass(w *wire, conn *net.TCPConn) {
	from := bufio.NewReader(conn)
	for {
		_, err := from.Peek(1)
		switch f := w.fate(conn); {
		case err != nil:
			return
		case f == dying:
			_ = resetConn(conn)
			return
		case f == lost:
			silence(conn)
			return
		}
		r := w.request(from)
		if r == nil {
			return
		}
		reply, err := http.DefaultTransport.RoundTrip(r)
		if err != nil || reply.Write(conn) != nil {
			return
		}
	}
}

// resetConn ends a connection by an RST.
func resetConn(conn *net.TCPConn) error {
	_ = conn.SetLinger(0)
	return conn.Close()
}

// after returns the disturbance that reads each request first.
func after(do func(w *wire, conn *net.TCPConn, r *http.Request)) disturbance {
	return func(w *wire, conn *net.TCPConn) {
		from := bufio.NewReader(conn)
		if r := w.request(from); r != nil {
			do(w, conn, r)
		}
	}
}

// reply returns the disturbance that answers each request with this text, and what follows.
func replying(text string, then func(conn *net.TCPConn)) disturbance {
	return after(func(_ *wire, conn *net.TCPConn, _ *http.Request) {
		if _, err := io.WriteString(conn, text); err == nil {
			then(conn)
		}
	})
}

// endless writes the text again and again, with a pause between, until the function goes away.
func endless(text string, pause time.Duration) func(*net.TCPConn) {
	return func(conn *net.TCPConn) {
		for {
			if _, err := io.WriteString(conn, text); err != nil {
				return
			}
			time.Sleep(pause)
		}
	}
}

// silence says nothing more until the function goes away.
func silence(conn *net.TCPConn) { _, _ = io.Copy(io.Discard, conn) }

// accepted lets the stand-in carry the request out, and loses its reply.
func accepted(_ *wire, conn *net.TCPConn, r *http.Request) {
	if reply, err := http.DefaultTransport.RoundTrip(r); err == nil {
		reply.Body.Close()
	}
	_ = resetConn(conn)
}
