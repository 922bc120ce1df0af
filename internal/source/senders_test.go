package source

import (
	"context"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

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

// vault is a Secrets that counts its reads.
type vault struct {
	value   string // what Get returns
	renewed string // what Renew returns, if not ""
	err     error  // what Renew errs with
	renews  int
}

func (v *vault) Get(_ context.Context, id string) (secrets.Secret, error) {
	return secrets.Secret{ID: id, Value: v.value, Version: v.value}, nil
}

func (v *vault) Renew(ctx context.Context, seen secrets.Secret) (secrets.Secret, error) {
	v.renews++
	if v.renewed != "" {
		v.value = v.renewed
	}
	if v.err != nil {
		return secrets.Secret{}, v.err
	}
	return v.Get(ctx, seen.ID)
}

// newBook returns a Book of one source, hr, with this entry.
func newBook(entry string) *Book { return bookOf(&vault{value: `{"hr":` + entry + `}`}) }

func bookOf(v *vault) *Book {
	return New(Config{
		Secrets: v, SecretID: "sources", Now: func() time.Time { return now },
		Decoder: departure.Decoder{Zone: time.FixedZone("+08:00", 8*60*60)},
	})
}

var envelope = departure.Meta{ID: "request-1", Source: "hr", Time: now}

func receive(b *Book, r Request) (Delivery, error) {
	return b.Receive(context.Background(), "hr", r, envelope)
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
func post(body []byte, headers ...string) Request {
	r := Request{Method: http.MethodPost, Path: "/hooks/hr", Query: url.Values{}, Header: http.Header{}, Body: body}
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

func from(r sourcetest.Request) Request {
	return Request{Method: r.Method, Path: "/hooks/hr", Query: r.Query, Header: r.Header, Body: r.Body}
}

func fromStandardWebhooks(body []byte) Request {
	return from(sourcetest.StandardWebhooks(webhookKey, now, body))
}

func fromHMAC(body []byte) Request { return from(sourcetest.HMAC("hmac key", "X-Signature", body)) }

func fromOkta(body []byte) Request { return from(sourcetest.Okta("okta key", body)) }

func sealFeishu(event []byte) []byte { return sourcetest.SealFeishu(encryptKey, event) }

func signFeishu(body []byte) Request { return from(sourcetest.SignFeishu(encryptKey, now, body)) }

func fromDingTalk(event []byte) Request {
	return from(sourcetest.DingTalk("callback token", aesKey, "corp", now, event))
}

func fromWeCom(message []byte, owner string) Request {
	return from(sourcetest.WeCom("callback token", aesKey, owner, now, message))
}
