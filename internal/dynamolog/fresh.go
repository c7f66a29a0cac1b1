package dynamolog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"golang.org/x/sync/errgroup"

	"a2alambda/internal/tasklog"
)

// Most tasks end before a sweep comes to them. An entry in the index of unfinished tasks would cost
// two write units, one when it is made and one when it is removed. So a new task whose run begins at
// once has none. Instead, an item is put before its head, which costs one unit: what expires by
// itself costs nothing. Its partition key has the shard of the task, its sort key the time of the
// first look at the task, and its id.
//
// Whoever asks what is due reads the items from a mark up to now, and makes the entries of those
// tasks that have not ended. The mark follows at a distance of freshSlack: a clock by which an item
// was put may be behind.

const (
	freshSlack = 90 * time.Second

	// freshStays is how long an item stays after its look, should nobody sweep for as long.
	freshStays = 7 * 24 * time.Hour

	// freshPage is how many items are read at once, and freshAtOnce how many entries are made at the
	// same time.
	freshPage   = 1000
	freshAtOnce = 8

	// The mark of a shard is moved past freshMany items, whose heads cost as much to read again, or
	// past one that is as old as freshOld.
	freshMany = 10
	freshOld  = 10 * time.Minute

	// freshAgain is how long the items of a shard are not read again, while a sweep reads page after
	// page.
	freshAgain = 20 * time.Second
)

// skFreshPlaces is the sort key of the item with the marks, an attribute for each shard. It shares
// the partition key of the secret.
const skFreshPlaces = "fresh-places"

func freshKey(shard int) string { return "fresh#" + strconv.Itoa(shard) }

// freshSK begins the sort keys of the items whose looks are at a time, in seconds since 1970.
func freshSK(look int64) string { return fmt.Sprintf("%012d#", look) }

// putFresh puts the item of a task that is about to be created.
func (l *Log) putFresh(ctx context.Context, id a2a.TaskID, look int64) error {
	it := item{
		attrPK:  str(freshKey(spread(id, tasklog.Shards))),
		attrSK:  str(freshSK(look) + string(id)),
		attrTTL: num(look + int64(freshStays/time.Second)),
	}
	return l.inserts.put(ctx, it, func() error {
		_, err := l.client.PutItem(ctx, &dynamodb.PutItemInput{TableName: &l.table, Item: it})
		return err
	})
}

// fresher has when the items of each shard were read, and the marks as they were last read.
type fresher struct {
	mu    sync.Mutex
	read  [tasklog.Shards]time.Time
	marks item
	at    time.Time // when marks was read
}

// begin reports whether the items of a shard are to be read, and notes that they are.
func (f *fresher) begin(shard int, first bool) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !first && time.Since(f.read[shard]) < freshAgain {
		return false
	}
	f.read[shard] = time.Now()
	return true
}

// promote makes the entries of a shard's new tasks whose look is due and that have not ended. It
// returns their looks, in order. It costs half a read unit for each 4 KB of the items, and for each
// task; of a task that has not ended also a write unit, and one in the index.
func (l *Log) promote(ctx context.Context, shard int, by time.Time) (made []tasklog.Look, err error) {
	mark, err := l.freshMark(ctx, shard)
	if err != nil {
		return nil, err
	}
	from, next := item(nil), mark
	passed, last := 0, time.Now().Add(-freshSlack).Unix()
	for more := true; more && err == nil; {
		var page *queried
		page, err = l.queryStale(ctx, a2a.TaskID(freshKey(shard)), freshSK(mark), freshSK(by.Unix()+1), from, true, freshPage)
		if err != nil {
			break
		}
		var some []tasklog.Look
		some, err = l.promotePage(ctx, page.Items)
		made = append(made, some...)
		for _, it := range page.Items {
			look, _ := freshLook(it)
			if err != nil || look > last {
				break
			}
			if next = look; passed == 0 && look < time.Now().Add(-freshOld).Unix() {
				passed = freshMany
			}
			passed++
		}
		from = page.LastEvaluatedKey
		more = from != nil
	}
	if passed >= freshMany {
		err = errors.Join(err, l.saveFreshMark(ctx, shard, next+1))
	}
	return made, err
}

// freshLook returns the time of the look, and the task.
func freshLook(it item) (look int64, id a2a.TaskID) {
	at, of, _ := strings.Cut(it.str(attrSK), "#")
	look, _ = strconv.ParseInt(at, 10, 64)
	return look, a2a.TaskID(of)
}

func (l *Log) promotePage(ctx context.Context, items []item) (made []tasklog.Look, err error) {
	var mu sync.Mutex
	var making errgroup.Group
	making.SetLimit(freshAtOnce)
	for some := range slices.Chunk(items, maxShared) {
		looks := make(map[a2a.TaskID]int64, len(some))
		for _, it := range some {
			look, id := freshLook(it)
			looks[id] = look
		}
		heads, err := l.freshHeads(ctx, looks)
		if err != nil {
			return nil, errors.Join(err, making.Wait())
		}
		for _, head := range heads {
			id, look := a2a.TaskID(head.str(attrPK)), looks[a2a.TaskID(head.str(attrPK))]
			_, entered := head[attrRunning]
			_, acquired := head[attrEpoch]
			if entered || acquired || expired(head) || tasklog.Final(a2a.TaskState(head.str(attrState))) {
				continue
			}
			making.Go(func() error {
				_, done, err := l.update(ctx, id, skHead, write().
					set(attrRunning, str(shard(id))).set(attrLook, num(look)).
					when("? = ? AND attribute_not_exists(?) AND attribute_not_exists(?)",
						attrState, str(head.str(attrState)), attrRunning, attrEpoch))
				if done {
					mu.Lock()
					defer mu.Unlock()
					head[attrLook] = num(look)
					made = append(made, tasklog.Look{ID: id, Due: time.Unix(look, 0), Place: placeOf(head)})
				}
				return err
			})
		}
	}
	err = making.Wait() // not before: the mark must not pass what has no entry
	slices.SortFunc(made, func(a, b tasklog.Look) int { return a.Due.Compare(b.Due) })
	return made, err
}

// freshHeads reads what matters of the heads of tasks, maxShared at most. It leaves out those that
// are not there.
func (l *Log) freshHeads(ctx context.Context, of map[a2a.TaskID]int64) (heads []item, err error) {
	e := write()
	projection := e.text("?, ?, ?, ?, ?, ?", attrPK, attrSK, attrState, attrRunning, attrEpoch, attrExpires)
	keys := types.KeysAndAttributes{ProjectionExpression: &projection, ExpressionAttributeNames: e.names}
	for id := range of {
		keys.Keys = append(keys.Keys, item{attrPK: str(string(id)), attrSK: str(skHead)})
	}
	if heads, err = l.wholeBatch(ctx, keys); err != nil {
		return nil, fmt.Errorf("reading new tasks: %w", err)
	}
	return heads, nil
}

// freshMark returns the mark of a shard. It may be an old one: then more is read than must be. All
// shards share one read.
func (l *Log) freshMark(ctx context.Context, shard int) (int64, error) {
	f := &l.fresher
	f.mu.Lock()
	defer f.mu.Unlock()
	if time.Since(f.at) >= freshAgain {
		out, err := l.client.GetItem(ctx, &dynamodb.GetItemInput{
			TableName: &l.table,
			Key:       item{attrPK: str(pkSecret), attrSK: str(skFreshPlaces)},
		})
		if err != nil {
			return 0, err
		}
		f.marks, f.at = out.Item, time.Now()
	}
	return f.marks.num(placeAttr(shard)), nil
}

func (l *Log) saveFreshMark(ctx context.Context, shard int, mark int64) error {
	name := placeAttr(shard)
	_, _, err := l.update(ctx, pkSecret, skFreshPlaces, write().set(name, num(mark)).
		when("attribute_not_exists(?) OR ? < ?", name, name, num(mark)))
	return err
}
