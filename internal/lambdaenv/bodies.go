package lambdaenv

import (
	"context"
	"fmt"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"

	"a2alambda/internal/bucket"
	"a2alambda/internal/dynamolog"
	"a2alambda/internal/telemetry"
)

// Bodies returns where the table's large bodies are. New ones go to the bucket with the name, or, if
// it is "", to the table.
func Bodies(cfg aws.Config, name string) (dynamolog.Large, error) {
	if name != "" && !bucket.IsName(name) {
		return dynamolog.Large{}, fmt.Errorf("BUCKET_NAME is %.64q, not the name of a bucket", name)
	}
	c := bucket.Of(cfg, name)
	if client, ok := c.Client.(*awshttp.BuildableClient); ok {
		c.Client = client.WithTransportOptions(func(t *http.Transport) { t.ResponseHeaderTimeout = answerWithin })
	}
	c.Done = meterBucket
	return dynamolog.Large{Bucket: c}, nil
}

// meterBucket adds a request to the usage in its context.
func meterBucket(ctx context.Context, method string, tries []error) {
	throttles := 0
	for _, err := range tries {
		if err != nil && throttled.IsErrorThrottle(err) == aws.TrueTernary {
			throttles++
		}
	}
	u := telemetry.UsageOf(ctx)
	u.Add(0, 0, max(0, len(tries)-1), throttles)
	u.AddObject(method == http.MethodPut)
}
