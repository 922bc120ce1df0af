package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// recorder notes all calls of the function, to whichever service, in their order.
type recorder struct {
	queues map[string]string // names of queues by URL
	done   func(*call)       // optional, called after each call

	mu    sync.Mutex
	calls []*call
}

// call is one call as a person reads it.
type call struct{ service, request, result string }

// take returns the calls since it was last called.
func (c *recorder) take() []call {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []call
	for _, one := range c.calls {
		out = append(out, *one)
	}
	c.calls = nil
	return out
}

func (c *recorder) wrap(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		one := &call{result: "no reply"}
		read := c.describeWeChat
		if r.Header.Get("X-Amz-Target") != "" {
			read = c.describeAWS
		}
		var result func(status int, reply []byte) string
		one.service, one.request, result = read(r, body)
		c.mu.Lock()
		c.calls = append(c.calls, one)
		c.mu.Unlock()

		reply := &tee{ResponseWriter: w}
		defer func() { // also where the stand-in breaks the connection, which is a panic
			c.mu.Lock()
			defer c.mu.Unlock()
			if reply.status != 0 {
				one.result = result(reply.status, reply.body.Bytes())
			}
			if c.done != nil {
				c.done(one)
			}
		}()
		h.ServeHTTP(reply, r)
	})
}

// hush has no further call shown, and waits for the one that is being shown.
func (c *recorder) hush() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done = nil
}

// tee keeps the beginning of what passes through it.
type tee struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (t *tee) WriteHeader(status int) {
	t.status = status
	t.ResponseWriter.WriteHeader(status)
}

func (t *tee) Write(b []byte) (int, error) {
	t.status = cmp.Or(t.status, http.StatusOK)
	const most = 1 << 20
	t.body.Write(b[:min(len(b), max(0, most-t.body.Len()))])
	return t.ResponseWriter.Write(b)
}

// Unwrap lets the stand-in get at the connection.
func (t *tee) Unwrap() http.ResponseWriter { return t.ResponseWriter }

func (c *recorder) describeWeChat(r *http.Request, body []byte) (service, request string, _ func(int, []byte) string) {
	query := r.URL.Query()
	if query.Has("access_token") {
		query.Set("access_token", "***")
	}
	request = r.Method + " " + r.URL.Path
	if len(query) > 0 {
		request += "?" + strings.ReplaceAll(query.Encode(), "%2A", "*")
	}
	if len(body) > 0 {
		request += " " + string(body)
	}
	return "WeChat", request, weChatResult
}

func weChatResult(status int, body []byte) string {
	var reply struct {
		ErrCode *int              `json:"errcode"`
		ErrMsg  string            `json:"errmsg"`
		Info    []json.RawMessage `json:"info"`
	}
	var text string
	switch err := json.Unmarshal(body, &reply); {
	case len(body) == 0:
		text = "an empty reply"
	case err != nil:
		text = "a reply that is not JSON"
	case reply.ErrCode == nil:
		text = "a reply without errcode"
	case *reply.ErrCode != 0:
		text = fmt.Sprintf("errcode %d %s", *reply.ErrCode, reply.ErrMsg)
	case reply.Info != nil:
		text = fmt.Sprintf("errcode 0, %d people", len(reply.Info))
	default:
		text = "errcode 0"
	}
	if status != http.StatusOK {
		text = fmt.Sprintf("HTTP %d, %s", status, text)
	}
	return text
}

func (c *recorder) describeAWS(r *http.Request, body []byte) (service, request string, _ func(int, []byte) string) {
	target, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	type message struct {
		MessageBody       string
		DelaySeconds      int
		VisibilityTimeout int
	}
	var in struct {
		SecretID string `json:"SecretId"`
		QueueURL string `json:"QueueUrl"`
		message
		Entries []message
	}
	json.Unmarshal(body, &in) // what the stand-in refuses is shown as far as it can be read
	service = "SQS"
	if target == "secretsmanager" {
		service = "Secrets"
	}
	words := []string{operation + " " + in.SecretID + cmp.Or(c.queues[in.QueueURL], in.QueueURL)}
	messages := append(in.Entries, in.message)
	for _, m := range messages {
		if m.MessageBody != "" {
			words = append(words, m.MessageBody)
		}
	}
	request = strings.Join(words, "\n")
	if d := slices.MaxFunc(messages, func(a, b message) int { return a.DelaySeconds - b.DelaySeconds }).DelaySeconds; d > 0 {
		request += fmt.Sprintf(", in %v", time.Duration(d)*time.Second)
	}
	if strings.HasPrefix(operation, "ChangeMessageVisibility") {
		d := slices.MaxFunc(messages, func(a, b message) int { return a.VisibilityTimeout - b.VisibilityTimeout }).VisibilityTimeout
		request += fmt.Sprintf(" to %v", time.Duration(d)*time.Second)
	}
	return service, request, awsResult
}

func awsResult(status int, body []byte) string {
	var reply struct {
		Type       string `json:"__type"`
		Message    string `json:"message"` // encoding/json takes any case
		VersionID  string `json:"VersionId"`
		Successful []struct{}
		Failed     []struct{ Code string }
	}
	err := json.Unmarshal(body, &reply)
	switch {
	case status != http.StatusOK && (err != nil || reply.Type == ""):
		return fmt.Sprintf("HTTP %d", status)
	case status != http.StatusOK:
		return reply.Type + ": " + reply.Message
	case len(reply.Failed) > 0:
		return fmt.Sprintf("%d accepted, %d failed: %s", len(reply.Successful), len(reply.Failed), reply.Failed[0].Code)
	case len(reply.Successful) > 0:
		return fmt.Sprintf("%d accepted", len(reply.Successful))
	case reply.VersionID != "":
		return "version " + reply.VersionID[:min(8, len(reply.VersionID))]
	}
	return "accepted"
}
