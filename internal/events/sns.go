package events

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	awsevents "github.com/aws/aws-lambda-go/events"

	"wedata-unbind/internal/departure"
)

// sns is a delivery from an SNS topic. SNS does not wait for a reply, and an error makes Lambda invoke the function again.
func (h *Handler) sns(ctx context.Context, raw []byte) ([]byte, error) {
	events, err := h.readSNS(ctx, raw)
	if err != nil {
		events = []departure.Event{departure.Refuse(h.envelope(ctx), err)}
	}
	return h.carryOut(ctx, "sns", events)
}

// readSNS reads the payload of every record. A payload that cannot be read is a refused event beside the others.
func (h *Handler) readSNS(ctx context.Context, raw []byte) ([]departure.Event, error) {
	var delivery awsevents.SNSEvent
	if err := json.Unmarshal(raw, &delivery); err != nil {
		return nil, fmt.Errorf("sns event: %w", err)
	}
	var events []departure.Event
	for _, record := range delivery.Records {
		events = append(events, h.readTopic(ctx, record.SNS.TopicArn, record.SNS.MessageID, record.SNS.Timestamp, record.SNS.Message)...)
	}
	return events, nil
}

// readEnvelope reads an SNS message as it lies in a queue that is subscribed to the topic.
func (h *Handler) readEnvelope(ctx context.Context, raw []byte) ([]departure.Event, error) {
	var envelope awsevents.SNSEntity
	if err := json.Unmarshal(raw, &envelope); err != nil {
		return nil, fmt.Errorf("sns envelope: %w", err)
	}
	return h.readTopic(ctx, envelope.TopicArn, envelope.MessageID, envelope.Timestamp, envelope.Message), nil
}

func (h *Handler) readTopic(ctx context.Context, topicARN, id string, at time.Time, message string) []departure.Event {
	topic := topicARN[strings.LastIndexByte(topicARN, ':')+1:]
	return h.read(ctx, "sns message", []byte(message), departure.Meta{ID: id, Source: topic, Time: at})
}
