package dynamolog

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/heavy"
	"a2alambda/internal/memory"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/trace"
)

// firstPage is how many items the first request of a Load asks for. It is enough for most tasks,
// and little beside the tail of a long task with a snapshot. Where the task may not be wanted, it is
// firstFew: an item has some hundred bytes, and not many more than maxBatchBody.
const (
	firstPage = 64
	firstFew  = 16
)

// Load implements [tasklog.Log]. It reads backwards from the end to the last snapshot.
func (l *Log) Load(ctx context.Context, id a2a.TaskID) (*tasklog.Snapshot, error) {
	return l.LoadIf(ctx, id, nil)
}

// LoadIf implements [tasklog.Log]. What a task costs that is not wanted is bounded: it is firstFew items.
func (l *Log) LoadIf(ctx context.Context, id a2a.TaskID, wanted func(*tasklog.Snapshot) bool) (*tasklog.Snapshot, error) {
	past, err := l.load(ctx, id, math.MaxInt64, wanted)
	if err != nil {
		return nil, fmt.Errorf("dynamolog: loading: %w", err)
	}
	return past.Now, nil
}

// load returns the task as of event number at, unless the newest snapshot is of a later event. Then
// Past.Task is nil, and that of Past.Now has only ids and a state. So they are if the task is not wanted.
func (l *Log) load(
	ctx context.Context, id a2a.TaskID, at int64, wanted func(*tasklog.Snapshot) bool,
) (*tasklog.Past, error) {
	var head, lease, newest item
	var batches []item // newest first
	var snapshot int64
	var snapshotRef string
	var size tasklog.Size
	var from item
	begin := skBatch(0)
	limit := int32(firstPage)
	if wanted != nil {
		limit = firstFew
	}
	for done := false; !done; limit = 0 {
		page, err := l.query(ctx, id, begin, skLease, from, false, limit)
		if err != nil {
			return nil, err
		}
		items := page.Items
		if head == nil {
			if head, lease, items, err = newestOf(items); err != nil {
				return nil, err
			}
			latest := firstBatch(items) // if there is one, it is on the page: a log has one fence at most
			if latest == nil {
				latest = head
			}
			if wanted != nil {
				now, err := l.peekAt(ctx, id, head, lease, latest, tasklog.Want{Lease: true})
				if err != nil || !wanted(now) {
					return &tasklog.Past{Now: now}, err
				}
			}
			snapshot, snapshotRef = newestSnapshot(head)
			begin = skBatch(snapshot + 1) // of the next page: only what the snapshot lacks
			if err := charge(ctx, items, head); err != nil {
				return nil, err
			}
			if snapshot > at {
				now, err := l.peekAt(ctx, id, head, lease, latest, tasklog.Want{Lease: true, Requests: true})
				return &tasklog.Past{Now: now}, err
			}
		}
		if from = page.LastEvaluatedKey; from == nil {
			done = true
			if limit == 0 && snapshot > 0 && !begins(batches, items, snapshot+1) {
				// The snapshot ends in the middle of an append, or the log has not grown since.
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
				size, newest, done = sizeOf(it), it, true
				break
			}
		}
	}

	fold := tasklog.NewFold(nil, 0)
	if snapshot > 0 {
		var err error
		if fold, err = l.snapshot(ctx, id, snapshot, snapshotRef); err != nil {
			return nil, err
		}
	} else {
		batches = append(batches, head)
	}
	past, bytes := new(tasklog.Past), 0
	whole := int64(0) // of the batches that are read
	for _, it := range batches {
		whole = max(whole, sizeOf(it).Bytes)
	}
	seq, status := int64(0), a2a.TaskStatus{} // of the events after number at
	for it, read := range l.ahead(ctx, batches) {
		events, err := read()
		if err != nil {
			return nil, err
		}
		func() {
			defer heavy.Begin(whole)()
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
		}()
		if len(events) > 0 {
			size, newest = sizeOf(it), it
		}
		if ends(it) {
			break
		}
	}
	s := &tasklog.Snapshot{
		Head:  headOf(id, head),
		Seq:   max(fold.Seq(), seq),
		Size:  size,
		Lease: leaseOf(head, lease),
	}
	task, err := func() (*a2a.Task, error) {
		defer heavy.Begin(size.Bytes)()
		return fold.Task()
	}()
	if err != nil {
		return nil, err
	}
	g := gistOf(newest)
	if s.Kept = keptOf(g, head); g != nil {
		s.Sent = g.sent
	} else {
		s.Sent = tasklog.SentIn(task)
	}
	s.Task, past.Task = task, task
	s.Origins = fold.Origins()
	if seq > 0 {
		s.Origins = nil
		if s.Task = tasklog.Bare(task); status.State != "" {
			s.Task.Status = status
		}
	}
	if err := l.requests(ctx, s, head, lease, true); err != nil {
		return nil, err
	}
	past.Now = s
	return past, nil
}

// newestOf returns the lease, or nil if there is none, the head, and the batches of the first page of
// items, which is read backwards from the lease.
func newestOf(items []item) (head, lease item, batches []item, err error) {
	if len(items) > 0 && items[0].str(attrSK) == skLease {
		lease, items = items[0], items[1:]
	}
	if len(items) == 0 || items[0].str(attrSK) != skHead || expired(items[0]) {
		return nil, nil, nil, tasklog.ErrNotFound
	}
	return items[0], lease, items[1:], nil
}

func headOf(id a2a.TaskID, head item) tasklog.Head {
	return tasklog.Head{
		ID:        id,
		ContextID: head.str(attrContext),
		Scope:     tasklog.Scope{Owner: head.str(attrOwner), Tenant: head.str(attrTenant)},
		Expires:   time.Unix(head.num(attrExpires), 0).UTC(),
		Begins:    head.num(attrBegins) == 1,
		Push:      head.num(attrPush) == 1,
	}
}

// requests reads the first and the last request of the task, or their traces, if that is enough.
func (l *Log) requests(ctx context.Context, s *tasklog.Snapshot, head, lease item, whole bool) (err error) {
	read := func(it item) (tasklog.Request, error) {
		if !whole {
			return tasklog.Request{Trace: trace.Parse(it.str(attrTrace))}, nil
		}
		return l.request(ctx, s.Head.ID, it)
	}
	if s.First, err = read(head); err != nil {
		return err
	}
	s.Last = s.First
	if lease.num(attrEpoch) > 1 { // else it is of the first holder, which began the task
		s.Last, err = read(lease)
	}
	return err
}

// LoadAt implements [tasklog.Log]. If the newest snapshot is of a later event, it loads the task from
// an older one, and looks at the task as it is now.
func (l *Log) LoadAt(
	ctx context.Context, id a2a.TaskID, seq int64, wanted func(*tasklog.Snapshot) bool,
) (*tasklog.Past, error) {
	left := false
	if want := wanted; want != nil {
		wanted = func(s *tasklog.Snapshot) bool {
			left = !want(s)
			return !left
		}
	}
	past, err := l.load(ctx, id, seq, wanted)
	if err == nil && !left && past.Now.Seq > seq {
		past.Now.Task, past.Now.Origins = tasklog.Bare(past.Now.Task), nil
		if past.Task == nil {
			past.Task, err = l.loadBefore(ctx, id, seq)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("dynamolog: loading as of event %d: %w", seq, err)
	}
	return past, nil
}

// readAtOnce is how many events loadBefore reads at once.
const readAtOnce = 5000

// loadBefore returns the task as of event number seq. It starts from the last snapshot up to there,
// if there is one.
func (l *Log) loadBefore(ctx context.Context, id a2a.TaskID, seq int64) (*a2a.Task, error) {
	fold, err := l.snapshotBefore(ctx, id, seq)
	if err != nil {
		return nil, err
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

// readAhead is how many batches in parts are read before they are needed.
const readAhead = 4

// ahead returns the batches, of which the newest comes first, from the oldest on, each with a
// function that returns its events.
func (l *Log) ahead(ctx context.Context, newest []item) iter.Seq2[item, func() ([]tasklog.Event, error)] {
	return func(yield func(item, func() ([]tasklog.Event, error)) bool) {
		ctx, cancel := context.WithCancel(ctx)
		var reading sync.WaitGroup
		defer reading.Wait()
		defer cancel()
		batches := slices.Clone(newest)
		slices.Reverse(batches)
		reads := make([]func() ([]tasklog.Event, error), len(batches))
		for i, next := 0, 0; i < len(batches); i++ {
			for ; next < len(batches) && next <= i+readAhead; next++ {
				it := batches[next]
				reads[next] = sync.OnceValues(func() ([]tasklog.Event, error) { return l.events(ctx, it) })
				if read := reads[next]; next > i && it.str(attrParts) != "" {
					reading.Go(func() { _, _ = read() })
				}
			}
			if !yield(batches[i], reads[i]) {
				return
			}
			reads[i] = nil
		}
	}
}

// begins reports whether the batches, newest first, begin at event seq.
func begins(batches, more []item, seq int64) bool {
	all := append(batches, more...)
	return len(all) > 0 && first(all[len(all)-1]) == seq && last(all[len(all)-1]) >= seq
}

// charge charges the memory that the task needs, by its last batch or its head, to the account of
// the request.
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
