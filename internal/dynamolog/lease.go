package dynamolog

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"iter"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/tasklog"
)

// released is the end of a lease that its holder gave up: long ago, which tells it from one whose
// holder crashed.
var released = time.UnixMilli(1)

// shard returns the key of the task in the index of unfinished tasks. There are several, since
// DynamoDB writes 1,000 units a second to one.
func shard(id a2a.TaskID) string { return strconv.Itoa(spread(id, tasklog.Shards)) }

// spread returns a number less than n that follows from the id.
func spread(id a2a.TaskID, n uint32) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(id))
	return int(h.Sum32() % n)
}

// look returns when a task is to be looked at whose lease is given to the claim, in seconds since
// 1970.
func look(c tasklog.Claim) int64 {
	if c.Until.IsZero() {
		return time.Now().Unix()
	}
	return c.Until.Unix()
}

// leaseOf returns the lease of the task with that head, from its lease item, which may be nil: the
// first lease is in the head until it is renewed.
func leaseOf(head, lease item) tasklog.LeaseInfo {
	l := tasklog.LeaseInfo{Epoch: 1, Seq: 1}
	from := head
	if _, ok := lease[attrUntil]; ok {
		from, l.Epoch, l.Seq = lease, lease.num(attrEpoch), max(1, lease.num(attrSeq))
	}
	if ms := from.num(attrUntil); ms > 0 {
		l.Holder, l.Until = from.str(attrWriter), time.UnixMilli(ms)
		l.Released = l.Until.Equal(released)
	}
	_, l.Cancel = lease[attrCancel]
	l.Crashes, l.Asked = int(lease.num(attrCrashes)), int(head.num(attrAsked))
	return l
}

// Acquire implements [tasklog.Log]. It costs two write units and one in the index, or two there if
// the task was unfinished, and one more for a fence.
func (l *Log) Acquire(ctx context.Context, s *tasklog.Snapshot, c tasklog.Claim) (tasklog.Lease, error) {
	next := s.Next(c)
	if err := l.acquire(ctx, s, next, c); err != nil {
		return nil, fmt.Errorf("dynamolog: acquiring lease: %w", err)
	}
	return l.newLease(s, c, next.Epoch), nil
}

func (l *Log) acquire(ctx context.Context, s *tasklog.Snapshot, next tasklog.LeaseInfo, c tasklog.Claim) error {
	// Of a lease that has not ended, the place in the log comes first: a holder that has filled it
	// meanwhile keeps its lease.
	doubted := s.Busy() && s.Lease.Holder != c.Writer
	if doubted {
		if err := l.fence(ctx, s, c.Writer, next.Epoch); err != nil {
			return err
		}
	}
	// The head before the lease: if this fails halfway, the task is looked at in vain, and not
	// overlooked.
	e := write().
		set(attrRunning, str(shard(s.Head.ID))).set(attrLook, num(look(c))).
		set(attrSeq, num(s.Seq)).set(attrEpoch, num(next.Epoch)).remove(attrAsked).
		when("attribute_exists(?) AND ? <= ? AND (attribute_not_exists(?) OR ? <= ?)",
			attrPK, attrSeq, num(s.Seq), attrEpoch, attrEpoch, num(next.Epoch))
	if t := s.Task.Status; t.State != a2a.TaskStateSubmitted && t.Timestamp != nil && time.Since(*t.Timestamp) < longAgo {
		// What a holder that crashed had not told yet. If it had, this changes nothing, and costs
		// nothing.
		e.set(attrState, str(string(t.State))).set(attrPosition, str(position(tasklog.Position{Time: *t.Timestamp, ID: s.Head.ID})))
	}
	now, updated, err := l.update(ctx, s.Head.ID, skHead, e)
	if err != nil {
		return err
	}
	if !updated && now == nil {
		return tasklog.ErrNotFound
	}
	request, err := l.putRequest(ctx, s.Head, c.Request, a2a.NewMessageID())
	if err != nil {
		return err
	}
	given, err := l.giveLease(ctx, s, next, c, request)
	switch {
	case err != nil:
		return err
	case !given && doubted:
		// The fence must not keep out whoever has the lease: only those before the one in s.
		_, _, err = l.update(ctx, s.Head.ID, skBatch(s.Seq+1), write().set(attrEpoch, num(s.Lease.Epoch-1)).
			when("? = ? AND ? = ?", attrWriter, str(c.Writer), attrCount, num(0)))
		return errors.Join(tasklog.ErrConflict, err)
	case !given:
		return tasklog.ErrConflict
	case doubted || !s.Fenced() || s.Lease.Holder == c.Writer:
		return nil
	}
	if err = l.fence(ctx, s, c.Writer, next.Epoch); errors.Is(err, tasklog.ErrConflict) && !c.Until.IsZero() {
		// The holder before had not crashed: it has appended since. Or somebody crashed who had
		// doubted its lease. The lease is given back, to be taken with what is known now.
		back := num(time.Now().Add(-time.Millisecond).UnixMilli())
		if s.Lease.Holder == "" {
			back = num(0) // to a worker, who is to begin the turn: no holder has crashed
		}
		_, _, _ = l.update(ctx, s.Head.ID, skLease, write().set(attrUntil, back).
			when("? = ? AND ? = ?", attrWriter, str(c.Writer), attrEpoch, num(next.Epoch)))
	}
	return err
}

// fence reserves the place after the last event in s for the writer, as of an epoch: nobody of an
// earlier epoch can append there. It returns ErrConflict if the place has events, or somebody else
// has been there as of that epoch.
func (l *Log) fence(ctx context.Context, s *tasklog.Snapshot, writer string, epoch int64) error {
	existing, err := l.put(ctx, item{
		attrPK:     str(string(s.Head.ID)),
		attrSK:     str(skBatch(s.Seq + 1)),
		attrCount:  num(0),
		attrWriter: str(writer),
		attrEpoch:  num(epoch),
		attrTTL:    num(s.Head.Expires.Unix()),
	}, write().when("attribute_not_exists(?) OR ? = ? AND ? < ?", attrPK, attrCount, num(0), attrEpoch, num(epoch)))
	if err == nil && existing != nil && (existing.num(attrCount) > 0 || existing.str(attrWriter) != writer) {
		err = tasklog.ErrConflict
	}
	return err
}

// giveLease writes the lease that follows the one in s. It reports false if the lease is not the
// one in s any more, unless the new one had been written before. The request is the attributes of
// the claim's; nil leaves those of the lease.
func (l *Log) giveLease(
	ctx context.Context, s *tasklog.Snapshot, next tasklog.LeaseInfo, c tasklog.Claim, request item,
) (bool, error) {
	until := untilMillis(next.Until)
	e := write().
		set(attrWriter, str(c.Writer)).set(attrUntil, num(until)).
		set(attrEpoch, num(next.Epoch)).set(attrSeq, num(next.Seq)).
		set(attrCrashes, num(int64(next.Crashes))).set(attrTTL, num(s.Head.Expires.Unix())).
		when("attribute_not_exists(?) OR ? = ? AND ? = ?",
			attrUntil, attrUntil, num(untilMillis(s.Lease.Until)), attrEpoch, num(s.Lease.Epoch))
	for _, name := range requestAttrs {
		if v, ok := request[name]; ok {
			e.set(name, v)
		} else if request != nil {
			e.remove(name)
		}
	}
	now, updated, err := l.update(ctx, s.Head.ID, skLease, e)
	done := now.str(attrWriter) == c.Writer && now.num(attrEpoch) == next.Epoch && now.num(attrUntil) == until
	return updated || err == nil && done, err
}

// untilMillis returns the end of a lease as it is stored, 0 for one that was left to a worker.
func untilMillis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// lease is a [tasklog.Lease].
type lease struct {
	log    *Log
	head   tasklog.Head
	writer string
	epoch  int64
	push   atomic.Bool // the task has push notification configurations
	cancel atomic.Bool // the holder knows that the task is to be canceled
	over   atomic.Bool // it was released

	// Of Append, which one goroutine calls at a time.
	last, before end
	parts        parts // of the last append that was put in parts

	teller *teller
}

// end is how far a log has come.
type end struct {
	seq  int64
	size tasklog.Size
}

func (l *Log) newLease(s *tasklog.Snapshot, c tasklog.Claim, epoch int64) *lease {
	h := &lease{log: l, head: s.Head, writer: c.Writer, epoch: epoch}
	h.push.Store(s.Head.Push || c.Push)
	h.last = end{s.Seq, s.Size}
	h.teller = newTeller(l.lag, h.tell)
	return h
}

// Append implements [tasklog.Lease]. It costs one write unit per KB of deflated events. The head is
// told of a state, for one more and those of the index, as a [teller] does.
func (h *lease) Append(ctx context.Context, first int64, entries []tasklog.Entry) error {
	base := h.last
	if first <= base.seq {
		base = h.before // it is the last append again
	}
	if first != base.seq+1 || h.over.Load() {
		return tasklog.ErrConflict
	}
	now := end{base.seq + int64(len(entries)), base.size}
	state, at := a2a.TaskState(""), time.Time{}
	for _, e := range entries {
		now.size = now.size.Plus(e.Size())
		if e.State != "" {
			state, at = e.State, e.Time
		}
	}
	if err := h.append(ctx, first, entries, state, now.size); err != nil {
		return err
	}
	h.before, h.last = base, now
	// What begins a turn is no news: a client that waits for its end is about to be told more.
	if state != "" && state != a2a.TaskStateSubmitted {
		h.teller.add(ctx, status{state, at, now.seq})
	}
	return nil
}

func (h *lease) append(
	ctx context.Context, first int64, entries []tasklog.Entry, state a2a.TaskState, size tasklog.Size,
) error {
	item := item{
		attrPK:     str(string(h.head.ID)),
		attrSK:     str(skBatch(first)),
		attrCount:  num(int64(len(entries))),
		attrTTL:    num(h.head.Expires.Unix()),
		attrWriter: str(h.writer),
	}
	putSize(item, size)
	if state.Terminal() {
		item[attrState] = str(string(state))
	}
	if h.push.Load() {
		item[attrPush] = num(1)
	}
	err := h.log.putBody(ctx, item, h.head.Expires, ref(first, h.writer), maxBatchBody, deflate(entries), &h.parts)
	if err != nil {
		return fmt.Errorf("dynamolog: appending: %w", err)
	}
	// A fence keeps out who held the lease before it was put.
	existing, err := h.log.put(ctx, item, write().when("attribute_not_exists(?) OR ? = ? AND (? = ? OR ? < ?)",
		attrPK, attrCount, num(0), attrWriter, str(h.writer), attrEpoch, num(h.epoch)))
	if err != nil {
		return fmt.Errorf("dynamolog: appending: %w", err)
	}
	if existing != nil && (existing.str(attrWriter) != h.writer || existing.num(attrCount) == 0) {
		return tasklog.ErrConflict
	}
	return nil
}

// Renew implements [tasklog.Lease]. It costs one write unit.
func (h *lease) Renew(ctx context.Context, until time.Time) (tasklog.Asked, error) {
	if h.over.Load() {
		return tasklog.Asked{}, tasklog.ErrConflict
	}
	return h.renew(ctx, until)
}

func (h *lease) renew(ctx context.Context, until time.Time) (tasklog.Asked, error) {
	e := write().
		set(attrWriter, str(h.writer)).set(attrUntil, num(until.UnixMilli())).set(attrTTL, num(h.head.Expires.Unix())).
		setTo(attrEpoch, "if_not_exists(?, ?)", attrEpoch, num(1)).
		when("attribute_not_exists(?) OR ? = ?", attrWriter, attrWriter, str(h.writer))
	if h.push.Load() {
		// The first renewal by a holder that has learned of it wakes the push function, for what
		// was appended before.
		e.setTo(attrPush, "if_not_exists(?, ?)", attrTell, num(0)).remove(attrTell)
	}
	now, renewed, err := h.log.update(ctx, h.head.ID, skLease, e)
	if err != nil {
		return tasklog.Asked{}, fmt.Errorf("dynamolog: renewing lease: %w", err)
	}
	if !renewed {
		return tasklog.Asked{}, tasklog.ErrConflict
	}
	return h.asked(now)
}

// Asked implements [tasklog.Lease]. It costs half a read unit. Those who ask within some
// milliseconds share one request.
func (h *lease) Asked(ctx context.Context) (tasklog.Asked, error) {
	it, err := h.log.ask(ctx, h.head.ID)
	if err != nil {
		return tasklog.Asked{}, fmt.Errorf("dynamolog: asking: %w", err)
	}
	return h.asked(it)
}

// asked returns what the lease item asks of the holder.
func (h *lease) asked(it item) (tasklog.Asked, error) {
	switch epoch := max(1, it.num(attrEpoch)); {
	case epoch > h.epoch:
		return tasklog.Asked{}, tasklog.ErrConflict
	case epoch < h.epoch: // the read is an old one: this was asked of the holder before
		return tasklog.Asked{}, nil
	}
	if _, push := it[attrTell]; push {
		h.push.Store(true)
	}
	_, cancel := it[attrCancel]
	if cancel {
		h.cancel.Store(true) // and an old read does not take it back
	}
	return tasklog.Asked{Cancel: cancel}, nil
}

// SaveSnapshot implements [tasklog.Lease]. The snapshots before stay until they expire, so that
// nobody loses what they are reading, and for LoadAt. It costs two write units more than the
// snapshot's bytes.
func (h *lease) SaveSnapshot(ctx context.Context, seq int64, lines iter.Seq2[[]byte, error]) error {
	r := "snapshot." + ref(seq, h.writer)
	if err := h.log.putLines(ctx, h.head.ID, h.head.Expires, r, lines); err != nil {
		return fmt.Errorf("dynamolog: saving snapshot: %w", err)
	}
	if _, err := h.log.put(ctx, item{
		attrPK:          str(string(h.head.ID)),
		attrSK:          str(skSnapshot(seq)),
		attrSnapshotRef: str(r),
		attrTTL:         num(h.head.Expires.Unix()),
	}, write().when("attribute_not_exists(?)", attrPK)); err != nil {
		return fmt.Errorf("dynamolog: saving snapshot: %w", err)
	}
	_, _, err := h.log.update(ctx, h.head.ID, skHead, write().set(attrSnapshotSeq, num(seq)).set(attrSnapshotRef, str(r)).
		when("attribute_exists(?) AND (attribute_not_exists(?) OR ? < ?)",
			attrPK, attrSnapshotSeq, attrSnapshotSeq, num(seq)))
	if err != nil {
		return fmt.Errorf("dynamolog: saving snapshot: %w", err)
	}
	return nil
}

// Release implements [tasklog.Lease]. It costs one write unit.
func (h *lease) Release(ctx context.Context) error {
	h.over.Store(true) // first: a renewal that is late does not take it back
	h.teller.flush()   // whoever acquires the lease next keeps out what comes later
	_, err := h.renew(ctx, released)
	return err
}

// Close implements [tasklog.Lease].
func (h *lease) Close(ctx context.Context) { h.teller.close(ctx) }

// RequestCancel implements [tasklog.Log]. It costs one write unit.
func (l *Log) RequestCancel(ctx context.Context, h tasklog.Head) error {
	_, _, err := l.update(ctx, h.ID, skLease, write().set(attrCancel, num(1)).set(attrTTL, num(h.Expires.Unix())))
	if err != nil {
		return fmt.Errorf("dynamolog: requesting to cancel: %w", err)
	}
	return nil
}

// Settle implements [tasklog.Index]. It costs one write unit and those of the index.
func (l *Log) Settle(ctx context.Context, s *tasklog.Snapshot) error {
	if err := l.settle(ctx, s); err != nil {
		return fmt.Errorf("dynamolog: settling: %w", err)
	}
	return nil
}

func (l *Log) settle(ctx context.Context, s *tasklog.Snapshot) error {
	at := time.Now()
	if t := s.Task.Status.Timestamp; t != nil {
		at = *t
	}
	for epoch := s.Lease.Epoch; ; {
		e := statusOf(s.Head.ID, status{s.Task.Status.State, at, s.Seq}).remove(attrRunning).
			when("? <= ? AND (attribute_not_exists(?) OR ? <= ?)", attrSeq, num(s.Seq), attrEpoch, attrEpoch, num(epoch))
		now, settled, err := l.update(ctx, s.Head.ID, skHead, e)
		if err != nil || settled || now.num(attrSeq) > s.Seq || now.num(attrEpoch) <= epoch {
			return err // nil if there is a later turn, or no task any more
		}
		// Somebody has come halfway to the lease. It is given to nobody, so that it can't be taken
		// any more as they know it.
		next := s.Next(tasklog.Claim{})
		next.Epoch = now.num(attrEpoch)
		var request item
		if s.Lease.Epoch == 1 { // that is in the head, which is what there is now
			request = now
		}
		taken, err := l.giveLease(ctx, s, next, tasklog.Claim{}, request)
		if err != nil || !taken {
			return err
		}
		epoch = next.Epoch
	}
}
