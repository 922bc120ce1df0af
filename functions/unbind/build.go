package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go/logging"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/events"
	"wedata-unbind/internal/offboard"
	"wedata-unbind/internal/queue"
	"wedata-unbind/internal/secrets"
	"wedata-unbind/internal/source"
	"wedata-unbind/internal/token"
	"wedata-unbind/internal/wedata"
)

// build puts the function together. It calls no service: one that cannot be reached must not keep the function from starting.
func build(ctx context.Context, cfg config, log *slog.Logger) (*events.Handler, error) {
	// The SDK's own log lines are not JSON. What matters comes back as errors.
	aws, err := awsconfig.LoadDefaultConfig(ctx, awsconfig.WithLogger(logging.Nop{}))
	if err != nil {
		return nil, fmt.Errorf("aws configuration: %w", err)
	}
	api, err := wedata.New(cfg.wedata)
	if err != nil {
		return nil, err
	}
	reader := secretsmanager.NewFromConfig(aws)
	tokens := token.New(secrets.New(reader, secrets.Config{}), cfg.secretID)
	decoder := departure.Decoder{Zone: cfg.zone}
	service, err := offboard.New(offboard.Config{API: api, Tokens: tokens, Trust: cfg.trust})
	if err != nil {
		return nil, err
	}
	return events.New(events.Config{
		Offboard: service,
		Queue:    queue.New(sqs.NewFromConfig(aws), cfg.queueURL, cfg.deadLetterQueueURL),
		Sources: source.New(source.Config{
			// Senders that are refused can make the function read their secret again: once a minute at most.
			Secrets:  secrets.New(reader, secrets.Config{Hold: time.Minute}),
			SecretID: cfg.sourcesSecretID, Decoder: decoder, Merchants: tokens.Merchants,
		}),
		Decoder: decoder,
		Log:     log,
	})
}
