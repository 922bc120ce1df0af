package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"go.yaml.in/yaml/v3"

	"wedata-unbind/internal/wedata"
)

// filter is a metric filter: the metric, the log lines that it counts, and the fields that are the metric's dimensions.
type filter struct {
	metric     string
	match      matcher
	dimensions map[string]string // field by dimension
}

// newFilter returns the metric filter with the pattern. The values of dimensions are $.field.
func newFilter(metric, pattern string, dimensions map[string]string) (filter, error) {
	match, err := parsePattern(pattern)
	if err != nil {
		return filter{}, fmt.Errorf("%s: %w", metric, err)
	}
	f := filter{metric, match, map[string]string{}}
	for key, value := range dimensions {
		field, ok := strings.CutPrefix(value, "$.")
		if !ok {
			return filter{}, fmt.Errorf("%s: the dimension %s is %q, want $.field", metric, key, value)
		}
		f.dimensions[key] = field
	}
	return f, nil
}

// series returns metric and dimensions of the datapoint that a log line gives, such as "Outcomes status=failed".
// Without a dimension's field CloudWatch makes no datapoint.
func (f filter) series(fields map[string]any) (string, bool) {
	if !f.match(fields) {
		return "", false
	}
	values := map[string]string{}
	for key, field := range f.dimensions {
		value, ok := fields[field].(string)
		if !ok {
			return "", false
		}
		values[key] = value
	}
	return series(f.metric, values), true
}

// series names the datapoints of a metric with these dimensions.
func series(metric string, dimensions map[string]string) string {
	name := []string{metric}
	for _, key := range slices.Sorted(maps.Keys(dimensions)) {
		name = append(name, key+"="+dimensions[key])
	}
	return strings.Join(name, " ")
}

// datapoints counts the datapoints of each series that the filters make of log lines.
func datapoints(filters []filter, lines []string) map[string]int {
	counted := map[string]int{}
	for _, line := range lines {
		var fields map[string]any
		if json.Unmarshal([]byte(line), &fields) != nil {
			continue
		}
		for _, f := range filters {
			if name, ok := f.series(fields); ok {
				counted[name]++
			}
		}
	}
	return counted
}

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
			if got := slices.Sorted(maps.Keys(datapoints(filters, []string{row.line}))); !slices.Equal(got, row.want) {
				t.Errorf("got %q, want %q", got, row.want)
			}
		})
	}
}

// TestAlarms checks that the alarms on the function's own metrics have the dimensions of the filters, and classes that
// exist.
func TestAlarms(t *testing.T) {
	filters := templateFilters(t)
	var watched []string
	for name, node := range templateResources(t, "AWS::CloudWatch::Alarm") {
		var alarm struct {
			Namespace  string `yaml:"Namespace"`
			MetricName string `yaml:"MetricName"`
			Dimensions []struct {
				Name  string `yaml:"Name"`
				Value string `yaml:"Value"`
			} `yaml:"Dimensions"`
		}
		if err := node.Decode(&alarm); err != nil {
			t.Fatal(name, err)
		}
		if !strings.HasPrefix(alarm.Namespace, "WedataUnbind/") {
			continue
		}
		dimensions := map[string]string{}
		for _, d := range alarm.Dimensions {
			dimensions[d.Name] = d.Value
		}
		i := slices.IndexFunc(filters, func(f filter) bool { return f.metric == alarm.MetricName })
		if i < 0 || !slices.Equal(slices.Sorted(maps.Keys(filters[i].dimensions)), slices.Sorted(maps.Keys(dimensions))) {
			t.Errorf("%s: no metric filter has %s with these dimensions", name, alarm.MetricName)
		}
		watched = append(watched, series(alarm.MetricName, dimensions))
	}
	slices.Sort(watched)
	want := []string{
		"Faults class=" + string(wedata.IPNotAllowed), "Faults class=" + string(wedata.TokenRefused),
		"Outcomes status=failed", "RetryingLong",
	}
	if !slices.Equal(watched, want) {
		t.Errorf("the alarms watch %q, want %q", watched, want)
	}
}

// templateFilters returns the metric filters of the template.
func templateFilters(t *testing.T) []filter {
	t.Helper()
	var filters []filter
	for name, node := range templateResources(t, "AWS::Logs::MetricFilter") {
		var properties struct {
			FilterPattern         string `yaml:"FilterPattern"`
			MetricTransformations []struct {
				MetricName string `yaml:"MetricName"`
				Dimensions []struct {
					Key   string `yaml:"Key"`
					Value string `yaml:"Value"`
				} `yaml:"Dimensions"`
			} `yaml:"MetricTransformations"`
		}
		if err := node.Decode(&properties); err != nil || len(properties.MetricTransformations) != 1 {
			t.Fatalf("%s: %d transformations, %v", name, len(properties.MetricTransformations), err)
		}
		metric := properties.MetricTransformations[0]
		dimensions := map[string]string{}
		for _, d := range metric.Dimensions {
			dimensions[d.Key] = d.Value
		}
		f, err := newFilter(metric.MetricName, properties.FilterPattern, dimensions)
		if err != nil {
			t.Fatal(err)
		}
		filters = append(filters, f)
	}
	return filters
}

// templateResources returns the properties of all resources of a type in the template, by logical id.
func templateResources(t *testing.T, resourceType string) map[string]yaml.Node {
	t.Helper()
	text, err := os.ReadFile("../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var template struct {
		Resources map[string]struct {
			Type       string    `yaml:"Type"`
			Properties yaml.Node `yaml:"Properties"`
		} `yaml:"Resources"`
	}
	if err := yaml.Unmarshal(text, &template); err != nil {
		t.Fatal(err)
	}
	found := map[string]yaml.Node{}
	for name, resource := range template.Resources {
		if resource.Type == resourceType {
			found[name] = resource.Properties
		}
	}
	return found
}

// metrics reads the deployed metric filters, and counts with them what the function logged.
func (s *stack) metrics(t *testing.T) {
	out, err := cloudwatchlogs.NewFromConfig(s.config).DescribeMetricFilters(t.Context(),
		&cloudwatchlogs.DescribeMetricFiltersInput{LogGroupName: aws.String(s.outputs["FunctionLogGroup"])})
	if err != nil {
		t.Fatal(err)
	}
	var filters []filter
	for _, deployed := range out.MetricFilters {
		metric := deployed.MetricTransformations[0]
		f, err := newFilter(*metric.MetricName, *deployed.FilterPattern, metric.Dimensions)
		if err != nil {
			t.Error(err)
			continue
		}
		filters = append(filters, f)
	}
	counted := datapoints(filters, s.log(t))
	t.Logf("counted: %v", counted)
	for _, name := range []string{
		"Outcomes status=unbound", "Outcomes status=failed", "Outcomes status=retry", "Outcomes status=queued",
		"Faults class=busy", "Faults class=permission_missing", "Faults class=token_refused",
		"SignatureRefused", "SecondsToOutcome status=unbound",
	} {
		if counted[name] == 0 {
			t.Errorf("%s counted nothing, but it happened", name)
		}
	}
	if n := counted["Outcomes status=unknown"]; n != 1 {
		t.Errorf("Outcomes status=unknown counted %d, want 1: the dry run is not counted", n)
	}
	for _, name := range []string{
		"Outcomes status=ignored", "Outcomes status=would_unbind", "Faults class=ip_not_allowed", "RetryingLong",
	} {
		if n := counted[name]; n > 0 {
			t.Errorf("%s counted %d, but it did not happen", name, n)
		}
	}
}

// matcher tells whether a log line, as its fields, matches.
type matcher func(map[string]any) bool

// parsePattern parses the part of CloudWatch's JSON filter patterns that the template uses: { a && (b || c) }, where
// each condition is $.field, one of = != > >= < <=, and a number or a quoted string; or $.field = *, or $.field NOT
// EXISTS. MiniStack stores patterns but does not apply them.
func parsePattern(pattern string) (matcher, error) {
	tokens := regexp.MustCompile(`"[^"]*"|&&|\|\||[<>!]?=|[<>]|[{}()]|[^\s"&|<>!={}()]+`)
	p := &patternParser{tokens: tokens.FindAllString(pattern, -1)}
	if !p.take("{") {
		return nil, fmt.Errorf("%s: does not begin with {", pattern)
	}
	match, err := p.or()
	if err == nil && (!p.take("}") || len(p.tokens) > 0) {
		err = fmt.Errorf("%s: %q not understood", pattern, p.tokens)
	}
	return match, err
}

type patternParser struct{ tokens []string }

func (p *patternParser) take(token string) bool {
	if len(p.tokens) == 0 || p.tokens[0] != token {
		return false
	}
	p.tokens = p.tokens[1:]
	return true
}

func (p *patternParser) or() (matcher, error) {
	return p.chain("||", p.and, func(a, b matcher) matcher {
		return func(f map[string]any) bool { return a(f) || b(f) }
	})
}

func (p *patternParser) and() (matcher, error) {
	return p.chain("&&", p.condition, func(a, b matcher) matcher {
		return func(f map[string]any) bool { return a(f) && b(f) }
	})
}

func (p *patternParser) chain(
	operator string, part func() (matcher, error), join func(a, b matcher) matcher,
) (matcher, error) {
	all, err := part()
	for err == nil && p.take(operator) {
		var next matcher
		if next, err = part(); err == nil {
			all = join(all, next)
		}
	}
	return all, err
}

func (p *patternParser) condition() (matcher, error) {
	if p.take("(") {
		match, err := p.or()
		if err == nil && !p.take(")") {
			err = fmt.Errorf("no ) before %q", p.tokens)
		}
		return match, err
	}
	if len(p.tokens) < 3 || len(p.tokens[0]) < 3 || p.tokens[0][:2] != "$." {
		return nil, fmt.Errorf("%q not understood", p.tokens)
	}
	field, operator, operand := p.tokens[0][2:], p.tokens[1], p.tokens[2]
	p.tokens = p.tokens[3:]
	if operator == "NOT" && operand == "EXISTS" {
		return func(f map[string]any) bool { _, ok := f[field]; return !ok }, nil
	}
	if operator == "=" && operand == "*" {
		return func(f map[string]any) bool { _, ok := f[field]; return ok }, nil
	}
	if text, err := strconv.Unquote(operand); err == nil {
		return func(f map[string]any) bool { return operator == "=" && f[field] == text }, nil
	}
	number, err := strconv.ParseFloat(operand, 64)
	if err != nil {
		return nil, fmt.Errorf("$.%s %s %s: neither a quoted string nor a number", field, operator, operand)
	}
	compare := map[string]func(v float64) bool{
		"=": func(v float64) bool { return v == number }, "!=": func(v float64) bool { return v != number },
		"<": func(v float64) bool { return v < number }, "<=": func(v float64) bool { return v <= number },
		">": func(v float64) bool { return v > number }, ">=": func(v float64) bool { return v >= number },
	}[operator]
	return func(f map[string]any) bool {
		v, ok := f[field].(float64)
		return ok && compare(v)
	}, nil
}
