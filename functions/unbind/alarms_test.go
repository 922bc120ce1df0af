package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"wedata-unbind/internal/lambdatest"
	"wedata-unbind/internal/lambdatest/cloudwatch"
	"wedata-unbind/internal/source/sourcetest"
	"wedata-unbind/internal/wedata/wedatatest"
)

func readTemplate(t *testing.T) cloudwatch.Template {
	t.Helper()
	template, err := cloudwatch.ReadTemplate(filepath.Join("..", "..", "template.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return template
}

// raised returns the alarms that the data of an alarm's last periods raises, sorted.
func raised(t *testing.T, template cloudwatch.Template, periods ...cloudwatch.Data) []string {
	t.Helper()
	names := []string{}
	for name, alarm := range template.Alarms {
		if alarm.Statistic != "Sum" && len(alarm.Metrics) == 0 {
			continue
		}
		is, err := alarm.Raised(periods...)
		if err != nil {
			t.Fatal(name, err)
		}
		if is {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// publish returns an SNS event with a departure of this uid.
func publish(t *testing.T, uid string) string {
	t.Helper()
	message, err := json.Marshal(fmt.Sprintf(`{"type":"employee.left","data":{"uid":%q}}`, uid))
	if err != nil {
		t.Fatal(err)
	}
	return `{"Records":[{"EventSource":"aws:sns","EventVersion":"1.0","Sns":{"Type":"Notification","MessageId":"m-1",` +
		`"TopicArn":"arn:aws:sns:us-east-1:123456789012:left","Timestamp":"2026-11-24T01:00:00Z","Message":` + string(message) + `}}]}`
}

// The log of the built function goes through the metric filters and alarms of template.yaml. Everything in a story
// happens within one period.
func TestEachStoryRaisesItsAlarms(t *testing.T) {
	template := readTemplate(t)
	const hr, rotated = "a key of the HR system", "another key of it"
	sources := func(w *fixture) {
		w.aws.Secrets.Put("wedata/sources", `{"hr":{"scheme":"hmac","keys":["`+hr+`"],"header":"X-Signature",`+
			`"left_when":{"event":["employee.terminated"]},"uid":"id"},"table":{"left_when":{},"uid":"uid","people":{"H-1":"E1001"}}}`)
		w.env["UNBIND_SOURCES_SECRET_ID"] = "wedata/sources"
	}
	webhook := func(key, event, id string) string {
		body := fmt.Sprintf(`{"event":%q,"id":%q}`, event, id)
		return string(sourcetest.HMAC(key, "X-Signature", []byte(body)).Event("/hooks/hr"))
	}
	times := func(n int, event func(i int) string) (events []string) {
		for i := range n {
			events = append(events, event(i))
		}
		return events
	}
	unknown := func(i int) string { return publish(t, fmt.Sprintf("mail-%d@shop.example", i)) }
	renamed := func(i int) string { return webhook(hr, "employee.offboarded", fmt.Sprintf("E10%02d", i)) }
	unmapped := func(i int) string {
		event := strings.Replace(publish(t, "x"), ":left", ":table", 1)
		return strings.Replace(event, `{\"type\":\"employee.left\",\"data\":{\"uid\":\"x\"}}`, fmt.Sprintf(`{\"uid\":\"H-%d\"}`, i+2), 1)
	}
	ended := func(i int) string {
		body := fmt.Sprintf(`{"type":"employee.left.cancelled.expired","data":{"uid":"E10%02d"}}`, i)
		return fmt.Sprintf(`{"Records":[{"eventSource":"aws:sqs","messageId":"m-1","body":%q}]}`, body)
	}
	for _, tc := range []struct {
		name    string
		arrange func(*fixture)
		events  []string
		want    []string
	}{
		{"all is well", sources, []string{publish(t, "E1001"), webhook(hr, "employee.terminated", "E1002"), `{"action":"check"}`}, nil},

		{"a rotated key", sources, times(3, func(int) string { return webhook(rotated, "employee.terminated", "E1001") }), []string{"SignatureRefusedAlarm"}},
		{"another sender, once or twice", sources, times(2, func(int) string { return webhook(rotated, "employee.terminated", "E1001") }), nil},

		{"a wrong identifier", nil, times(5, unknown), []string{"NobodyUnboundAlarm"}},
		{"a wrong identifier, and the right one by hand", nil, append(times(5, unknown), `{"uid":"E1001"}`), []string{"NobodyUnboundAlarm"}},
		{"some who were never bound", nil, append(times(9, unknown), publish(t, "E1001")), nil},
		{"four who were never bound", nil, times(4, unknown), nil},
		{"five cancellations that end after 14 days", nil, times(5, ended), nil},
		{"a renamed event", sources, times(5, renamed), []string{"NobodyUnboundAlarm"}},
		{"a table of people without the new ones", sources, times(5, unmapped), []string{"NobodyUnboundAlarm"}},

		{"a list that cannot be read", func(w *fixture) {
			w.wechat.Fail(wedatatest.Fault{Path: wedatatest.ListPath, Errcode: 48001, Times: -1})
		}, []string{publish(t, "E1001")}, []string{"UnverifiedAlarm"}},
		{
			"a schedule that cannot be made", func(w *fixture) {
				w.aws.Scheduler.Fail(lambdatest.Fault{Times: -1, Code: "AccessDeniedException", Status: 403})
			},
			[]string{strings.Replace(publish(t, "E1001"), `\"uid\"`, `\"effective_at\":\"`+time.Now().Add(48*time.Hour).UTC().Format(time.RFC3339)+`\",\"uid\"`, 1)},
			[]string{"ScheduleAlarm"},
		},
		{"a departure for which somebody must act", func(w *fixture) { w.wechat.Grant(shop, false) }, []string{publish(t, "E1001")}, []string{"FailedAlarm"}},
		{"an address that is not on the whitelist", func(w *fixture) {
			w.wechat.Fail(wedatatest.Fault{Errcode: 40164, Times: -1})
		}, []string{publish(t, "E1001")}, []string{"AddressRefusedAlarm", "FailedAlarm"}},
		{"an event that no queue takes", func(w *fixture) {
			w.wechat.Grant(shop, false)
			delete(w.env, "UNBIND_DEAD_LETTER_QUEUE_URL")
			delete(w.env, "UNBIND_QUEUE_URL")
		}, []string{publish(t, "E1001")}, []string{"ErrorsAlarm", "FailedAlarm"}},

		{"a check that fails, for each thing that it asks", func(w *fixture) {
			sources(w)
			w.aws.Secrets.Put("wedata/sources", `{"hr":{"scheme":"none"}}`)
			w.wechat.Expire(shop)
			delete(w.env, "UNBIND_QUEUE_URL")
			delete(w.env, "UNBIND_DEAD_LETTER_QUEUE_URL")
		}, []string{`{"action":"check"}`}, []string{"CheckFailedAlarm"}},
		{"a check whose address is refused", func(w *fixture) {
			w.wechat.Fail(wedatatest.Fault{Errcode: 40164, Times: -1})
		}, []string{`{"action":"check"}`}, []string{"CheckFailedAlarm"}},

		{"typing errors in direct invocations", nil, []string{
			`{"action":"chek"}`, `{"action":"check","merchant":"wx1"}`, `{"action":"audit","active":[]}`, `{"uid":1}`,
			`{"UID":"E1001"}`, `{"uid":"E1O01"}`, `{"uid":["a1","a2","a3","a4","a5"]}`, `{"uid":"E1001","merchant":"wx1"}`,
			`{"uid":"E1001","dry_run":"yes"}`, `{"Records":[]}`, `["E1001"]`, `"E1001"`, `{"type":"employee.leaves","data":{"uid":"E1001"}}`,
			`{"uid":"E1001","efective_at":"2026-12-01"}`,
		}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel() // the SDK waits between its attempts
			w := newFixture(t, wedatatest.Options{})
			if tc.arrange != nil {
				tc.arrange(w)
			}
			function := w.start(t)
			for _, event := range tc.events {
				invoke(t, function, event)
			}
			if _, err := w.queue.Deliver(t.Context(), function, 10); err != nil { // what webhooks put there
				t.Fatal(err)
			}
			data := cloudwatch.Datapoints(template.Filters, strings.Split(function.Log(), "\n"))
			if got := raised(t, template, data); !slices.Equal(got, append([]string{}, tc.want...)) {
				t.Errorf("raised %v, want %v; of %v\n%s", got, tc.want, data, function.Log())
			}
		})
	}
}

// Lambda writes these lines itself, where the function cannot (AWS Lambda Developer Guide, Telemetry API event schema).
func TestTheErrorsAlarmCountsWhatLambdaReports(t *testing.T) {
	template := readTemplate(t)
	for line, want := range map[string]bool{
		`{"type":"platform.report","record":{"requestId":"1","status":"success","metrics":{"durationMs":3}}}`:                             false,
		`{"type":"platform.report","record":{"requestId":"1","status":"timeout","metrics":{"durationMs":60000}}}`:                         true,
		`{"type":"platform.report","record":{"requestId":"1","status":"failure","errorType":"Runtime.ExitError"}}`:                        true,
		`{"type":"platform.report","record":{"requestId":"1","status":"error","errorType":"Runtime.ExitError"}}`:                          true,
		`{"type":"platform.report","record":{"requestId":"1","status":"error","errorType":"Runtime.OutOfMemory"}}`:                        true,
		`{"type":"platform.report","record":{"requestId":"1","status":"error","errorType":"UnbindError"}}`:                                false,
		`{"type":"platform.runtimeDone","record":{"requestId":"1","status":"timeout"}}`:                                                   false,
		`2026/11/24 08:00:00 {"errorMessage":"nothing unbound: event: not a JSON object","errorType":"UnbindError"}`:                      false,
		`{"level":"ERROR","msg":"x","message":"invocation failed","trigger":"sns"}`:                                                       true,
		`{"level":"ERROR","message":"check","reason":"1 fault: []","faults":1}`:                                                           false,
		`{"level":"WARN","message":"check fault","check":"merchant","class":"token_refused","merchant":"wx0123456789abcdef","reason":""}`: false,
	} {
		got := raised(t, template, cloudwatch.Datapoints(template.Filters, []string{line}))
		if slices.Contains(got, "ErrorsAlarm") != want {
			t.Errorf("%s raised %v", line, got)
		}
	}
}

// What API Gateway counts, an hour each.
func TestTheAlarmOnRefusedRequestsIgnoresSingleBursts(t *testing.T) {
	template := readTemplate(t)
	for name, tc := range map[string]struct {
		hours []int
		want  bool
	}{
		"nothing":                                 {[]int{0, 0, 0, 0, 0, 0}, false},
		"a scan of an hour":                       {[]int{0, 800, 0, 0, 0, 0}, false},
		"a scan over the turn of an hour":         {[]int{0, 800, 800, 0, 0, 0}, false},
		"other senders all day":                   {[]int{3, 9, 2, 0, 5, 9}, false},
		"a wrong address, tried again and again":  {[]int{12, 14, 12, 13, 12, 12}, true},
		"a wrong address, with pauses":            {[]int{20, 0, 10, 0, 10, 0}, true},
		"it was mended more than three hours ago": {[]int{20, 20, 20, 20, 0, 0, 0, 0, 0}, false},
	} {
		var periods []cloudwatch.Data
		for _, n := range tc.hours {
			periods = append(periods, cloudwatch.Data{"AWS/ApiGateway 4xx": {float64(n)}})
		}
		if got := raised(t, template, periods...); slices.Contains(got, "HttpRefusedAlarm") != tc.want {
			t.Errorf("%s: raised %v", name, got)
		}
	}
}

func TestEachAlarmSaysWhatHappenedInChineseAndInEnglish(t *testing.T) {
	for name, alarm := range readTemplate(t).Alarms {
		chinese, english, _ := strings.Cut(alarm.Description, "。 ")
		isHan := func(r rune) bool { return unicode.Is(unicode.Han, r) }
		if strings.IndexFunc(chinese, isHan) < 0 || strings.Contains(chinese, "。") || !strings.Contains(english, "Saved query: ") {
			t.Errorf("%s: %q is not one Chinese sentence and the English text with a saved query", name, alarm.Description)
		}
		// Amazon CloudWatch API Reference, PutMetricAlarm.
		if n := utf8.RuneCountInString(alarm.Description); n > 1024 {
			t.Errorf("%s: %d characters, and CloudWatch takes 1,024", name, n)
		}
	}
}

// An alarm on a metric that no filter makes would never be raised.
func TestEachAlarmWatchesWhatAFilterCounts(t *testing.T) {
	template := readTemplate(t)
	explained := firstColumn(sectionOf(t, filepath.Join("..", "..", "docs", "operations.md"), "Classes"))
	for name, alarm := range template.Alarms {
		for _, series := range alarm.Watched() {
			metric, dimensions, _ := strings.Cut(series, " ")
			isSame := func(f cloudwatch.Filter) bool {
				names := strings.Join(f.Dimensions(), "")
				key, _, _ := strings.Cut(dimensions, "=")
				return f.Metric == metric && names == key
			}
			if !strings.HasPrefix(series, "AWS/") && !slices.ContainsFunc(template.Filters, isSame) {
				t.Errorf("%s: no metric filter makes %s", name, series)
			}
			if class, ok := strings.CutPrefix(series, "Faults class="); ok && !slices.Contains(explained, class) {
				t.Errorf("%s: there is no class %s", name, class)
			}
		}
	}
}

// What the page says a month costs must not fall behind the template.
func TestThePageOnCostsCountsTheAlarms(t *testing.T) {
	resources, alarms, metrics, ofHTTP := templateResources(t), 0, 0, 0
	for name, alarm := range readTemplate(t).Alarms {
		if show(at(resources, name+".Condition")) == "RaiseHttpAlarms" {
			ofHTTP++
			continue
		}
		alarms++
		metrics += len(alarm.Watched())
	}
	want := fmt.Sprintf("%d for %d alarms, of which `NobodyUnboundAlarm` has two, and %d more with the HTTP API", metrics, alarms, ofHTTP)
	if page := sectionOf(t, filepath.Join("..", "..", "docs", "operations.md"), "What it costs"); !strings.Contains(page, want) {
		t.Errorf("the page lacks %q", want)
	}
}
