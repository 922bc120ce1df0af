package main

import (
	"bytes"
	"encoding/json"
	"fmt"

	awsevents "github.com/aws/aws-lambda-go/events"
)

// event is what is sent to the function, and what a person should see of it.
type event struct {
	from, trigger, payload string

	raw     []byte
	records []awsevents.SQSMessage // of an SQS event: what is put into the queue
}

// parseEvent errs where the text is not JSON, which Lambda would not take.
func parseEvent(from string, text []byte) (event, error) {
	e := event{from: from, trigger: "direct invocation", raw: text}
	var compact bytes.Buffer
	if err := json.Compact(&compact, text); err != nil {
		return e, fmt.Errorf("desk: %s is not JSON, as every event of Lambda is: %w", from, err)
	}
	e.payload = compact.String()
	e.look()
	return e, nil
}

// look tells the trigger by the shape. What has none of the shapes is a direct invocation.
func (e *event) look() {
	var shape struct {
		DetailType     *string `json:"detail-type"`
		Detail         json.RawMessage
		RequestContext *struct {
			HTTPMethod string
			HTTP       struct{ Method, Path string }
		}
		Path, Body string
		Records    []struct {
			EventSource string // encoding/json takes SQS's eventSource, too
			SNS         struct{ Message string }
			Body        string
		}
	}
	if json.Unmarshal(e.raw, &shape) != nil {
		return
	}
	switch {
	case len(shape.Records) > 0 && shape.Records[0].EventSource == "aws:sns":
		e.trigger, e.payload = "SNS", shape.Records[0].SNS.Message
	case len(shape.Records) > 0 && shape.Records[0].EventSource == "aws:sqs":
		var batch awsevents.SQSEvent
		if json.Unmarshal(e.raw, &batch) == nil {
			e.records = batch.Records
		}
		e.trigger, e.payload = "SQS, "+count(len(shape.Records), "message"), shape.Records[0].Body
	case shape.DetailType != nil:
		e.trigger, e.payload = "EventBridge, "+*shape.DetailType, string(shape.Detail)
	case shape.RequestContext != nil && shape.RequestContext.HTTP.Method != "":
		e.trigger, e.payload = "HTTP API, "+shape.RequestContext.HTTP.Method+" "+shape.RequestContext.HTTP.Path, shape.Body
	case shape.RequestContext != nil && shape.RequestContext.HTTPMethod != "":
		e.trigger, e.payload = "REST API, "+shape.RequestContext.HTTPMethod+" "+shape.Path, shape.Body
	}
}
