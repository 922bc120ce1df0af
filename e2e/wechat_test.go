package e2e

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"

	"wedata-unbind/internal/wedata/wedatatest"
)

// wechat is the stand-in for WeChat. Calls with certain tokens can get another handler.
type wechat struct {
	*wedatatest.Server

	mu      sync.Mutex
	instead map[string]http.HandlerFunc // by token
}

func newWechat() *wechat {
	return &wechat{Server: wedatatest.New(wedatatest.Options{}), instead: map[string]http.HandlerFunc{}}
}

// divert sends calls with the token to h, and with nil to the stand-in again.
func (w *wechat) divert(token string, h http.HandlerFunc) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.instead[token] = h
}

func (w *wechat) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	h := w.instead[r.URL.Query().Get("access_token")]
	w.mu.Unlock()
	if h == nil {
		h = w.Server.ServeHTTP
	}
	h(rw, r)
}

// busy answers as WeChat does when it is busy.
func busy(w http.ResponseWriter, _ *http.Request) {
	w.Write([]byte(`{"errcode":-1,"errmsg":"system error rid: 65a0c0de-00000000-e2e00000"}`))
}

// bound tells whether the merchant's bind list has the uid as bound.
func (w *wechat) bound(merchant, uid string) bool {
	for _, b := range w.Bindings(merchant) {
		if b.UID == uid {
			return b.Bound
		}
	}
	return false
}

// calls counts the calls on the path for the merchant.
func (w *wechat) calls(merchant, path string) int {
	n := 0
	for _, call := range w.Calls() {
		if call.Merchant == merchant && call.Path == path {
			n++
		}
	}
	return n
}

// serve serves h on all addresses of this machine, because containers cannot reach loopback. It returns the port.
func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	listener, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(h)
	server.Listener.Close()
	server.Listener = listener
	server.Start()
	t.Cleanup(server.Close)
	return strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
}
