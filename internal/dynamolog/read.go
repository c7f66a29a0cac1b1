package dynamolog

import (
	"context"
	"fmt"
	"slices"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"a2alambda/internal/tasklog"
)

// firstBatches is how many batches a Read from the beginning of a log asks for first.
const firstBatches = 16

// Read implements [tasklog.Log].
func (l *Log) Read(
	ctx context.Context, id a2a.TaskID, after int64, limit int,
) (events []tasklog.Event, more bool, err error) {
	if events, more, err = l.read(ctx, id, after, limit); err != nil {
		return nil, false, fmt.Errorf("dynamolog: reading: %w", err)
	}
	return events, more, nil
}

func (l *Log) read(
	ctx context.Context, id a2a.TaskID, after int64, limit int,
) (events []tasklog.Event, more bool, err error) {
	// Start from the append that holds event number after: the last that begins there or before. It
	// may be the one that ends the task. Event 1 is in the head.
	start := item{}
	if after > 1 {
		page, err := l.query(ctx, id, skBatch(0), skBatch(after), nil, false, 1)
		if err != nil {
			return nil, false, err
		}
		if len(page.Items) > 0 {
			start = page.Items[0]
		}
	}
	if len(start) == 0 {
		head, err := l.head(ctx, id)
		if err != nil {
			return nil, false, err
		}
		start = head
	}
	if expired(start) {
		return nil, false, tasklog.ErrNotFound
	}

	size, beyond := 0, false
	next := first(start)
	add := func(it item) (more bool, err error) {
		if first(it) != next {
			return false, nil // see poll
		}
		next = last(it) + 1
		if beyond = it.num(attrCount) > 0 && (len(events) == limit || size >= tasklog.ReadBytes); beyond {
			return false, nil
		}
		all, err := l.events(ctx, it)
		if err != nil {
			return false, err
		}
		for _, e := range all {
			if e.Seq <= after {
				continue
			}
			if beyond = len(events) == limit || size >= tasklog.ReadBytes; beyond {
				return false, nil
			}
			events = append(events, e)
			size += len(e.JSON)
		}
		return !ends(it), nil
	}
	more, err = add(start)
	var from item // where the next page starts; nil at first
	batches := 1
	for more && err == nil {
		// Ask for as many batches as it takes if they are like those before, since a page can be 1
		// MB for a few events. After the head nothing is known yet: its one event says little.
		most := (limit-len(events))*batches/int(max(1, next-first(start))) + 1
		if size >= tasklog.ReadBytes {
			most = 1 // is there another?
		} else if batches == 1 && first(start) == 1 {
			most = min(most, firstBatches)
		}
		var page *queried
		page, err = l.query(ctx, id, skBatch(last(start)+1), skBatchEnd, from, true, int32(min(most, 10_000)))
		if err != nil {
			break
		}
		for i := 0; more && err == nil && i < len(page.Items); i++ {
			more, err = add(page.Items[i])
		}
		batches += len(page.Items)
		from = page.LastEvaluatedKey
		more = more && from != nil
	}
	if err != nil {
		return nil, false, err
	}
	return events, beyond, nil
}

// Poll implements [tasklog.Log]. While nothing is new, it costs one read unit, and half of one if
// it is stale.
func (l *Log) Poll(ctx context.Context, id a2a.TaskID, after int64, stale bool) (tasklog.Polled, error) {
	polled, err := l.poll(ctx, id, after, stale)
	if err != nil {
		return tasklog.Polled{}, fmt.Errorf("dynamolog: polling: %w", err)
	}
	return polled, nil
}

func (l *Log) poll(ctx context.Context, id a2a.TaskID, after int64, stale bool) (p tasklog.Polled, err error) {
	read := l.query
	if stale {
		read = l.queryStale
	}
	page, err := read(ctx, id, skBatch(after+1), skLease, nil, true, 0)
	if err != nil {
		return p, err
	}
	items, head, lease := page.Items, item(nil), item(nil)
	if n := len(items); n > 0 && items[n-1].str(attrSK) == skLease {
		items, lease = items[:n-1], items[n-1]
	}
	if n := len(items); n > 0 && items[n-1].str(attrSK) == skHead {
		items, head = items[:n-1], items[n-1]
	} else if head, err = l.head(ctx, id); err != nil { // it is on a later page, or nowhere
		return p, err
	}
	if expired(head) {
		return p, tasklog.ErrNotFound
	}
	if after == 0 {
		items = slices.Insert(items, 0, head)
	}
	p.Lease, p.More = leaseOf(head, lease), page.LastEvaluatedKey != nil
	size := 0
	for _, it := range items {
		if first(it) != after+int64(len(p.Events))+1 {
			break // a query may miss an item put while it runs, and see a later one
		}
		if p.More = p.More || size >= tasklog.ReadBytes; size >= tasklog.ReadBytes {
			break
		}
		batch, err := l.events(ctx, it)
		if err != nil {
			return p, err
		}
		for _, e := range batch {
			size += len(e.JSON)
		}
		p.Events = append(p.Events, batch...)
		if ends(it) {
			break
		}
	}
	return p, nil
}

// Acquired implements [tasklog.Log]. It costs half a read unit. Those who ask within some milliseconds
// share one request.
func (l *Log) Acquired(ctx context.Context, id a2a.TaskID, epoch int64) (bool, error) {
	it, err := l.share(ctx, key{id, skLease})
	if err != nil {
		return false, fmt.Errorf("dynamolog: reading lease: %w", err)
	}
	return it.num(attrEpoch) > epoch, nil
}

// Lease implements [tasklog.Log]. It costs one read unit.
func (l *Log) Lease(ctx context.Context, id a2a.TaskID) (tasklog.LeaseInfo, error) {
	page, err := l.query(ctx, id, skHead, skLease, nil, true, 0)
	if err != nil {
		return tasklog.LeaseInfo{}, fmt.Errorf("dynamolog: reading lease: %w", err)
	}
	var head, lease item
	for _, it := range page.Items {
		switch it.str(attrSK) {
		case skHead:
			head = it
		case skLease:
			lease = it
		}
	}
	if head == nil || expired(head) {
		return tasklog.LeaseInfo{}, fmt.Errorf("dynamolog: reading lease: %w", tasklog.ErrNotFound)
	}
	return leaseOf(head, lease), nil
}

// head returns the head, or ErrNotFound.
func (l *Log) head(ctx context.Context, id a2a.TaskID) (item, error) {
	head, err := l.get(ctx, id, skHead)
	if err == nil && head == nil {
		err = tasklog.ErrNotFound
	}
	return head, err
}

// get returns an item of the task, or nil if it is not there.
func (l *Log) get(ctx context.Context, id a2a.TaskID, sk string) (item, error) {
	out, err := l.client.GetItem(ctx, &dynamodb.GetItemInput{
		TableName:      &l.table,
		Key:            item{attrPK: str(string(id)), attrSK: str(sk)},
		ConsistentRead: aws.Bool(true),
	})
	if err != nil {
		return nil, err
	}
	return out.Item, nil
}

// queried is a page of a query. Items are in the order asked for.
type queried struct {
	Items            []item
	LastEvaluatedKey item
}

// query reads a page of the items of a task with sort keys between from and to, both included.
// start is the LastEvaluatedKey of the page before. limit is the most items, or 0.
func (l *Log) query(ctx context.Context, id a2a.TaskID, from, to string, start item, forward bool, limit int32) (*queried, error) {
	return l.readPage(ctx, id, from, to, start, forward, limit, true)
}

// queryStale is query for half the price. What it reads may be old.
func (l *Log) queryStale(ctx context.Context, id a2a.TaskID, from, to string, start item, forward bool, limit int32) (*queried, error) {
	return l.readPage(ctx, id, from, to, start, forward, limit, false)
}

func (l *Log) readPage(
	ctx context.Context, id a2a.TaskID, from, to string, start item, forward bool, limit int32, consistent bool,
) (*queried, error) {
	e := write()
	key := e.text("? = ? AND ? BETWEEN ? AND ?", attrPK, str(string(id)), attrSK, str(from), str(to))
	in := &dynamodb.QueryInput{
		TableName:                 &l.table,
		KeyConditionExpression:    &key,
		ExpressionAttributeNames:  e.names,
		ExpressionAttributeValues: e.values,
		ExclusiveStartKey:         start,
		ScanIndexForward:          &forward,
		ConsistentRead:            &consistent,
	}
	if limit > 0 {
		in.Limit = &limit
	}
	out, err := l.client.Query(ctx, in)
	if err != nil {
		return nil, err
	}
	page := &queried{LastEvaluatedKey: out.LastEvaluatedKey}
	for _, it := range out.Items {
		page.Items = append(page.Items, it)
	}
	return page, nil
}
