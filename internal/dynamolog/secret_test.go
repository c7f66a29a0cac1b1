package dynamolog_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go/middleware"

	"a2alambda/internal/dynamolog"
	"a2alambda/localtest/dynamodblocal"
)

// TestSecret has eight processes ask a new table for its secret at once. Their requests fail, or
// are done without an answer. All get the same secret, which is in the table and never expires.
// Other tables have others.
func TestSecret(t *testing.T) {
	t.Parallel()
	direct, table := newTable(t)
	var n atomic.Int64
	client := with(direct, middleware.FinalizeMiddlewareFunc("faults", func(
		ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler,
	) (middleware.FinalizeOutput, middleware.Metadata, error) {
		fault := n.Add(1) % 6
		if fault == 1 {
			return middleware.FinalizeOutput{}, middleware.Metadata{}, serverError("try again")
		}
		out, md, err := next.HandleFinalize(ctx, in)
		if fault == 2 && err == nil {
			err = serverError("lost")
		}
		return out, md, err
	}))
	secrets := make([][]byte, 8)
	var asking sync.WaitGroup
	for i := range secrets {
		asking.Go(func() {
			var err error
			if secrets[i], err = dynamolog.New(client, table).Secret(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	asking.Wait()
	for _, s := range secrets {
		if len(s) != 32 || !bytes.Equal(s, secrets[0]) {
			t.Errorf("one has the secret %x, another %x", secrets[0], s)
		}
	}
	out, err := direct.Scan(t.Context(), &dynamodb.ScanInput{TableName: &table})
	if err != nil || len(out.Items) != 1 {
		t.Fatalf("%d items, %v", len(out.Items), err)
	}
	it := out.Items[0]
	stored, _ := it["b"].(*types.AttributeValueMemberB)
	if stored == nil || !bytes.Equal(stored.Value, secrets[0]) || it["ttl"] != nil {
		t.Errorf("stored is %v", it)
	}

	other, table := newTable(t)
	if s, err := dynamolog.New(other, table).Secret(t.Context()); err != nil || bytes.Equal(s, secrets[0]) {
		t.Errorf("another table's secret is %x, %v", s, err)
	}
}

// TestSecretCost checks that a process asks once, and asks again after a failure.
func TestSecretCost(t *testing.T) {
	t.Parallel()
	client, table := newTable(t)
	metered, cost := dynamodblocal.NewMeter(client)
	first := dynamolog.New(metered, table)
	for range 3 {
		if _, err := first.Secret(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if u := cost.Units(); u.Requests != 2 || u.Write != 1 {
		t.Errorf("in a new table: %d requests, %v write units, want 2 and 1", u.Requests, u.Write)
	}
	cost.Reset()
	second := dynamolog.New(metered, table)
	gone, leave := context.WithCancel(t.Context())
	leave()
	if _, err := second.Secret(gone); !errors.Is(err, context.Canceled) {
		t.Errorf("who does not wait gets %v", err)
	}
	cost.Reset()
	for range 3 {
		if _, err := second.Secret(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if u := cost.Units(); u.Requests != 1 || u.Read != 1 {
		t.Errorf("in a table that has one: %d requests, %v read units, want 1 and 1", u.Requests, u.Read)
	}
}

// TestBrokenSecret has something else in the place of the secret: no ids are made with it.
func TestBrokenSecret(t *testing.T) {
	t.Parallel()
	client, table := newTable(t)
	if _, err := dynamolog.New(client, table).Secret(t.Context()); err != nil {
		t.Fatal(err)
	}
	out, err := client.Scan(t.Context(), &dynamodb.ScanInput{TableName: &table})
	if err != nil {
		t.Fatal(err)
	}
	it := out.Items[0]
	it["b"] = &types.AttributeValueMemberB{Value: []byte("short")}
	if _, err := client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: it}); err != nil {
		t.Fatal(err)
	}
	if s, err := dynamolog.New(client, table).Secret(t.Context()); err == nil || !strings.Contains(err.Error(), "secret") {
		t.Errorf("the secret is %x, %v", s, err)
	}
}
