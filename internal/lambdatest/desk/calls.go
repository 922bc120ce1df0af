package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"wedata-unbind/internal/lambdatest"
)

// call is one call of the function as a person reads it.
type call struct{ service, request, result string }

// recorder keeps the calls to all services in the order in which they came.
type recorder struct {
	queues map[string]string // names of queues by URL

	mu    sync.Mutex
	calls []*call
	days  []time.Time // that schedules were made for
	ended func(call)  // optional: is called after each call
}

// take returns the calls since take was last called.
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

// nextDay returns the first time after t for which a schedule was ever created, also if it was later changed or
// deleted.
func (c *recorder) nextDay(t time.Time) (day time.Time, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, one := range c.days {
		if one.After(t) && (!ok || one.Before(day)) {
			day, ok = one, true
		}
	}
	return day, ok
}

// stop waits for the call that is being shown. No other is shown after it.
func (c *recorder) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = nil
}

// wrap records the calls that h answers.
func (c *recorder) wrap(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		one, result := &call{"WeChat", weChatRequest(r, body), "no reply"}, weChatResult
		var day time.Time
		if service, operation := lambdatest.Operation(r); service != "" {
			var request string
			request, day = c.awsRequest(r, body)
			one, result = &call{service, operation + " " + request, "no reply"}, awsResult
		}
		c.mu.Lock()
		c.calls = append(c.calls, one)
		c.days = append(c.days, day)
		c.mu.Unlock()

		reply := &recordedReply{ResponseWriter: w}
		defer func() { // also where the stand-in panics to break the connection
			c.mu.Lock()
			defer c.mu.Unlock()
			if reply.status != 0 {
				one.result = result(reply.status, reply.body.Bytes())
			}
			if c.ended != nil {
				c.ended(*one)
			}
		}()
		h.ServeHTTP(reply, r)
	})
}

// recordedReply keeps the status and the beginning of the body.
type recordedReply struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (t *recordedReply) WriteHeader(status int) {
	t.status = status
	t.ResponseWriter.WriteHeader(status)
}

func (t *recordedReply) Write(b []byte) (int, error) {
	t.status = cmp.Or(t.status, http.StatusOK)
	t.body.Write(b[:min(len(b), max(0, 1<<20-t.body.Len()))])
	return t.ResponseWriter.Write(b)
}

// Unwrap lets the stand-in break the connection.
func (t *recordedReply) Unwrap() http.ResponseWriter { return t.ResponseWriter }

func weChatRequest(r *http.Request, body []byte) string {
	query := r.URL.Query()
	if query.Has("access_token") {
		query.Set("access_token", "***")
	}
	request := r.Method + " " + r.URL.Path
	if len(query) > 0 {
		request += "?" + strings.ReplaceAll(query.Encode(), "%2A", "*")
	}
	return strings.TrimSpace(request + " " + string(body))
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

// awsRequest returns the text of an AWS call's input, and the time of the schedule in it.
func (c *recorder) awsRequest(r *http.Request, body []byte) (request string, day time.Time) {
	var in struct {
		SecretID          string `json:"SecretId"`
		QueueURL          string `json:"QueueUrl"`
		VisibilityTimeout *time.Duration
		Entries           []struct {
			MessageBody string
			Delay       time.Duration `json:"DelaySeconds"`
		}
		ScheduleExpression string
		Target             struct{ Input string }
	}
	_ = json.Unmarshal(body, &in) // input that the stand-in refuses is shown as far as it can be read
	subject := in.SecretID + cmp.Or(c.queues[in.QueueURL], in.QueueURL)
	if subject == "" { // Scheduler has it in the URL
		subject = strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/schedules"), "/") + r.URL.Query().Get("NamePrefix")
	}
	lines := []string{subject}
	if in.ScheduleExpression != "" {
		lines = []string{subject + " " + in.ScheduleExpression, in.Target.Input}
		day, _ = time.Parse("at(2006-01-02T15:04:05)", in.ScheduleExpression) // the stand-in refuses any other
	}
	var delay time.Duration
	for _, e := range in.Entries {
		lines = append(lines, e.MessageBody)
		delay = max(delay, e.Delay*time.Second)
	}
	request = strings.Join(lines, "\n")
	switch {
	case in.VisibilityTimeout != nil:
		request += fmt.Sprintf(" to %v", *in.VisibilityTimeout*time.Second)
	case delay > 0:
		request += fmt.Sprintf(", in %v", delay)
	}
	return request, day
}

func awsResult(status int, body []byte) string {
	var reply struct {
		Type       string `json:"__type"`
		Message    string `json:"message"`
		VersionID  string `json:"VersionId"`
		Successful []struct{}
		Failed     []struct{ Code string }
		Schedules  []struct{}

		ScheduleExpression string
		Target             struct{ Input string }
	}
	_ = json.Unmarshal(body, &reply) // a reply that is not the service's own has none of these
	switch {
	case reply.Type != "":
		return reply.Type + ": " + reply.Message
	case status != http.StatusOK:
		return fmt.Sprintf("HTTP %d", status)
	case len(reply.Failed) > 0:
		return fmt.Sprintf("%d accepted, %d failed: %s", len(reply.Successful), len(reply.Failed), reply.Failed[0].Code)
	case len(reply.Successful) > 0:
		return fmt.Sprintf("%d accepted", len(reply.Successful))
	case reply.VersionID != "":
		return "version " + reply.VersionID[:8]
	case reply.Schedules != nil:
		return count(len(reply.Schedules), "schedule")
	case reply.ScheduleExpression != "":
		return reply.ScheduleExpression + "\n" + reply.Target.Input
	}
	return "accepted"
}
