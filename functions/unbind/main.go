// Command unbind is the Lambda function. It reads its environment, builds the handler and starts it.
package main

import (
	"context"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

func main() {
	log := lambdacontext.NewLogger()
	cfg, err := readConfig(os.Getenv)
	if err != nil {
		log.Error("environment", "reason", err.Error())
		os.Exit(1)
	}
	handler, err := build(context.Background(), cfg, log)
	if err != nil {
		log.Error("start", "reason", err.Error())
		os.Exit(1)
	}
	lambda.Start(handler)
}
