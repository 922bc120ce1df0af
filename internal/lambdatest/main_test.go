package lambdatest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

// The test binary is the function too. This variable tells that it was started as such.
const actAsFunction = "ACT_AS_FUNCTION"

// started is the first line of its log.
const started = "started\n"

func TestMain(m *testing.M) {
	switch os.Getenv(actAsFunction) {
	case "":
		os.Exit(m.Run())
	case "refuse to start":
		fmt.Fprintln(os.Stderr, "WEDATA_SECRET_ID is not set")
		os.Exit(3)
	default:
		fmt.Print(started)
		lambda.Start(act)
	}
}

// order is the event of the function below: what it is to do.
type order struct {
	Do   string `json:"do"`
	Text string `json:"text"`
}

type namedError string

func (e namedError) Error() string { return string(e) }

func act(ctx context.Context, event json.RawMessage) (any, error) {
	var o order
	if err := json.Unmarshal(event, &o); err != nil {
		return nil, err
	}
	switch o.Do {
	case "echo":
		return o.Text, nil
	case "log":
		fmt.Println(o.Text)
		fmt.Fprintln(os.Stderr, o.Text+" on standard error")
		return nil, nil
	case "context":
		lc, _ := lambdacontext.FromContext(ctx)
		deadline, _ := ctx.Deadline()
		return map[string]any{
			"id": lc.AwsRequestID, "arn": lc.InvokedFunctionArn, "left_ms": time.Until(deadline).Milliseconds(),
			"env": os.Environ(),
		}, nil
	case "err":
		return nil, namedError(o.Text)
	case "panic":
		panic(o.Text)
	case "exit":
		fmt.Println("about to leave")
		os.Exit(7)
	case "hang":
		select {}
	}
	return nil, errors.New("unknown order")
}
