package events

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	awsevents "github.com/aws/aws-lambda-go/events"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/strictjson"
)

// trigger is a kind of event. The log has its name.
type trigger struct {
	name string
	// is reports whether the event is of this kind. It depends on the event's structure alone.
	is func(event) bool
	// read reads the departures of an event that is in the queue. It is nil for a kind that is never queued.
	read func(*Handler, context.Context, event, departure.Meta) []departure.Event
	// reply carries out an event that invoked the function, and returns the reply. It is nil for a kind that cannot
	// invoke the function.
	reply func(*Handler, context.Context, event) ([]byte, error)
}

// triggers returns the table of triggers. An event has the first row that fits it.
func triggers() []trigger {
	return []trigger{
		{triggerSNS, isSNS, (*Handler).readSNS, (*Handler).sns},
		{triggerSQS, isSQS, nil, (*Handler).sqs},
		{triggerHTTP, isHTTP, nil, (*Handler).http},
		{"Lambda destination record", isDestination, (*Handler).readDestination, nil},
		{triggerEventBridge, isEventBridge, (*Handler).readEventBridge, (*Handler).eventBridge},
		{"SNS envelope", isEnvelope, (*Handler).readEnvelope, nil},
		{triggerDirect, isDirect, (*Handler).readPayload, (*Handler).direct},
	}
}

// Triggers returns the names of the triggers that can invoke the function.
func Triggers() []string {
	var names []string
	for _, t := range triggers() {
		if t.reply != nil {
			names = append(names, t.name)
		}
	}
	return names
}

// triggerUnknown is the name in the log for an event that has no row.
const triggerUnknown = "unknown"

// Trigger returns the name of the trigger by which Lambda got the event: "sns", "sqs", "http", "eventbridge" or
// "direct". It errs where the event is no JSON object or cannot invoke the function, and says what the event is.
func Trigger(payload []byte) (string, error) {
	_, t, err := invoked(payload)
	return t.name, err
}

// invoked reads the event of an invocation and finds its row.
func invoked(payload []byte) (e event, t trigger, err error) {
	if e, err = readEvent(payload); err == nil {
		t, err = triggerOf(e)
	}
	if err == nil && t.reply == nil {
		err = t.refuse()
	}
	return e, t, err
}

// triggerOf finds the row of the event. It errs where there is none.
func triggerOf(e event) (trigger, error) {
	rows := triggers()
	i := slices.IndexFunc(rows, func(t trigger) bool { return t.is(e) })
	if i < 0 {
		return trigger{name: triggerUnknown}, refuse(e.describe())
	}
	if rows[i].name == triggerDirect {
		return rows[i], nil
	}
	// Next to an envelope, members such as dry_run would be ignored.
	return rows[i], departure.Misplaced(e.Object, "")
}

func (t trigger) refuse() error { return refuse("an event of the kind " + t.name) }

func refuse(what string) error {
	return fmt.Errorf(`%s is not carried out here; a departure looks like {"uid":"E1001"}`, what)
}

// event is an event that Lambda delivered. Its members are read once. The members by which triggers are recognised are
// decoded.
type event struct {
	strictjson.Object
	payload []byte // as it was delivered
	records []record
	// context is requestContext, or nil where there is none or where it is no object.
	context strictjson.Object
}

// record is a record of SNS or SQS. SNS has the service in EventSource, SQS in eventSource.
type record struct {
	SNSSource string              `json:"EventSource"`
	SNS       awsevents.SNSEntity `json:"Sns"`
	awsevents.SQSMessage
}

func readEvent(payload []byte) (event, error) {
	members, err := strictjson.ParseObject(payload)
	if err != nil {
		return event{}, fmt.Errorf("event: %w", err)
	}
	e := event{Object: members, payload: payload}
	if e.Has("Records") {
		if strictjson.Unmarshal(e.Object["Records"], &e.records) != nil {
			e.records = nil // an event with unreadable records has no row
		}
	}
	if e.Has("requestContext") {
		e.context, _ = strictjson.ParseObject(e.Object["requestContext"]) // nil as well where it is unreadable
	}
	return e, nil
}

// hasRecordsOf reports whether the first record is of this service. Lambda never mixes services.
func (e event) hasRecordsOf(service string) bool {
	return len(e.records) > 0 && service == e.records[0].service()
}

func (r record) service() string { return r.SNSSource + r.EventSource }

// describe returns a text for an event that has no row. It quotes only the name of a service, and names of members
// that are letters: nothing else is safe from being a value of a payload.
func (e event) describe() string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	switch {
	case len(e.records) > 0:
		service := e.records[0].service()
		name, ok := strings.CutPrefix(service, "aws:")
		if !ok || len(name) > 20 || strings.Trim(name, letters+"0123456789") != "" {
			service = "another service"
		}
		return "an event with Records of " + service
	case e.Has("Records"):
		return "an event with empty or unreadable Records"
	case e.context == nil:
		return "an event with an unreadable requestContext"
	case e.context.Has("elb"):
		return "a load balancer's request (requestContext.elb)"
	}
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(e.context)), func(name string) bool {
		return len(name) > 20 || strings.Trim(name, letters) != ""
	})
	return fmt.Sprintf("an event with a requestContext that has (%s)", strings.Join(names, ", "))
}
