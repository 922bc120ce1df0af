package lambdatest

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path"
	"strconv"
	"sync"
	"time"
)

// Where the function seems to run. The account is the one of AWS's own examples.
const (
	Region      = "us-east-1"
	AccountID   = "123456789012"
	FunctionARN = "arn:aws:lambda:" + Region + ":" + AccountID + ":function:unbind"
)

const (
	defaultTimeout = 10 * time.Second

	// maxPayload is Lambda's limit for a synchronous reply, in bytes.
	maxPayload = 6_291_556

	errorTimeout = "Sandbox.Timedout"
	errorTooLong = "Function.ResponseSizeTooLarge"
)

// Reply is what an invocation ended in: a payload, or an error of the function.
type Reply struct {
	RequestID string
	// Payload is what the function returned; of an error, the JSON that callers and destinations get.
	Payload []byte
	// ErrorType and ErrorMessage are empty where the function succeeded.
	ErrorType, ErrorMessage string
	// Duration is from the moment the function took the event until its reply was complete.
	Duration time.Duration
}

// Err returns the function's error, or nil where it succeeded.
func (r Reply) Err() error {
	if r.ErrorType == "" && r.ErrorMessage == "" {
		return nil
	}
	return fmt.Errorf("%s: %s", r.ErrorType, r.ErrorMessage)
}

// Runtime is the Lambda Runtime API (version 2018-06-01) for one process of a function, as an [http.Handler]. Events are
// handed out one at a time; concurrent invocations wait for each other.
type Runtime struct {
	mux    http.ServeMux
	queue  chan *invocation
	mu     sync.Mutex
	taken  map[string]*invocation
	served bool          // the function has taken an event
	ended  chan struct{} // closed once the process cannot answer any more
	reason error         // why, set before ended is closed
}

type invocation struct {
	id      string
	event   []byte
	timeout time.Duration
	taken   time.Time
	reply   chan Reply
}

// NewRuntime returns a Runtime API to which no function has come yet.
func NewRuntime() *Runtime {
	r := &Runtime{queue: make(chan *invocation), taken: map[string]*invocation{}, ended: make(chan struct{})}
	const base = "/2018-06-01/runtime/"
	r.mux.HandleFunc("GET "+base+"invocation/next", r.next)
	r.mux.HandleFunc("POST "+base+"invocation/{id}/response", r.response)
	r.mux.HandleFunc("POST "+base+"invocation/{id}/error", r.response)
	r.mux.HandleFunc("POST "+base+"init/error", r.initError)
	return r
}

// ServeHTTP answers the function's runtime client.
func (r *Runtime) ServeHTTP(w http.ResponseWriter, req *http.Request) { r.mux.ServeHTTP(w, req) }

// Invoke hands the event to the function and returns its reply; an error of the function is a Reply, too, and so is a
// timeout, after 10 s. It errs where ctx ends or the function's process does ([*ExitError]).
func (r *Runtime) Invoke(ctx context.Context, event []byte) (Reply, error) {
	return r.InvokeWithin(ctx, event, defaultTimeout)
}

// InvokeWithin is Invoke with a timeout of its own. The time counts from when the function takes the event, so starting
// up is not part of it.
func (r *Runtime) InvokeWithin(ctx context.Context, event []byte, timeout time.Duration) (Reply, error) {
	reply, _, err := r.invoke(ctx, event, timeout)
	return reply, err
}

// invoke tells, too, whether the function took the event: one that was not taken may be given to another process.
func (r *Runtime) invoke(ctx context.Context, event []byte, timeout time.Duration) (_ Reply, taken bool, _ error) {
	inv := &invocation{id: uuid(), event: event, timeout: timeout, reply: make(chan Reply, 1)}
	select {
	case r.queue <- inv:
	case <-r.ended:
		return Reply{}, false, r.reason
	case <-ctx.Done():
		return Reply{}, false, fmt.Errorf("lambdatest: the function did not come for the event: %w", ctx.Err())
	}
	defer r.forget(inv.id)

	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case reply := <-inv.reply:
		return reply, true, nil
	case <-timer.C:
		return failure(inv.id, errorTimeout, fmt.Sprintf("Task timed out after %.2f seconds", timeout.Seconds()), timeout), true, nil
	case <-ctx.Done():
		return Reply{}, true, fmt.Errorf("lambdatest: the function did not reply: %w", ctx.Err())
	case <-r.ended:
		// A panic is reported first and ends the process then: what was reported counts.
		select {
		case reply := <-inv.reply:
			return reply, true, nil
		default:
			return Reply{}, true, r.reason
		}
	}
}

// end makes every invocation that waits or will come end in reason. Only the first reason counts.
func (r *Runtime) end(reason error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.reason == nil {
		r.reason = reason
		close(r.ended)
	}
}

func (r *Runtime) next(w http.ResponseWriter, req *http.Request) {
	select {
	case inv := <-r.queue:
		r.mu.Lock()
		inv.taken = time.Now()
		r.taken[inv.id] = inv
		r.served = true
		r.mu.Unlock()
		h := w.Header()
		h.Set("Content-Type", "application/json")
		h.Set("Lambda-Runtime-Aws-Request-Id", inv.id)
		h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(inv.taken.Add(inv.timeout).UnixMilli(), 10))
		h.Set("Lambda-Runtime-Invoked-Function-Arn", FunctionARN)
		h.Set("Lambda-Runtime-Trace-Id", fmt.Sprintf("Root=1-%08x-%012x%012x;Sampled=0", inv.taken.Unix(), 0, inv.taken.UnixNano()&0xffffffffffff))
		w.Write(inv.event) // a function that left is noticed as an ended process
	case <-req.Context().Done():
	case <-r.ended:
		http.Error(w, "the environment has ended", http.StatusGone)
	}
}

// response takes a reply or an error, told apart by the last element of the path.
func (r *Runtime) response(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(io.LimitReader(req.Body, maxPayload+1))
	if err != nil {
		return
	}
	inv := r.forget(req.PathValue("id"))
	if inv == nil {
		refuse(w, http.StatusBadRequest, "InvalidRequestID", "no such invocation, or it is over")
		return
	}
	took := time.Since(inv.taken)
	if len(body) > maxPayload {
		inv.reply <- failure(inv.id, errorTooLong, fmt.Sprintf("Response payload size exceeded maximum allowed payload size (%d bytes).", maxPayload), took)
		refuse(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", "the reply is too long")
		return
	}
	reply := Reply{RequestID: inv.id, Payload: body, Duration: took}
	if path.Base(req.URL.Path) == "error" {
		reply.ErrorType, reply.ErrorMessage = errorOf(body)
	}
	inv.reply <- reply
	w.WriteHeader(http.StatusAccepted)
}

func (r *Runtime) initError(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(io.LimitReader(req.Body, maxPayload))
	kind, message := errorOf(body)
	r.end(fmt.Errorf("lambdatest: the function reported an error at its start: %s: %s", kind, message))
	w.WriteHeader(http.StatusAccepted)
}

func (r *Runtime) hasServed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.served
}

// forget returns the invocation if it was still open.
func (r *Runtime) forget(id string) *invocation {
	r.mu.Lock()
	defer r.mu.Unlock()
	inv := r.taken[id]
	delete(r.taken, id)
	return inv
}

func errorOf(body []byte) (kind, message string) {
	var e struct{ ErrorType, ErrorMessage string }
	if json.Unmarshal(body, &e) != nil || e.ErrorType == "" {
		return "Runtime.Unknown", string(body)
	}
	return e.ErrorType, e.ErrorMessage
}

func failure(id, kind, message string, took time.Duration) Reply {
	message = "RequestId: " + id + " Error: " + message
	payload, _ := json.Marshal(map[string]string{"errorType": kind, "errorMessage": message}) // strings always marshal
	return Reply{RequestID: id, Payload: payload, ErrorType: kind, ErrorMessage: message, Duration: took}
}

func refuse(w http.ResponseWriter, status int, kind, message string) {
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]string{"errorType": kind, "errorMessage": message})
}

func uuid() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
