package events

import (
	"fmt"

	"wedata-unbind/internal/departure"
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

// maxShown is how many outcomes an error shows. Beside the event it has to fit into a message of the failure destination:
// an error that is too long to be kept would lose the event. The log has all.
const maxShown = 100

// Error returns "N of M departures not done: " and those outcomes as JSON, the first hundred of them, or, where the event
// could not be read as one at all, what is wrong with it.
func (e *UnbindError) Error() string {
	if e.Cause != nil {
		return e.Cause.Error()
	}
	if e.Total == 1 && e.NotDone[0].UID == "" {
		return "nothing unbound: " + e.NotDone[0].Detail
	}
	masked := make([]offboard.Masked, min(len(e.NotDone), maxShown))
	for i := range masked {
		masked[i] = e.NotDone[i].Masked()
	}
	outcomes, err := departure.Marshal(masked)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%d of %d departures not done: %s", len(e.NotDone), e.Total, outcomes)
}

// Unwrap returns the Cause.
func (e *UnbindError) Unwrap() error { return e.Cause }
