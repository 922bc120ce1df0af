package wedata_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"wedata-unbind/internal/wedata"
	"wedata-unbind/internal/wedata/wedatatest"
)

func TestEveryErrcodeHasItsClass(t *testing.T) {
	api, client := weChat(t, wedatatest.Options{}, wedata.Config{})
	// The classes of WeChat's documentation (global return codes, and those of third-party platforms).
	for class, codes := range map[wedata.Class][]int{
		wedata.Busy:                  {-1},
		wedata.TokenRefused:          {40001, 40014, 42001, 41001},
		wedata.ReauthorizationNeeded: {42007},
		wedata.WrongToken:            {61014, 61015},
		wedata.PermissionMissing:     {48001, 61007, 61003, 61016, 61017, 61028},
		wedata.DailyQuota:            {45009},
		wedata.MinuteRate:            {45011},
		wedata.IPNotAllowed:          {61004, 40164, 45035},
		wedata.Blocked:               {48004, 50002, 50004},
		wedata.BadInput:              {47001, 47002, 40097, 44002, 43002, 43003, 40066, 40013, 9900004},
		wedata.Undocumented:          {1, 40002, 99999, 9900013},
	} {
		for _, code := range codes {
			t.Run(strconv.Itoa(code), func(t *testing.T) {
				api.Fail(wedatatest.Fault{Errcode: code, Times: 2})
				err := client.UnbindUser(t.Context(), token, uid)
				e := failure(t, err)
				_, listErr := client.QueryBindList(t.Context(), token, nil)
				if got := failure(t, listErr); e.Class != class || got.Class != class {
					t.Errorf("classes %q and %q, want %q", e.Class, got.Class, class)
				}
				if e.Op != "unbind user" || e.Code != code || e.HTTPStatus != 200 || e.Msg == "" || len(e.RID) != 26 {
					t.Errorf("got %+v", e)
				}
				want := fmt.Sprintf("wedata: unbind user: %d %s (rid %s): %s", code, e.Msg, e.RID, class.Advice())
				if err.Error() != want {
					t.Errorf("got  %s\nwant %s", err, want)
				}
			})
		}
	}
}

func TestErrmsgAndRequestID(t *testing.T) {
	const rid = "6389a6d5-4b4a6e7d-1f7d2a5e"
	for name, row := range map[string]struct{ errmsg, msg, rid string }{
		"at the end":         {"api unauthorized rid: " + rid, "api unauthorized", rid},
		"behind a comma":     {"invalid appid, rid: " + rid, "invalid appid", rid},
		"without a blank":    {"system error rid:" + rid, "system error", rid},
		"alone":              {"rid: " + rid, "", rid},
		"in the middle":      {"system error, rid: " + rid + " hint: x", "system error hint: x", rid},
		"none":               {"api unauthorized", "api unauthorized", ""},
		"another form":       {"busy rid: 77", "busy rid: 77", ""},
		"another word":       {"grid: " + rid, "", ""},
		"lines and controls": {" a\r\n\tb\x1b[31m\u2028c\u202e ", "a   b[31m c", ""},
		"long":               {strings.Repeat("错", 100), strings.Repeat("错", 65) + "…", ""},
		"an IP address": {
			"invalid ip 203.0.113.107 ipv6 ::ffff:203.0.113.107, not in whitelist rid: " + rid,
			"invalid ip 203.0.113.107 ipv6 ::ffff:203.0.113.107, not in whitelist", rid,
		},
		"long words": {"access_token and refresh_token exception, require http/https", "access_token and refresh_token exception, require http/https", ""},
		// Only the errcode is shown where the message may hold a secret.
		"the token":             {"token " + token + " is old", "", ""},
		"the token in a URL":    {"POST /x?access_token=" + url.QueryEscape(token), "", ""},
		"half a token":          {"POST /x?access_token=" + token[:9] + " …", "", ""},
		"a token in parts":      {"no 61_Kq9 - secr et_T rid: " + rid, "", rid},
		"a token reversed":      {"no neK0T_te", "", ""},
		"a token in hex":        {"no 71392D73 65637265", "", ""},
		"a token in base64":     {"no cTktc2Vj", "", ""},
		"a token as request id": {"no rid: 36315f4b-71392d73-65637265", "no", ""},
		"another long run":      {"hint: AAAABBBBCCCCDDDD", "", ""},
		"the uid":               {"no user E1001@example.com", "", ""},
		"the uid in capitals":   {"no user e1001@EXAMPLE.COM", "", ""},
		"the uid in a URL":      {"no user E1001%40example.com", "", ""},
		"token split by a NUL":  {"token " + token[:5] + "\x00" + token[5:], "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			client := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = fmt.Fprintf(w, `{"errcode":-1,"errmsg":%s}`, quote(row.errmsg))
			}), wedata.Config{})
			e := failure(t, client.UnbindUser(t.Context(), token, uid))
			if e.Msg != row.msg || e.RID != row.rid {
				t.Errorf("got %q, %q\nwant %q, %q", e.Msg, e.RID, row.msg, row.rid)
			}
		})
	}
}

func TestUnclearReplies(t *testing.T) {
	const ok = `{"errcode":0,"errmsg":"ok","info":[]}`
	for name, row := range map[string]struct {
		status            int
		contentType, body string
		want              string
	}{
		"HTML":                {200, "text/html; charset=utf-8", "<html>", "HTTP 200: reply is not a JSON object (HTML, 6 bytes)"},
		"HTML, 502":           {502, "text/html", "<html>", "HTTP 502: reply is not a JSON object (HTML, 6 bytes)"},
		"empty":               {200, "application/json", "", "HTTP 200: empty reply (JSON, 0 bytes)"},
		"truncated":           {200, "application/json", ok[:20], "reply is not a JSON object (JSON, 20 bytes)"},
		"trailing data":       {200, "application/json", ok + "{}", "not a JSON object"},
		"a list":              {200, "application/json", "[0]", "not a JSON object"},
		"null":                {200, "application/json", "null", "no errcode"},
		"no errcode":          {200, "", `{"errmsg":"ok"}`, "no errcode, two of them, or one that is not a whole number (another media type, 15 bytes)"},
		"errcode null":        {200, "", `{"errcode":null}`, "no errcode"},
		"errcode a string":    {200, "", `{"errcode":"0"}`, "no errcode"},
		"errcode a fraction":  {200, "", `{"errcode":0.5}`, "no errcode"},
		"two errcodes":        {200, "", `{"errcode":40001,"errcode":0}`, "no errcode, two of them, or one that is not a whole number"},
		"Errcode":             {200, "", `{"Errcode":0}`, "no errcode"},
		"errcode 0 under 500": {500, "", ok, "HTTP 500: errcode 0 with an HTTP status"},
		"errcode 0 under 302": {302, "", ok, "HTTP 302: errcode 0 with an HTTP status"},
		"64 KiB and one byte": {200, "", ok + strings.Repeat(" ", 64<<10+1-len(ok)), "reply larger than 64 KiB"},
	} {
		t.Run(name, func(t *testing.T) {
			client := serve(t, replying(row.status, row.contentType, row.body), wedata.Config{})
			err := client.UnbindUser(t.Context(), token, uid)
			want := wedata.Error{Op: "unbind user", HTTPStatus: row.status, Class: wedata.Unclear}
			if e := failure(t, err); e != want || !strings.Contains(err.Error(), row.want) {
				t.Errorf("got %v, want %s", err, row.want)
			}
		})
	}
	t.Run("64 KiB are allowed", func(t *testing.T) {
		client := serve(t, replying(200, "", ok+strings.Repeat(" ", 64<<10-len(ok))), wedata.Config{})
		if err := client.UnbindUser(t.Context(), token, uid); err != nil {
			t.Error(err)
		}
	})
	t.Run("cut off by the connection", func(t *testing.T) {
		client := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, ok)
		}), wedata.Config{})
		err := client.UnbindUser(t.Context(), token, uid)
		e := failure(t, err)
		if e.Class != wedata.Unclear || e.HTTPStatus != 200 || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("got %v", err)
		}
	})
}

func TestErrcodeCountsUnderAnyStatus(t *testing.T) {
	client := serve(t, replying(503, "text/html", `{"errcode":-1,"errmsg":"system error"}`), wedata.Config{})
	err := client.UnbindUser(t.Context(), token, uid)
	want := "wedata: unbind user: HTTP 503: -1 system error: try again in a moment"
	if e := failure(t, err); e.Class != wedata.Busy || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		client := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != wedatatest.UnbindPath {
				t.Errorf("%d was followed to %s", status, r.URL.Path)
			}
			http.Redirect(w, r, "/below/this/elsewhere?"+r.URL.RawQuery, status)
		}), wedata.Config{HTTPClient: &http.Client{}})
		e := failure(t, client.UnbindUser(t.Context(), token, uid))
		if e.Class != wedata.Unclear || e.HTTPStatus != status {
			t.Errorf("%d: got %+v", status, e)
		}
	}
}

// faults are all kinds of faults of the stand-in, with the class and HTTP status of the error.
var faults = map[string]struct {
	fault  wedatatest.Fault
	class  wedata.Class
	status int
}{
	"errcode":           {wedatatest.Fault{Errcode: 48001}, wedata.PermissionMissing, 200},
	"errcode under 500": {wedatatest.Fault{Errcode: -1, Status: 500}, wedata.Busy, 500},
	"5xx":               {wedatatest.Fault{Status: 504}, wedata.Unclear, 504},
	"HTML":              {wedatatest.Fault{Kind: wedatatest.HTML}, wedata.Unclear, 200},
	"empty":             {wedatatest.Fault{Kind: wedatatest.Empty}, wedata.Unclear, 200},
	"truncated":         {wedatatest.Fault{Kind: wedatatest.Truncated}, wedata.Unclear, 200},
	"oversized":         {wedatatest.Fault{Kind: wedatatest.Oversized}, wedata.Unclear, 200},
	"no errcode":        {wedatatest.Fault{Kind: wedatatest.NoErrcode}, wedata.Unclear, 200},
	"reset":             {wedatatest.Fault{Kind: wedatatest.Reset}, wedata.Network, 0},
}

func TestEveryFaultHasItsClass(t *testing.T) {
	for name, row := range faults {
		t.Run(name, func(t *testing.T) {
			api, client := weChat(t, wedatatest.Options{}, wedata.Config{})
			row.fault.Times = 2
			api.Fail(row.fault)
			_, listErr := client.QueryBindList(t.Context(), token, nil)
			for _, err := range []error{client.UnbindUser(t.Context(), token, uid), listErr} {
				if e := failure(t, err); e.Class != row.class || e.HTTPStatus != row.status {
					t.Errorf("got %v with status %d, want class %q with %d", err, e.HTTPStatus, row.class, row.status)
				}
				if row.fault.Kind == wedatatest.Reset && !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("got %v, want a reset connection", err)
				}
			}
		})
	}
}

func TestRotatedAndExpiredTokens(t *testing.T) {
	api, client := weChat(t, wedatatest.Options{}, wedata.Config{})
	fresh := api.Rotate(merchant)
	if e := failure(t, client.UnbindUser(t.Context(), token, uid)); e.Code != 40001 || e.Class != wedata.TokenRefused {
		t.Errorf("rotated: %+v", e)
	}
	if err := client.UnbindUser(t.Context(), fresh, uid); err != nil {
		t.Error(err)
	}
	api.Expire(merchant)
	if e := failure(t, client.UnbindUser(t.Context(), fresh, uid)); e.Code != 42001 || e.Class != wedata.TokenRefused {
		t.Errorf("expired: %+v", e)
	}
}

// A server may repeat what it received. The errors of net/http quote the URL, and bytes from the server.
func TestNoErrorHoldsASecret(t *testing.T) {
	const secretUID = `工号"1001"&<x>` // every spelling of it differs
	echo := func(r *http.Request) string {
		body, _ := io.ReadAll(r.Body)
		return r.URL.String() + " " + string(body) + " " + r.URL.Query().Get("access_token")
	}
	handlers := map[string]http.HandlerFunc{
		"echoed in errmsg": func(w http.ResponseWriter, r *http.Request) {
			_, _ = fmt.Fprintf(w, `{"errcode":40001,"errmsg":%s}`, quote(echo(r)))
		},
		"echoed in an errmsg too long": func(w http.ResponseWriter, r *http.Request) {
			_, _ = fmt.Fprintf(w, `{"errcode":99999,"errmsg":%s}`, quote(strings.Repeat("x", 190)+token+echo(r)))
		},
		"echoed in HTML": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, echo(r))
		},
		"echoed as media type": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", r.URL.Query().Get("access_token"))
		},
		"echoed as a redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://elsewhere.example.com/?"+echo(r), http.StatusFound)
		},
		"echoed as a redirect that cannot be read": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "http://[::1/?"+r.URL.RawQuery)
			w.WriteHeader(http.StatusFound)
		},
		"echoed as something that is not HTTP": func(w http.ResponseWriter, r *http.Request) {
			raw(w, echo(r))
		},
		"echoed as a header that is not one": func(w http.ResponseWriter, r *http.Request) {
			raw(w, "HTTP/1.1 200 OK\r\n"+echo(r))
		},
	}
	for name, row := range faults {
		api := wedatatest.New(wedatatest.Options{})
		row.fault.Times = -1
		api.Fail(row.fault)
		handlers["fault: "+name] = api.ServeHTTP
	}
	transports := map[string]roundTripper{
		"transport that quotes the URL": func(r *http.Request) (*http.Response, error) {
			return nil, fmt.Errorf("while calling %s: %w", r.URL, context.DeadlineExceeded)
		},
		"transport with a url.Error inside": func(r *http.Request) (*http.Response, error) {
			inside := &url.Error{Op: "Post", URL: r.URL.String(), Err: context.DeadlineExceeded}
			return nil, fmt.Errorf("twice: %w", inside)
		},
		"body that quotes the URL": func(r *http.Request) (*http.Response, error) {
			body := failingBody{fmt.Errorf("reading %s: %w", r.URL, context.DeadlineExceeded)}
			return &http.Response{StatusCode: http.StatusOK, Body: body}, nil
		},
		"proxy address": func(*http.Request) (*http.Response, error) {
			return nil, fmt.Errorf("invalid proxy address %q: %w", "http://me:hunter/2@proxy:80x", context.DeadlineExceeded)
		},
	}

	secrets := []string{token, url.QueryEscape(token), "secret_T0ken", "1001", "工号", "hunter"}
	clients := map[string]*wedata.Client{}
	for name, handler := range handlers {
		clients[name] = serve(t, handler, wedata.Config{})
	}
	for name, transport := range transports {
		clients[name] = serve(t, nil, wedata.Config{HTTPClient: &http.Client{Transport: transport}})
	}
	for name, client := range clients {
		t.Run(name, func(t *testing.T) {
			_, listErr := client.QueryBindList(t.Context(), token, nil)
			for _, err := range []error{client.UnbindUser(t.Context(), token, secretUID), listErr} {
				if err == nil {
					t.Fatal("no error")
				}
				if _, ok := transports[name]; ok && !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%v does not answer errors.Is for its cause", err)
				}
				if urlErr := (*url.Error)(nil); errors.As(err, &urlErr) {
					t.Errorf("errors.As finds a *url.Error: %v", urlErr)
				}
				for e := err; e != nil; e = errors.Unwrap(e) {
					for _, secret := range secrets {
						if text := fmt.Sprintf("%v %+v", e, e); strings.Contains(text, secret) {
							t.Errorf("%q is in %s", secret, text)
						}
					}
				}
			}
		})
	}
}

func quote(s string) string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(text)
}

type failingBody struct{ err error }

func (b failingBody) Read([]byte) (int, error) { return 0, b.err }
func (b failingBody) Close() error             { return nil }

// raw answers with bytes instead of HTTP.
func raw(w http.ResponseWriter, text string) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, text+"\r\n\r\n")
}
