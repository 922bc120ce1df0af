package events

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"wedata-unbind/internal/departure"
	"wedata-unbind/internal/source"
	"wedata-unbind/internal/strictjson"
)

const triggerHTTP = "http"

// isHTTP reports whether the event is an HTTP request: from an HTTP API or a function URL (payload format 2.0), or
// from a REST API (1.0).
func isHTTP(e event) bool {
	return !e.Has("Records") && e.context != nil && !e.context.Has("elb") &&
		(e.context.Has("http") || e.Has("httpMethod"))
}

// http answers an HTTP request. It returns no error for a refused request, but a response with an HTTP status.
func (h *Handler) http(ctx context.Context, e event) ([]byte, error) {
	w := &response{header: http.Header{}}
	if r, body, err := readRequest(ctx, e); err != nil {
		h.problem(ctx, w, "", http.StatusBadRequest, err, "")
	} else {
		h.route(w, r, body)
	}
	return w.marshal()
}

// route serves a webhook on a path that ends in /hooks/{source}, and a departure on one that ends in /unbind.
func (h *Handler) route(w http.ResponseWriter, r *http.Request, body []byte) {
	segments := strings.Split(r.URL.EscapedPath(), "/")
	last := len(segments) - 1
	switch name, err := url.PathUnescape(segments[last]); {
	case err == nil && last > 0 && segments[last-1] == "hooks" && name != "":
		h.hook(w, r, name, body)
	case err == nil && last > 0 && name == sourceOfUnbind:
		h.unbind(w, r, body)
	default:
		h.problem(r.Context(), w, "", http.StatusNotFound, errors.New("no such path"), "")
	}
}

// readRequest returns the request in an event of either payload format, and the body byte by byte as it was sent.
func readRequest(ctx context.Context, e event) (*http.Request, []byte, error) {
	var (
		method, path, query, text string
		isBase64                  bool
		headers, parameters       map[string]string
		manyHeaders, manyValues   map[string][]string
	)
	for name, to := range map[string]any{
		"httpMethod": &method, "path": &path, // payload format 1.0
		"multiValueHeaders":     &manyHeaders,
		"queryStringParameters": &parameters, "multiValueQueryStringParameters": &manyValues,
		"rawPath": &path, "rawQueryString": &query, // payload format 2.0
		"headers": &headers, "body": &text, "isBase64Encoded": &isBase64,
	} {
		if err := e.Decode(name, to); err != nil {
			return nil, nil, err
		}
	}
	if e.context.Has("http") {
		var v2 struct {
			Method string `json:"method"`
		}
		if err := e.context.Decode("http", &v2); err != nil {
			return nil, nil, err
		}
		method = v2.Method
	} else {
		query = url.Values(multiple(manyValues, parameters)).Encode()
	}
	body := []byte(text)
	if isBase64 {
		var err error
		if body, err = base64.StdEncoding.DecodeString(text); err != nil {
			return nil, nil, fmt.Errorf("body: %w", err)
		}
	}
	r, err := http.NewRequestWithContext(ctx, method, "/", nil)
	if err != nil {
		return nil, nil, errors.New("the method cannot be read")
	}
	// Some front ends decode the path, others do not. A path that cannot be decoded is taken as it is.
	r.URL.RawQuery, r.URL.Path, r.URL.RawPath = query, path, ""
	if decoded, err := url.PathUnescape(path); err == nil {
		r.URL.Path, r.URL.RawPath = decoded, path
	}
	// The front ends write names in different cases. HTTP APIs join the values of a repeated header with commas.
	for name, values := range multiple(manyHeaders, headers) {
		for _, value := range values {
			r.Header.Add(name, value)
		}
	}
	return r, body, nil
}

// multiple returns many if it has entries, otherwise single with each value as a list of one. Front ends send one of
// the two maps, or both.
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

// response is the reply to a request, in the form that REST APIs, HTTP APIs and function URLs read.
type response struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements [http.ResponseWriter].
func (w *response) Header() http.Header { return w.header }

// WriteHeader implements [http.ResponseWriter].
func (w *response) WriteHeader(status int) { w.status = status }

// Write implements [http.ResponseWriter].
func (w *response) Write(p []byte) (int, error) { return w.body.Write(p) }

func (w *response) marshal() ([]byte, error) {
	headers := map[string]string{}
	for name := range w.header {
		headers[name] = w.header.Get(name)
	}
	return strictjson.Marshal(struct {
		Status  int               `json:"statusCode"`
		Headers map[string]string `json:"headers"`
		Body    string            `json:"body"`
	}{w.status, headers, w.body.String()})
}

func writeJSON(w http.ResponseWriter, status int, contentType string, body any) {
	text, err := strictjson.Marshal(body)
	if err != nil {
		status, text = http.StatusInternalServerError, nil
	}
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	_, _ = w.Write(text) // a write to memory, which does not fail
}

// refuse answers a request that a source refused with err.
func (h *Handler) refuse(ctx context.Context, w http.ResponseWriter, name string, err error) {
	detail := ""
	if errors.Is(err, source.ErrMalformed) { // the request is verified
		detail = err.Error()
	}
	if !departure.IsWord(name) { // anybody may have sent this name: do not log it
		name = ""
	}
	h.problem(ctx, w, name, statusOf(err), err, detail)
}

// problem refuses a request (RFC 9457). The reply has the status and the request id, by which the log shows the source
// and the reason. The detail must be "" unless the caller is verified.
func (h *Handler) problem(
	ctx context.Context, w http.ResponseWriter, name string, status int, reason error, detail string,
) {
	level, message := slog.LevelWarn, "request refused"
	switch status {
	case http.StatusUnauthorized:
		message = "signature refused"
	case http.StatusServiceUnavailable:
		level, message = slog.LevelError, "request not served"
		w.Header().Set("Retry-After", "30")
	case http.StatusMethodNotAllowed:
		w.Header().Set("Allow", http.MethodPost)
	}
	h.cfg.Log.Log(ctx, level, message,
		"trigger", triggerHTTP, "source", name, "http_status", status, "reason", reason.Error())
	writeJSON(w, status, "application/problem+json", struct {
		Detail   string `json:"detail,omitzero"`
		Instance string `json:"instance,omitzero"`
		Status   int    `json:"status"`
		Title    string `json:"title"`
		Type     string `json:"type"`
	}{detail, requestID(ctx), status, http.StatusText(status), "about:blank"})
}

// statusOf is the status for an error of a source. Any other error is ours: 503.
func statusOf(err error) int {
	for _, row := range []struct {
		err    error
		status int
	}{
		{source.ErrUnknownSource, http.StatusNotFound},
		{source.ErrMethod, http.StatusMethodNotAllowed},
		{source.ErrTooLarge, http.StatusRequestEntityTooLarge},
		{source.ErrNotVerified, http.StatusUnauthorized},
		{source.ErrMalformed, http.StatusBadRequest},
	} {
		if errors.Is(err, row.err) {
			return row.status
		}
	}
	return http.StatusServiceUnavailable
}
