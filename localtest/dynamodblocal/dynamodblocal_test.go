package dynamodblocal_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"a2alambda/localtest"
	"a2alambda/localtest/dynamodblocal"
)

func TestDynamoDB(t *testing.T) {
	client, name := dynamodblocal.Table(t)
	table := &name
	item := map[string]types.AttributeValue{
		"pk":   &types.AttributeValueMemberS{Value: "a"},
		"sk":   &types.AttributeValueMemberS{Value: "b"},
		"text": &types.AttributeValueMemberS{Value: "🌊"},
	}
	if _, err := client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: table, Item: item}); err != nil {
		t.Fatal(err)
	}
	got, err := client.GetItem(t.Context(), &dynamodb.GetItemInput{
		TableName: table,
		Key:       map[string]types.AttributeValue{"pk": item["pk"], "sk": item["sk"]},
	})
	localtest.Must(t, err)
	if text, _ := got.Item["text"].(*types.AttributeValueMemberS); text == nil || text.Value != "🌊" {
		t.Errorf("read %v, want what was put", got.Item)
	}
}
