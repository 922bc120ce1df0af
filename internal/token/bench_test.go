package token_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"wedata-unbind/internal/secrets"
	"wedata-unbind/internal/token"
)

// BenchmarkToken compares a token from the cache with one that the real SDK reads from a server on loopback.
func BenchmarkToken(b *testing.B) {
	index := make([]string, 300)
	for i := range index {
		index[i] = fmt.Sprintf(`"wx%016x":{"authorizer_access_token":"%s"}`, i, strings.Repeat("t", 138))
	}
	for _, form := range []struct{ name, value string }{
		{"bare", strings.Repeat("t", 138)},
		{"index of 300", `{"authorizers":{` + strings.Join(index, ",") + `}}`},
	} {
		merchant := ""
		if form.name != "bare" {
			merchant = "wx000000000000012b"
		}
		version := 0 // each read brings another one, so that it is parsed
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			version++
			_, _ = fmt.Fprintf(w, `{"SecretString":%q,"VersionId":"%d"}`, form.value, version)
		}))
		b.Cleanup(server.Close)
		client := secretsmanager.New(secretsmanager.Options{
			Region: "eu-central-1", BaseEndpoint: aws.String(server.URL),
			Credentials: credentials.NewStaticCredentialsProvider("AKID", "SECRET", ""),
		})
		for _, state := range []struct {
			name string
			cfg  secrets.Config
		}{
			{"cached", secrets.Config{}},
			{"read", secrets.Config{TTL: 1}}, // a nanosecond
		} {
			b.Run(form.name+"/"+state.name, func(b *testing.B) {
				store := token.New(secrets.New(client, state.cfg), root)
				b.ReportAllocs()
				for b.Loop() {
					if _, err := store.Token(b.Context(), merchant); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
