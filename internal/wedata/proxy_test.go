package wedata_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"

	"wedata-unbind/internal/wedata"
)

// serveProxy returns the address of a proxy that refuses every request, and the requests.
func serveProxy(t *testing.T) (address string, asked <-chan string) {
	t.Helper()
	requests := make(chan string, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests <- r.Method + " " + r.Host
		w.WriteHeader(http.StatusProxyAuthRequired)
	}))
	t.Cleanup(server.Close)
	return server.Listener.Addr().String(), requests
}

// net/http reads HTTPS_PROXY once per process, and not for loopback addresses. So a second process makes the call.
func TestHTTPSProxyIsUsed(t *testing.T) {
	if os.Getenv("WEDATA_TEST_CHILD") != "" {
		client, err := wedata.New(wedata.Config{})
		if err != nil {
			t.Fatal(err)
		}
		t.Fatal(client.UnbindUser(t.Context(), token, uid))
	}
	proxy, asked := serveProxy(t)
	child := exec.Command(os.Args[0], "-test.run=^TestHTTPSProxyIsUsed$")
	child.Env = append(os.Environ(), "WEDATA_TEST_CHILD=1", "NO_PROXY=", "no_proxy=", "HTTPS_PROXY=http://me:hunter2@"+proxy)
	output, err := child.CombinedOutput()
	want := "wedata: unbind user: no reply: the proxy refused to connect (HTTP 407): "
	if err == nil || !strings.Contains(string(output), want) {
		t.Errorf("got %v, %s", err, output)
	}
	if strings.Contains(string(output), "hunter2") {
		t.Errorf("the password is in %s", output)
	}
	select {
	case got := <-asked:
		if got != "CONNECT api.weixin.qq.com:443" {
			t.Errorf("the proxy was asked for %s", got)
		}
	default:
		t.Error("the proxy was not asked")
	}
}

func TestNoErrorHoldsAProxysPassword(t *testing.T) {
	proxy, _ := serveProxy(t)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	for name, address := range map[string]string{
		"refuses":           "http://me:hunter2@" + proxy,
		"cannot be reached": "http://me:hunter2@" + closed.Addr().String(),
		"unknown scheme":    "carrier://me:hunter2@" + closed.Addr().String(),
		"not a TLS server":  "https://me:hunter2@" + proxy,
		"no host":           "me:hunter2",
	} {
		t.Run(name, func(t *testing.T) {
			u, err := url.Parse(address)
			if err != nil {
				t.Fatal(err)
			}
			transport := &http.Transport{Proxy: http.ProxyURL(u)}
			client, err := wedata.New(wedata.Config{HTTPClient: &http.Client{Transport: transport}})
			if err != nil {
				t.Fatal(err)
			}
			err = client.UnbindUser(t.Context(), token, uid)
			if e := failure(t, err); e.Class != wedata.Network || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("got %v", err)
			}
		})
	}
}
