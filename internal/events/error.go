package events

import (
	"bytes"
	"encoding/json"
	"fmt"

	"wedata-unbind/internal/offboard"
)

// UnbindError is an invocation that ends with departures not done: neither at WeChat nor in the queue. Lambda logs its
// text, and hands it to the caller or to the failure destination, so it holds no whole uid.
type UnbindError struct {
	// NotDone are the outcomes of the departures not done, of Total altogether.
	NotDone []offboard.Outcome
	Total   int
	// Cause is why there are no outcomes at all.
	Cause error
}

// Error returns "N of M departures not done: " and those outcomes as JSON, or, where the event could not be read as one
// at all, what is wrong with it.
func (e *UnbindError) Error() string {
	if e.Cause != nil {
		return e.Cause.Error()
	}
	if e.Total == 1 && e.NotDone[0].UID == "" {
		return "nothing unbound: " + e.NotDone[0].Detail
	}
	masked := make([]offboard.Masked, len(e.NotDone))
	for i, o := range e.NotDone {
		masked[i] = o.Masked()
	}
	outcomes, err := marshal(masked)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%d of %d departures not done: %s", len(e.NotDone), e.Total, outcomes)
}

// Unwrap returns the Cause.
func (e *UnbindError) Unwrap() error { return e.Cause }

// marshal is json.Marshal with <, > and & as they are, since people read what comes out.
func marshal(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), err
}
