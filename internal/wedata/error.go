package wedata

import (
	"fmt"
	"strings"
)

// Error is a call that did not succeed. It holds neither the token, nor the uid, nor the URL.
type Error struct {
	Op         string // "unbind user" or "query bind list"
	HTTPStatus int    // of the reply, 0 without one
	Code       int    // WeChat's errcode, 0 where none was read
	// Msg is WeChat's errmsg without the request id: one line of at most 200 bytes, "" where it might hold a part of the
	// token or the uid.
	Msg string
	// RID is WeChat's request id, "" where there was none. WeChat's support needs it, within 7 days.
	RID   string
	Class Class
	// Err is the cause where there is no errcode: why the request was refused here, or had no clear reply. Its text is
	// this package's own.
	Err error
}

// Error returns the operation, what went wrong and what to do.
func (e *Error) Error() string {
	parts := []string{"wedata", e.Op}
	if e.HTTPStatus != 0 && (e.Code == 0 || e.HTTPStatus < 200 || e.HTTPStatus > 299) {
		parts = append(parts, fmt.Sprintf("HTTP %d", e.HTTPStatus))
	}
	if e.Class == Network {
		parts = append(parts, "no reply")
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

// Temporary tells whether the same call may succeed later with nobody doing anything.
func (e *Error) Temporary() bool { return e.Class.row().temporary }
