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

// Doubt implements [tasklog.Log]. It costs one write unit, also if the question stands already, and
// a read unit for the first lease of a task, which may have no item yet.
func (l *Log) Doubt(ctx context.Context, id a2a.TaskID, seen tasklog.LeaseInfo) (bool, error) {
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

// Depose implements [tasklog.Log]. It costs as much as Doubt.
func (l *Log) Depose(ctx context.Context, id a2a.TaskID, seen tasklog.LeaseInfo) (bool, error) {
	done, existing, err := l.changeLease(ctx, id, seen, write().set(attrWriter, str(seen.Holder)).
		set(attrUntil, num(deposed.UnixMilli())).set(attrEpoch, num(seen.Epoch)).remove(attrDoubt))
	if errors.Is(err, tasklog.ErrConflict) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("dynamolog: deposing: %w", err)
	}
	return done || existing.num(attrEpoch) == seen.Epoch && existing.num(attrUntil) == deposed.UnixMilli(), nil
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
