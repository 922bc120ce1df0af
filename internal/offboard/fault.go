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

// noTime is the error of a call that the context leaves no time for.
func noTime(ctx context.Context) error {
	return fmt.Errorf("no time left in this invocation: %w", ctx.Err())
}

// settle sets the outcome of a departure whose last call ended in err. Nil is errcode 0.
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
	var classified interface{ Class() string }
	if answer, ok := errors.AsType[*wedata.Error](err); ok {
		o.ErrCode, o.RID, o.Class = answer.Code, answer.RID, string(answer.Class)
	} else if errors.As(err, &classified) {
		o.Class = classified.Class()
	} else if timeout {
		o.Class = classNoTime
	}
}

// policy is what to do after an error of WeChat.
type policy struct {
	again bool // the same call may succeed in a moment
	halts bool // the whole merchant is concerned, so send it nothing more
	// verify: read the bind list. The uid may be unbound or unknown all the same: WeChat does not document its reply
	// for a uid that is not bound, and most leavers were never bound.
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
	case wedata.Unclear: // the page of a proxy comes again as a rule; a fault of the server does not
		return policy{again: answer.HTTPStatus >= 500, verify: true}
	case wedata.Network:
		return policy{again: true}
	case wedata.Undocumented, wedata.BadInput:
		return policy{verify: true}
	}
	return policy{halts: true}
}

// isNotFound reports a page in the place of the API's answer: this WeChat does not have the call.
func isNotFound(err error) bool {
	answer, ok := errors.AsType[*wedata.Error](err)
	return ok && answer.Class == wedata.Unclear && answer.HTTPStatus == http.StatusNotFound
}

// refusedError is a token that WeChat refuses although it was read anew.
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

// name is how errors name a merchant whose appid may be unknown.
func name(appid string) string { return cmp.Or(appid, "the merchant") }

// readable writes a duration as 3h12m, or as 45s where it is under a minute.
func readable(d time.Duration) string {
	if d < time.Minute {
		return d.Truncate(time.Second).String()
	}
	return strings.TrimSuffix(d.Truncate(time.Minute).String(), "0s")
}
