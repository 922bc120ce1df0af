// Package lambdatest stands in for the parts of AWS that a Lambda function needs: the Lambda Runtime API that drives
// its built binary, Secrets Manager, SQS, which passes to the function what it has queued, and EventBridge Scheduler.
//
// Tests, benchmarks and `make run` use it; it needs no account and no network. Every stand-in is an [http.Handler]
// with the service's own protocol, so the function uses its real SDK clients.
package lambdatest

import (
	"fmt"
	"net"
	"net/http"
	"time"
)

// Server serves a handler at a TCP address of this machine.
type Server struct {
	// URL is http://HOST:PORT, Addr the same without the scheme.
	URL, Addr string

	http *http.Server
}

// Serve starts a server for h at addr. Port 0 takes a free one. It errs where the address is taken.
func Serve(addr string, h http.Handler) (*Server, error) {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("lambdatest: %w; choose another address", err)
	}
	s := &Server{Addr: listener.Addr().String(), http: &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}}
	s.URL = "http://" + s.Addr
	go s.http.Serve(listener) // it always ends in http.ErrServerClosed
	return s, nil
}

// Close ends the server and all its connections at once.
func (s *Server) Close() error { return s.http.Close() }
