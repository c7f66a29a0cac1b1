package localtest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"a2alambda/localtest"
)

// template is template.yaml as SAM reads it, with the long forms of the functions (Fn::Sub).
type template struct {
	Parameters map[string]parameter
	Rules      map[string]rule
	Conditions map[string]any
	Resources  map[string]struct {
		Type, Condition string
		Properties      map[string]any
	}
}

type parameter struct {
	Type, AllowedPattern, ConstraintDescription string
	Default                                     any
	AllowedValues                               []any
	MinValue, MaxValue                          *float64
	MaxLength                                   *int
}

type rule struct {
	RuleCondition any
	Assertions    []struct {
		Assert            any
		AssertDescription string
	}
}

var readTemplate = sync.OnceValues(func() (template, error) {
	var parsed template
	text, err := os.ReadFile("../template.yaml")
	if err != nil {
		return parsed, err
	}
	sam, err := localtest.Install(context.Background(), "sam")
	if err != nil {
		return parsed, err
	}
	cmd := exec.Command(filepath.Join(filepath.Dir(sam), "python"), "-c",
		"import json, sys; from samtranslator.yaml_helper import yaml_parse; json.dump(yaml_parse(sys.stdin.read()), sys.stdout)")
	cmd.Stdin = bytes.NewReader(text)
	out, err := cmd.Output()
	if err != nil {
		return parsed, err
	}
	return parsed, json.Unmarshal(out, &parsed)
})

func parsedTemplate(t testing.TB) template {
	t.Helper()
	parsed, err := readTemplate()
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// parametersIn adds the parameters that a value refers to, itself or by its conditions.
func (tm template) parametersIn(value any, found map[string]bool) {
	name := func(s string) {
		if _, ok := tm.Parameters[s]; ok {
			found[s] = true
		}
	}
	switch v := value.(type) {
	case []any:
		for _, e := range v {
			tm.parametersIn(e, found)
		}
	case map[string]any:
		for key, e := range v {
			switch arg := e.(type) {
			case string:
				switch key {
				case "Ref":
					name(arg)
				case "Condition":
					tm.parametersIn(tm.Conditions[arg], found)
				case "Fn::Sub":
					for _, m := range substituted.FindAllStringSubmatch(arg, -1) {
						name(m[1])
					}
				}
			case []any:
				if key == "Fn::If" {
					tm.parametersIn(tm.Conditions[arg[0].(string)], found)
				}
				if text, ok := arg[0].(string); ok && key == "Fn::Sub" {
					tm.parametersIn(map[string]any{"Fn::Sub": text}, found)
				}
			}
			tm.parametersIn(e, found)
		}
	}
}

var substituted = regexp.MustCompile(`\$\{(\w+)\}`)

// TestConfigurationIsComplete checks that a change of any parameter that the agent's function has makes a new version of it: the
// parameter is in AgentConfiguration. It is so of all parameters that the permissions depend on, too, whose policies are named by it.
func TestConfigurationIsComplete(t *testing.T) {
	tm := parsedTemplate(t)
	needed, has := map[string]bool{}, map[string]bool{}
	properties := maps.Clone(tm.Resources["AgentFunction"].Properties)
	for _, p := range []string{
		"FunctionUrlConfig",            // the URL's, which is a resource of its own
		"DeploymentPreference",         // of the alias
		"ReservedConcurrentExecutions", // the function's, not a version's
	} {
		if properties[p] == nil {
			t.Errorf("the agent has no %s", p)
		}
		delete(properties, p)
	}
	tm.parametersIn(any(properties), needed)
	for _, policy := range []string{"AgentPolicy", "WorkerPolicy", "PushPolicy", "SweeperPolicy"} {
		p := tm.Resources[policy].Properties
		if name, _ := json.Marshal(p["PolicyName"]); !strings.Contains(string(name), "${AgentConfiguration}") {
			t.Errorf("%s is named %s", policy, name)
		}
		tm.parametersIn(p["PolicyDocument"], needed)
	}
	tm.parametersIn(any(tm.Resources["AgentConfiguration"].Properties["Content"]), has)
	var missing []string
	for p := range needed {
		if !has[p] {
			missing = append(missing, p)
		}
	}
	if !needed["LogLevel"] || !needed["CardSigningKeySecret"] || !needed["RestoredTable"] || len(missing) > 0 {
		t.Errorf("of %d parameters, AgentConfiguration lacks %s", len(needed), slices.Sorted(slices.Values(missing)))
	}
}
