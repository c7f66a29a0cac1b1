package dynamolog

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/memory"
	"a2alambda/internal/tasklog"
)

// peekEach is how many bytes of JSON a log may have for each batch that a Peek would read alone: a
// shorter log is read at once.
const peekEach = 16 << 10

// Peek implements [tasklog.Log]. It costs two read units at most, and what is wanted and not there:
// for each event one unit at least, and one for each 4 KB.
func (l *Log) Peek(ctx context.Context, id a2a.TaskID, w tasklog.Want) (*tasklog.Snapshot, error) {
	s, err := l.peek(ctx, id, w)
	if err != nil {
		return nil, fmt.Errorf("dynamolog: peeking: %w", err)
	}
	return s, nil
}

func (l *Log) peek(ctx context.Context, id a2a.TaskID, w tasklog.Want) (*tasklog.Snapshot, error) {
	head, lease, newest, err := l.newest(ctx, id)
	if err != nil {
		return nil, err
	}
	return l.peekAt(ctx, id, head, lease, newest, w)
}

// peekAt is peek for items that were read: the head, the lease, which may be nil, and the newest batch, or
// the head again if there is none.
func (l *Log) peekAt(ctx context.Context, id a2a.TaskID, head, lease, newest item, w tasklog.Want) (*tasklog.Snapshot, error) {
	g := gistOf(newest)
	if g == nil || g.state.Terminal() && g.status < last(newest) {
		return l.peekAll(ctx, id, w)
	}
	seqs, ok := g.wanted(w)
	if !ok {
		return l.peekAll(ctx, id, w)
	}
	p := peeker{log: l, ctx: ctx, id: id}
	if p.add(head); first(newest) > 1 {
		p.add(newest)
	}
	missing := 0
	for _, seq := range seqs {
		if p.has(seq) == nil {
			missing++
		}
	}
	if missing > 1 && sizeOf(newest).Bytes < int64(missing*peekEach) {
		return l.peekAll(ctx, id, w)
	}
	s := &tasklog.Snapshot{
		Head: headOf(id, head), Seq: last(newest), Size: sizeOf(newest), Sent: g.sent, Kept: keptOf(g, head),
	}
	if err := l.requests(ctx, s, head, lease, w.Requests); err != nil {
		return nil, err
	}
	if w.Lease || !tasklog.Final(g.state) {
		s.Lease = leaseOf(head, lease)
	}
	s.Task = &a2a.Task{ID: id, ContextID: s.Head.ContextID, Status: a2a.TaskStatus{State: g.state, Timestamp: g.time()}}
	return s, p.fill(s.Task, g, w)
}

// newest returns the items that peekAt wants.
func (l *Log) newest(ctx context.Context, id a2a.TaskID) (head, lease, newest item, err error) {
	const few = 3 // most of the time these are the lease, the head and the newest batch
	page, err := l.query(ctx, id, skBatch(0), skLease, nil, false, few)
	if err != nil {
		return nil, nil, nil, err
	}
	head, lease, batches, err := newestOf(page.Items)
	if err != nil {
		return nil, nil, nil, err
	}
	for {
		if newest := firstBatch(batches); newest != nil {
			return head, lease, newest, nil
		}
		if page.LastEvaluatedKey == nil {
			return head, lease, head, nil
		}
		page, err = l.query(ctx, id, skBatch(0), skLease, page.LastEvaluatedKey, false, 1)
		if err != nil {
			return nil, nil, nil, err
		}
		batches = page.Items
	}
}

// firstBatch returns the first item that is a batch, and no fence, or nil.
func firstBatch(items []item) item {
	for _, it := range items {
		if last(it) >= first(it) {
			return it
		}
	}
	return nil
}

// peekAll loads the task, and drops what is not wanted.
func (l *Log) peekAll(ctx context.Context, id a2a.TaskID, w tasklog.Want) (*tasklog.Snapshot, error) {
	past, err := l.load(ctx, id, math.MaxInt64, nil)
	if err != nil {
		return nil, err
	}
	w.Trim(past.Now)
	return past.Now, nil
}

// peeker reads single events of a task.
type peeker struct {
	log   *Log
	ctx   context.Context
	id    a2a.TaskID
	read  []*peeked
	needs tasklog.Size // what is in memory

	uncharged bool // the memory was charged before
}

// peeked is a batch or head that was read.
type peeked struct {
	item
	events []tasklog.Event // nil until they are needed
}

func (p *peeker) add(it item) *peeked {
	p.read = append(p.read, &peeked{item: it})
	return p.read[len(p.read)-1]
}

// has returns the batch or head with the event, if it was read.
func (p *peeker) has(seq int64) *peeked {
	for _, it := range p.read {
		if first(it.item) <= seq && seq <= last(it.item) {
			return it
		}
	}
	return nil
}

// event returns an event.
func (p *peeker) event(seq int64) (a2a.Event, error) {
	it := p.has(seq)
	if it == nil && seq == 1 {
		head, err := p.log.head(p.ctx, p.id)
		if err != nil {
			return nil, err
		}
		it = p.add(head)
	}
	if it == nil {
		page, err := p.log.query(p.ctx, p.id, skBatch(0), skBatch(seq), nil, false, 1)
		if err != nil {
			return nil, err
		}
		for _, found := range page.Items {
			p.add(found)
		}
		if it = p.has(seq); it == nil {
			return nil, fmt.Errorf("event %d is missing", seq)
		}
	}
	if it.events == nil {
		if err := p.charge(it.item); err != nil {
			return nil, err
		}
		var err error
		if it.events, err = p.log.events(p.ctx, it.item); err != nil {
			return nil, err
		}
	}
	return tasklog.Decode(it.events[seq-first(it.item)].JSON)
}

// charge charges the memory that a body in parts needs to the account of the request.
func (p *peeker) charge(it item) error {
	if p.uncharged || it.str(attrParts) == "" { // what is not in parts is small
		return nil
	}
	p.needs = p.needs.Plus(ownSize(it))
	return memory.Charge(p.ctx, string(p.id), p.needs.Memory())
}

// fill puts what is wanted into the task.
func (p *peeker) fill(t *a2a.Task, g *gist, w tasklog.Want) error {
	fold := tasklog.NewFold(t, 0)
	err := p.each(g.metadata, w.Status, func(e a2a.Event) {
		if t.Metadata == nil {
			t.Metadata = map[string]any{}
		}
		maps.Copy(t.Metadata, e.Meta())
	})
	if g.said {
		err = errors.Join(err, p.each([]int64{g.status}, w.Status, func(e a2a.Event) { t.Status.Message = messageOf(e) }))
	}
	err = errors.Join(err, p.each(g.last(w.History), true, func(e a2a.Event) { t.History = append(t.History, messageOf(e)) }))
	for _, of := range g.artifacts {
		err = errors.Join(err, p.each(of, w.Artifacts, fold.AddArtifacts))
	}
	if err != nil {
		return err
	}
	filled, err := fold.Task()
	if err == nil {
		t.Artifacts = filled.Artifacts
	}
	return err
}

// each calls do with the events, if they are wanted.
func (p *peeker) each(seqs []int64, wanted bool, do func(a2a.Event)) error {
	for _, seq := range seqs {
		if !wanted {
			break
		}
		e, err := p.event(seq)
		if err != nil {
			return err
		}
		do(e)
	}
	return nil
}

// messageOf returns the message that an event brings to the status or the history.
func messageOf(e a2a.Event) *a2a.Message {
	switch e := e.(type) {
	case *a2a.TaskStatusUpdateEvent:
		return e.Status.Message
	case *a2a.Task:
		if len(e.History) > 0 && e.Status.Message == nil {
			return e.History[0]
		}
		return e.Status.Message
	}
	return nil
}
