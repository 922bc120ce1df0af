package events

import (
	"context"
	"strings"

	awsevents "github.com/aws/aws-lambda-go/events"

	"wedata-unbind/internal/departure"
)

const triggerSNS = "sns"

func isSNS(e event) bool { return e.hasRecordsOf("aws:sns") }

// sns carries out a delivery from an SNS topic. SNS does not wait for a reply. After an error Lambda invokes the
// function again.
func (h *Handler) sns(ctx context.Context, e event) ([]byte, error) {
	return h.carryOut(ctx, triggerSNS, e, h.readSNS(ctx, e, departure.Meta{}))
}

// readSNS reads the message of every record. It returns a Failed event for each message that cannot be read.
func (h *Handler) readSNS(ctx context.Context, e event, _ departure.Meta) []departure.Event {
	var events []departure.Event
	for _, record := range e.records {
		events = append(events, h.readTopic(ctx, record.SNS)...)
	}
	return events
}

// isEnvelope reports whether the event is an SNS message from a queue that is subscribed to the topic.
func isEnvelope(e event) bool { return e.Has("Type", "TopicArn", "Message") }

func (h *Handler) readEnvelope(ctx context.Context, e event, meta departure.Meta) []departure.Event {
	var message awsevents.SNSEntity
	for name, to := range map[string]any{
		"TopicArn": &message.TopicArn, "MessageId": &message.MessageID,
		"Timestamp": &message.Timestamp, "Message": &message.Message,
	} {
		if err := e.Decode(name, to); err != nil {
			return []departure.Event{departure.Refuse(meta, err)}
		}
	}
	return h.readTopic(ctx, message)
}

func (h *Handler) readTopic(ctx context.Context, message awsevents.SNSEntity) []departure.Event {
	topic := message.TopicArn[strings.LastIndexByte(message.TopicArn, ':')+1:]
	envelope := departure.Meta{ID: message.MessageID, Source: topic, Time: message.Timestamp}
	return h.read(ctx, "sns message", []byte(message.Message), envelope)
}
