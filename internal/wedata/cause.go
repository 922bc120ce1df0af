package wedata

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"syscall"
)

// cause tells in fixed words why there was no whole reply. The text of the error behind it may hold the URL with the
// token, a proxy's password or bytes from a server. So errors.Is sees that error, and nothing returns it.
type cause struct {
	words string
	err   error
}

func (c *cause) Error() string { return c.words }

// Is reports whether the error behind c is target.
func (c *cause) Is(target error) bool { return errors.Is(c.err, target) }

// newCause returns the cause for an error of net/http. Answered tells that the reply had begun.
func newCause(err error, answered bool) *cause {
	if c, ok := errors.AsType[*cause](err); ok {
		return c
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err // a *url.Error is a net.Error, and would hide the one inside
	}
	words := describe(err, answered)
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "proxyconnect" {
		words = "proxy: " + words
	}
	return &cause{words, err}
}

func describe(err error, answered bool) string {
	dns, isDNS := errors.AsType[*net.DNSError](err)
	network, isNetwork := errors.AsType[net.Error](err)
	_, isCertificate := errors.AsType[*tls.CertificateVerificationError](err)
	_, isNotTLS := errors.AsType[tls.RecordHeaderError](err)
	is := func(target error) bool { return errors.Is(err, target) }
	switch {
	case is(context.Canceled):
		return "cancelled"
	case isDNS && dns.IsNotFound:
		return "host name not found"
	case isDNS:
		return "DNS failure"
	case is(context.DeadlineExceeded), isNetwork && network.Timeout():
		return "timed out"
	case isCertificate:
		return "certificate not accepted"
	case isNotTLS, is(http.ErrSchemeMismatch):
		return "not a TLS server"
	case is(syscall.ECONNREFUSED):
		return "connection refused"
	case is(syscall.ECONNRESET), is(syscall.EPIPE), is(io.EOF), is(io.ErrUnexpectedEOF):
		return "connection closed by the other side"
	case answered:
		return "not a valid HTTP reply"
	}
	return "network fault"
}
