package secrets

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
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

type codes = map[string]struct{}

// reasons is the table of reasons: whether the same read may succeed later although nobody changes anything, what to
// do, and the error codes (Secrets Manager API reference, GetSecretValue; the SDK's lists for all services).
var reasons = map[Reason]struct {
	temporary bool
	advice    string
	codes     codes
}{
	Missing: {false, "create it in this function's account and region and write a value, or correct the name " +
		"(another account's needs its whole ARN)", codes{"ResourceNotFoundException": {}}},
	MarkedForDeletion: {
		false, "restore it with aws secretsmanager restore-secret, or name another",
		codes{"InvalidRequestException": {}},
	},
	Denied: {false, "allow this function's role secretsmanager:GetSecretValue on this secret, and kms:Decrypt on its " +
		"key where that is a key of your own", codes{"AccessDeniedException": {}}},
	Undecryptable: {false, "check that its KMS key is enabled, not awaiting deletion, and allows this function's role " +
		"kms:Decrypt", codes{"DecryptionFailure": {}}},
	Binary:      {false, "write it as text (SecretString)", nil},
	Empty:       {false, "write its value", nil},
	Refused:     {false, "check the name of the secret, and the function's credentials and region", nil},
	Throttled:   {true, again + "what else reads secrets in this account", retry.DefaultThrottleErrorCodes},
	ServerFault: {true, again + "the AWS Health Dashboard", codes{"InternalServiceError": {}}},
	Unreachable: {
		true, again + "the function's subnets, NAT or VPC endpoint, security groups and proxy",
		retry.DefaultRetryableErrorCodes,
	},
	Interrupted: {true, "it is tried again later", nil},
}

// Error is a secret that could not be read. It never holds the secret's content.
type Error struct {
	ID     string // the name or ARN that was asked for
	Reason Reason
	Err    error // the SDK's error or the caller's context error; nil where the secret was read and cannot be used
}

// Error names the secret, what is wrong with it, what to do, and AWS's error if there is one.
func (e *Error) Error() string {
	text := fmt.Sprintf("secrets: read %s: %s: %s", Name(e.ID), e.Reason, reasons[e.Reason].advice)
	if e.Err != nil {
		text += " (" + describe(e.Err, e.ID) + ")"
	}
	return text
}

// Name returns the name or ARN of a secret as errors may show it. A token that was pasted in its place is longer than a
// name should be, and has no path.
func Name(id string) string {
	if strings.HasPrefix(id, "arn:") || len(id) <= 64 {
		return id
	}
	return "(a name of " + strconv.Itoa(len(id)) + " bytes, not shown: it may be a token)"
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Temporary reports whether the same read may succeed later although nobody changes anything.
func (e *Error) Temporary() bool { return reasons[e.Reason].temporary }

// Class is the class of the fault in logs and metrics.
func (e *Error) Class() string { return "secret" }

// classify finds the reason by error code, HTTP status and type.
func classify(err error) Reason {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		for reason, row := range reasons {
			if _, listed := row.codes[api.ErrorCode()]; listed {
				return reason
			}
		}
	}
	status := 0 // where there is no reply
	if reply, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
		status = reply.HTTPStatusCode()
	}
	_, network := errors.AsType[net.Error](err)
	switch {
	case status == http.StatusTooManyRequests:
		return Throttled
	case status >= 500:
		return ServerFault
	case status/100 == 2, status == 0 && network: // a reply that was cut off or is not one of Secrets Manager, or none
		return Unreachable
	}
	return Refused
}

// describe returns AWS's error code and message on one line of at most 400 bytes, or what else is known in fixed
// words: the texts of decoders and of the network may quote what they met. AWS quotes the id where access is denied.
func describe(err error, id string) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		text := strings.Join(strings.Fields(api.ErrorCode()+": "+api.ErrorMessage()), " ")
		if name := Name(id); name != id {
			text = strings.ReplaceAll(text, id, name)
		}
		return fmt.Sprintf("%.400s", text)
	}
	if reply, ok := errors.AsType[*smithyhttp.ResponseError](err); ok && reply.HTTPStatusCode() != 0 {
		return fmt.Sprintf("unreadable reply, HTTP %d", reply.HTTPStatusCode())
	}
	return "no reply"
}
