package secrets_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/smithy-go"

	"wedata-unbind/internal/secrets"
)

const content = "TOKEN-abcdefghijklmnop"

// newClient returns the real SDK client of a Secrets Manager that answers every call with one HTTP reply.
func newClient(tb testing.TB, status int, body string) *secretsmanager.Client {
	tb.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if status == 0 {
			panic(http.ErrAbortHandler) // the connection is reset
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	tb.Cleanup(server.Close)
	return secretsmanager.New(secretsmanager.Options{
		Region: "eu-central-1", BaseEndpoint: aws.String(server.URL), Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider("AKID", "SECRET", ""),
	})
}

func TestEachFaultHasItsOwnMessage(t *testing.T) {
	for _, tc := range []struct {
		name      string
		status    int
		body      string
		reason    secrets.Reason
		temporary bool
		says      string // part of the error: what to do, or the text of AWS
	}{
		{
			"missing", 400, `{"__type":"ResourceNotFoundException","Message":"Secrets Manager can't find the specified secret."}`,
			secrets.Missing, false, "create it in this function's account and region",
		},
		{
			"marked for deletion", 400,
			`{"__type":"InvalidRequestException","Message":"You can't perform this operation on the secret because it was marked for deletion."}`,
			secrets.MarkedForDeletion, false, "restore-secret",
		},
		{
			"denied", 400, `{"__type":"AccessDeniedException","Message":"User: arn:aws:sts::123456789012:assumed-role/r/f is not authorized to perform: secretsmanager:GetSecretValue"}`,
			secrets.Denied, false, "allow this function's role secretsmanager:GetSecretValue on this secret",
		},
		{
			"denied by KMS", 400, `{"__type":"AccessDeniedException","Message":"Access to KMS is not allowed"}`,
			secrets.Denied, false, "Access to KMS is not allowed",
		},
		{
			"undecryptable", 400, `{"__type":"DecryptionFailure","Message":"Secrets Manager can't decrypt the protected secret text using the provided KMS key."}`,
			secrets.Undecryptable, false, "KMS key is enabled",
		},
		{"binary", 200, `{"SecretBinary":"VE9LRU4tYWJjZGVmZ2hpamtsbW5vcA==","VersionId":"v1"}`, secrets.Binary, false, "SecretString"},
		{"empty", 200, `{"SecretString":"","VersionId":"v1"}`, secrets.Empty, false, "write its value"},
		{"blank", 200, `{"SecretString":" \n","VersionId":"v1"}`, secrets.Empty, false, "write its value"},
		{"no value at all", 200, `{}`, secrets.Empty, false, "write its value"},
		{
			"bad name", 400, `{"__type":"ValidationException","Message":"Invalid name.\nMust be a valid name"}`,
			secrets.Refused, false, "(ValidationException: Invalid name. Must be a valid name)",
		},
		{"bad credentials", 400, `{"__type":"UnrecognizedClientException","Message":"The security token is invalid."}`, secrets.Refused, false, "credentials"},
		{"a proxy's refusal", 403, `<html>`, secrets.Refused, false, "unreadable reply, HTTP 403"},
		{"throttled", 400, `{"__type":"ThrottlingException","Message":"Rate exceeded"}`, secrets.Throttled, true, "tried again later"},
		{"throttled by status", 429, `{}`, secrets.Throttled, true, "tried again later"},
		{"internal error", 500, `{"__type":"InternalServiceError","Message":"An error occurred"}`, secrets.ServerFault, true, "InternalServiceError"},
		{"unavailable", 503, `<html>busy</html>`, secrets.ServerFault, true, "unreadable reply, HTTP 503"},
		{"connection reset", 0, "", secrets.Unreachable, true, "VPC endpoint"},
		{"cut off", 200, `{"SecretString":"` + content, secrets.Unreachable, true, "unreadable reply, HTTP 200"},
		{"not JSON", 200, content, secrets.Unreachable, true, "unreadable reply, HTTP 200"},
		{"of another kind", 200, `{"SecretString":["` + content + `"]}`, secrets.Unreachable, true, "unreadable reply, HTTP 200"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, err := secrets.New(newClient(t, tc.status, tc.body), secrets.Config{}).Get(t.Context(), id)
			wantReason(t, err, tc.reason)
			var temporary interface{ Temporary() bool }
			if !errors.As(fmt.Errorf("wrapped: %w", err), &temporary) || temporary.Temporary() != tc.temporary {
				t.Errorf("Temporary is not %v", tc.temporary)
			}
			var classified interface{ Class() string }
			if !errors.As(err, &classified) || classified.Class() != "secret" {
				t.Error("the class is not secret")
			}
			text := err.Error()
			if !strings.HasPrefix(text, "secrets: read wedata/token: "+string(tc.reason)+": ") || !strings.Contains(text, tc.says) {
				t.Errorf("error %q does not say %q", text, tc.says)
			}
			if strings.Contains(text, content) || strings.Contains(fmt.Sprintf("%#v", err), content) || strings.Contains(text, "\n") {
				t.Errorf("error %q", text)
			}
			if s != (secrets.Secret{}) {
				t.Error("a result beside the error")
			}
		})
	}
}

func TestNoServerListens(t *testing.T) {
	client := newClient(t, 200, "")
	server := httptest.NewServer(nil)
	server.Close()
	_, err := secrets.New(secretsmanager.New(client.Options(), func(o *secretsmanager.Options) {
		o.BaseEndpoint = aws.String(server.URL)
	}), secrets.Config{}).Get(t.Context(), id)
	wantReason(t, err, secrets.Unreachable)
}

func TestTheSDKReadsASecret(t *testing.T) {
	client := newClient(t, 200, `{"Name":"wedata/token","SecretString":"`+content+`\n","VersionId":"v1","CreatedDate":1.7953956E9}`)
	s, err := secrets.New(client, secrets.Config{}).Get(t.Context(), id)
	if err != nil || s.Value != content+"\n" || s.Version != "v1" || s.Written.Unix() != 1795395600 {
		t.Errorf("= %q %q %v, %v", s.Value, s.Version, s.Written, err)
	}
}

func TestASecretNeverShowsItsValue(t *testing.T) {
	s := secrets.Secret{ID: id, Value: content, Version: "v1"}
	holder := struct{ Secret secrets.Secret }{s}
	for _, v := range []any{s, &s, holder, &holder, []secrets.Secret{s}, map[string]secrets.Secret{"s": s}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%q", "%s", "%x", "%X", "%d", "%t", "%o"} {
			got := fmt.Sprintf(verb, v)
			if strings.Contains(got, content) || strings.Contains(strings.ToLower(got), fmt.Sprintf("%x", content)) {
				t.Errorf("%s of %T shows the value", verb, v)
			}
		}
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("m", "secret", v)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "secret", v)
		_ = json.NewEncoder(&log).Encode(v)
		if strings.Contains(log.String(), content) {
			t.Errorf("the log of %T shows the value: %s", v, log.String())
		}
	}
	if got, want := fmt.Sprintf("%v %#v %q", s, s, s), "wedata/token:*** wedata/token:*** wedata/token:***"; got != want {
		t.Errorf("= %q, want %q", got, want)
	}
}

func BenchmarkGet(b *testing.B) {
	client := newClient(b, 200, `{"SecretString":"`+content+`","VersionId":"v1"}`)
	for _, bc := range []struct {
		name string
		cfg  secrets.Config
	}{
		{"cached", secrets.Config{}},
		{"read", secrets.Config{TTL: 1}}, // a nanosecond: the real SDK asks a server on loopback
	} {
		b.Run(bc.name, func(b *testing.B) {
			c := secrets.New(client, bc.cfg)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Get(b.Context(), id); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// A token that was pasted in the place of a secret's name was logged.
func TestALongNameIsNotShown(t *testing.T) {
	token := strings.Repeat("54_aB3", 30)
	err := &secrets.Error{ID: token, Reason: secrets.Missing}
	if strings.Contains(err.Error(), token) || !strings.Contains(err.Error(), "it may be a token") {
		t.Errorf("got %v", err)
	}
}

// AWS quotes the name where access is denied, and the name may be a token that somebody pasted in its place.
func TestATokenInThePlaceOfANameIsNotShown(t *testing.T) {
	pasted := "61_" + strings.Repeat("Lk9wQz7Xv2Rb5TnY8Hd3Gs6", 6)
	denied := &smithy.GenericAPIError{Code: "AccessDeniedException", Message: "User: arn:aws:sts::123456789012:assumed-role/unbind " +
		"is not authorized to perform: secretsmanager:GetSecretValue on resource: " + pasted + " because no policy allows it"}
	for _, cause := range []error{denied, nil} {
		err := &secrets.Error{ID: pasted, Reason: secrets.Denied, Err: cause}
		if text := err.Error(); strings.Contains(text, pasted[:12]) || !strings.Contains(text, "it may be a token") {
			t.Errorf("got %s", text)
		}
	}
	if text := (&secrets.Error{ID: "", Reason: secrets.Denied, Err: denied}).Error(); !strings.Contains(text, "not authorized to perform: s") {
		t.Errorf("got %s", text)
	}
}
