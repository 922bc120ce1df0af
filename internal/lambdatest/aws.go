package lambdatest

import (
	"net/http"
	"strings"
)

// AWS is all the services behind one address: what AWS_ENDPOINT_URL in a function's environment points at.
type AWS struct {
	Secrets *SecretsManager
	SQS     *SQS
}

// NewAWS returns empty services.
func NewAWS() *AWS { return &AWS{Secrets: NewSecretsManager(), SQS: NewSQS()} }

// ServeHTTP gives the request to the service that it is meant for.
func (a *AWS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	service, _, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	switch service {
	case a.Secrets.target:
		a.Secrets.ServeHTTP(w, r)
	case a.SQS.target:
		a.SQS.ServeHTTP(w, r)
	default:
		http.NotFound(w, r)
	}
}
