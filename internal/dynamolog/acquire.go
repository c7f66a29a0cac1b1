package dynamolog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/tasklog"
)

// look returns the time of the look at a task whose lease the claim gets, in seconds since 1970.
func look(c tasklog.Claim) int64 {
	if c.Until.IsZero() {
		return time.Now().Unix()
	}
	return c.Until.Unix()
}

// kept is what a snapshot keeps for Acquire: the gist, and what is in the head.
type kept struct {
	gist   *gist
	state  a2a.TaskState
	seq    int64 // the last event whose state is there
	queued bool  // a sweep finds the task, or will once its look is due: see promote
}

func keptOf(g *gist, head item) *kept {
	_, running := head[attrRunning]
	_, acquired := head[attrEpoch]
	_, held := head[attrUntil]
	return &kept{g, a2a.TaskState(head.str(attrState)), head.num(attrSeq), running || held && !acquired}
}

// Acquire implements [tasklog.Log]. It costs two write units and one in the index, or two there if
// the task was there already, and one more for each fence: of the log, and of the
// journal. If the holder records and the journal needs no fence, it costs a read unit. After a
// hand-over in the middle of a turn, it costs one write unit.
func (l *Log) Acquire(ctx context.Context, s *tasklog.Snapshot, c tasklog.Claim) (tasklog.Lease, error) {
	next := s.Next(c)
	if err := l.acquire(ctx, s, next, c); err != nil {
		return nil, fmt.Errorf("dynamolog: acquiring lease: %w", err)
	}
	if s.Lease.Held() {
		_ = l.ask(ctx, s.Head.ID, s.Lease.Holder) // so it learns of it before it renews the lease
	}
	h := l.newLease(s, c, next.Epoch)
	if k, ok := s.Kept.(*kept); ok {
		h.teller.state = k.state
		switch t := s.Task.Status; {
		case !inHead(t):
		case !handedOver(s, c):
			h.teller.state = t.State
		case k.gist.status > k.seq:
			h.teller.add(ctx, status{t.State, *t.Timestamp, k.gist.status})
		}
	}
	return h, nil
}

// handedOver reports whether the lease in s was released in the middle of a turn. Then the head needs
// no write: a sweep finds the task as it did, and the next holder tells a status that is missing, as it
// tells its own. A look that was postponed is another matter.
func handedOver(s *tasklog.Snapshot, c tasklog.Claim) bool {
	k, _ := s.Kept.(*kept)
	return k != nil && k.gist != nil && k.queued && s.Lease.Released && !s.Lease.Suspended && s.Lease.Asked == 0 &&
		!tasklog.Final(s.Task.Status.State) && !c.Until.IsZero()
}

// inHead reports whether a head gets the status. The beginning of a turn is not written, and of a time
// that the agent made up not either.
func inHead(s a2a.TaskStatus) bool {
	return s.State != a2a.TaskStateSubmitted && s.Timestamp != nil && time.Since(*s.Timestamp) < longAgo
}

func (l *Log) acquire(ctx context.Context, s *tasklog.Snapshot, next tasklog.LeaseInfo, c tasklog.Claim) error {
	fence := needsFence(s, c)
	if c.Records && !fence {
		if err := l.checkPlace(ctx, s.Head.ID, c.Place); err != nil {
			return err
		}
	}
	if err := l.acquireLog(ctx, s, next, c); err != nil || !fence {
		return err
	}
	err := l.fenceJournal(ctx, s.Head, c.Place+1, next.Epoch)
	if errors.Is(err, tasklog.ErrConflict) {
		l.giveBack(ctx, s, next, c)
	}
	return err
}

// acquireLog acquires the lease, and fences the log.
func (l *Log) acquireLog(ctx context.Context, s *tasklog.Snapshot, next tasklog.LeaseInfo, c tasklog.Claim) error {
	// If somebody holds the lease, the fence comes first: a holder that has appended meanwhile keeps
	// its lease.
	doubted := s.Busy() && s.Lease.Holder != c.Writer
	if doubted {
		if err := l.fence(ctx, s, c.Writer, next.Epoch); err != nil {
			return err
		}
	}
	// The head comes before the lease: if this fails halfway, the sweeper looks at the task in
	// vain, but does not miss it.
	if !handedOver(s, c) {
		if err := l.acquireHead(ctx, s, next, c); err != nil {
			return err
		}
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
		// The fence must not keep out the holder that has the lease now, only those before the
		// lease in s.
		_, _, err = l.update(ctx, s.Head.ID, skBatch(s.Seq+1), write().set(attrEpoch, num(s.Lease.Epoch-1)).
			when("? = ? AND ? = ?", attrWriter, str(c.Writer), attrCount, num(0)))
		return errors.Join(tasklog.ErrConflict, err)
	case !given:
		return tasklog.ErrConflict
	case doubted || !s.Fenced() || s.Lease.Holder == c.Writer:
		return nil
	}
	if err = l.fence(ctx, s, c.Writer, next.Epoch); errors.Is(err, tasklog.ErrConflict) {
		l.giveBack(ctx, s, next, c)
	}
	return err
}

// acquireHead has a sweep find the task.
func (l *Log) acquireHead(ctx context.Context, s *tasklog.Snapshot, next tasklog.LeaseInfo, c tasklog.Claim) error {
	e := write().
		set(attrRunning, str(shard(s.Head.ID))).set(attrLook, num(look(c))).
		set(attrSeq, num(s.Seq)).set(attrEpoch, num(next.Epoch)).remove(attrAsked).
		when("attribute_exists(?) AND ? <= ? AND (attribute_not_exists(?) OR ? <= ?)",
			attrPK, attrSeq, num(s.Seq), attrEpoch, attrEpoch, num(next.Epoch))
	if t := s.Task.Status; inHead(t) {
		// A holder that crashed may not have written this status to the head. If it had, this
		// changes nothing, and costs nothing.
		e.set(attrState, str(string(t.State))).set(attrPosition, str(position(tasklog.Position{Time: *t.Timestamp, ID: s.Head.ID})))
	}
	now, updated, err := l.update(ctx, s.Head.ID, skHead, e)
	if err == nil && !updated && now == nil {
		err = tasklog.ErrNotFound
	}
	return err
}

// giveBack gives back a lease whose fence was refused: the earlier holder had not crashed, but has
// appended or recorded since. Or somebody doubted its lease and crashed. So somebody can acquire
// the lease with what is known now.
func (l *Log) giveBack(ctx context.Context, s *tasklog.Snapshot, next tasklog.LeaseInfo, c tasklog.Claim) {
	if c.Until.IsZero() {
		return
	}
	back := num(deposed.UnixMilli())
	if s.Lease.Holder == "" {
		back = num(time.Time{}.UnixMilli()) // to the worker that is to begin the turn: no holder has crashed
	}
	_, _, _ = l.update(ctx, s.Head.ID, skLease, write().set(attrUntil, back).
		when("? = ? AND ? = ?", attrWriter, str(c.Writer), attrEpoch, num(next.Epoch)))
}

// fence puts a fence after the last event in s, for the writer and its epoch: nobody with an
// earlier epoch can append there. It returns ErrConflict if the place has events, or the fence of
// another writer with that epoch or a later one.
func (l *Log) fence(ctx context.Context, s *tasklog.Snapshot, writer string, epoch int64) error {
	existing, err := l.putFence(ctx, s.Head.ID, skBatch(s.Seq+1), writer, epoch, epoch-1, s.Head.Expires.Unix())
	if err == nil && existing != nil && (existing.num(attrCount) > 0 || existing.str(attrWriter) != writer) {
		err = tasklog.ErrConflict
	}
	return err
}

// putFence puts a fence, which is of a writer and its epoch, where nothing is yet, or a fence whose
// epoch is over or an earlier one. Otherwise it returns what is there. The fence expires with the task.
func (l *Log) putFence(
	ctx context.Context, id a2a.TaskID, sk, writer string, epoch, over, expires int64,
) (existing item, err error) {
	return l.put(ctx, item{
		attrPK:     str(string(id)),
		attrSK:     str(sk),
		attrCount:  num(0),
		attrWriter: str(writer),
		attrEpoch:  num(epoch),
		attrTTL:    num(expires),
	}, ifNew("? = ? AND ? <= ?", attrCount, num(0), attrEpoch, num(over)))
}

// giveLease writes the lease that follows the one in s. It reports false if the lease is no longer
// the one in s, unless an earlier try has written the new one. The request has the attributes of
// the claim's request; nil keeps those of the lease.
func (l *Log) giveLease(
	ctx context.Context, s *tasklog.Snapshot, next tasklog.LeaseInfo, c tasklog.Claim, request item,
) (bool, error) {
	// If the lease is left to a worker, this is the zero time, long before 1970: processes of a former version, which a
	// deployment may still run, expect it to acquire the lease.
	until := next.Until.UnixMilli()
	e := write().
		set(attrWriter, str(c.Writer)).set(attrUntil, num(until)).
		set(attrEpoch, num(next.Epoch)).set(attrHears, num(next.Epoch)).set(attrSeq, num(next.Seq)).
		set(attrCrashes, num(int64(next.Crashes))).set(attrTTL, num(s.Head.Expires.Unix())).
		remove(attrSleeps, attrRunning, attrLook, attrAsked, attrDoubt)
	if s.Lease.Suspended { // then its end moves when the task is woken
		e.when("? = ? AND ? = ?", attrEpoch, num(s.Lease.Epoch), attrSleeps, num(s.Lease.Epoch))
	} else {
		e.when("attribute_not_exists(?) OR ? = ? AND ? = ?",
			attrUntil, attrUntil, num(s.Lease.Until.UnixMilli()), attrEpoch, num(s.Lease.Epoch))
	}
	if next.Records {
		e.set(attrRecords, str(recordsFrom(next.Epoch, next.Place)))
	} else {
		e.remove(attrRecords)
	}
	for _, name := range requestAttrs {
		if v, ok := request[name]; ok {
			e.set(name, v)
		} else if request != nil {
			e.remove(name)
		}
	}
	now, updated, err := l.update(ctx, s.Head.ID, skLease, e)
	done := now.str(attrWriter) == c.Writer && now.num(attrEpoch) == next.Epoch && now.num(attrUntil) == until
	if err != nil || !updated && !done {
		return false, err
	}
	if _, cancel := now[attrCancel]; cancel && !next.Cancel || now.num(attrWoken) > next.Woken {
		_ = l.ask(ctx, s.Head.ID, next.Holder) // asked since s was read: nobody else tells the new holder
	}
	return true, nil
}

// shutTurn puts a fence where the message of the turn is to come: whoever was to bring it must not do so
// any more, since no sweep would find it. It reports false if the message is there, or if somebody has
// acquired the lease since.
func (l *Log) shutTurn(ctx context.Context, s *tasklog.Snapshot) (bool, error) {
	epoch := s.Lease.Epoch
	existing, err := l.putFence(ctx, s.Head.ID, skBatch(s.Seq+1), a2a.NewMessageID(), epoch, epoch, s.Head.Expires.Unix())
	return existing == nil, err
}

// Settle implements [tasklog.Index]. It costs one write unit and those of the index, and one more for a
// turn that has no message yet.
func (l *Log) Settle(ctx context.Context, s *tasklog.Snapshot) error {
	if err := l.settle(ctx, s); err != nil {
		return fmt.Errorf("dynamolog: settling: %w", err)
	}
	return nil
}

func (l *Log) settle(ctx context.Context, s *tasklog.Snapshot) error {
	if s.Fenced() { // a turn has no message yet
		if shut, err := l.shutTurn(ctx, s); err != nil || !shut {
			return err
		}
	}
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
		// Somebody has begun to acquire the lease, and not ended. The lease that they know is
		// replaced by one that nobody has, so that they can't acquire it any more.
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
