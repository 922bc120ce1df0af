package wedata_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"wedata-unbind/internal/wedata"
)

// warmBench is a client over net.Pipe in a synctest bubble, and a server that counts.
type warmBench struct {
	client          *wedata.Client
	dials, requests atomic.Int64
	dead            atomic.Bool                                   // of the connections that are open
	silent          bool                                          // whether what is sent on a dead one is lost without a reset
	dial            func(ctx context.Context, number int64) error // before each dial
	takes           time.Duration                                 // of each request
}

// serverPatience is how long the server keeps a connection without a request.
const serverPatience = 10 * time.Second

// dying is a connection that is reset once dead, at the next write, as after a long freeze; or it loses what is sent.
type dying struct {
	net.Conn
	dead   *atomic.Bool
	silent *bool
}

func (c dying) Write(b []byte) (int, error) {
	if c.dead.Load() {
		if *c.silent {
			return len(b), nil
		}
		_ = c.Close()
		return 0, &net.OpError{Op: "write", Err: syscall.ECONNRESET}
	}
	return c.Conn.Write(b)
}

// warmTests runs a test with plain connections and with TLS.
func warmTests(t *testing.T, test func(*testing.T, *warmBench)) {
	t.Helper()
	keys := httptest.NewTLSServer(nil)
	defer keys.Close()
	trusted := keys.Client().Transport.(*http.Transport).TLSClientConfig
	for _, scheme := range []string{"http", "https"} {
		t.Run(scheme, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &warmBench{dial: func(context.Context, int64) error { return nil }}
				listener := pipeListener{make(chan net.Conn), make(chan struct{})}
				server := &http.Server{ReadHeaderTimeout: serverPatience, Handler: http.HandlerFunc(func(reply http.ResponseWriter, _ *http.Request) {
					b.requests.Add(1)
					time.Sleep(b.takes)
					_, _ = reply.Write([]byte(`{"errcode":0}`))
				})}
				transport := &http.Transport{
					TLSClientConfig: trusted.Clone(),
					DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
						if err := b.dial(ctx, b.dials.Add(1)); err != nil {
							return nil, err
						}
						here, there := net.Pipe()
						listener.conns <- there
						dead := &b.dead
						if b.dead.Load() {
							dead = new(atomic.Bool)
						}
						return dying{here, dead, &b.silent}, nil
					},
				}
				base := "http://localhost"
				var accept net.Listener = listener
				if scheme == "https" {
					base = "https://example.com" // in the certificate of httptest
					accept = tls.NewListener(listener, &tls.Config{Certificates: keys.TLS.Certificates, MinVersion: tls.VersionTLS13})
				}
				go func() { _ = server.Serve(accept) }()
				defer server.Close()
				var err error
				b.client, err = wedata.New(wedata.Config{BaseURL: base, HTTPClient: &http.Client{Transport: transport}})
				if err != nil {
					t.Fatal(err)
				}
				test(t, b)
			})
		})
	}
}

// call makes a call, which must be one request and take that long.
func (b *warmBench) call(t *testing.T, want time.Duration) {
	t.Helper()
	before, began := b.requests.Load(), time.Now()
	err := b.client.UnbindUser(t.Context(), token, uid)
	if took := time.Since(began); err != nil || b.requests.Load() != before+1 || took != want {
		t.Errorf("got %v, %d requests in %v; want 1 in %v", err, b.requests.Load()-before, took, want)
	}
}

func TestAWarmClientHasAConnectionAndSendsNothing(t *testing.T) {
	warmTests(t, func(t *testing.T, b *warmBench) {
		b.client.Warm()
		time.Sleep(time.Second)
		if b.dials.Load() != 1 || b.requests.Load() != 0 {
			t.Errorf("Warm dialled %d times and sent %d requests", b.dials.Load(), b.requests.Load())
		}
		b.call(t, 0)
		b.call(t, 0)
		if b.dials.Load() != 1 {
			t.Errorf("dialled %d times", b.dials.Load())
		}
	})
}

func TestTheFirstCallJoinsTheDialThatIsUnderWay(t *testing.T) {
	warmTests(t, func(t *testing.T, b *warmBench) {
		b.dial = slowDial
		b.client.Warm()
		time.AfterFunc(200*time.Millisecond, func() {
			if b.dials.Load() != 1 {
				t.Errorf("the call dialled itself: %d dials", b.dials.Load())
			}
		})
		time.Sleep(100 * time.Millisecond)
		b.call(t, 200*time.Millisecond)
		time.Sleep(time.Second) // until every dial has ended
	})
}

// slowDial takes 300 ms.
func slowDial(context.Context, int64) error {
	time.Sleep(300 * time.Millisecond)
	return nil
}

// hangingDial fails after 5 s the first time, and succeeds at once afterwards.
func hangingDial(_ context.Context, number int64) error {
	if number == 1 {
		time.Sleep(5 * time.Second)
		return errors.New("timed out")
	}
	return nil
}

func TestAfterASecondTheFirstCallDialsItself(t *testing.T) {
	warmTests(t, func(t *testing.T, b *warmBench) {
		b.dial = hangingDial
		b.client.Warm()
		b.call(t, time.Second)
		time.Sleep(5 * time.Second) // the first dial has ended
	})
}

// One call gets the connection of Warm. The others, as for ten merchants, lose nothing by it.
func TestOtherCallsDoNotWaitForTheDialThatIsUnderWay(t *testing.T) {
	warmTests(t, func(t *testing.T, b *warmBench) {
		b.dial = slowDial
		b.takes = 100 * time.Millisecond
		b.client.Warm()
		time.Sleep(100 * time.Millisecond)
		began := time.Now()
		var calls sync.WaitGroup
		for range 10 {
			calls.Go(func() {
				err := b.client.UnbindUser(t.Context(), token, uid)
				if took := time.Since(began); err != nil || took > 400*time.Millisecond {
					t.Errorf("got %v after %v, a call without Warm takes 400ms", err, took)
				}
			})
		}
		calls.Wait()
		time.Sleep(time.Second) // until every dial has ended
	})
}

func TestTheSecondCallDoesNotWaitForADialThatHangs(t *testing.T) {
	warmTests(t, func(t *testing.T, b *warmBench) {
		b.dial = hangingDial
		b.client.Warm()
		b.call(t, time.Second)
		b.call(t, 0)
		time.Sleep(5 * time.Second) // the first dial has ended
	})
}

// A proxy that refuses, and a handshake that fails, are faults after the dial.
func TestNoCallWaitsForAWarmThatFailedAfterTheDial(t *testing.T) {
	for name, row := range map[string]struct{ proxy, refusal string }{
		"the proxy refuses":       {"http://proxy.example", "HTTP/1.1 502 Bad Gateway\r\n\r\n"},
		"the SOCKS proxy refuses": {"socks5://proxy.example", "\x05\xff"},
		"the handshake fails":     {"", "HTTP/1.1 400 Bad Request\r\n\r\n"},
		"the connection ends":     {"", ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
					here, there := net.Pipe()
					go func() {
						defer there.Close()
						_, _ = there.Read(make([]byte, 4096))
						_, _ = io.WriteString(there, row.refusal)
					}()
					return here, nil
				}}
				if row.proxy != "" {
					transport.Proxy = func(*http.Request) (*url.URL, error) { return url.Parse(row.proxy) }
				}
				client, err := wedata.New(wedata.Config{HTTPClient: &http.Client{Transport: transport}})
				if err != nil {
					t.Fatal(err)
				}
				client.Warm()
				began := time.Now()
				err = client.UnbindUser(t.Context(), token, uid)
				if e := failure(t, err); e.Class != wedata.Network || time.Since(began) > 0 {
					t.Errorf("got %v after %v", err, time.Since(began))
				}
			})
		})
	}
}

func TestAFaultOfWarmIsForgotten(t *testing.T) {
	warmTests(t, func(t *testing.T, b *warmBench) {
		b.dial = func(_ context.Context, number int64) error {
			if number == 1 {
				return &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
			}
			return nil
		}
		b.client.Warm()
		synctest.Wait()
		b.call(t, 0)
	})
}

func TestAWarmConnectionThatDiedIsReplaced(t *testing.T) {
	warmTests(t, func(t *testing.T, b *warmBench) {
		b.client.Warm()
		synctest.Wait()
		b.dead.Store(true)
		b.call(t, 0)
		if b.dials.Load() != 2 {
			t.Errorf("dialled %d times", b.dials.Load())
		}
	})
}

// Nothing tells that the connection is dead: it may be a slow reply. The next try takes another connection.
func TestAWarmConnectionThatDiedSilentlyTakesOneTimeout(t *testing.T) {
	warmTests(t, func(t *testing.T, b *warmBench) {
		b.silent = true
		b.client.Warm()
		synctest.Wait()
		b.dead.Store(true)
		began := time.Now()
		err := b.client.UnbindUser(t.Context(), token, uid)
		took := time.Since(began)
		if e := failure(t, err); e.Class != wedata.Network || !e.Temporary() || took != wedata.DefaultTimeout {
			t.Errorf("got %v after %v", err, took)
		}
		b.call(t, 0)
	})
}

func TestAWarmConnectionThatTheServerClosedIsReplaced(t *testing.T) {
	warmTests(t, func(t *testing.T, b *warmBench) {
		b.client.Warm()
		time.Sleep(serverPatience + time.Second)
		b.call(t, 0)
		if b.dials.Load() != 2 {
			t.Errorf("dialled %d times", b.dials.Load())
		}
	})
}

func TestWarmGoesThroughTheProxy(t *testing.T) {
	var requests atomic.Int64
	weChat := httptest.NewTLSServer(http.HandlerFunc(func(reply http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		_, _ = reply.Write([]byte(`{"errcode":0}`))
	}))
	defer weChat.Close()
	asked := make(chan string, 9)
	proxy := httptest.NewServer(http.HandlerFunc(func(reply http.ResponseWriter, r *http.Request) {
		there, err := net.Dial("tcp", weChat.Listener.Addr().String())
		if err != nil {
			t.Error(err)
			return
		}
		defer there.Close()
		here, _, err := http.NewResponseController(reply).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer here.Close()
		_, _ = io.WriteString(here, "HTTP/1.1 200 Connection established\r\n\r\n")
		asked <- r.Method + " " + r.Host
		go func() { _, _ = io.Copy(there, here) }()
		_, _ = io.Copy(here, there)
	}))
	defer proxy.Close()
	address, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{
		Proxy:           http.ProxyURL(address),
		TLSClientConfig: weChat.Client().Transport.(*http.Transport).TLSClientConfig.Clone(),
	}
	client, err := wedata.New(wedata.Config{BaseURL: "https://example.com", HTTPClient: &http.Client{Transport: transport}})
	if err != nil {
		t.Fatal(err)
	}
	client.Warm()
	if got := <-asked; got != "CONNECT example.com:443" || requests.Load() != 0 {
		t.Errorf("the proxy was asked for %s, WeChat got %d requests", got, requests.Load())
	}
	if err := client.UnbindUser(t.Context(), token, uid); err != nil || requests.Load() != 1 {
		t.Errorf("got %v, %d requests", err, requests.Load())
	}
}
