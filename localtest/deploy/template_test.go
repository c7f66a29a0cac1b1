package deploy_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"a2alambda/localtest"
	"a2alambda/localtest/deploy"
)

var update = flag.Bool("update", false, "write testdata anew")

func bases() []deploy.Parameters {
	var all []deploy.Parameters
	for _, auth := range []string{"none", "iam", "oidc"} {
		for _, production := range []string{"no", "yes"} {
			for _, agent := range []string{"demo", "bedrock"} {
				p := deploy.Parameters{"Auth": auth, "Production": production, "Agent": agent}
				if production == "yes" {
					p["MaxConcurrency"], p["MaxUnits"] = "100", "4000"
				}
				if auth == "oidc" {
					p["OidcIssuer"], p["OidcAudience"] = "https://login.example.com/tenant", "agent"
				}
				if agent == "bedrock" {
					p["ModelId"] = deploy.Model
				}
				all = append(all, p)
			}
		}
	}
	return all
}

// change is a change of a parameter from its default, or from its value in with, to another value.
type change struct {
	value string
	// with has other parameters, before and after the change: "Name=value", separated by spaces.
	with string
}

// provider is a capacity provider.
const provider = "arn:aws:lambda:us-east-1:111122223333:capacity-provider:agents"

// bounded are the parameters that production has to choose.
const bounded = "Production=yes MaxConcurrency=100 MaxUnits=4000"

// changes are those that changesOf cannot find in the template.
var changes = map[string]change{
	"Auth":                   {"iam", ""},
	"OidcIssuer":             {"https://other.example.com", "Auth=oidc OidcIssuer=https://login.example.com OidcAudience=agent"},
	"OidcAudience":           {"others", "Auth=oidc OidcIssuer=https://login.example.com OidcAudience=agent"},
	"ModelId":                {"anthropic.claude-sonnet-4-5-20250929-v1:0", "Agent=bedrock ModelId=" + deploy.Model},
	"Agent":                  {"bedrock", "ModelId=" + deploy.Model},
	"SystemPrompt":           {"Be brief.", "Agent=bedrock ModelId=" + deploy.Model},
	"ModelUrl":               {"https://other.example.com/v1", "Agent=model ModelId=m ModelUrl=https://api.example.com/v1"},
	"ModelKeySecret":         {"other", "Agent=model ModelId=m ModelUrl=https://api.example.com/v1 ModelKeySecret=key"},
	"Guardrail":              {"abc123/2", "Agent=bedrock Guardrail=abc123/1 ModelId=" + deploy.Model},
	"ShopUrl":                {"https://other.example.com/", "Agent=purchase Callbacks=10 Settings=PEERS=writer=https://writer.example.com ShopUrl=https://shop.example.com/"},
	"PublicUrl":              {"https://agent.example.com/", ""},
	"CardSigningKeySecret":   {"card", ""},
	"OtherCardPublicKey":     {strings.Repeat("Abc1", 20), "CardSigningKeySecret=card"},
	"AlarmEmail":             {"alarms@example.com", bounded},
	"AlarmTopicArn":          {"arn:aws:sns:us-east-1:111122223333:alarms", bounded},
	"MonthlyBudget":          {"100", bounded},
	"RetentionDays":          {"7", ""},
	"WebhookAllowedCidrs":    {"10.0.0.0/8", ""},
	"PeerCredentialsSecret":  {"peers", ""},
	"AgentConfig":            {"/clerk/agent.yaml:3", "Agent=model ModelId=m ModelUrl=https://api.example.com/v1 AgentConfig=/clerk/agent.yaml:2"},
	"AgentSecretsSecret":     {"secrets", ""},
	"Callbacks":              {"5", bounded},
	"RestoredTable":          {"arn:aws:dynamodb:us-east-1:111122223333:table/restored/stream/2026-01-02T03:04:05.678", ""},
	"Production":             {"yes", "MaxConcurrency=100 MaxUnits=4000"},
	"MaxUnits":               {"4000", ""},
	"Settings":               {"MAX_TOKENS=100", ""},
	"WarmWriteUnits":         {"5000", ""},
	"WarmReadUnits":          {"20000", ""},
	"Rollout":                {"Linear10PercentEvery3Minutes", ""},
	"Release":                {"1a2b3c-1", ""},
	"CapacityProvider":       {provider, bounded + " MaxManaged=10"},
	"CapacitySubnets":        {"subnet-0a1b2c3d,subnet-1b2c3d4e", "CapacitySecurityGroups=sg-0a1b2c3d CapacitySubnets=subnet-0a1b2c3d"},
	"CapacitySecurityGroups": {"sg-0a1b2c3d,sg-1b2c3d4e", "CapacitySecurityGroups=sg-0a1b2c3d CapacitySubnets=subnet-0a1b2c3d"},
	"ManagedConcurrency":     {"64", "CapacityProvider=" + provider},
	"ManagedMemory":          {"4096", "CapacityProvider=" + provider},
	"ManagedMemoryPerVCpu":   {"8", "CapacityProvider=" + provider},
	"MinManaged":             {"1", "CapacityProvider=" + provider},
	"MaxManaged":             {"10", "CapacityProvider=" + provider},
}

// changesOf returns a change of each parameter, from changes or to another allowed value.
func changesOf(t testing.TB, template *deploy.Template) map[string]change {
	t.Helper()
	all := map[string]change{}
	for name, p := range template.Parameters {
		c, ok := changes[name]
		switch {
		case ok:
		case p.AllowedValues != nil:
			i := slices.IndexFunc(p.AllowedValues, func(v any) bool { return v != "" && fmt.Sprint(v) != fmt.Sprint(p.Default) })
			c.value = fmt.Sprint(p.AllowedValues[i])
		default:
			n, err := strconv.Atoi(fmt.Sprint(p.Default))
			if err != nil {
				t.Errorf("for %s there is no other value in changes", name)
				continue
			}
			c.value = strconv.Itoa(n + 1)
		}
		all[name] = c
	}
	for name := range changes {
		if _, ok := template.Parameters[name]; !ok {
			t.Errorf("changes has %s, which is no parameter of the template", name)
		}
	}
	return all
}

// beforeAndAfter returns all parameters before and after a change.
func (c change) beforeAndAfter(name string) (before, after deploy.Parameters) {
	before = deploy.Parameters{"Auth": "none"}
	for field := range strings.FieldsSeq(c.with) {
		key, value, _ := strings.Cut(field, "=")
		before[key] = value
	}
	after = maps.Clone(before)
	after[name] = c.value
	return before, after
}

var expandOnce struct {
	sync.Once
	template *deploy.Template
}

// expanded returns the template, expanded.
func expanded(t testing.TB) *deploy.Template {
	t.Helper()
	expandOnce.Do(func() { expandOnce.template = deploy.Expand(t, deploy.File(t), deploy.Parameters{"Auth": "none"})[0] })
	if expandOnce.template == nil {
		t.Fatal("the template could not be expanded")
	}
	return expandOnce.template
}

// stackOf returns a stack whose parameters the template allows.
func stackOf(t testing.TB, template *deploy.Template, p deploy.Parameters) *deploy.Stack {
	t.Helper()
	if wrong := template.Check(p); wrong != nil {
		t.Errorf("%v: %s", p, wrong)
	}
	s, err := template.Stack(p)
	if err != nil {
		t.Fatalf("%v: %v", p, err)
	}
	return s
}

// ofSAM are findings that SAM causes: it gives the versions' UpdateReplacePolicy to all that it
// makes of their function, and it keeps Fn::Sub where it has inserted Rollout. W1030 is about the
// default of CapacityProvider, the empty text, with which there is no ManagedFunction.
var ofSAM = []string{"W3011", "W1020", "W1030"}

// TestExpansion has SAM expand the template with each Auth × Production × Agent, and with each
// other parameter changed once. The result is the same each time. cfn-lint finds nothing in it, nor
// in what these parameters leave of it: it checks half of them, or with -full all.
func TestExpansion(t *testing.T) {
	template := expanded(t)
	sets := bases()
	var others []deploy.Parameters
	for name, c := range changesOf(t, template) {
		_, after := c.beforeAndAfter(name)
		others = append(others, after)
	}
	for i, again := range deploy.Expand(t, deploy.File(t), slices.Concat(sets, others)...) {
		p := slices.Concat(sets, others)[i]
		// SAM inserts Rollout by itself.
		if string(again.Source()) != string(template.Source()) && p["Rollout"] == "" {
			t.Errorf("SAM expands the template otherwise with %v", p)
		}
	}
	for _, p := range others {
		stackOf(t, template, p)
	}
	lint := []json.RawMessage{template.Source()}
	if !*full {
		sets = slices.DeleteFunc(sets, func(p deploy.Parameters) bool { return (p["Production"] == "yes") != (p["Agent"] == "bedrock") })
	}
	for _, p := range sets {
		lint = append(lint, stackOf(t, template, p).Concrete())
	}
	for i, findings := range deploy.Lint(t, lint...) {
		for _, f := range findings {
			if !slices.Contains(ofSAM, f.Rule) {
				what := "as expanded"
				if i > 0 {
					what = fmt.Sprint(sets[i-1])
				}
				t.Errorf("%s: %s %s: %s", what, f.Path, f.Rule, f.Message)
			}
		}
	}
}

// versions are the types whose resources are replaced when a parameter changes: each is a version
// of something. A replaced role policy exists twice until the end.
var versions = []string{"AWS::AppConfig::HostedConfigurationVersion", "AWS::Lambda::Version", "AWS::ApiGateway::Deployment", "AWS::IAM::RolePolicy"}

// replaced are other resources that a change replaces, by parameter, with the reason.
var replaced = map[string]string{
	"RestoredTable PushEventSource":   "another table has another stream",
	"CapacitySubnets Provider":        "a provider's subnets can't be changed",
	"CapacitySecurityGroups Provider": "nor its security groups",
	"NewVersionErrorsAlarm":           "it watches one version",
	"NewVersionInternalErrorsAlarm":   "it watches one version",
}

// kept are types that survive every change: they have data, or others know their names.
var kept = []string{"AWS::DynamoDB::Table", "AWS::SQS::Queue", "AWS::Lambda::Function", "AWS::Lambda::Alias", "AWS::Lambda::Url", "AWS::IAM::Role"}

// TestChanges compares the stack before and after each change of a parameter, and between each Auth
// × Production × Agent. Only versions are ever replaced, and a function in use keeps its
// permissions. testdata/changes.txt has what each parameter changes, and when, compared with the
// alias.
func TestChanges(t *testing.T) {
	template := expanded(t)
	check := func(what string, from, to *deploy.Stack) {
		t.Helper()
		for _, c := range deploy.Compare(from, to) {
			parameter, _, _ := strings.Cut(what, " ")
			if c.Kind == deploy.Replaced && !slices.Contains(versions, c.Type) && replaced[parameter+" "+c.Name]+replaced[c.Name] == "" {
				t.Errorf("%s: %s", what, c)
			}
			// These are only there for those who want them.
			optional := strings.HasPrefix(c.Name, "Callback") || strings.HasPrefix(c.Name, "Managed") || strings.HasPrefix(c.Name, "Provider")
			if c.Kind == deploy.Removed && slices.Contains(kept, c.Type) && !optional {
				t.Errorf("%s: %s", what, c)
			}
		}
		for _, wrong := range deploy.Unordered(from, to) {
			// The hook is called only while the alias moves: the role and the function have changed then.
			if !strings.Contains(wrong, "HookRole may lambda:InvokeFunction on ${CallbackFunction.Arn} no longer") {
				t.Errorf("%s: %s", what, wrong)
			}
		}
	}
	all := bases()
	for _, from := range all {
		for _, to := range all {
			check(fmt.Sprintf("%v to %v", from, to), stackOf(t, template, from), stackOf(t, template, to))
		}
	}
	var text strings.Builder
	fmt.Fprintln(&text, "What a change of each parameter changes, compared with the move of the agent's alias to the new version: before, after,")
	fmt.Fprintln(&text, "beside (at any time), or at the end. Written by TestChanges with -update.")
	ofParameters := changesOf(t, template)
	for _, name := range slices.Sorted(maps.Keys(ofParameters)) {
		before, after := ofParameters[name].beforeAndAfter(name)
		from, err := template.Stack(before)
		localtest.Must(t, err)
		to := stackOf(t, template, after)
		check(fmt.Sprintf("%s from %v", name, before), from, to)
		check(fmt.Sprintf("%s back to %v", name, before), to, from)
		fmt.Fprintf(&text, "\n%s\n", name)
		for _, when := range []deploy.Order{deploy.Before, deploy.Beside, deploy.After, deploy.AtEnd} {
			var lines []string
			for _, c := range deploy.Compare(from, to) {
				if c.When(to, to.Alias("AgentFunction")) == when {
					lines = append(lines, c.String())
				}
			}
			for _, line := range lines {
				fmt.Fprintf(&text, "  %-10s  %s\n", when, line)
			}
		}
	}
	const golden = "testdata/changes.txt"
	if *update {
		localtest.Must(t, os.WriteFile(golden, []byte(text.String()), 0o644))
	}
	want, err := os.ReadFile(golden)
	if err != nil || string(want) != text.String() {
		t.Errorf("%s is not what the template has now (%v): go test ./localtest/deploy -run TestChanges -update, and look at the difference", golden, err)
	}
}

// TestDashboard checks that the dashboard is JSON, and has the instances that there are.
func TestDashboard(t *testing.T) {
	for _, p := range []deploy.Parameters{{"Auth": "none"}, {"Auth": "none", "CapacityProvider": provider}} {
		text, _ := stackOf(t, expanded(t), p).Resources["Dashboard"].Properties["DashboardBody"].(string)
		var body struct {
			Widgets []struct{ Properties struct{ Metrics [][]any } }
		}
		if err := json.Unmarshal([]byte(text), &body); err != nil || len(body.Widgets) != 6 {
			t.Errorf("%v: %v, %d widgets", p, err, len(body.Widgets))
		}
		if managed := strings.Contains(text, "${ManagedFunction}"); managed != (p["CapacityProvider"] != "") {
			t.Errorf("%v: the dashboard has Managed Instances: %t", p, managed)
		}
	}
}
