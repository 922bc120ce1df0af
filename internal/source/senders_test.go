package source

import (
	"context"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/smithy-go"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/secrets"
	"wedata-unbind/internal/source/sourcetest"
)

// now is when every test happens.
var now = time.Date(2026, 11, 23, 1, 0, 0, 0, time.UTC)

func sample(t testing.TB, name string) []byte {
	t.Helper()
	body, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// vault is a Secrets Manager with one secret, whose versions it returns in turn, the last one again and again. An empty
// version is an error.
type vault struct {
	versions []string
	reads    int
}

var errVault = &smithy.GenericAPIError{Code: "ThrottlingException", Message: "Rate exceeded"}

func (v *vault) GetSecretValue(
	context.Context, *secretsmanager.GetSecretValueInput, ...func(*secretsmanager.Options),
) (*secretsmanager.GetSecretValueOutput, error) {
	version := v.versions[min(v.reads, len(v.versions)-1)]
	v.reads++
	if version == "" {
		return nil, errVault
	}
	return &secretsmanager.GetSecretValueOutput{SecretString: &version, VersionId: &version}, nil
}

// registryOf returns a Registry that reads the vault through a cache like the function's.
func registryOf(v *vault) *Registry {
	return New(Config{
		Secrets: secrets.New(v, secrets.Config{Hold: time.Minute}), SecretID: "sources",
		Now: func() time.Time { return now }, Decoder: departure.Decoder{Zone: time.FixedZone("+08:00", 8*60*60)},
	})
}

// newRegistry returns a Registry of one source, hr, with this entry.
func newRegistry(entry string) *Registry {
	return registryOf(&vault{versions: []string{`{"hr":` + entry + `}`}})
}

var envelope = departure.Meta{ID: "request-1", Source: "hr", Time: now}

func receive(reg *Registry, r sourcetest.Request) (Delivery, error) {
	return reg.Receive(context.Background(), "hr", httpRequest(r), r.Body, envelope)
}

func httpRequest(r sourcetest.Request) *http.Request {
	return &http.Request{
		Method: r.Method, URL: &url.URL{Path: "/hooks/hr", RawQuery: r.Query.Encode()}, Header: r.Header,
	}
}

// tell writes events as a table can hold them.
func tell(events []departure.Event) string {
	var lines []string
	for _, e := range events {
		line := strings.TrimPrefix(e.Type, "employee.")
		if e.Status != "" {
			line = string(e.Status) + ": " + e.Detail
		}
		if len(e.UIDs) > 0 {
			line += " " + strings.Join(e.UIDs, ",")
		}
		if len(e.Merchants) > 0 {
			line += " of " + strings.Join(e.Merchants, ",")
		}
		if !e.EffectiveAt.IsZero() {
			line += " at " + e.EffectiveAt.Format(time.RFC3339)
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "; ")
}

// post returns a request with these headers, name and value in turn.
func post(body []byte, headers ...string) sourcetest.Request {
	r := sourcetest.Request{Method: http.MethodPost, Query: url.Values{}, Header: http.Header{}, Body: body}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

// The senders below are those of sourcetest, with the keys of the entries in these tests.

const (
	webhookKey  = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	encryptKey  = "encrypt key"
	aesKey      = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"
	sealedEntry = `"token":"callback token","aes_key":"` + aesKey + `","owner_keys":["corp","suite"]`
)

func fromStandardWebhooks(body []byte) sourcetest.Request {
	return sourcetest.StandardWebhooks(webhookKey, now, body)
}

func fromHMAC(body []byte) sourcetest.Request {
	return sourcetest.HMAC("hmac key", "X-Signature", body)
}

func fromOkta(body []byte) sourcetest.Request { return sourcetest.Okta("okta key", body) }

func sealFeishu(event []byte) []byte { return sourcetest.SealFeishu(encryptKey, event) }

func signFeishu(body []byte) sourcetest.Request { return sourcetest.SignFeishu(encryptKey, now, body) }

func fromDingTalk(event []byte) sourcetest.Request {
	return sourcetest.DingTalk("callback token", aesKey, "corp", now, event)
}

func fromWeCom(message []byte, owner string) sourcetest.Request {
	return sourcetest.WeCom("callback token", aesKey, owner, now, message)
}
