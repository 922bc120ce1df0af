package secrets

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Reason is why a secret could not be read.
type Reason string

// The reasons.
const (
	Missing           Reason = "no such secret, or it has no current value"
	MarkedForDeletion Reason = "marked for deletion"
	Denied            Reason = "access denied"
	Undecryptable     Reason = "its key cannot decrypt it"
	Binary            Reason = "binary"
	Empty             Reason = "empty"
	Refused           Reason = "the request was refused"
	Throttled         Reason = "throttled"
	ServerFault       Reason = "a fault of Secrets Manager"
	Unreachable       Reason = "no usable answer from Secrets Manager"
	Interrupted       Reason = "the caller left before it was read"
)

// reasons is the table of reasons. The error codes are those of the Secrets Manager API reference: GetSecretValue, common
// errors.
var reasons = []struct {
	reason    Reason
	codes     []string
	temporary bool // the same read may succeed later although nobody changes anything
	advice    string
}{
	{
		Missing, []string{"ResourceNotFoundException"}, false,
		"create it in this function's account and region and write a value, or correct the name (another account's needs its whole ARN)",
	},
	{
		MarkedForDeletion, []string{"InvalidRequestException"}, false,
		"restore it with aws secretsmanager restore-secret, or name another",
	},
	{
		Denied, []string{"AccessDeniedException", "AccessDenied"}, false,
		"allow this function's role secretsmanager:GetSecretValue on this secret, and kms:Decrypt on its key where that is a key of your own",
	},
	{
		Undecryptable, []string{"DecryptionFailure"}, false,
		"check that its KMS key is enabled, not awaiting deletion, and allows this function's role kms:Decrypt",
	},
	{Binary, nil, false, "write it as text (SecretString)"},
	{Empty, nil, false, "write its value"},
	{Refused, nil, false, "check the name of the secret, and the function's credentials and region"},
	{Throttled, nil, true, "it is tried again later; if it stays, check what else reads secrets in this account"},
	{ServerFault, nil, true, "it is tried again later; if it stays, check the AWS Health Dashboard"},
	{
		Unreachable, nil, true,
		"it is tried again later; if it stays, check the function's subnets, NAT or VPC endpoint, security groups and proxy",
	},
	{Interrupted, nil, true, "it is tried again later"},
}

// Error is a secret that could not be read. It never holds the secret's content.
type Error struct {
	// ID is the name or ARN that was asked for.
	ID     string
	Reason Reason
	// Err is the SDK's error or the caller's context error. It is nil where the secret was read and cannot be used.
	Err error
}

// Error names the secret, what is wrong with it, what to do, and AWS's error if there is one.
func (e *Error) Error() string {
	text := fmt.Sprintf("secrets: read %s: %s", e.ID, e.Reason)
	for _, row := range reasons {
		if row.reason == e.Reason {
			text += ": " + row.advice
		}
	}
	if cause := describe(e.Err); cause != "" {
		text += " (" + cause + ")"
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Temporary reports whether the same read may succeed later although nobody changes anything.
func (e *Error) Temporary() bool {
	for _, row := range reasons {
		if row.reason == e.Reason {
			return row.temporary
		}
	}
	return false
}

// Class is the class of the fault in logs and metrics.
func (e *Error) Class() string { return "secret" }

// classify finds the reason by error code, HTTP status and type.
func classify(err error) Reason {
	var api smithy.APIError
	if errors.As(err, &api) {
		for _, row := range reasons {
			if slices.Contains(row.codes, api.ErrorCode()) {
				return row.reason
			}
		}
		if _, ok := retry.DefaultThrottleErrorCodes[api.ErrorCode()]; ok {
			return Throttled
		}
		if _, ok := retry.DefaultRetryableErrorCodes[api.ErrorCode()]; ok {
			return Unreachable
		}
		if api.ErrorFault() == smithy.FaultServer {
			return ServerFault
		}
	}
	switch status := httpStatus(err); {
	case status == http.StatusTooManyRequests:
		return Throttled
	case status >= 500:
		return ServerFault
	case status >= 300:
		return Refused
	case status >= 200: // a reply that was cut off, or is not one of Secrets Manager
		return Unreachable
	}
	var network net.Error
	var send *smithyhttp.RequestSendError
	var canceled *smithy.CanceledError
	if errors.As(err, &network) || errors.As(err, &send) || errors.As(err, &canceled) || errors.Is(err, context.DeadlineExceeded) {
		return Unreachable
	}
	return Refused
}

func httpStatus(err error) int {
	var reply *smithyhttp.ResponseError
	if errors.As(err, &reply) && reply.Response != nil && reply.Response.Response != nil {
		return reply.HTTPStatusCode()
	}
	return 0
}

// describe returns AWS's error code and message on one line of at most 400 bytes, or what else is known in fixed words: the
// texts of decoders and of the network may quote what they met.
func describe(err error) string {
	var api smithy.APIError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &api):
		return fmt.Sprintf("%.400s", strings.Join(strings.Fields(api.ErrorCode()+": "+api.ErrorMessage()), " "))
	case httpStatus(err) != 0:
		return fmt.Sprintf("unreadable reply, HTTP %d", httpStatus(err))
	case errors.Is(err, context.DeadlineExceeded):
		return "timed out"
	}
	return "no reply"
}
