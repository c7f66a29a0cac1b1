package dynamolog

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"a2alambda/internal/tasklog"
)

// shards is over how many keys of the index the running tasks are spread: DynamoDB writes 1,000 units a second to one.
const shards = 8

// shard returns the key of the task in the index of running tasks.
func shard(id a2a.TaskID) string { return strconv.Itoa(spread(id, shards)) }

// spread returns a number less than n that follows from the id.
func spread(id a2a.TaskID, n uint32) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(id))
	return int(h.Sum32() % n)
}

// leaseOf returns the lease of the task with that head, from its lease item, which may be nil: the first holder's lease is in the
// head until it is renewed.
func leaseOf(head, lease item) tasklog.Lease {
	l := tasklog.Lease{Epoch: 1, Seq: 1}
	from := head
	if _, ok := lease[attrUntil]; ok {
		from, l.Epoch, l.Seq = lease, lease.num(attrEpoch), max(1, lease.num(attrSeq))
	}
	if ms := from.num(attrUntil); ms > 0 {
		l.Holder, l.Until = from.str(attrWriter), time.UnixMilli(ms)
	}
	_, l.Cancel = lease[attrCancel]
	l.Lost = int(lease.num(attrLost))
	return l
}

// Acquire implements [tasklog.Log]. It costs two write units and one in the index.
func (l *Log) Acquire(ctx context.Context, s *tasklog.Snapshot, writer string, until time.Time) (tasklog.Lease, error) {
	next := s.Next(writer, until)
	// The head first: if this fails halfway, the task is looked at in vain, and not overlooked.
	_, _, err := l.update(ctx, s.Head.ID, skHead, "SET #run = :run, #seq = :seq, #ep = :ep", "attribute_exists(#pk) AND #seq <= :seq",
		map[string]string{"#pk": attrPK, "#run": attrRunning, "#seq": attrSeq, "#ep": attrEpoch},
		values{":run": str(shard(s.Head.ID)), ":seq": num(s.Seq), ":ep": num(next.Epoch)})
	if err != nil {
		return tasklog.Lease{}, fmt.Errorf("dynamolog: acquiring lease: %w", err)
	}
	acquired, err := l.giveLease(ctx, s, next)
	switch {
	case err != nil:
		return tasklog.Lease{}, fmt.Errorf("dynamolog: acquiring lease: %w", err)
	case !acquired:
		return tasklog.Lease{}, tasklog.ErrConflict
	}
	return next, nil
}

// giveLease writes the lease that follows the one in s, with what the head in s says of the request. It reports false if the lease is
// not the one in s any more, unless the new one had been written before.
func (l *Log) giveLease(ctx context.Context, s *tasklog.Snapshot, next tasklog.Lease) (bool, error) {
	e := newExpression()
	e.set(attrWriter, str(next.Holder))
	e.set(attrUntil, num(next.Until.UnixMilli()))
	e.set(attrEpoch, num(next.Epoch))
	e.set(attrSeq, num(next.Seq))
	e.set(attrLost, num(int64(next.Lost)))
	e.set(attrTTL, num(s.Head.Expires.Unix()))
	e.remove(attrCancel)
	request, err := l.putRequest(ctx, s.Head, a2a.NewMessageID())
	if err != nil {
		return false, err
	}
	for _, name := range requestAttrs {
		if v, ok := request[name]; ok {
			e.set(name, v)
		} else {
			e.remove(name)
		}
	}
	e.values[":seen"], e.values[":before"] = num(s.Lease.Until.UnixMilli()), num(s.Lease.Epoch)
	now, updated, err := l.update(ctx, s.Head.ID, skLease, e.sets+e.removes,
		"attribute_not_exists(#u) OR #u = :seen AND #ep = :before", e.names, e.values)
	done := now.str(attrWriter) == next.Holder && now.num(attrEpoch) == next.Epoch && now.num(attrUntil) == next.Until.UnixMilli()
	return updated || err == nil && done, err
}

// Fence implements [tasklog.Log].
func (l *Log) Fence(ctx context.Context, h tasklog.Head, writer string, epoch, next int64) error {
	existing, err := l.put(ctx, item{
		attrPK:     str(string(h.ID)),
		attrSK:     str(skBatch(next)),
		attrCount:  num(0),
		attrWriter: str(writer),
		attrEpoch:  num(epoch),
		attrTTL:    num(h.Expires.Unix()),
	}, "attribute_not_exists(#pk) OR #n = :none AND #ep < :ep",
		map[string]string{"#pk": attrPK, "#n": attrCount, "#ep": attrEpoch}, values{":none": num(0), ":ep": num(epoch)})
	if err != nil {
		return fmt.Errorf("dynamolog: fencing: %w", err)
	}
	if existing != nil && (existing.str(attrWriter) != writer || existing.num(attrCount) > 0) {
		return tasklog.ErrConflict
	}
	return nil
}

// Renew implements [tasklog.Log]. It costs one write unit, or half a read unit if it only tells.
func (l *Log) Renew(ctx context.Context, h tasklog.Head, writer string, until time.Time) (tasklog.Asked, error) {
	var lease item
	var err error
	renewed := true
	if until.IsZero() {
		var out *dynamodb.GetItemOutput
		out, err = l.client.GetItem(ctx, &dynamodb.GetItemInput{
			TableName: &l.table,
			Key:       item{attrPK: str(string(h.ID)), attrSK: str(skLease)},
		})
		if out != nil {
			lease = out.Item
		}
	} else {
		update := "SET #w = :w, #u = :until, #ep = if_not_exists(#ep, :first), #ttl = :ttl"
		names := map[string]string{"#w": attrWriter, "#u": attrUntil, "#ep": attrEpoch, "#ttl": attrTTL}
		vals := values{":w": str(writer), ":until": num(until.UnixMilli()), ":first": num(1), ":ttl": num(h.Expires.Unix())}
		if h.Push {
			// The first renewal by a holder who has been told wakes the push function, for what was appended before.
			update += ", #p = if_not_exists(#tell, :none) REMOVE #tell"
			names["#p"], names["#tell"], vals[":none"] = attrPush, attrTell, num(0)
		}
		lease, renewed, err = l.update(ctx, h.ID, skLease, update, "attribute_not_exists(#w) OR #w = :w", names, vals)
	}
	if err != nil {
		return tasklog.Asked{}, fmt.Errorf("dynamolog: renewing lease: %w", err)
	}
	if holder := lease.str(attrWriter); !renewed || holder != "" && holder != writer {
		return tasklog.Asked{}, tasklog.ErrConflict
	}
	_, cancel := lease[attrCancel]
	_, push := lease[attrTell]
	return tasklog.Asked{Cancel: cancel, Push: push}, nil
}

// RequestCancel implements [tasklog.Log].
func (l *Log) RequestCancel(ctx context.Context, h tasklog.Head) error {
	_, _, err := l.update(ctx, h.ID, skLease, "SET #c = :yes, #ttl = :ttl", "",
		map[string]string{"#c": attrCancel, "#ttl": attrTTL}, values{":yes": num(1), ":ttl": num(h.Expires.Unix())})
	if err != nil {
		return fmt.Errorf("dynamolog: requesting to cancel: %w", err)
	}
	return nil
}

// Settle implements [tasklog.Log].
func (l *Log) Settle(ctx context.Context, s *tasklog.Snapshot) error {
	if err := l.settle(ctx, s); err != nil {
		return fmt.Errorf("dynamolog: settling: %w", err)
	}
	return nil
}

func (l *Log) settle(ctx context.Context, s *tasklog.Snapshot) error {
	at := time.Now()
	if t := s.Task.Status.Timestamp; t != nil {
		at = *t
	}
	vals := values{
		":state": str(string(s.Task.Status.State)), ":po": str(position(tasklog.Position{Time: at, ID: s.Head.ID})),
		":seq": num(s.Seq), ":ep": num(s.Lease.Epoch),
	}
	for {
		now, settled, err := l.update(ctx, s.Head.ID, skHead, "SET #state = :state, #po = :po, #seq = :seq REMOVE #run",
			"#seq <= :seq AND (attribute_not_exists(#ep) OR #ep <= :ep)",
			map[string]string{"#state": attrState, "#po": attrPosition, "#seq": attrSeq, "#run": attrRunning, "#ep": attrEpoch}, vals)
		next := s.Next("", time.Now())
		if err != nil || settled || now.num(attrSeq) > s.Seq || now.num(attrEpoch) != next.Epoch {
			return err // nil if there is a later turn
		}
		// Somebody has come halfway to the lease. It is given to nobody, so that it can't be taken any more as they know it.
		taken, err := l.giveLease(ctx, s, next)
		if err != nil || !taken {
			return err
		}
		vals[":ep"] = num(next.Epoch)
	}
}

// Running implements [tasklog.Log], by the index.
func (l *Log) Running(ctx context.Context, yield func(a2a.TaskID) bool) error {
	begin := rand.IntN(shards) // who stops early has not always seen the same
	for i := range shards {
		i = (begin + i) % shards
		pages := dynamodb.NewQueryPaginator(l.client, &dynamodb.QueryInput{
			TableName:                 &l.table,
			IndexName:                 aws.String(indexRunning),
			KeyConditionExpression:    aws.String("#run = :run"),
			ExpressionAttributeNames:  map[string]string{"#run": attrRunning},
			ExpressionAttributeValues: values{":run": str(strconv.Itoa(i))},
		})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return fmt.Errorf("dynamolog: finding running tasks: %w", err)
			}
			for _, it := range page.Items {
				if !yield(a2a.TaskID(item(it).str(attrPK))) {
					return nil
				}
			}
		}
	}
	return nil
}
