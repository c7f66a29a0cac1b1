package localtest_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestConfigurationIsComplete checks that a change of any parameter that the agent's function has makes a new version of it: the
// parameter is in AgentConfiguration.
func TestConfigurationIsComplete(t *testing.T) {
	data, err := os.ReadFile("../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	// section returns what is under a name, at an indentation.
	section := func(text, indent, name string) string {
		_, rest, found := strings.Cut(text, "\n"+indent+name+":\n")
		if !found {
			t.Fatalf("template.yaml has no %s", name)
		}
		if end := regexp.MustCompile(`(?m)^` + indent + `\S`).FindStringIndex(rest); end != nil {
			rest = rest[:end[0]]
		}
		return rest
	}
	template := string(data)
	parameters := regexp.MustCompile(`(?m)^  (\w+):$`).FindAllStringSubmatch(section(template, "", "Parameters"), -1)
	properties := section(section(template, "  ", "AgentFunction"), "    ", "Properties")
	properties = strings.Replace(properties, section(properties, "      ", "FunctionUrlConfig"), "", 1)
	content := section(template, "  ", "AgentConfiguration")
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
