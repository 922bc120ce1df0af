package offboard

import (
	"context"
	"errors"

	"wedata-unbind/internal/wedata"
)

// policy is what a class of WeChat's errors means for a departure.
type policy struct {
	status Status
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
		return policy{status: Retry, again: true, check: true}
	case wedata.Unclear: // a proxy's page or half a reply comes again as a rule, a server's fault does not
		return policy{status: Retry, again: answer.HTTPStatus >= 500, check: true}
	case wedata.Network:
		return policy{status: Retry, again: true}
	case wedata.Undocumented:
		return policy{status: Retry, check: true}
	case wedata.TokenRefused, wedata.MinuteRate, wedata.DailyQuota:
		return policy{status: Retry, wide: true}
	case wedata.BadInput:
		return policy{status: Failed, check: true}
	default: // permission, authorization, kind of token, IP, blocked
		return policy{status: Failed, wide: true}
	}
}

// statusOf is the status of a departure that ended in an error of WeChat's, of the token's, or of time.
func statusOf(err error) Status {
	var answer *wedata.Error
	if errors.As(err, &answer) {
		return policyOf(answer).status
	}
	var passing interface{ Temporary() bool }
	if errors.As(err, &passing) && passing.Temporary() ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return Retry
	}
	return Failed
}
