package deploy

import (
	"slices"
	"strings"
)

// Need is something that a function does at AWS, or AWS does in its name, and so has to be allowed.
type Need struct {
	Function string // its name in the template
	Action   string
	On       string // see places
	// By is who does it: Go functions, package.name, by which the call is made, or a service of AWS.
	By   []string
	When string // the condition under which it does, in the template; empty for always
}

// Needs is all that the functions do, and the roles may. TestPermissions compares it with the policies, TestCallers with the source,
// and the system tests, which stop a function that does anything else, with what is really called: all of it is.
var Needs = slices.Concat(
	logs("AgentFunction", "WorkerFunction", "PushFunction", "SweeperFunction", "HookFunction"),
	[]Need{
		{"AgentFunction", "dynamodb:GetItem", "table", []string{"dynamolog.head", "dynamolog.Asked", "dynamolog.readSecret"}, ""},
		{"AgentFunction", "dynamodb:PutItem", "table", []string{"dynamolog.put", "dynamolog.putPart"}, ""},
		{"AgentFunction", "dynamodb:UpdateItem", "table", []string{"dynamolog.update"}, ""},
		{"AgentFunction", "dynamodb:Query", "table", []string{"dynamolog.query"}, ""},
		{"AgentFunction", "dynamodb:DeleteItem", "table", []string{"dynamolog.Delete", "dynamolog.deleteInContext"}, ""},
		{"AgentFunction", "dynamodb:Query", "table/index/owner", []string{"dynamolog.listQuery"}, ""},
		{"AgentFunction", "lambda:InvokeFunction", "worker", []string{"lambdaenv.sender"}, ""},

		{"WorkerFunction", "dynamodb:GetItem", "table", []string{"dynamolog.head", "dynamolog.Asked"}, ""},
		{"WorkerFunction", "dynamodb:PutItem", "table", []string{"dynamolog.put", "dynamolog.putPart"}, ""},
		{"WorkerFunction", "dynamodb:UpdateItem", "table", []string{"dynamolog.update"}, ""},
		{"WorkerFunction", "dynamodb:Query", "table", []string{"dynamolog.query"}, ""},
		// run.Earlier, of which only some agents ask for the conversation before a task.
		{"WorkerFunction", "dynamodb:Query", "table/index/owner", []string{"dynamolog.listQuery"}, ""},
		{"WorkerFunction", "lambda:InvokeFunction", "worker", []string{"lambdaenv.sender"}, ""},
		{"WorkerFunction", "sqs:SendMessage", "FailedJobs", []string{"Lambda: DeadLetterQueue"}, ""},

		{"PushFunction", "dynamodb:GetItem", "table", []string{"dynamolog.head"}, ""},
		{"PushFunction", "dynamodb:UpdateItem", "table", []string{"dynamolog.update"}, ""},
		{"PushFunction", "dynamodb:Query", "table", []string{"dynamolog.query"}, ""},
		{"PushFunction", "lambda:InvokeFunction", "push", []string{"lambdaenv.sender"}, ""},
		// https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-eventsourcemapping.html
		{"PushFunction", "dynamodb:DescribeStream", "table/stream/*", []string{"Lambda: PushEventSource"}, ""},
		{"PushFunction", "dynamodb:GetRecords", "table/stream/*", []string{"Lambda: PushEventSource"}, ""},
		{"PushFunction", "dynamodb:GetShardIterator", "table/stream/*", []string{"Lambda: PushEventSource"}, ""},
		{"PushFunction", "dynamodb:ListStreams", "table/stream/*", []string{"Lambda: PushEventSource"}, ""},
		{"PushFunction", "sqs:SendMessage", "FailedPushes", []string{"Lambda: PushEventSource, EventInvokeConfig"}, ""},

		{"SweeperFunction", "dynamodb:Query", "table", []string{"dynamolog.query"}, ""},
		{"SweeperFunction", "dynamodb:Query", "table/index/running", []string{"dynamolog.running"}, ""},
		{"SweeperFunction", "lambda:InvokeFunction", "worker", []string{"lambdaenv.sender"}, ""},
		{"SweeperFunction", "lambda:InvokeFunction", "push", []string{"lambdaenv.sender"}, ""},

		{"HookFunction", "lambda:InvokeFunction", "agent's versions", []string{"main.ask"}, ""},
		{"HookFunction", "lambda:InvokeFunction", "the worker", []string{"main.ask"}, ""},
		{"HookFunction", "lambda:InvokeFunction", "the push function", []string{"main.ask"}, ""},
		{"HookFunction", "lambda:InvokeFunction", "the sweeper", []string{"main.ask"}, ""},
		{"HookFunction", "codedeploy:PutLifecycleEventHookExecutionStatus", "deployments", []string{"main.handle"}, ""},
	},
	model("AgentFunction", "WorkerFunction"),
)

// logs is what Lambda does for each function, in its log group.
func logs(functions ...string) []Need {
	var needs []Need
	for _, f := range functions {
		for _, action := range []string{"logs:CreateLogStream", "logs:PutLogEvents"} {
			needs = append(needs, Need{f, action, "log group", []string{"Lambda: LoggingConfig"}, ""})
		}
	}
	return needs
}

// model is what functions do that have a model. That is called by an inference profile, or without.
func model(functions ...string) []Need {
	var needs []Need
	for _, f := range functions {
		for _, on := range []string{"model", "profile", "models of the profile"} {
			needs = append(needs, Need{f, "bedrock:InvokeModelWithResponseStream", on, []string{"bedrock.stream"}, "HasModel"})
		}
	}
	return needs
}

const arnOfFunction = "arn:aws:lambda:us-east-1:111122223333:function:stack-"

// places are resources as they stand in a policy, by the names that Needs has for them.
var places = map[string]string{
	"table":             "${TaskTable.Arn}",
	"table/index/owner": "${TaskTable.Arn}/index/owner", "table/index/running": "${TaskTable.Arn}/index/running",
	"table/stream/*": "${TaskTable.Arn}/stream/*",
	// By name: a function that invokes itself can't refer to itself.
	"worker": arnOfFunction + "worker", "push": arnOfFunction + "push",
	"agent's versions": "${AgentFunction.Arn}:*", "the worker": "${WorkerFunction.Arn}",
	"the push function": "${PushFunction.Arn}", "the sweeper": "${SweeperFunction.Arn}",
	"deployments": "arn:aws:codedeploy:us-east-1:111122223333:deploymentgroup:${ServerlessDeploymentApplication}/*",
	"FailedJobs":  "${FailedJobs.Arn}", "FailedPushes": "${FailedPushes.Arn}",
	"model":                 "arn:aws:bedrock:us-east-1::foundation-model/" + Model,
	"profile":               "arn:aws:bedrock:us-east-1:111122223333:inference-profile/" + Model,
	"models of the profile": "arn:aws:bedrock:*::foundation-model/*",
}

// Model is the ModelId that a stack has to have to be compared with Needs.
const Model = "us.amazon.nova-lite-v1:0"

// Place returns what stands in a policy for a need's On.
func (n Need) Place(s *Stack) string {
	if n.On == "log group" {
		config, _ := s.Resources[n.Function].Properties["LoggingConfig"].(map[string]any)
		group, _ := config["LogGroup"].(string)
		return strings.TrimSuffix(group, "}") + ".Arn}" // its streams, too: it ends with :*
	}
	return places[n.On]
}
