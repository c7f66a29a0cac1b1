package faults_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"a2alambda/localtest/client"
	"a2alambda/localtest/dynamodblocal"
	"a2alambda/localtest/faults"
)

// harness is a table and a proxy in front of it.
type harness struct {
	*faults.Proxy
	server          *httptest.Server
	through, direct *dynamodb.Client
	table           string
}

func start(t *testing.T, seed uint64) *harness {
	t.Helper()
	h := &harness{direct: dynamodblocal.Client(t), table: fmt.Sprint("faults", time.Now().UnixNano())}
	h.Proxy, h.server = faults.Start(t, dynamodblocal.Endpoint(t), seed)
	options := h.direct.Options()
	options.BaseEndpoint, options.RetryMaxAttempts = &h.server.URL, 1
	h.through = dynamodb.New(options)
	_, err := h.through.CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName:            &h.table,
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("k"), KeyType: types.KeyTypeHash}},
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("k"), AttributeType: types.ScalarAttributeTypeS}},
		BillingMode:          types.BillingModePayPerRequest,
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func item(key, value string) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{
		"k": &types.AttributeValueMemberS{Value: key},
		"v": &types.AttributeValueMemberS{Value: value},
	}
}

func (h *harness) put(t *testing.T, key, value string) error {
	_, err := h.through.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &h.table, Item: item(key, value)})
	return err
}

func (h *harness) get(t *testing.T, client *dynamodb.Client, key string, options ...func(*dynamodb.Options)) string {
	t.Helper()
	out, err := client.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: &h.table, Key: map[string]types.AttributeValue{"k": item(key, "")["k"]}}, options...)
	if err != nil {
		t.Fatal(err)
	}
	v, _ := out.Item["v"].(*types.AttributeValueMemberS)
	if v == nil {
		return ""
	}
	return v.Value
}

// Without faults the proxy changes nothing: the SDK compares each answer's checksum.
func TestCalm(t *testing.T) {
	h := start(t, 1)
	long := strings.Repeat("0123456789", 30_000)
	if err := h.put(t, "a", long); err != nil {
		t.Fatal(err)
	}
	if h.get(t, h.through, "a") != long || h.get(t, h.through, "a", func(o *dynamodb.Options) { o.EnableAcceptEncodingGzip = true }) != long {
		t.Error("got another value")
	}
	_, err := h.through.PutItem(t.Context(), &dynamodb.PutItemInput{
		TableName:                           &h.table,
		Item:                                item("a", ""),
		ConditionExpression:                 aws.String("attribute_not_exists(k)"),
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	if failed := (*types.ConditionalCheckFailedException)(nil); !errors.As(err, &failed) || len(failed.Item) != 2 {
		t.Errorf("the error is %v", err)
	}
	if got := h.Counts(); got != (faults.Counts{Requests: 5}) {
		t.Errorf("%+v", got)
	}
}

func TestThrottle(t *testing.T) {
	h := start(t, 1)
	h.Set(faults.Rates{Throttle: 1})
	err := h.put(t, "a", "1")
	if throttled := (*types.ProvisionedThroughputExceededException)(nil); !errors.As(err, &throttled) || throttled.ErrorMessage() != "a fault as told" {
		t.Errorf("the error is %v", err)
	}
	h.Set(faults.Rates{})
	if got := h.get(t, h.through, "a"); got != "" {
		t.Error("the item was written")
	}
}

func TestFail(t *testing.T) {
	h := start(t, 1)
	h.Set(faults.Rates{Fail: 1})
	err := h.put(t, "a", "1")
	if failed := (*types.InternalServerError)(nil); !errors.As(err, &failed) {
		t.Errorf("the error is %v", err)
	}
	if got := h.get(t, h.direct, "a"); got != "" {
		t.Error("the item was written")
	}
}

// A request that is done and not acknowledged fails in two ways.
func TestLose(t *testing.T) {
	h := start(t, 1)
	h.Set(faults.Rates{Lose: 1})
	status, dropped := 0, 0
	for n := range 20 {
		key := fmt.Sprint(n)
		err := h.put(t, key, "1")
		if failed := (*types.InternalServerError)(nil); errors.As(err, &failed) {
			status++
		} else if err != nil {
			dropped++
		}
		if got := h.get(t, h.direct, key); got != "1" {
			t.Errorf("item %s was not written", key)
		}
	}
	if status == 0 || dropped == 0 || status+dropped != 20 {
		t.Errorf("%d times an error, %d times no answer", status, dropped)
	}
	if got := h.Counts(); got.Lose != 20 {
		t.Errorf("%+v", got)
	}
}

func TestLate(t *testing.T) {
	h := start(t, 1)
	h.Set(faults.Rates{Late: 1})
	begun := time.Now()
	if err := h.put(t, "a", "1"); err != nil {
		t.Fatal(err)
	}
	if d := time.Since(begun); d < faults.MaxDelay/4 {
		t.Errorf("answered after %v", d)
	}
	if got := h.get(t, h.direct, "a"); got != "1" {
		t.Error("the item was not written")
	}
}

// A cut's held requests are done in the end, even if the client has gone, or never.
func TestCut(t *testing.T) {
	for _, lost := range []bool{false, true} {
		t.Run(fmt.Sprintf("lost=%t", lost), func(t *testing.T) {
			h := start(t, 1)
			h.Cut()
			ctx, leave := context.WithCancel(t.Context())
			gone := make(chan error)
			go func() {
				_, err := h.through.PutItem(ctx, &dynamodb.PutItemInput{TableName: &h.table, Item: item("a", "1")})
				gone <- err
			}()
			client.Await(t, time.Millisecond, func() string {
				if held := h.Held(); !slices.Equal(held, []string{"PutItem"}) {
					return fmt.Sprintf("held: %q", held)
				}
				return ""
			})
			leave()
			if err := <-gone; err == nil {
				t.Error("the request was answered")
			}
			if got := h.get(t, h.direct, "a"); got != "" {
				t.Error("the item was written in the cut")
			}
			h.Mend(lost)
			if err := h.put(t, "b", "1"); err != nil { // passes
				t.Error(err)
			}
			h.server.Close() // waits for the held request
			if got := h.get(t, h.direct, "a"); (got == "") != lost {
				t.Errorf("the item is %q", got)
			}
			if len(h.Held()) > 0 {
				t.Errorf("held: %q", h.Held())
			}
		})
	}
}

// The seed decides which faults there are, and the rates how many.
func TestSeed(t *testing.T) {
	endpoint := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(endpoint.Close)
	run := func(seed uint64) (statuses []int, counts faults.Counts) {
		proxy, err := faults.New(endpoint.URL, seed)
		if err != nil {
			t.Fatal(err)
		}
		defer proxy.Close()
		proxy.Set(faults.Rates{Throttle: 0.3, Fail: 0.2})
		for range 1000 {
			answer := httptest.NewRecorder()
			proxy.ServeHTTP(answer, httptest.NewRequest("POST", "/", nil))
			statuses = append(statuses, answer.Code)
		}
		return statuses, proxy.Counts()
	}
	one, counts := run(7)
	same, _ := run(7)
	other, _ := run(8)
	if !slices.Equal(one, same) || slices.Equal(one, other) {
		t.Error("not decided by the seed")
	}
	if counts.Requests != 1000 || counts.Throttle < 250 || counts.Throttle > 350 || counts.Fail < 150 || counts.Fail > 250 || counts.Lose+counts.Late > 0 {
		t.Errorf("%+v", counts)
	}
}
