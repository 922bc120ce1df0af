package events

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	awsevents "github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/source"
)

// httpReply is a reply as REST APIs (payload format 1.0), HTTP APIs and function URLs (2.0) all read it.
type httpReply struct {
	StatusCode int               `json:"statusCode"`
	Headers    map[string]string `json:"headers"`
	Body       string            `json:"body"`
}

// httpV1 is a request through a REST API.
func (h *Handler) httpV1(ctx context.Context, raw []byte) ([]byte, error) {
	var event awsevents.APIGatewayProxyRequest
	if err := json.Unmarshal(raw, &event); err != nil {
		return departure.Marshal(h.problem(ctx, "", http.StatusBadRequest, fmt.Errorf("payload format 1.0: %w", err)))
	}
	body, err := decodeBody(event.Body, event.IsBase64Encoded)
	if err != nil {
		return departure.Marshal(h.problem(ctx, "", http.StatusBadRequest, err))
	}
	return departure.Marshal(h.serve(ctx, source.Request{
		Method: event.HTTPMethod,
		Path:   event.Path,
		Query:  multiple(event.MultiValueQueryStringParameters, event.QueryStringParameters),
		Header: canonical(multiple(event.MultiValueHeaders, event.Headers)),
		Body:   body,
	}))
}

// httpV2 is a request through an HTTP API or a function URL. Its front ends write header names in lower case, and join the
// values of a repeated one with commas.
func (h *Handler) httpV2(ctx context.Context, raw []byte) ([]byte, error) {
	var event awsevents.APIGatewayV2HTTPRequest
	if err := json.Unmarshal(raw, &event); err != nil {
		return departure.Marshal(h.problem(ctx, "", http.StatusBadRequest, fmt.Errorf("payload format 2.0: %w", err)))
	}
	body, err := decodeBody(event.Body, event.IsBase64Encoded)
	if err != nil {
		return departure.Marshal(h.problem(ctx, "", http.StatusBadRequest, err))
	}
	query, _ := url.ParseQuery(event.RawQueryString) // what cannot be read of it proves nothing, and is missed where it counts
	return departure.Marshal(h.serve(ctx, source.Request{
		Method: event.RequestContext.HTTP.Method,
		Path:   event.RawPath,
		Query:  query,
		Header: canonical(multiple(nil, event.Headers)),
		Body:   body,
	}))
}

// problem is the reply to a request that is refused (RFC 9457). It tells a stranger nothing but the status and the
// request id, by which the source and the reason are found in the log.
func (h *Handler) problem(ctx context.Context, source string, status int, reason error) httpReply {
	headers := map[string]string{"Content-Type": "application/problem+json"}
	log := h.cfg.Log.With("trigger", triggerHTTP, "source", source, "http_status", status, "reason", reason.Error())
	switch status {
	case http.StatusUnauthorized:
		log.WarnContext(ctx, "signature refused")
	case http.StatusServiceUnavailable:
		log.ErrorContext(ctx, "request not served")
		headers["Retry-After"] = "30"
	default:
		log.WarnContext(ctx, "request refused")
	}
	if status == http.StatusMethodNotAllowed {
		headers["Allow"] = http.MethodPost
	}
	problem := map[string]any{"type": "about:blank", "title": http.StatusText(status), "status": status}
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		problem["instance"] = lc.AwsRequestID
	}
	return jsonReply(status, headers, problem)
}

func jsonReply(status int, headers map[string]string, body any) httpReply {
	text, err := departure.Marshal(body)
	if err != nil {
		return httpReply{StatusCode: http.StatusInternalServerError}
	}
	return httpReply{status, headers, string(text)}
}

func decodeBody(body string, isBase64 bool) ([]byte, error) {
	if !isBase64 {
		return []byte(body), nil
	}
	decoded, err := base64.StdEncoding.DecodeString(body)
	if err != nil {
		return nil, fmt.Errorf("body: %w", err)
	}
	return decoded, nil
}

// multiple returns the many-valued map where the front end sent one, else the single-valued one.
func multiple(many map[string][]string, single map[string]string) map[string][]string {
	if len(many) > 0 {
		return many
	}
	values := make(map[string][]string, len(single))
	for name, value := range single {
		values[name] = []string{value}
	}
	return values
}

// canonical writes header names in one case, since the front ends differ in it.
func canonical(values map[string][]string) http.Header {
	header := http.Header{}
	for name, list := range values {
		for _, value := range list {
			header.Add(name, value)
		}
	}
	return header
}
