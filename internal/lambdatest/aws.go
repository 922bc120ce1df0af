package lambdatest

import (
	"cmp"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
)

// AWS serves the stand-ins for Secrets Manager, SQS and EventBridge Scheduler at one address, since a function has one
// AWS_ENDPOINT_URL.
type AWS struct {
	Secrets   *SecretsManager
	SQS       *SQS
	Scheduler *Scheduler
}

// NewAWS returns the services, without secrets, queues and schedules.
func NewAWS() *AWS {
	queues := NewSQS()
	return &AWS{Secrets: NewSecretsManager(), SQS: queues, Scheduler: NewScheduler(queues)}
}

// The services as [Operation] names them.
const (
	ServiceSecrets   = "Secrets"
	ServiceSQS       = "SQS"
	ServiceScheduler = "Scheduler"
)

// Operation returns the service and the operation of an SDK client's request, such as SQS and "SendMessageBatch". Both
// are "" for any other request.
func Operation(r *http.Request) (service, operation string) {
	target, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	switch target {
	case "AmazonSQS":
		return ServiceSQS, operation
	case "secretsmanager":
		return ServiceSecrets, operation
	}
	return schedulerOperation(r)
}

// ServeHTTP passes the request to the service that it is for.
func (a *AWS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch service, _ := Operation(r); service {
	case ServiceSQS:
		a.SQS.ServeHTTP(w, r)
	case ServiceScheduler:
		a.Scheduler.ServeHTTP(w, r)
	default:
		a.Secrets.ServeHTTP(w, r)
	}
}

// Fault makes calls of a service fail. Exactly one of Code, Status alone, Hang and Drop is set.
type Fault struct {
	// Times is how many calls fail: 0 means one, less than 0 all.
	Times int
	// Code is an AWS error code such as "ThrottlingException". Status is its HTTP status, 400 if zero.
	Code string
	// Status without Code is the HTTP status of an empty reply, as a proxy may send one.
	Status int
	// Hang sends no reply: the call lasts until the caller gives up.
	Hang bool
	// Drop closes the connection without a reply.
	Drop bool
}

// apiError is an error reply of a service. It is no Go error: it is only ever written to the client.
type apiError struct{ code, message string }

// endpoint is AWS's JSON protocol for one service: a header names the operation, input and output are JSON objects.
type endpoint struct {
	operations map[string]func(input []byte) (any, *apiError)
	arrived    func(input []byte) // optional: is called for every call, also where a fault follows

	faultMu sync.Mutex
	faults  []Fault
}

// Fail makes the next calls fail. Several faults happen in the order given.
func (e *endpoint) Fail(f Fault) {
	f.Times = cmp.Or(f.Times, 1)
	e.faultMu.Lock()
	defer e.faultMu.Unlock()
	e.faults = append(e.faults, f)
}

// nextFault returns the fault of this call, the zero Fault where there is none.
func (e *endpoint) nextFault() Fault {
	e.faultMu.Lock()
	defer e.faultMu.Unlock()
	if len(e.faults) == 0 {
		return Fault{}
	}
	f := e.faults[0]
	if e.faults[0].Times--; e.faults[0].Times == 0 {
		e.faults = e.faults[1:]
	}
	return f
}

// ServeHTTP answers an SDK client of the service.
func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, name, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	e.serve(w, r, name)
}

// serve answers a call of the operation with that name.
func (e *endpoint) serve(w http.ResponseWriter, r *http.Request, name string) {
	input, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	operation := e.operations[name]
	if operation == nil {
		refuse(w, http.StatusBadRequest, "UnknownOperationException", "the stand-in does not know "+name)
		return
	}
	if e.arrived != nil {
		e.arrived(input)
	}
	switch fault := e.nextFault(); {
	case fault.Hang:
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	case fault.Drop:
		panic(http.ErrAbortHandler)
	case fault.Code != "":
		refuse(w, cmp.Or(fault.Status, http.StatusBadRequest), fault.Code, "stand-in: as asked for")
		return
	case fault.Status != 0:
		w.WriteHeader(fault.Status)
		return
	}
	output, refusal := operation(input)
	if refusal != nil {
		refuse(w, http.StatusBadRequest, refusal.code, refusal.message)
		return
	}
	json.NewEncoder(w).Encode(output)
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	if code == "QueueDoesNotExist" { // an SDK client of SQS still reports the code of the older query protocol
		w.Header().Set("X-Amzn-Query-Error", "AWS.SimpleQueueService.NonExistentQueue;Sender")
	}
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]string{"__type": code, "message": message})
}

// decode reads an operation's input. Members that the stand-in does not use are skipped.
func decode(input []byte, into any) *apiError {
	if err := json.Unmarshal(input, into); err != nil {
		return &apiError{"SerializationException", err.Error()}
	}
	return nil
}
