package dynamolog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/tasklog"
)

// doubtStands is how long a question is not asked again. A clock that is ahead of the asker's sees
// it end sooner, which costs a write.
const doubtStands = 3 * time.Second

// Doubt implements [tasklog.Log]. It costs two write units, also if the question stands already, and
// a read unit for the first lease of a task, which may have no item yet.
func (l *Log) Doubt(ctx context.Context, id a2a.TaskID, seen tasklog.LeaseInfo) (bool, error) {
	if !seen.Held() {
		return false, tasklog.ErrConflict
	}
	if err := l.ask(ctx, id, seen.Holder); err != nil { // first, see question.go
		return false, fmt.Errorf("dynamolog: doubting: %w", err)
	}
	now := time.Now()
	asked, existing, err := l.changeLease(ctx, id, seen, write().set(attrDoubt, num(now.UnixMilli())).
		when("attribute_not_exists(?) OR ? < ? OR ? > ?", attrDoubt,
			attrDoubt, num(now.Add(-doubtStands).UnixMilli()), attrDoubt, num(now.Add(doubtStands).UnixMilli())))
	if err == nil && !asked {
		if _, stands := existing[attrDoubt]; !stands || !isLease(existing, seen) {
			err = tasklog.ErrConflict
		}
	}
	if err != nil {
		return false, fmt.Errorf("dynamolog: doubting: %w", err)
	}
	return asked, nil
}

// Depose implements [tasklog.Log]. It costs as much as Doubt, and a write unit and a read unit more
// to keep the holder from recording.
func (l *Log) Depose(ctx context.Context, id a2a.TaskID, seen tasklog.LeaseInfo, last int64) (bool, error) {
	done, err := l.depose(ctx, id, seen, last)
	if errors.Is(err, tasklog.ErrConflict) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("dynamolog: deposing: %w", err)
	}
	return done, nil
}

func (l *Log) depose(ctx context.Context, id a2a.TaskID, seen tasklog.LeaseInfo, last int64) (bool, error) {
	var shut bool // by this call
	deposer := a2a.NewMessageID()
	if last != tasklog.AnyPlace && seen.Records && seen.Held() { // first: what is in the journal now, a holder has recorded
		var err error
		if shut, err = l.shutJournal(ctx, id, last+1, seen.Epoch+1, deposer); err != nil {
			return false, err
		}
	}
	done, existing, err := l.changeLease(ctx, id, seen, write().set(attrWriter, str(seen.Holder)).
		set(attrUntil, num(deposed.UnixMilli())).set(attrEpoch, num(seen.Epoch)).remove(attrDoubt))
	if err != nil && !errors.Is(err, tasklog.ErrConflict) {
		return false, err // perhaps it is done
	}
	done = done || err == nil && existing.num(attrEpoch) == seen.Epoch && existing.num(attrUntil) == deposed.UnixMilli()
	if shut && !done { // the holder lives: its journal must be open to it
		_, _, err := l.update(ctx, id, skStep(last+1), write().set(attrEpoch, num(seen.Epoch)).
			when("? = ? AND ? = ?", attrWriter, str(deposer), attrCount, num(0)))
		return false, err
	}
	return done, err
}

// shutJournal puts a fence at a place, as [Log.fenceJournal] does, for somebody who has no lease. It
// reports false if such a fence is there: then it may be that of the next holder.
func (l *Log) shutJournal(ctx context.Context, id a2a.TaskID, place, epoch int64, writer string) (bool, error) {
	head, err := l.head(ctx, id)
	switch {
	case err != nil:
		return false, err
	case expired(head):
		return false, tasklog.ErrNotFound
	}
	existing, err := l.putFence(ctx, id, skStep(place), writer, epoch, epoch-1, head.num(attrExpires))
	if err != nil || existing == nil {
		return err == nil, err
	}
	if _, n := placeOfStep(existing); n > 0 || existing.num(attrEpoch) > epoch {
		return false, tasklog.ErrConflict
	}
	return existing.str(attrWriter) == writer, nil // an earlier try
}

// changeLease changes the lease item, if the lease is the one that was seen, and somebody holds it.
// If not, it returns the item.
func (l *Log) changeLease(
	ctx context.Context, id a2a.TaskID, seen tasklog.LeaseInfo, e *expression,
) (changed bool, existing item, err error) {
	if !seen.Held() {
		return false, nil, tasklog.ErrConflict
	}
	until, epoch := num(seen.Until.UnixMilli()), num(seen.Epoch)
	if seen.Epoch == 1 {
		head, err := l.head(ctx, id) // which has the lease before its first renewal
		if err != nil {
			return false, nil, err
		}
		if expired(head) {
			return false, nil, tasklog.ErrNotFound
		}
		e.set(attrTTL, num(head.num(attrExpires)))
		if !leaseOf(head, nil).Until.Equal(seen.Until) {
			e.when("? = ? AND ? = ?", attrUntil, until, attrEpoch, epoch)
		} else {
			e.when("attribute_not_exists(?) OR ? = ? AND ? = ?", attrUntil, attrUntil, until, attrEpoch, epoch)
		}
	} else {
		e.when("? = ? AND ? = ?", attrUntil, until, attrEpoch, epoch)
	}
	e.when("attribute_not_exists(?) OR ? <> ?", attrSleeps, attrSleeps, epoch)
	existing, changed, err = l.update(ctx, id, skLease, e)
	return changed, existing, err
}

// isLease reports whether the lease item is of the lease that was seen, and was not changed since.
func isLease(it item, seen tasklog.LeaseInfo) bool {
	if sleeps(it) {
		return false
	}
	if _, renewed := it[attrUntil]; !renewed {
		return seen.Epoch == 1
	}
	return it.num(attrUntil) == seen.Until.UnixMilli() && it.num(attrEpoch) == seen.Epoch
}
