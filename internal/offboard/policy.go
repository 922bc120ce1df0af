package offboard

import (
	"context"
	"errors"

	"wedata-unbind/internal/wedata"
)

// policy is what a class of WeChat's errors means for a departure.
type policy struct {
	// again: the same call may succeed in a moment.
	again bool
	// check: the uid may be gone or unknown all the same, so the bind list is asked. WeChat does not document its reply for
	// a uid that is not bound, and most leavers never were.
	check bool
	// wide: true of the whole merchant, so the rest is not sent into it.
	wide bool
}

func policyOf(answer *wedata.Error) policy {
	switch answer.Class {
	case wedata.Busy:
		return policy{again: true, check: true}
	case wedata.Unclear: // a proxy's page or half a reply comes again as a rule, a server's fault does not
		return policy{again: answer.HTTPStatus >= 500, check: true}
	case wedata.Network:
		return policy{again: true}
	case wedata.Undocumented, wedata.BadInput:
		return policy{check: true}
	default: // token, quota, permission, authorization, IP, blocked
		return policy{wide: true}
	}
}

// statusOf is the status of a departure that ended in an error of WeChat's, of the token's, or of time.
func statusOf(err error) Status {
	var passing interface{ Temporary() bool }
	if errors.As(err, &passing) && passing.Temporary() ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return Retry
	}
	return Failed
}
