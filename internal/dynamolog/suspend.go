package dynamolog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/tasklog"
)

// A task is suspended while its lease item has sp, with the epoch of the lease. One item, and so
// one condition, has the holder, the due time, the wake count and the request to cancel: of a holder
// that suspends the task and somebody who wakes it, one sees what the other did.
//
// A suspended task is in the index of unfinished tasks under keys of its own, by its lease item:
// the sweeper does not meet it before it is due. cr is then the time of the look; u, the end of the
// lease, is when the task is due, in ms. So a process of a former version, which knows nothing of
// all this, takes the task for one that is held until it is due, and leaves it alone. If that
// process acquires the lease then, sp and run stay, and mean nothing any more.

// waitLooks begins the keys of suspended tasks in the index.
const waitLooks = "wait-"

// sleeps reports whether the lease item is of a suspended task. It may be due.
func sleeps(lease item) bool {
	_, ok := lease[attrSleeps]
	return ok && lease.num(attrSleeps) == lease.num(attrEpoch)
}

// Suspend implements [tasklog.Lease]. It costs a write unit and one in the index, and one more for the
// head, or two if it was in the index.
func (h *lease) Suspend(ctx context.Context, due time.Time, woken int64) (bool, error) {
	switch {
	case h.slept.Load():
		return true, nil
	case h.over.Load():
		return false, tasklog.ErrConflict
	}
	// Until an answer says no, the task may be suspended, and somebody else may acquire the lease
	// without a fence.
	h.unsure.Store(true)
	due = time.Unix(due.Unix(), 0)
	now, suspended, err := h.log.update(ctx, h.head.ID, skLease, h.moved(due).
		set(attrSleeps, num(h.epoch)).set(attrRunning, str(waitLooks+shard(h.head.ID))).set(attrLook, num(due.Unix())).
		when("attribute_not_exists(?) OR ? <= ?", attrWoken, attrWoken, num(woken)).
		when("attribute_not_exists(?)", attrCancel))
	switch mine := now.str(attrWriter) == h.writer && max(1, now.num(attrEpoch)) == h.epoch; {
	case err != nil:
		return false, fmt.Errorf("dynamolog: suspending: %w", err)
	case suspended, mine && sleeps(now): // again: it may have been woken since
		h.over.Store(true)
		h.slept.Store(true)
		h.rest(ctx)
		return true, nil
	case !mine && now.str(attrWriter) != "", now.num(attrUntil) == released.UnixMilli(), now.num(attrUntil) == deposed.UnixMilli():
		return false, tasklog.ErrConflict
	}
	h.unsure.Store(false)
	h.asked(now)
	return false, nil
}

// rest takes the head of a suspended task out of the index of running tasks, where its epoch keeps
// it out (see promote), and writes the status that waits. If it fails, a sweep meets the task once more.
func (h *lease) rest(ctx context.Context) {
	e := write()
	if _, s := h.teller.take(); s != nil {
		e = statusOf(h.head.ID, *s).when("? < ?", attrSeq, num(s.seq))
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tellFirst)
	defer cancel()
	// Whoever acquires the lease writes to the head first.
	_, _, _ = h.log.update(ctx, h.head.ID, skHead, e.remove(attrRunning).set(attrEpoch, num(h.epoch)).
		when("attribute_exists(?) AND (attribute_not_exists(?) OR ? <= ?)", attrPK, attrEpoch, attrEpoch, num(h.epoch)))
}

// Wake implements [tasklog.Journal]. It costs a write unit, and two in the index if the task is
// suspended and not yet due; two write units if it is not suspended, and three if somebody holds it.
func (l *Log) Wake(ctx context.Context, id a2a.TaskID) error {
	err := l.rouse(ctx, id, true, func() *expression {
		return write().setTo(attrWoken, "if_not_exists(?, ?) + ?", attrWoken, num(0), num(1)).
			when("? > ?", attrTTL, num(time.Now().Unix()))
	})
	if errors.Is(err, tasklog.ErrNotFound) {
		err = l.wakeFirst(ctx, id)
	}
	if err != nil {
		return fmt.Errorf("dynamolog: waking: %w", err)
	}
	return nil
}

// wakeFirst wakes a task that has no lease item yet, unless it is gone.
func (l *Log) wakeFirst(ctx context.Context, id a2a.TaskID) error {
	head, err := l.head(ctx, id)
	if err != nil {
		return err
	}
	if expired(head) {
		return tasklog.ErrNotFound
	}
	return l.rouse(ctx, id, false, func() *expression {
		return write().setTo(attrWoken, "if_not_exists(?, ?) + ?", attrWoken, num(0), num(1)).
			set(attrTTL, num(head.num(attrExpires)))
	})
}

// RequestCancel implements [tasklog.Log]. It costs one write unit, and one more if somebody holds the
// lease; of a suspended task it costs two, and two in the index.
func (l *Log) RequestCancel(ctx context.Context, h tasklog.Head) error {
	err := l.rouse(ctx, h.ID, false, func() *expression {
		return write().set(attrCancel, num(1)).set(attrTTL, num(h.Expires.Unix()))
	})
	if err != nil {
		return fmt.Errorf("dynamolog: requesting to cancel: %w", err)
	}
	return nil
}

// errRestless says that a task was suspended and woken again and again.
var errRestless = errors.New("the lease has changed too often")

// rouse changes the lease item, and has the holder see that. If the task is suspended and its look is not due, rouse makes both
// due in the same update. It tries first what the caller thinks likely. It returns ErrNotFound if
// there is no such item and the change does not make one, or if it has expired.
func (l *Log) rouse(ctx context.Context, id a2a.TaskID, asleep bool, change func() *expression) error {
	for range 10 {
		now := time.Unix(time.Now().Unix(), 0)
		e := change()
		if asleep {
			e.set(attrLook, num(now.Unix())).set(attrUntil, num(now.UnixMilli())).remove(attrAsked).
				when("? = ? AND ? > ?", attrSleeps, attrEpoch, attrLook, num(now.Unix()))
		} else {
			e.when("attribute_not_exists(?) OR ? <> ? OR ? <= ?", attrSleeps, attrSleeps, attrEpoch, attrLook, num(now.Unix()))
		}
		existing, done, err := l.update(ctx, id, skLease, e)
		switch {
		case err != nil:
			return err
		case done:
			return l.askHolder(ctx, id, existing)
		case existing == nil, existing.num(attrTTL) <= now.Unix():
			return tasklog.ErrNotFound
		}
		asleep = sleeps(existing) && existing.num(attrLook) > now.Unix()
	}
	return errRestless
}
