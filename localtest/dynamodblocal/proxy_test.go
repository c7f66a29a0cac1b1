package dynamodblocal

import (
	"errors"
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"a2alambda/localtest"
)

// TestMetered makes the same requests through the endpoint and through the client: both meters count
// the same.
func TestMetered(t *testing.T) {
	var units []Units
	for _, proxied := range []bool{false, true} {
		c, table := Table(t)
		c, meter := NewMeter(c)
		if proxied {
			var url string
			url, meter = Metered(t, Endpoint(t))
			c = client(url)
		}
		key := Item{"pk": String("a"), "sk": String("b")}
		large := Item{"pk": String("a"), "sk": String("b"), "data": &types.AttributeValueMemberB{Value: make([]byte, 9000)}}
		ctx := t.Context()
		_, err := c.PutItem(ctx, &dynamodb.PutItemInput{TableName: &table, Item: large})
		localtest.Must(t, err)
		_, err = c.PutItem(ctx, &dynamodb.PutItemInput{TableName: &table, Item: key, ConditionExpression: aws.String("attribute_not_exists(pk)")})
		if failed := (*types.ConditionalCheckFailedException)(nil); !errors.As(err, &failed) {
			t.Errorf("the second item: %v", err)
		}
		_, err = c.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: &table, Key: key, UpdateExpression: aws.String("SET x = :x"),
			ExpressionAttributeValues: Item{":x": Number(1)}})
		localtest.Must(t, err)
		for _, consistent := range []bool{true, false} {
			for _, of := range []string{"a", "none"} {
				_, err = c.GetItem(ctx, &dynamodb.GetItemInput{TableName: &table, Key: Item{"pk": String(of), "sk": String("b")}, ConsistentRead: &consistent})
				localtest.Must(t, err)
				_, err = c.Query(ctx, &dynamodb.QueryInput{TableName: &table, ConsistentRead: &consistent,
					KeyConditionExpression: aws.String("pk = :a"), ExpressionAttributeValues: Item{":a": String(of)}})
				localtest.Must(t, err)
			}
		}
		_, err = c.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{
			table: {Keys: []map[string]types.AttributeValue{{"pk": String("c"), "sk": String("d")}, {"pk": String("e"), "sk": String("f")}}}}})
		localtest.Must(t, err)
		insert := fmt.Sprintf(`INSERT INTO "%s" VALUE {'pk':?,'sk':?,'data':?}`, table)
		inserted := func(pk string) types.BatchStatementRequest {
			return types.BatchStatementRequest{Statement: &insert, Parameters: []types.AttributeValue{String(pk), String("b"), large["data"]}}
		}
		out, err := c.BatchExecuteStatement(ctx, &dynamodb.BatchExecuteStatementInput{Statements: []types.BatchStatementRequest{inserted("a"), inserted("new")}})
		localtest.Must(t, err)
		if failed := out.Responses[0].Error; failed == nil || failed.Code != types.BatchStatementErrorCodeEnumDuplicateItem || out.Responses[1].Error != nil {
			t.Errorf("an item that is there, and one that is not: %+v", out.Responses)
		}
		_, err = c.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: &table, Key: Item{"pk": String("c"), "sk": String("d")}})
		localtest.Must(t, err)
		for _, set := range []string{"SET y = :x", "SET y = :x", "ADD y :x"} {
			condition := "attribute_not_exists(y)"
			_, err = c.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
				{Delete: &types.Delete{TableName: &table, Key: Item{"pk": String("c"), "sk": String("d")}}},
				{Update: &types.Update{TableName: &table, Key: Item{"pk": String("e"), "sk": String(fmt.Sprint(len(units)))},
					UpdateExpression: &set, ConditionExpression: &condition, ExpressionAttributeValues: Item{":x": Number(1)}}},
			}})
			if canceled := (*types.TransactionCanceledException)(nil); err != nil && !errors.As(err, &canceled) {
				t.Error(err)
			}
		}
		units = append(units, meter.Units())
	}
	if units[0] != units[1] || units[0].Read < 10 || units[0].Write < 20 {
		t.Errorf("the client counts %+v, the endpoint %+v", units[0], units[1])
	}
}
