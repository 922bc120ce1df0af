package wedata

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
)

// Error is a call that did not succeed. It holds neither the token, nor the uid, nor the URL.
type Error struct {
	Op         string // "unbind user" or "query bind list"
	HTTPStatus int    // of the reply, 0 without one
	Code       int    // WeChat's errcode, 0 where none was read
	// Msg is WeChat's errmsg without the request id: one line of at most 200 bytes, "" where it might hold a part of
	// the token or the uid.
	Msg   string
	RID   string // WeChat's request id, "" where there was none; WeChat's support needs it, within 7 days
	Class Class
	// Err is the cause where the request was refused here or had no clear reply. It is nil where there is an errcode.
	// Its text holds no secret.
	Err error
}

// Error returns the operation, what went wrong and what to do.
func (e *Error) Error() string {
	parts := []string{"wedata", e.Op}
	if e.HTTPStatus != 0 && (e.Code == 0 || e.HTTPStatus < 200 || e.HTTPStatus > 299) {
		parts = append(parts, fmt.Sprintf("HTTP %d", e.HTTPStatus))
	}
	if e.Code != 0 {
		answer := strings.TrimSpace(fmt.Sprintf("%d %s", e.Code, e.Msg))
		if e.RID != "" {
			answer += " (rid " + e.RID + ")"
		}
		parts = append(parts, answer)
	}
	if e.Err != nil {
		parts = append(parts, e.Err.Error())
	}
	return strings.Join(append(parts, e.Class.Advice()), ": ")
}

// Unwrap returns the cause, so that errors.Is finds context.DeadlineExceeded, syscall.ECONNREFUSED and so on.
func (e *Error) Unwrap() error { return e.Err }

// Temporary reports whether the same call may succeed later although nobody changes anything.
func (e *Error) Temporary() bool { return e.Class.row().temporary }

// cause is the reason why there was no whole reply, in fixed words. The text of the original error may hold the URL
// with the token, a proxy's password or bytes from a server. So errors.Is can find that error, but no method returns
// it.
type cause struct {
	words string
	err   error
}

func (c *cause) Error() string { return c.words }

// Is reports whether the original error is target.
func (c *cause) Is(target error) bool { return errors.Is(c.err, target) }

// newCause returns the cause for an error of net/http. Answered means that the reply had begun.
func newCause(err error, answered bool) *cause {
	if c, ok := errors.AsType[*cause](err); ok {
		return c
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err // a *url.Error is a net.Error, and would hide the one inside
	}
	dns, isDNS := errors.AsType[*net.DNSError](err)
	network, isNetwork := errors.AsType[net.Error](err)
	_, isCertificate := errors.AsType[*tls.CertificateVerificationError](err)
	_, isNotTLS := errors.AsType[tls.RecordHeaderError](err)
	is := func(target error) bool { return errors.Is(err, target) }
	words := "network fault"
	switch {
	case is(context.Canceled):
		words = "cancelled"
	case isDNS && dns.IsNotFound:
		words = "host name not found"
	case isDNS:
		words = "DNS failure"
	case is(context.DeadlineExceeded), isNetwork && network.Timeout():
		words = "timed out"
	case isCertificate:
		words = "certificate not accepted"
	case isNotTLS, is(http.ErrSchemeMismatch):
		words = "not a TLS server"
	case is(syscall.ECONNREFUSED):
		words = "connection refused"
	case is(syscall.ECONNRESET), is(syscall.EPIPE), is(io.EOF), is(io.ErrUnexpectedEOF):
		words = "connection closed by the other side"
	case answered:
		words = "not a valid HTTP reply"
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "proxyconnect" {
		words = "proxy: " + words
	}
	return &cause{words, err}
}
