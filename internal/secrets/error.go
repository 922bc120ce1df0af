package secrets

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Reason is why a secret could not be read.
type Reason string

// The reasons. The last four may pass by themselves; for the others somebody must act.
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

// Error is a secret that could not be read. It never holds the secret's content.
type Error struct {
	// ID is the name or ARN that was asked for.
	ID string
	// Reason decides whether the fault may pass, and what to do.
	Reason Reason
	// Err is the SDK's error, or the caller's context error, or nil where the secret was read and is of no use.
	Err error
}

// Error names the secret, what is wrong with it, what to do, and what AWS said.
func (e *Error) Error() string {
	text := fmt.Sprintf("secrets: read %s: %s: %s", e.ID, e.Reason, e.Reason.advice())
	if cause := describe(e.Err); cause != "" {
		text += " (" + cause + ")"
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Temporary reports whether the same read may succeed later with nobody doing anything.
func (e *Error) Temporary() bool {
	switch e.Reason {
	case Throttled, ServerFault, Unreachable, Interrupted:
		return true
	default:
		return false
	}
}

func (r Reason) advice() string {
	switch r {
	case Missing:
		return "create it in this function's account and region and write a value, or correct the name (another account's needs its whole ARN)"
	case MarkedForDeletion:
		return "restore it with aws secretsmanager restore-secret, or name another"
	case Denied:
		return "allow this function's role secretsmanager:GetSecretValue on this secret, and kms:Decrypt on its key where that is a key of your own"
	case Undecryptable:
		return "look whether its KMS key is enabled, not awaiting deletion, and allows this function's role kms:Decrypt"
	case Binary:
		return "write it as text (SecretString)"
	case Empty:
		return "write its value"
	case Throttled:
		return "it is tried again later; if it stays, look at what else reads secrets in this account"
	case ServerFault:
		return "it is tried again later; if it stays, look at the AWS Health Dashboard"
	case Unreachable:
		return "it is tried again later; if it stays, look at the function's subnets, NAT or VPC endpoint, security groups and proxy"
	case Interrupted:
		return "it is tried again later"
	default:
		return "look at what was refused, and at the name of the secret and the function's credentials and region"
	}
}

// classify finds the reason by error code, HTTP status and type. The codes are those of the Secrets Manager API reference,
// GetSecretValue and common errors.
func classify(err error) Reason {
	var api smithy.APIError
	if errors.As(err, &api) {
		switch api.ErrorCode() {
		case "ResourceNotFoundException":
			return Missing
		case "InvalidRequestException":
			return MarkedForDeletion
		case "AccessDeniedException", "AccessDenied":
			return Denied
		case "DecryptionFailure":
			return Undecryptable
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
	case status >= 200: // a reply that was cut off or is not what Secrets Manager sends
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

// describe tells what AWS or the network said, on one line of bounded length. Of a reply that could not be decoded it tells
// the HTTP status alone, since a decoder may quote what it could not decode.
func describe(err error) string {
	var (
		api       smithy.APIError
		undecoded *smithy.DeserializationError
		network   *url.Error
		text      string
	)
	switch {
	case err == nil:
		return ""
	case errors.As(err, &api):
		text = api.ErrorCode() + ": " + api.ErrorMessage()
	case errors.As(err, &undecoded):
		text = fmt.Sprintf("unreadable reply, HTTP %d", httpStatus(err))
	case errors.As(err, &network):
		text = network.Error()
	case errors.Is(err, context.DeadlineExceeded):
		text = context.DeadlineExceeded.Error()
	default:
		text = err.Error()
	}
	return fmt.Sprintf("%.400s", strings.Join(strings.Fields(text), " "))
}
