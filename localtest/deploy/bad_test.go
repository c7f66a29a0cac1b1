package deploy_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"a2alambda/localtest/deploy"
)

// bad are parameters that can't be deployed, and what is said of each.
var bad = []struct {
	parameters deploy.Parameters
	says       string
}{
	{deploy.Parameters{"Auth": "maybe"}, "Auth"},
	{oidc("http://login.example.com"), "OidcIssuer must be an https URL"},
	{oidc("login.example.com"), "OidcIssuer must be an https URL"},
	{oidc("https://login.example.com "), "OidcIssuer must be an https URL"},
	{oidc("https://login.example.com?a=b"), "OidcIssuer must be an https URL"},
	{oidc("https://"), "OidcIssuer must be an https URL"},
	{oidc(""), "Auth oidc needs OidcIssuer."},
	{deploy.Parameters{"Auth": "oidc", "OidcIssuer": "https://login.example.com"}, "Auth oidc needs OidcAudience."},
	{deploy.Parameters{"Auth": "none", "OidcIssuer": "https://login.example.com"}, "OidcIssuer needs Auth oidc."},
	{deploy.Parameters{"Auth": "iam", "OidcAudience": "agent"}, "OidcAudience needs Auth oidc."},
	{deploy.Parameters{"Auth": "iam", "Page": "true"}, "Page can't be true with Auth iam."},
	{deploy.Parameters{"Auth": "iam", "PublicUrl": "https://agent.example.com"}, "PublicUrl can't be used with Auth iam."},
	{with("PublicUrl", "https://"), "PublicUrl must be an https URL"},
	{with("PublicUrl", "http://agent.example.com"), "PublicUrl must be an https URL"},
	{with("Agent", "bedrock"), "Agent bedrock needs ModelId."},
	{with("ModelId", deploy.Model), "ModelId needs Agent bedrock."},
	{with("SystemPrompt", "Be brief."), "SystemPrompt needs Agent bedrock."},
	{with("SystemPrompt", strings.Repeat("語", 1000)), "SystemPrompt must have"},
	{with("CardSigningKeySecret", "a secret"), "CardSigningKeySecret must be"},
	{with("OtherCardPublicKey", strings.Repeat("Abc1", 20)), "OtherCardPublicKey needs CardSigningKeySecret."},
	{with("WebhookAllowedCidrs", "10.0.0.1"), "WebhookAllowedCidrs must be prefixes"},
	{with("WebhookAllowedCidrs", "10.0.0.0/33"), "WebhookAllowedCidrs must be prefixes"},
	{with("WebhookAllowedCidrs", "10.0.0.0/8,"), "WebhookAllowedCidrs must be prefixes"},
	{with("RetentionDays", "0"), "RetentionDays must be a whole number"},
	{with("RetentionDays", "1.5"), "RetentionDays must be a whole number"},
	{with("RetentionDays", "106752"), "RetentionDays must be a whole number"},
	{with("MemorySize", "100"), "MemorySize"},
	{with("MemorySize", "512.5"), "MemorySize"},
	{with("MaxConcurrency", "-1"), "MaxConcurrency"},
	{with("WarmWriteUnits", "1"), "WarmWriteUnits must be"},
	{with("LogRetentionDays", "31"), "LogRetentionDays"},
	{deploy.Parameters{"Auth": "none", "Production": "yes", "LogLevel": "ERROR"}, "Alarms need LogLevel INFO or DEBUG."},
	{deploy.Parameters{"Auth": "none", "Production": "yes", "AlarmEmail": "nobody"}, "AlarmEmail must be an e-mail address."},
	{deploy.Parameters{"Auth": "none", "Production": "yes", "AlarmTopicArn": "alarms"}, "AlarmTopicArn must be the ARN"},
	{with("MonthlyBudget", "100"), "MonthlyBudget needs"},
	{with("RestoredTable", "restored"), "RestoredTable must be the ARN"},
	{with("Settings", "max_tokens=1"), "Settings must be NAME=value"},
	{with("Release", "a b"), "Release must be"},
}

func with(name, value string) deploy.Parameters {
	return deploy.Parameters{"Auth": "none", name: value}
}

func oidc(issuer string) deploy.Parameters {
	return deploy.Parameters{"Auth": "oidc", "OidcIssuer": issuer, "OidcAudience": "agent"}
}

// TestBadValues checks that the template's constraints and rules refuse each of bad, in a sentence. Each parameter is among them, but
// those that take all that there is.
func TestBadValues(t *testing.T) {
	template := expanded(t)
	tried := map[string]bool{}
	for _, b := range bad {
		if got := strings.Join(template.Check(b.parameters), " "); !strings.Contains(got, b.says) {
			t.Errorf("%v: got %q, want %q", b.parameters, got, b.says)
		}
		for name := range b.parameters {
			tried[name] = true
		}
	}
	for name, p := range template.Parameters {
		if !tried[name] && p.AllowedValues == nil {
			t.Errorf("no wrong value of %s is tried", name)
		}
	}
}

// refuseAll asks CloudFormation for a change set with each of bad, or, without -full, with each fifth.
func (s *stack) refuseAll(t *testing.T) {
	t.Helper()
	for i, b := range bad {
		if !*full && i%5 != 0 {
			continue
		}
		request := map[string]string{
			"StackName": s.name, "ChangeSetName": fmt.Sprintf("bad-%d", i), "UsePreviousTemplate": "true",
			"Capabilities.member.1": "CAPABILITY_IAM", "Capabilities.member.2": "CAPABILITY_AUTO_EXPAND",
		}
		for n, name := range slices.Sorted(maps.Keys(b.parameters)) {
			member := fmt.Sprintf("Parameters.member.%d.", n+1)
			request[member+"ParameterKey"], request[member+"ParameterValue"] = name, b.parameters[name]
		}
		err := s.query(t.Context(), "cloudformation", "2010-05-15", "CreateChangeSet", request, new(struct{}))
		if err == nil || !strings.Contains(err.Error(), b.says) {
			t.Errorf("a change set with %v: %v, want %q", b.parameters, err, b.says)
		}
	}
}
