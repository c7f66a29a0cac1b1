package deploy_test

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"a2alambda/localtest"
	"a2alambda/localtest/deploy"
)

// TestDeployerPolicy checks that IAM accepts the policy for deployments, that it has all services
// that the template needs, and that it has * only for resources without a predictable name.
func TestDeployerPolicy(t *testing.T) {
	text, err := os.ReadFile("../../docs/deployer-policy.json")
	localtest.Must(t, err)
	var policy struct {
		Version   string
		Statement []struct {
			Sid, Effect      string
			Action, Resource any
			Condition        any
		}
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	localtest.Must(t, d.Decode(&policy))
	var compact bytes.Buffer
	localtest.Must(t, json.Compact(&compact, text))
	if compact.Len() > 6144 { // a managed policy's limit
		t.Errorf("the policy has %d characters", compact.Len())
	}
	list := func(v any) (all []string) {
		if s, ok := v.(string); ok {
			return []string{s}
		}
		for _, e := range v.([]any) {
			all = append(all, e.(string))
		}
		return all
	}
	services := map[string]bool{}
	anywhere := []string{"cloudformation:GetTemplateSummary", "cloudformation:ValidateTemplate"}
	for _, s := range policy.Statement {
		everything := slices.Contains(list(s.Resource), "*")
		for _, action := range list(s.Action) {
			service, _, _ := strings.Cut(action, ":")
			services[service] = true
			if everything && !slices.Contains(anywhere, action) && service != "appconfig" && service != "lambda" && service != "logs" || everything && strings.HasSuffix(action, ":*") {
				t.Errorf("%s: %s is allowed on everything", s.Sid, action)
			}
		}
	}
	of := map[string][]string{
		"Serverless": {"lambda", "iam", "apigateway", "codedeploy", "scheduler", "cloudformation", "s3"},
		"Lambda":     {"lambda"}, "IAM": {"iam"}, "AppConfig": {"appconfig"}, "Logs": {"logs"}, "SQS": {"sqs"}, "SNS": {"sns"}, "S3": {"s3"},
		"CloudWatch": {"cloudwatch"}, "Budgets": {"budgets"}, "DynamoDB": {"dynamodb"}, "Check": {"lambda"},
	}
	for name, r := range deploy.Read(t).Resources {
		kind := strings.Split(r.Type, "::")[1]
		if of[kind] == nil {
			t.Errorf("%s is of %s, of which this test knows no service", name, r.Type)
		}
		for _, service := range of[kind] {
			if !services[service] {
				t.Errorf("the policy has nothing of %s, which %s needs", service, name)
			}
		}
	}
	if !services["secretsmanager"] {
		t.Error("the policy does not let the card's key be read")
	}
}
