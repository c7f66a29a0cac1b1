package dynamolog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"golang.org/x/sync/errgroup"

	"a2alambda/internal/tasklog"
)

// skPlaces ends the sort keys of the items with the places of the sweeps: one for tasks, one for
// configurations. They share the partition key of the secret. placeAttr names their attributes.
const skPlaces = "places"

// looks is a [tasklog.Looks] in the index of unfinished tasks.
type looks struct {
	log    *Log
	prefix string // of its keys in the index
}

// Due implements [tasklog.Looks]. It costs half a read unit for each 4 KB of the index (some 40
// looks), and another half for each task. It does not read what is not due. The tasks that were
// created lately cost some more: see promote.
//
// Tasks are under two keys: those that run, and those that are suspended. A place is one in each:
// the first, a line feed, and the second. A former version knows only the first.
func (x looks) Due(
	ctx context.Context, shard int, by time.Time, after tasklog.Place, limit int,
) (found []tasklog.Look, more bool, err error) {
	if x.prefix != "" {
		found, more, err = x.due(ctx, x.prefix, shard, by, after, limit)
	} else {
		found, more, err = x.dueTasks(ctx, shard, by, after, limit)
	}
	if err != nil {
		return nil, false, fmt.Errorf("dynamolog: finding what is due: %w", err)
	}
	return found, more, nil
}

// dueTasks merges the looks at tasks that run with those at suspended ones.
func (x looks) dueTasks(
	ctx context.Context, shard int, by time.Time, after tasklog.Place, limit int,
) ([]tasklog.Look, bool, error) {
	atRun, atWait, _ := strings.Cut(string(after), "\n")
	var waits []tasklog.Look
	var moreWaits bool
	var both errgroup.Group
	both.Go(func() (err error) {
		waits, moreWaits, err = x.due(ctx, waitLooks, shard, by, tasklog.Place(atWait), limit)
		return err
	})
	runs, moreRuns, err := x.dueRuns(ctx, shard, by, tasklog.Place(atRun), limit, after == "")
	if err := errors.Join(err, both.Wait()); err != nil {
		return nil, false, err
	}
	var merged []tasklog.Look
	for len(merged) < limit {
		var next tasklog.Look
		switch {
		case len(waits) > 0 && (len(runs) == 0 && !moreRuns || len(runs) > 0 && waits[0].Due.Before(runs[0].Due)):
			next, waits = waits[0], waits[1:]
			next.Suspended, atWait = true, string(next.Place)
		case len(runs) > 0 && (len(waits) > 0 || !moreWaits):
			next, runs = runs[0], runs[1:]
			atRun = string(next.Place)
		}
		if next.ID == "" {
			break
		}
		next.Place = tasklog.Place(atRun + "\n" + atWait)
		merged = append(merged, next)
	}
	more := moreRuns || moreWaits || len(runs) > 0 || len(waits) > 0
	return merged, more, x.log.held(ctx, merged)
}

// dueRuns returns the looks at tasks that run, and makes those of new tasks.
func (x looks) dueRuns(
	ctx context.Context, shard int, by time.Time, after tasklog.Place, limit int, first bool,
) (runs []tasklog.Look, more bool, err error) {
	var made []tasklog.Look
	if x.log.fresher.begin(shard, first) {
		if made, err = x.log.promote(ctx, shard, by); err != nil {
			return nil, false, err
		}
	}
	if runs, more, err = x.due(ctx, "", shard, by, after, limit); err != nil {
		return nil, false, err
	}
	// The index may not have the new ones yet.
	n, reached := len(runs), startAt("", after, by).num(attrLook)
	for _, l := range made {
		switch {
		case more && (n == 0 || l.Due.After(runs[n-1].Due)), l.Due.Unix() < reached: // it comes later, or in the next sweep
		case slices.ContainsFunc(runs[:n], func(o tasklog.Look) bool { return o.ID == l.ID }):
		default:
			runs = append(runs, l)
		}
	}
	slices.SortStableFunc(runs, func(a, b tasklog.Look) int { return a.Due.Compare(b.Due) })
	return runs, more, nil
}

// due reads the looks of a shard under the keys with a prefix.
func (x looks) due(
	ctx context.Context, prefix string, shard int, by time.Time, after tasklog.Place, limit int,
) (found []tasklog.Look, more bool, err error) {
	key := prefix + strconv.Itoa(shard)
	keys := write().when("? = ?", attrRunning, str(key)).when("? <= ?", attrLook, num(by.Unix()))
	page, err := x.log.client.Query(ctx, &dynamodb.QueryInput{
		TableName:                 &x.log.table,
		IndexName:                 aws.String(indexRunning),
		KeyConditionExpression:    &keys.condition,
		ExpressionAttributeNames:  keys.names,
		ExpressionAttributeValues: keys.values,
		ExclusiveStartKey:         startAt(key, after, by),
		Limit:                     aws.Int32(int32(limit)),
	})
	if err != nil {
		return nil, false, err
	}
	for _, it := range page.Items {
		it := item(it)
		look := tasklog.Look{ID: a2a.TaskID(it.str(attrPK)), Due: time.Unix(it.num(attrLook), 0), Place: placeOf(it)}
		if prefix == pushLooks {
			look.Config = strings.TrimPrefix(it.str(attrSK), skPush)
		}
		found = append(found, look)
	}
	return found, page.LastEvaluatedKey != nil, nil
}

// placeOf returns the place of an entry of the index: its time, task and sort key. Only the last
// may have spaces.
func placeOf(it item) tasklog.Place {
	return tasklog.Place(fmt.Sprintf("%d %s %s", it.num(attrLook), it.str(attrPK), it.str(attrSK)))
}

// startAt returns where a query of the key goes on. It returns nil, the beginning, for a place that
// is malformed, or later than by, as it is after a clock was set back.
func startAt(key string, after tasklog.Place, by time.Time) item {
	parts := strings.SplitN(string(after), " ", 3)
	if len(parts) < 3 {
		return nil
	}
	look, err := strconv.ParseInt(parts[0], 10, 64)
	if err != nil || look > by.Unix() {
		return nil
	}
	return item{attrRunning: str(key), attrLook: num(look), attrPK: str(parts[1]), attrSK: str(parts[2])}
}

// held sets Held of the looks. It reads only the lease items, which may be old. That is enough: the
// first lease has no such item until it is renewed, and a lease that was never renewed ended when
// the look was due.
//
// There is nothing to do for a look at a suspended task that no longer is: its head has a look.
func (l *Log) held(ctx context.Context, found []tasklog.Look) error {
	for some := range slices.Chunk(found, maxShared) {
		if err := l.heldBatch(ctx, some); err != nil {
			return err
		}
	}
	return nil
}

func (l *Log) heldBatch(ctx context.Context, found []tasklog.Look) error {
	var keys types.KeysAndAttributes
	asked := make(map[a2a.TaskID]bool, len(found)) // a task may have two looks, a request no key twice
	for _, look := range found {
		if !asked[look.ID] {
			asked[look.ID] = true
			keys.Keys = append(keys.Keys, item{attrPK: str(string(look.ID)), attrSK: str(skLease)})
		}
	}
	leases, err := l.wholeBatch(ctx, keys)
	if err != nil { // the sweeper looks at them next time
		return fmt.Errorf("reading leases: %w", err)
	}
	of := make(map[a2a.TaskID]item, len(leases))
	for _, it := range leases {
		of[keyOf(it).id] = it
	}
	now := time.Now().UnixMilli()
	for i, look := range found {
		it := of[look.ID]
		found[i].Held = !sleeps(it) && it.num(attrUntil) > now
		if look.Suspended && !sleeps(it) {
			found[i].Held = true
			l.forget(ctx, look, it)
		}
	}
	return nil
}

// forget takes the lease item of a task out of the index that a process of a former version has left
// there. If the index is only late, it does nothing.
func (l *Log) forget(ctx context.Context, look tasklog.Look, lease item) {
	if _, left := lease[attrSleeps]; left {
		_, _, _ = l.update(ctx, look.ID, skLease, write().remove(attrSleeps, attrRunning, attrLook, attrAsked).
			when("? = ? AND ? <> ?", attrSleeps, num(lease.num(attrSleeps)), attrSleeps, attrEpoch))
	}
}

// Postpone implements [tasklog.Looks]. It costs a write unit for each KB of the item, and two in
// the index.
func (x looks) Postpone(ctx context.Context, look tasklog.Look, next time.Time) (bool, error) {
	sk := skHead
	switch {
	case x.prefix == pushLooks:
		sk = skPush + look.Config
	case look.Suspended:
		sk = skLease
	}
	_, moved, err := x.log.update(ctx, look.ID, sk, write().set(attrLook, num(next.Unix())).
		setTo(attrAsked, "if_not_exists(?, ?) + ?", attrAsked, num(0), num(1)).
		when("attribute_exists(?) AND ? = ?", attrRunning, attrLook, num(look.Due.Unix())))
	if err != nil {
		return false, fmt.Errorf("dynamolog: postponing a look: %w", err)
	}
	return moved, nil
}

func (x looks) placesKey() string { return x.prefix + skPlaces }

func placeAttr(shard int) string { return "at" + strconv.Itoa(shard) }

// Places implements [tasklog.Looks]. It costs half a read unit.
func (x looks) Places(ctx context.Context) (places [tasklog.Shards]tasklog.Place, err error) {
	out, err := x.log.client.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &x.log.table,
		Key:       item{attrPK: str(pkSecret), attrSK: str(x.placesKey())},
	})
	if err != nil {
		return places, fmt.Errorf("dynamolog: reading where sweeps have stopped: %w", err)
	}
	for i := range places {
		places[i] = tasklog.Place(item(out.Item).str(placeAttr(i)))
	}
	return places, nil
}

// SavePlace implements [tasklog.Looks]. It costs a write unit.
func (x looks) SavePlace(ctx context.Context, shard int, before, now tasklog.Place) error {
	name := placeAttr(shard)
	e := write()
	if now == "" {
		e.remove(name)
	} else {
		e.set(name, str(string(now)))
	}
	if before == "" {
		e.when("attribute_not_exists(?)", name)
	} else {
		e.when("? = ?", name, str(string(before)))
	}
	if _, _, err := x.log.update(ctx, pkSecret, x.placesKey(), e); err != nil {
		return fmt.Errorf("dynamolog: storing where a sweep has stopped: %w", err)
	}
	return nil
}
