package deploy

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"unicode/utf8"
)

// Parameter is one of a template.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/parameters-section-structure.html
type Parameter struct {
	Type                  string
	Default               any // nil for none
	AllowedValues         []any
	AllowedPattern        string
	ConstraintDescription string
	MinValue, MaxValue    *float64
	MinLength, MaxLength  *int
}

// Rule is a rule for parameters.
type Rule struct {
	RuleCondition any // nil for always
	Assertions    []struct {
		Assert            any
		AssertDescription string
	}
}

// Check returns what is wrong with parameters: the sentences of the broken rules and constraints.
func (t *Template) Check(p Parameters) []string {
	e, err := newEvaluator(t, p)
	if err != nil {
		return []string{err.Error()}
	}
	var wrong []string
	for _, name := range slices.Sorted(maps.Keys(t.Parameters)) {
		parameter := t.Parameters[name]
		if !parameter.takes(fmt.Sprint(e.parameters[name])) {
			wrong = append(wrong, cmp.Or(parameter.ConstraintDescription, name+" is not one of its values."))
		}
	}
	if len(wrong) > 0 {
		return wrong
	}
	for _, name := range slices.Sorted(maps.Keys(t.Rules)) {
		rule := t.Rules[name]
		if rule.RuleCondition != nil && !e.truth(rule.RuleCondition) {
			continue
		}
		for _, a := range rule.Assertions {
			if !e.truth(a.Assert) {
				wrong = append(wrong, a.AssertDescription)
			}
		}
	}
	return wrong
}

func (p Parameter) takes(value string) bool {
	if p.AllowedValues != nil && !slices.ContainsFunc(p.AllowedValues, func(v any) bool { return fmt.Sprint(v) == value }) {
		return false
	}
	if p.Type == "Number" {
		n, err := strconv.ParseFloat(value, 64)
		return err == nil && (p.MinValue == nil || n >= *p.MinValue) && (p.MaxValue == nil || n <= *p.MaxValue)
	}
	length := utf8.RuneCountInString(value)
	// The whole value must match.
	if p.AllowedPattern != "" && !regexp.MustCompile(`^(?:`+p.AllowedPattern+`)$`).MatchString(value) {
		return false
	}
	return (p.MinLength == nil || length >= *p.MinLength) && (p.MaxLength == nil || length <= *p.MaxLength)
}
