// Package dynamolog keeps task logs in a DynamoDB table.
//
// All items of a task share its partition key; the sort key tells them apart and orders them:
//
//	A#<ref>#<i>   part i of a body that is too big for the item it belongs to
//	E#<seq>       an append: the events from number seq on, deflated; or a fence, with no event
//	H             the head, with event 1
//	L             the lease, and what its holder is asked; not there before the first renewal
//	P#<id>        a push notification configuration, and how far its delivery has come; see push.go
//
// One item is of no task: the table's secret, see secret.go.
//
// Putting E#<seq> if it is absent is what keeps one order among many writers; where a fence is, only its writer may. Reading
// the range E#… to L backwards begins with the lease, the head and the newest events; reading it forwards from the next
// event brings what is new, and the lease.
package dynamolog

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"a2alambda/internal/tasklog"
)

// Log is a [tasklog.Log], and a [tasklog.Snapshotter], in a DynamoDB table. See [Schema] for what the table must be.
//
// Retries of throttled and failed requests are the client's.
type Log struct {
	client *dynamodb.Client
	table  string
	secret secret
}

// New returns the log in the table. It sends nothing yet.
func New(client *dynamodb.Client, table string) *Log { return &Log{client: client, table: table} }

// Reach returns an error if the table can't be read. It reads what is never there, for a read unit at most.
func (l *Log) Reach(ctx context.Context) error {
	if _, err := l.head(ctx, "none"); err != nil && err != tasklog.ErrNotFound {
		return fmt.Errorf("dynamolog: reaching the table: %w", err)
	}
	return nil
}

// Create implements [tasklog.Log]. It costs one write unit per KB, in one put unless the event is big.
func (l *Log) Create(ctx context.Context, h tasklog.Head, writer string, until time.Time, event []byte) error {
	_, since := tasklog.LastStatus([]tasklog.Event{{JSON: event}})
	item := item{
		attrPK:       str(string(h.ID)),
		attrSK:       str(skHead),
		attrContext:  str(h.ContextID),
		attrCreated:  num(h.Created.Unix()),
		attrExpires:  num(h.Expires.Unix()),
		attrTTL:      num(h.Expires.Add(headStays).Unix()),
		attrWriter:   str(writer),
		attrState:    str(string(a2a.TaskStateSubmitted)),
		attrSeq:      num(1),
		attrRunning:  str(shard(h.ID)),
		attrList:     str(listKey(h.Scope, listShard(h.ID))),
		attrPosition: str(position(tasklog.Position{Time: since, ID: h.ID})),
	}
	putSize(item, h.Size)
	if h.Scope.Owner != "" {
		item[attrOwner] = str(h.Scope.Owner)
	}
	if h.Scope.Tenant != "" {
		item[attrTenant] = str(h.Scope.Tenant)
	}
	request, err := l.putRequest(ctx, h, writer)
	if err != nil {
		return fmt.Errorf("dynamolog: creating task: %w", err)
	}
	maps.Copy(item, request)
	if !until.IsZero() {
		item[attrUntil] = num(until.UnixMilli())
	}
	if h.Push {
		item[attrPush] = num(1)
	}
	if err := l.putBody(ctx, item, h.Expires, ref(1, writer), maxHeadBody, deflate([][]byte{event})); err != nil {
		return fmt.Errorf("dynamolog: creating task: %w", err)
	}
	existing, err := l.put(ctx, item, "attribute_not_exists(#pk)", map[string]string{"#pk": attrPK}, nil)
	if err != nil {
		return fmt.Errorf("dynamolog: creating task: %w", err)
	}
	if existing != nil && existing.str(attrWriter) != writer {
		return tasklog.ErrExists
	}
	return nil
}

// Append implements [tasklog.Log]. It costs one write unit per KB of deflated events.
func (l *Log) Append(ctx context.Context, b tasklog.Batch) error {
	item := item{
		attrPK:     str(string(b.ID)),
		attrSK:     str(skBatch(b.First)),
		attrCount:  num(int64(len(b.Events))),
		attrTTL:    num(b.Expires.Unix()),
		attrWriter: str(b.Writer),
	}
	putSize(item, b.Size)
	if b.State.Terminal() {
		item[attrState] = str(string(b.State))
	}
	if b.Push {
		item[attrPush] = num(1)
	}
	if err := l.putBody(ctx, item, b.Expires, ref(b.First, b.Writer), maxBatchBody, deflate(b.Events)); err != nil {
		return fmt.Errorf("dynamolog: appending: %w", err)
	}
	existing, err := l.put(ctx, item, "attribute_not_exists(#pk) OR #n = :none AND #w = :w",
		map[string]string{"#pk": attrPK, "#n": attrCount, "#w": attrWriter}, values{":none": num(0), ":w": str(b.Writer)})
	if err != nil {
		return fmt.Errorf("dynamolog: appending: %w", err)
	}
	if existing != nil && existing.str(attrWriter) != b.Writer {
		return tasklog.ErrConflict
	}
	return nil
}

// SetStatus implements [tasklog.Log].
func (l *Log) SetStatus(ctx context.Context, id a2a.TaskID, s tasklog.Status) error {
	update := "SET #state = :state, #po = :po, #seq = :seq"
	names := map[string]string{"#pk": attrPK, "#state": attrState, "#po": attrPosition, "#seq": attrSeq}
	if tasklog.Final(s.State) {
		update += " REMOVE #run"
		names["#run"] = attrRunning
	}
	_, _, err := l.update(ctx, id, skHead, update, "attribute_exists(#pk) AND #seq < :seq", names,
		values{":state": str(string(s.State)), ":po": str(position(tasklog.Position{Time: s.Time, ID: id})), ":seq": num(s.Seq)})
	if err != nil {
		return fmt.Errorf("dynamolog: setting status: %w", err)
	}
	return nil
}

// SaveSnapshot implements [tasklog.Snapshotter]. The parts of the snapshot before stay until they expire, so that nobody
// loses what they are reading.
func (l *Log) SaveSnapshot(
	ctx context.Context, h tasklog.Head, writer string, seq int64, lines iter.Seq2[[]byte, error],
) error {
	r := "snapshot." + ref(seq, writer)
	if err := l.putLines(ctx, h.ID, h.Expires, r, lines); err != nil {
		return fmt.Errorf("dynamolog: saving snapshot: %w", err)
	}
	_, _, err := l.update(ctx, h.ID, skHead, "SET #seq = :seq, #ref = :ref",
		"attribute_exists(#pk) AND (attribute_not_exists(#seq) OR #seq < :seq)",
		map[string]string{"#pk": attrPK, "#seq": attrSnapshotSeq, "#ref": attrSnapshotRef},
		values{":seq": num(seq), ":ref": str(r)})
	if err != nil {
		return fmt.Errorf("dynamolog: saving snapshot: %w", err)
	}
	return nil
}

// values are those in an expression, by their placeholders.
type values = map[string]types.AttributeValue

// put puts the item if the condition holds for what is there. If not, it returns that instead.
func (l *Log) put(ctx context.Context, it item, condition string, names map[string]string, vals values) (existing item, err error) {
	_, err = l.client.PutItem(ctx, &dynamodb.PutItemInput{
		TableName:                           &l.table,
		Item:                                it,
		ConditionExpression:                 &condition,
		ExpressionAttributeNames:            names,
		ExpressionAttributeValues:           vals,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	if failed := (*types.ConditionalCheckFailedException)(nil); errors.As(err, &failed) {
		return failed.Item, nil
	}
	return nil, err
}

// update updates the item if the condition holds, and returns it as it is then (but not a head), and whether it was updated.
func (l *Log) update(
	ctx context.Context, id a2a.TaskID, sk, expression, condition string, names map[string]string, vals values,
) (now item, updated bool, err error) {
	in := &dynamodb.UpdateItemInput{
		TableName:                           &l.table,
		Key:                                 item{attrPK: str(string(id)), attrSK: str(sk)},
		UpdateExpression:                    &expression,
		ExpressionAttributeNames:            names,
		ExpressionAttributeValues:           vals,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}
	if condition != "" {
		in.ConditionExpression = &condition
	}
	if sk != skHead {
		in.ReturnValues = types.ReturnValueAllNew
	}
	out, err := l.client.UpdateItem(ctx, in)
	if failed := (*types.ConditionalCheckFailedException)(nil); errors.As(err, &failed) {
		return failed.Item, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	return out.Attributes, true, nil
}

// headStays is how long a head stays after its task has expired. DynamoDB deletes the items of a task one by one, in days and in
// any order; as long as the head is there, nobody makes a new task among what is left of an old one of the same id.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ttl-expired-items.html
const headStays = 14 * 24 * time.Hour

// expired reports whether the task of the head or batch has expired.
func expired(it item) bool {
	at := it.num(attrTTL)
	if it.str(attrSK) == skHead {
		at = it.num(attrExpires)
	}
	return at <= time.Now().Unix()
}
