package wedata

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
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

// causes is the table of words. The first row that matches counts.
var causes = []struct {
	words   string
	matches func(error) bool
}{
	{"cancelled", is(context.Canceled)},
	{"host name not found", as(func(e *net.DNSError) bool { return e.IsNotFound })},
	{"DNS failure", as(func(*net.DNSError) bool { return true })},
	{"timed out", is(context.DeadlineExceeded)},
	{"timed out", as(net.Error.Timeout)},
	{"certificate not accepted", as(func(*tls.CertificateVerificationError) bool { return true })},
	{"not a TLS server", as(func(tls.RecordHeaderError) bool { return true })},
	{"not a TLS server", is(http.ErrSchemeMismatch)},
	{"connection refused", is(syscall.ECONNREFUSED)},
	{"connection closed by the other side", is(syscall.ECONNRESET, syscall.EPIPE, io.EOF, io.ErrUnexpectedEOF)},
}

// newCause returns the cause for an error of net/http. Answered tells that the reply had begun.
func newCause(err error, answered bool) *cause {
	if c, ok := errors.AsType[*cause](err); ok {
		return c
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err // a *url.Error is a net.Error, and would hide the one inside
	}
	words := "network fault"
	if answered {
		words = "not a valid HTTP reply"
	}
	for _, row := range causes {
		if row.matches(err) {
			words = row.words
			break
		}
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "proxyconnect" {
		words = "proxy: " + words
	}
	return &cause{words, err}
}

func is(targets ...error) func(error) bool {
	return func(err error) bool {
		return slices.ContainsFunc(targets, func(target error) bool { return errors.Is(err, target) })
	}
}

func as[E error](matches func(E) bool) func(error) bool {
	return func(err error) bool {
		e, ok := errors.AsType[E](err)
		return ok && matches(e)
	}
}
