package deploy_test

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"a2alambda/localtest"
	"a2alambda/localtest/deploy"
)

// given are parameters, with the template's sentence about them, or "" if they are allowed.
type given struct {
	parameters deploy.Parameters
	says       string
}

var repeated = regexp.MustCompile(`\{(.+?)\*(\d+)\}`)

func readParameters(t testing.TB) (all []given) {
	t.Helper()
	text, err := os.ReadFile("testdata/parameters.txt")
	localtest.Must(t, err)
	says := ""
	for line := range strings.Lines(string(text)) {
		list, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "  ")
		if !ok {
			says = strings.TrimPrefix(list, "allowed")
			continue
		}
		list = repeated.ReplaceAllStringFunc(list, func(s string) string {
			m := repeated.FindStringSubmatch(s)
			n, _ := strconv.Atoi(m[2])
			return strings.Repeat(strings.ReplaceAll(m[1], `\n`, "\n"), n)
		})
		g := given{deploy.Parameters{}, says}
		for pair := range strings.SplitSeq(list, "|") {
			if name, value, ok := strings.Cut(pair, "="); ok {
				g.parameters[name] = value
			}
		}
		all = append(all, g)
	}
	return all
}

// TestParameters checks that the template refuses wrong values, and no others, and that testdata
// has a wrong value of each parameter.
func TestParameters(t *testing.T) {
	tm := deploy.Read(t)
	tried := map[string]bool{}
	for _, g := range readParameters(t) {
		if got := append(tm.Check(g.parameters), ""); got[0] != g.says {
			t.Errorf("%.120v: %q, want %q", g.parameters, got, g.says)
		}
		for name := range g.parameters {
			tried[name] = tried[name] || g.says != ""
		}
	}
	for name := range tm.Parameters {
		if !tried[name] {
			t.Errorf("%s is not tried", name)
		}
	}
}

// refuseAll asks CloudFormation for a change set per refused case: each tenth, or all with -full.
func (s *stack) refuseAll(t *testing.T) {
	t.Helper()
	for i, b := range readParameters(t) {
		given := b.parameters
		if !*full && i%10 != 1 || len(given) == 0 || b.says == "" {
			continue
		}
		// CloudFormation has a sentence of its own about that.
		says, _, _ := strings.Cut(b.says, " must be a whole number")
		says, _, _ = strings.Cut(says, " is not one of its values")
		request := map[string]string{
			"StackName": s.name, "ChangeSetName": fmt.Sprintf("bad-%d", i), "UsePreviousTemplate": "true",
			"Capabilities.member.1": "CAPABILITY_IAM", "Capabilities.member.2": "CAPABILITY_AUTO_EXPAND",
		}
		for n, name := range slices.Sorted(maps.Keys(given)) {
			member := fmt.Sprintf("Parameters.member.%d.", n+1)
			request[member+"ParameterKey"], request[member+"ParameterValue"] = name, given[name]
		}
		err := s.query(t.Context(), "cloudformation", "2010-05-15", "CreateChangeSet", request, new(struct{}))
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("a change set with %v: %v, want %q", given, err, says)
		}
	}
}
