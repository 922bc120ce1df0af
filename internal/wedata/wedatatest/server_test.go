package wedatatest_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"wedata-unbind/internal/wedata/wedatatest"
)

const (
	merchant = "wx0123456789abcdef"
	other    = "wxfedcba9876543210"
	unbind   = wedatatest.UnbindPath + "?access_token="
	list     = wedatatest.ListPath + "?access_token="
)

// start returns a stand-in with two merchants, and its URL.
func start(t *testing.T, options wedatatest.Options) (*wedatatest.Server, string) {
	t.Helper()
	s := wedatatest.New(options)
	s.SetToken(merchant, "TOKEN")
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

func TestRequestsAreChecked(t *testing.T) {
	s, base := start(t, wedatatest.Options{})
	s.Bind(merchant, wedatatest.Bound("E1"), wedatatest.Bound(`a\u0041"`))
	s.SetToken("wxExpired", "EXPIRED")
	s.Expire("wxExpired")
	s.SetToken("wxRotated", "ROTATED")
	s.Rotate("wxRotated")
	s.SetToken("wxDenied", "DENIED")
	s.Grant("wxDenied", false)

	rid := regexp.MustCompile(`\w,? rid: [0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{8}$`)
	for name, row := range map[string]struct {
		method, target, body string
		want                 int
	}{
		"GET":                   {"GET", unbind + "TOKEN", "", 43002},
		"no token":              {"POST", wedatatest.UnbindPath, `{"uid":"E1"}`, 41001},
		"no token, list":        {"POST", list, "", 41001},
		"unknown token":         {"POST", unbind + "NONE", `{"uid":"E1"}`, 40001},
		"rotated token":         {"POST", list + "ROTATED", "", 40001},
		"expired token":         {"POST", list + "EXPIRED", "", 42001},
		"permission missing":    {"POST", list + "DENIED", "", 48001},
		"empty body":            {"POST", unbind + "TOKEN", "", 44002},
		"not JSON":              {"POST", unbind + "TOKEN", `uid=E1`, 47001},
		"a unicode escape":      {"POST", unbind + "TOKEN", `{"uid":"\u0045"}`, 47002},
		"a backslash, then a u": {"POST", unbind + "TOKEN", `{"uid":"a\\u0041\""}`, 0},
		"no uid":                {"POST", unbind + "TOKEN", `{}`, 40097},
		"a number":              {"POST", unbind + "TOKEN", `{"uid":1}`, 40097},
		"a list without a body": {"POST", list + "TOKEN", "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			status, text := send(t, row.method, base+row.target, strings.NewReader(row.body))
			var reply struct {
				Errcode int
				Errmsg  string
			}
			err := json.Unmarshal([]byte(text), &reply)
			if err != nil || status != http.StatusOK || reply.Errcode != row.want {
				t.Fatalf("HTTP %d %s, want errcode %d", status, text, row.want)
			}
			if row.want != 0 && !rid.MatchString(reply.Errmsg) {
				t.Errorf("errmsg %q has no rid", reply.Errmsg)
			}
		})
	}
	t.Run("no Content-Length", func(t *testing.T) {
		chunked := io.MultiReader(strings.NewReader(`{"uid":"E1"}`))
		if status, _ := send(t, "POST", base+unbind+"TOKEN", chunked); status != http.StatusPreconditionFailed {
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

func TestAnUnboundUIDStaysListed(t *testing.T) {
	s, base := start(t, wedatatest.Options{NotBound: 99999})
	at := time.Unix(1663728070, 0)
	boss, bound := wedatatest.Administrator("A1"), wedatatest.Bound("<E1>")
	boss.Created, bound.Created, bound.Updated = at, at, at
	s.Bind(merchant, bound, boss)
	for uid, want := range map[string]int{"A1": 0, "nobody": 99999} {
		if got := errcode(t, base+unbind+"TOKEN", `{"uid":"`+uid+`"}`); got != want {
			t.Errorf("%s: errcode %d, want %d", uid, got, want)
		}
	}
	if b := s.Bindings(merchant)[1]; b.Bound || !b.Member || !b.Created.Equal(at) || !b.Updated.After(at) {
		t.Errorf("administrator: %+v", b)
	}
	boss = wedatatest.Unbound("A1")
	boss.Created, boss.Updated = at, at
	s.Bind(merchant, boss)
	_, got := send(t, "POST", base+list+"TOKEN", nil)
	want := `{"errcode":0,"errmsg":"ok","info":[` +
		`{"uid":"<E1>","create_time":1663728070,"update_time":1663728070,"nickname":"微信用户",` +
		`"head_url":"http://wx.qlogo.cn/mmhead/0",` +
		`"is_bind":1,"perm":[{"perm_id":"10001","name":"全站只读","desc":"可查看所有模块"}]},` +
		`{"uid":"A1","create_time":1663728070,"update_time":1663728070,"is_bind":0}]}` + "\n"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if _, got := send(t, "POST", base+list+"OTHER", nil); !strings.Contains(got, `"info":[]`) {
		t.Errorf("a merchant without bindings: %s", got)
	}
}

func TestFaultsApplyToTheCallsTheyMatch(t *testing.T) {
	s, base := start(t, wedatatest.Options{})
	s.Fail(
		wedatatest.Fault{Errcode: 45009, Path: wedatatest.ListPath, Times: -1},
		wedatatest.Fault{Errcode: 48001, Merchant: other},
		wedatatest.Fault{Errcode: -1, Times: 2},
	)
	for i, step := range []struct {
		target string
		want   int
	}{
		{unbind + "TOKEN", -1},
		{list + "TOKEN", 45009},
		{unbind + "OTHER", 48001},
		{unbind + "OTHER", -1},
		{unbind + "TOKEN", 0},
		{list + "OTHER", 45009},
	} {
		if got := errcode(t, base+step.target, `{"uid":"E1"}`); got != step.want {
			t.Errorf("call %d: errcode %d, want %d", i, got, step.want)
		}
	}
}

func TestAFaultMayComeAfterTheUnbinding(t *testing.T) {
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
			status, text := send(t, "POST", base+unbind+"TOKEN", strings.NewReader(`{"uid":"E1"}`))
			if status != row.status || strings.Contains(text, "99999") || s.Bindings(merchant)[0].Bound {
				t.Errorf("HTTP %d %s, binding %v", status, text, s.Bindings(merchant)[0])
			}
		})
	}
}

func TestAClientThatGoesAwayEndsTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := wedatatest.New(wedatatest.Options{})
		s.SetToken(merchant, "TOKEN")
		s.Bind(merchant, wedatatest.Bound("E1"))
		s.Fail(wedatatest.Fault{Latency: time.Hour})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		r := httptest.NewRequestWithContext(ctx, "POST", unbind+"TOKEN", strings.NewReader(`{"uid":"E1"}`))
		r.Header.Set("Content-Length", "12")
		began := time.Now()
		func() {
			defer func() { _ = recover() }() // there is no connection to break
			s.ServeHTTP(httptest.NewRecorder(), r)
		}()
		calls := s.Calls()
		took := time.Since(began)
		if took != time.Second || len(calls) != 1 || calls[0].Status != 0 || !s.Bindings(merchant)[0].Bound {
			t.Errorf("after %v: calls %+v, bindings %+v", took, calls, s.Bindings(merchant))
		}
	})
}

func TestCallsAreRecordedWithoutTokens(t *testing.T) {
	s, base := start(t, wedatatest.Options{UnbindOnly: true})
	s.Rotate(merchant)
	send(t, "POST", base+unbind+"TOKEN", strings.NewReader(`{"uid":"E1"}`))
	send(t, "POST", base+list+"OTHER&x=1", nil)
	want := []wedatatest.Call{
		{
			Method: "POST", Path: wedatatest.UnbindPath, Query: "access_token=***", Merchant: merchant,
			Body: `{"uid":"E1"}`, ContentLength: 12, Status: 200, Errcode: 40001,
		},
		{Method: "POST", Path: wedatatest.ListPath, Query: "access_token=***&x=1", Merchant: other, Status: 404},
	}
	if got := s.Calls(); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	s.Reset()
	if s.Bindings(merchant) != nil || s.Calls() != nil {
		t.Error("reset has left something")
	}
}
