// Command hook is the Lambda function that CodeDeploy invokes before a new version of the agent gets requests. It invokes that version,
// and the other functions, with an event that each answers without doing anything, and tells CodeDeploy whether all of them could. A
// version that cannot start, because of a value that it does not take for example, never gets a request: CodeDeploy leaves the alias
// where it is, and CloudFormation takes back the rest. Why is in the log.
//
// https://docs.aws.amazon.com/codedeploy/latest/userguide/reference-appspec-file-structure-hooks.html#appspec-hooks-lambda
//
// The environment:
//
//	FUNCTIONS                  the functions, names or ARNs, with spaces between them.
//	AWS_ENDPOINT_URL_LAMBDA, AWS_ENDPOINT_URL_CODEDEPLOY
//	                           where these are, if not at AWS.
package main

import (
	"context"
	"log/slog"
	"os"
	"strings"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"
	invoking "github.com/aws/aws-sdk-go-v2/service/lambda"

	"a2alambda/internal/cloud"
)

func main() {
	cfg, err := cloud.Config(context.Background())
	if err != nil {
		cloud.Fail("hook", err)
	}
	h := &hook{
		functions: strings.Fields(os.Getenv("FUNCTIONS")),
		invoke: invoking.NewFromConfig(cfg, func(o *invoking.Options) {
			// An account that is busy is no reason to take a version back.
			o.Retryer = retry.AddWithMaxAttempts(retry.NewStandard(), attempts)
		}),
		tell: codedeploy.NewFromConfig(cfg),
		log:  lambdacontext.NewLogger(),
	}
	lambda.Start(h.handle)
}

// event is what CodeDeploy invokes a hook with.
type event struct {
	DeploymentID string `json:"DeploymentId"`
	ExecutionID  string `json:"LifecycleEventHookExecutionId"`
}

type hook struct {
	functions []string
	invoke    *invoking.Client
	tell      *codedeploy.Client
	log       *slog.Logger
}

// handle checks the functions. An error means that CodeDeploy could not be told.
func (h *hook) handle(ctx context.Context, e event) error {
	status := types.LifecycleEventStatusSucceeded
	if !h.check(ctx) {
		status = types.LifecycleEventStatusFailed
	}
	_, err := h.tell.PutLifecycleEventHookExecutionStatus(ctx, &codedeploy.PutLifecycleEventHookExecutionStatusInput{
		DeploymentId:                  aws.String(e.DeploymentID),
		LifecycleEventHookExecutionId: aws.String(e.ExecutionID),
		Status:                        status,
	})
	return err
}
