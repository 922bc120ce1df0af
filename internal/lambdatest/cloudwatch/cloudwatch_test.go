package cloudwatch_test

import (
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"wedata-unbind/internal/lambdatest/cloudwatch"
)

func TestPatternsMatchAsCloudWatchDocumentsThem(t *testing.T) {
	for _, tc := range []struct {
		pattern, line string
		want          bool
	}{
		{`{ $.a = "x" }`, `{"a":"x"}`, true},
		{`{ $.a = "x" }`, `{"a":"X"}`, false},
		{`{ $.a != "x" }`, `{"a":"y"}`, true},
		{`{ $.a != "x" }`, `{}`, false},
		{`{ $.a = "*x.y*" }`, `{"a":"of x.y z"}`, true},
		{`{ $.a = "*x.y*" }`, `{"a":"x-y"}`, false},
		{`{ $.a != "*x.y*" }`, `{"a":"of x.y z"}`, false},
		{`{ $.a != "*x.y*" }`, `{"a":""}`, true},
		{`{ $.a > 2 }`, `{"a":3}`, true},
		{`{ $.a > 2 }`, `{"a":"3"}`, false},
		{`{ $.a = * }`, `{"a":""}`, true},
		{`{ $.a NOT EXISTS }`, `{"b":1}`, true},
		{`{ $.a IS FALSE }`, `{"a":false}`, true},
		{`{ $.a IS FALSE }`, `{}`, false},
		{`{ $.a.b = "x" }`, `{"a":{"b":"x"}}`, true},
		{`{ $.a.b = "x" }`, `{"a":"x"}`, false},
		{`{ $.a = "x" && $.b = "y" || $.c = "z" }`, `{"c":"z"}`, true},
		{`{ $.a = "x" && ($.b = "y" || $.c = "z") }`, `{"c":"z"}`, false},
		{`{ $.a = "x" }`, `no JSON`, false},
	} {
		f, err := cloudwatch.NewFilter("N", tc.pattern, "1", nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := len(cloudwatch.Datapoints([]cloudwatch.Filter{f}, []string{tc.line})) == 1; got != tc.want {
			t.Errorf("%s with %s: %t", tc.pattern, tc.line, got)
		}
	}
	for _, pattern := range []string{``, `$.a = "x"`, `{ $.a ~ "x" }`, `{ $.a = x }`, `{ ($.a = "x" }`, `{ $.a > "x" }`, `{ a = "x" }`} {
		if _, err := cloudwatch.NewFilter("N", pattern, "1", nil); err == nil {
			t.Errorf("%s was understood", pattern)
		}
	}
}

// template has a sum, an expression, a default value and a dimension.
const template = `
Resources:
  Count: {Type: "AWS::Logs::MetricFilter", Properties: {FilterPattern: '{ $.n > 0 }', MetricTransformations: [
    {MetricName: N, MetricValue: $.n, Dimensions: [{Key: kind, Value: $.kind}]}]}}
  Good: {Type: "AWS::Logs::MetricFilter", Properties: {FilterPattern: '{ $.good = "yes" }', MetricTransformations: [
    {MetricName: Good, MetricValue: "1", DefaultValue: 0}]}}
  Bad: {Type: "AWS::Logs::MetricFilter", Properties: {FilterPattern: '{ $.good = "no" }', MetricTransformations: [
    {MetricName: Bad, MetricValue: "1", DefaultValue: 0}]}}
  Sum: {Type: "AWS::CloudWatch::Alarm", Properties: {Namespace: Own, MetricName: N, Dimensions: [{Name: kind, Value: a}],
    Statistic: Sum, EvaluationPeriods: 3, DatapointsToAlarm: 2, Threshold: 5, ComparisonOperator: GreaterThanThreshold,
    TreatMissingData: notBreaching}}
  Silence: {Type: "AWS::CloudWatch::Alarm", Properties: {Metrics: [
    {Id: e, Expression: "IF(good == 0, bad, 0)"},
    {Id: good, MetricStat: {Metric: {Namespace: Own, MetricName: Good}}},
    {Id: bad, MetricStat: {Metric: {Namespace: Own, MetricName: Bad}}}],
    EvaluationPeriods: 1, Threshold: 2, ComparisonOperator: GreaterThanOrEqualToThreshold, TreatMissingData: notBreaching}}
`

func read(t *testing.T, text string) (cloudwatch.Template, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "template.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return cloudwatch.ReadTemplate(path)
}

func TestAlarmsAreRaisedByTheDataOfTheirPeriods(t *testing.T) {
	parsed, err := read(t, template)
	if err != nil {
		t.Fatal(err)
	}
	const six, good, bad = `{"n":6,"kind":"a"}`, `{"good":"yes"}`, `{"good":"no"}`
	for _, tc := range []struct {
		name    string
		periods [][]string
		want    map[string]bool
	}{
		{"nothing", [][]string{nil, nil, nil}, nil},
		{"one period of the two needed", [][]string{{six}, nil, nil}, nil},
		{"two periods", [][]string{{six}, nil, {six}}, map[string]bool{"Sum": true}},
		{"too long ago", [][]string{{six}, {six}, nil, nil}, nil},
		{"at the threshold", [][]string{{`{"n":5,"kind":"a"}`}, {`{"n":2,"kind":"a"}`, `{"n":3,"kind":"a"}`}}, nil},
		{"another dimension, or none", [][]string{{`{"n":6,"kind":"b"}`}, {`{"n":6}`}}, nil},
		{"only bad", [][]string{{bad, bad}}, map[string]bool{"Silence": true}},
		{"bad and good", [][]string{{bad, good, bad}}, nil},
		{"one bad", [][]string{{bad}}, nil},
	} {
		var periods []cloudwatch.Data
		for _, lines := range tc.periods {
			periods = append(periods, cloudwatch.Datapoints(parsed.Filters, lines))
		}
		got := map[string]bool{}
		for name, alarm := range parsed.Alarms {
			is, err := alarm.Raised(periods...)
			if err != nil {
				t.Fatal(err)
			}
			if is {
				got[name] = true
			}
		}
		if !maps.Equal(got, tc.want) {
			t.Errorf("%s: raised %v, want %v", tc.name, got, tc.want)
		}
	}
	if got := parsed.Alarms["Silence"].Watched(); !reflect.DeepEqual(got, []string{"Good", "Bad"}) {
		t.Errorf("watches %v", got)
	}
}

func TestWhatIsNotEvaluatedIsAnError(t *testing.T) {
	for _, change := range [][2]string{
		{"IF(good == 0, bad, 0)", "good / bad"},
		{"notBreaching}}\n  Silence", "breaching}}\n  Silence"},
		{"DatapointsToAlarm: 2", "DatapointsToAlarm: 4"},
		{"DefaultValue: 0", "DefaultValue: 1"},
		{"Value: $.kind", "Value: kind"},
		{"MetricValue: $.n", "MetricValue: n"},
	} {
		if _, err := read(t, strings.Replace(template, change[0], change[1], 1)); err == nil {
			t.Errorf("%s was read", change[1])
		}
	}
}
