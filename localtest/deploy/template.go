// Package deploy is a model of what CloudFormation makes of template.yaml, as far as it can be
// known without an account: the resources for some parameters, and what changes, in which order,
// when the parameters change.
//
// It evaluates a template that SAM has expanded. In strings of a result, "${Name}" is the value of
// Ref for a resource, and "${Name.Attribute}" the value of Fn::GetAtt.
package deploy

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"a2alambda/localtest"
)

//go:embed sam.py
var samScript string

// Template is a template as CloudFormation gets it, expanded by SAM.
type Template struct {
	Parameters map[string]Parameter
	Rules      map[string]Rule
	Conditions map[string]any
	Resources  map[string]struct {
		Type, Condition string
		DependsOn       any // one name, or several
		Properties      map[string]any
		UpdatePolicy    any
		DeletionPolicy  string
	}
	Outputs map[string]struct {
		Condition string
		Value     any
	}

	source json.RawMessage
	// createOnly has, by type, the properties that cannot be updated: a new value makes a new resource.
	createOnly map[string][]string
}

// Parameters are values by name. A missing one has its default.
type Parameters map[string]string

// Expand has the SAM CLI's translator expand a template file for each set of parameters.
func Expand(tb testing.TB, file string, sets ...Parameters) []*Template {
	tb.Helper()
	var expanded struct {
		Templates  []json.RawMessage
		CreateOnly map[string][]string
	}
	ask(tb, "expand", map[string]any{"template": file, "sets": sets}, &expanded)
	var templates []*Template
	for _, source := range expanded.Templates {
		source = named.ReplaceAll(source, []byte("${1}"))
		t := &Template{source: source, createOnly: expanded.CreateOnly}
		localtest.Must(tb, json.Unmarshal(source, t))
		templates = append(templates, t)
	}
	return templates
}

// named matches hashes in names that SAM makes: of a function's version, which changes with the
// code, and of an API's deployment, which changes each time with AlwaysDeploy.
var named = regexp.MustCompile(`\b([A-Za-z]+(?:FunctionVersion|ApiDeployment)|RestApi deployment id: )[0-9a-f]{10,}\b`)

// Finding is cfn-lint's finding about a template.
type Finding struct{ Rule, Message, Path string }

// Lint has the SAM CLI's linter check templates, each as JSON.
func Lint(tb testing.TB, templates ...json.RawMessage) [][]Finding {
	tb.Helper()
	var findings [][]Finding
	ask(tb, "lint", templates, &findings)
	return findings
}

func ask(tb testing.TB, what string, question, answer any) {
	tb.Helper()
	asked, err := json.Marshal(question)
	localtest.Must(tb, err)
	python := filepath.Join(filepath.Dir(localtest.Setup(tb, "sam")), "python")
	cmd := exec.CommandContext(tb.Context(), python, "-c", samScript, what)
	var stderr strings.Builder
	cmd.Stdin, cmd.Stderr = strings.NewReader(string(asked)), &stderr
	out, err := cmd.Output()
	if err == nil {
		err = json.Unmarshal(out, answer)
	}
	if err != nil {
		tb.Fatalf("sam.py %s: %v\n%s", what, err, &stderr)
	}
}

// Source is the template as JSON.
func (t *Template) Source() json.RawMessage { return t.source }

// Stack is a template with certain parameters.
type Stack struct {
	Resources map[string]*Resource
	Outputs   map[string]any

	createOnly map[string][]string
}

// Resource is a resource of a stack. Its properties contain no functions any more.
type Resource struct {
	Name, Type     string
	Properties     map[string]any
	DeletionPolicy string

	uses []string // the resources that it refers to or depends on, sorted
}

// Stack evaluates the template. An unknown function, or a reference to nothing, is an error.
func (t *Template) Stack(p Parameters) (s *Stack, err error) {
	e, err := newEvaluator(t, p)
	if err != nil {
		return nil, err
	}
	defer caught(&err)
	s = &Stack{Resources: map[string]*Resource{}, Outputs: map[string]any{}, createOnly: t.createOnly}
	for _, name := range slices.Sorted(maps.Keys(t.Resources)) {
		r := t.Resources[name]
		if !e.exists(name) {
			continue
		}
		properties, _ := e.value(r.Properties).(map[string]any)
		resource := &Resource{Name: name, Type: r.Type, Properties: properties, DeletionPolicy: r.DeletionPolicy}
		uses := map[string]bool{}
		for _, on := range names(r.DependsOn) {
			uses[on] = e.exists(on)
		}
		walk([]any{properties, e.value(r.UpdatePolicy)}, func(text string) {
			for _, m := range reference.FindAllStringSubmatch(text, -1) {
				if !e.exists(m[1]) {
					e.fail("%s refers to %s, which is not there", name, m[1])
				}
				uses[m[1]] = true
			}
		})
		for on, there := range uses {
			if there {
				resource.uses = append(resource.uses, on)
			}
		}
		slices.Sort(resource.uses)
		s.Resources[name] = resource
	}
	for name, o := range t.Outputs {
		if o.Condition == "" || e.condition(o.Condition) {
			s.Outputs[name] = e.value(o.Value)
		}
	}
	return s, nil
}

// Properties returns a resource's properties with parameters.
func (t *Template) Properties(resource string, p Parameters) (properties map[string]any, err error) {
	e, err := newEvaluator(t, p)
	if err != nil {
		return nil, err
	}
	defer caught(&err)
	properties, _ = e.value(t.Resources[resource].Properties).(map[string]any)
	return properties, nil
}

// reference stands for a resource, or one of its attributes, in the strings of a result.
var reference = regexp.MustCompile(`\$\{([A-Za-z0-9]+)(?:\.([A-Za-z0-9.]+))?\}`)

// walk calls f with each string in a value.
func walk(value any, f func(string)) {
	switch v := value.(type) {
	case string:
		f(v)
	case []any:
		for _, item := range v {
			walk(item, f)
		}
	case map[string]any:
		for _, item := range v {
			walk(item, f)
		}
	}
}

// names returns the names in a string, or in a list of strings.
func names(value any) []string {
	switch v := value.(type) {
	case string:
		return []string{v}
	case []any:
		var all []string
		for _, item := range v {
			all = append(all, fmt.Sprint(item))
		}
		return all
	}
	return nil
}
