package dynamolog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

const (
	indexRunning = "running" // the unfinished tasks, by when to look at them; sparse
	indexOwner   = "owner"   // an owner's tasks, by position
)

// Schema returns the request that creates the table, as template.yaml does in a deployment: string
// keys pk and sk, the indexes, paid on demand. A deployment also sets ttl as the attribute that
// expires items.
func Schema(table string) *dynamodb.CreateTableInput {
	return &dynamodb.CreateTableInput{
		TableName: &table,
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: aws.String(attrPK), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: aws.String(attrSK), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: aws.String(attrRunning), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: aws.String(attrLook), AttributeType: types.ScalarAttributeTypeN},
			{AttributeName: aws.String(attrList), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: aws.String(attrPosition), AttributeType: types.ScalarAttributeTypeS},
		},
		KeySchema: []types.KeySchemaElement{
			{AttributeName: aws.String(attrPK), KeyType: types.KeyTypeHash},
			{AttributeName: aws.String(attrSK), KeyType: types.KeyTypeRange},
		},
		GlobalSecondaryIndexes: []types.GlobalSecondaryIndex{{
			IndexName: aws.String(indexRunning),
			KeySchema: []types.KeySchemaElement{
				{AttributeName: aws.String(attrRunning), KeyType: types.KeyTypeHash},
				{AttributeName: aws.String(attrLook), KeyType: types.KeyTypeRange},
			},
			Projection: &types.Projection{ProjectionType: types.ProjectionTypeKeysOnly},
		}, {
			IndexName: aws.String(indexOwner),
			KeySchema: []types.KeySchemaElement{
				{AttributeName: aws.String(attrList), KeyType: types.KeyTypeHash},
				{AttributeName: aws.String(attrPosition), KeyType: types.KeyTypeRange},
			},
			Projection: &types.Projection{
				ProjectionType:   types.ProjectionTypeInclude,
				NonKeyAttributes: []string{attrContext, attrState, attrExpires},
			},
		}},
		BillingMode: types.BillingModePayPerRequest,
	}
}

// CreateTable creates the table of [Schema] if it does not exist, and waits until it can be used.
// It is for local tables; CloudFormation creates those in the cloud.
func CreateTable(ctx context.Context, client *dynamodb.Client, table string) error {
	_, err := client.CreateTable(ctx, Schema(table))
	if exists := (*types.ResourceInUseException)(nil); err != nil && !errors.As(err, &exists) {
		return fmt.Errorf("dynamolog: creating table %s: %w", table, err)
	}
	wait := dynamodb.NewTableExistsWaiter(client, func(o *dynamodb.TableExistsWaiterOptions) {
		o.MinDelay, o.MaxDelay = 50*time.Millisecond, time.Second
	})
	if err := wait.Wait(ctx, &dynamodb.DescribeTableInput{TableName: &table}, time.Minute); err != nil {
		return fmt.Errorf("dynamolog: waiting for table %s: %w", table, err)
	}
	return nil
}
