package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"wedata-unbind/internal/lambdatest"
	"wedata-unbind/internal/lambdatest/canary"
	"wedata-unbind/internal/source/sourcetest"
	"wedata-unbind/internal/wedata/wedatatest"
)

// What the built function must not show. The token is as long as WeChat's.
const (
	secretToken = "61_Lk9wQz7Xv2Rb5TnY8Hd3Gs6Qe4Wm1Zc8Vx6Bt0Yj5Kp2Nf7Da3Hs9Lu-Gi4Er8Tw1Oq6Mz2Cx5Vb9Ny3Jk7Pa1Rt5_Uh8Sd0Fw4Xe"
	secretKey   = "kY7pQ2vLx9Rm4zWt8Bn6Hs3"
	secretBody  = "SaLaRy-93kQz7Vw2Xm5pLd"
	secretPass  = "pW8nZr4Tq6Yx1Lm9Kc3Vd7Bf"
	secretUID   = "liu.wei+8842@shop.example"
	sentToken   = "?access_token=" + secretToken
)

// recorder records what the function sends to a stand-in.
type recorder struct {
	http.Handler
	mu       sync.Mutex
	requests []recorded
}

type recorded struct {
	head string // the request line and the headers
	body []byte
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return
	}
	head, _ := httputil.DumpRequest(req, false) // it goes to memory
	r.mu.Lock()
	r.requests = append(r.requests, recorded{string(head), body})
	r.mu.Unlock()
	req.Body = io.NopCloser(bytes.NewReader(body))
	r.Handler.ServeHTTP(w, req)
}

// guarded is a fixture whose token, keys and leaver are watched.
type guarded struct {
	*fixture
	toWeChat, toAWS *recorder
	secrets         canary.Searcher // shown to nobody
	body            canary.Searcher // in the message alone that is a payload as it came
	uids            canary.Searcher // in replies to a caller, messages, schedules and calls of WeChat
}

func newGuarded(t *testing.T) *guarded {
	t.Helper()
	w := newFixture(t, wedatatest.Options{})
	g := &guarded{fixture: w, toWeChat: &recorder{Handler: w.wechat}, toAWS: &recorder{Handler: w.aws}}
	for name, handler := range map[string]http.Handler{"WEDATA_BASE_URL": g.toWeChat, "AWS_ENDPOINT_URL": g.toAWS} {
		server, err := lambdatest.Serve("127.0.0.1:0", handler)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = server.Close() })
		w.env[name] = server.URL
	}
	w.wechat.SetToken(shop, secretToken)
	w.wechat.Bind(shop, wedatatest.Bound(secretUID))
	w.aws.Secrets.Put(secretID, secretToken)
	w.aws.Secrets.Put("wedata/sources", `{
		"hr": {"scheme":"hmac","keys":["`+secretKey+`"],"header":"X-Signature","merchants":["`+shop+`"]},
		"unbind": {"scheme":"bearer","keys":["`+secretKey+`"],"merchants":["`+shop+`"]},
		"feishu": {"scheme":"feishu","encrypt_key":"`+secretKey+`","left_when":{},"uid":"data.uid","id":"id","merchants":["`+shop+`"]},
		"wecom": {"scheme":"wecom","token":"`+secretKey+`","aes_key":"`+aesKey+`","owner_keys":["corp"],"left_when":{},"uid":"data.uid",
			"merchants":["`+shop+`"]}
	}`)
	w.env["UNBIND_SOURCES_SECRET_ID"] = "wedata/sources"
	w.env["AWS_SECRET_ACCESS_KEY"], w.env["AWS_SESSION_TOKEN"] = secretPass, "session-of-the-role"
	for name, secret := range map[string]string{
		"the token": secretToken, "a key": secretKey, "a password": secretPass, "the AES key": aesKey,
	} {
		g.secrets.AddParts(name, secret)
	}
	g.body.AddParts("the body", secretBody)
	g.uids.AddWhole("the uid", secretUID)
	return g
}

// check searches everything that has left the function so far: what it wrote, its reply, its calls of AWS and of WeChat,
// messages and schedules.
func (g *guarded) check(t *testing.T, function *lambdatest.Function, replies ...lambdatest.Reply) {
	t.Helper()
	var shown, told strings.Builder
	shown.WriteString(function.Log())
	for _, reply := range replies {
		payload := string(reply.Payload)
		told.WriteString(payload)
		if reply.Err() != nil || strings.Contains(payload, `"statusCode":4`) || strings.Contains(payload, `"statusCode":5`) {
			fmt.Fprintln(&shown, payload, reply.ErrorMessage)
		}
	}
	g.toAWS.mu.Lock()
	for _, r := range g.toAWS.requests {
		told.Write(r.body)
		fmt.Fprintln(&shown, r.head, withoutDepartures(r.body))
	}
	g.toAWS.mu.Unlock()
	g.toWeChat.mu.Lock()
	for _, r := range g.toWeChat.requests {
		told.Write(r.body)
		fmt.Fprintln(&shown, strings.Replace(r.head, sentToken, "", 1))
	}
	g.toWeChat.mu.Unlock()
	all := shown.String()
	if found := slices.Concat(g.secrets.Find(all+told.String()), g.body.Find(all), g.uids.Find(all)); len(found) > 0 {
		t.Errorf("shown: %s\n%s\ntold: %s", strings.Join(found, ", "), all, &told)
	}
}

// withoutDepartures returns a call of AWS without the members that hold a departure: of SendMessageBatch and of
// CreateSchedule.
func withoutDepartures(body []byte) string {
	var call map[string]any
	if json.Unmarshal(body, &call) != nil {
		return string(body)
	}
	if target, ok := call["Target"].(map[string]any); ok {
		delete(target, "Input")
	}
	if entries, ok := call["Entries"].([]any); ok {
		for _, one := range entries {
			delete(one.(map[string]any), "MessageBody")
		}
	}
	text, _ := json.Marshal(call) // it was JSON
	return string(text)
}

// leaving returns a leaver's event with more in it than the function needs, in the form of each way in.
func leaving(more string) map[string]string {
	payload := `{"type":"employee.left","id":"evt-` + secretUID + `","source":"hr-` + secretUID + `","data":{"uid":"` + secretUID +
		`","salary":"` + secretBody + `"` + more + `}}`
	quoted, _ := json.Marshal(payload) // a string
	at := time.Now()
	return map[string]string{
		"direct": payload,
		"SNS": `{"Records":[{"EventSource":"aws:sns","Sns":{"TopicArn":"arn:aws:sns:us-east-1:123456789012:left","MessageId":"m",` +
			`"Timestamp":"2026-11-23T01:00:00Z","Message":` + string(quoted) + `}}]}`,
		"SQS":          `{"Records":[{"eventSource":"aws:sqs","messageId":"m","receiptHandle":"r","body":` + string(quoted) + `}]}`,
		"EventBridge":  `{"id":"e","detail-type":"Employee Left","source":"hr","time":"2026-11-23T01:00:00Z","detail":` + payload + `}`,
		"POST /unbind": string(sourcetest.Bearer(secretKey, []byte(payload)).Event("/unbind")),
		"hmac":         string(sourcetest.HMAC(secretKey, "X-Signature", []byte(payload)).Event("/hooks/hr")),
		"feishu":       string(sourcetest.Feishu(secretKey, at, []byte(payload)).Event("/hooks/feishu")),
		"wecom":        string(sourcetest.WeCom(secretKey, aesKey, "corp", at, []byte(payload)).Event("/hooks/wecom")),
		"forged":       string(sourcetest.Bearer(secretKey+"x", []byte(payload)).Event("/unbind")),
		"unreadable":   strings.Replace(payload, `"uid"`, `"uid":"`+secretUID+`","uid"`, 1),
		"a dry run":    `{"dry_run":true,"uid":"` + secretUID + `"}`,
		"a cancellation": `{"type":"employee.left.cancelled","id":"` + secretUID + `","data":{"uid":"` + secretUID + `","salary":"` +
			secretBody + `"}}`,
		"an audit":  `{"action":"audit","active":["` + secretUID + `"]}`,
		"a check":   `{"action":"check"}`,
		"a list":    `{"action":"list"}`,
		"scheduled": `{"action":"scheduled"}`,
	}
}

// send sends these events and what they left in the queue, and searches what was shown.
func (g *guarded) send(t *testing.T, function *lambdatest.Function, events map[string]string) {
	t.Helper()
	var replies []lambdatest.Reply
	for _, way := range slices.Sorted(maps.Keys(events)) {
		reply, err := function.Invoke(t.Context(), []byte(events[way]))
		var exit *lambdatest.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		replies = append(replies, reply)
		d, _ := g.queue.Deliver(t.Context(), function, 10) // as above
		replies = append(replies, d.Reply)
	}
	g.check(t, function, replies...)
}

// Each way in, and each way with a departure that is due later.
func TestNothingSecretIsShownByTheBuiltFunction(t *testing.T) {
	g := newGuarded(t)
	function := g.start(t)
	g.send(t, function, leaving(""))
	later := leaving(`,"effective_at":"` + time.Now().Add(9*24*time.Hour).Format(time.RFC3339) + `"`)
	delete(later, "a cancellation")
	g.send(t, function, later)
	if g.aws.Scheduler.Calls("CreateSchedule") == 0 || len(g.toWeChat.requests) == 0 || len(g.aws.Scheduler.Due()) == 0 {
		t.Errorf("%d calls of WeChat, schedules %v", len(g.toWeChat.requests), g.aws.Scheduler.Due())
	}
	signal(t, function, syscall.SIGQUIT) // which prints all goroutines
	for err := error(nil); err == nil; {
		_, _, err = function.Ready(t.Context())
	}
	g.check(t, function)
}

// A reply that repeats what was sent, wherever a server can repeat it.
func TestNothingSecretIsShownOfRepliesThatRepeat(t *testing.T) {
	const (
		ok    = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"
		value = secretToken + " " + secretUID + " " + secretKey
	)
	for name, reply := range map[string]string{
		"an errmsg":            ok + `{"errcode":40097,"errmsg":"` + value + `"}`,
		"an errmsg of a token": ok + `{"errcode":40001,"errmsg":"` + value + ` rid: ` + secretToken + `"}`,
		"a page":               strings.Replace(ok, "200 OK", "502 Bad Gateway", 1) + "<title>" + value + "</title>",
		"a status":             strings.Replace(ok, "200 OK", "500 "+value, 1),
		"a status line":        "HTTP/1.1 " + value + "\r\n\r\n",
		"a protocol":           value + " 200 OK\r\n\r\n",
		"a header":             "HTTP/1.1 200 OK\r\n" + value + "\r\n\r\n",
		"a length":             "HTTP/1.1 200 OK\r\nContent-Length: " + value + "\r\n\r\n",
		"an encoding":          "HTTP/1.1 200 OK\r\nTransfer-Encoding: " + value + "\r\n\r\n",
		"a redirect":           "HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:1/" + strings.ReplaceAll(value, " ", "/") + "\r\nContent-Length: 0\r\n\r\n",
		"a broken redirect":    "HTTP/1.1 307 Temporary Redirect\r\nLocation: :" + value + "\r\nContent-Length: 0\r\n\r\n",
		"a chunk":              "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + value + "\r\n",
		"a type":               ok + `{"errcode":"` + value + `","SecretString":5,"CreatedDate":"` + value + `"}`,
		"a member twice":       ok + `{"` + value + `":1,"` + value + `":2}`,
		"no JSON":              ok + value,
		"an error of AWS":      strings.Replace(ok, "200 OK", "400 Bad Request", 1) + `{"__type":"` + value + `","message":5}`,
		"a half":               ok + `{"SecretString":"` + value,
	} {
		for _, target := range []string{"WEDATA_BASE_URL", "AWS_ENDPOINT_URL_SECRETS_MANAGER", "AWS_ENDPOINT_URL_SQS"} {
			t.Run(name+"/"+target, func(t *testing.T) {
				inLong(t, target == "WEDATA_BASE_URL" && (name == "an errmsg" || name == "a chunk"))
				t.Parallel()
				g := newGuarded(t)
				far := newWire(t, g.env["AWS_ENDPOINT_URL"])
				far.disturb(replying(reply, func(*net.TCPConn) {}))
				g.env[target] = far.URL
				events := leaving("")
				function := g.start(t)
				g.send(t, function, map[string]string{"SNS": events["SNS"], "POST /unbind": events["POST /unbind"], "a check": events["a check"]})
			})
		}
	}
}

// A token or a password in a variable where it does not belong, at the start and in use.
func TestNothingSecretIsShownOfTheEnvironment(t *testing.T) {
	var names []string
	_, _ = readConfig(func(name string) string {
		names = append(names, name)
		return ""
	})
	names = append(names, "AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_CONFIG_FILE", "AWS_CA_BUNDLE", "AWS_MAX_ATTEMPTS", "AWS_REGION", "AWS_LAMBDA_LOG_LEVEL")
	slices.Sort(names)
	for i, name := range slices.Compact(names) {
		for what, value := range map[string]string{
			"a token":    secretToken,
			"a password": "https://user:" + secretPass + "@127.0.0.1:1/" + secretPass,
			"broken":     "https://user:" + secretPass + "@[::1/%zz" + secretPass,
		} {
			t.Run(name+"/"+what, func(t *testing.T) {
				inLong(t, what == "a token" && i%3 == 0)
				t.Parallel()
				g := newGuarded(t)
				g.env[name] = value
				if name == "HTTPS_PROXY" {
					g.env["WEDATA_BASE_URL"] = "https://wechat.example"
				}
				// What the function sends to AWS may hold the name that it is given: only its own words are searched.
				function := g.start(t)
				events := leaving("")
				g.wechat.Fail(wedatatest.Fault{Times: -1, Errcode: 45011, Path: wedatatest.UnbindPath}) // the queues are needed
				for _, way := range []string{"SNS", "POST /unbind", "a check", "scheduled"} {
					reply, _ := function.Invoke(t.Context(), []byte(events[way])) // it may not start
					if found := g.secrets.Find(function.Log() + string(reply.Payload) + reply.ErrorMessage); len(found) > 0 {
						t.Errorf("%s: shown: %v\n%s\n%s", way, found, function.Log(), reply.Payload)
					}
				}
			})
		}
	}
}

// panicking is a network in which a call of WeChat panics, as a defect in Go code or in a library does.
type panicking string

func (p panicking) RoundTrip(r *http.Request) (*http.Response, error) {
	token := r.URL.Query()["access_token"]
	switch p {
	case "index":
		_ = token[len(token[0])]
	case "nil map":
		none := func() map[string]bool { return nil }
		none()[token[0]] = true
	case "type":
		_ = any(token[0]).(fmt.Stringer)
	case "slice":
		_ = token[0][len(r.URL.Path)*1000:]
	case "goroutine":
		var group sync.WaitGroup
		group.Go(func() { _ = token[len(token[0])] })
		group.Wait()
	}
	return nil, errors.New("unreachable")
}

const panicVariable = "UNBIND_TEST_PANIC"

// runPanicking is main with that network. The test's own binary runs it as a function.
func runPanicking(kind string) {
	cfg, err := readConfig(os.Getenv)
	if err != nil {
		panic(err)
	}
	cfg.wedata.HTTPClient = &http.Client{Transport: panicking(kind)}
	handler, err := build(context.Background(), cfg, slog.New(slog.NewJSONHandler(os.Stdout, nil)))
	if err != nil {
		panic(err)
	}
	lambda.Start(handler)
}

func TestNothingSecretIsShownOfAPanic(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []panicking{"index", "nil map", "type", "slice", "goroutine"} {
		t.Run(string(kind), func(t *testing.T) {
			inLong(t, kind == "index" || kind == "goroutine")
			t.Parallel()
			g := newGuarded(t)
			g.env[panicVariable] = string(kind)
			function, err := lambdatest.Start(lambdatest.Config{Path: self, Env: g.env})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = function.Close() })
			g.queue.Send(leaving("")["direct"], nil)
			g.send(t, function, map[string]string{"SNS": leaving("")["SNS"]})
			if !strings.Contains(function.Log(), "panic") && !strings.Contains(function.Log(), "runtime error") {
				t.Errorf("nothing panicked:\n%s", function.Log())
			}
			if len(g.queue.Messages()) != 1 {
				t.Errorf("%d messages in the queue, want the one that was being carried out", len(g.queue.Messages()))
			}
		})
	}
}
