package secrets

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
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
	again                    = "it is tried again later; if it stays, check "
)

// reasons is the table of reasons: whether the same read may succeed later by itself, what to do, and the error code
// (Secrets Manager API reference, GetSecretValue).
var reasons = map[Reason]struct {
	temporary    bool
	advice, code string
}{
	Missing: {false, "create it in this function's account and region and write a value, or correct the name " +
		"(another account's needs its whole ARN)", "ResourceNotFoundException"},
	MarkedForDeletion: {false, "restore it (aws secretsmanager restore-secret) or name another", "InvalidRequestException"},
	Denied: {false, "allow this function's role secretsmanager:GetSecretValue on this secret, and kms:Decrypt on " +
		"its key where that is a key of your own", "AccessDeniedException"},
	Undecryptable: {false, "check that its KMS key is enabled, not awaiting deletion, and allows this function's " +
		"role kms:Decrypt", "DecryptionFailure"},
	Binary:      {false, "write it as text (SecretString)", ""},
	Empty:       {false, "write its value", ""},
	Refused:     {false, "check the name of the secret, and the function's credentials and region", ""},
	Throttled:   {true, again + "what else reads secrets in this account", ""},
	ServerFault: {true, again + "the AWS Health Dashboard", ""},
	Unreachable: {true, again + "the function's subnets, NAT or VPC endpoint, security groups and proxy", ""},
	Interrupted: {true, "it is tried again later", ""},
}

// Error is a secret that could not be read. It never holds the secret's content.
type Error struct {
	// ID is the name or ARN that was asked for.
	ID     string
	Reason Reason
	// Err is the SDK's or the context's error, or nil where the secret was read and cannot be used.
	Err error
}

// Error names the secret, what is wrong with it, what to do, and AWS's error if there is one.
func (e *Error) Error() string {
	text := fmt.Sprintf("secrets: read %s: %s: %s", e.ID, e.Reason, reasons[e.Reason].advice)
	if e.Err != nil {
		text += " (" + describe(e.Err) + ")"
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Temporary reports whether the same read may succeed later by itself.
func (e *Error) Temporary() bool { return reasons[e.Reason].temporary }

// Class is the class of the fault in logs and metrics.
func (e *Error) Class() string { return "secret" }

// classify finds the reason by error code, HTTP status and type.
func classify(err error) Reason {
	var api smithy.APIError = &smithy.GenericAPIError{}
	errors.As(err, &api)
	for reason, row := range reasons {
		if row.code != "" && row.code == api.ErrorCode() {
			return reason
		}
	}
	_, throttled := retry.DefaultThrottleErrorCodes[api.ErrorCode()]
	_, timedOut := retry.DefaultRetryableErrorCodes[api.ErrorCode()]
	_, network := errors.AsType[net.Error](err) // also where Config.Timeout ended the read
	_, unsent := errors.AsType[*smithyhttp.RequestSendError](err)
	switch status := httpStatus(err); {
	case throttled || status == http.StatusTooManyRequests:
		return Throttled
	case api.ErrorFault() == smithy.FaultServer || status >= 500:
		return ServerFault
	case status >= 300 && !timedOut:
		return Refused
	case status >= 200 || timedOut || network || unsent: // 200: cut off, or not from Secrets Manager
		return Unreachable
	}
	return Refused
}

func httpStatus(err error) int {
	if reply, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
		return reply.HTTPStatusCode()
	}
	return 0
}

// describe returns AWS's error code and message in one line of at most 400 bytes, else fixed words: the errors of
// decoders and of the network may quote the secret.
func describe(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return fmt.Sprintf("%.400s", strings.Join(strings.Fields(api.ErrorCode()+": "+api.ErrorMessage()), " "))
	}
	if status := httpStatus(err); status != 0 {
		return fmt.Sprintf("unreadable reply, HTTP %d", status)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "timed out"
	}
	return "no reply"
}
