package main

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"os"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"wedata-unbind/internal/lambdatest"
	"wedata-unbind/internal/queue"
	"wedata-unbind/internal/secrets"
)

// Regressions of issue 9, number 18: a call of AWS without a reply took the rest of the invocation.

// mortal is a connection that is dead from a moment on, as after a long freeze: what is written gets lost, and nothing
// comes back.
type mortal struct {
	net.Conn
	dead *atomic.Bool
}

func (c mortal) Write(b []byte) (int, error) {
	if c.dead.Load() {
		return len(b), nil
	}
	return c.Conn.Write(b)
}

// awsBench is the function's clients of AWS, and the stand-ins that answer them in virtual time.
type awsBench struct {
	*lambdatest.AWS
	queue *queue.Queue
	cache *secrets.Cache
	sent  *lambdatest.Queue
	dead  *atomic.Bool // of the connections dialled so far
}

// inVirtualTime runs a test with an awsBench.
func inVirtualTime(t *testing.T, test func(*testing.T, *awsBench)) {
	t.Helper()
	for name, value := range map[string]string{
		"AWS_REGION": lambdatest.Region, "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
	} {
		t.Setenv(name, value)
	}
	synctest.Test(t, func(t *testing.T) {
		b := &awsBench{AWS: lambdatest.NewAWS(), dead: new(atomic.Bool)}
		inMemory, url := lambdatest.InMemory(t, b.AWS)
		dial := inMemory.Transport.(*http.Transport).DialContext
		client := newAWSTransport().WithTransportOptions(func(tr *http.Transport) {
			tr.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
				conn, err := dial(ctx, network, addr)
				return mortal{conn, b.dead}, err
			}
		})
		sdk, err := loadAWS(t.Context(), client)
		if err != nil {
			t.Fatal(err)
		}
		sdk.BaseEndpoint = &url
		b.sent = b.SQS.Create("queue", lambdatest.QueueConfig{})
		b.queue = queue.New(sqs.NewFromConfig(sdk), b.sent.URL, "")
		b.cache = secrets.New(secretsmanager.NewFromConfig(sdk), secrets.Config{})
		test(t, b)
	})
}

// send sends a message, and returns how long that took.
func (b *awsBench) send(t *testing.T) (time.Duration, error) {
	begin := time.Now()
	errs := b.queue.Send(t.Context(), []queue.Message{{Body: []byte("body")}})
	return time.Since(begin), errs[0]
}

// cutOff makes a connection dead that waits for its next use, and all others that there are now.
func (b *awsBench) cutOff(t *testing.T) {
	t.Helper()
	kept := false
	trace := &httptrace.ClientTrace{PutIdleConn: func(err error) { kept = err == nil }}
	ctx := httptrace.WithClientTrace(t.Context(), trace)
	for range 2000 { // not every call: the SDK closes the body of a request, and that may be before it is written
		if kept {
			break
		}
		if err := b.queue.Send(ctx, []queue.Message{{Body: []byte("body")}})[0]; err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
	}
	if !kept {
		t.Fatal("no connection is kept")
	}
	b.dead.Store(true)
	b.dead = new(atomic.Bool)
}

func TestAHungCallOfAWSIsTriedAgain(t *testing.T) {
	const most = 3500 * time.Millisecond // one attempt and a pause
	t.Run("SQS", func(t *testing.T) {
		inVirtualTime(t, func(t *testing.T, b *awsBench) {
			b.SQS.Fail(lambdatest.Fault{Hang: true})
			if took, err := b.send(t); err != nil || took > most || len(b.sent.Messages()) != 1 {
				t.Errorf("%v after %v; %d messages sent", err, took, len(b.sent.Messages()))
			}
		})
	})
	t.Run("Secrets Manager", func(t *testing.T) {
		inVirtualTime(t, func(t *testing.T, b *awsBench) {
			b.Secrets.Put(secretID, "token")
			b.Secrets.Fail(lambdatest.Fault{Hang: true})
			begin := time.Now()
			secret, err := b.cache.Get(t.Context(), secretID)
			if took := time.Since(begin); err != nil || took > most || secret.Value != "token" {
				t.Errorf("%v after %v", err, took)
			}
		})
	})
}

func TestAnAWSThatHangsCostsLessThanWhatIsKeptForTheQueue(t *testing.T) {
	inVirtualTime(t, func(t *testing.T, b *awsBench) {
		b.SQS.Fail(lambdatest.Fault{Times: -1, Hang: true})
		if took, err := b.send(t); err == nil || took >= 5*time.Second {
			t.Errorf("%v after %v", err, took)
		}
	})
}

func TestConnectionsThatDiedInAFreezeAreNotUsed(t *testing.T) {
	inVirtualTime(t, func(t *testing.T, b *awsBench) {
		b.cutOff(t)
		time.Sleep(35 * time.Second) // virtual
		if took, err := b.send(t); err != nil || took > 0 {
			t.Errorf("%v after %v", err, took)
		}
	})
}

func TestAConnectionThatDiedIsReplaced(t *testing.T) {
	inVirtualTime(t, func(t *testing.T, b *awsBench) {
		b.cutOff(t)
		if took, err := b.send(t); err != nil || took < time.Second || took > 3500*time.Millisecond {
			t.Errorf("%v after %v, want one attempt of 3 s without a reply", err, took)
		}
	})
}

// After a timeout an HTTP/2 connection stays in use: the next attempt would take it too.
func TestAWSIsCalledByHTTP1(t *testing.T) {
	var proto string
	handler := func(_ http.ResponseWriter, r *http.Request) { proto = r.Proto }
	server := httptest.NewUnstartedServer(http.HandlerFunc(handler))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	trusted := server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	client := newAWSTransport().WithTransportOptions(func(tr *http.Transport) { tr.TLSClientConfig.RootCAs = trusted })
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	reply, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	if proto != "HTTP/1.1" {
		t.Errorf("called by %s", proto)
	}
}
