package lambdatest

import (
	"context"
	"net"
	"net/http"
	"sync"
	"testing"
)

// InMemory serves h to the returned client over [net.Pipe] instead of sockets. In a bubble of [testing/synctest] a
// real HTTP exchange then takes virtual time only. The client reaches h under every address; baseURL is a loopback
// address. When the test ends, InMemory closes the connections and waits for the handlers, which must obey their
// request's context.
func InMemory(t testing.TB, h http.Handler) (client *http.Client, baseURL string) {
	t.Helper()
	listener := &pipeListener{dialed: make(chan net.Conn), closed: make(chan struct{})}
	var running sync.WaitGroup // the server's loop and its connections
	server := &http.Server{Handler: h, ConnState: func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			running.Add(1)
		case http.StateClosed, http.StateHijacked:
			running.Done()
		}
	}}
	running.Go(func() { server.Serve(listener) }) // it always ends in http.ErrServerClosed
	transport := &http.Transport{DialContext: listener.dial}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		server.Close()
		running.Wait()
	})
	return &http.Client{Transport: transport}, "http://127.0.0.1"
}

// pipeListener accepts the other ends of the pipes that dial returns. The server closes it once.
type pipeListener struct {
	dialed chan net.Conn
	closed chan struct{}
}

func (l *pipeListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case l.dialed <- server:
		return client, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Accept implements [net.Listener].
func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.dialed:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements [net.Listener].
func (l *pipeListener) Close() error { close(l.closed); return nil }

// Addr implements [net.Listener].
func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{} }
