package main

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"golang.org/x/sync/errgroup"

	"a2alambda/localtest/dynamodblocal"
)

// writers is how many write at once to warm an engine.
const writers = 64

// warmUp replaces the engine by one that Java has compiled for speed, as it does for what has run often. Measured, that
// one makes 1,500 writes a second where the other makes 1,100. A thousand streams need as many when they begin.
func (b *bench) warmUp(ctx context.Context) error {
	if b.warm {
		return nil
	}
	b.say("warming DynamoDB Local")
	engine, err := dynamodblocal.Start(ctx, "-XX:TieredStopAtLevel=4", "-XX:+UseSerialGC")
	if err != nil {
		return err
	}
	b.engine.Close()
	b.engine, b.warm = engine, true
	table, err := b.newTable(ctx)
	if err != nil {
		return err
	}
	c := b.engine.Client()
	var group errgroup.Group
	for w := range writers {
		group.Go(func() error {
			for i := range b.warming / writers {
				// An item as it is created, and changed, on a condition.
				update := &dynamodb.UpdateItemInput{
					TableName: &table, Key: map[string]types.AttributeValue{
						"pk": &types.AttributeValueMemberS{Value: fmt.Sprint(w, i/20)},
						"sk": &types.AttributeValueMemberS{Value: fmt.Sprint(i % 20 / 2)},
					},
					UpdateExpression:          aws.String("ADD n :one"),
					ConditionExpression:       aws.String("attribute_not_exists(pk) OR n = :one"),
					ExpressionAttributeValues: map[string]types.AttributeValue{":one": &types.AttributeValueMemberN{Value: "1"}},
				}
				if _, err := c.UpdateItem(ctx, update); err != nil {
					return fmt.Errorf("warming the table: %w", err)
				}
			}
			return nil
		})
	}
	return group.Wait()
}
