package deploy_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// refuseAll asks CloudFormation for a change set with each of refused, or, without -full, with each tenth.
func (s *stack) refuseAll(t *testing.T) {
	t.Helper()
	for i, b := range refused {
		given := parameters(b.given)
		if !*full && i%10 != 1 || len(given) == 0 {
			continue
		}
		says, _, _ := strings.Cut(b.want, " must be a whole number") // of which CloudFormation has a sentence of its own
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
