package dynamolog

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// client is a client whose usual requests are sent in goroutines of their own. The SDK's calls are
// nested a hundred deep, for which Go makes a stack of 16 KB: whoever waits for something between two
// requests would keep that, and in a shared process thousands do.
type client struct{ *dynamodb.Client }

type call[I, O any] = func(context.Context, *I, ...func(*dynamodb.Options)) (*O, error)

func (c client) GetItem(ctx context.Context, in *dynamodb.GetItemInput) (*dynamodb.GetItemOutput, error) {
	return onOwnStack(ctx, in, c.Client.GetItem)
}

func (c client) BatchGetItem(ctx context.Context, in *dynamodb.BatchGetItemInput) (*dynamodb.BatchGetItemOutput, error) {
	return onOwnStack(ctx, in, c.Client.BatchGetItem)
}

func (c client) Query(ctx context.Context, in *dynamodb.QueryInput) (*dynamodb.QueryOutput, error) {
	return onOwnStack(ctx, in, c.Client.Query)
}

func (c client) PutItem(ctx context.Context, in *dynamodb.PutItemInput) (*dynamodb.PutItemOutput, error) {
	return onOwnStack(ctx, in, c.Client.PutItem)
}

func (c client) UpdateItem(ctx context.Context, in *dynamodb.UpdateItemInput) (*dynamodb.UpdateItemOutput, error) {
	return onOwnStack(ctx, in, c.Client.UpdateItem)
}

// BatchExecuteStatement is tried once.
func (c client) BatchExecuteStatement(
	ctx context.Context, in *dynamodb.BatchExecuteStatementInput,
) (*dynamodb.BatchExecuteStatementOutput, error) {
	once := func(o *dynamodb.Options) { o.Retryer = aws.NopRetryer{} }
	return onOwnStack(ctx, in, func(
		ctx context.Context, in *dynamodb.BatchExecuteStatementInput, _ ...func(*dynamodb.Options),
	) (*dynamodb.BatchExecuteStatementOutput, error) {
		return c.Client.BatchExecuteStatement(ctx, in, once)
	})
}

func onOwnStack[I, O any](ctx context.Context, in *I, do call[I, O]) (out *O, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if p := recover(); p != nil { // it would end the process, not the request
				err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
			}
		}()
		out, err = do(ctx, in)
	}()
	<-done
	return out, err
}
