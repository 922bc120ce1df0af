package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go/logging"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/events"
	"wedata-unbind/internal/offboard"
	"wedata-unbind/internal/queue"
	"wedata-unbind/internal/schedule"
	"wedata-unbind/internal/secrets"
	"wedata-unbind/internal/source"
	"wedata-unbind/internal/token"
	"wedata-unbind/internal/wedata"
)

// build returns the handler with all its parts. It begins to connect to WeChat and to read the secrets, and does not
// wait for them: the function must start although a service cannot be reached.
func build(ctx context.Context, cfg config, log *slog.Logger) (*events.Handler, error) {
	api, err := wedata.New(cfg.wedata)
	if err != nil {
		return nil, err
	}
	api.Warm() // first: WeChat is farther away than AWS
	sdk, err := loadAWS(ctx, newAWSTransport())
	if err != nil {
		// The SDK's text quotes values of the environment.
		return nil, errors.New("aws configuration: a variable AWS_… or a file that one names cannot be read")
	}
	reader := secretsmanager.NewFromConfig(sdk)
	tokenSecrets := secrets.New(reader, secrets.Config{})
	tokenSecrets.Warm(cfg.secretID)
	// A refused request makes the function read the sources' secret again, at most once a minute.
	sourcesSecrets := secrets.New(reader, secrets.Config{Hold: time.Minute})
	if cfg.sourcesSecretID != "" {
		sourcesSecrets.Warm(cfg.sourcesSecretID)
	}
	tokens := token.New(tokenSecrets, cfg.secretID)
	decoder := departure.Decoder{Zone: cfg.zone}
	work := offboard.Config{API: api, Tokens: tokens, Trust: cfg.trust}
	schedules := schedule.New(scheduler.NewFromConfig(sdk), cfg.schedule)
	if cfg.schedule.Group != "" { // without it the outcome of a later departure says what to set
		work.Schedules = schedules
	}
	service, err := offboard.New(work)
	if err != nil {
		return nil, err
	}
	return events.New(events.Config{
		Offboard: service,
		Queue:    queue.New(sqs.NewFromConfig(sdk), cfg.queueURL, cfg.deadLetterQueueURL),
		Sources: source.New(source.Config{
			Secrets: sourcesSecrets, SecretID: cfg.sourcesSecretID, Decoder: decoder, Merchants: tokens.Merchants,
		}),
		Schedules: schedules,
		Decoder:   decoder,
		Log:       log,
	})
}

const (
	// attemptTime limits one attempt of a call to AWS, from dialling to the reply's last byte. The SDK has no limit. A
	// reply takes milliseconds, so after this time a second attempt is better than a longer wait.
	attemptTime = 3 * time.Second
	// maxBackoff is the longest pause between two attempts. The SDK's default of 20 s is longer than a call may take:
	// 4.5 s for the queues, 5 s for a secret.
	maxBackoff = 300 * time.Millisecond
	// idleTime is how long an unused connection is kept. Lambda freezes the process between invocations, and
	// connections are closed meanwhile. net/http measures the time by the wall clock, which runs on while the process
	// is frozen.
	idleTime = 25 * time.Second
)

// newAWSTransport returns the HTTP client for all AWS services. It uses HTTP/1.1 only, as the client of WeChat does:
// after a timeout an HTTP/1.1 connection is closed, but the next attempt would take a dead HTTP/2 connection again.
func newAWSTransport() *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().WithTimeout(attemptTime).WithTransportOptions(func(t *http.Transport) {
		t.IdleConnTimeout = idleTime
		t.ForceAttemptHTTP2 = false
		t.TLSClientConfig.NextProtos = nil // the SDK sets h2
	})
}

// loadAWS returns the configuration of all AWS clients. The SDK reads the environment.
func loadAWS(ctx context.Context, client aws.HTTPClient) (aws.Config, error) {
	return awsconfig.LoadDefaultConfig(ctx,
		awsconfig.WithHTTPClient(client),
		awsconfig.WithRetryer(func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) { o.MaxBackoff = maxBackoff })
		}),
		// The SDK's own log lines are not JSON. Faults are returned as errors.
		awsconfig.WithLogger(logging.Nop{}),
	)
}
