package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"wedata-unbind/internal/wedata/wedatatest"
)

const otherShop = "wxfedcba9876543210"

// putIndex writes a secret with the tokens of several merchants.
func (w *fixture) putIndex(merchants ...string) {
	var tokens []string
	for _, merchant := range merchants {
		tokens = append(tokens, fmt.Sprintf(`%q:{"authorizer_access_token":%q}`, merchant, w.wechat.Rotate(merchant)))
	}
	w.aws.Secrets.Put(secretID, `{"authorizers":{`+strings.Join(tokens, ",")+`}}`)
}

// stillBound returns how many people are bound to the merchants.
func (w *fixture) stillBound(merchants ...string) (bound int) {
	for _, merchant := range merchants {
		for _, b := range w.wechat.Bindings(merchant) {
			if b.Bound {
				bound++
			}
		}
	}
	return bound
}

// peak returns the most memory, in MiB, that the built function has held, or 0 where the system does not tell.
func peak(t *testing.T) (most int) {
	t.Helper()
	processes, err := filepath.Glob("/proc/[0-9]*/exe")
	if err != nil {
		t.Fatal(err)
	}
	for _, exe := range processes {
		if target, err := os.Readlink(exe); err != nil || target != bootstrap {
			continue
		}
		status, err := os.ReadFile(filepath.Join(filepath.Dir(exe), "status"))
		if err != nil {
			continue
		}
		var kB int
		_, after, _ := strings.Cut(string(status), "VmHWM:")
		_, _ = fmt.Sscan(after, &kB)
		most = max(most, kB>>10)
	}
	return most
}

type auditReply struct {
	Leavers        []json.RawMessage
	Bound, Matched int
	Warning        string
}

func readAudit(t *testing.T, payload []byte) (reply auditReply) {
	t.Helper()
	if err := json.Unmarshal(payload, &reply); err != nil {
		t.Fatalf("got %s, %v", payload, err)
	}
	return reply
}

func TestAnAuditFindsWhoIsBoundAndNotActive(t *testing.T) {
	const third = "wx1111111111111111"
	w := newFixture(t, wedatatest.Options{})
	w.putIndex(shop, otherShop, third)
	for _, merchant := range []string{shop, otherShop, third} {
		people := []wedatatest.Binding{wedatatest.Unbound("gone")}
		for i := range 1000 {
			people = append(people, wedatatest.Bound(fmt.Sprintf("E%07d", i*100)))
		}
		w.wechat.Bind(merchant, people...)
	}
	var active strings.Builder
	for i := range 100_000 {
		if i%10_000 != 500 { // ten people have left, among them E0000500
			fmt.Fprintf(&active, `"E%07d",`, i)
		}
	}
	function := w.start(t)
	started := time.Now()
	reply := invoke(t, function, `{"action":"audit","active":[`+active.String()+`"E0000000"]}`)
	took := time.Since(started)
	if reply.Err() != nil {
		t.Fatal(reply.Err())
	}
	t.Logf("3 merchants × 1,000 bound against 100,000 active ids: %v, at most %d MiB", took.Round(time.Millisecond), peak(t))
	got := readAudit(t, reply.Payload)
	// E1001 and E1002 are bound to the shop by the fixture.
	if got.Bound != 3002 || got.Matched != 3002-32 || got.Warning != "" || len(got.Leavers) != 3 {
		t.Fatalf("got %.300s", reply.Payload)
	}
	want := `{"uid":["E0000500","E0010500","E0020500","E0030500","E0040500","E0050500","E0060500","E0070500","E0080500",` +
		`"E0090500","E1001","E1002"],"merchant":"` + shop + `"}`
	if string(got.Leavers[0]) != want && string(got.Leavers[1]) != want && string(got.Leavers[2]) != want {
		t.Errorf("got %s,\nwant among them %s", reply.Payload, want)
	}
	if w.stillBound(shop, otherShop, third) != 3002 {
		t.Error("somebody was unbound by an audit")
	}
	for _, leavers := range got.Leavers {
		if pasted := invoke(t, function, string(leavers)); pasted.Err() != nil || strings.Count(string(pasted.Payload), `"status":"unbound"`) < 10 {
			t.Errorf("pasted back: %.300s, %v", pasted.Payload, pasted.Err())
		}
	}
	if bound := w.stillBound(shop, otherShop, third); bound != got.Matched {
		t.Errorf("%d are bound after the leavers were pasted back, want %d", bound, got.Matched)
	}
}

func TestAnAuditTakesWhatLambdaTakes(t *testing.T) {
	w := newFixture(t, wedatatest.Options{})
	function := w.start(t)
	const most = 6 << 20
	for name, id := range map[string]string{"short ids": `"E%05d",`, "addresses": `"person.number.%08d@shop.example",`} {
		t.Run(name, func(t *testing.T) {
			var active strings.Builder
			for i := 0; active.Len() < most-100; i++ {
				fmt.Fprintf(&active, id, i)
			}
			started := time.Now()
			reply := invoke(t, function, `{"action":"audit","active":[`+active.String()+`"E1001"],"uid_as":["before_at"]}`)
			if got := readAudit(t, reply.Payload); got.Bound != 2 {
				t.Errorf("got %.300s, %v", reply.Payload, reply.Err())
			}
			t.Logf("6 MiB of active ids: %v, at most %d MiB", time.Since(started).Round(time.Millisecond), peak(t))
			if runtime.GOOS == "linux" && peak(t) > 250 {
				t.Errorf("%d MiB, and the template gives 256", peak(t))
			}
		})
	}
}

func TestAnAuditSplitsWhatOneRequestCannotCarryOut(t *testing.T) {
	w := newFixture(t, wedatatest.Options{})
	w.putToken()
	people := make([]wedatatest.Binding, 5001)
	for i := range people {
		people[i] = wedatatest.Bound(fmt.Sprintf("L%04d", i))
	}
	w.wechat.Bind(shop, people...)
	reply := invoke(t, w.start(t), `{"action":"audit","active":["E1001","E1002"]}`)
	got := readAudit(t, reply.Payload)
	if len(got.Leavers) != 2 || strings.Count(string(got.Leavers[0]), `"L`) != 5000 || string(got.Leavers[1]) != `{"uid":["L5000"],"merchant":"`+shop+`"}` {
		t.Errorf("got %.200s, %v", reply.Payload, reply.Err())
	}
}

func TestAnAuditWarnsOfOtherIdentifiers(t *testing.T) {
	for _, tc := range []struct {
		name, event string
		bound       []string // to the shop, beside E1001 and E1002
		other       []string // bound to the other shop
		want        string   // the reply after its leavers
	}{
		{
			"nothing matches", `"active":["alice","bob"]`, nil, nil,
			`"bound":2,"matched":0,"warning":"0 of 2 bound uids are among your 2 active ids: probably different identifiers"}`,
		},
		{
			"little matches", `"active":["E1001"]`,
			[]string{"E1003"},
			nil,
			`"bound":3,"matched":1,"warning":"only 1 of 3 bound uids are among your 1 active ids: ` +
				`compare some of the leavers with your HR system before you unbind them"}`,
		},
		{
			"nothing matches at one of two merchants", `"active":["E1001","E1002"]`, nil,
			[]string{"alice", "bob"},
			`"bound":4,"matched":2,"warning":"0 of 2 bound uids of ` + otherShop + ` are among your 2 active ids: probably different identifiers"}`,
		},
		{
			"nobody is bound", `"active":["E1001"],"merchant":"` + otherShop + `"`, nil, nil,
			`"bound":0,"matched":0,"warning":"nobody is bound, so nothing was compared"}`,
		},
		{"half matches", `"active":["E1001"]`, nil, nil, `"bound":2,"matched":1}`},
		{
			"an id that is listed twice counts once", `"active":["x","x"," x "]`, nil, nil,
			`"bound":2,"matched":0,"warning":"0 of 2 bound uids are among your 1 active ids: probably different identifiers"}`,
		},
		{
			"addresses, without uid_as", `"active":["E1001@shop.example","E1002@shop.example"]`, nil, nil,
			`"bound":2,"matched":0,"warning":"0 of 2 bound uids are among your 2 active ids: probably different identifiers"}`,
		},
		{
			"addresses, with uid_as", `"active":["e1001@shop.example","e1002@shop.example"],"uid_as":["before_at"]`,
			[]string{"e1001", "e1002"},
			nil,
			`"bound":4,"matched":2,"warning":"leavers who are active in another case, probably the same people: E1001, E1002"}`,
		},
		{
			"one of many in another case", `"active":["e1001","E1001 ","E1002","E1003","e1004"]`,
			[]string{"E1003", "E1004"},
			nil,
			`"bound":4,"matched":3,"warning":"leavers who are active in another case, probably the same people: E1004"}`,
		},
		{
			"all in another case", `"active":["e1001","e1002"]`, nil, nil,
			`"bound":2,"matched":0,"warning":"0 of 2 bound uids are among your 2 active ids: probably different identifiers; ` +
				`leavers who are active in another case, probably the same people: E1001, E1002"}`,
		},
		{
			"many in another case", `"active":["e1001","E1002","A","B","C","D","E","F"]`,
			[]string{"a", "b", "c", "d", "e"},
			nil,
			`"bound":7,"matched":1,"warning":"only 1 of 7 bound uids are among your 8 active ids: ` +
				`compare some of the leavers with your HR system before you unbind them; ` +
				`leavers who are active in another case, probably the same people: E1001, a, b, c, d and 1 more"}`,
		},
		{"a file with a byte order mark and CRLF", `"active":["\ufeffE1001\r","E1002\r"]`, nil, nil, `"bound":2,"matched":2}`},
		{"numbers, with a prefix", `"active":["1001","1002"],"uid_as":[{"prefix":"E"}]`, nil, nil, `"bound":2,"matched":2}`},
		{
			"several steps", `"active":["A@X","B@X"],"uid_as":["lower","before_at",{"prefix":"u-"}]`,
			[]string{"u-a", "u-b"},
			nil,
			`"bound":4,"matched":2}`,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newFixture(t, wedatatest.Options{})
			w.putIndex(shop, otherShop)
			for merchant, uids := range map[string][]string{shop: tc.bound, otherShop: tc.other} {
				for _, uid := range uids {
					w.wechat.Bind(merchant, wedatatest.Bound(uid))
				}
			}
			reply := invoke(t, w.start(t), `{"action":"audit",`+tc.event+`}`)
			if reply.Err() != nil || !strings.HasSuffix(string(reply.Payload), tc.want) {
				t.Errorf("got  %s, %v\nwant …%s", reply.Payload, reply.Err(), tc.want)
			}
		})
	}
}

func TestAnAuditRefusesWhatItCannotCompare(t *testing.T) {
	w := newFixture(t, wedatatest.Options{})
	w.putIndex(shop, otherShop)
	function := w.start(t)
	for _, tc := range []struct{ name, members, want string }{
		{"no active", ``, "nothing unbound: active: nothing where a list of everybody still employed is expected"},
		{"an empty list", `,"active":[]`, "nothing unbound: active: an empty list"},
		{"null", `,"active":null`, "nothing unbound: active: null where a list"},
		{"a string alone", `,"active":"E1001,E1002"`, "nothing unbound: active: a string where a list"},
		{"a number", `,"active":["E1001",1002]`, "nothing unbound: active: item 2 is a number where a string is expected"},
		{"a blank id", `,"active":["E1001"," "]`, "nothing unbound: active: item 2 is blank"},
		{"an id of which uid_as leaves nothing", `,"active":["@x"],"uid_as":["before_at"]`, "nothing unbound: active: item 1 is blank after uid_as"},
		{"an unknown step", `,"active":["E1001"],"uid_as":["upper"]`, "nothing unbound: uid_as: item 1 is none of"},
		{"a step alone", `,"active":["E1001"],"uid_as":"lower"`, "nothing unbound: uid_as: a string where a list of steps is expected"},
		{"no step", `,"active":["E1001"],"uid_as":[]`, "nothing unbound: uid_as: a list where a list of steps"},
		{"an unknown member", `,"active":["E1001"],"dry_run":true`, `nothing unbound: unknown member "dry_run"`},
		{"a merchant that is none", `,"active":["E1001"],"merchant":"shop"`, "nothing unbound: merchant: not an authorizer appid"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			reply := invoke(t, function, `{"action":"audit"`+tc.members+`}`)
			if reply.ErrorType != "UnbindError" || !strings.HasPrefix(reply.ErrorMessage, tc.want) {
				t.Errorf("got %s, %v", reply.Payload, reply.Err())
			}
		})
	}
	if calls := w.calls(); calls != "" {
		t.Errorf("WeChat was called\n%s", calls)
	}
}

func TestAnAuditWithoutAListIsAnError(t *testing.T) {
	w := newFixture(t, wedatatest.Options{})
	w.putIndex(shop, otherShop)
	w.wechat.Grant(otherShop, false)
	reply := invoke(t, w.start(t), `{"action":"audit","active":["E1001"]}`)
	if reply.ErrorType != "UnbindError" || !strings.HasPrefix(reply.ErrorMessage, "audit: bind list of "+otherShop+": ") || strings.Contains(reply.ErrorMessage, shop) {
		t.Errorf("got %s, %v", reply.Payload, reply.Err())
	}
}

func TestAReplyThatLambdaWouldNotReturnIsAnError(t *testing.T) {
	w := newFixture(t, wedatatest.Options{})
	people := make([]wedatatest.Binding, 1700)
	for i := range people {
		people[i] = wedatatest.Bound(fmt.Sprintf("%04000d", i))
	}
	w.wechat.Bind(shop, people...)
	function := w.start(t)
	for _, event := range []string{`{"action":"audit","active":["E1001"]}`, `{"action":"list"}`} {
		reply := invoke(t, function, event)
		if reply.ErrorType != "UnbindError" || !strings.HasSuffix(reply.ErrorMessage, "Lambda returns at most 6291456: name fewer merchants") {
			t.Errorf("got %.200s, %v", reply.Payload, reply.Err())
		}
	}
}
