package wedata

import (
	"fmt"
	"strings"
)

// Error is a call that did not succeed. It holds neither the token, nor the uid, nor the URL.
type Error struct {
	// Op is what was asked for: "unbind user" or "query bind list".
	Op string
	// HTTPStatus is the reply's status, 0 where there was no reply. WeChat sends its errors with 200.
	HTTPStatus int
	// Code is WeChat's errcode, 0 where none was read.
	Code int
	// Msg is WeChat's errmsg without the request id: one line of 200 bytes at most, token and uid replaced by ***.
	Msg string
	// RID is WeChat's request id, "" where there was none. WeChat's support asks for it within 7 days.
	RID string
	// Class is what kind of fault it is, and so what can be done about it.
	Class Class
	// Err is the cause where WeChat named none: why the call was not made, had no reply, or one that is unclear. It is
	// never a *url.Error, which would tell the URL and the token in it.
	Err error
}

// Error tells the operation, what went wrong and what to do.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "wedata: %s: ", e.Op)
	if e.HTTPStatus != 0 && (e.Code == 0 || e.HTTPStatus < 200 || e.HTTPStatus > 299) {
		fmt.Fprintf(&b, "HTTP %d: ", e.HTTPStatus)
	}
	if e.Class == Network {
		b.WriteString("no reply: ")
	}
	if e.Code != 0 {
		b.WriteString(strings.TrimSpace(fmt.Sprintf("%d %s", e.Code, e.Msg)))
	}
	if e.RID != "" {
		fmt.Fprintf(&b, " (rid %s)", e.RID)
	}
	if e.Err != nil {
		b.WriteString(e.Err.Error())
	}
	return b.String() + ": " + e.Advice()
}

// Unwrap returns the cause, so that for example errors.Is(err, context.DeadlineExceeded) works.
func (e *Error) Unwrap() error { return e.Err }

// Advice returns what to do about it, in one clause.
func (e *Error) Advice() string { return e.Class.Advice() }
