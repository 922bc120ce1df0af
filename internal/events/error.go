package events

import (
	"fmt"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/strictjson"
)

// UnbindError is an invocation that ends with departures that are neither done nor kept in a queue. Lambda logs its
// text, and sends it to the caller or to the failure destination, so it holds no whole uid.
type UnbindError struct {
	// NotDone are the outcomes of the departures not done, of Total altogether.
	NotDone []*departure.Outcome
	Total   int
	// Cause is why there are no outcomes at all.
	Cause error
}

// maxShown is how many outcomes an error shows. The failure destination keeps the error beside the event, and a record
// that is too long would be lost. The log has all.
const maxShown = 100

// Error returns "N of M departures not done: " and those outcomes as JSON, the first hundred of them. For an event
// that cannot be read it returns "nothing unbound: " and what is wrong.
func (e *UnbindError) Error() string {
	if e.Cause != nil {
		return e.Cause.Error()
	}
	if e.Total == 1 && e.NotDone[0].UID == "" {
		return "nothing unbound: " + e.NotDone[0].Detail
	}
	masked := make([]departure.Masked, min(len(e.NotDone), maxShown))
	for i := range masked {
		masked[i] = departure.Masked(*e.NotDone[i])
	}
	outcomes, err := strictjson.Marshal(masked)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%d of %d departures not done: %s", len(e.NotDone), e.Total, outcomes)
}

// Unwrap returns the Cause.
func (e *UnbindError) Unwrap() error { return e.Cause }
