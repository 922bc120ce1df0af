package wedatatest_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"wedata-unbind/internal/wedata/wedatatest"
)

const (
	merchant = "wx0123456789abcdef"
	other    = "wxfedcba9876543210"
	token    = "TOKEN"
)

// start returns a stand-in with two merchants, and where it is.
func start(t *testing.T, options wedatatest.Options) (*wedatatest.Server, string) {
	t.Helper()
	s := wedatatest.New(options)
	s.SetToken(merchant, token)
	s.SetToken(other, "OTHER")
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return s, server.URL
}

// send returns the reply's status and body, 0 and "" where there was none.
func send(t *testing.T, method, url string, body io.Reader) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, ""
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// errcode posts to the API and returns the reply's errcode.
func errcode(t *testing.T, url, body string) int {
	t.Helper()
	status, text := send(t, "POST", url, strings.NewReader(body))
	var reply struct{ Errcode *int }
	if err := json.Unmarshal([]byte(text), &reply); err != nil || reply.Errcode == nil || status != http.StatusOK {
		t.Fatalf("HTTP %d %s", status, text)
	}
	return *reply.Errcode
}

func TestRequestsAreCheckedAsWeChatDoes(t *testing.T) {
	s, base := start(t, wedatatest.Options{})
	s.Bind(merchant, wedatatest.Bound("E1"), wedatatest.Bound(`a\u0041"`))
	s.SetToken("wxExpired", "EXPIRED")
	s.Expire("wxExpired")
	s.SetToken("wxRotated", "ROTATED")
	s.Rotate("wxRotated")
	s.SetToken("wxDenied", "DENIED")
	s.Grant("wxDenied", false)

	const unbind, list = wedatatest.UnbindPath, wedatatest.ListPath
	for name, row := range map[string]struct {
		method, target, body string
		want                 int
	}{
		"GET":                   {"GET", unbind + "?access_token=TOKEN", "", 43002},
		"no token":              {"POST", unbind, `{"uid":"E1"}`, 41001},
		"no token, list":        {"POST", list + "?access_token=", "", 41001},
		"unknown token":         {"POST", unbind + "?access_token=NONE", `{"uid":"E1"}`, 40001},
		"rotated token":         {"POST", list + "?access_token=ROTATED", "", 40001},
		"expired token":         {"POST", list + "?access_token=EXPIRED", "", 42001},
		"permission missing":    {"POST", list + "?access_token=DENIED", "", 48001},
		"empty body":            {"POST", unbind + "?access_token=TOKEN", "", 44002},
		"not JSON":              {"POST", unbind + "?access_token=TOKEN", `uid=E1`, 47001},
		"trailing data":         {"POST", unbind + "?access_token=TOKEN", `{"uid":"E1"}}`, 47001},
		"a unicode escape":      {"POST", unbind + "?access_token=TOKEN", `{"uid":"\u0045"}`, 47002},
		"a backslash, then a u": {"POST", unbind + "?access_token=TOKEN", `{"uid":"a\\u0041\""}`, 0},
		"a backslash and one":   {"POST", unbind + "?access_token=TOKEN", `{"uid":"a\\\u0041"}`, 47002},
		"no uid":                {"POST", unbind + "?access_token=TOKEN", `{}`, 40097},
		"a number":              {"POST", unbind + "?access_token=TOKEN", `{"uid":1}`, 40097},
		"a list without a body": {"POST", list + "?access_token=TOKEN", "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			status, text := send(t, row.method, base+row.target, strings.NewReader(row.body))
			var reply struct {
				Errcode int
				Errmsg  string
			}
			if err := json.Unmarshal([]byte(text), &reply); err != nil || status != http.StatusOK || reply.Errcode != row.want {
				t.Fatalf("HTTP %d %s, want errcode %d", status, text, row.want)
			}
			if row.want != 0 && !regexp.MustCompile(`\w,? rid: [0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{8}$`).MatchString(reply.Errmsg) {
				t.Errorf("errmsg %q has no rid", reply.Errmsg)
			}
		})
	}
	t.Run("no Content-Length", func(t *testing.T) {
		chunked := io.MultiReader(strings.NewReader(`{"uid":"E1"}`))
		if status, _ := send(t, "POST", base+unbind+"?access_token=TOKEN", chunked); status != http.StatusPreconditionFailed {
			t.Errorf("HTTP %d, want 412", status)
		}
	})
	t.Run("unknown path", func(t *testing.T) {
		status, text := send(t, "POST", base+"/wedata/wedata_get_perm_list?access_token=TOKEN", nil)
		if status != http.StatusNotFound || !strings.HasPrefix(text, "<html>") {
			t.Errorf("HTTP %d %s", status, text)
		}
	})
}

func TestUnbinding(t *testing.T) {
	s, base := start(t, wedatatest.Options{})
	long := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	boss := wedatatest.Administrator("A1")
	boss.Created, boss.Updated = long, long
	s.Bind(merchant, wedatatest.Bound("E1"), boss, wedatatest.Unbound("E0"))
	s.Bind(other, wedatatest.Bound("E1"))
	for _, uid := range []string{"E1", "A1"} {
		if code := errcode(t, base+wedatatest.UnbindPath+"?access_token=TOKEN", `{"uid":"`+uid+`"}`); code != 0 {
			t.Errorf("errcode %d", code)
		}
	}
	type state struct {
		uid           string
		bound, member bool
	}
	states := func(merchant string) (states []state) {
		for _, b := range s.Bindings(merchant) {
			states = append(states, state{b.UID, b.Bound, b.Member})
		}
		return states
	}
	if got, want := states(merchant), []state{{"E1", false, false}, {"A1", false, true}, {"E0", false, false}}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got, want := states(other), []state{{"E1", true, true}}; !reflect.DeepEqual(got, want) {
		t.Errorf("the other merchant: got %v, want %v", got, want)
	}
	if b := s.Bindings(merchant)[1]; !b.Created.Equal(long) || !b.Updated.After(long) {
		t.Errorf("times %v and %v", b.Created, b.Updated)
	}
	s.Reset()
	if s.Bindings(merchant) != nil || s.Calls() != nil {
		t.Error("reset has left something")
	}
}

func TestTheListShowsWhoIsBoundAndWhoWas(t *testing.T) {
	s, base := start(t, wedatatest.Options{})
	at := time.Unix(1663728070, 0)
	bound, unbound := wedatatest.Bound("<E1>"), wedatatest.Unbound("E0")
	bound.Created, bound.Updated, unbound.Created, unbound.Updated = at, at, at, at
	s.Bind(merchant, bound, unbound)
	_, got := send(t, "POST", base+wedatatest.ListPath+"?access_token=TOKEN", nil)
	want := `{"errcode":0,"errmsg":"ok","info":[` +
		`{"uid":"<E1>","create_time":1663728070,"update_time":1663728070,"nickname":"微信用户","head_url":"http://wx.qlogo.cn/mmhead/0",` +
		`"is_bind":1,"perm":[{"perm_id":"10001","name":"全站只读","desc":"可查看所有模块"}]},` +
		`{"uid":"E0","create_time":1663728070,"update_time":1663728070,"is_bind":0}]}` + "\n"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if _, got := send(t, "POST", base+wedatatest.ListPath+"?access_token=OTHER", nil); !strings.Contains(got, `"info":[]`) {
		t.Errorf("nobody: %s", got)
	}
}

func TestTheReplyForWhoIsNotBoundIsAnybodysGuess(t *testing.T) {
	for _, code := range []int{0, -1, 40097, 9900004, 99999} {
		s, base := start(t, wedatatest.Options{NotBound: code})
		s.Bind(merchant, wedatatest.Bound("E1"), wedatatest.Unbound("E0"))
		for uid, want := range map[string]int{"E1": 0, "E0": code, "nobody": code} {
			if got := errcode(t, base+wedatatest.UnbindPath+"?access_token=TOKEN", `{"uid":"`+uid+`"}`); got != want {
				t.Errorf("%s: errcode %d, want %d", uid, got, want)
			}
		}
	}
}

func TestUnbindOnly(t *testing.T) {
	s, base := start(t, wedatatest.Options{UnbindOnly: true})
	if status, _ := send(t, "POST", base+wedatatest.ListPath+"?access_token=TOKEN", nil); status != http.StatusNotFound {
		t.Errorf("HTTP %d, want 404", status)
	}
	if code := errcode(t, base+wedatatest.UnbindPath+"?access_token=TOKEN", `{"uid":"E1"}`); code != 0 {
		t.Errorf("errcode %d", code)
	}
	s.SetOptions(wedatatest.Options{})
	if code := errcode(t, base+wedatatest.ListPath+"?access_token=TOKEN", ""); code != 0 {
		t.Errorf("errcode %d", code)
	}
}

func TestFaultsStrikeTheCallsTheyAreFor(t *testing.T) {
	s, base := start(t, wedatatest.Options{})
	unbind, list := base+wedatatest.UnbindPath+"?access_token=", base+wedatatest.ListPath+"?access_token="
	s.Fail(
		wedatatest.Fault{Errcode: 45009, Path: wedatatest.ListPath, Times: -1},
		wedatatest.Fault{Errcode: 48001, Merchant: other},
		wedatatest.Fault{Errcode: -1, Times: 2},
	)
	for i, step := range []struct {
		url  string
		want int
	}{
		{unbind + "TOKEN", -1},
		{list + "TOKEN", 45009},
		{unbind + "OTHER", 48001},
		{unbind + "OTHER", -1},
		{unbind + "TOKEN", 0},
		{list + "OTHER", 45009},
	} {
		if got := errcode(t, step.url, `{"uid":"E1"}`); got != step.want {
			t.Errorf("call %d: errcode %d, want %d", i, got, step.want)
		}
	}
}

func TestAFaultMayComeAfterTheDeed(t *testing.T) {
	for name, row := range map[string]struct {
		fault  wedatatest.Fault
		status int
	}{
		"page":  {wedatatest.Fault{Status: 502, Done: true}, 502},
		"reset": {wedatatest.Fault{Kind: wedatatest.Reset, Done: true}, 0},
		"slow":  {wedatatest.Fault{Latency: time.Millisecond, Done: true}, 200},
	} {
		t.Run(name, func(t *testing.T) {
			s, base := start(t, wedatatest.Options{NotBound: 99999})
			s.Bind(merchant, wedatatest.Bound("E1"))
			s.Fail(row.fault)
			status, text := send(t, "POST", base+wedatatest.UnbindPath+"?access_token=TOKEN", strings.NewReader(`{"uid":"E1"}`))
			if status != row.status || strings.Contains(text, "99999") || s.Bindings(merchant)[0].Bound {
				t.Errorf("HTTP %d %s, binding %v", status, text, s.Bindings(merchant)[0])
			}
		})
	}
}

func TestASlowReplyEndsWithItsClient(t *testing.T) {
	s := wedatatest.New(wedatatest.Options{})
	s.SetToken(merchant, token)
	s.Bind(merchant, wedatatest.Bound("E1"))
	s.Fail(wedatatest.Fault{Latency: time.Hour})
	arrived, left := make(chan bool), make(chan bool)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(arrived)
		defer close(left)
		s.ServeHTTP(w, r)
	}))
	defer server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-arrived
		cancel()
	}()
	target := server.URL + wedatatest.UnbindPath + "?access_token=TOKEN"
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(`{"uid":"E1"}`))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err == nil {
		resp.Body.Close()
	}
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	<-left
	if calls := s.Calls(); len(calls) != 1 || calls[0].Status != 0 || !s.Bindings(merchant)[0].Bound {
		t.Errorf("calls %+v, bindings %+v", calls, s.Bindings(merchant))
	}
}

func TestCallsAreRecordedWithoutTokens(t *testing.T) {
	s, base := start(t, wedatatest.Options{})
	s.Fail(wedatatest.Fault{Kind: wedatatest.HTML, Merchant: other})
	s.Rotate(merchant)
	send(t, "POST", base+wedatatest.UnbindPath+"?access_token=TOKEN", strings.NewReader(`{"uid":"E1"}`))
	send(t, "POST", base+wedatatest.ListPath+"?access_token=OTHER&x=1", nil)
	send(t, "GET", base+"/elsewhere?access_token=NONE", nil)
	want := []wedatatest.Call{
		{
			Method: "POST", Path: wedatatest.UnbindPath, Query: "access_token=***", Merchant: merchant,
			Body: `{"uid":"E1"}`, ContentLength: 12, Status: 200, Errcode: 40001,
		},
		{Method: "POST", Path: wedatatest.ListPath, Query: "access_token=***&x=1", Merchant: other, Status: 200, Fault: wedatatest.HTML},
		{Method: "GET", Path: "/elsewhere", Query: "access_token=***", Status: 404, Fault: wedatatest.HTML},
	}
	if got := s.Calls(); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestControl(t *testing.T) {
	s, base := start(t, wedatatest.Options{})
	control := func(method, path, body string, wantStatus int) string {
		t.Helper()
		status, text := send(t, method, base+wedatatest.ControlPrefix+path, strings.NewReader(body))
		if status != wantStatus {
			t.Fatalf("%s %s: HTTP %d %s", path, body, status, text)
		}
		return strings.TrimSpace(text)
	}
	list := base + wedatatest.ListPath + "?access_token="

	control("POST", "bind", `{"merchant":"wx1","bound":["E1"],"administrators":["A1"],"unbound":["E0"]}`, 204)
	var bindings []wedatatest.Binding
	if err := json.Unmarshal([]byte(control("GET", "bindings?merchant=wx1", "", 200)), &bindings); err != nil {
		t.Fatal(err)
	}
	if len(bindings) != 3 || !bindings[0].Bound || !bindings[1].Administrator || bindings[2].Bound {
		t.Errorf("bindings %+v", bindings)
	}
	if got := control("GET", "bindings?merchant=wx2", "", 200); got != "[]" {
		t.Errorf("nobody's bindings: %s", got)
	}
	if got := control("POST", "rotate", `{"merchant":"wx1","token":"T1"}`, 200); got != `{"token":"T1"}` {
		t.Errorf("rotated to %s", got)
	}
	var rotated struct{ Token string }
	if err := json.Unmarshal([]byte(control("POST", "rotate", `{"merchant":"wx1"}`, 200)), &rotated); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		path, body, token string
		want              int
	}{
		{"options", `{}`, "T1", 40001},
		{"options", `{"unbind_only":false,"not_bound":-1}`, rotated.Token, 0},
		{"fault", `{"times":1,"errcode":45011,"path":"` + wedatatest.ListPath + `","latency_ms":1}`, rotated.Token, 45011},
		{"grant", `{"merchant":"wx1","granted":false}`, rotated.Token, 48001},
		{"expire", `{"merchant":"wx1"}`, rotated.Token, 42001},
		{"reset", ``, rotated.Token, 40001},
	} {
		control("POST", step.path, step.body, 204)
		if got := errcode(t, list+step.token, ""); got != step.want {
			t.Errorf("after %s: errcode %d, want %d", step.path, got, step.want)
		}
	}
	if got := control("GET", "calls", "", 200); !strings.Contains(got, `"errcode":40001`) || len(s.Calls()) != 1 {
		t.Errorf("calls %s", got)
	}
	control("POST", "fault", `{"errcod":-1}`, 400)
	control("POST", "fault", `{"kind":"smoke"}`, 400)
	control("POST", "fault", ``, 400)
	control("GET", "elsewhere", ``, 404)
}

func TestConcurrentUse(t *testing.T) {
	s, base := start(t, wedatatest.Options{NotBound: 99999})
	for range 4 {
		s.Bind(merchant, wedatatest.Bound("E1"))
		var group sync.WaitGroup
		codes := make(chan int, 8)
		for range 8 {
			group.Go(func() {
				_, text := send(t, "POST", base+wedatatest.UnbindPath+"?access_token=TOKEN", strings.NewReader(`{"uid":"E1"}`))
				if strings.Contains(text, `"errcode":0`) {
					codes <- 0
				}
			})
		}
		group.Wait()
		if len(codes) != 1 {
			t.Errorf("unbound %d times, want once", len(codes))
		}
	}
}
