package wedata_test

import (
	"context"
	_ "embed"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"wedata-unbind/internal/wedata"
	"wedata-unbind/internal/wedata/wedatatest"
)

const (
	merchant = "wx0123456789abcdef"
	token    = "61_Kq9-secret_T0ken/+="
	uid      = "E1001@example.com"
)

var (
	// The documented examples, corrected: in WeChat's a comma and the escapes of quotes are missing.
	//go:embed testdata/unbind.json
	documentedUnbind string
	//go:embed testdata/bind_list.json
	documentedBindList string
)

// serve returns a client of a server that has the API below a path.
func serve(t *testing.T, api http.Handler, cfg wedata.Config) *wedata.Client {
	t.Helper()
	server := httptest.NewServer(http.StripPrefix("/below/this", api))
	t.Cleanup(server.Close)
	cfg.BaseURL = server.URL + "/below/this/"
	client, err := wedata.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// weChat returns a stand-in with one merchant, and a client of it.
func weChat(t *testing.T, options wedatatest.Options, cfg wedata.Config) (*wedatatest.Server, *wedata.Client) {
	t.Helper()
	api := wedatatest.New(options)
	api.SetToken(merchant, token)
	api.Bind(merchant, wedatatest.Bound(uid), wedatatest.Administrator("A1"), wedatatest.Unbound("E0"))
	return api, serve(t, api, cfg)
}

// inMemory is weChat over net.Pipe, for a synctest bubble, in which waiting takes no time.
func inMemory(t *testing.T, cfg wedata.Config) (*wedatatest.Server, *wedata.Client) {
	t.Helper()
	api := wedatatest.New(wedatatest.Options{})
	api.SetToken(merchant, token)
	listener := pipeListener{make(chan net.Conn), make(chan struct{})}
	server := &http.Server{Handler: api}
	go func() { _ = server.Serve(listener) }()
	transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		here, there := net.Pipe()
		listener.conns <- there
		return here, nil
	}}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		_ = server.Close()
	})
	cfg.BaseURL, cfg.HTTPClient = "http://localhost", &http.Client{Transport: transport}
	client, err := wedata.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return api, client
}

type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (l pipeListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l pipeListener) Close() error   { close(l.closed); return nil }
func (l pipeListener) Addr() net.Addr { return &net.TCPAddr{} }

// replying gives every call the same answer.
func replying(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// failure returns the client's error without its cause.
func failure(t *testing.T, err error) wedata.Error {
	t.Helper()
	var e *wedata.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want a *wedata.Error", err)
	}
	plain := *e
	plain.Err = nil
	return plain
}

func TestNewRefusesBadValues(t *testing.T) {
	for name, row := range map[string]struct {
		cfg  wedata.Config
		want string
	}{
		"no scheme":        {wedata.Config{BaseURL: "api.weixin.qq.com"}, "absolute URL"},
		"no host":          {wedata.Config{BaseURL: "https://:443"}, "absolute URL"},
		"not a URL":        {wedata.Config{BaseURL: "https://api:hunter2"}, "absolute URL"},
		"user info":        {wedata.Config{BaseURL: "https://me:hunter2@api.weixin.qq.com"}, "user info"},
		"query":            {wedata.Config{BaseURL: "https://api.weixin.qq.com?a=hunter2"}, "query"},
		"empty query":      {wedata.Config{BaseURL: "https://api.weixin.qq.com?"}, "query"},
		"empty fragment":   {wedata.Config{BaseURL: "https://api.weixin.qq.com#"}, "fragment"},
		"plain http":       {wedata.Config{BaseURL: "http://api.weixin.qq.com"}, "https"},
		"like loopback":    {wedata.Config{BaseURL: "http://127.0.0.1.example.com"}, "https"},
		"another scheme":   {wedata.Config{BaseURL: "ftp://localhost"}, "https"},
		"negative timeout": {wedata.Config{Timeout: -time.Second}, "timeout -1s"},
	} {
		t.Run(name, func(t *testing.T) {
			client, err := wedata.New(row.cfg)
			if err == nil || client != nil || !strings.Contains(err.Error(), row.want) {
				t.Fatalf("got %v, want an error about %q", err, row.want)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error quotes the URL: %v", err)
			}
		})
	}
}

func TestNewAccepts(t *testing.T) {
	for _, base := range []string{
		"", "https://api2.weixin.qq.com/", "https://proxy.example.com/wechat", "https://[2001:db8::1]:8443",
		"http://localhost:8080", "http://127.0.0.2", "http://[::1]:80", "http://host.docker.internal:9000/x/",
	} {
		if _, err := wedata.New(wedata.Config{BaseURL: base}); err != nil {
			t.Errorf("%q: %v", base, err)
		}
	}
}

func TestUnbindUser(t *testing.T) {
	api, client := weChat(t, wedatatest.Options{}, wedata.Config{})
	for _, uid := range []string{uid, "A1"} {
		if err := client.UnbindUser(t.Context(), token, uid); err != nil {
			t.Fatal(err)
		}
	}
	for _, b := range api.Bindings(merchant) {
		if b.Bound {
			t.Errorf("%s is still bound", b.UID)
		}
	}
	want := wedatatest.Call{
		Method: "POST", Path: "/wedata/wedata_unbind_user", Query: "access_token=***", Merchant: merchant,
		Body: `{"uid":"E1001@example.com"}`, ContentLength: 27, Status: 200,
	}
	if got := api.Calls()[0]; got != want {
		t.Errorf("call\n got %+v\nwant %+v", got, want)
	}
}

func TestUnbindUserSends(t *testing.T) {
	var got *http.Request
	var body []byte
	client := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
		_, _ = io.WriteString(w, `{"errcode":0}`)
	}), wedata.Config{})

	for name, row := range map[string]struct{ uid, body string }{
		"ASCII":                {"E1", `{"uid":"E1"}`},
		"Chinese":              {"张三", `{"uid":"张三"}`},
		"HTML":                 {"<a&b>", `{"uid":"<a&b>"}`},
		"quote and backslash":  {`a"b\u0041`, `{"uid":"a\"b\\u0041"}`},
		"line separators":      {"a\u2028b\u2029", "{\"uid\":\"a\u2028b\u2029\"}"},
		"beyond the BMP":       {"😀", `{"uid":"😀"}`},
		"a replacement itself": {"\uFFFD", `{"uid":"` + "\uFFFD" + `"}`},
	} {
		t.Run(name, func(t *testing.T) {
			if err := client.UnbindUser(t.Context(), token, row.uid); err != nil {
				t.Fatal(err)
			}
			if string(body) != row.body || got.ContentLength != int64(len(row.body)) {
				t.Errorf("body %s of %d bytes, want %s", body, got.ContentLength, row.body)
			}
			if got.URL.Query().Get("access_token") != token || len(got.URL.Query()) != 1 {
				t.Errorf("query %s", got.URL.RawQuery)
			}
			if got.Header.Get("Content-Type") != "application/json" {
				t.Errorf("headers %v", got.Header)
			}
			if _, sent := got.Header["Idempotency-Key"]; sent {
				t.Error("Idempotency-Key was sent")
			}
		})
	}
}

func TestQueryBindListSendsNoBody(t *testing.T) {
	api, client := weChat(t, wedatatest.Options{}, wedata.Config{})
	if _, err := client.QueryBindList(t.Context(), token, nil); err != nil {
		t.Fatal(err)
	}
	want := wedatatest.Call{
		Method: "POST", Path: "/wedata/wedata_query_bind_list", Query: "access_token=***",
		Merchant: merchant, Status: 200,
	}
	if got := api.Calls()[0]; got != want {
		t.Errorf("call\n got %+v\nwant %+v", got, want)
	}
}

func TestBadInputIsNotSent(t *testing.T) {
	api, client := weChat(t, wedatatest.Options{}, wedata.Config{})
	_, listErr := client.QueryBindList(t.Context(), "", nil)
	for want, err := range map[string]error{
		"wedata: unbind user: the token is empty: correct the request":     client.UnbindUser(t.Context(), " \n", uid),
		"wedata: query bind list: the token is empty: correct the request": listErr,
		"the uid is empty":                client.UnbindUser(t.Context(), token, ""),
		"the uid is not UTF-8":            client.UnbindUser(t.Context(), token, "E\xff1"),
		"the uid has a control character": client.UnbindUser(t.Context(), token, "E1\n"),
	} {
		if e := failure(t, err); e.Class != wedata.BadInput || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if calls := api.Calls(); len(calls) != 0 {
		t.Errorf("calls were made: %v", calls)
	}
}

func TestUnbindUserTakesTheDocumentedReply(t *testing.T) {
	for _, contentType := range []string{"application/json; encoding=utf-8", "text/plain", ""} {
		client := serve(t, replying(200, contentType, documentedUnbind), wedata.Config{})
		if err := client.UnbindUser(t.Context(), token, "test"); err != nil {
			t.Errorf("as %q: %v", contentType, err)
		}
	}
}

func TestQueryBindList(t *testing.T) {
	at := func(seconds int64) time.Time { return time.Unix(seconds, 0).UTC() }
	for name, row := range map[string]struct {
		reply string
		want  []wedata.Binding
	}{
		"the documented reply": {documentedBindList, []wedata.Binding{
			{
				UID: "test", Bound: true, Nickname: "xxx", CreateTime: at(1663728070), UpdateTime: at(1663728119),
				Perm: []string{"全站只读"},
			},
			{UID: "example", CreateTime: at(1663668070), UpdateTime: at(1663668119)},
		}},
		"nobody":                  {`{"errcode":0,"info":[]}`, []wedata.Binding{}},
		"null":                    {`{"errcode":0,"info":null}`, []wedata.Binding{}},
		"bare entries":            {`{"errcode":0,"info":[{"uid":"E1","is_bind":1}]}`, []wedata.Binding{{UID: "E1", Bound: true}}},
		"errcode behind the list": {`{"info":[{"is_bind":0,"uid":"E1"}],"errcode":0}`, []wedata.Binding{{UID: "E1"}}},
		"a uid in two entries": {
			`{"errcode":0,"info":[{"uid":"E1","is_bind":1},{"uid":"E1","is_bind":0}]}`,
			[]wedata.Binding{{UID: "E1", Bound: true}, {UID: "E1"}},
		},
		"a broken nickname, twice": {
			`{"errcode":0,"info":[{"uid":"E1","is_bind":1,"nickname":"","nickname":"` + "\xff" + `"}]}`,
			[]wedata.Binding{{UID: "E1", Bound: true, Nickname: "\uFFFD"}},
		},
		"permission ids of any kind": {
			`{"errcode":0,"info":[{"uid":"E1","is_bind":1,"perm":[{"perm_id":7,"name":"a"},{"perm_id":"x"},{}]}]}`,
			[]wedata.Binding{{UID: "E1", Bound: true, Perm: []string{"a", "", ""}}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			client := serve(t, replying(200, "application/json", row.reply), wedata.Config{})
			got, err := client.QueryBindList(t.Context(), token, nil)
			if err != nil || !reflect.DeepEqual(got, row.want) {
				t.Errorf("got %+v, %v\nwant %+v", got, err, row.want)
			}
		})
	}
}

func TestQueryBindListRefuses(t *testing.T) {
	for reply, want := range map[string]string{
		`{"errcode":0}`:                     "reply has no info",
		`{"errcode":0,"info":[],"info":[]}`: "reply has no info, or two",
		`{"errcode":0,"info":[{"uid":"E1","uid":"E2","is_bind":1}]}`:                  "entry 0 of the reply's info",
		`{"errcode":0,"info":[{"uid":"E1","is_bind":1,"is_bind":0}]}`:                 "entry 0 of the reply's info",
		`{"errcode":0,"info":[{"uid":"","is_bind":1}]}`:                               "entry 0 of the reply's info",
		`{"errcode":0,"info":[{"uid":"E1","is_bind":1},{"uid":"E2","is_bind":null}]}`: "entry 1 of the reply's info",
		`{"errcode":0,"info":[{"uid":"E1","is_bind":1},{"is_bind":1}]}`:               "entry 1 of the reply's info",
		`{"errcode":0,"info":[{"UID":"E1","is_bind":1}]}`:                             "entry 0 of the reply's info",
		`{"info":[{"uid":"E1","is_bind":1}]}`:                                         "no errcode",
		`{"info":[{"uid":"E1","is_bind":1}],"errcode":0`:                              "not a JSON object",
		`{"errcode":0,"info":{}}`:                                                     "not a list of bindings",
		`{"errcode":0,"info":[{"uid":"E1","is_bind":"yes"}]}`:                         "not a list of bindings",
		`{"errcode":0,"info":[{"uid":"E1"}]}`:                                         "entry 0 of the reply's info",
		`{"errcode":0,"info":[{"uid":"E1","is_bind":1},null]}`:                        "entry 1 of the reply's info",
	} {
		client := serve(t, replying(200, "application/json", reply), wedata.Config{})
		nobody := func(string) bool { return false } // an entry that nobody asks for counts too
		list, err := client.QueryBindList(t.Context(), token, nobody)
		e := failure(t, err)
		if list != nil || e.HTTPStatus != 200 || e.Class != wedata.Unclear || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", reply, err, want)
		}
	}
}

func TestADeadKeptConnectionIsReplaced(t *testing.T) {
	// The server closes every connection at its second request. So it is after Lambda was frozen in between.
	var requests sync.Map
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, again := requests.LoadOrStore(r.RemoteAddr, true); again {
			panic(http.ErrAbortHandler)
		}
		_, _ = io.WriteString(w, `{"errcode":0,"info":[]}`)
	})
	client := serve(t, handler, wedata.Config{})
	for range 3 {
		if err := client.UnbindUser(t.Context(), token, uid); err != nil {
			t.Fatal(err)
		}
		if _, err := client.QueryBindList(t.Context(), token, nil); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTheCallersClientIsCopied(t *testing.T) {
	used := 0
	own := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		used++
		return http.DefaultTransport.RoundTrip(r)
	})}
	client := serve(t, replying(200, "", `{"errcode":0}`), wedata.Config{HTTPClient: own})
	if err := client.UnbindUser(t.Context(), token, uid); err != nil || used != 1 {
		t.Errorf("%v, transport used %d times", err, used)
	}
	if own.CheckRedirect != nil {
		t.Error("the caller's client was changed")
	}
}

func TestATimeoutAndACancellationKeepTheirCause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api, client := inMemory(t, wedata.Config{Timeout: 3 * time.Second})
		api.Fail(wedatatest.Fault{Latency: time.Hour})
		began := time.Now()
		err := client.UnbindUser(t.Context(), token, uid)
		want := "wedata: unbind user: no reply: timed out: " + wedata.Network.Advice()
		if e := failure(t, err); e != (wedata.Error{Op: "unbind user", Class: wedata.Network}) ||
			!errors.Is(err, context.DeadlineExceeded) || err.Error() != want || time.Since(began) != 3*time.Second {
			t.Errorf("after %v: got %v, want %s", time.Since(began), err, want)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		err = client.UnbindUser(ctx, token, uid)
		if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "no reply: cancelled: ") {
			t.Errorf("cancelled: got %v", err)
		}
	})
}

func TestNoReply(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	client, err := wedata.New(wedata.Config{BaseURL: "http://" + address})
	if err != nil {
		t.Fatal(err)
	}
	got := client.UnbindUser(t.Context(), token, uid).Error()
	want := "wedata: unbind user: no reply: connection refused: " + wedata.Network.Advice()
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestAReplyThatIsNotHTTP(t *testing.T) {
	api := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { raw(w, "SSH-2.0-x") })
	client := serve(t, api, wedata.Config{})
	got := client.UnbindUser(t.Context(), token, uid).Error()
	if want := "wedata: unbind user: no reply: not a valid HTTP reply: " + wedata.Network.Advice(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestSixteenAtOnceKeepTheirConnections(t *testing.T) {
	var connections atomic.Int32
	var inside sync.WaitGroup // makes the calls overlap, so that each needs a connection
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		inside.Done()
		inside.Wait()
		_, _ = io.WriteString(w, `{"errcode":0}`)
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	client, err := wedata.New(wedata.Config{BaseURL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		inside.Add(16)
		var calls sync.WaitGroup
		for range 16 {
			calls.Go(func() {
				if err := client.UnbindUser(t.Context(), token, uid); err != nil {
					t.Error(err)
				}
			})
		}
		calls.Wait()
	}
	if n := connections.Load(); n != 16 {
		t.Errorf("%d connections, want 16", n)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func BenchmarkUnbindUser(b *testing.B) {
	server := httptest.NewServer(replying(200, "application/json", `{"errcode":0,"errmsg":"ok"}`))
	defer server.Close()
	client, err := wedata.New(wedata.Config{BaseURL: server.URL})
	if err != nil {
		b.Fatal(err)
	}
	b.Run("bare http.Post", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			body := strings.NewReader(`{"uid":"E1001"}`)
			resp, err := http.Post(server.URL+wedatatest.UnbindPath, "application/json", body)
			if err != nil {
				b.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
	})
	b.Run("UnbindUser", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := client.UnbindUser(b.Context(), token, "E1001"); err != nil {
				b.Fatal(err)
			}
		}
	})
}
