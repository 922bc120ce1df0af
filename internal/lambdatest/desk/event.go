package main

import (
	"bytes"
	"encoding/json"
	"fmt"

	"wedata-unbind/internal/events"
)

// event is what is sent to the function, and what is shown of it.
type event struct {
	from, trigger, payload string

	raw    []byte
	bodies []string // of an SQS event: they are put into the queue
}

// triggerOf returns the trigger's name as the function knows it, "" for an event that cannot invoke the function.
func triggerOf(raw []byte) string {
	name, err := events.Trigger(raw)
	if err != nil {
		return ""
	}
	return name
}

// newEvent errs where the text is not JSON, which Lambda would not take.
func newEvent(from string, text []byte) (event, error) {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	var compact bytes.Buffer
	if err := json.Compact(&compact, text); err != nil {
		return event{}, fmt.Errorf("desk: %s is not JSON, as every event of Lambda is: %w", from, err)
	}
	e := event{from: from, trigger: "direct invocation", payload: compact.String(), raw: text}
	var in struct {
		DetailType     string `json:"detail-type"`
		Detail         json.RawMessage
		RequestContext struct {
			HTTP       struct{ Method, Path string }
			HTTPMethod string
		}
		Path, Body string
		Records    []struct {
			SNS  struct{ Message string }
			Body string
		}
	}
	_ = json.Unmarshal(text, &in) // what does not fit stays empty: the function reports it
	http := in.RequestContext.HTTP
	switch trigger := triggerOf(text); {
	case trigger == "sns" && len(in.Records) > 0:
		e.trigger, e.payload = "SNS", in.Records[0].SNS.Message
		for _, r := range in.Records[1:] {
			e.payload += "\n" + r.SNS.Message
		}
	case trigger == "sqs" && len(in.Records) > 0:
		for _, r := range in.Records {
			e.bodies = append(e.bodies, r.Body)
		}
		e.trigger, e.payload = "SQS, "+count(len(e.bodies), "message"), e.bodies[0]
	case trigger == "eventbridge":
		e.trigger, e.payload = "EventBridge, "+in.DetailType, string(in.Detail)
	case trigger == "http" && http.Method != "":
		e.trigger, e.payload = "HTTP API, "+http.Method+" "+http.Path, in.Body
	case trigger == "http":
		e.trigger, e.payload = "REST API, "+in.RequestContext.HTTPMethod+" "+in.Path, in.Body
	}
	return e, nil
}
