package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"maps"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"wedata-unbind/internal/lambdatest"
	"wedata-unbind/internal/wedata/wedatatest"
)

const (
	secretID  = "wedata/token"
	sourcesID = "wedata/sources"
)

// network says how far away the services are.
type network struct {
	wechat, aws time.Duration // a round trip
	tls         bool
}

func (n network) String() string {
	security := "plain"
	if n.tls {
		security = "TLS"
	}
	return fmt.Sprintf("%d ms %s", n.wechat.Milliseconds(), security)
}

// services is WeChat and AWS at their distance.
type services struct {
	network
	server  *wedatatest.Server
	aws     *lambdatest.AWS
	queue   *lambdatest.Queue
	wires   []*wire
	conns   atomic.Int64 // opened to WeChat
	env     map[string]string
	servers []*http.Server

	mu      sync.Mutex
	arrived time.Time // when WeChat got the first request since the last reset
}

// newServices returns services with so many merchants, and so many people at each. The secret is an index where there is
// more than one merchant. Dir gets the certificate.
func newServices(n network, merchants, people int, dir string) (*services, error) {
	w := &services{network: n, server: wedatatest.New(wedatatest.Options{}), aws: lambdatest.NewAWS()}
	tokens := map[string]map[string]string{}
	for i := range merchants {
		tokens[merchant(i)] = map[string]string{"authorizer_access_token": w.server.Rotate(merchant(i))}
		for j := range people {
			w.server.Bind(merchant(i), wedatatest.Bound(uid(j)))
		}
	}
	secret := any(map[string]any{"authorizers": tokens})
	if merchants == 1 {
		tokens[merchant(0)]["authorizer_appid"] = merchant(0)
		secret = tokens[merchant(0)]
	}
	text, err := json.Marshal(secret)
	if err != nil {
		return nil, err
	}
	w.aws.Secrets.Put(secretID, string(text))
	w.aws.Secrets.Put(sourcesID, `{"hr":{"scheme":"bearer","keys":["key-of-the-bench"],"merchants":["*"]}}`)
	certificate, err := newCertificate(filepath.Join(dir, n.String()+".pem"))
	if err != nil {
		return nil, err
	}
	wechat, err := w.serve(n.wechat, http.HandlerFunc(w.wechatAPI), certificate, func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			w.conns.Add(1)
		}
	})
	if err != nil {
		return nil, err
	}
	aws, err := w.serve(n.aws, w.aws, certificate, nil)
	if err != nil {
		return nil, err
	}
	dead := w.aws.SQS.Create("unbind-dead", lambdatest.QueueConfig{})
	w.queue = w.aws.SQS.Create("unbind", lambdatest.QueueConfig{DeadLetter: dead, MaxReceives: 12})
	w.env = map[string]string{
		"AWS_ENDPOINT_URL":             aws,
		"WEDATA_SECRET_ID":             secretID,
		"WEDATA_BASE_URL":              wechat,
		"UNBIND_SOURCES_SECRET_ID":     sourcesID,
		"UNBIND_QUEUE_URL":             w.queue.URL,
		"UNBIND_DEAD_LETTER_QUEUE_URL": dead.URL,
		"AWS_LAMBDA_LOG_FORMAT":        "JSON",
	}
	if n.tls {
		w.env["SSL_CERT_FILE"] = filepath.Join(dir, n.String()+".pem")
	}
	w.reset()
	return w, nil
}

// serve starts a server at that distance and returns its URL.
func (w *services) serve(
	rtt time.Duration, h http.Handler, certificate tls.Certificate, state func(net.Conn, http.ConnState),
) (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	far := &wire{Listener: listener, rtt: rtt, conns: map[*distant]struct{}{}}
	w.wires = append(w.wires, far)
	s := &http.Server{
		Handler: h, ConnState: state, ReadHeaderTimeout: time.Minute,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12},
		ErrorLog:  log.New(io.Discard, "", 0), // processes are ended in the middle of handshakes
	}
	w.servers = append(w.servers, s)
	if w.tls {
		go s.ServeTLS(far, "", "")
		return "https://" + listener.Addr().String(), nil
	}
	go s.Serve(far)
	return "http://" + listener.Addr().String(), nil
}

func (w *services) wechatAPI(reply http.ResponseWriter, r *http.Request) {
	now := time.Now()
	w.mu.Lock()
	if w.arrived.IsZero() {
		w.arrived = now
	}
	w.mu.Unlock()
	w.server.ServeHTTP(reply, r)
}

// reset binds the first person again, and forgets when the first request came and how many connections there were.
func (w *services) reset() {
	w.server.Bind(merchant(0), wedatatest.Bound(uid(0)))
	w.mu.Lock()
	w.arrived = time.Time{}
	w.mu.Unlock()
	w.conns.Store(0)
}

// first returns when WeChat got the first request since the last reset.
func (w *services) first() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.arrived
}

// unbound reports whether the first person is unbound.
func (w *services) unbound() bool { return !w.server.Bindings(merchant(0))[0].Bound }

func (w *services) close() {
	for _, s := range w.servers {
		_ = s.Close()
	}
}

func merchant(i int) string { return fmt.Sprintf("wx%016x", i+1) }

func uid(i int) string { return fmt.Sprintf("E%04d", i+1) }

// newCertificate makes a certificate for this machine, and writes it to a file for SSL_CERT_FILE.
func newCertificate(file string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, os.WriteFile(file, text, 0o600)
}

// contender is a function that is measured.
type contender struct {
	name string
	path string
	env  map[string]string
}

// run is a process of a contender with its services.
type run struct {
	*lambdatest.Function
	services *services
	of       contender
}

func (w *services) start(c contender) (*run, error) {
	env := maps.Clone(w.env)
	maps.Copy(env, c.env)
	function, err := lambdatest.Start(lambdatest.Config{Path: c.path, Env: env, Timeout: time.Minute})
	return &run{function, w, c}, err
}

// invoke returns how long an event took. It errs where the function does.
func (r *run) invoke(event []byte) (time.Duration, error) {
	reply, err := r.Invoke(context.Background(), event)
	if err == nil {
		err = reply.Err()
	}
	var status struct{ StatusCode int }
	if json.Unmarshal(reply.Payload, &status); err == nil && status.StatusCode >= 400 {
		err = fmt.Errorf("status %d", status.StatusCode)
	}
	if err != nil {
		return 0, fmt.Errorf("%s, %v: %w", r.of.name, r.services.network, err)
	}
	return reply.Duration, nil
}

// usage is what a process took.
type usage struct {
	memory  float64 // the most that was in memory, in MB
	private float64 // the part of it at the end that is not the binary's own pages, in MB; 0 where the system does not tell
	cpu     time.Duration
}

// end ends the process.
func (r *run) end() (usage, error) {
	// The rusage of Linux has the memory of the parent too, from before the exec.
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", r.PID())) // there is none on other systems
	state := r.End()
	u := usage{cpu: state.UserTime() + state.SystemTime()}
	for name, to := range map[string]*float64{"VmHWM:": &u.memory, "RssAnon:": &u.private} {
		if _, after, ok := strings.Cut(string(status), name); ok {
			if _, err := fmt.Sscan(after, to); err != nil {
				return u, err
			}
			*to /= 1024
		}
	}
	if used, ok := state.SysUsage().(*syscall.Rusage); ok && u.memory == 0 {
		u.memory = float64(used.Maxrss) / (1 << 20)
	}
	return u, r.Close()
}
