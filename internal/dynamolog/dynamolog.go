// Package dynamolog keeps task logs in a DynamoDB table.
//
// All items of a task share its partition key. The sort key says what an item is, and orders them:
//
//	A#<ref>#<i>   part i of a body that is too big for the item it belongs to, or the name of an object
//	              in a bucket that has it; see large.go
//	E#<seq>       an append: the events from number seq on, deflated; or a fence, with no event
//	H             the head, with event 1
//	L             the lease, and what its holder is asked; not there before the first renewal
//	O             what went out to webhooks; see push.go
//	P#<id>        a push notification configuration, and how far its delivery has come; see push.go
//	R#<place>     entries of the journal from a place on, deflated; or a fence, with no entry
//	S#<seq>       the ref of the snapshot as of event seq
//	S+<seq>       the same, of a snapshot that refers to events of the log
//	T#            the instances that follow the task; see seats.go
//	W#<name>      a wait, and what has come for it; see wait.go
//
// Some items belong to no task: those that list the tasks of a context, see context.go; those that
// tell a process that something is asked of a lease's holder, see question.go; those that
// have a sweep find new tasks, see fresh.go; the secret of the table, see secret.go; and the places of
// the sweeps, see looks.go.
//
// E#<seq> is put only if it is absent. That keeps one order among many writers. Where a fence is,
// only its writer may put. The range E#… to L, read backwards, begins with the lease, the head and
// the newest events. Read forwards from the next event, it has the new events and the lease.
package dynamolog

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"golang.org/x/sync/errgroup"

	"a2alambda/internal/tasklog"
)

// Log is a [tasklog.Store] in a DynamoDB table. [Schema] describes the table.
//
// The client retries requests that are throttled or fail; throttle.go says what differs.
type Log struct {
	looks
	client   client
	table    string
	lag      time.Duration // statusLag; tests have another
	examined int
	large    large
	secret   secret
	sharer   sharer
	fresher  fresher
	inserts  *inserts // nil, unless Share was called
}

// New returns the log in the table. It sends nothing yet.
func New(c *dynamodb.Client, table string) *Log { return NewWith(c, table, Large{}) }

// NewWith is New, for a table whose large bodies are in a bucket.
func NewWith(c *dynamodb.Client, table string, bodies Large) *Log {
	l := &Log{client: client{patient(c)}, table: table, lag: statusLag, examined: examined, large: newLarge(bodies)}
	l.looks = looks{log: l}
	return l
}

// Reach returns an error if the table can't be read, or the bucket of new bodies can't be used. It
// reads an item that never exists, for one read unit at most, and puts a small object.
func (l *Log) Reach(ctx context.Context) error {
	if _, err := l.head(ctx, "none"); err != nil && !errors.Is(err, tasklog.ErrNotFound) {
		return fmt.Errorf("dynamolog: reaching the table: %w", err)
	}
	if err := l.large.reach(ctx); err != nil {
		return fmt.Errorf("dynamolog: reaching the bucket: %w", err)
	}
	return nil
}

// Create implements [tasklog.Log]. It costs one write unit per KB, one in the index of the owner's
// tasks, and one by which a sweep finds the task. It costs one more for the context, unless that
// began with the task and its id follows from the task's.
func (l *Log) Create(
	ctx context.Context, h tasklog.Head, first tasklog.Entry, c tasklog.Claim,
) (tasklog.Lease, error) {
	// These come first, so that a task that exists is also found by its context, and by a sweep.
	var before errgroup.Group
	if !c.Until.IsZero() {
		before.Go(func() error { return l.putFresh(ctx, h.ID, look(c)) })
	}
	inContext, err := l.putInContext(ctx, h, first.Time, c.Writer)
	created := false
	if err = errors.Join(err, before.Wait()); err == nil {
		created, err = l.create(ctx, h, first, c)
	}
	if err != nil {
		return nil, fmt.Errorf("dynamolog: creating task: %w", err)
	}
	if !created {
		l.deleteInContext(ctx, inContext)
		return nil, tasklog.ErrExists
	}
	h.Push = c.Push
	return l.newLease(&tasklog.Snapshot{Head: h, Seq: 1, Size: first.Size(), Kept: &kept{gist: (*gist)(nil).next(1, first)}}, c, 1), nil
}

// create reports whether the task was created, now or before, by the claim's writer.
func (l *Log) create(ctx context.Context, h tasklog.Head, first tasklog.Entry, c tasklog.Claim) (bool, error) {
	item := item{
		attrPK:       str(string(h.ID)),
		attrSK:       str(skHead),
		attrContext:  str(h.ContextID),
		attrLook:     num(look(c)),
		attrExpires:  num(h.Expires.Unix()),
		attrTTL:      num(h.Expires.Add(headStays).Unix()),
		attrWriter:   str(c.Writer),
		attrState:    str(string(a2a.TaskStateSubmitted)),
		attrSeq:      num(1),
		attrList:     str(listKey(h.Scope, listShard(h.Scope, h.ID))),
		attrPosition: str(position(tasklog.Position{Time: first.Time, ID: h.ID})),
	}
	putSize(item, first.Size())
	putGist(item, (*gist)(nil).next(1, first))
	if h.Begins {
		item[attrBegins] = num(1)
	}
	if h.Scope.Owner != "" {
		item[attrOwner] = str(h.Scope.Owner)
	}
	if h.Scope.Tenant != "" {
		item[attrTenant] = str(h.Scope.Tenant)
	}
	request, err := l.putRequest(ctx, h, c.Request, c.Writer)
	if err != nil {
		return false, err
	}
	maps.Copy(item, request)
	if c.Until.IsZero() {
		item[attrRunning] = str(shard(h.ID))
	} else {
		item[attrUntil], item[attrHears] = num(c.Until.UnixMilli()), num(1)
	}
	if c.Records {
		item[attrRecords] = str(recordsFrom(1, c.Place))
	}
	if c.Push {
		item[attrPush] = num(1)
	}
	body := deflate([]tasklog.Entry{first})
	if err := l.putBody(ctx, item, h.Expires, ref(1, c.Writer), maxHeadBody, body, new(parts)); err != nil {
		return false, err
	}
	existing, err := l.put(ctx, item, ifNew(""))
	return err == nil && (existing == nil || existing.str(attrWriter) == c.Writer), err
}

// put puts the item if the condition holds. If not, it returns the existing item.
func (l *Log) put(ctx context.Context, it item, e *expression) (existing item, err error) {
	existing, _, err = l.putIf(ctx, it, e)
	return existing, err
}

// putIf is put. It also reports whether it has put the item: without one, a condition may not hold
// either.
func (l *Log) putIf(ctx context.Context, it item, e *expression) (existing item, done bool, err error) {
	in := &dynamodb.PutItemInput{
		TableName:                           &l.table,
		Item:                                it,
		ConditionExpression:                 &e.condition,
		ExpressionAttributeNames:            e.names,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}
	if len(e.values) > 0 {
		in.ExpressionAttributeValues = e.values
	}
	put := func() error {
		_, err := l.client.PutItem(ctx, in)
		return err
	}
	if e.ifNew {
		err = l.inserts.put(ctx, it, put)
	} else {
		err = put()
	}
	if failed := (*types.ConditionalCheckFailedException)(nil); errors.As(err, &failed) {
		return failed.Item, false, nil
	}
	return nil, err == nil, err
}

// update updates the item if the condition holds. It returns whether it did, and the item as it is
// then, unless it updated a head.
func (l *Log) update(ctx context.Context, id a2a.TaskID, sk string, e *expression) (now item, updated bool, err error) {
	expression := e.update()
	in := &dynamodb.UpdateItemInput{
		TableName:                           &l.table,
		Key:                                 item{attrPK: str(string(id)), attrSK: str(sk)},
		UpdateExpression:                    &expression,
		ExpressionAttributeNames:            e.names,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}
	if len(e.values) > 0 {
		in.ExpressionAttributeValues = e.values
	}
	if e.condition != "" {
		in.ConditionExpression = &e.condition
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

// headStays is how long a head stays after its task has expired. DynamoDB deletes the items of a
// task one by one, within days and in any order. As long as the head is there, nobody can create a
// task with the same id among what is left of the old one.
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
