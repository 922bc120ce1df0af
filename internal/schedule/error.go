package schedule

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/smithy-go"
)

// Error is the error of a schedule that could not be created, read, changed or deleted. Its text holds no uid and
// nothing of an event.
type Error struct {
	text      string
	temporary bool
}

// Error names the operation, what went wrong and what to do.
func (e *Error) Error() string { return "schedule: " + e.text }

// Temporary reports whether the same call may succeed later although nobody changes anything. It returns true for all
// faults of EventBridge Scheduler: a departure is tried again until it is kept. It returns false where the
// configuration is incomplete, or where a schedule does not hold a departure.
func (e *Error) Temporary() bool { return e.temporary }

// Class returns the class of the fault in logs and metrics.
func (e *Error) Class() string { return "schedule" }

// errUnconfirmed is a reply with status 200 without the members that EventBridge Scheduler always sends.
var errUnconfirmed = errors.New(
	"the reply does not come from EventBridge Scheduler: it may work later; look for a proxy on the way")

// advice says what to do, by error code (EventBridge Scheduler API Reference).
var advice = map[string]string{
	"AccessDeniedException": "look at the function's role: scheduler:*Schedule and scheduler:ListSchedules on the " +
		"group, iam:PassRole on UNBIND_SCHEDULE_ROLE_ARN",
	"ResourceNotFoundException":     "look at UNBIND_SCHEDULE_GROUP: there may be no such group",
	"ServiceQuotaExceededException": "it may work later; if it stays, ask AWS for a higher quota",
	"ThrottlingException":           "it may work later; if it stays, ask AWS for a higher quota",
	"ValidationException": "it may work later; if it stays, look at UNBIND_SCHEDULE_ROLE_ARN, UNBIND_QUEUE_ARN and " +
		"UNBIND_DEAD_LETTER_QUEUE_ARN, and at the role's trust policy",
}

// fault returns the error of a call. It shows the code of an AWS error and not its text, which may quote the request.
func fault(operation string, err error) *Error {
	api, isAPI := errors.AsType[smithy.APIError](err)
	unreadable := isA[*smithy.DeserializationError](err)
	text := "not reached: it may work later; if it stays, check the network and the endpoint"
	switch {
	case errors.Is(err, errUnconfirmed), unreadable:
		text = errUnconfirmed.Error()
	case isAPI:
		todo, known := advice[api.ErrorCode()]
		if !known {
			todo = "it may work later"
		}
		text = fmt.Sprintf("%s: %s", strings.ToValidUTF8(api.ErrorCode(), ""), todo)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		text = "not reached: no reply in time: it may work later"
	}
	return &Error{operation + ": " + text, true}
}
