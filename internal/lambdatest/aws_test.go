package lambdatest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	smtypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go"
)

// newClients returns the services, and SDK clients of them that try once only.
func newClients(t *testing.T) (*AWS, *secretsmanager.Client, *sqs.Client) {
	t.Helper()
	services := NewAWS()
	client, url := InMemory(t, services)
	config := aws.Config{
		Region: Region, BaseEndpoint: &url, HTTPClient: client, Retryer: func() aws.Retryer { return aws.NopRetryer{} },
		Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
	}
	return services, secretsmanager.NewFromConfig(config), sqs.NewFromConfig(config)
}

func get(ctx context.Context, client *secretsmanager.Client, id string) (*secretsmanager.GetSecretValueOutput, error) {
	return client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &id})
}

func errorCode(err error) string {
	if api := smithy.APIError(nil); errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

func TestSecrets(t *testing.T) {
	services, client, _ := newClients(t)
	services.Secrets.Put("token", "first")
	first, err := get(t.Context(), client, "token")
	if err != nil || *first.SecretString != "first" || time.Since(*first.CreatedDate) > time.Minute {
		t.Errorf("got %+v, %v", first, err)
	}
	services.Secrets.Put("token", "second")
	second, err := get(t.Context(), client, "token")
	if err != nil || *second.SecretString != "second" || *second.VersionId == *first.VersionId {
		t.Errorf("after a rotation %+v, %v", second, err)
	}
	services.Secrets.PutBinary("binary", []byte{0, 255})
	binary, err := get(t.Context(), client, "binary")
	if err != nil || binary.SecretString != nil || string(binary.SecretBinary) != "\x00\xff" {
		t.Errorf("binary %+v, %v", binary, err)
	}
	services.Secrets.Delete("token")
	if _, err := get(t.Context(), client, "token"); !errors.As(err, new(*smtypes.ResourceNotFoundException)) {
		t.Errorf("when deleted: %v", err)
	}
	if n := services.Secrets.Reads("token"); n != 3 {
		t.Errorf("%d reads, want 3", n)
	}
}

func TestFaults(t *testing.T) {
	for name, row := range map[string]struct {
		fault  Fault
		code   string // of the SDK's API error
		status int
		text   string
	}{
		"an error code":       {Fault{Code: "AccessDeniedException"}, "AccessDeniedException", 400, "as asked for"},
		"a code at a status":  {Fault{Code: "ThrottlingException", Status: 429}, "ThrottlingException", 429, ""},
		"a proxy's error":     {Fault{Status: 503}, "", 503, ""},
		"a closed connection": {Fault{Drop: true}, "", 0, "EOF"},
		"no answer":           {Fault{Hang: true}, "", 0, "deadline exceeded"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				services, client, _ := newClients(t)
				services.Secrets.Put("s", "value")
				services.Secrets.Fail(row.fault)
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				_, err := get(ctx, client, "s")
				var response interface{ HTTPStatusCode() int }
				if errors.As(err, &response); row.status != 0 && (response == nil || response.HTTPStatusCode() != row.status) {
					t.Errorf("error %v, want status %d", err, row.status)
				}
				if err == nil || row.code != "" && errorCode(err) != row.code || !strings.Contains(err.Error(), row.text) {
					t.Errorf("error %v, want %q and code %q", err, row.text, row.code)
				}
				if _, err := get(t.Context(), client, "s"); err != nil {
					t.Errorf("after one time: %v", err)
				}
				if n := services.Secrets.Reads("s"); n != 2 {
					t.Errorf("%d reads, want 2", n)
				}
			})
		})
	}
}

func TestFaultsHappenInTheOrderGiven(t *testing.T) {
	services, client, _ := newClients(t)
	services.Secrets.Fail(Fault{Code: "ThrottlingException", Times: 2})
	services.Secrets.Fail(Fault{Code: "DecryptionFailure", Times: -1})
	for i, want := range []string{"ThrottlingException", "ThrottlingException", "DecryptionFailure", "DecryptionFailure"} {
		if _, err := get(t.Context(), client, "s"); errorCode(err) != want {
			t.Errorf("call %d: %v, want %s", i, err, want)
		}
	}
}

func TestUnknownOperations(t *testing.T) {
	_, secrets, queues := newClients(t)
	_, err := secrets.ListSecrets(t.Context(), &secretsmanager.ListSecretsInput{})
	_, err2 := queues.ListQueues(t.Context(), &sqs.ListQueuesInput{})
	for _, err := range []error{err, err2} {
		if err == nil || !strings.Contains(err.Error(), "stand-in does not know") {
			t.Errorf("error %v", err)
		}
	}
}
