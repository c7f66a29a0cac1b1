package deploy

import (
	"slices"
	"strings"
)

// Need is a call to AWS by a function, or by AWS in its name, which must be allowed.
type Need struct {
	Function string // its name in the template
	Action   string
	On       string // see places
	// By are the callers: Go functions, as package.name, or a service of AWS.
	By []string
	// When has the template's conditions under which it is called; empty for always.
	When string
}

// Needs are all calls of the functions, and all that the roles may do. TestPermissions compares it
// with the policies, and TestCallers with the source. The system tests refuse all other calls, and
// check that each of these is made.
var Needs = slices.Concat(
	logs("", "AgentFunction", "WorkerFunction", "PushFunction", "SweeperFunction", "HookFunction"),
	logs(hasCallbacks, "CallbackFunction"),
	[]Need{
		{"AgentFunction", "dynamodb:GetItem", "table", []string{"dynamolog.get", "dynamolog.put", "dynamolog.readSecret"}, ""},
		{"AgentFunction", "dynamodb:BatchGetItem", "table", []string{"dynamolog.batch"}, ""},
		{"AgentFunction", "dynamodb:PutItem", "table", []string{"dynamolog.putFresh", "dynamolog.putIf", "dynamolog.putPartItem", "dynamolog.putInPlace"}, ""},
		{"AgentFunction", "dynamodb:PartiQLInsert", "table", []string{"dynamolog.send"}, ""},
		{"AgentFunction", "dynamodb:UpdateItem", "table", []string{"dynamolog.update", "dynamolog.transactUpdate"}, ""},
		{"AgentFunction", "dynamodb:Query", "table", []string{"dynamolog.readPage"}, ""},
		{"AgentFunction", "dynamodb:DeleteItem", "table", []string{"dynamolog.AskedOf", "dynamolog.Delete", "dynamolog.deleteInPlace", "dynamolog.deleteInContext"}, ""},
		{"AgentFunction", "dynamodb:Query", "table/index/owner", []string{"dynamolog.listQuery"}, ""},
		{"AgentFunction", "lambda:InvokeFunction", "worker", []string{"lambdaenv.sender"}, ""},
		{"AgentFunction", "s3:GetObject", "bodies", []string{"dynamolog.partOf", "dynamolog.reach"}, hasBucket},
		{"AgentFunction", "s3:PutObject", "bodies", []string{"dynamolog.put", "dynamolog.reach"}, fillsBucket},

		{"WorkerFunction", "dynamodb:GetItem", "table", []string{"dynamolog.get", "dynamolog.readSecret"}, ""},
		{"WorkerFunction", "dynamodb:DeleteItem", "table", []string{"dynamolog.AskedOf"}, ""},
		{"WorkerFunction", "dynamodb:PutItem", "table", []string{"dynamolog.putIf", "dynamolog.putPartItem"}, ""},
		{"WorkerFunction", "dynamodb:UpdateItem", "table", []string{"dynamolog.update"}, ""},
		{"WorkerFunction", "dynamodb:Query", "table", []string{"dynamolog.readPage"}, ""},
		{"WorkerFunction", "lambda:InvokeFunction", "worker", []string{"lambdaenv.sender"}, ""},
		{"WorkerFunction", "s3:GetObject", "bodies", []string{"dynamolog.partOf", "dynamolog.reach"}, hasBucket},
		{"WorkerFunction", "s3:PutObject", "bodies", []string{"dynamolog.put", "dynamolog.reach"}, fillsBucket},
		{"WorkerFunction", "sqs:SendMessage", "FailedJobs", []string{"Lambda: DeadLetterQueue"}, ""},

		{"PushFunction", "dynamodb:GetItem", "table", []string{"dynamolog.get"}, ""},
		{"PushFunction", "dynamodb:UpdateItem", "table", []string{"dynamolog.update"}, ""},
		{"PushFunction", "dynamodb:Query", "table", []string{"dynamolog.readPage"}, ""},
		{"PushFunction", "s3:GetObject", "bodies", []string{"dynamolog.partOf"}, hasBucket},
		{"PushFunction", "lambda:InvokeFunction", "push", []string{"lambdaenv.sender"}, ""},
		// https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-eventsourcemapping.html
		{"PushFunction", "dynamodb:DescribeStream", "table/stream/*", []string{"Lambda: PushEventSource"}, ""},
		{"PushFunction", "dynamodb:GetRecords", "table/stream/*", []string{"Lambda: PushEventSource"}, ""},
		{"PushFunction", "dynamodb:GetShardIterator", "table/stream/*", []string{"Lambda: PushEventSource"}, ""},
		{"PushFunction", "dynamodb:ListStreams", "table/stream/*", []string{"Lambda: PushEventSource"}, ""},
		{"PushFunction", "sqs:SendMessage", "FailedPushes", []string{"Lambda: PushEventSource, EventInvokeConfig"}, ""},

		{"CallbackFunction", "dynamodb:GetItem", "table", []string{"dynamolog.get", "dynamolog.readSecret"}, hasCallbacks},
		{"CallbackFunction", "dynamodb:PutItem", "table", []string{"dynamolog.putIf", "dynamolog.putPartItem"}, hasCallbacks},
		{"CallbackFunction", "dynamodb:UpdateItem", "table", []string{"dynamolog.update"}, hasCallbacks},
		{"CallbackFunction", "dynamodb:Query", "table", []string{"dynamolog.readPage"}, hasCallbacks},
		{"CallbackFunction", "lambda:InvokeFunction", "worker", []string{"lambdaenv.sender"}, hasCallbacks},
		{"CallbackFunction", "s3:GetObject", "bodies", []string{"dynamolog.partOf", "dynamolog.reach"}, hasCallbacks + " " + hasBucket},
		{"CallbackFunction", "s3:PutObject", "bodies", []string{"dynamolog.put", "dynamolog.reach"}, hasCallbacks + " " + fillsBucket},

		{"SweeperFunction", "dynamodb:GetItem", "table", []string{"dynamolog.Places", "dynamolog.freshMark"}, ""},
		{"SweeperFunction", "dynamodb:BatchGetItem", "table", []string{"dynamolog.batch"}, ""},
		{"SweeperFunction", "dynamodb:UpdateItem", "table", []string{"dynamolog.update"}, ""},
		{"SweeperFunction", "dynamodb:Query", "table", []string{"dynamolog.readPage"}, ""},
		{"SweeperFunction", "dynamodb:Query", "table/index/running", []string{"dynamolog.due"}, ""},
		{"SweeperFunction", "s3:GetObject", "bodies", []string{"dynamolog.partOf"}, hasBucket},
		{"SweeperFunction", "lambda:InvokeFunction", "worker", []string{"lambdaenv.sender"}, ""},
		{"SweeperFunction", "lambda:InvokeFunction", "push", []string{"lambdaenv.sender"}, ""},

		{"HookFunction", "lambda:InvokeFunction", "agent's versions", []string{"main.ask"}, ""},
		{"HookFunction", "lambda:InvokeFunction", "the worker", []string{"main.ask"}, ""},
		{"HookFunction", "lambda:InvokeFunction", "the push function", []string{"main.ask"}, ""},
		{"HookFunction", "lambda:InvokeFunction", "the sweeper", []string{"main.ask"}, ""},
		{"HookFunction", "lambda:InvokeFunction", "the callback function", []string{"main.ask"}, hasCallbacks},
		{"HookFunction", "codedeploy:PutLifecycleEventHookExecutionStatus", "deployments", []string{"main.handle"}, ""},
	},
	model("AgentFunction", "WorkerFunction"),
	[]Need{
		{"AgentFunction", "ssm:GetParameter", "the agent's file", []string{"hosted.inStore"}, "HasAgentConfig"},
		{"WorkerFunction", "ssm:GetParameter", "the agent's file", []string{"hosted.inStore"}, "HasAgentConfig"},
	},
)

const hasCallbacks, hasBucket, fillsBucket, hasModel = "HasCallbacks", "HasBucket", "FillsBucket", "HasModel"

// logs are Lambda's own calls for each function, in its log group.
func logs(when string, functions ...string) []Need {
	var needs []Need
	for _, f := range functions {
		for _, action := range []string{"logs:CreateLogStream", "logs:PutLogEvents"} {
			needs = append(needs, Need{f, action, "log group", []string{"Lambda: LoggingConfig"}, when})
		}
	}
	return needs
}

// model are the calls of functions with a model, with or without an inference profile.
func model(functions ...string) []Need {
	var needs []Need
	for _, f := range functions {
		for _, on := range []string{"model", "profile", "models of the profile"} {
			needs = append(needs, Need{f, "bedrock:InvokeModelWithResponseStream", on, []string{"bedrock.input"}, hasModel})
		}
		needs = append(needs, Need{f, "bedrock:ApplyGuardrail", "guardrail", []string{"Bedrock: GuardrailConfig"}, "HasGuardrail"})
	}
	return needs
}

const arnOfFunction = "arn:aws:lambda:us-east-1:111122223333:function:stack-"

// places are resources as a policy names them, by their names in Needs.
var places = map[string]string{
	"table":             "${TaskTable.Arn}",
	"table/index/owner": "${TaskTable.Arn}/index/owner", "table/index/running": "${TaskTable.Arn}/index/running",
	"table/stream/*": "${TaskTable.Arn}/stream/*",
	// By name, because a function that invokes itself cannot refer to itself.
	"worker": arnOfFunction + "worker", "push": arnOfFunction + "push",
	"agent's versions": "${AgentFunction.Arn}:*", "the worker": "${WorkerFunction.Arn}",
	"the push function": "${PushFunction.Arn}", "the sweeper": "${SweeperFunction.Arn}",
	"the callback function": "${CallbackFunction.Arn}",
	"deployments":           "arn:aws:codedeploy:us-east-1:111122223333:deploymentgroup:${ServerlessDeploymentApplication}/*",
	"bodies":                "${BodiesBucket.Arn}/*",
	"FailedJobs":            "${FailedJobs.Arn}", "FailedPushes": "${FailedPushes.Arn}",
	"model":                 "arn:aws:bedrock:us-east-1::foundation-model/" + Model,
	"profile":               "arn:aws:bedrock:us-east-1:111122223333:inference-profile/" + Model,
	"guardrail":             "arn:aws:bedrock:us-east-1:111122223333:guardrail/" + Guardrail,
	"models of the profile": "arn:aws:bedrock:*::foundation-model/*",
	"the agent's file":      "arn:aws:ssm:us-east-1:111122223333:parameter" + AgentConfig,
}

// Model is the ModelId of a stack that is compared with Needs.
const Model = "us.amazon.nova-lite-v1:0"

// Guardrail is the id of such a stack's guardrail.
const Guardrail = "abc123"

// AgentConfig is the name of the parameter that has such a stack's file.
const AgentConfig = "/clerk/agent.yaml"

// Place returns a need's On as a policy names it.
func (n Need) Place(s *Stack) string {
	if n.On == "log group" {
		config, _ := s.Resources[n.Function].Properties["LoggingConfig"].(map[string]any)
		group, _ := config["LogGroup"].(string)
		return strings.TrimSuffix(group, "}") + ".Arn}" // its streams, too: it ends with :*
	}
	return places[n.On]
}
