package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"wedata-unbind/internal/lambdatest"
	"wedata-unbind/internal/wedata/wedatatest"
)

// The tests below disturb the built function from outside. Each says where the departure of a real leaver is then, and
// that it is carried out once the disturbance is over.

// place is where a departure is (docs/guarantees.md).
type place string

const (
	unbound    place = "unbound"
	inQueue    place = "in the queue"
	deadLetter place = "in the dead-letter queue"
	sentAgain  place = "an error to its sender, who sends it again"
	nowhere    place = "nowhere"
)

// shortTime is an invocation's time where a test waits for its end.
const shortTime = 2 * time.Second

// long reports whether all is to run: make chaos sets the variable. go test runs a part that costs little time.
func long() bool { return os.Getenv("CHAOS_EVENTS") != "" }

// inLong skips what only make chaos runs.
func inLong(t *testing.T, quick bool) {
	t.Helper()
	if !quick && !long() {
		t.Skip("make chaos runs it")
	}
}

// chaos is a fixture whose function reaches each stand-in by a wire.
type chaos struct {
	*fixture
	api, aws *wire
}

func newChaos(t *testing.T) *chaos {
	t.Helper()
	w := newFixture(t, wedatatest.Options{})
	c := &chaos{w, newWire(t, w.env["WEDATA_BASE_URL"]), newWire(t, w.env["AWS_ENDPOINT_URL"])}
	w.env["WEDATA_BASE_URL"], w.env["AWS_ENDPOINT_URL"] = c.api.URL, c.aws.URL
	return c
}

// send sends the leaver's event, and returns where the departure is. The sender is SNS, which sends again after every
// error and after the end of the process.
func (c *chaos) send(t *testing.T, function *lambdatest.Function) (place, string) {
	t.Helper()
	reply, err := function.Invoke(t.Context(), []byte(bareSNS(t)))
	var exit *lambdatest.ExitError
	switch {
	case errors.As(err, &exit), err == nil && reply.Err() != nil:
		return sentAgain, fmt.Sprint(err, reply.Err())
	case err != nil:
		t.Fatal(err)
	case len(c.queue.Messages()) > 0:
		return inQueue, string(reply.Payload)
	case len(c.dead.Messages()) > 0:
		return deadLetter, string(reply.Payload)
	case !c.wechat.Bindings(shop)[0].Bound && strings.Contains(string(reply.Payload), `"status":"unbound"`):
		return unbound, string(reply.Payload)
	}
	return nowhere, string(reply.Payload)
}

// settle is what happens once the disturbance is over: SNS sends again, SQS delivers.
func (c *chaos) settle(t *testing.T, function *lambdatest.Function, at place) {
	t.Helper()
	// A secret that could not be read is read again after 30 s, or when somebody invokes the function by hand.
	invoke(t, function, `{"dry_run":true,"uid":"E1001"}`)
	if at == sentAgain {
		at, _ = c.send(t, function)
	}
	c.dead.Redrive(c.queue)
	if _, err := c.queue.Deliver(t.Context(), function, 10); err != nil {
		t.Fatal(err)
	}
	if left := len(c.queue.Messages()) + len(c.dead.Messages()); left > 0 || c.wechat.Bindings(shop)[0].Bound {
		t.Errorf("after the disturbance: %s, %d messages left, E1001 bound: %v\n%s",
			at, left, c.wechat.Bindings(shop)[0].Bound, function.Log())
	}
}

func TestChaosOfConnections(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
	nothing := func(*net.TCPConn) {}
	half := func(conn *net.TCPConn) {
		_ = conn.CloseWrite()
		silence(conn)
	}
	for _, tc := range []struct {
		name  string
		fault disturbance
		// where the departure is if this happens to WeChat, and to AWS
		api, aws []place
		quick    string // where it happens in go test
	}{
		{name: "reset at once", fault: func(_ *wire, conn *net.TCPConn) { _ = resetConn(conn) }},
		{name: "closed at once", fault: func(_ *wire, conn *net.TCPConn) { conn.Close() }},
		{name: "reset after the request", quick: "WeChat", fault: after(func(_ *wire, conn *net.TCPConn, _ *http.Request) { _ = resetConn(conn) })},
		{name: "half-closed after the request", fault: after(func(_ *wire, conn *net.TCPConn, _ *http.Request) { half(conn) })},
		{name: "half-closed before the request", fault: func(_ *wire, conn *net.TCPConn) { half(conn) }},
		{name: "carried out, and the reply is lost", fault: after(accepted), api: []place{inQueue}, aws: []place{sentAgain, inQueue}},
		{name: "reset in the headers", fault: replying(head[:20], func(conn *net.TCPConn) { _ = resetConn(conn) })},
		{name: "reset in the body", fault: replying(head+"Content-Length: 100\r\n\r\n{\"errcode\":0", func(conn *net.TCPConn) { _ = resetConn(conn) })},
		{name: "half-closed in the body", quick: "WeChat", fault: replying(head+"Content-Length: 100\r\n\r\n{\"errcode\":0,\"errmsg\":\"ok\"}", half)},
		{name: "a chunk that is none", quick: "AWS", fault: replying(head+"Transfer-Encoding: chunked\r\n\r\nzz\r\n", nothing)},
		{name: "no HTTP", fault: replying("SSH-2.0-OpenSSH_9.9\r\n", nothing)},
		{name: "an endless body", quick: "WeChat", fault: replying(head+"\r\n{\"errcode\":0,\"errmsg\":\"", endless(strings.Repeat("a", 32<<10), 0))},
		{name: "endless blanks", fault: replying(head+"\r\n", endless(strings.Repeat(" ", 32<<10), 0))},
		{name: "endless headers", fault: replying(head, endless("X-More: "+strings.Repeat("a", 32<<10)+"\r\n", 0))},
		{name: "endless 100 Continue", fault: replying("", endless("HTTP/1.1 100 Continue\r\n\r\n", 0))},
		{name: "no reply", quick: "WeChat", fault: after(func(_ *wire, conn *net.TCPConn, _ *http.Request) { silence(conn) })},
		{name: "a body byte by byte", fault: replying(head+"Content-Length: 1000\r\n\r\n", endless(" ", 100*time.Millisecond))},
		{name: "headers byte by byte", fault: replying(head+"X-Slow: ", endless("a", 100*time.Millisecond))},
	} {
		if tc.api == nil {
			tc.api, tc.aws = []place{inQueue}, []place{sentAgain}
		}
		for _, target := range []struct {
			name string
			of   func(*chaos) *wire
			want []place
		}{
			{"WeChat", func(c *chaos) *wire { return c.api }, tc.api},
			{"AWS", func(c *chaos) *wire { return c.aws }, tc.aws},
		} {
			t.Run(tc.name+"/"+target.name, func(t *testing.T) {
				inLong(t, tc.quick == target.name)
				t.Parallel()
				c := newChaos(t)
				function := c.startWithin(t, shortTime)
				target.of(c).disturb(tc.fault)
				got, told := c.send(t, function)
				if !slices.Contains(target.want, got) && got != sentAgain {
					t.Errorf("the departure is %s, want %v: %s", got, target.want, told)
				}
				target.of(c).disturb(nil)
				c.settle(t, function, got)
			})
		}
	}
}

// longName is refused by every resolver without a question: a label has at most 63 bytes (RFC 1035, section 2.3.4).
const longName = "https://no-such-host-" + "0123456789012345678901234567890123456789012345678901234567890123456789.example"

func TestChaosOfNamesAndCertificates(t *testing.T) {
	for _, tc := range []struct {
		name   string
		inject func(*testing.T, *chaos)
		want   place
		quick  bool
	}{
		{"WeChat's name is not found", func(_ *testing.T, c *chaos) { c.env["WEDATA_BASE_URL"] = longName }, inQueue, false},
		{"AWS's name is not found", func(_ *testing.T, c *chaos) { c.env["AWS_ENDPOINT_URL"] = longName }, sentAgain, true},
		{"the secrets' name is not found", func(_ *testing.T, c *chaos) { c.env["AWS_ENDPOINT_URL_SECRETS_MANAGER"] = longName }, inQueue, false},
		{"nobody listens at WeChat", func(_ *testing.T, c *chaos) { c.env["WEDATA_BASE_URL"] = "http://127.0.0.1:1" }, inQueue, false},
		{"WeChat's certificate is somebody else's", func(t *testing.T, c *chaos) {
			server := httptest.NewTLSServer(c.wechat)
			t.Cleanup(server.Close)
			c.env["WEDATA_BASE_URL"] = server.URL
		}, inQueue, true},
		{"AWS's certificate is somebody else's", func(t *testing.T, c *chaos) {
			server := httptest.NewTLSServer(c.fixture.aws)
			t.Cleanup(server.Close)
			c.env["AWS_ENDPOINT_URL"] = server.URL
		}, sentAgain, false},
		{"WeChat speaks no TLS", func(_ *testing.T, c *chaos) {
			c.env["WEDATA_BASE_URL"] = strings.Replace(c.env["WEDATA_BASE_URL"], "http:", "https:", 1)
		}, inQueue, false},
		{"the proxy is not there", func(_ *testing.T, c *chaos) {
			c.env["WEDATA_BASE_URL"], c.env["HTTPS_PROXY"] = "https://wechat.example", "http://127.0.0.1:1"
		}, inQueue, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inLong(t, tc.quick)
			t.Parallel()
			c := newChaos(t)
			well := map[string]string{}
			for name, value := range c.env {
				well[name] = value
			}
			tc.inject(t, c)
			got, told := c.send(t, c.start(t))
			if got != tc.want {
				t.Errorf("the departure is %s, want %s: %s", got, tc.want, told)
			}
			if calls := c.calls(); calls != "" {
				t.Errorf("WeChat was called:\n%s", calls)
			}
			c.env = well
			c.settle(t, c.start(t), got)
		})
	}
}

// Lambda freezes the process between invocations. Connections die meanwhile, with or without a sign.
func TestChaosOfAFreeze(t *testing.T) {
	for _, tc := range []struct {
		name  string
		die   func(*chaos)
		want  []place
		quick bool
	}{
		{"for a moment", func(*chaos) {}, []place{unbound}, true},
		{"the servers close their idle connections", func(c *chaos) {
			c.api.each((*net.TCPConn).Close)
			c.aws.each((*net.TCPConn).Close)
		}, []place{unbound}, true},
		{"the connections are reset", func(c *chaos) {
			c.api.each(resetConn)
			c.aws.each(resetConn)
		}, []place{unbound}, true},
		{"the servers have forgotten the connections", func(c *chaos) {
			c.api.doom(dying)
			c.aws.doom(dying)
		}, []place{unbound}, true},
		{"WeChat's connections get lost without a sign", func(c *chaos) { c.api.doom(lost) }, []place{inQueue, sentAgain}, false},
		{"AWS's connections get lost without a sign", func(c *chaos) { c.aws.doom(lost) }, []place{unbound}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inLong(t, tc.quick)
			t.Parallel()
			c := newChaos(t)
			function := c.startWithin(t, shortTime)
			if got, told := c.send(t, function); got != unbound {
				t.Fatalf("before the freeze: %s", told)
			}
			c.wechat.Bind(shop, wedatatest.Bound("E1001"))
			before := c.calls()
			signal(t, function, syscall.SIGSTOP)
			tc.die(c)
			signal(t, function, syscall.SIGCONT)
			got, told := c.send(t, function)
			if !slices.Contains(tc.want, got) {
				t.Errorf("the departure is %s, want %v: %s", got, tc.want, told)
			}
			calls := strings.TrimPrefix(c.calls(), before)
			if got == unbound && (calls != unbindOK+listOK || !strings.Contains(told, `"attempts":1`)) {
				t.Errorf("got %s; WeChat was called\n%s", told, calls)
			}
			c.settle(t, function, got)
		})
	}
}

func signal(t *testing.T, function *lambdatest.Function, s syscall.Signal) {
	t.Helper()
	if err := function.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// A process that ends during an invocation takes no departure with it: SNS sends again, SQS keeps the message.
func TestChaosOfAnEndOfTheProcess(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL, syscall.SIGSEGV} {
		for _, target := range []string{"WeChat does not reply", "WeChat unbinds and does not reply", "the secret does not come"} {
			t.Run(s.String()+"/"+target, func(t *testing.T) {
				inLong(t, s == syscall.SIGTERM)
				t.Parallel()
				c := newChaos(t)
				function := c.start(t)
				wait := after(func(_ *wire, conn *net.TCPConn, _ *http.Request) { silence(conn) })
				disturbed := c.api
				switch target {
				case "the secret does not come":
					disturbed = c.aws
				case "WeChat unbinds and does not reply":
					wait = after(func(_ *wire, conn *net.TCPConn, r *http.Request) {
						if reply, err := http.DefaultTransport.RoundTrip(r); err == nil {
							reply.Body.Close()
						}
						silence(conn)
					})
				}
				disturbed.disturb(wait)
				// From SNS, and from the queue.
				c.queue.Send(`{"uid":"E1002"}`, nil)
				for _, from := range []func() (place, string){
					func() (place, string) { return c.send(t, function) },
					func() (place, string) {
						_, err := c.queue.Deliver(t.Context(), function, 10)
						if len(c.queue.Messages()) != 1 {
							return nowhere, fmt.Sprint(err)
						}
						return sentAgain, ""
					},
				} {
					for len(disturbed.asked) > 0 {
						<-disturbed.asked
					}
					go func() {
						<-disturbed.asked
						_ = function.Signal(s) // the invocation tells whether it came
					}()
					if got, told := from(); got != sentAgain {
						t.Errorf("the departure is %s: %s", got, told)
					}
				}
				disturbed.disturb(nil)
				c.settle(t, function, sentAgain)
				if c.wechat.Bindings(shop)[1].Bound {
					t.Error("E1002 is still bound")
				}
			})
		}
	}
}

// The function starts without its secrets, and carries out what waited as soon as they are back.
func TestChaosOfSecretsThatAreDownAtTheStart(t *testing.T) {
	t.Parallel()
	c := newChaos(t)
	store := newWire(t, c.env["AWS_ENDPOINT_URL"])
	c.env["AWS_ENDPOINT_URL_SECRETS_MANAGER"] = store.URL
	c.putSources(t)
	store.disturb(func(_ *wire, conn *net.TCPConn) { _ = resetConn(conn) })
	function := c.start(t)
	// The entry of a topic may be among the sources: SNS sends again until they can be read.
	if got, told := c.send(t, function); got != sentAgain {
		t.Fatalf("the departure is %s: %s", got, told)
	}
	if status := statusCode(t, invoke(t, function, sample(t, "http-hook.json"))); status != http.StatusServiceUnavailable {
		t.Errorf("a webhook was answered %d, want 503: its sender then sends again", status)
	}
	store.disturb(nil)
	c.settle(t, c.start(t), sentAgain) // in a process of its own: the sources are read again after a minute
}

// usage is what the process has, as Linux counts it.
type usage struct{ kilobytes, files, threads int }

func usageOf(pid int) (u usage, ok bool) {
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	status, err := os.ReadFile(filepath.Join(dir, "status"))
	files, filesErr := os.ReadDir(filepath.Join(dir, "fd"))
	if err != nil || filesErr != nil {
		return u, false
	}
	number := func(name string) int {
		m := regexp.MustCompile(`(?m)^` + name + `:\s+(\d+)`).FindSubmatch(status)
		if m == nil {
			return 0
		}
		n, _ := strconv.Atoi(string(m[1])) // digits
		return n
	}
	return usage{number("VmRSS"), len(files), number("Threads")}, true
}

// One process takes many events of all kinds, among them faults: what it holds does not grow, and no departure is lost.
func TestChaosOfManyEventsInOneProcess(t *testing.T) {
	t.Parallel()
	events := 80
	if long() {
		var err error
		if events, err = strconv.Atoi(os.Getenv("CHAOS_EVENTS")); err != nil {
			t.Fatal(err)
		}
	}
	c := newFixture(t, wedatatest.Options{})
	c.putToken()
	c.putSources(t)
	function := c.start(t)
	trash := c.aws.SQS.Create("trash", lambdatest.QueueConfig{})
	pid := function.PID()
	later := fmt.Sprintf(`{"uid":"E1002","effective_at":%q}`, time.Now().Add(90*24*time.Hour).Format(time.RFC3339))
	kinds := []struct {
		name, event string
		want        string // of the reply
		before      func()
		letters     int
		slow        bool // by a pause before the next attempt: once in a while
	}{
		{name: "SNS", event: bareSNS(t), want: `"status":"unbound"`},
		{name: "EventBridge", event: sample(t, "eventbridge-employee-left.json"), want: `"status":"unbound"`},
		{name: "webhook", event: sample(t, "http-hook.json"), want: `"statusCode":200`},
		{name: "forged webhook", event: sample(t, "http-hook-unsigned.json"), want: `"statusCode":401`},
		{name: "POST /unbind", event: sample(t, "http-unbind.json"), want: `"statusCode":200`},
		{name: "SQS", event: sample(t, "sqs-employee-left.json"), want: `{"batchItemFailures":[]}`},
		{name: "list", event: `{"action":"list"}`, want: `"bindings"`},
		{name: "dry run", event: `{"dry_run":true,"uid":"E1001"}`, want: `"status":"would_unbind"`},
		{name: "unreadable", event: strings.Replace(bareSNS(t), `"Message": "`, `"Message": "x`, 1), want: `"status":"failed"`, letters: 1},
		{name: "scheduled", event: later, want: `"status":"scheduled"`},
		{name: "cancelled", event: `{"type":"employee.left.cancelled","data":{"uid":"E1002"}}`, want: `"status":"cancelled"`},
		{name: "a page", slow: true, event: bareSNS(t), want: `"status":"unbound"`, before: func() { c.wechat.Fail(wedatatest.Fault{Kind: wedatatest.HTML, Status: 502}) }},
		{name: "a reset", slow: true, event: bareSNS(t), want: `"status":"`, before: func() { c.wechat.Fail(wedatatest.Fault{Kind: wedatatest.Reset}) }},
		{name: "blocked", event: bareSNS(t), want: `"status":"failed"`, letters: 1, before: func() {
			c.wechat.Fail(wedatatest.Fault{Errcode: 48004, Path: wedatatest.UnbindPath})
		}},
		{name: "rate limit", event: bareSNS(t), want: `"status":"queued"`, before: func() {
			c.wechat.Fail(wedatatest.Fault{Errcode: 45011, Path: wedatatest.UnbindPath})
		}},
		{name: "an AWS error", slow: true, event: sample(t, "http-hook.json"), want: `"statusCode":200`, before: func() {
			c.aws.SQS.Fail(lambdatest.Fault{Status: 503})
		}},
	}
	var warm usage
	letters, sent := 0, map[string]int{}
	began := time.Now()
	for i := range events {
		kind := kinds[i%len(kinds)]
		if kind.slow && i/len(kinds)%20 > 0 {
			kind = kinds[0]
		}
		if i%1000 == 999 {
			c.putToken() // a rotation
		}
		c.wechat.Bind(shop, wedatatest.Bound("E1001"))
		if kind.before != nil {
			kind.before()
		}
		reply := invoke(t, function, kind.event)
		if reply.Err() != nil || !strings.Contains(string(reply.Payload), kind.want) {
			t.Fatalf("event %d, %s: got %s, %v\n", i, kind.name, reply.Payload, reply.Err())
		}
		letters += kind.letters
		sent[kind.name]++
		for len(c.queue.Messages()) > 0 {
			if d, err := c.queue.Deliver(t.Context(), function, 10); err != nil || len(d.Returned) > 0 {
				t.Fatalf("event %d, %s: delivered %+v, %v", i, kind.name, d, err)
			}
		}
		departs := !slices.Contains([]string{"forged webhook", "list", "dry run", "unreadable", "scheduled", "cancelled", "blocked"}, kind.name)
		if c.wechat.Bindings(shop)[0].Bound == departs {
			t.Fatalf("event %d, %s: E1001 bound: %v", i, kind.name, !departs)
		}
		if got := len(c.dead.Messages()); got != kind.letters {
			t.Fatalf("event %d, %s, %v: %d dead letters, want %d: %+v", i, kind.name, reply.Duration, got, kind.letters, c.dead.Messages())
		}
		c.dead.Redrive(trash)
		if i == events/5 {
			warm, _ = usageOf(pid)
		}
		if (i+1)%10_000 == 0 {
			now, _ := usageOf(pid)
			t.Logf("%d of %d events after %v: %d KiB, %d files, %d threads",
				i+1, events, time.Since(began).Round(time.Second), now.kilobytes, now.files, now.threads)
		}
	}
	if function.PID() != pid {
		t.Error("the process ended meanwhile")
	}
	if now, ok := usageOf(pid); ok {
		t.Logf("%d events, %d dead letters, %v: %+v at a fifth, %+v at the end", events, letters, time.Since(began).Round(time.Millisecond), warm, now)
		if now.kilobytes > warm.kilobytes+16<<10 || now.files > warm.files+8 || now.threads > warm.threads+16 {
			t.Errorf("grown from %+v to %+v", warm, now)
		}
	}
	signal(t, function, syscall.SIGQUIT) // Go prints all goroutines
	for err := error(nil); err == nil; {
		_, _, err = function.Ready(t.Context()) // until it has ended
	}
	if n := strings.Count(function.Log(), "\ngoroutine "); n == 0 || n > 40 {
		t.Errorf("%d goroutines at the end", n)
	} else {
		t.Logf("%d goroutines at the end", n)
	}
}
