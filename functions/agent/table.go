package main

import (
	"context"
	"net/http"
	"os"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"a2alambda/internal/dynamolog"
)

// openTable returns the log in the table. At a local DynamoDB, which has no tables and accepts anybody, it makes the table and
// needs neither region nor credentials.
func openTable(ctx context.Context, table string, local bool) (*dynamolog.Log, error) {
	local = local && os.Getenv("AWS_ENDPOINT_URL_DYNAMODB") != ""
	options := []func(*config.LoadOptions) error{
		config.WithHTTPClient(awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
			// An instance that was frozen wakes up with connections that the other side has closed.
			t.IdleConnTimeout = 45 * time.Second
			t.MaxIdleConnsPerHost = 32
		})),
	}
	if local {
		options = append(options, config.WithDefaultRegion("us-east-1"))
		if os.Getenv("AWS_ACCESS_KEY_ID") == "" && os.Getenv("AWS_PROFILE") == "" {
			options = append(options, config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider("local", "local", "")))
		}
	}
	cfg, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, err
	}
	client := dynamodb.NewFromConfig(cfg)
	if local {
		if err := dynamolog.CreateTable(ctx, client, table); err != nil {
			return nil, err
		}
	}
	return dynamolog.New(client, table), nil
}
