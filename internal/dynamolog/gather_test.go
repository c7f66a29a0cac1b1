package dynamolog_test

import (
	"context"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go/middleware"

	"a2alambda/internal/dynamolog"
	"a2alambda/internal/tasklog"
	"a2alambda/localtest/dynamodblocal"
)

// TestPriceOfGathering compares a poll with what it would cost to gather polls of many tasks in one
// request: that cannot ask for a range, and charges for each item. See the architecture.
func TestPriceOfGathering(t *testing.T) {
	t.Parallel()
	client, table := newTable(t)
	client, cost := dynamodblocal.NewMeter(client)
	l := dynamolog.New(client, table)
	h, _, lease := create(t, l)
	_, err := lease.Renew(t.Context(), time.Now().Add(time.Minute))
	must(t, err)
	cost.Reset()
	_, err = l.Poll(t.Context(), h.ID, 1, true)
	must(t, err)
	alone := cost.Units()
	cost.Reset()
	var keys []map[string]types.AttributeValue
	for _, sk := range []string{"H", "L", "E#000000000002"} {
		keys = append(keys, map[string]types.AttributeValue{
			"pk": &types.AttributeValueMemberS{Value: string(h.ID)}, "sk": &types.AttributeValueMemberS{Value: sk},
		})
	}
	out, err := client.BatchGetItem(t.Context(), &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{table: {Keys: keys}}})
	must(t, err)
	if n := len(out.Responses[table]); n != 2 {
		t.Errorf("%d items, want head and lease", n)
	}
	if gathered := cost.Units(); alone.Requests != 1 || alone.Read != 0.5 || gathered.Read != 3*alone.Read {
		t.Errorf("a poll costs %+v alone, and %+v in a request with others", alone, gathered)
	}
}

// TestUnreadLooks has the table leave out what a sweep asks for: once, and again and again.
func TestUnreadLooks(t *testing.T) {
	t.Parallel()
	client, table := newTable(t)
	left := 1 // how many requests are not answered
	o := client.Options()
	o.APIOptions = append(o.APIOptions, func(s *middleware.Stack) error {
		return s.Initialize.Add(middleware.InitializeMiddlewareFunc("unread", func(
			ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
		) (middleware.InitializeOutput, middleware.Metadata, error) {
			if p, ok := in.Parameters.(*dynamodb.BatchGetItemInput); ok && left > 0 {
				left--
				return middleware.InitializeOutput{Result: &dynamodb.BatchGetItemOutput{UnprocessedKeys: p.RequestItems}}, middleware.Metadata{}, nil
			}
			return next.HandleInitialize(ctx, in)
		}), middleware.After)
	})
	h, _, lease := create(t, dynamolog.New(client, table))
	_, err := lease.Renew(t.Context(), time.Now().Add(time.Hour))
	must(t, err)
	due := func() (found []tasklog.Look, failed error) {
		for shard := range tasklog.Shards { // each log reads the new tasks once more
			looks, _, err := dynamolog.New(dynamodb.New(o), table).Due(t.Context(), shard, time.Now().Add(time.Hour), "", 10)
			if found = append(found, looks...); err != nil {
				failed = err
			}
		}
		return found, failed
	}
	for left = 1; left <= 2; left++ { // the head, and then the lease
		n := left
		found, err := due()
		if err != nil || len(found) != 1 || found[0].ID != h.ID || !found[0].Held {
			t.Errorf("after %d requests that were not answered: %+v, %v", n, found, err)
		}
		left = n
	}
	left = 1000
	if found, err := due(); err == nil {
		t.Errorf("of requests that are never answered: %+v", found)
	}
}
