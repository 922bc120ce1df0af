package e2e

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"testing"
	"time"

	"wedata-unbind/internal/source/sourcetest"
)

// The keys in the desk's sources, which these tests use too.
const (
	deskKey   = "key-of-the-desk"
	deskToken = "token-of-the-desk"
	deskAES   = "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C"
	deskCorp  = "corp-of-the-desk"
)

// deskSources returns the sources of make run, with one member added to each.
func deskSources(t *testing.T, name string, value any) string {
	t.Helper()
	text, err := os.ReadFile("../internal/lambdatest/desk/sources.json")
	if err != nil {
		t.Fatal(err)
	}
	var sources map[string]map[string]any
	if err := json.Unmarshal(text, &sources); err != nil {
		t.Fatal(err)
	}
	for _, entry := range sources {
		entry[name] = value
	}
	text, err = json.Marshal(sources)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// signed returns a signed webhook of the source hr.
func signed(body string) sourcetest.Request {
	return sourcetest.HMAC(deskKey, "X-Signature", []byte(body))
}

// handshake is the request by which a vendor verifies the address once.
type handshake struct {
	name, path string
	request    sourcetest.Request
	want       string
}

func handshakes() []handshake {
	challenge := []byte(`{"challenge":"ajls384kdjx98XX","token":"` + deskToken + `","type":"url_verification"}`)
	return []handshake{
		{
			"Feishu", "/hooks/lark",
			sourcetest.Request{Method: http.MethodPost, Body: challenge},
			`{"challenge":"ajls384kdjx98XX"}`,
		},
		{
			"WeCom", "/hooks/wecom",
			sourcetest.WeComEcho(deskToken, deskAES, deskCorp, time.Now(), "1616140317555161061"), "1616140317555161061",
		},
		{"Okta", "/hooks/okta", sourcetest.OktaChallenge(deskKey, "ODQ0MjYwMTEz"), `{"verification":"ODQ0MjYwMTEz"}`},
	}
}

// deliver sends the request to an API and returns status, content type and body of the reply. The host is optional; it
// replaces the one in base.
func deliver(t *testing.T, base, host, path string, r sourcetest.Request) (status int, contentType, body string) {
	t.Helper()
	target := base + path + "?" + r.Query.Encode()
	request, err := http.NewRequestWithContext(t.Context(), r.Method, target, bytes.NewReader(r.Body))
	if err != nil {
		t.Fatal(err)
	}
	if r.Header != nil {
		request.Header = r.Header.Clone()
	}
	request.Host = host
	reply, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply.StatusCode, reply.Header.Get("Content-Type"), string(text)
}
