package lambdatest

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// Reply is the result of an invocation: a payload, or an error of the function.
type Reply struct {
	RequestID string
	// Payload is what the function returned; of an error, the JSON that callers and destinations get.
	Payload []byte
	// ErrorType and ErrorMessage are empty where the function succeeded.
	ErrorType, ErrorMessage string
	// Duration is from when the function took the event until its reply was complete.
	Duration time.Duration
}

// Err returns the function's error, or nil where it succeeded.
func (r Reply) Err() error {
	if r.ErrorType == "" {
		return nil
	}
	return fmt.Errorf("%s: %s", r.ErrorType, r.ErrorMessage)
}

type invocation struct {
	id    string
	event []byte
	taken time.Time // guarded by Function.mu
	reply chan Reply
}

// runtimeAPI is the Lambda Runtime API, version 2018-06-01, by which the process takes events and replies.
func (f *Function) runtimeAPI() http.Handler {
	const base = "/2018-06-01/runtime/invocation/"
	var mux http.ServeMux
	mux.HandleFunc("GET "+base+"next", f.next)
	mux.HandleFunc("POST "+base+"{id}/{kind}", f.reply)
	return &mux
}

func (f *Function) next(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	select {
	case f.process.asked <- time.Now():
	default: // not its first event
	}
	f.mu.Unlock()
	select {
	case inv := <-f.events:
		now := time.Now()
		f.mu.Lock()
		inv.taken = now
		f.mu.Unlock()
		w.Header().Set("Lambda-Runtime-Aws-Request-Id", inv.id)
		w.Header().Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(now.Add(f.timeout).UnixMilli(), 10))
		w.Header().Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:"+Region+":"+accountID+":function:unbind")
		_, _ = w.Write(inv.event) // where the process has ended, Invoke notices it
	case <-r.Context().Done():
	}
}

// reply takes a response or an error. Where Invoke waits no longer, it is dropped.
func (f *Function) reply(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	w.WriteHeader(http.StatusAccepted)
	f.mu.Lock()
	inv := f.current
	reply := Reply{RequestID: inv.id, Payload: body, Duration: time.Since(inv.taken)}
	f.mu.Unlock()
	if inv.id != r.PathValue("id") {
		return
	}
	if r.PathValue("kind") == "error" {
		var failure struct{ ErrorType, ErrorMessage string }
		if err := json.Unmarshal(body, &failure); err != nil || failure.ErrorType == "" {
			failure.ErrorType, failure.ErrorMessage = "Runtime.Unknown", string(body)
		}
		reply.ErrorType, reply.ErrorMessage = failure.ErrorType, failure.ErrorMessage
	}
	inv.reply <- reply
}

func uuid() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
