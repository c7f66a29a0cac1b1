package deploy_test

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"a2alambda/localtest/deploy"
)

// parametersIn adds the parameters that a value refers to, itself or by its conditions.
func parametersIn(tm *deploy.Template, value any, found map[string]bool) {
	name := func(s string) {
		if _, ok := tm.Parameters[s]; ok {
			found[s] = true
		}
	}
	switch v := value.(type) {
	case []any:
		for _, e := range v {
			parametersIn(tm, e, found)
		}
	case map[string]any:
		for key, e := range v {
			switch arg := e.(type) {
			case string:
				switch key {
				case "Ref":
					name(arg)
				case "Condition":
					parametersIn(tm, tm.Conditions[arg], found)
				case "Fn::Sub":
					for _, m := range substituted.FindAllStringSubmatch(arg, -1) {
						name(m[1])
					}
				}
			case []any:
				if key == "Fn::If" {
					parametersIn(tm, tm.Conditions[arg[0].(string)], found)
				}
				if text, ok := arg[0].(string); ok && key == "Fn::Sub" {
					parametersIn(tm, map[string]any{"Fn::Sub": text}, found)
				}
			}
			parametersIn(tm, e, found)
		}
	}
}

var substituted = regexp.MustCompile(`\$\{(\w+)\}`)

// TestConfigurationIsComplete checks that a change of any parameter that the agent's function has makes a new version of it: the
// parameter is in AgentConfiguration. It is so of all parameters that the permissions depend on, too, whose policies are named by it.
func TestConfigurationIsComplete(t *testing.T) {
	tm := deploy.Read(t)
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
	parametersIn(tm, any(properties), needed)
	for _, policy := range []string{"AgentPolicy", "WorkerPolicy", "PushPolicy", "SweeperPolicy"} {
		p := tm.Resources[policy].Properties
		if name, _ := json.Marshal(p["PolicyName"]); !strings.Contains(string(name), "${AgentConfiguration}") {
			t.Errorf("%s is named %s", policy, name)
		}
		parametersIn(tm, p["PolicyDocument"], needed)
	}
	parametersIn(tm, any(tm.Resources["AgentConfiguration"].Properties["Content"]), has)
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
