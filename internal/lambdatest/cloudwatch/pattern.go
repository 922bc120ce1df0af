package cloudwatch

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// fields are the members of a log line.
type fields map[string]any

// at returns the member at a path of names with dots between.
func (f fields) at(path string) (any, bool) {
	name, rest, nested := strings.Cut(path, ".")
	value, ok := f[name]
	if !nested || !ok {
		return value, ok
	}
	inner, isObject := value.(map[string]any)
	if !isObject {
		return nil, false
	}
	return fields(inner).at(rest)
}

// number returns the number in a text, 0 where there is none.
func number(text string) float64 {
	n, _ := strconv.ParseFloat(text, 64)
	return n
}

// matcher tells whether a log line matches.
type matcher func(fields) bool

// parsePattern parses a part of CloudWatch's JSON filter patterns: { a && (b || c) }, where each condition is $.field,
// one of = != > >= < <=, and a number or a quoted string, in which * stands for any text; or $.field = *, NOT EXISTS,
// IS TRUE or IS FALSE.
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
		return func(f fields) bool { return a(f) || b(f) }
	})
}

func (p *patternParser) and() (matcher, error) {
	return p.chain("&&", p.condition, func(a, b matcher) matcher {
		return func(f fields) bool { return a(f) && b(f) }
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
		return func(f fields) bool { _, ok := f.at(field); return !ok }, nil
	}
	if operator == "IS" && (operand == "TRUE" || operand == "FALSE") {
		return func(f fields) bool { value, _ := f.at(field); return value == (operand == "TRUE") }, nil
	}
	if operator == "=" && operand == "*" {
		return func(f fields) bool { _, ok := f.at(field); return ok }, nil
	}
	if text, err := strconv.Unquote(operand); err == nil {
		return compareText(field, operator, text)
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
	return func(f fields) bool {
		value, _ := f.at(field)
		v, ok := value.(float64)
		return ok && compare(v)
	}, nil
}

// compareText compares a field that is a text. No document says whether != holds where the field is missing. Here it
// does not.
func compareText(field, operator, text string) (matcher, error) {
	if operator != "=" && operator != "!=" {
		return nil, fmt.Errorf("$.%s %s %q: a text can only be equal or not", field, operator, text)
	}
	whole := regexp.MustCompile(`(?s)^` + strings.ReplaceAll(regexp.QuoteMeta(text), `\*`, `.*`) + `$`)
	return func(f fields) bool {
		value, _ := f.at(field)
		v, ok := value.(string)
		return ok && whole.MatchString(v) == (operator == "=")
	}, nil
}
