package dynamolog

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"a2alambda/internal/tasklog"
)

const (
	// listShards is the number of keys of the index for the tasks of one owner. manyShards is used
	// where callers have no names, so that all tasks belong to one owner. DynamoDB writes 1,000
	// units a second to a key.
	listShards = 4
	manyShards = 16

	// examined is the most entries of the index that a page of a list, or a count, examines, for
	// some 40 read units.
	examined = 2000
)

// shardsOf returns the number of keys for the tasks of the scope. Processes of earlier versions
// know fewer.
func shardsOf(s tasklog.Scope) int {
	if s.Owner == "" {
		return manyShards
	}
	return listShards
}

// listKey returns the key of a shard of the owner's tasks in the index.
func listKey(s tasklog.Scope, shard int) string {
	h := sha256.New()
	fmt.Fprintf(h, "%d %s%s", len(s.Owner), s.Owner, s.Tenant)
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:16]) + "." + strconv.Itoa(shard)
}

func listShard(s tasklog.Scope, id a2a.TaskID) int { return spread(id, uint32(shardsOf(s))) }

// position returns p as the index sorts it: time, then id.
func position(p tasklog.Position) string { return millis(p.Time) + "#" + string(p.ID) }

// millis returns a time as the index sorts it: 13 digits of milliseconds since 1970. Later times,
// from the year 2286 on, are all the same.
func millis(t time.Time) string {
	return fmt.Sprintf("%013d", min(max(0, t.UnixMilli()), 9_999_999_999_999))
}

func parsePosition(s string) tasklog.Position {
	ms, id, _ := strings.Cut(s, "#")
	n, _ := strconv.ParseInt(ms, 10, 64)
	return tasklog.Position{Time: time.UnixMilli(n), ID: a2a.TaskID(id)}
}

// List implements [tasklog.Index]. It costs half a read unit for each shard, or for each 4 KB (some
// 25 tasks) that it examines, if that is more. It also pays for what the filter leaves out. It
// examines 2,000 tasks at most, for some 40 units, or twice as many if context ids are long.
func (l *Log) List(ctx context.Context, f tasklog.Filter, after tasklog.Position, limit int) (tasklog.Page, error) {
	page, err := l.list(ctx, f, after, limit)
	if err != nil {
		return tasklog.Page{}, fmt.Errorf("dynamolog: listing: %w", err)
	}
	return page, nil
}

func (l *Log) list(ctx context.Context, f tasklog.Filter, after tasklog.Position, limit int) (tasklog.Page, error) {
	page := tasklog.Page{Looked: after}
	readers := l.readers(f, after)
	// Each shard holds about its share of the tasks asked for, so ask for some more. If that is not
	// enough, the filter leaves out most, and larger requests are cheaper.
	each := limit/len(readers)*3/2 + 10
	for left := l.examined; ; each *= 8 {
		n, err := l.readShards(ctx, readers, each, left)
		if err != nil {
			return tasklog.Page{}, err
		}
		left -= n
		to := readers.to()
		for {
			p := readers.take()
			if p == "" {
				break
			}
			if page.More = len(page.Found) == limit; page.More {
				return page, nil
			}
			page.Looked = parsePosition(p)
			page.Found = append(page.Found, page.Looked)
		}
		switch {
		case to == "":
			return page, nil
		case left < len(readers):
			page.Looked, page.More = parsePosition(to), true
			return page, nil
		}
	}
}

// Count implements [tasklog.Index]. It reads as much as a List, and counts all that match among the
// 2,000 tasks that it examines.
func (l *Log) Count(ctx context.Context, f tasklog.Filter) (int, error) {
	readers := l.readers(f, tasklog.Position{})
	for _, r := range readers {
		r.query.Select = types.SelectCount
	}
	for left := l.examined; left >= len(readers) && readers.to() != ""; {
		n, err := l.readShards(ctx, readers, left, left)
		if err != nil {
			return 0, fmt.Errorf("dynamolog: counting: %w", err)
		}
		left -= n
	}
	n := 0
	for _, r := range readers {
		n += r.count
	}
	return n, nil
}

// listReader reads a shard of a list.
type listReader struct {
	query   *dynamodb.QueryInput
	after   string   // the position that was shown last, which is not shown again
	down    string   // the position down to which the shard is read; "" when all is read
	entries []string // positions that are read and not yet taken
	count   int      // of the tasks that were found
}

// listReaders read the shards of a list.
type listReaders []*listReader

func (l *Log) readers(f tasklog.Filter, after tasklog.Position) (all listReaders) {
	r := listReader{}
	if after != (tasklog.Position{}) {
		r.after = position(after)
	}
	for i := range shardsOf(f.Scope) {
		r := r
		r.query, r.down = l.listQuery(f, i, after), ":" // greater than every position
		all = append(all, &r)
	}
	return all
}

// readShards reads on in all shards that have no entries left, at the same time. It reads each
// entries in each shard, but not more than left in all; left is at least the number of shards. It
// returns how many entries it examined.
func (l *Log) readShards(ctx context.Context, readers listReaders, each, left int) (int, error) {
	var missing listReaders
	for _, r := range readers {
		if r.down != "" && len(r.entries) == 0 {
			missing = append(missing, r)
		}
	}
	looked, errs := make([]int, len(missing)), make([]error, len(missing))
	var reading sync.WaitGroup
	for i, r := range missing {
		r.query.Limit = aws.Int32(int32(min(each, left/len(missing))))
		reading.Go(func() {
			page, err := l.client.Query(ctx, r.query)
			if err != nil {
				errs[i] = err
				return
			}
			looked[i] = int(page.ScannedCount)
			r.add(page)
		})
	}
	reading.Wait()
	n := 0
	for _, looked := range looked {
		n += looked
	}
	return n, errors.Join(errs...)
}

// add adds a page.
func (r *listReader) add(page *dynamodb.QueryOutput) {
	for _, it := range page.Items {
		if p := item(it).str(attrPosition); p != r.after {
			r.entries = append(r.entries, p)
		}
	}
	r.count += int(page.Count)
	r.query.ExclusiveStartKey, r.down = page.LastEvaluatedKey, item(page.LastEvaluatedKey).str(attrPosition)
}

// to returns the position down to which all shards are read, "" if all are read to the end.
func (all listReaders) to() string {
	to := ""
	for _, r := range all {
		to = max(to, r.down)
	}
	return to
}

// take takes the newest entry if all newer ones are read, too. Otherwise it returns "".
func (all listReaders) take() string {
	var next *listReader
	for _, r := range all {
		if len(r.entries) > 0 && (next == nil || r.entries[0] > next.entries[0]) {
			next = r
		}
	}
	if next == nil || next.entries[0] < all.to() {
		return ""
	}
	p := next.entries[0]
	next.entries = next.entries[1:]
	return p
}

// listQuery returns the query for a shard of a list, from the position on.
func (l *Log) listQuery(f tasklog.Filter, shard int, after tasklog.Position) *dynamodb.QueryInput {
	before := ":" // greater than every position
	if after != (tasklog.Position{}) {
		before = position(after)
	}
	since := f.Since
	if !since.IsZero() {
		// A state may wait that long after the one before, which may have waited as long.
		since = since.Add(-2 * statusLag)
	}
	e := write()
	key := e.text("? = ? AND ? BETWEEN ? AND ?",
		attrList, str(listKey(f.Scope, shard)), attrPosition, str(millis(since)), str(before))
	e.when("? > ?", attrExpires, num(time.Now().Unix()))
	if f.ContextID != "" {
		e.when("? = ?", attrContext, str(f.ContextID))
	}
	if f.State != "" {
		e.when("? = ?", attrState, str(string(f.State)))
	}
	return &dynamodb.QueryInput{
		TableName:                 &l.table,
		IndexName:                 aws.String(indexOwner),
		KeyConditionExpression:    &key,
		FilterExpression:          &e.condition,
		ExpressionAttributeNames:  e.names,
		ExpressionAttributeValues: e.values,
		ScanIndexForward:          aws.Bool(false),
	}
}
