package deploy_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"a2alambda/localtest/deploy"
)

// unreserved are the functions of which nobody who calls the agent can cause more instances.
var unreserved = map[string]string{
	"SweeperFunction": "its schedule, each minute",
	"HookFunction":    "a deployment",
}

// TestProductionIsBounded checks what callers can use in production: instances of each function that
// they reach, units of the table and of each index, requests to the REST API. A function that they
// do not reach is invoked by nobody but its schedule, for a minute at most.
func TestProductionIsBounded(t *testing.T) {
	template := expanded(t)
	for _, p := range bases() {
		if p["Production"] != "yes" {
			continue
		}
		s := stackOf(t, template, p)
		reserved := map[string]string{}
		for name, r := range s.Resources {
			switch r.Type {
			case "AWS::Lambda::Function":
				if n, ok := r.Properties["ReservedConcurrentExecutions"]; ok {
					reserved[name] = fmt.Sprint(n)
				} else if unreserved[name] == "" {
					t.Errorf("%v: nothing bounds the instances of %s", p, name)
				}
			case "AWS::DynamoDB::Table":
				bound := fmt.Sprint(map[string]any{"MaxReadRequestUnits": "4000", "MaxWriteRequestUnits": "4000"})
				all := []any{r.Properties}
				all = append(all, r.Properties["GlobalSecondaryIndexes"].([]any)...)
				for _, of := range all {
					if got := fmt.Sprint(of.(map[string]any)["OnDemandThroughput"]); got != bound {
						t.Errorf("%v: units of %v: %s, want %s", p, of.(map[string]any)["IndexName"], got, bound)
					}
				}
			case "AWS::ApiGateway::Stage":
				settings, _ := r.Properties["MethodSettings"].([]any)
				if len(settings) != 1 || settings[0].(map[string]any)["ThrottlingRateLimit"] == nil {
					t.Errorf("%v: the REST API's stage has the settings %v", p, settings)
				}
			}
		}
		if want := map[string]string{"AgentFunction": "100", "WorkerFunction": "100", "PushFunction": "20"}; !maps.Equal(reserved, want) {
			t.Errorf("%v: instances are reserved for %v, want %v", p, reserved, want)
		}
		sweeper := s.Resources["SweeperFunction"].Properties
		schedule := s.Resources["SweeperFunctionEachMinute"].Properties
		if fmt.Sprint(sweeper["Timeout"]) != "60" || schedule["ScheduleExpression"] != "rate(1 minute)" {
			t.Errorf("%v: the sweeper runs for %v s, at %v", p, sweeper["Timeout"], schedule["ScheduleExpression"])
		}
	}
	for _, n := range deploy.Needs {
		if n.Action == "lambda:InvokeFunction" && n.Function != "HookFunction" && slices.Contains([]string{"sweeper", "hook"}, n.On) {
			t.Errorf("%s invokes %s, which has no bound", n.Function, n.On)
		}
	}
}

// TestBoundsOfTheAccount checks that nothing is reserved, and no unit refused, where the account's
// limits are the bound: an account of 10 instances has none to reserve.
func TestBoundsOfTheAccount(t *testing.T) {
	template := expanded(t)
	for _, p := range []deploy.Parameters{
		{"Auth": "none"},
		{"Auth": "none", "Production": "yes", "MaxConcurrency": "account", "MaxUnits": "account"},
	} {
		for name, r := range stackOf(t, template, p).Resources {
			for _, property := range []string{"ReservedConcurrentExecutions", "OnDemandThroughput"} {
				if v, ok := r.Properties[property]; ok {
					t.Errorf("%v: %s has %s %v", p, name, property, v)
				}
			}
		}
	}
}
