package events

import (
	"fmt"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/strictjson"
)

// UnbindError is the error of an invocation with departures that are neither done nor kept in a queue. Lambda logs its
// text, and sends it to the caller or to the failure destination. So the text holds no whole uid.
type UnbindError struct {
	// NotDone are the outcomes of the departures that are not done.
	NotDone []*departure.Outcome
	// Total is the number of all departures.
	Total int
	// Cause is the error of an invocation without outcomes.
	Cause error
}

// maxShown is how many outcomes an error shows. The failure destination gets a record with the event and the error,
// and a record that is too long would be lost. The log has all outcomes.
const maxShown = 100

// Error returns "N of M departures not done: " and the first hundred of these outcomes as JSON. For an event that
// cannot be read it returns "nothing unbound: " and the reason. With a Cause it returns the text of the Cause.
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
