package dynamolog

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
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

const (
	// listShards is over how many keys of the index the tasks of an owner are spread: where callers have no names, everybody's
	// tasks are those of one owner, and DynamoDB writes 1,000 units a second to a key.
	listShards = 4

	// listPage is how many entries of the index are read at once.
	listPage = 100
)

// listKey returns the key of a shard of the owner's tasks in the index.
func listKey(s tasklog.Scope, shard int) string {
	h := sha256.New()
	fmt.Fprintf(h, "%d %s%s", len(s.Owner), s.Owner, s.Tenant)
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:16]) + "." + strconv.Itoa(shard)
}

func listShard(id a2a.TaskID) int { return spread(id, listShards) }

// position returns p as the index sorts it: its time, and the id.
func position(p tasklog.Position) string { return millis(p.Time) + "#" + string(p.ID) }

// millis returns a time as the index sorts it: 13 digits of milliseconds since 1970. Times that need more, from the year 2286 on, are
// all the same.
func millis(t time.Time) string {
	return fmt.Sprintf("%013d", min(max(0, t.UnixMilli()), 9_999_999_999_999))
}

func parsePosition(s string) tasklog.Position {
	ms, id, _ := strings.Cut(s, "#")
	n, _ := strconv.ParseInt(ms, 10, 64)
	return tasklog.Position{Time: time.UnixMilli(n), ID: a2a.TaskID(id)}
}

// List implements [tasklog.Index], by the index. It costs half a read unit for each shard, or for each 4 KB, some 25 tasks, if
// they are more; what the filter leaves out is paid for, too.
func (l *Log) List(ctx context.Context, f tasklog.Filter, after tasklog.Position, yield func(tasklog.Position) bool) error {
	var readers [listShards]*listReader
	for i := range readers {
		readers[i] = &listReader{log: l, query: l.listQuery(f, i, after), after: position(after)}
	}
	for {
		var next *listReader // the one whose first entry is the newest
		for _, r := range readers {
			first, err := r.first(ctx)
			if err != nil {
				return fmt.Errorf("dynamolog: listing: %w", err)
			}
			if first != "" && (next == nil || first > next.entries[0]) {
				next = r
			}
		}
		if next == nil || !yield(parsePosition(next.entries[0])) {
			return nil
		}
		next.entries = next.entries[1:]
	}
}

// listReader reads a shard of a list.
type listReader struct {
	log     *Log
	query   *dynamodb.QueryInput // nil when all is read
	after   string               // the position that was shown last, which is not shown again
	entries []string             // positions that are read and not yet taken
}

// first returns the position of the next entry, or "".
func (r *listReader) first(ctx context.Context) (string, error) {
	for len(r.entries) == 0 && r.query != nil {
		page, err := r.log.client.Query(ctx, r.query)
		if err != nil {
			return "", err
		}
		for _, it := range page.Items {
			if p := item(it).str(attrPosition); p != r.after {
				r.entries = append(r.entries, p)
			}
		}
		if r.query.ExclusiveStartKey = page.LastEvaluatedKey; page.LastEvaluatedKey == nil {
			r.query = nil
		}
	}
	if len(r.entries) == 0 {
		return "", nil
	}
	return r.entries[0], nil
}

// Count implements [tasklog.Index]. It reads all of the owner's entries since f.Since.
func (l *Log) Count(ctx context.Context, f tasklog.Filter) (int, error) {
	n := 0
	for i := range listShards {
		q := l.listQuery(f, i, tasklog.Position{})
		q.Select, q.Limit = types.SelectCount, nil
		pages := dynamodb.NewQueryPaginator(l.client, q)
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return 0, fmt.Errorf("dynamolog: counting: %w", err)
			}
			n += int(page.Count)
		}
	}
	return n, nil
}

// listQuery returns the query for a shard of a list, from the position on.
func (l *Log) listQuery(f tasklog.Filter, shard int, after tasklog.Position) *dynamodb.QueryInput {
	before := ":" // greater than every position
	if after != (tasklog.Position{}) {
		before = position(after)
	}
	since := f.Since
	if !since.IsZero() {
		since = since.Add(-statusLag)
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
		Limit:                     aws.Int32(listPage),
	}
}
