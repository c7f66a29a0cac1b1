package dynamolog

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"a2alambda/internal/jsonline"
	"a2alambda/internal/push"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/trace"
)

// The table's stream wakes the push function for changes that leave p = 1 in an item. That is:
//
//   - a head of a task with push notifications: its creation, each change of its status, a new holder;
//   - a batch by a holder who knows that the task has some;
//   - the first renewal of its lease by a holder who has been told in the middle of its run;
//   - a configuration that is put. Whoever claims it removes p: what a delivery writes wakes nobody.
//
// The last change of a turn is one of its head. So whatever else was missed, the end of the turn wakes.
//
// A configuration is in the index of running tasks, under keys of its own, while it is claimed or waits for another try: as
// of the end of the claim, or as of that try.

// Attributes of configurations, besides seq: the last event delivered; w: who holds the claim; cr: when the claim ends, or when
// delivery is to be tried again, in seconds since 1970.
const (
	attrFailures = "f"  // N: how often delivery was put off
	attrSince    = "fs" // N: when that began, in seconds since 1970
	attrAgain    = "ag" // N: there if the holder must look at the log again before it releases the claim
	attrGivenUp  = "d"  // N: there if delivery was given up
	attrLast     = "lw" // S: who has released the claim
)

const (
	skPush    = "P#"
	skPushEnd = "P$" // after every configuration
)

// pushBody is the JSON in a configuration's attribute b. Two configurations are the same if it is.
type pushBody struct {
	Push    a2a.PushConfig `json:"push"`
	Version string         `json:"version"`
}

// Woken returns the tasks that changes in the table's stream wake, each once, in order. The stream has new images. Whoever filters it
// by {"dynamodb":{"NewImage":{"p":{"N":["1"]}}}} before loses none of them.
func Woken(e events.DynamoDBEvent) []a2a.TaskID {
	var ids []a2a.TaskID
	for _, r := range e.Records {
		p, pk := r.Change.NewImage[attrPush], r.Change.Keys[attrPK]
		if p.DataType() != events.DataTypeNumber || p.Number() != "1" || pk.DataType() != events.DataTypeString {
			continue
		}
		if id := a2a.TaskID(pk.String()); !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

func pushShard(id a2a.TaskID) string { return "push-" + shard(id) }

// PutPush implements [push.Store]. It costs one write unit, and two more for the first of a task that exists.
func (l *Log) PutPush(ctx context.Context, h tasklog.Head, c push.Config) error {
	body, err := jsonline.Marshal(pushBody{c.Push, c.Version})
	if err != nil {
		return fmt.Errorf("dynamolog: storing push configuration: %w", err)
	}
	if !h.Push {
		// Before the configuration: if this fails halfway, the task wakes in vain, and is not overlooked.
		_, _, err = l.update(ctx, h.ID, skLease, write().set(attrTell, num(1)).set(attrTTL, num(h.Expires.Unix())))
		if err == nil {
			_, _, err = l.update(ctx, h.ID, skHead, write().set(attrPush, num(1)).when("attribute_exists(?)", attrPK))
		}
		if err != nil {
			return fmt.Errorf("dynamolog: storing push configuration: %w", err)
		}
	}
	it := item{
		attrPK:   str(string(c.TaskID)),
		attrSK:   str(skPush + c.ID),
		attrBody: bin(body),
		attrSeq:  num(c.After),
		attrPush: num(1),
		attrTTL:  num(c.Expires.Unix()),
	}
	if c.Trace.Parent != "" {
		it[attrTrace] = str(c.Trace.String())
	}
	_, err = l.put(ctx, it, write().when("attribute_not_exists(?) OR ? <> ? OR attribute_exists(?)",
		attrPK, attrBody, bin(body), attrGivenUp))
	if err != nil {
		return fmt.Errorf("dynamolog: storing push configuration: %w", err)
	}
	return nil
}

// Pushes implements [push.Store].
func (l *Log) Pushes(ctx context.Context, id a2a.TaskID) ([]push.Config, error) {
	var all []push.Config
	var from item
	for {
		page, err := l.query(ctx, id, skPush, skPushEnd, from, true, 0)
		if err != nil {
			return nil, fmt.Errorf("dynamolog: reading push configurations: %w", err)
		}
		for _, it := range page.Items {
			if expired(it) {
				continue
			}
			c, err := pushConfig(it)
			if err != nil {
				return nil, fmt.Errorf("dynamolog: reading push configurations: %w", err)
			}
			all = append(all, c)
		}
		if from = page.LastEvaluatedKey; from == nil {
			return all, nil
		}
	}
}

func pushConfig(it item) (push.Config, error) {
	var body pushBody
	if err := json.Unmarshal(it.bin(attrBody), &body); err != nil {
		return push.Config{}, err
	}
	return push.Config{
		TaskID:  a2a.TaskID(it.str(attrPK)),
		ID:      it.str(attrSK)[len(skPush):],
		Push:    body.Push,
		Version: body.Version,
		Trace:   trace.Parse(it.str(attrTrace)),
		After:   it.num(attrSeq),
		Expires: time.Unix(it.num(attrTTL), 0).UTC(),
	}, nil
}

// DeletePush implements [push.Store].
func (l *Log) DeletePush(ctx context.Context, id a2a.TaskID, config string) error {
	_, err := l.client.DeleteItem(ctx, &dynamodb.DeleteItemInput{
		TableName: &l.table,
		Key:       item{attrPK: str(string(id)), attrSK: str(skPush + config)},
	})
	if err != nil {
		return fmt.Errorf("dynamolog: deleting push configuration: %w", err)
	}
	return nil
}

// ClaimPush implements [push.Store]. It costs two write units with the index.
func (l *Log) ClaimPush(ctx context.Context, id a2a.TaskID, config, writer string, until time.Time) (*push.Delivery, error) {
	d, err := l.claimPush(ctx, id, config, writer, until)
	if err != nil && err != push.ErrGivenUp {
		err = fmt.Errorf("dynamolog: claiming delivery: %w", err)
	}
	return d, err
}

func (l *Log) claimPush(ctx context.Context, id a2a.TaskID, config, writer string, until time.Time) (*push.Delivery, error) {
	for {
		now, claimed, err := l.update(ctx, id, skPush+config, write().
			set(attrWriter, str(writer)).set(attrRunning, str(pushShard(id))).set(attrLook, num(until.Unix())).
			remove(attrPush, attrAgain).
			when("attribute_exists(?) AND attribute_not_exists(?)", attrPK, attrGivenUp).
			when("attribute_not_exists(?) OR ? <= ? OR ? = ?",
				attrLook, attrLook, num(time.Now().Unix()), attrWriter, str(writer)))
		if err != nil {
			return nil, err
		}
		if claimed {
			c, err := pushConfig(now)
			d := &push.Delivery{Config: c, Writer: writer, Failures: int(now.num(attrFailures))}
			if s := now.num(attrSince); s > 0 {
				d.Since = time.Unix(s, 0)
			}
			return d, err
		}
		if now.num(attrGivenUp) > 0 {
			return nil, push.ErrGivenUp
		}
		if now.str(attrWriter) == "" {
			return nil, nil // it is gone, or not due
		}
		_, told, err := l.update(ctx, id, skPush+config,
			write().set(attrAgain, num(1)).when("attribute_exists(?)", attrWriter))
		if told || err != nil {
			return nil, err
		}
		// It was released in between, and nobody was told.
	}
}

// SavePush implements [push.Store].
func (l *Log) SavePush(ctx context.Context, d *push.Delivery, until time.Time) error {
	e := progress(d)
	e.set(attrLook, num(until.Unix()))
	e.remove(attrAgain)
	_, err := l.updateClaimed(ctx, d, e)
	return err
}

// ReleasePush implements [push.Store].
func (l *Log) ReleasePush(ctx context.Context, d *push.Delivery, due time.Time) (released bool, err error) {
	e := progress(d)
	e.set(attrLast, str(d.Writer))
	e.remove(attrWriter, attrAgain)
	if due.IsZero() {
		e.remove(attrLook, attrRunning).when("attribute_not_exists(?)", attrAgain)
	} else {
		e.set(attrLook, num(due.Unix()))
	}
	now, err := l.updateClaimed(ctx, d, e)
	switch {
	case err == push.ErrConflict && now.str(attrWriter) == d.Writer:
		return false, nil
	case err == push.ErrConflict && now.str(attrLast) == d.Writer:
		return true, nil // an acknowledgement was lost; another may have the claim since
	}
	return err == nil, err
}

// GiveUpPush implements [push.Store].
func (l *Log) GiveUpPush(ctx context.Context, d *push.Delivery) error {
	e := progress(d)
	e.set(attrGivenUp, num(1))
	e.remove(attrWriter, attrAgain, attrLook, attrRunning)
	now, err := l.updateClaimed(ctx, d, e)
	if err == push.ErrConflict && now.num(attrGivenUp) > 0 {
		return nil // an acknowledgement was lost
	}
	return err
}

// updateClaimed updates the configuration if the delivery holds the claim and the condition, which may be empty, is met. If not, it
// returns the configuration as it is, and ErrConflict.
func (l *Log) updateClaimed(ctx context.Context, d *push.Delivery, e *expression) (item, error) {
	now, updated, err := l.update(ctx, d.TaskID, skPush+d.ID, e.when("? = ?", attrWriter, str(d.Writer)))
	switch {
	case err != nil:
		return nil, fmt.Errorf("dynamolog: updating delivery: %w", err)
	case !updated:
		return now, push.ErrConflict
	}
	return now, nil
}

// progress returns the expression that stores how far the delivery has come.
func progress(d *push.Delivery) *expression {
	e := write()
	e.set(attrSeq, num(d.After))
	if d.Failures > 0 {
		e.set(attrFailures, num(int64(d.Failures)))
		e.set(attrSince, num(d.Since.Unix()))
	} else {
		e.remove(attrFailures, attrSince)
	}
	return e
}

// DuePushes implements [push.Store], by the index.
func (l *Log) DuePushes(ctx context.Context, yield func(id a2a.TaskID, config string) bool) error {
	for i := range shards {
		e := write()
		key := e.text("? = ? AND ? <= ?", attrRunning, str("push-"+strconv.Itoa(i)), attrLook, num(time.Now().Unix()))
		pages := dynamodb.NewQueryPaginator(l.client, &dynamodb.QueryInput{
			TableName:                 &l.table,
			IndexName:                 aws.String(indexRunning),
			KeyConditionExpression:    &key,
			ExpressionAttributeNames:  e.names,
			ExpressionAttributeValues: e.values,
		})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return fmt.Errorf("dynamolog: finding due deliveries: %w", err)
			}
			for _, it := range page.Items {
				if !yield(a2a.TaskID(item(it).str(attrPK)), item(it).str(attrSK)[len(skPush):]) {
					return nil
				}
			}
		}
	}
	return nil
}
