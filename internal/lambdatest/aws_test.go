package lambdatest

import (
	"context"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	smtypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go"
)

// cloud returns the services, and SDK clients of them that try once only.
func cloud(t *testing.T) (*AWS, *secretsmanager.Client, *sqs.Client) {
	t.Helper()
	a := NewAWS()
	server, err := Serve("127.0.0.1:0", a)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		server.Close()
	})
	config := aws.Config{
		Region: Region, BaseEndpoint: &server.URL, HTTPClient: &http.Client{Transport: transport},
		Retryer: func() aws.Retryer { return aws.NopRetryer{} },
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "a", SecretAccessKey: "b"}, nil
		}),
	}
	return a, secretsmanager.NewFromConfig(config), sqs.NewFromConfig(config)
}

func get(ctx context.Context, client *secretsmanager.Client, id string) (*secretsmanager.GetSecretValueOutput, error) {
	return client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &id})
}

func TestSecretsAreFoundByNameAndARN(t *testing.T) {
	a, client, _ := cloud(t)
	written := time.Date(2026, 11, 23, 1, 2, 3, 0, time.UTC)
	a.Secrets.PutAt("wedata/token", "first", written)
	a.Secrets.PutBinary("binary", []byte{0, 255})

	full := SecretARN("wedata/token")
	for name, id := range map[string]string{"name": "wedata/token", "ARN": full, "ARN without its last characters": full[:len(full)-7]} {
		t.Run(name, func(t *testing.T) {
			out, err := get(t.Context(), client, id)
			if err != nil {
				t.Fatal(err)
			}
			if *out.SecretString != "first" || *out.Name != "wedata/token" || *out.ARN != full || !out.CreatedDate.Equal(written) {
				t.Errorf("got %+v", out)
			}
		})
	}
	before, _ := get(t.Context(), client, "wedata/token")
	a.Secrets.Put("wedata/token", "second")
	after, err := get(t.Context(), client, "wedata/token")
	if err != nil || *after.SecretString != "second" || *after.VersionId == *before.VersionId {
		t.Errorf("after a rotation %+v, %v", after, err)
	}
	if n := a.Secrets.Reads("wedata/token"); n != 5 {
		t.Errorf("%d reads, want 5", n)
	}
	if out, err := get(t.Context(), client, "binary"); err != nil || out.SecretString != nil || string(out.SecretBinary) != "\x00\xff" {
		t.Errorf("binary %+v, %v", out, err)
	}
	a.Secrets.Delete("wedata/token")
	for _, id := range []string{"wedata/token", full} {
		if _, err := get(t.Context(), client, id); !errors.As(err, new(*smtypes.ResourceNotFoundException)) {
			t.Errorf("%s when deleted: %v", id, err)
		}
	}
}

func TestFaults(t *testing.T) {
	for name, row := range map[string]struct {
		fault  Fault
		code   string // of the SDK's API error, "" where there is none
		status int
		text   string
	}{
		"an error code":             {Fault{Code: "AccessDeniedException", Message: "not yours"}, "AccessDeniedException", 400, "not yours"},
		"a server's error code":     {Fault{Code: "InternalServiceError"}, "InternalServiceError", 500, ""},
		"a code at a status":        {Fault{Code: "ThrottlingException", Status: 429}, "ThrottlingException", 429, ""},
		"a proxy's error":           {Fault{Status: 503, Body: "<html>busy</html>"}, "", 503, ""},
		"a closed connection":       {Fault{Drop: true}, "", 0, "EOF"},
		"no answer":                 {Fault{Hang: true}, "", 0, "deadline exceeded"},
		"an answer that gets lost":  {Fault{After: true, Drop: true}, "", 0, "EOF"},
		"another operation's fault": {Fault{Operation: "PutSecretValue", Code: "X"}, "none", 200, ""},
		"only late":                 {Fault{Delay: time.Millisecond}, "none", 200, ""},
	} {
		t.Run(name, func(t *testing.T) {
			a, client, _ := cloud(t)
			a.Secrets.Put("s", "value")
			a.Secrets.Fail(row.fault)
			ctx := t.Context()
			if row.fault.Hang {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, 20*time.Millisecond)
				defer cancel()
			}
			out, err := get(ctx, client, "s")
			if row.code == "none" {
				if err != nil || *out.SecretString != "value" {
					t.Fatalf("got %+v, %v", out, err)
				}
				return
			}
			var api smithy.APIError
			if errors.As(err, &api); row.code != "" && (api == nil || api.ErrorCode() != row.code) {
				t.Errorf("error %v, want code %s", err, row.code)
			}
			var response interface{ HTTPStatusCode() int }
			if errors.As(err, &response); row.status != 0 && (response == nil || response.HTTPStatusCode() != row.status) {
				t.Errorf("error %v, want status %d", err, row.status)
			}
			if err == nil || !strings.Contains(err.Error(), row.text) {
				t.Errorf("error %v, want %q in it", err, row.text)
			}
			if _, err := get(t.Context(), client, "s"); err != nil {
				t.Errorf("the fault was to happen once: %v", err)
			}
			if n := a.Secrets.Reads("s"); n != 2 {
				t.Errorf("%d reads counted, want both", n)
			}
		})
	}
}

func TestFaultsComeInTheirOrderAndHeal(t *testing.T) {
	a, client, _ := cloud(t)
	a.Secrets.Put("s", "value")
	a.Secrets.Fail(Fault{Code: "ThrottlingException", Times: 2})
	a.Secrets.Fail(Fault{Code: "DecryptionFailure", Times: -1})
	var got []string
	for range 4 {
		_, err := get(t.Context(), client, "s")
		var api smithy.APIError
		if !errors.As(err, &api) {
			t.Fatal(err)
		}
		got = append(got, api.ErrorCode())
	}
	if want := "ThrottlingException ThrottlingException DecryptionFailure DecryptionFailure"; strings.Join(got, " ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
	a.Secrets.Heal()
	if _, err := get(t.Context(), client, "s"); err != nil {
		t.Error(err)
	}
}

func TestOperationsThatTheStandInDoesNotHave(t *testing.T) {
	_, client, queues := cloud(t)
	_, err := client.ListSecrets(t.Context(), &secretsmanager.ListSecretsInput{})
	_, err2 := queues.ListQueues(t.Context(), &sqs.ListQueuesInput{})
	for _, err := range []error{err, err2} {
		if err == nil || !strings.Contains(err.Error(), "stand-in does not know") {
			t.Errorf("error %v", err)
		}
	}
}

func TestServeOnATakenAddress(t *testing.T) {
	server, err := Serve("127.0.0.1:0", http.NotFoundHandler())
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	if _, err := Serve(server.Addr, http.NotFoundHandler()); !errors.As(err, new(*os.SyscallError)) {
		t.Errorf("error %v", err)
	}
}
