package dynamolog

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// A process with a thousand runs spends most of its CPU on requests to the table, not on what they
// carry. So new items of many tasks share one: each is an INSERT of PartiQL, which puts an item where
// none is, for as many write units as a PutItem. The statements of a request are independent: one that
// fails does not stop the others.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ql-reference.multiplestatements.batching.html
//
// An INSERT that fails is no answer: whatever the reason, the item is put by a request of its own,
// which may be repeated, as each put may.

const (
	// insertMost is how many statements DynamoDB takes in one request.
	insertMost = 25

	// insertAlone is how many puts are under way at most when another one is sent by itself, at once.
	insertAlone = 1

	// insertGap is how long the first of those that share a request waits for others.
	insertGap = 10 * time.Millisecond

	// insertWithin is how long such a request may take.
	insertWithin = 3 * time.Second

	// insertBody is the largest body that shares a request, in bytes.
	insertBody = 4 << 10

	// insertRest is how long no request is shared after one that failed. A role may lack the right
	// dynamodb:PartiQLInsert.
	insertRest = 10 * time.Second
)

// inserts shares requests among puts of new items.
type inserts struct {
	client client
	table  string
	alone  int           // insertAlone; tests have another
	pause  time.Duration // insertRest; tests have another

	mu       sync.Mutex
	underWay int // puts, those in waiting included
	waiting  []*insert
	timer    *time.Timer // of those in waiting
	rest     time.Time   // until when no request is shared
}

// insert is a put that shares a request.
type insert struct {
	ctx  context.Context
	it   item
	done chan bool // whether the item was put
}

// Share has the log put new items of different tasks by one request, where several are put at once. Such
// a put takes up to [insertGap] longer. It is for a process with many runs, and is called before the
// log is used.
func (l *Log) Share() {
	l.inserts = &inserts{client: l.client, table: l.table, alone: insertAlone, pause: insertRest}
}

// put puts the item where none is, with others by one request; or it calls alone, which puts it by one
// of its own.
func (g *inserts) put(ctx context.Context, it item, alone func() error) error {
	if g == nil {
		return alone()
	}
	g.mu.Lock()
	g.underWay++
	defer g.end()
	if g.underWay <= g.alone || len(it.bin(attrBody)) > insertBody || time.Now().Before(g.rest) {
		g.mu.Unlock()
		return alone()
	}
	one := &insert{ctx, it, make(chan bool, 1)}
	g.waiting = append(g.waiting, one)
	switch len(g.waiting) {
	case 1:
		g.timer = time.AfterFunc(insertGap, g.due)
	case insertMost:
		g.timer.Stop()
		go g.share(g.take())
	}
	g.mu.Unlock()
	select {
	case done := <-one.done:
		if done {
			return nil
		}
	case <-ctx.Done():
	}
	return alone()
}

func (g *inserts) end() {
	g.mu.Lock()
	g.underWay--
	g.mu.Unlock()
}

func (g *inserts) due() {
	g.mu.Lock()
	all := g.take()
	g.mu.Unlock()
	g.share(all)
}

// take returns those that wait. g.mu is held.
func (g *inserts) take() []*insert {
	all := g.waiting
	g.waiting = nil
	return all
}

// share puts the items by one request, which has the values of no caller's context.
func (g *inserts) share(all []*insert) {
	all = slices.DeleteFunc(all, func(one *insert) bool { return one.ctx.Err() != nil }) // its caller is gone
	if len(all) == 0 {
		return
	}
	statements := make([]types.BatchStatementRequest, len(all))
	callers := make([]context.Context, len(all))
	for i, one := range all {
		statements[i], callers[i] = g.statement(one.it), one.ctx
	}
	ctx, cancel := context.WithTimeout(context.WithValue(context.Background(), callersKey{}, callers), insertWithin)
	defer cancel()
	responses, err := g.send(ctx, statements)
	if err != nil || slices.ContainsFunc(responses, refused) {
		g.mu.Lock()
		g.rest = time.Now().Add(g.pause)
		g.mu.Unlock()
	}
	for i, one := range all {
		one.done <- err == nil && len(responses) == len(all) && responses[i].Error == nil
	}
}

// send sends the statements once. Whose statement fails, tries again alone.
func (g *inserts) send(ctx context.Context, s []types.BatchStatementRequest) ([]types.BatchStatementResponse, error) {
	out, err := g.client.BatchExecuteStatement(ctx, &dynamodb.BatchExecuteStatementInput{Statements: s})
	if err != nil {
		return nil, err
	}
	return out.Responses, nil
}

// refused reports whether a statement failed in a way in which the next one is likely to fail, too.
func refused(r types.BatchStatementResponse) bool {
	if r.Error == nil {
		return false
	}
	switch r.Error.Code {
	case types.BatchStatementErrorCodeEnumAccessDenied, types.BatchStatementErrorCodeEnumValidationError,
		types.BatchStatementErrorCodeEnumResourceNotFound:
		return true
	}
	return false
}

// statement returns the statement that puts the item.
func (g *inserts) statement(it item) types.BatchStatementRequest {
	var text strings.Builder
	var values []types.AttributeValue
	text.WriteString(`INSERT INTO "` + g.table + `" VALUE {`)
	for i, name := range slices.Sorted(maps.Keys(it)) {
		if i > 0 {
			text.WriteByte(',')
		}
		text.WriteString("'" + name + "':?")
		values = append(values, it[name])
	}
	text.WriteByte('}')
	return types.BatchStatementRequest{Statement: aws.String(text.String()), Parameters: values}
}

type callersKey struct{}

// Callers returns the contexts of those who share a request, by the context of the request and in the
// order of its statements; or nil.
func Callers(ctx context.Context) []context.Context {
	callers, _ := ctx.Value(callersKey{}).([]context.Context)
	return callers
}
