package localtest_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// template returns template.yaml.
func template(t testing.TB) string {
	t.Helper()
	data, err := os.ReadFile("../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// section returns what is under a name in YAML, at an indentation.
func section(t testing.TB, text, indent, name string) string {
	t.Helper()
	_, rest, found := strings.Cut(text, "\n"+indent+name+":\n")
	if !found {
		t.Fatalf("template.yaml has no %s", name)
	}
	if end := regexp.MustCompile(`(?m)^` + indent + `[^\s-]`).FindStringIndex(rest); end != nil {
		rest = rest[:end[0]]
	}
	return rest
}

// TestConfigurationIsComplete checks that a change of any parameter that the agent's function has makes a new version of it: the
// parameter is in AgentConfiguration.
func TestConfigurationIsComplete(t *testing.T) {
	template := template(t)
	parameters := regexp.MustCompile(`(?m)^  (\w+):$`).FindAllStringSubmatch(section(t, template, "", "Parameters"), -1)
	properties := section(t, section(t, template, "  ", "AgentFunction"), "    ", "Properties")
	properties = strings.Replace(properties, section(t, properties, "      ", "FunctionUrlConfig"), "", 1)
	content := section(t, template, "  ", "AgentConfiguration")
	// What conditions stand for.
	properties = strings.NewReplacer("[SignsCard,", "${CardSigningKeySecret}").Replace(properties)
	var missing []string
	for _, p := range parameters {
		refers := regexp.MustCompile(`(!Ref |\$\{)` + p[1] + `\b`)
		// MaxConcurrency is the function's, not a version's.
		if p[1] != "MaxConcurrency" && refers.MatchString(properties) && !refers.MatchString(content) {
			missing = append(missing, p[1])
		}
	}
	if len(parameters) < 10 || !strings.Contains(properties, "!Ref LogLevel") || len(missing) > 0 {
		t.Errorf("of %d parameters, AgentConfiguration lacks %s", len(parameters), slices.Sorted(slices.Values(missing)))
	}
}
