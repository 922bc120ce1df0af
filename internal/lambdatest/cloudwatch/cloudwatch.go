// Package cloudwatch evaluates the metric filters and alarms of a template. It returns the datapoints for log lines,
// and the alarms that these raise.
package cloudwatch

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Template has the metric filters of a template, and its alarms by logical id.
type Template struct {
	Filters []Filter
	Alarms  map[string]Alarm
}

// ReadTemplate reads a CloudFormation template. It errs where a filter or an alarm has something that is not
// evaluated here.
func ReadTemplate(path string) (Template, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Template{}, err
	}
	var file struct {
		Resources map[string]struct {
			Type       string    `yaml:"Type"`
			Properties yaml.Node `yaml:"Properties"`
		} `yaml:"Resources"`
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		return Template{}, err
	}
	t := Template{Alarms: map[string]Alarm{}}
	for name, resource := range file.Resources {
		switch resource.Type {
		case "AWS::Logs::MetricFilter":
			var f Filter
			if f, err = readFilter(&resource.Properties); err == nil {
				t.Filters = append(t.Filters, f)
			}
		case "AWS::CloudWatch::Alarm":
			var a Alarm
			if err = resource.Properties.Decode(&a); err == nil {
				err = a.check()
			}
			t.Alarms[name] = a
		}
		if err != nil {
			return Template{}, fmt.Errorf("%s: %w", name, err)
		}
	}
	return t, nil
}

// Filter is a metric filter: the log lines that it counts, and the datapoints that they give.
type Filter struct {
	Metric     string
	dimensions map[string]string // field by dimension
	match      matcher
	value      string // a number or $.field
	isDefault  bool   // whether it gives 0 where no line matches
}

func readFilter(properties *yaml.Node) (Filter, error) {
	var p struct {
		FilterPattern         string `yaml:"FilterPattern"`
		MetricTransformations []struct {
			MetricName   string   `yaml:"MetricName"`
			MetricValue  string   `yaml:"MetricValue"`
			DefaultValue *float64 `yaml:"DefaultValue"`
			Dimensions   []struct {
				Key   string `yaml:"Key"`
				Value string `yaml:"Value"`
			} `yaml:"Dimensions"`
		} `yaml:"MetricTransformations"`
	}
	if err := properties.Decode(&p); err != nil {
		return Filter{}, err
	}
	if len(p.MetricTransformations) != 1 {
		return Filter{}, fmt.Errorf("%d transformations, want one", len(p.MetricTransformations))
	}
	m := p.MetricTransformations[0]
	dimensions := map[string]string{}
	for _, d := range m.Dimensions {
		dimensions[d.Key] = d.Value
	}
	f, err := NewFilter(m.MetricName, p.FilterPattern, m.MetricValue, dimensions)
	if m.DefaultValue != nil {
		f.isDefault = true
		if *m.DefaultValue != 0 || len(dimensions) > 0 {
			err = errors.Join(err, errors.New("a default value other than 0, or one beside dimensions"))
		}
	}
	return f, err
}

// NewFilter returns the metric filter with the pattern. The value is a number or $.field, those of dimensions are
// $.field. It errs where one of them, or the pattern, is not understood.
func NewFilter(metric, pattern, value string, dimensions map[string]string) (Filter, error) {
	match, err := parsePattern(strings.TrimSpace(pattern))
	if err != nil {
		return Filter{}, fmt.Errorf("%s: %w", metric, err)
	}
	f := Filter{Metric: metric, match: match, value: value, dimensions: map[string]string{}}
	if _, err := strconv.ParseFloat(value, 64); err != nil && !strings.HasPrefix(value, "$.") {
		return Filter{}, fmt.Errorf("%s: the value %q is neither a number nor $.field", metric, value)
	}
	for key, value := range dimensions {
		field, ok := strings.CutPrefix(value, "$.")
		if !ok {
			return Filter{}, fmt.Errorf("%s: the dimension %s is %q, want $.field", metric, key, value)
		}
		f.dimensions[key] = field
	}
	return f, nil
}

// Dimensions returns the names of the metric's dimensions, sorted.
func (f Filter) Dimensions() []string { return slices.Sorted(maps.Keys(f.dimensions)) }

// point returns metric, dimensions and value of the datapoint that a log line gives. CloudWatch makes none where a
// dimension's field or the value's is missing.
func (f Filter) point(line fields) (name string, value float64, ok bool) {
	if !f.match(line) {
		return "", 0, false
	}
	dimensions := map[string]string{}
	for key, field := range f.dimensions {
		text, ok := line[field].(string)
		if !ok {
			return "", 0, false
		}
		dimensions[key] = text
	}
	if field, isField := strings.CutPrefix(f.value, "$."); isField {
		value, ok = line[field].(float64)
	} else {
		value, ok = number(f.value), true
	}
	return Name(f.Metric, dimensions), value, ok
}

// Data is the values of each series in one period. [Name] names a series of a metric filter; one of AWS is named by
// its namespace and metric, as "AWS/ApiGateway 4xx".
type Data map[string][]float64

// Name names the series of a metric with these dimensions, such as "Outcomes status=failed".
func Name(metric string, dimensions map[string]string) string {
	name := []string{metric}
	for _, key := range slices.Sorted(maps.Keys(dimensions)) {
		name = append(name, key+"="+dimensions[key])
	}
	return strings.Join(name, " ")
}

// Datapoints returns the datapoints that the filters extract from the log lines of one period. A line that is no JSON
// matches no pattern.
func Datapoints(filters []Filter, lines []string) Data {
	data := Data{}
	for _, text := range lines {
		var line fields
		_ = json.Unmarshal([]byte(text), &line) // a line that is no JSON has no fields
		for _, f := range filters {
			if name, value, ok := f.point(line); ok {
				data[name] = append(data[name], value)
			} else if f.isDefault {
				data[f.Metric] = append(data[f.Metric], 0)
			}
		}
	}
	return data
}

func (d Data) sum(name string) (total float64, ok bool) {
	for _, value := range d[name] {
		total += value
	}
	return total, len(d[name]) > 0
}

// Alarm is an alarm on the sum of one metric, or on an expression of such sums.
type Alarm struct {
	Description string `yaml:"AlarmDescription"`
	metric      `yaml:",inline"`
	Statistic   string `yaml:"Statistic"`
	Period      int    `yaml:"Period"` // in seconds
	Metrics     []struct {
		ID         string `yaml:"Id"`
		Expression string `yaml:"Expression"`
		MetricStat struct {
			Metric metric `yaml:"Metric"`
			Stat   string `yaml:"Stat"`
			Period int    `yaml:"Period"`
		} `yaml:"MetricStat"`
	} `yaml:"Metrics"`
	EvaluationPeriods  int     `yaml:"EvaluationPeriods"`
	DatapointsToAlarm  int     `yaml:"DatapointsToAlarm"`
	Threshold          float64 `yaml:"Threshold"`
	ComparisonOperator string  `yaml:"ComparisonOperator"`
	TreatMissingData   string  `yaml:"TreatMissingData"`
}

type metric struct {
	Namespace  string `yaml:"Namespace"`
	MetricName string `yaml:"MetricName"`
	Dimensions []struct {
		Name  string `yaml:"Name"`
		Value string `yaml:"Value"`
	} `yaml:"Dimensions"`
}

// Series names the series of the metric as [Data] does.
func (m metric) Series() string {
	if strings.HasPrefix(m.Namespace, "AWS/") {
		return m.Namespace + " " + m.MetricName
	}
	dimensions := map[string]string{}
	for _, d := range m.Dimensions {
		dimensions[d.Name] = d.Value
	}
	return Name(m.MetricName, dimensions)
}

// Watched returns the names of the series that the alarm depends on.
func (a Alarm) Watched() []string {
	if a.MetricName != "" {
		return []string{a.Series()}
	}
	var names []string
	for _, m := range a.Metrics {
		if m.Expression == "" {
			names = append(names, m.MetricStat.Metric.Series())
		}
	}
	return names
}

func (a Alarm) check() error {
	if a.TreatMissingData != "notBreaching" {
		return fmt.Errorf("missing data is %q, and only notBreaching is evaluated here", a.TreatMissingData)
	}
	if a.DatapointsToAlarm > a.EvaluationPeriods {
		return errors.New("more datapoints to alarm than periods")
	}
	for _, m := range a.Metrics {
		if m.Expression != "" && conditional(m.Expression) == nil {
			return fmt.Errorf("the expression %q is not of the form IF(a == 0, b, 0)", m.Expression)
		}
	}
	return nil
}

// Raised reports whether the data of the alarm's last periods, the newest last, raises it. It errs for a statistic
// other than a sum, or a maximum of which there is one value a period.
func (a Alarm) Raised(periods ...Data) (bool, error) {
	statistic := a.Statistic
	if len(a.Metrics) > 0 {
		statistic = "Sum"
	}
	if statistic != "Sum" && statistic != "Maximum" {
		return false, fmt.Errorf("statistic %q: only sums are evaluated here", a.Statistic)
	}
	breaching := 0
	for _, data := range periods[max(0, len(periods)-a.EvaluationPeriods):] {
		value, ok := a.value(data)
		switch {
		case !ok: // missing
		case a.ComparisonOperator == "GreaterThanThreshold" && value > a.Threshold,
			a.ComparisonOperator == "GreaterThanOrEqualToThreshold" && value >= a.Threshold:
			breaching++
		}
	}
	needed := a.DatapointsToAlarm
	if needed == 0 {
		needed = a.EvaluationPeriods
	}
	return breaching >= needed, nil
}

// value is the alarm's metric or expression in one period. It is missing where a series has no datapoint.
func (a Alarm) value(data Data) (float64, bool) {
	if len(a.Metrics) == 0 {
		return data.sum(a.Series())
	}
	sums, expression := map[string]float64{}, ""
	for _, m := range a.Metrics {
		if m.Expression != "" {
			expression = m.Expression
			continue
		}
		sum, ok := data.sum(m.MetricStat.Metric.Series())
		if !ok {
			return 0, false
		}
		sums[m.ID] = sum
	}
	parts := conditional(expression)
	if sums[parts[0]] == number(parts[1]) {
		return sums[parts[2]], true
	}
	return number(parts[3]), true
}

// conditional returns the parts of IF(a == 0, b, 0), the one form of metric math that is evaluated here.
func conditional(expression string) []string {
	match := regexp.MustCompile(`^IF\((\w+) == (\d+), (\w+), (\d+)\)$`).FindStringSubmatch(expression)
	if match == nil {
		return nil
	}
	return match[1:]
}
