package deploy_test

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"a2alambda/localtest"
	"a2alambda/localtest/deploy"
)

// reference finds the resources, parameters and conditions that a value refers to, as JSON.
var reference = regexp.MustCompile(`"Ref":"(\w+)"|\$\{(\w+)\}|"(?:Condition":|Fn::If":\[)"(\w+)"`)

// parametersIn adds the parameters that a value refers to, directly or in a condition.
func parametersIn(t *testing.T, tm *deploy.Template, value any, found map[string]bool) {
	t.Helper()
	text, err := json.Marshal(value)
	localtest.Must(t, err)
	for _, m := range reference.FindAllStringSubmatch(string(text), -1) {
		if name := m[1] + m[2]; name != "" {
			_, found[name] = tm.Parameters[name]
		} else if condition, ok := tm.Conditions[m[3]]; ok { // else it is a policy's
			parametersIn(t, tm, condition, found)
		}
	}
}

// TestConfigurationIsComplete checks that AgentConfiguration has all parameters of the agent's
// function, so that a change of one makes a new version. The same holds for the parameters that the
// permissions depend on, as the policies' names contain them.
func TestConfigurationIsComplete(t *testing.T) {
	tm := deploy.Read(t)
	needed, has := map[string]bool{}, map[string]bool{}
	properties := maps.Clone(tm.Resources["AgentFunction"].Properties)
	for _, p := range []string{
		"FunctionUrlConfig",            // belongs to the URL, a resource of its own
		"DeploymentPreference",         // belongs to the alias
		"ReservedConcurrentExecutions", // belongs to the function, not to a version
	} {
		if properties[p] == nil {
			t.Errorf("the agent has no %s", p)
		}
		delete(properties, p)
	}
	parametersIn(t, tm, any(properties), needed)
	for _, policy := range []string{"AgentPolicy", "WorkerPolicy", "PushPolicy", "SweeperPolicy"} {
		p := tm.Resources[policy].Properties
		if name, _ := json.Marshal(p["PolicyName"]); !strings.Contains(string(name), "${AgentConfiguration}") {
			t.Errorf("%s is named %s", policy, name)
		}
		parametersIn(t, tm, p["PolicyDocument"], needed)
	}
	parametersIn(t, tm, any(tm.Resources["AgentConfiguration"].Properties["Content"]), has)
	var missing []string
	for p, is := range needed {
		if is && !has[p] {
			missing = append(missing, p)
		}
	}
	if !needed["LogLevel"] || !needed["CardSigningKeySecret"] || !needed["RestoredTable"] || len(missing) > 0 {
		t.Errorf("of %d parameters, AgentConfiguration lacks %s", len(needed), slices.Sorted(slices.Values(missing)))
	}
}
