package dynamolog_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"a2alambda/internal/dynamolog"
	"a2alambda/internal/run"
	"a2alambda/internal/server"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/tasklogtest"
	"a2alambda/localtest/dynamodblocal"
)

// retention is how long the servers here keep tasks.
const retention = time.Hour

// owner is an owner in a table, with many tasks.
type owner struct {
	client *dynamodb.Client
	table  string
	scope  tasklog.Scope
	keys   int // of its list
}

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func number(n int64) types.AttributeValue { return &types.AttributeValueMemberN{Value: fmt.Sprint(n)} }

// fill puts n completed tasks of a context, a second apart. The newest is of the given time.
func (o *owner) fill(t *testing.T, contextID string, n int, newest time.Time) {
	t.Helper()
	h, _ := tasklogtest.NewTask()
	h.Scope, h.ContextID = o.scope, contextID
	task := &a2a.Task{ID: h.ID, ContextID: h.ContextID, Status: a2a.TaskStatus{State: a2a.TaskStateCompleted, Timestamp: &newest}}
	_, err := dynamolog.New(o.client, o.table).Create(t.Context(), h, tasklogtest.EntryOf(task), by("w"))
	must(t, err)
	out, err := o.client.GetItem(t.Context(), &dynamodb.GetItemInput{
		TableName: &o.table, Key: map[string]types.AttributeValue{"pk": text(string(h.ID)), "sk": text("H")},
	})
	must(t, err)
	var writes []types.WriteRequest
	put := func(item map[string]types.AttributeValue) {
		writes = append(writes, types.WriteRequest{PutRequest: &types.PutRequest{Item: item}})
	}
	for i := range n {
		at := newest.Add(-time.Duration(i) * time.Second)
		place := fmt.Sprintf("%013d#%s", at.UnixMilli(), a2a.NewTaskID())
		_, id, _ := strings.Cut(place, "#")
		head := maps.Clone(out.Item)
		delete(head, "run")
		head["pk"], head["po"], head["s"] = text(id), text(place), text(string(a2a.TaskStateCompleted))
		head["li"], head["x"] = text(dynamolog.ListKey(o.scope, i%o.keys)), number(at.Add(retention).Unix())
		put(head)
		put(map[string]types.AttributeValue{
			"pk": text(dynamolog.InContextKey(o.scope, contextID)), "sk": text(place + "#w"), "ttl": head["x"],
		})
	}
	for len(writes) > 0 {
		some := writes[:min(25, len(writes))]
		writes = writes[len(some):]
		out, err := o.client.BatchWriteItem(t.Context(), &dynamodb.BatchWriteItemInput{
			RequestItems: map[string][]types.WriteRequest{o.table: some},
		})
		must(t, err)
		writes = append(writes, out.UnprocessedItems[o.table]...)
	}
}

// costs returns the costs of the operations that a caller can start.
func (o *owner) costs(t *testing.T) map[string]dynamodblocal.Units {
	t.Helper()
	client, meter := dynamodblocal.NewMeter(o.client)
	l := dynamolog.New(client, o.table)
	l.SetExamined(200)
	s := server.New(server.Config{Store: l, Retention: retention, Card: new(a2a.AgentCard), Runner: run.New(run.Config{
		Store: l, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Invoke: func(context.Context, a2a.TaskID) error { return nil },
	})})
	costs := map[string]dynamodblocal.Units{}
	measure := func(what string, do func() error) {
		t.Helper()
		meter.Reset()
		if err := do(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		costs[what] = meter.Units()
	}
	token := ""
	list := func(what string, tasks int, req a2a.ListTasksRequest) {
		t.Helper()
		measure(what, func() error {
			list, err := s.ListTasks(t.Context(), server.Caller{Owner: o.scope.Owner}, &req)
			if err != nil {
				return err
			}
			if len(list.Tasks) != tasks || list.NextPageToken == "" || list.TotalSize > 200 {
				t.Errorf("%s: %d tasks of %d, token %q; want %d, and more", what, len(list.Tasks), list.TotalSize, list.NextPageToken, tasks)
			}
			token = list.NextPageToken
			return nil
		})
	}
	_, err := l.Secret(t.Context())
	must(t, err)
	list("a first page", 20, a2a.ListTasksRequest{PageSize: 20})
	list("the next page", 20, a2a.ListTasksRequest{PageSize: 20, PageToken: token})
	list("a state that none is in", 0, a2a.ListTasksRequest{PageSize: 20, Status: a2a.TaskStateFailed})
	list("the next page of it", 0, a2a.ListTasksRequest{PageSize: 20, Status: a2a.TaskStateFailed, PageToken: token})
	list("a state that all are in", 20, a2a.ListTasksRequest{PageSize: 20, Status: a2a.TaskStateCompleted})
	list("a context that is rare", 0, a2a.ListTasksRequest{PageSize: 20, ContextID: "rare"})
	list("a context that is not", 20, a2a.ListTasksRequest{PageSize: 20, ContextID: "many"})
	for _, c := range []string{"many", "rare"} {
		measure("the last of context "+c, func() error {
			ids, err := l.InContext(t.Context(), o.scope, c, 20)
			if want := map[string]int{"many": 20, "rare": 3}[c]; len(ids) != want {
				t.Errorf("found %d tasks in context %s, want %d", len(ids), c, want)
			}
			return err
		})
	}
	measure("counting", func() error { _, err := l.Count(t.Context(), tasklog.Filter{Scope: o.scope}); return err })
	measure("creating a task", func() error {
		h, first := tasklogtest.NewTask()
		h.Scope, h.ContextID = o.scope, "many"
		_, err := l.Create(t.Context(), h, first, by("w"))
		return err
	})
	return costs
}

// TestSlopes checks that no operation costs more when an owner, or a context, has ten times as many
// tasks.
func TestSlopes(t *testing.T) {
	t.Parallel()
	const n = 600
	for _, name := range []string{"o", ""} {
		var costs [2]map[string]dynamodblocal.Units
		for i, n := range []int{n, 10 * n} {
			client, table := newTable(t)
			o := &owner{client, table, tasklog.Scope{Owner: name}, map[string]int{"o": 4, "": 16}[name]}
			now := time.Now().Truncate(time.Second)
			o.fill(t, "many", n, now)
			o.fill(t, "rare", 2, now.Add(-50*time.Minute))
			costs[i] = o.costs(t)
		}
		for what, few := range costs[0] {
			many := costs[1][what]
			t.Logf("owner %q, %s: %v read units in %d requests, %v write units", name, what, few.Read, few.Requests, few.Write)
			if many.Read > 1.1*few.Read || many.Write > few.Write || many.Requests > few.Requests+2 {
				t.Errorf("owner %q, %s: %+v with %d tasks, %+v with %d", name, what, few, n, many, 10*n)
			}
		}
	}
}

// TestExpiredTasks checks that expired tasks, whose heads stay for two more weeks, cost a list
// nothing.
func TestExpiredTasks(t *testing.T) {
	t.Parallel()
	var costs [2]map[string]dynamodblocal.Units
	for i, expired := range []int{0, 1000} {
		client, table := newTable(t)
		o := &owner{client, table, tasklog.Scope{Owner: "o"}, 4}
		now := time.Now().Truncate(time.Second)
		o.fill(t, "many", 600, now)
		o.fill(t, "rare", 2, now.Add(-50*time.Minute))
		if expired > 0 {
			o.fill(t, "many", expired, now.Add(-retention-time.Minute))
		}
		costs[i] = o.costs(t)
	}
	for what, without := range costs[0] {
		if with := costs[1][what]; with != without {
			t.Errorf("%s: %+v, and %+v with 1000 expired tasks", what, without, with)
		}
	}
}
