package dynamolog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"golang.org/x/sync/errgroup"

	"a2alambda/internal/tasklog"
)

// What is asked of a holder is in the lease item of its task. A process may hold many leases, and does
// not read them all to learn that: who asks something of a holder also puts an item under the id of
// the holder's process, which names the task. The process queries these items, deletes what it has
// read, and then renews those leases.
//
// Who asks changes the lease first, and puts the item after that: a renewal that follows the deletion
// of the item shows what was asked. A doubt is the other way round, since somebody who has found a
// standing doubt relies on the item: if the renewal is the first of all, it ends the lease as it was
// seen, and so the doubt.

const (
	// questionStays is how long an item stays that nobody deletes, since the process is gone.
	questionStays = time.Hour

	// maxQuestions is how many one request reads.
	maxQuestions = 100

	// deleteWithin is how long their deletion may take, and deletesAtOnce how many are deleted at the
	// same time.
	deleteWithin  = 3 * time.Second
	deletesAtOnce = 16
)

// questionKey returns the partition key of what is asked of a process. No task has such an id.
func questionKey(process string) string { return "ask#" + process }

// AskedOf implements [tasklog.Log]. It costs half a read unit, and a write unit for each task. What it
// has read it deletes even if ctx ends meanwhile: otherwise it would be read, and the leases renewed,
// again and again, and by that a slow table stay slow.
func (l *Log) AskedOf(ctx context.Context, process string) (ids []a2a.TaskID, err error) {
	deletes, cancel := context.WithTimeout(context.WithoutCancel(ctx), deleteWithin)
	defer cancel()
	var deleting errgroup.Group
	deleting.SetLimit(deletesAtOnce)
	for from, more := item(nil), true; more && err == nil; more = from != nil {
		var page *queried
		if page, err = l.queryStale(ctx, a2a.TaskID(questionKey(process)), " ", "~", from, true, maxQuestions); err != nil {
			break
		}
		from = page.LastEvaluatedKey
		for _, it := range page.Items {
			ids = append(ids, a2a.TaskID(it.str(attrSK)))
			deleting.Go(func() error {
				_, err := l.client.DeleteItem(deletes, &dynamodb.DeleteItemInput{
					TableName: &l.table, Key: item{attrPK: it[attrPK], attrSK: it[attrSK]},
				})
				return err
			})
		}
	}
	if err = errors.Join(err, deleting.Wait()); err != nil {
		return ids, fmt.Errorf("dynamolog: asking: %w", err)
	}
	return ids, nil
}

// ask notes that something is asked of a holder. It costs a write unit.
func (l *Log) ask(ctx context.Context, id a2a.TaskID, holder string) error {
	process := tasklog.ProcessOf(holder)
	if process == "" {
		return nil // it learns of it when it renews the lease
	}
	_, _, err := l.update(ctx, a2a.TaskID(questionKey(process)), string(id),
		write().set(attrTTL, num(time.Now().Add(questionStays).Unix())))
	return err
}

// askHolder is ask for who has changed the lease item, if somebody holds the lease. It costs a read unit
// more if the lease has not been renewed yet.
func (l *Log) askHolder(ctx context.Context, id a2a.TaskID, lease item) error {
	var head item
	if _, renewed := lease[attrUntil]; !renewed {
		var err error
		if head, err = l.head(ctx, id); errors.Is(err, tasklog.ErrNotFound) {
			return nil
		} else if err != nil {
			return err
		}
	}
	if now := leaseOf(head, lease); now.Held() {
		return l.ask(ctx, id, now.Holder)
	}
	return nil
}
