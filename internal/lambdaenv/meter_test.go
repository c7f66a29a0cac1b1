package lambdaenv

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"a2alambda/internal/dynamolog"
	"a2alambda/internal/tasklog"
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

// TestMeterShared has three tasks wait for somebody. The item of the first is put alone; while it is
// under way, those of the others share a request, of which one statement is throttled.
func TestMeterShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		batches := 0
		client := clientFunc(func(r *http.Request) (*http.Response, error) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			answer := `{"ConsumedCapacity":{"TableName":"t","CapacityUnits":3}}`
			if !strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".PutItem") {
				batches++
				answers := []string{`{"TableName":"t"}`, `{"Error":{"Code":"ThrottlingError","Message":"slow down"}}`}
				units := []string{`{"TableName":"t","CapacityUnits":2}`, `{"TableName":"t","CapacityUnits":0}`}
				if text := string(body); strings.Index(text, "task-2") < strings.Index(text, "task-1") {
					slices.Reverse(answers)
					slices.Reverse(units)
				}
				if !strings.Contains(string(body), `"ReturnConsumedCapacity":"TOTAL"`) {
					t.Errorf("asked for no units: %s", body)
				}
				answer = fmt.Sprintf(`{"Responses":[%s],"ConsumedCapacity":[%s]}`, strings.Join(answers, ","), strings.Join(units, ","))
			} else if strings.Contains(string(body), `"task-0"`) {
				time.Sleep(time.Second)
			}
			return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(answer)), ContentLength: int64(len(answer))}, nil
		})
		l := dynamolog.New(DynamoDB(aws.Config{
			Region: "us-east-1", HTTPClient: client, Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
		}), "t")
		l.Share()
		var all sync.WaitGroup
		var lines [3]strings.Builder
		for i := range lines {
			all.Go(func() {
				usage := new(telemetry.Usage)
				h := tasklog.Head{ID: a2a.TaskID(fmt.Sprint("task-", i)), Expires: time.Now().Add(time.Hour)}
				if err := l.OpenWait(telemetry.With(t.Context(), usage), h, "a", ""); err != nil {
					t.Error(err)
				}
				var line telemetry.Line
				line.Usage(usage)
				line.Log(t.Context(), slog.New(slog.NewJSONHandler(&lines[i], nil)), "done")
			})
			synctest.Wait()
		}
		all.Wait()
		for i, want := range []string{`,"writeUnits":3}`, `,"writeUnits":2}`, `,"writeUnits":3,"throttles":1}`} {
			if got := strings.TrimSpace(lines[i].String()); !strings.HasSuffix(got, want) {
				t.Errorf("task %d: logged %s, want %s", i, got, want)
			}
		}
		if batches != 1 {
			t.Errorf("%d shared requests, want one", batches)
		}
	})
}

type clientFunc func(*http.Request) (*http.Response, error)

func (f clientFunc) Do(r *http.Request) (*http.Response, error) { return f(r) }
