package dynamolog

import (
	"context"
	"fmt"
	"hash/fnv"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/tasklog"
)

// released is the end of a lease that its holder released. It is long ago, so that the holder does
// not seem to have crashed.
var released = time.UnixMilli(1)

// deposed is the end of a lease whose holder did not answer. It is long ago, too.
var deposed = time.UnixMilli(2)

// shard returns the key of the task in the index of unfinished tasks. There are several keys, since
// DynamoDB writes 1,000 units a second to each.
func shard(id a2a.TaskID) string { return strconv.Itoa(spread(id, tasklog.Shards)) }

// spread returns a number less than n that follows from the id.
func spread(id a2a.TaskID, n uint32) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(id))
	return int(h.Sum32() % n)
}

// leaseOf returns the lease of the task, from its head and its lease item, which may be nil: until
// its first renewal, the first lease is in the head.
func leaseOf(head, lease item) tasklog.LeaseInfo {
	l := tasklog.LeaseInfo{Epoch: 1, Seq: 1}
	from := head
	if _, ok := lease[attrUntil]; ok {
		from, l.Epoch, l.Seq = lease, lease.num(attrEpoch), max(1, lease.num(attrSeq))
	}
	if ms := from.num(attrUntil); ms > 0 {
		l.Holder, l.Until = from.str(attrWriter), time.UnixMilli(ms)
		l.Released, l.Deposed = l.Until.Equal(released), l.Until.Equal(deposed)
	}
	_, l.Doubted = lease[attrDoubt]
	_, l.Cancel = lease[attrCancel]
	l.Crashes, l.Asked, l.Woken = int(lease.num(attrCrashes)), int(head.num(attrAsked)), lease.num(attrWoken)
	if sleeps(lease) {
		l.Suspended, l.Released = true, true
		l.Due, l.Until, l.Doubted = l.Until, released, false
		l.Asked = int(lease.num(attrAsked))
	}
	if from = lease; l.Epoch == 1 {
		from = head
	}
	l.Place, l.Records = placeOfClaim(from.str(attrRecords), l.Epoch)
	l.Deaf = l.Held() && from.num(attrHears) != l.Epoch
	return l
}

// lease is a [tasklog.Lease].
type lease struct {
	log    *Log
	head   tasklog.Head
	writer string
	epoch  int64
	push   atomic.Bool // the task has push notification configurations
	cancel atomic.Bool // the holder knows that the task is to be canceled
	over   atomic.Bool // it was released, or the task is suspended
	unsure atomic.Bool // the task may be suspended
	slept  atomic.Bool // the task was suspended
	final  atomic.Bool // the last append brings a final state

	// Of Append, which one goroutine calls at a time.
	last, before end
	parts        parts // of the last append that was put in parts

	record recording

	teller *teller
}

// end is how far a log has come.
type end struct {
	seq  int64
	size tasklog.Size
	gist *gist
}

func (l *Log) newLease(s *tasklog.Snapshot, c tasklog.Claim, epoch int64) *lease {
	h := &lease{log: l, head: s.Head, writer: c.Writer, epoch: epoch}
	h.push.Store(s.Head.Push || c.Push)
	var g *gist
	if k, ok := s.Kept.(*kept); ok {
		g = k.gist
	}
	if s.Task != nil {
		g = g.of(s.Task)
	}
	h.last = end{s.Seq, s.Size, g}
	h.record.may, h.record.last, h.record.before = c.Records, c.Place, c.Place
	h.teller = newTeller(l.lag, h.tell)
	return h
}

// Append implements [tasklog.Lease]. It costs one write unit per KB of deflated events, and one more
// if these have more than maxBatchBody. A [teller] writes a new state to the head, for one more unit and
// those of the index.
func (h *lease) Append(ctx context.Context, first int64, entries []tasklog.Entry) error {
	base := h.last
	if first <= base.seq {
		base = h.before // it is the last append again
	}
	if first != base.seq+1 || h.over.Load() || h.unsure.Load() {
		return tasklog.ErrConflict
	}
	now := base
	state, at := a2a.TaskState(""), time.Time{}
	for _, e := range entries {
		now.seq++
		now.size, now.gist = now.size.Plus(e.Size()), now.gist.next(now.seq, e)
		if e.State != "" {
			state, at = e.State, e.Time
		}
	}
	if tasklog.Final(state) {
		h.final.Store(true) // first: whoever acquires the lease next does not fence the journal
	}
	if err := h.append(ctx, first, entries, state, now); err != nil {
		return err
	}
	h.before, h.last = base, now
	if state != "" {
		h.final.Store(tasklog.Final(state))
	}
	// The beginning of a turn is not written: whoever waits for its end soon gets another state.
	if state != "" && state != a2a.TaskStateSubmitted {
		h.teller.add(ctx, status{state, at, now.seq})
	}
	return nil
}

func (h *lease) append(
	ctx context.Context, first int64, entries []tasklog.Entry, state a2a.TaskState, now end,
) error {
	item := item{
		attrPK:     str(string(h.head.ID)),
		attrSK:     str(skBatch(first)),
		attrCount:  num(int64(len(entries))),
		attrTTL:    num(h.head.Expires.Unix()),
		attrWriter: str(h.writer),
	}
	putSize(item, now.size)
	putGist(item, now.gist)
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
	if item.str(attrParts) != "" {
		own := tasklog.Size{}
		for _, e := range entries {
			own = own.Plus(e.Size())
		}
		putOwnSize(item, own)
	}
	// A fence keeps out earlier holders.
	existing, err := h.log.put(ctx, item, ifNew("? = ? AND (? = ? OR ? < ?)",
		attrCount, num(0), attrWriter, str(h.writer), attrEpoch, num(h.epoch)))
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
	now, renewed, err := h.log.update(ctx, h.head.ID, skLease, h.moved(until))
	if err != nil {
		return tasklog.Asked{}, fmt.Errorf("dynamolog: renewing lease: %w", err)
	}
	if !renewed {
		return tasklog.Asked{}, tasklog.ErrConflict
	}
	return h.asked(now), nil
}

// moved returns the expression that moves the end of the lease. Its condition is that the holder
// has the lease and was not deposed, and that the task is not suspended. A renewal that reaches the
// store late does not take back a release.
func (h *lease) moved(until time.Time) *expression {
	e := write().
		set(attrWriter, str(h.writer)).set(attrUntil, num(until.UnixMilli())).set(attrTTL, num(h.head.Expires.Unix())).
		setTo(attrEpoch, "if_not_exists(?, ?)", attrEpoch, num(1)).
		remove(attrDoubt).
		when("(attribute_not_exists(?) OR ? = ?) AND attribute_not_exists(?)", attrWriter, attrWriter, str(h.writer), attrSleeps)
	if until.Equal(released) { // it may be repeated
		e.when("attribute_not_exists(?) OR ? <> ?", attrUntil, attrUntil, num(deposed.UnixMilli()))
	} else {
		e.when("attribute_not_exists(?) OR ? > ?", attrUntil, attrUntil, num(deposed.UnixMilli()))
	}
	if h.push.Load() {
		// The first renewal by a holder that has learned of it wakes the push function, for what
		// the holder appended before.
		e.setTo(attrPush, "if_not_exists(?, ?)", attrTell, num(0)).remove(attrTell)
	}
	return e
}

// asked returns what the holder's lease item asks of it.
func (h *lease) asked(it item) tasklog.Asked {
	if _, push := it[attrTell]; push {
		h.push.Store(true)
	}
	_, cancel := it[attrCancel]
	if cancel {
		h.cancel.Store(true)
	}
	return tasklog.Asked{Cancel: cancel, Woken: it.num(attrWoken)}
}

// Release implements [tasklog.Lease]. It costs one write unit.
func (h *lease) Release(ctx context.Context) error {
	if h.slept.Load() {
		return nil
	}
	h.over.Store(true) // first: a renewal that is late does not take it back
	h.teller.release()
	_, err := h.renew(ctx, released)
	return err
}

// Close implements [tasklog.Lease].
func (h *lease) Close(ctx context.Context) { h.teller.close(ctx) }
