package wedata

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"time"
)

// joinTime is how long the first call waits for the connection that [Client.Warm] opens. A process that was frozen
// meanwhile must not wait for a dead one until the dial times out.
const joinTime = time.Second

// Warm begins to open a connection to WeChat, through the proxy where there is one, and returns at once. Nothing is
// sent to WeChat. The first call takes the connection, and waits for it where it is not open yet. A fault is not
// reported: the first call gets it again. Warm is called once, before any call. It does nothing where the caller's own
// [http.RoundTripper] is no [http.Transport].
//
// It takes the connection and the handshake, 2 of 3.5 round trips, out of the first call, while the secret is read: with
// TLS and 50 ms to WeChat, WeChat has the request 135 ms after the start of the process, not 163.
func (c *Client) Warm() {
	configured, ok := c.http.Transport.(*http.Transport)
	if !ok {
		return
	}
	opened, ended := make(chan struct{}), make(chan struct{})
	open := sync.OnceFunc(func() { close(opened) })
	ctx, cancel := context.WithCancel(context.WithValue(context.Background(), warmKey{}, true))
	// net/http goes on to open a connection when its request has ended, and keeps it for the next request. This request
	// ends before the dial begins, so it is never sent. A connection that dies in a freeze is then a kept one, which
	// net/http replaces without an error.
	transport := configured.Clone()
	dial := transport.DialContext
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	isTLS := strings.HasPrefix(c.base, "https:")
	transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if ctx.Value(warmKey{}) == nil {
			return dial(ctx, network, addr)
		}
		cancel()
		<-ended
		conn, err := dial(ctx, network, addr)
		if err != nil || !isTLS {
			open()
		}
		if err != nil {
			return nil, err
		}
		return warmConn{conn, open}, nil
	}
	trace := &httptrace.ClientTrace{TLSHandshakeDone: func(tls.ConnectionState, error) { open() }}
	if c.http.Transport, c.warm = transport, opened; isTLS {
		// The first handshake of a process reads the system's roots: 8 ms of CPU for 144 of them. They are read while the
		// connection is on its way, not when the server's certificate is there.
		go func() { _, _ = x509.SystemCertPool() }() // the handshake reports a fault
	}
	go func() {
		defer cancel()
		defer close(ended)
		req, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, trace), http.MethodHead, c.base, nil)
		if err != nil {
			open()
			return
		}
		//nolint:bodyclose // it never has a reply
		_, _ = transport.RoundTrip(req)
		if ctx.Err() == nil { // it ended before a dial: the proxy cannot be used
			open()
		}
	}()
}

type warmKey struct{}

// warmConn is the connection of Warm. net/http closes it where the proxy refuses or the handshake fails.
type warmConn struct {
	net.Conn
	closed func()
}

// Close implements [net.Conn].
func (w warmConn) Close() error {
	w.closed()
	return w.Conn.Close()
}

// join lets the first call wait for the connection that Warm opens. Other calls at the same time, as for ten merchants,
// need connections of their own, and would lose two round trips.
func (c *Client) join(ctx context.Context) {
	if c.warm == nil || c.joined.Swap(true) {
		return
	}
	timer := time.NewTimer(joinTime)
	defer timer.Stop()
	select {
	case <-c.warm:
	case <-timer.C:
	case <-ctx.Done():
	}
}
