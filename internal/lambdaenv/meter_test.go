package lambdaenv

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"a2alambda/internal/telemetry"
)

// TestMeter has a DynamoDB that throttles, refuses and answers, and checks the cost.
func TestMeter(t *testing.T) {
	type answer struct {
		status int
		body   string
	}
	consumed := func(n float64) answer {
		return answer{200, fmt.Sprintf(`{"ConsumedCapacity":{"TableName":"t","CapacityUnits":%v}}`, n)}
	}
	failed := func(status int, code string) answer {
		return answer{status, fmt.Sprintf(`{"__type":"com.amazonaws.dynamodb.v20120810#%s","message":"no"}`, code)}
	}
	var answers []answer // those to come
	var asked []string   // operations, with + if they ask for consumed units
	engine := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		if strings.Contains(string(body), `"ReturnConsumedCapacity":"TOTAL"`) {
			operation += "+"
		}
		asked = append(asked, operation)
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		w.WriteHeader(answers[0].status)
		io.WriteString(w, answers[0].body)
		answers = answers[1:]
	}))
	defer engine.Close()
	client := DynamoDB(aws.Config{
		Region: "us-east-1", BaseEndpoint: &engine.URL, Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
	})
	table, key := aws.String("t"), map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: "x"}}
	for _, request := range []struct {
		send    func(context.Context) error
		answers []answer
		asked   string
		fields  string // of the line that is logged
	}{
		{func(ctx context.Context) error {
			_, err := client.PutItem(ctx, &dynamodb.PutItemInput{TableName: table, Item: key})
			return err
		}, []answer{failed(400, "ProvisionedThroughputExceededException"), failed(500, "InternalServerError"), consumed(3)},
			"PutItem+ PutItem+ PutItem+", `,"writeUnits":3,"retries":2,"throttles":1`},
		{func(ctx context.Context) error {
			_, err := client.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: table, Key: key})
			return err
		}, []answer{failed(400, "ConditionalCheckFailedException")}, "UpdateItem+", `,"writeUnits":1`},
		{func(ctx context.Context) error {
			_, err := client.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: table, Key: key})
			return err
		}, []answer{consumed(2)}, "DeleteItem+", `,"writeUnits":2`},
		{func(ctx context.Context) error {
			_, err := client.GetItem(ctx, &dynamodb.GetItemInput{TableName: table, Key: key})
			return err
		}, []answer{consumed(0.5)}, "GetItem+", `,"readUnits":0.5`},
		{func(ctx context.Context) error {
			_, err := client.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{
				"t": {Keys: []map[string]types.AttributeValue{key}},
			}})
			return err
		}, []answer{{200, `{"ConsumedCapacity":[{"TableName":"t","CapacityUnits":1.5}]}`}}, "BatchGetItem+", `,"readUnits":1.5`},
		{func(ctx context.Context) error {
			_, err := client.Query(ctx, &dynamodb.QueryInput{TableName: table})
			return err
		}, []answer{consumed(8.5)}, "Query+", `,"readUnits":8.5`},
		{func(context.Context) error { // without a usage
			_, err := client.Query(t.Context(), &dynamodb.QueryInput{TableName: table})
			return err
		}, []answer{{200, "{}"}}, "Query", ""},
	} {
		answers, asked = request.answers, nil
		last := answers[len(answers)-1].status
		usage := new(telemetry.Usage)
		if err := request.send(telemetry.With(t.Context(), usage)); (err != nil) != (last != 200) {
			t.Errorf("%s: %v", request.asked, err)
		}
		if got := strings.Join(asked, " "); got != request.asked {
			t.Errorf("asked %s, want %s", got, request.asked)
		}
		var line telemetry.Line
		var got strings.Builder
		line.Usage(usage)
		line.Log(t.Context(), slog.New(slog.NewJSONHandler(&got, nil)), "done")
		if want := `"msg":"done"` + request.fields + "}\n"; !strings.HasSuffix(got.String(), want) {
			t.Errorf("%s: logged %swant %s", request.asked, got.String(), want)
		}
	}
}
