package main

import (
	"context"
	"fmt"
	"log/slog"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go/logging"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/events"
	"wedata-unbind/internal/later"
	"wedata-unbind/internal/offboard"
	"wedata-unbind/internal/secrets"
	"wedata-unbind/internal/source"
	"wedata-unbind/internal/token"
	"wedata-unbind/internal/wedata"
)

// build puts the function together. Nothing is called yet: what is out of reach must not keep the function from starting.
func build(ctx context.Context, cfg config, log *slog.Logger) (*events.Handler, error) {
	// The SDK's own warnings are no JSON; what matters of them comes back as errors.
	aws, err := awsconfig.LoadDefaultConfig(ctx, awsconfig.WithLogger(logging.Nop{}))
	if err != nil {
		return nil, fmt.Errorf("aws configuration: %w", err)
	}
	api, err := wedata.New(cfg.wedata)
	if err != nil {
		return nil, err
	}
	cache := secrets.New(secretsmanager.NewFromConfig(aws), secrets.Config{})
	tokens := token.New(cache, cfg.secretID)
	decoder := departure.Decoder{Zone: cfg.zone}
	service, err := offboard.New(offboard.Config{API: api, Tokens: tokens, Trust: cfg.trust})
	if err != nil {
		return nil, err
	}
	return events.New(events.Config{
		Offboard: service,
		Queue:    later.NewQueue(sqs.NewFromConfig(aws), cfg.queueURL, cfg.deadLetterQueueURL),
		Sources: source.New(source.Config{
			Secrets: cache, SecretID: cfg.sourcesSecretID, Decoder: decoder, Indexed: tokens.Indexed,
		}),
		Decoder: decoder,
		Log:     log,
	})
}
