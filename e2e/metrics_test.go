package e2e

import (
	"maps"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"

	"wedata-unbind/internal/lambdatest/cloudwatch"
)

// TestMetricFilters gives log lines to the metric filters of the template.
func TestMetricFilters(t *testing.T) {
	filters := templateFilters(t)
	for _, row := range []struct {
		name, line string
		want       []string
	}{
		{
			"unbound",
			`{"message":"outcome","status":"unbound","age_s":3}`,
			[]string{"Outcomes status=unbound", "SecondsToOutcome status=unbound"},
		},
		{
			"an unknown age",
			`{"message":"outcome","status":"unbound"}`,
			[]string{"Outcomes status=unbound"},
		},
		{
			"a fault",
			`{"message":"outcome","status":"failed","class":"ip_not_allowed"}`,
			[]string{"Faults class=ip_not_allowed", "Outcomes status=failed"},
		},
		{
			"a fault in a dry run",
			`{"message":"outcome","status":"retry","class":"token_refused","dry_run":true,"age_s":1}`,
			[]string{"Faults class=token_refused"},
		},
		{"a dry run", `{"message":"outcome","status":"would_unbind","dry_run":true,"age_s":1}`, nil},
		{
			"a try after two hours",
			`{"message":"outcome","status":"retry","class":"busy","age_s":7201}`,
			[]string{"Faults class=busy", "Outcomes status=retry", "RetryingLong", "SecondsToOutcome status=retry"},
		},
		{
			"a status and a class that are new",
			`{"message":"outcome","status":"scheduled","class":"too_early"}`,
			[]string{"Faults class=too_early", "Outcomes status=scheduled"},
		},
		{"a signature", `{"message":"signature refused"}`, []string{"SignatureRefused"}},
		{"another line", `{"message":"secret read","class":"secret"}`, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			data := cloudwatch.Datapoints(filters, []string{row.line})
			maps.DeleteFunc(data, func(_ string, values []float64) bool { return values[0] == 0 && len(values) == 1 })
			if got := slices.Sorted(maps.Keys(data)); !slices.Equal(got, row.want) {
				t.Errorf("got %q, want %q", got, row.want)
			}
		})
	}
}

// templateFilters returns the metric filters of the template.
func templateFilters(t *testing.T) []cloudwatch.Filter {
	t.Helper()
	template, err := cloudwatch.ReadTemplate("../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return template.Filters
}

// filters reads the deployed metric filters. MiniStack keeps them, but does not apply them.
func (s *stack) filters(t *testing.T) []cloudwatch.Filter {
	t.Helper()
	out, err := cloudwatchlogs.NewFromConfig(s.config).DescribeMetricFilters(t.Context(),
		&cloudwatchlogs.DescribeMetricFiltersInput{LogGroupName: aws.String(s.outputs["FunctionLogGroup"])})
	if err != nil {
		t.Fatal(err)
	}
	var filters []cloudwatch.Filter
	for _, deployed := range out.MetricFilters {
		metric := deployed.MetricTransformations[0]
		f, err := cloudwatch.NewFilter(*metric.MetricName, *deployed.FilterPattern, *metric.MetricValue, metric.Dimensions)
		if err != nil {
			t.Fatal(err)
		}
		filters = append(filters, f)
	}
	return filters
}

// metrics counts with the deployed metric filters what the function logged.
func (s *stack) metrics(t *testing.T) {
	counted := map[string]int{}
	for name, values := range cloudwatch.Datapoints(s.filters(t), s.log(t)) {
		counted[name] = len(values)
	}
	t.Logf("counted: %v", counted)
	for _, name := range []string{
		"Outcomes status=unbound", "Outcomes status=failed", "Outcomes status=retry", "Outcomes status=queued",
		"Faults class=busy", "Faults class=permission_missing", "Faults class=token_refused",
		"Failed", "Unbound", "NotUnbound", "SignatureRefused", "SecondsToOutcome status=unbound",
	} {
		if counted[name] == 0 {
			t.Errorf("%s counted nothing, but it happened", name)
		}
	}
	if n := counted["Outcomes status=unknown"]; n != 1 {
		t.Errorf("Outcomes status=unknown counted %d, want 1: the dry run is not counted", n)
	}
	for _, name := range []string{
		"Outcomes status=ignored", "Outcomes status=would_unbind", "Faults class=ip_not_allowed", "RetryingLong", "Errors",
	} {
		if n := counted[name]; n > 0 {
			t.Errorf("%s counted %d, but it did not happen", name, n)
		}
	}
}
