// Command hook is the Lambda function that a deployment asks whether the functions work. CodeDeploy
// asks before a new version of the agent gets requests, and CloudFormation when a stack is created,
// which has no version before. It invokes each function with an event that the function answers
// without doing anything. If one cannot start, because of a wrong value for example, or does not
// reach the table, the new version never gets a request: CodeDeploy leaves the alias where it is,
// and CloudFormation rolls the rest back. The log has the reason, and so have the events of a stack
// that is created.
//
// https://docs.aws.amazon.com/codedeploy/latest/userguide/reference-appspec-file-structure-hooks.html#appspec-hooks-lambda
// and
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-custom-resources-lambda.html
//
// usage.txt lists the environment.
package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"strings"

	"github.com/aws/aws-lambda-go/cfn"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"
	invoking "github.com/aws/aws-sdk-go-v2/service/lambda"

	"a2alambda/internal/lambdaenv"
	"a2alambda/internal/usage"
)

//go:embed usage.txt
var help string

func main() {
	usage.Exit(help)
	cfg, err := lambdaenv.Config(context.Background())
	if err != nil {
		lambdaenv.Fail("hook", err)
	}
	h := &hook{
		functions: strings.Fields(os.Getenv("FUNCTIONS")),
		invoke: invoking.NewFromConfig(cfg, func(o *invoking.Options) {
			// A busy account is no reason to roll back.
			o.Retryer = retry.AddWithMaxAttempts(retry.NewStandard(), attempts)
		}),
		tell: codedeploy.NewFromConfig(cfg),
		log:  lambdacontext.NewLogger(),
	}
	lambda.Start(h.handle)
}

type hook struct {
	functions []string
	invoke    *invoking.Client
	tell      *codedeploy.Client
	log       *slog.Logger
}

// handle answers CodeDeploy and CloudFormation. An error means that they did not get the result.
func (h *hook) handle(ctx context.Context, event json.RawMessage) (any, error) {
	var e struct {
		RequestType  string // CloudFormation's
		DeploymentID string `json:"DeploymentId"` // CodeDeploy's
		ExecutionID  string `json:"LifecycleEventHookExecutionId"`
	}
	if err := json.Unmarshal(event, &e); err != nil {
		return nil, err
	}
	switch {
	case e.RequestType != "":
		var request cfn.Event
		if err := json.Unmarshal(event, &request); err != nil {
			return nil, err
		}
		return cfn.LambdaWrap(h.resource)(ctx, request)
	case e.ExecutionID == "":
		return nil, errors.New("the event is neither CodeDeploy's nor CloudFormation's")
	}
	status := types.LifecycleEventStatusSucceeded
	if h.check(ctx) != nil {
		status = types.LifecycleEventStatusFailed
	}
	return h.tell.PutLifecycleEventHookExecutionStatus(ctx, &codedeploy.PutLifecycleEventHookExecutionStatusInput{
		DeploymentId:                  aws.String(e.DeploymentID),
		LifecycleEventHookExecutionId: aws.String(e.ExecutionID),
		Status:                        status,
	})
}

// resource is a custom resource, created only if the functions work. Deleting it does nothing.
func (h *hook) resource(ctx context.Context, e cfn.Event) (id string, data map[string]any, err error) {
	if e.RequestType == cfn.RequestCreate {
		err = h.check(ctx)
	}
	return "check", nil, err
}
