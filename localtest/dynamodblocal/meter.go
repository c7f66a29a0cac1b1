package dynamodblocal

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go/middleware"
)

// Meter counts what a client's requests cost in DynamoDB's units, including its indexes.
type Meter struct {
	mu    sync.Mutex
	units Units
}

// Units are what DynamoDB bills on demand: a write unit for 1 KB written, a read unit for 4 KB read
// with strong consistency.
type Units struct {
	Requests    int
	Writes      int // number of requests
	Read, Write float64
}

// Units returns the sum since the last reset.
func (m *Meter) Units() Units {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.units
}

// Reset begins a new count.
func (m *Meter) Reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.units = Units{}
}

func (m *Meter) add(u Units) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.units.Requests += u.Requests
	m.units.Writes += u.Writes
	m.units.Read += u.Read
	m.units.Write += u.Write
}

// NewMeter returns a client like c, and its meter. The meter adds what DynamoDB Local leaves out of
// its figures: DynamoDB bills a read that finds nothing as one that finds a little, and a write
// whose condition fails by the size of the item that is there.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html
//
// Operations that dynamolog does not use have no price here: they fail.
func NewMeter(c *dynamodb.Client) (*dynamodb.Client, *Meter) {
	m := new(Meter)
	o := c.Options()
	o.APIOptions = append(o.APIOptions, func(s *middleware.Stack) error {
		return s.Initialize.Add(middleware.InitializeMiddlewareFunc("meter", m.handle), middleware.After)
	})
	return dynamodb.New(o), m
}

func (m *Meter) handle(
	ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
) (out middleware.InitializeOutput, md middleware.Metadata, err error) {
	const total = types.ReturnConsumedCapacityTotal
	var consistent *bool // of a read
	u := Units{Requests: 1}
	switch p := in.Parameters.(type) {
	case *dynamodb.PutItemInput:
		u.Writes, p.ReturnConsumedCapacity = 1, total
	case *dynamodb.UpdateItemInput:
		u.Writes, p.ReturnConsumedCapacity = 1, total
	case *dynamodb.DeleteItemInput:
		u.Writes, p.ReturnConsumedCapacity = 1, total
	case *dynamodb.TransactWriteItemsInput: // each of its writes costs twice what it would alone
		u.Writes, u.Write, p.ReturnConsumedCapacity = len(p.TransactItems), 2*float64(len(p.TransactItems)), total
	case *dynamodb.BatchExecuteStatementInput: // dynamolog's insert items
		u.Writes, u.Write, p.ReturnConsumedCapacity = len(p.Statements), float64(len(p.Statements)), total
	case *dynamodb.QueryInput:
		p.ReturnConsumedCapacity, consistent = total, p.ConsistentRead
	case *dynamodb.GetItemInput:
		p.ReturnConsumedCapacity, consistent = total, p.ConsistentRead
	case *dynamodb.BatchGetItemInput: // dynamolog's are eventually consistent, and of one table
		p.ReturnConsumedCapacity = total
	default:
		return out, md, fmt.Errorf("dynamodblocal: the meter has no price for %T", p)
	}
	least := 0.5
	if batch, ok := in.Parameters.(*dynamodb.BatchGetItemInput); ok {
		// An item that is not there costs as one that is small.
		for _, of := range batch.RequestItems {
			least = 0.5 * float64(len(of.Keys))
		}
	}
	if consistent != nil && *consistent {
		least = 1
	}
	out, md, err = next.HandleInitialize(ctx, in)
	if failed := (*types.ConditionalCheckFailedException)(nil); errors.As(err, &failed) {
		u.Write = 1 // more if the stored item is larger than 1 KB; most are not
	}
	if err == nil {
		switch r := out.Result.(type) {
		case *dynamodb.PutItemOutput:
			u.Write = *r.ConsumedCapacity.CapacityUnits
		case *dynamodb.UpdateItemOutput:
			u.Write = *r.ConsumedCapacity.CapacityUnits
		case *dynamodb.DeleteItemOutput:
			u.Write = max(1, *r.ConsumedCapacity.CapacityUnits)
		case *dynamodb.TransactWriteItemsOutput: // of one table
			u.Write = max(u.Write, *r.ConsumedCapacity[0].CapacityUnits)
		case *dynamodb.BatchExecuteStatementOutput:
			consumed := 0.0
			for _, c := range r.ConsumedCapacity { // of each statement, or of the table
				consumed += *c.CapacityUnits
			}
			u.Write = max(u.Write, consumed)
		case *dynamodb.QueryOutput:
			u.Read = max(least, *r.ConsumedCapacity.CapacityUnits)
		case *dynamodb.GetItemOutput:
			u.Read = max(least, *r.ConsumedCapacity.CapacityUnits)
		case *dynamodb.BatchGetItemOutput:
			u.Read = least
			for _, of := range r.UnprocessedKeys {
				u.Read -= 0.5 * float64(len(of.Keys))
			}
		}
	}
	m.add(u)
	return out, md, err
}
