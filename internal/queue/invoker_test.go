package queue_test

import (
	"context"
	"encoding/json"
	"fmt"

	awsevents "github.com/aws/aws-lambda-go/events"

	"wedata-unbind/internal/lambdatest"
)

// invoker is a function that does something with the receipt handle of its one message, and does not do the message.
type invoker func(receiptHandle string)

func (f invoker) Invoke(_ context.Context, event []byte) (lambdatest.Reply, error) {
	var batch awsevents.SQSEvent
	if err := json.Unmarshal(event, &batch); err != nil {
		return lambdatest.Reply{}, err
	}
	f(batch.Records[0].ReceiptHandle)
	return lambdatest.Reply{Payload: fmt.Appendf(nil, `{"batchItemFailures":[{"itemIdentifier":%q}]}`, batch.Records[0].MessageId)}, nil
}
