package e2e

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
)

// metrics reads the deployed metric filters, and counts with them in the log what happened before.
func (s *stack) metrics(t *testing.T) {
	out, err := cloudwatchlogs.NewFromConfig(s.config).DescribeMetricFilters(t.Context(), &cloudwatchlogs.DescribeMetricFiltersInput{
		LogGroupName: aws.String(s.outputs["FunctionLogGroup"]),
	})
	if err != nil {
		t.Fatal(err)
	}
	counted := map[string]int{}
	for _, filter := range out.MetricFilters {
		metric := *filter.MetricTransformations[0].MetricName
		match, err := parsePattern(*filter.FilterPattern)
		if err != nil {
			t.Errorf("%s: %v", metric, err)
			continue
		}
		counted[metric] = 0
		for _, line := range s.log(t) {
			var fields map[string]any
			if json.Unmarshal([]byte(line), &fields) == nil && match(fields) {
				counted[metric]++
			}
		}
	}
	t.Logf("counted: %v", counted)
	for _, metric := range []string{"Unbound", "Failed", "Retry", "TokenRefused", "SignatureRefused", "SecondsToOutcome"} {
		if counted[metric] == 0 {
			t.Errorf("%s counted nothing, although it happened", metric)
		}
	}
	if n := counted["Unknown"]; n != 1 {
		t.Errorf("Unknown counted %d, want the one event; a dry run is no outcome", n)
	}
	for _, metric := range []string{"Ignored", "Scheduled", "AddressRefused", "RetryingLong"} {
		if n, ok := counted[metric]; !ok || n > 0 {
			t.Errorf("%s: filter %v, counted %d; want a filter, and none counted since it did not happen", metric, ok, n)
		}
	}
}

// matcher tells whether a line of the log, as its fields, matches.
type matcher func(map[string]any) bool

// parsePattern understands what the template uses of CloudWatch's JSON filter patterns: { a && (b || c) }, where each
// condition is $.field, one of = != > >= < <=, and a number or a quoted string, or $.field NOT EXISTS. MiniStack keeps patterns
// without using them.
func parsePattern(pattern string) (matcher, error) {
	p := &patternParser{tokens: regexp.MustCompile(`"[^"]*"|&&|\|\||[<>!]?=|[<>]|[{}()]|[^\s"&|<>!={}()]+`).FindAllString(pattern, -1)}
	if !p.take("{") {
		return nil, fmt.Errorf("%s: no { at its start", pattern)
	}
	match, err := p.or()
	if err == nil && (!p.take("}") || len(p.tokens) > 0) {
		err = fmt.Errorf("%s: what is %q?", pattern, p.tokens)
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

func (p *patternParser) chain(operator string, part func() (matcher, error), join func(a, b matcher) matcher) (matcher, error) {
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
		return nil, fmt.Errorf("what is %q?", p.tokens)
	}
	field, operator, operand := p.tokens[0][2:], p.tokens[1], p.tokens[2]
	p.tokens = p.tokens[3:]
	if operator == "NOT" && operand == "EXISTS" {
		return func(f map[string]any) bool { _, ok := f[field]; return !ok }, nil
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
