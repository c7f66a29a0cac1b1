package dynamolog

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

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
// looks), and another half for each task. It does not read what is not due.
func (x looks) Due(
	ctx context.Context, shard int, by time.Time, after tasklog.Place, limit int,
) ([]tasklog.Look, bool, error) {
	found, more, err := x.due(ctx, shard, by, after, limit)
	if err == nil && x.prefix == "" {
		err = x.log.held(ctx, found)
	}
	if err != nil {
		return nil, false, fmt.Errorf("dynamolog: finding what is due: %w", err)
	}
	return found, more, nil
}

func (x looks) due(
	ctx context.Context, shard int, by time.Time, after tasklog.Place, limit int,
) (found []tasklog.Look, more bool, err error) {
	key := x.prefix + strconv.Itoa(shard)
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
		if x.prefix == pushLooks {
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

// maxBatchGet is how many items a BatchGetItem may ask for.
// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html
const maxBatchGet = 100

// held sets Held of the looks. It reads only the lease items, eventually consistent. That is
// enough: the first lease has no such item until it is renewed, and a lease that was never renewed
// ended when the look was due.
func (l *Log) held(ctx context.Context, found []tasklog.Look) error {
	for len(found) > 0 {
		n := min(len(found), maxBatchGet)
		if err := l.heldBatch(ctx, found[:n]); err != nil {
			return err
		}
		found = found[n:]
	}
	return nil
}

func (l *Log) heldBatch(ctx context.Context, found []tasklog.Look) error {
	at := map[string]*tasklog.Look{}
	var keys []map[string]types.AttributeValue
	for i := range found {
		id := string(found[i].ID)
		at[id] = &found[i]
		keys = append(keys, item{attrPK: str(id), attrSK: str(skLease)})
	}
	e := write()
	projection := e.text("?, ?", attrPK, attrUntil)
	now := time.Now().UnixMilli()
	for try := 1; len(keys) > 0; try++ {
		out, err := l.client.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{
			RequestItems: map[string]types.KeysAndAttributes{l.table: {
				Keys: keys, ProjectionExpression: &projection, ExpressionAttributeNames: e.names,
			}},
		})
		if err != nil {
			return err
		}
		for _, it := range out.Responses[l.table] {
			if look := at[item(it).str(attrPK)]; look != nil {
				look.Held = item(it).num(attrUntil) > now
			}
		}
		if keys = out.UnprocessedKeys[l.table].Keys; len(keys) == 0 {
			break
		}
		if try == batchTries { // the table is throttled: they are looked at next time
			return errors.New("some leases can't be read: the table is throttled")
		}
		select {
		case <-time.After(time.Duration(try) * 100 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// batchTries is how often a throttled part of a batch is asked for.
const batchTries = 5

// Postpone implements [tasklog.Looks]. It costs a write unit for each KB of the item, and two in
// the index.
func (x looks) Postpone(ctx context.Context, look tasklog.Look, next time.Time) (bool, error) {
	sk := skHead
	if x.prefix == pushLooks {
		sk = skPush + look.Config
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
