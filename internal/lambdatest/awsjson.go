package lambdatest

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Fault is something that goes wrong with a service on demand. The zero value of each member means nothing of it.
type Fault struct {
	// Operation is the one it happens to, such as "GetSecretValue"; empty means any.
	Operation string
	// Times is how many calls it happens to: 0 is one, and a negative number is all until Heal.
	Times int

	// Delay comes before anything else. Alone, the call succeeds after it.
	Delay time.Duration
	// After has the operation carried out first, so that only its reply is lost.
	After bool

	// Code is an AWS error code such as "ThrottlingException", with its usual HTTP status, or Status where given.
	Code, Message string
	// Status and Body, without Code, are a raw reply, as a proxy might give it.
	Status int
	Body   string
	// Hang answers never: the call lasts until the caller gives up.
	Hang bool
	// Drop closes the connection without an answer.
	Drop bool
}

// apiError is an error that the service itself would give.
type apiError struct{ code, message string }

func (e *apiError) Error() string { return e.code + ": " + e.message }

func asAPIError(err error) *apiError {
	api := &apiError{"InternalFailure", err.Error()}
	errors.As(err, &api)
	return api
}

// endpoint is the AWS JSON protocol (1.0 and 1.1) for one service: the operation stands in a header, input and output are
// JSON objects, an error is an object with a __type. Faults come here, before the operation sees the call.
type endpoint struct {
	target      string // what stands before the operation in X-Amz-Target
	contentType string
	messageKey  string // how the service spells the member with an error's message
	queryCodes  bool   // tells the code of the older query protocol as well, as SQS does
	operations  map[string]func(input []byte) (any, error)
	arrived     func(input []byte) // optional: sees every call, also those that a fault keeps from the operation

	faultMu sync.Mutex
	faults  []Fault
}

// Fail makes the next calls fail. Several faults come one after the other, in the order given.
func (e *endpoint) Fail(f Fault) {
	if f.Times == 0 {
		f.Times = 1
	}
	e.faultMu.Lock()
	defer e.faultMu.Unlock()
	e.faults = append(e.faults, f)
}

// Heal takes back all faults.
func (e *endpoint) Heal() {
	e.faultMu.Lock()
	defer e.faultMu.Unlock()
	e.faults = nil
}

// ServeHTTP answers an SDK client of the service.
func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	const maxInput = 8 << 20 // more than the longest message in the most wasteful escaping
	input, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxInput))
	if err != nil {
		return
	}
	name, _ := strings.CutPrefix(r.Header.Get("X-Amz-Target"), e.target+".")
	operation := e.operations[name]
	if operation == nil {
		e.refuse(w, 0, &apiError{"UnknownOperationException", "the stand-in does not know " + name})
		return
	}
	if e.arrived != nil {
		e.arrived(input)
	}
	if fault, ok := e.fault(name); ok {
		if fault.After {
			operation(input) // its result is what gets lost
		}
		if e.spoil(w, r, fault) {
			return
		}
	}
	output, err := operation(input)
	if err != nil {
		e.refuse(w, 0, err)
		return
	}
	e.header(w)
	json.NewEncoder(w).Encode(output)
}

// fault returns the next fault for the operation, used up by one.
func (e *endpoint) fault(operation string) (Fault, bool) {
	e.faultMu.Lock()
	defer e.faultMu.Unlock()
	for i, f := range e.faults {
		if f.Operation != "" && f.Operation != operation {
			continue
		}
		if e.faults[i].Times--; e.faults[i].Times == 0 {
			e.faults = append(e.faults[:i:i], e.faults[i+1:]...)
		}
		return f, true
	}
	return Fault{}, false
}

// spoil gives the fault's answer. It reports false where the call goes on.
func (e *endpoint) spoil(w http.ResponseWriter, r *http.Request, f Fault) bool {
	if f.Delay > 0 {
		timer := time.NewTimer(f.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
		}
	}
	switch {
	case f.Hang:
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	case f.Drop:
		panic(http.ErrAbortHandler)
	case f.Code != "":
		message := f.Message
		if message == "" {
			message = "stand-in: as asked for"
		}
		e.refuse(w, f.Status, &apiError{f.Code, message})
	case f.Status != 0:
		w.WriteHeader(f.Status)
		io.WriteString(w, f.Body)
	default:
		return false
	}
	return true
}

// refuse answers with an AWS error, at the status which the service gives its code unless status says else.
func (e *endpoint) refuse(w http.ResponseWriter, status int, err error) {
	api := asAPIError(err)
	if status == 0 {
		status = statusOf(api.code)
	}
	e.header(w)
	if e.queryCodes {
		w.Header().Set("X-Amzn-Query-Error", queryCode(api.code)+";"+who(status))
	}
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]string{"__type": api.code, e.messageKey: api.message})
}

func (e *endpoint) header(w http.ResponseWriter) {
	w.Header().Set("Content-Type", e.contentType)
	w.Header().Set("X-Amzn-RequestId", uuid())
}

func statusOf(code string) int {
	switch code {
	case "InternalServiceError", "InternalError", "InternalFailure":
		return http.StatusInternalServerError
	case "ServiceUnavailable":
		return http.StatusServiceUnavailable
	case "AccessDenied", "RequestThrottled":
		return http.StatusForbidden
	}
	return http.StatusBadRequest
}

// queryCode is what the query protocol of SQS called an error, where that differs; its clients still see these codes.
func queryCode(code string) string {
	switch code {
	case "QueueDoesNotExist":
		return "AWS.SimpleQueueService.NonExistentQueue"
	case "EmptyBatchRequest", "TooManyEntriesInBatchRequest", "BatchEntryIdsNotDistinct", "BatchRequestTooLong", "MessageNotInflight":
		return "AWS.SimpleQueueService." + code
	}
	return code
}

func who(status int) string {
	if status >= http.StatusInternalServerError {
		return "Receiver"
	}
	return "Sender"
}

// decode reads an operation's input; the members that the stand-in has no use for are skipped.
func decode(input []byte, into any) error {
	if err := json.Unmarshal(input, into); err != nil {
		return &apiError{"SerializationException", err.Error()}
	}
	return nil
}
