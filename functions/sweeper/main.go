// Command sweeper is the Lambda function that finds tasks whose run was cut off, for a worker to resume or end them, and push
// notifications that are due, for the push function to deliver them. It is invoked each minute; what the event says does not
// matter.
//
// usage.txt lists the environment.
package main

import (
	"context"
	_ "embed"
	"errors"
	"log"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"a2alambda/internal/cloud"
	"a2alambda/internal/push"
	"a2alambda/internal/telemetry"
	"a2alambda/internal/usage"
)

//go:embed usage.txt
var help string

func main() {
	usage.Exit(help)
	ctx, table := context.Background(), os.Getenv("TABLE_NAME")
	runner, _, err := cloud.NewRunner(ctx, table, os.Getenv("WORKER_FUNCTION_NAME"), nil)
	if err != nil {
		log.Fatal("sweeper: ", err)
	}
	runner.Logger = cloud.NewLogger(os.Getenv("SERVICE_NAME"))
	pushes, invoke, err := cloud.NewPush(ctx, table, os.Getenv("PUSH_FUNCTION_NAME"))
	if err != nil {
		log.Fatal("sweeper: ", err)
	}
	lambda.Start(func(ctx context.Context) error {
		used, begun := new(telemetry.Usage), time.Now()
		ctx = telemetry.With(ctx, used)
		n, err := runner.Sweep(ctx)
		due, pushErr := push.Sweep(ctx, pushes, invoke)
		err = errors.Join(err, pushErr)
		line := new(telemetry.Line)
		line.Count("running", int64(n))
		line.Count("due", int64(due))
		line.Took("sweepMs", time.Since(begun))
		line.Usage(used)
		line.Log(ctx, runner.Logger, telemetry.Sweep)
		return err
	})
}
