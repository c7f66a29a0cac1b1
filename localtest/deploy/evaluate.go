package deploy

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// evaluation is an error in a template.
type evaluation string

func (e evaluation) Error() string { return string(e) }

// evaluator evaluates the functions of a template. It panics with an evaluation where one is wrong.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html
type evaluator struct {
	template   *Template
	parameters map[string]any
	conditions map[string]bool // those that are known
}

// noValue is AWS::NoValue: a property with it does not exist.
type noValue struct{}

var pseudo = map[string]any{
	"AWS::AccountId": "111122223333", "AWS::Partition": "aws", "AWS::Region": "us-east-1", "AWS::StackName": "stack",
	"AWS::StackId": "arn:aws:cloudformation:us-east-1:111122223333:stack/stack/id", "AWS::URLSuffix": "amazonaws.com", "AWS::NoValue": noValue{},
}

func newEvaluator(t *Template, p Parameters) (*evaluator, error) {
	e := &evaluator{template: t, parameters: map[string]any{}, conditions: map[string]bool{}}
	for name := range p {
		if _, ok := t.Parameters[name]; !ok {
			return nil, evaluation("there is no parameter " + name)
		}
	}
	for name, parameter := range t.Parameters {
		value, ok := p[name]
		if !ok {
			if parameter.Default == nil {
				return nil, evaluation(name + " must have a value.")
			}
			value = fmt.Sprint(parameter.Default)
		}
		e.parameters[name] = value
		if _, err := strconv.ParseFloat(value, 64); err == nil && parameter.Type == "Number" {
			e.parameters[name] = json.Number(value)
		}
	}
	return e, nil
}

func (e *evaluator) fail(format string, args ...any) { panic(evaluation(fmt.Sprintf(format, args...))) }

// caught sets an error to the evaluation that an evaluator has panicked with.
func caught(err *error) {
	switch r := recover().(type) {
	case nil:
	case evaluation:
		*err = r
	default:
		panic(r)
	}
}

// exists reports whether the stack has a resource.
func (e *evaluator) exists(name string) bool {
	r, ok := e.template.Resources[name]
	return ok && (r.Condition == "" || e.condition(r.Condition))
}

func (e *evaluator) condition(name string) bool {
	if known, ok := e.conditions[name]; ok {
		return known
	}
	of, ok := e.template.Conditions[name]
	if !ok {
		e.fail("there is no condition %s", name)
	}
	e.conditions[name] = e.truth(of)
	return e.conditions[name]
}

// truth evaluates a condition.
func (e *evaluator) truth(node any) bool {
	switch name, args := function(node); name {
	case "Condition":
		return e.condition(args.(string))
	case "Fn::Equals":
		both := args.([]any)
		return fmt.Sprint(e.value(both[0])) == fmt.Sprint(e.value(both[1]))
	case "Fn::Not":
		return !e.truth(args.([]any)[0])
	case "Fn::And", "Fn::Or":
		for _, one := range args.([]any) {
			if e.truth(one) == (name == "Fn::Or") {
				return name == "Fn::Or"
			}
		}
		return name == "Fn::And"
	case "Fn::Contains": // in Rules only
		list, _ := e.value(args.([]any)[0]).([]any)
		wanted := fmt.Sprint(e.value(args.([]any)[1]))
		for _, one := range list {
			if fmt.Sprint(one) == wanted {
				return true
			}
		}
		return false
	}
	e.fail("not a condition: %v", node)
	return false
}

// function returns an intrinsic function's name and arguments.
func function(node any) (name string, args any) {
	object, _ := node.(map[string]any)
	if len(object) != 1 {
		return "", nil
	}
	for name, args := range object {
		if strings.HasPrefix(name, "Fn::") || name == "Ref" || name == "Condition" {
			return name, args
		}
	}
	return "", nil
}

func (e *evaluator) value(node any) any {
	switch name, args := function(node); name {
	case "":
	case "Condition":
		if _, ok := args.(string); ok {
			return e.truth(node)
		}
		// A policy's Condition stands alone, too.
	case "Ref":
		return e.ref(args.(string))
	case "Fn::If":
		three := args.([]any)
		if e.condition(three[0].(string)) {
			return e.value(three[1])
		}
		return e.value(three[2])
	case "Fn::GetAtt":
		parts := names(args)
		if len(parts) == 1 {
			parts = strings.SplitN(parts[0], ".", 2)
		}
		return e.attribute(parts[0], strings.Join(parts[1:], "."))
	case "Fn::Sub":
		return e.sub(args)
	case "Fn::Join":
		var all []string
		for _, item := range e.list(args.([]any)[1]) {
			all = append(all, fmt.Sprint(item))
		}
		return strings.Join(all, args.([]any)[0].(string))
	case "Fn::Split":
		var parts []any
		for part := range strings.SplitSeq(fmt.Sprint(e.value(args.([]any)[1])), args.([]any)[0].(string)) {
			parts = append(parts, part)
		}
		return parts
	case "Fn::Select":
		i, err := strconv.Atoi(fmt.Sprint(e.value(args.([]any)[0])))
		list := e.list(args.([]any)[1])
		if err != nil || i < 0 || i >= len(list) {
			e.fail("%v selects nothing", node)
		}
		return list[i]
	default:
		e.fail("%s is not known", name)
	}
	switch v := node.(type) {
	case []any:
		list := []any{}
		for _, item := range v {
			if item = e.value(item); item != (noValue{}) {
				list = append(list, item)
			}
		}
		return list
	case map[string]any:
		object := map[string]any{}
		for key, item := range v {
			if item = e.value(item); item != (noValue{}) {
				object[key] = item
			}
		}
		return object
	}
	return node
}

func (e *evaluator) list(node any) []any {
	list, ok := e.value(node).([]any)
	if !ok {
		e.fail("not a list: %v", node)
	}
	return list
}

func (e *evaluator) ref(name string) any {
	if value, ok := e.parameters[name]; ok {
		return value
	}
	if value, ok := pseudo[name]; ok {
		return value
	}
	resource, attribute, _ := strings.Cut(name, ".") // SAM has a Ref of AgentFunction.Alias
	return e.attribute(resource, attribute)
}

// attribute returns what stands for a resource, or for one of its attributes.
func (e *evaluator) attribute(name, attribute string) string {
	if _, ok := e.template.Resources[name]; !ok {
		e.fail("there is no %s", name)
	}
	if attribute == "" {
		return "${" + name + "}"
	}
	return "${" + name + "." + attribute + "}"
}

var placeholder = regexp.MustCompile(`\$\{([^}]*)\}`)

func (e *evaluator) sub(args any) string {
	own := map[string]any{}
	text, ok := args.(string)
	if !ok {
		text, own = args.([]any)[0].(string), args.([]any)[1].(map[string]any)
	}
	return placeholder.ReplaceAllStringFunc(text, func(found string) string {
		name := found[2 : len(found)-1]
		if value, ok := own[name]; ok {
			return fmt.Sprint(e.value(value))
		}
		if literal, ok := strings.CutPrefix(name, "!"); ok {
			return "${" + literal + "}"
		}
		if resource, attribute, ok := strings.Cut(name, "."); ok {
			return e.attribute(resource, attribute)
		}
		return fmt.Sprint(e.ref(name))
	})
}
