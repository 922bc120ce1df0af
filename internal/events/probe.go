package events

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"wedata-unbind/internal/departure"
)

// kind is what an event is, told by its structure alone.
type kind string

const (
	kindSNS         kind = "SNS event"
	kindSQS         kind = "SQS event"
	kindEventBridge kind = "EventBridge event"
	kindHTTPv1      kind = "HTTP request (payload format 1.0)"
	kindHTTPv2      kind = "HTTP request (payload format 2.0)"
	// kindEnvelope is what SNS writes into a queue, kindDestination what Lambda does of a failed invocation.
	kindEnvelope    kind = "SNS envelope"
	kindDestination kind = "Lambda destination record"
	// kindPayload is none of the others: the event is the payload.
	kindPayload kind = "payload"
)

// probed is an event whose kind is known.
type probed struct {
	kind    kind
	members map[string]json.RawMessage
}

// refuse is the error about an event of a kind that cannot be carried out here.
func (p probed) refuse() error {
	return fmt.Errorf(`%s is not carried out here; a departure looks like {"uid":"E1001"}`, p.kind)
}

// probe tells the kind of an event. Shapes that belong to a service which is no trigger here come back as a kind that
// names it; the error is of what is no JSON object.
func probe(raw []byte) (probed, error) {
	members, err := departure.Object(raw)
	if err != nil {
		return probed{}, fmt.Errorf("event: %w", err)
	}
	has := func(names ...string) bool {
		for _, name := range names {
			if _, ok := members[name]; !ok {
				return false
			}
		}
		return true
	}
	event := probed{kindPayload, members}
	switch {
	case has("Records"):
		event.kind = kindOfRecords(members["Records"])
	case has("requestContext"):
		event.kind = kindOfContext(members)
	case has("detail-type", "source"):
		event.kind = kindEventBridge
	case has("Type", "TopicArn", "Message"):
		event.kind = kindEnvelope
	}
	return event, nil
}

// kindOfRecords looks at the first record: Lambda never mixes services. encoding/json does not mind the case of a name, so
// one field reads SNS's EventSource and everybody else's eventSource.
func kindOfRecords(raw json.RawMessage) kind {
	var records []struct {
		EventSource string `json:"eventSource"`
	}
	if err := json.Unmarshal(raw, &records); err != nil || len(records) == 0 {
		return "an event with empty or unreadable Records"
	}
	switch source := records[0].EventSource; source {
	case "aws:sns":
		return kindSNS
	case "aws:sqs":
		return kindSQS
	default:
		return kind("an event with Records of " + departure.Quote(source))
	}
}

func kindOfContext(members map[string]json.RawMessage) kind {
	var context map[string]json.RawMessage
	if err := json.Unmarshal(members["requestContext"], &context); err != nil {
		return "an event with an unreadable requestContext"
	}
	_, v1 := members["httpMethod"]
	_, v2 := context["http"]
	_, elb := context["elb"]
	_, failed := context["condition"]
	_, wrapped := members["requestPayload"]
	switch {
	case elb:
		return "a load balancer's request (requestContext.elb)"
	case v2:
		return kindHTTPv2
	case v1:
		return kindHTTPv1
	case failed && wrapped:
		return kindDestination
	}
	names := strings.Join(slices.Sorted(maps.Keys(context)), ", ")
	return kind("an event with a requestContext of " + departure.Quote(names))
}
