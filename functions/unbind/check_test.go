package main

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"wedata-unbind/internal/lambdatest"
	"wedata-unbind/internal/lambdatest/cloudwatch"
	"wedata-unbind/internal/wedata/wedatatest"
)

// row is a row of {"action":"check"} as JSON.
type row = map[string]any

// check asks the function for a check, and returns the faults in its error, or nil where there is no error.
func check(t *testing.T, function *lambdatest.Function, event string) (faults []row) {
	t.Helper()
	reply := invoke(t, function, event)
	if reply.Err() == nil {
		return nil
	}
	number, rows, _ := strings.Cut(reply.ErrorMessage, ": ")
	if err := json.Unmarshal([]byte(rows), &faults); reply.ErrorType != "UnbindError" || err != nil {
		t.Fatalf("got %v, %v", reply.Err(), err)
	}
	if want := strings.TrimSuffix(fmt.Sprintf("%d faults", len(faults)), "s"); strings.TrimSuffix(number, "s") != want {
		t.Errorf("the error begins with %q, and has %d rows", number, len(faults))
	}
	return faults
}

// linesOf returns the lines of the log with this message.
func linesOf(function *lambdatest.Function, message string) (lines []row) {
	for text := range strings.Lines(function.Log()) {
		var line row
		// The Lambda library writes an error of an invocation as text.
		if err := json.Unmarshal([]byte(text), &line); err == nil && line["message"] == message {
			lines = append(lines, line)
		}
	}
	return lines
}

// putSource writes a source that may name every merchant.
func (w *fixture) putSource() {
	w.aws.Secrets.Put("wedata/sources", `{"hr":{"scheme":"bearer","keys":["long-enough-key"],"merchants":["*"]}}`)
	w.env["UNBIND_SOURCES_SECRET_ID"] = "wedata/sources"
}

// putPeople writes a source whose people are in a secret of their own.
func (w *fixture) putPeople() {
	w.aws.Secrets.Put("wedata/sources", `{"hr":{"scheme":"bearer","keys":["long-enough-key"],"merchants":["*"],`+
		`"left_when":{},"uid":"id","people":{"secret_ids":["unbind/people-1"]}}}`)
}

func TestACheckOfAHealthyStackHasARowForEverything(t *testing.T) {
	w := newFixture(t, wedatatest.Options{})
	w.putIndex(shop, otherShop)
	w.putSource()
	function := w.start(t)
	reply := invoke(t, function, sample(t, "check.json"))
	want := `{"checks":[` +
		`{"check":"merchant","ok":true,"merchant":"` + shop + `","token":true,"list":true},` +
		`{"check":"merchant","ok":true,"merchant":"` + otherShop + `","token":true,"list":true},` +
		`{"check":"sources","ok":true},{"check":"queue","ok":true},{"check":"dead_letter_queue","ok":true},{"check":"schedule_group","ok":true}]}`
	if got := withoutAge(string(reply.Payload)); got != want {
		t.Errorf("got  %s, %v\nwant %s", got, reply.Err(), want)
	}
	if n := strings.Count(string(reply.Payload), `"token_age_s":`); n != 2 {
		t.Errorf("%d ages of tokens: %s", n, reply.Payload)
	}
	lines := linesOf(function, "check")
	if len(lines) != 1 || lines[0]["level"] != "INFO" || lines[0]["faults"] != nil || len(linesOf(function, "outcome")) > 0 {
		t.Errorf("the log is\n%s", function.Log())
	}
	if calls := w.calls(); strings.Count(calls, "→ 0") != 2 || strings.Contains(calls, wedatatest.UnbindPath) {
		t.Errorf("WeChat was called\n%s", calls)
	}
	reply = invoke(t, function, `{"action":"check","merchant":"`+otherShop+`"}`)
	if strings.Contains(string(reply.Payload), shop) || !strings.Contains(string(reply.Payload), otherShop) {
		t.Errorf("a check of one merchant: %s, %v", reply.Payload, reply.Err())
	}
}

// withoutAge removes token_age_s, which may be 1 on a slow machine.
func withoutAge(reply string) string {
	return regexp.MustCompile(`"token_age_s":[01],`).ReplaceAllString(reply, "")
}

func TestACheckNamesEachFault(t *testing.T) {
	template := readTemplate(t)
	wechat := func(f wedatatest.Fault) func(*fixture) {
		return func(w *fixture) {
			f.Path, f.Merchant, f.Times = wedatatest.ListPath, shop, 1
			w.wechat.Fail(f)
		}
	}
	errcode := func(code int) func(*fixture) { return wechat(wedatatest.Fault{Errcode: code}) }
	const listFailed = `"check":"merchant","list":false,"merchant":"` + shop + `","ok":false,"token":true`
	const noToken = `"check":"merchant","list":false,"merchant":"` + shop + `","ok":false,"token":false`
	for _, tc := range []struct {
		name  string
		fault func(*fixture)
		class string
		want  string // of the row without its class, detail, errcode and rid
		hint  string // in its detail
	}{
		{"WeChat is busy", errcode(-1), "busy", listFailed, "try again in a moment"},
		{"the token is refused, also when it is read anew", func(w *fixture) { w.wechat.Expire(shop) }, "token_refused", listFailed, "check what refreshes it"},
		{"the authorization is lost", errcode(42007), "reauthorization_needed", listFailed, "authorise the third-party platform again"},
		{"another kind of token", errcode(61014), "wrong_token", listFailed, "authorizer_access_token"},
		{"permission set 18 is missing", func(w *fixture) { w.wechat.Grant(shop, false) }, "permission_missing", listFailed, "grant permission set 18"},
		{"the daily quota is used up", errcode(45009), "daily_quota", listFailed, "wait for the daily quota"},
		{"too many calls within a minute", errcode(45011), "minute_rate", listFailed, "wait at least 60 s"},
		{"the address is not allowed", errcode(40164), "ip_not_allowed", listFailed, "put the egress IP on"},
		{"the API is closed to the account", errcode(48004), "blocked", listFailed, "ask WeChat why"},
		{"WeChat does not like the request", errcode(40097), "bad_input", listFailed, "correct the request"},
		{"an errcode that is not documented", errcode(99999), "undocumented", listFailed, "ask WeChat what it means"},
		{"a page of a proxy", wechat(wedatatest.Fault{Status: 502}), "unclear", listFailed, "look for a proxy"},
		{"a reply without an errcode", wechat(wedatatest.Fault{Kind: wedatatest.NoErrcode}), "unclear", listFailed, "no errcode"},
		{"an empty reply", wechat(wedatatest.Fault{Kind: wedatatest.Empty}), "unclear", listFailed, "empty reply"},
		{"half a reply", wechat(wedatatest.Fault{Kind: wedatatest.Truncated}), "unclear", listFailed, "not a JSON object"},
		{"a reply without an end", wechat(wedatatest.Fault{Kind: wedatatest.Oversized}), "unclear", listFailed, "larger than"},
		{"no list at this address", func(w *fixture) { w.wechat.Fail(wedatatest.Fault{Status: 404, Merchant: shop}) }, "unclear", listFailed, "HTTP 404"},
		{"no reply of WeChat", func(w *fixture) {
			// net/http sends a request once more where a kept connection is reset.
			w.wechat.Fail(wedatatest.Fault{Kind: wedatatest.Reset, Path: wedatatest.ListPath, Merchant: shop, Times: -1})
		}, "network", listFailed, "check the way to WeChat"},

		{"the secret is missing", func(w *fixture) {
			w.aws.Secrets.Delete(secretID)
			delete(w.env, "UNBIND_SOURCES_SECRET_ID") // which merchants it may name could not be checked either
		}, "secret", `"check":"merchant","list":false,"ok":false,"token":false`, "no such secret"},
		{"the secret may not be read", func(w *fixture) {
			w.aws.Secrets.Fail(lambdatest.Fault{Code: "AccessDeniedException", Times: -1})
			delete(w.env, "UNBIND_SOURCES_SECRET_ID")
		}, "secret", `"check":"merchant","list":false,"ok":false,"token":false`, "secretsmanager:GetSecretValue"},
		{"Secrets Manager is throttled", func(w *fixture) {
			w.aws.Secrets.Fail(lambdatest.Fault{Code: "ThrottlingException", Times: -1})
			delete(w.env, "UNBIND_SOURCES_SECRET_ID")
		}, "secret", `"check":"merchant","list":false,"ok":false,"token":false`, "throttled"},
		{"a merchant without a token", func(w *fixture) {
			w.aws.Secrets.Put(secretID, `{"authorizers":{"`+shop+`":{},"`+otherShop+`":{"authorizer_access_token":"`+w.wechat.Rotate(otherShop)+`"}}}`)
		}, "secret", noToken, "it must have either"},
		{"a merchant's own secret is missing", func(w *fixture) {
			w.aws.Secrets.Put(secretID, `{"authorizers":{"`+shop+`":{"secret_id":"wedata/none"},"`+otherShop+`":{"authorizer_access_token":"`+w.wechat.Rotate(otherShop)+`"}}}`)
		}, "secret", noToken, "no such secret"},

		{"a faulty source", func(w *fixture) {
			w.aws.Secrets.Put("wedata/sources", `{"hr":{"scheme":"bearer","keys":["long-enough-key"],"merchants":["*"]},"bad":{"scheme":"none"}}`)
		}, "secret", `"check":"sources","ok":false`, "sources.bad.scheme: is none of"},
		{"a source that may reach every merchant", func(w *fixture) {
			w.aws.Secrets.Put("wedata/sources", `{"hr":{"scheme":"bearer","keys":["long-enough-key"],"left_when":{},"uid":"uid"}}`)
		}, "secret", `"check":"sources","ok":false`, "sources.hr.merchants: missing"},
		{"the sources are missing", func(w *fixture) { w.aws.Secrets.Delete("wedata/sources") }, "secret", `"check":"sources","ok":false`, "no such secret"},
		{"the sources are empty", func(w *fixture) { w.aws.Secrets.Put("wedata/sources", "{}") }, "secret", `"check":"sources","ok":false`, "there is no source in it"},

		{"a table of people is missing", func(w *fixture) { w.putPeople() }, "secret", `"check":"sources","ok":false`, "no such secret"},
		{"a table of people is none", func(w *fixture) {
			w.putPeople()
			w.aws.Secrets.Put("unbind/people-1", `["E1001"]`)
		}, "secret", `"check":"sources","ok":false`, "the secret unbind/people-1: not an object of HR ids to uids"},

		{"no queue in the environment", func(w *fixture) { delete(w.env, "UNBIND_QUEUE_URL") }, "aws", `"check":"queue","ok":false`, "set UNBIND_QUEUE_URL"},
		{"the queue does not exist", func(w *fixture) { w.env["UNBIND_QUEUE_URL"] += "-gone" }, "aws", `"check":"queue","ok":false`, "look at the queue's URL"},
		{"no dead-letter queue in the environment", func(w *fixture) { delete(w.env, "UNBIND_DEAD_LETTER_QUEUE_URL") }, "aws", `"check":"dead_letter_queue","ok":false`, "set UNBIND_DEAD_LETTER_QUEUE_URL"},
		{"the dead-letter queue does not exist", func(w *fixture) { w.env["UNBIND_DEAD_LETTER_QUEUE_URL"] += "-gone" }, "aws", `"check":"dead_letter_queue","ok":false`, "look at the queue's URL"},

		{"no schedule group in the environment", func(w *fixture) { delete(w.env, "UNBIND_SCHEDULE_GROUP") }, "schedule", `"check":"schedule_group","ok":false`, "set UNBIND_SCHEDULE_GROUP"},
		{"no role for the schedules", func(w *fixture) { delete(w.env, "UNBIND_SCHEDULE_ROLE_ARN") }, "schedule", `"check":"schedule_group","ok":false`, "set UNBIND_SCHEDULE_ROLE_ARN"},
		{"no ARN of the queue", func(w *fixture) { delete(w.env, "UNBIND_QUEUE_ARN") }, "schedule", `"check":"schedule_group","ok":false`, "set UNBIND_QUEUE_ARN"},
		{"there is no such schedule group", func(w *fixture) {
			w.aws.Scheduler.Fail(lambdatest.Fault{Times: -1, Code: "ResourceNotFoundException", Status: 404})
		}, "schedule", `"check":"schedule_group","ok":false`, "there may be no such group"},
		{"the schedules may not be listed", func(w *fixture) {
			w.aws.Scheduler.Fail(lambdatest.Fault{Times: -1, Code: "AccessDeniedException", Status: 403})
		}, "schedule", `"check":"schedule_group","ok":false`, "look at the function's role"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel() // the SDK waits between its attempts
			w := newFixture(t, wedatatest.Options{})
			w.putIndex(shop, otherShop)
			w.putSource()
			tc.fault(w)
			function := w.start(t)
			faults := check(t, function, `{"action":"check"}`)
			if len(faults) != 1 {
				t.Fatalf("%d faults: %v", len(faults), faults)
			}
			if class, detail := faults[0]["class"], fmt.Sprint(faults[0]["detail"]); class != tc.class || !strings.Contains(detail, tc.hint) {
				t.Errorf("class %s, %s", class, detail)
			}
			lines := linesOf(function, "check fault")
			if len(lines) != 1 || lines[0]["class"] != tc.class || lines[0]["reason"] != faults[0]["detail"] || faults[0]["merchant"] != nil && lines[0]["merchant"] != faults[0]["merchant"] {
				t.Errorf("the log is\n%s", function.Log())
			}
			if ends := linesOf(function, "check"); len(ends) != 1 || ends[0]["level"] != "ERROR" || ends[0]["faults"] != 1.0 || len(linesOf(function, "outcome")) > 0 {
				t.Errorf("the log is\n%s", function.Log())
			}
			data := cloudwatch.Datapoints(template.Filters, strings.Split(function.Log(), "\n"))
			if got := raised(t, template, data); !slices.Equal(got, []string{"CheckFailedAlarm"}) {
				t.Errorf("raised %v", got)
			}
			for _, name := range []string{"class", "detail", "errcode", "rid", "token_age_s"} {
				delete(faults[0], name)
			}
			if got, _ := json.Marshal(faults[0]); string(got) != "{"+tc.want+"}" {
				t.Errorf("got  %s\nwant {%s}", got, tc.want)
			}
			if strings.Contains(w.calls(), wedatatest.UnbindPath) || w.stillBound(shop) != 2 || len(w.queue.Messages())+len(w.dead.Messages()) > 0 {
				t.Errorf("a check did something; WeChat was called\n%s", w.calls())
			}
		})
	}
}

// A check that fails at a busy WeChat must not make it busier.
func TestACheckCallsOnce(t *testing.T) {
	w := newFixture(t, wedatatest.Options{})
	w.putToken()
	w.wechat.Fail(wedatatest.Fault{Times: -1, Errcode: -1})
	if faults := check(t, w.start(t), `{"action":"check"}`); len(faults) != 1 || len(w.wechat.Calls()) != 1 {
		t.Errorf("got %v; WeChat was called\n%s", faults, w.calls())
	}
}

func TestACheckReadsARotatedTokenAnew(t *testing.T) {
	w := newFixture(t, wedatatest.Options{})
	function := w.start(t)
	for range 3 {
		w.aws.Secrets.Put(secretID, w.wechat.Rotate(shop))
		if faults := check(t, function, `{"action":"check"}`); faults != nil {
			t.Errorf("got %v", faults)
		}
	}
}

func TestACheckCountsEachFault(t *testing.T) {
	t.Parallel() // the SDK waits between its attempts
	w := newFixture(t, wedatatest.Options{})
	w.putIndex(shop, otherShop)
	w.putSource()
	w.aws.Secrets.Put("wedata/sources", `{"a":{"scheme":"none"},"b":{"scheme":"none"}}`)
	w.wechat.Grant(otherShop, false)
	w.aws.SQS.Fail(lambdatest.Fault{Times: -1, Drop: true})
	function := w.start(t)
	if faults := check(t, function, `{"action":"check"}`); len(faults) != 5 {
		t.Errorf("%d faults: %v", len(faults), faults)
	}
	if lines := linesOf(function, "check fault"); len(lines) != 5 {
		t.Errorf("the log is\n%s", function.Log())
	}
}

// Lambda keeps the error beside the event, and a record that is too long would be lost.
func TestACheckWithManyFaultsIsShortEnoughToBeKept(t *testing.T) {
	w := newFixture(t, wedatatest.Options{})
	w.putSource()
	var entries []string
	for i := range 2000 {
		entries = append(entries, fmt.Sprintf(`"source-%d":{"scheme":"none"}`, i))
	}
	w.aws.Secrets.Put("wedata/sources", "{"+strings.Join(entries, ",")+"}")
	reply := invoke(t, w.start(t), `{"action":"check"}`)
	if !strings.HasPrefix(reply.ErrorMessage, "2000 faults: [{") || len(reply.ErrorMessage) > 100<<10 {
		t.Errorf("%d bytes: %.300s", len(reply.ErrorMessage), reply.ErrorMessage)
	}
}

func TestACheckWithoutVerificationNeedsNoList(t *testing.T) {
	for name, ruin := range map[string]func(*fixture){
		"no permission": func(w *fixture) { w.wechat.Grant(shop, false) },
		"not found":     func(w *fixture) { w.wechat.Fail(wedatatest.Fault{Status: 404}) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newFixture(t, wedatatest.Options{})
			w.env["WEDATA_VERIFY"] = "false"
			ruin(w)
			if reply := invoke(t, w.start(t), `{"action":"check"}`); !strings.Contains(string(reply.Payload), `"list":false`) {
				t.Errorf("got %s, %v", reply.Payload, reply.Err())
			}
		})
	}
}

// An invocation has 10 s here, and each service that hangs would take longer after another than side by side.
func TestACheckOfServicesThatHangEndsInTime(t *testing.T) {
	t.Parallel() // it waits for timeouts
	w := newFixture(t, wedatatest.Options{})
	w.putIndex(shop, otherShop)
	w.wechat.Fail(wedatatest.Fault{Times: -1, Latency: time.Minute})
	w.aws.SQS.Fail(lambdatest.Fault{Times: -1, Hang: true})
	if faults := check(t, w.startWithin(t, 3*time.Second), `{"action":"check"}`); len(faults) != 4 {
		t.Errorf("%d faults: %v", len(faults), faults)
	}
}
