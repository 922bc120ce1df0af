package offboard

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/wedata"
)

// The classes of faults that are neither WeChat's nor the secret's.
const (
	classNoTime     = "no_time"
	classNotDue     = "not_due"
	classStillBound = "still_bound"
	classUnverified = "unverified"
	classSchedule   = "schedule"
)

// noTime returns the error of a call that is not made since the context has ended.
func noTime(ctx context.Context) error {
	return fmt.Errorf("no time left in this invocation: %w", ctx.Err())
}

// settle sets the outcome of a departure from the error of its last call. Nil means errcode 0.
func settle(o *departure.Outcome, err error) {
	if err == nil {
		o.Status = departure.Unbound
		return
	}
	o.Status, o.Detail = departure.Failed, err.Error()
	timeout := errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
	if timeout || departure.IsTemporary(err) {
		o.Status = departure.Retry
	}
	if answer, ok := errors.AsType[*wedata.Error](err); ok {
		o.ErrCode, o.RID, o.Class = answer.Code, answer.RID, string(answer.Class)
	} else if o.Class = departure.ClassOf(err); o.Class == "" && timeout {
		o.Class = classNoTime
	}
}

// policy is what to do after an error of WeChat.
type policy struct {
	again bool // the same call may succeed in a moment
	halts bool // every call for this merchant would fail the same way: make no more
	// verify means to read the bind list: the uid may be unbound or unknown in spite of the error. WeChat does not
	// document its reply for a uid that is not bound, and most leavers were never bound.
	verify bool
}

func policyOf(err error) policy {
	answer, ok := errors.AsType[*wedata.Error](err)
	if !ok {
		return policy{}
	}
	switch answer.Class {
	case wedata.Busy:
		return policy{again: true, verify: true}
	case wedata.Unclear: // a proxy mostly sends its page again, while a fault of the server may pass
		return policy{again: answer.HTTPStatus >= 500, verify: true}
	case wedata.Network:
		return policy{again: true}
	case wedata.Undocumented, wedata.BadInput:
		return policy{verify: true}
	}
	return policy{halts: true}
}

// isNotFound reports whether the reply is a page with HTTP 404: this base URL does not have the API.
func isNotFound(err error) bool {
	answer, ok := errors.AsType[*wedata.Error](err)
	return ok && answer.Class == wedata.Unclear && answer.HTTPStatus == http.StatusNotFound
}

// refusedError is the error for a token that WeChat refuses after the secret was read again.
type refusedError struct {
	appid  string
	token  *Token
	age    time.Duration
	answer *wedata.Error
}

func (e *refusedError) Error() string {
	return fmt.Sprintf("token of %s refused (%d); secret %s was last written %s ago, tokens live 2h: "+
		"check what refreshes it", name(e.appid), e.answer.Code, e.token.SecretID, readable(e.age))
}

func (e *refusedError) Unwrap() error { return e.answer }

// name returns what errors call a merchant, whose appid may be unknown.
func name(appid string) string { return cmp.Or(appid, "the merchant") }

// readable returns a duration as text: 3h12m, or 45s where it is under a minute.
func readable(d time.Duration) string {
	if d < time.Minute {
		return d.Truncate(time.Second).String()
	}
	return strings.TrimSuffix(d.Truncate(time.Minute).String(), "0s")
}
