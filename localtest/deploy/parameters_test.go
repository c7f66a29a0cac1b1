package deploy_test

import (
	"strings"
	"testing"

	"a2alambda/localtest/deploy"
)

// parameters reads "Name=value", with | between them.
func parameters(list string) deploy.Parameters {
	m := deploy.Parameters{}
	for pair := range strings.SplitSeq(list, "|") {
		if name, value, ok := strings.Cut(pair, "="); ok {
			m[name] = value
		}
	}
	return m
}

// What the template says of values that are wrong.
const (
	issuer   = "OidcIssuer must be an https URL without a query, such as https://login.example.com/tenant."
	public   = "PublicUrl must be an https URL without a query, such as https://agent.example.com/."
	webhooks = "WebhookAllowedCidrs must be prefixes such as 10.0.0.0/8, with commas between them."
	prompt   = "SystemPrompt must have at most 2048 characters, and not more than 150 of them outside of ASCII; or at most 600 of any kind."
	days     = "RetentionDays must be a whole number from 1 to 3650."
	memory   = "MemorySize must be a whole number from 128 to 10240."
	instance = "MaxConcurrency must be a whole number, 0 or from 1 to 99999."
	warm     = "WarmWriteUnits must be a whole number, 0 or from 4000 to 40000."
	settings = "Settings must be NAME=value, with spaces between them."
	restored = "RestoredTable must be the ARN of a table's stream, arn:aws:dynamodb:…:table/…/stream/…."
	topic    = "AlarmTopicArn must be the ARN of a standard topic in SNS."
	email    = "AlarmEmail must be an e-mail address."
	otherKey = "OtherCardPublicKey must be a public key in DER (SubjectPublicKeyInfo), base64 on one line, without BEGIN and END."
	budget   = "MonthlyBudget must be a whole number of US dollars."
	bedrock  = "Auth=none|Agent=bedrock|ModelId=m"
)

// refused are parameters that would be ignored, or kill each instance as it starts, and what the template says about them.
var refused = []struct{ given, want string }{
	{"", "Auth must have a value."},
	{"Auth=anybody", "Auth is not one of its values."},
	{"Auth=oidc|OidcAudience=a", "Auth oidc needs OidcIssuer."},
	{"Auth=oidc|OidcIssuer=https://login.example.com", "Auth oidc needs OidcAudience."},
	{"Auth=oidc|OidcAudience=a|OidcIssuer=http://login.example.com", issuer},
	{"Auth=oidc|OidcAudience=a|OidcIssuer=login.example.com", issuer},
	{"Auth=oidc|OidcAudience=a|OidcIssuer=https://login.example.com ", issuer},
	{"Auth=oidc|OidcAudience=a|OidcIssuer=https://", issuer},
	{"Auth=oidc|OidcAudience=a|OidcIssuer=https://login.example.com/?tenant=1", issuer},
	{"Auth=oidc|OidcAudience= a|OidcIssuer=https://login.example.com", "OidcAudience must not begin or end with a space."},
	{"Auth=none|OidcIssuer=https://login.example.com", "OidcIssuer needs Auth oidc. Without it, no token is asked for."},
	{"Auth=iam|OidcAudience=a", "OidcAudience needs Auth oidc. Without it, no token is asked for."},
	{"Auth=iam|Page=true", "Page can't be true with Auth iam. A browser's page can't sign requests."},
	{"Auth=none|Page=yes", "Page is not one of its values."},
	{"Auth=iam|PublicUrl=https://agent.example.com/", "PublicUrl can't be used with Auth iam. Requests are signed for the host that AWS has given."},
	{"Auth=none|PublicUrl=https://", public},
	{"Auth=none|PublicUrl=http://agent.example.com/", public},
	{"Auth=none|PublicUrl=https:///a", public},
	{"Auth=none|PublicUrl=https://agent.example.com/ ", public},
	{"Auth=none|Agent=other", "Agent is not one of its values."},
	{"Auth=none|Agent=bedrock", "Agent bedrock needs ModelId."},
	{"Auth=none|ModelId=m", "ModelId needs Agent bedrock."},
	{"Auth=none|SystemPrompt=Be brief.", "SystemPrompt needs Agent bedrock."},
	{"Auth=none|Agent=bedrock|ModelId=a model", "ModelId must be the id or ARN of a model or an inference profile."},
	{bedrock + "|SystemPrompt=" + strings.Repeat("a", 2049), prompt},
	{bedrock + "|SystemPrompt=" + strings.Repeat("語", 2048), prompt},
	{bedrock + "|SystemPrompt=" + strings.Repeat("語", 601), prompt},
	{"Auth=none|CardSigningKeySecret=a secret", "CardSigningKeySecret must be the name or the ARN of a secret."},
	{"Auth=none|OtherCardPublicKey=" + strings.Repeat("A", 124), "OtherCardPublicKey needs CardSigningKeySecret. It is the second key, not the first."},
	{"Auth=none|CardSigningKeySecret=key|OtherCardPublicKey=-----BEGIN PUBLIC KEY-----", otherKey},
	{"Auth=none|RestApi=true", "RestApi is not one of its values."},
	{"Auth=none|Production=true", "Production is not one of its values."},
	{"Auth=none|DeletionProtection=true", "DeletionProtection is not one of its values."},
	{"Auth=none|Rollout=Canary", "Rollout is not one of its values."},
	{"Auth=none|AlarmEmail=somebody", email},
	{"Auth=none|AlarmEmail=a@example.com,b@example.com", email},
	{"Auth=none|AlarmTopicArn=topic", topic},
	{"Auth=none|AlarmTopicArn=arn:aws:sns:us-east-1:123456789012:topic.fifo", topic},
	{"Auth=none|AlarmTopicArn=arn:aws:sns:us-east-1:123456789012:topic|AlarmEmail=a@example.com",
		"AlarmEmail subscribes to the stack's own topic. With AlarmTopicArn there is none."},
	{"Auth=none|LogLevel=info", "LogLevel is not one of its values."},
	{"Auth=none|Production=yes|LogLevel=WARN", "Alarms need LogLevel INFO or DEBUG. The metrics that they watch are in log lines of level INFO."},
	{"Auth=none|AlarmEmail=a@example.com|LogLevel=ERROR", "Alarms need LogLevel INFO or DEBUG. The metrics that they watch are in log lines of level INFO."},
	{"Auth=none|MonthlyBudget=10", "MonthlyBudget needs Production yes, AlarmEmail or AlarmTopicArn, for somebody to be told."},
	{"Auth=none|Production=yes|MonthlyBudget=$10", budget},
	{"Auth=none|Production=yes|MonthlyBudget=0.5", budget},
	{"Auth=none|MemorySize=512.5", memory},
	{"Auth=none|MemorySize=127", memory},
	{"Auth=none|MemorySize=10241", memory},
	{"Auth=none|MaxConcurrency=-1", instance},
	{"Auth=none|MaxConcurrency=1.5", instance},
	{"Auth=none|WarmWriteUnits=100", warm},
	{"Auth=none|WarmWriteUnits=40001", warm},
	{"Auth=none|RetentionDays=0", days},
	{"Auth=none|RetentionDays=1.5", days},
	{"Auth=none|RetentionDays=3651", days},
	{"Auth=none|RetentionDays=106752", days},
	{"Auth=none|LogRetentionDays=2", "LogRetentionDays is not one of its values."},
	{"Auth=none|WebhookAllowedCidrs=10.0.0.1", webhooks},
	{"Auth=none|WebhookAllowedCidrs=10.0.0.0/33", webhooks},
	{"Auth=none|WebhookAllowedCidrs=fd00::/129", webhooks},
	{"Auth=none|WebhookAllowedCidrs=10.0.0.0/8,", webhooks},
	{"Auth=none|WebhookAllowedCidrs=10.0.0.0/8;192.168.0.0/16", webhooks},
	{"Auth=none|WebhookAllowedCidrs=,", webhooks},
	{"Auth=none|RestoredTable=table", restored},
	{"Auth=none|RestoredTable=arn:aws:dynamodb:us-east-1:123456789012:table/tasks", restored},
	{"Auth=none|Settings=MAX_TOKENS", settings},
	{"Auth=none|Settings=max_tokens=1", settings},
	{"Auth=none|Settings=MAX_TOKENS=1,2 3", settings},
	{"Auth=none|Release=a b", "Release must be letters, digits and ._/+-, at most 64 of them."},
}

// TestParametersRefuse checks that the template's constraints and rules refuse them, and that there is a wrong value of each parameter.
func TestParametersRefuse(t *testing.T) {
	tm := deploy.Read(t)
	tried := map[string]bool{}
	for _, c := range refused {
		given := parameters(c.given)
		if got := append(tm.Check(given), ""); got[0] != c.want {
			t.Errorf("%.120s: %q, want %q", c.given, got, c.want)
		}
		for name := range given {
			tried[name] = true
		}
	}
	for name := range tm.Parameters {
		if !tried[name] {
			t.Errorf("%s is not tried", name)
		}
	}
}

// TestParametersAllow checks values that are meant to be used.
func TestParametersAllow(t *testing.T) {
	tm := deploy.Read(t)
	for _, given := range []string{
		"Auth=none",
		"Auth=iam|Production=yes|RestApi=logged",
		"Auth=oidc|OidcAudience=https://agent.example.com|OidcIssuer=https://login.example.com",
		"Auth=oidc|OidcAudience=a b|OidcIssuer=https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEfGhI|Page=true",
		"Auth=oidc|OidcAudience=a|OidcIssuer=https://login.example.com:8443/tenant/",
		"Auth=none|Agent=bedrock|ModelId=us.amazon.nova-lite-v1:0|SystemPrompt=" + strings.Repeat("a", 2048),
		"Auth=none|Agent=bedrock|ModelId=m|SystemPrompt=" + strings.Repeat("語", 600),
		"Auth=none|Agent=bedrock|ModelId=m|SystemPrompt=" + strings.Repeat("ü", 150) + "\n" + strings.Repeat("a", 1897),
		"Auth=none|Agent=bedrock|ModelId=arn:aws:bedrock:eu-central-1:123456789012:application-inference-profile/abc_1",
		"Auth=none|PublicUrl=https://agent.example.com|RetentionDays=1|MemorySize=128|WarmWriteUnits=4000",
		"Auth=none|PublicUrl=https://agent.example.com/a/|RetentionDays=3650|MemorySize=10240|WarmWriteUnits=40000|MaxConcurrency=900",
		"Auth=none|WebhookAllowedCidrs=10.0.0.0/8",
		"Auth=none|WebhookAllowedCidrs=10.0.0.0/8, fd00::/8,::1/128,172.16.0.0/12",
		"Auth=none|CardSigningKeySecret=arn:aws:secretsmanager:eu-central-1:123456789012:secret:card-AbCdEf|OtherCardPublicKey=" + strings.Repeat("A", 123) + "=",
		"Auth=none|AlarmEmail=team@example.com|MonthlyBudget=100",
		"Auth=none|AlarmTopicArn=arn:aws-us-gov:sns:us-gov-west-1:123456789012:Alarms_of-all",
		"Auth=none|Production=yes|DeletionProtection=no|Rollout=AllAtOnce|MonthlyBudget=1",
		"Auth=none|RestoredTable=arn:aws:dynamodb:eu-central-1:123456789012:table/agent-TaskTable-ABC.1/stream/2026-11-26T19:28:16.123",
		"Auth=none|Settings=MAX_TOKENS=100",
		"Auth=none|Settings=MAX_TOKENS=100  OTHER=a=b,c=d",
		"Auth=none|Release=0123abc-2",
	} {
		if wrong := tm.Check(parameters(given)); wrong != nil {
			t.Errorf("%.120s: %q", given, wrong)
		}
	}
}
