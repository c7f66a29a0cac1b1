package dynamolog

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"a2alambda/internal/memory"
	"a2alambda/internal/tasklog"
)

// firstPage is how many items the first request of a Load asks for: enough for most tasks, and
// little beside the tail of a long task that has a snapshot.
const firstPage = 64

// firstBatches is how many batches a Read from the beginning of a log asks for at first.
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
	// Start from the append that holds event number after, which may be the one that ends the task:
	// it is the last that begins there or before. Event 1 is in the head.
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
		// As many batches as it takes if they are like those before, and no page of 1 MB for a few
		// events. Of the first page nothing is known yet if it follows the head, whose one event
		// says little.
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

// Load implements [tasklog.Log]. It reads backwards from the end to the last snapshot.
func (l *Log) Load(ctx context.Context, id a2a.TaskID) (*tasklog.Snapshot, error) {
	past, err := l.load(ctx, id, math.MaxInt64)
	if err != nil {
		return nil, fmt.Errorf("dynamolog: loading: %w", err)
	}
	return past.Now, nil
}

// load returns the task as of event number at, if the newest snapshot is not of a later one; else
// Past.Task is nil, and the one of now is whole.
func (l *Log) load(ctx context.Context, id a2a.TaskID, at int64) (*tasklog.Past, error) {
	var head, lease item
	var batches []item // newest first
	var snapshot int64
	var size tasklog.Size
	var from item
	begin := skBatch(0)
	for limit, done := int32(firstPage), false; !done; limit = 0 {
		page, err := l.query(ctx, id, begin, skLease, from, false, limit)
		if err != nil {
			return nil, err
		}
		items := page.Items
		if head == nil {
			if len(items) > 0 && items[0].str(attrSK) == skLease {
				lease, items = items[0], items[1:]
			}
			if len(items) == 0 || items[0].str(attrSK) != skHead || expired(items[0]) {
				return nil, tasklog.ErrNotFound
			}
			head, items = items[0], items[1:]
			snapshot = head.num(attrSnapshotSeq)
			begin = skBatch(snapshot + 1) // of the next page, which has nothing that is in the snapshot
			if err := charge(ctx, items, head); err != nil {
				return nil, err
			}
		}
		if from = page.LastEvaluatedKey; from == nil {
			done = true
			if limit == 0 && snapshot > 0 && !begins(batches, items, snapshot+1) {
				// The snapshot is of the middle of an append, or the log has not grown since.
				page, err := l.query(ctx, id, skBatch(0), skBatch(snapshot), nil, false, 1)
				if err != nil {
					return nil, err
				}
				items = append(items, page.Items...)
			}
		}
		for _, it := range items {
			if last(it) > snapshot {
				batches = append(batches, it)
				done = done || first(it) <= snapshot+1
			} else if _, sized := it[attrBytes]; sized { // else it is a fence
				size, done = sizeOf(it), true
				break
			}
		}
	}

	fold := tasklog.NewFold(nil, 0)
	if snapshot > 0 {
		task, err := l.snapshot(ctx, id, head.str(attrSnapshotRef))
		if err != nil {
			return nil, fmt.Errorf("snapshot as of event %d: %w", snapshot, err)
		}
		fold = tasklog.NewFold(task, snapshot)
	} else {
		batches = append(batches, head)
	}
	known := snapshot <= at // then follows from the snapshot
	if !known {
		at = math.MaxInt64
	}
	past, bytes := new(tasklog.Past), 0
	seq, status := int64(0), a2a.TaskStatus{} // of the events after number at
	for _, it := range slices.Backward(batches) {
		events, err := l.events(ctx, it)
		if err != nil {
			return nil, err
		}
		for i, e := range events {
			if e.Seq > at {
				seq = last(it)
				if s, t := tasklog.LastStatus(events[i:]); s != "" {
					status = a2a.TaskStatus{State: s, Timestamp: &t}
				}
				if bytes < tasklog.ReadBytes {
					past.Later = append(past.Later, events[i:]...)
				}
				for _, e := range events[i:] {
					bytes += len(e.JSON)
				}
				break
			}
			if e.Seq > fold.Seq() {
				fold.Add(e)
			}
		}
		if len(events) > 0 {
			size = sizeOf(it)
		}
		if ends(it) {
			break
		}
	}
	s := &tasklog.Snapshot{
		Head: tasklog.Head{
			ID:        id,
			ContextID: head.str(attrContext),
			Scope:     tasklog.Scope{Owner: head.str(attrOwner), Tenant: head.str(attrTenant)},
			Expires:   time.Unix(head.num(attrExpires), 0).UTC(),
			Begins:    head.num(attrBegins) == 1,
			Push:      head.num(attrPush) == 1,
		},
		Seq:   max(fold.Seq(), seq),
		Size:  size,
		Lease: leaseOf(head, lease),
	}
	task, err := fold.Task()
	if err != nil {
		return nil, err
	}
	if s.Task = task; known {
		past.Task = task
	}
	if seq > 0 {
		if s.Task = tasklog.Bare(task); status.State != "" {
			s.Task.Status = status
		}
	}
	if s.First, err = l.request(ctx, id, head); err != nil {
		return nil, err
	}
	s.Last = s.First
	if lease.num(attrEpoch) > 1 { // else the first holder has renewed it, who began the task
		s.Last, err = l.request(ctx, id, lease)
	}
	past.Now = s
	return past, err
}

// LoadAt implements [tasklog.Log]. If the newest snapshot is of a later event, it loads the task as
// it is now, and then the former one from an older snapshot.
func (l *Log) LoadAt(ctx context.Context, id a2a.TaskID, seq int64) (*tasklog.Past, error) {
	past, err := l.load(ctx, id, seq)
	if err == nil {
		past.Now.Task = tasklog.Bare(past.Now.Task)
		if past.Task == nil {
			past.Task, err = l.loadBefore(ctx, id, seq)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("dynamolog: loading as of event %d: %w", seq, err)
	}
	return past, nil
}

// readAtOnce is how many events are read at once to load a task as it was.
const readAtOnce = 5000

// loadBefore returns the task as of an event, before which there may be a snapshot that is not the
// newest.
func (l *Log) loadBefore(ctx context.Context, id a2a.TaskID, seq int64) (*a2a.Task, error) {
	fold := tasklog.NewFold(nil, 0)
	page, err := l.query(ctx, id, skSnapshot(0), skSnapshot(seq), nil, false, 1)
	if err != nil {
		return nil, err
	}
	if len(page.Items) > 0 {
		it := page.Items[0]
		from, err := strconv.ParseInt(strings.TrimPrefix(it.str(attrSK), "S#"), 10, 64)
		if err != nil {
			return nil, err
		}
		task, err := l.snapshot(ctx, id, it.str(attrSnapshotRef))
		if err != nil {
			return nil, fmt.Errorf("snapshot as of event %d: %w", from, err)
		}
		fold = tasklog.NewFold(task, from)
	}
	for fold.Seq() < seq {
		events, _, err := l.read(ctx, id, fold.Seq(), int(min(readAtOnce, seq-fold.Seq())))
		if err != nil {
			return nil, err
		}
		if len(events) == 0 {
			return nil, errors.New("the log is shorter than it was")
		}
		for _, e := range events {
			fold.Add(e)
		}
	}
	return fold.Task()
}

// begins reports whether the batches, newest first, begin at event seq.
func begins(batches, more []item, seq int64) bool {
	all := append(batches, more...)
	return len(all) > 0 && first(all[len(all)-1]) == seq && last(all[len(all)-1]) >= seq
}

// charge charges what the task is going to take, by the last of its batches, or by its head, to the
// account of the request.
func charge(ctx context.Context, batches []item, head item) error {
	last := head
	for _, it := range batches {
		if _, sized := it[attrBytes]; sized { // else it is a fence
			last = it
			break
		}
	}
	return memory.Charge(ctx, head.str(attrPK), sizeOf(last).Memory())
}

// Poll implements [tasklog.Log]. It costs one read unit while nothing is new, and half of one if it
// is stale.
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
			break // a query may miss an item that is put while it runs, and see one that is put later
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
	out, err := l.client.GetItem(ctx, &dynamodb.GetItemInput{
		TableName:      &l.table,
		Key:            item{attrPK: str(string(id)), attrSK: str(skHead)},
		ConsistentRead: aws.Bool(true),
	})
	if err != nil {
		return nil, err
	}
	if out.Item == nil {
		return nil, tasklog.ErrNotFound
	}
	return out.Item, nil
}

// queried is a page of a query. Items are in the order asked for.
type queried struct {
	Items            []item
	LastEvaluatedKey item
}

// query reads a page of the items of a task whose sort keys lie between from and to, both included;
// start is the LastEvaluatedKey of the page before, limit the most items, or 0.
func (l *Log) query(ctx context.Context, id a2a.TaskID, from, to string, start item, forward bool, limit int32) (*queried, error) {
	return l.readPage(ctx, id, from, to, start, forward, limit, true)
}

// queryStale is query for half the price: what it reads may be of some time ago.
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
