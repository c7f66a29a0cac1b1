package deploy_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"a2alambda/localtest"
	"a2alambda/localtest/deploy"
)

// faulty is a template with a parameter that takes away a permission in use, gives one too late,
// replaces what must stay, and grants too much.
const faulty = `
Transform: AWS::Serverless-2016-10-31
Parameters:
  Model: {Type: String, Default: a}
  Name: {Type: String, Default: jobs}
Conditions:
  IsB: !Equals [!Ref Model, b]
Resources:
  Table: {Type: "AWS::DynamoDB::Table"}
  Function:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/agent
      Handler: bootstrap
      Runtime: provided.al2023
      AutoPublishAlias: live
      Environment: {Variables: {MODEL: !Ref Model}}
      Policies:
        - Version: "2012-10-17"
          Statement:
            - {Effect: Allow, Action: [dynamodb:GetItem, dynamodb:PutItem], Resource: !GetAtt Table.Arn}
            - {Effect: Allow, Action: dynamodb:GetItem, Resource: !GetAtt Table.Arn}
  ModelPolicy:
    Type: AWS::IAM::Policy
    Properties:
      PolicyName: model
      Roles: [!Ref FunctionRole]
      PolicyDocument:
        Statement: [{Effect: Allow, Action: bedrock:InvokeModel, Resource: !Sub "arn:aws:bedrock:us-east-1::foundation-model/${Model}"}]
  OnlyB:
    Type: AWS::IAM::RolePolicy
    Condition: IsB
    Properties:
      PolicyName: b
      RoleName: !Ref FunctionRole
      PolicyDocument: {Statement: [{Effect: Allow, Action: sqs:SendMessage, Resource: !GetAtt Queue.Arn}]}
  Queue: {Type: "AWS::SQS::Queue", Properties: {QueueName: !Ref Name}}
`

// TestFaultsAreFound proves that TestChanges and TestPermissions find the faults that they look
// for.
func TestFaultsAreFound(t *testing.T) {
	path := filepath.Join(t.TempDir(), "template.yaml")
	localtest.Must(t, os.WriteFile(path, []byte(faulty), 0o600))
	template := deploy.Expand(t, path, deploy.Parameters{})[0]
	stack := func(p deploy.Parameters) *deploy.Stack { return stackOf(t, template, p) }
	a, b := stack(nil), stack(deploy.Parameters{"Model": "b"})
	got := deploy.Unordered(a, b)
	want := []string{
		"FunctionRole may bedrock:InvokeModel on arn:aws:bedrock:us-east-1::foundation-model/a no longer: ModelPolicy is updated, beside FunctionAliaslive",
		"FunctionRole may bedrock:InvokeModel on arn:aws:bedrock:us-east-1::foundation-model/b now: ModelPolicy is updated, beside FunctionAliaslive",
		"FunctionRole may sqs:SendMessage on ${Queue.Arn} now: OnlyB is added, beside FunctionAliaslive",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	var lines []string
	for _, c := range deploy.Compare(a, stack(deploy.Parameters{"Name": "others"})) {
		lines = append(lines, c.String())
	}
	if got := strings.Join(lines, "; "); got != "replaced Queue QueueName" {
		t.Errorf("with another name: %s", got)
	}
	var may []string
	for _, g := range a.Grants() {
		may = append(may, g.String())
	}
	for _, want := range []string{
		"FunctionRole may dynamodb:GetItem on ${Table.Arn}", "FunctionRole may dynamodb:PutItem on ${Table.Arn}",
		"FunctionRole may logs:CreateLogGroup on *", // SAM adds it
	} {
		if !slices.Contains(may, want) {
			t.Errorf("%s, want %s too", strings.Join(may, "; "), want)
		}
	}
	if twice := slices.Index(may, "FunctionRole may dynamodb:GetItem on ${Table.Arn}"); may[twice] != may[twice+1] {
		t.Errorf("what is granted twice is there once: %s", strings.Join(may, "; "))
	}
}
