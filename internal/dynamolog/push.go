package dynamolog

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
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

// The table's stream wakes the push function for changes after which an item has p = 1:
//
//   - a head of a task with push notifications: its creation, each new status, a new holder;
//   - an append by a holder that knows that the task has some;
//   - the first renewal of its lease by a holder that learned of them in the middle of its run;
//   - a configuration that is put. A claim removes p: what a delivery writes wakes nobody.
//
// The last change of a turn is one of its head. So the end of a turn always wakes the function.
//
// While a configuration is claimed, or waits for another try, it is in the index of unfinished
// tasks, under keys of its own. It is due at the end of the claim, or at the time of that try.

// Other attributes of configurations are seq: the last event delivered; w: the holder of the claim;
// cr: when the claim ends, or when delivery is tried again, in seconds since 1970.
const (
	attrFailures = "f"  // N: how often delivery was put off
	attrSince    = "fs" // N: when that began, in seconds since 1970
	attrAgain    = "ag" // N: there if the holder must read the log again before release
	attrGivenUp  = "d"  // N: there if delivery was given up
	attrLast     = "lw" // S: the writer that released the claim last
	attrAgreed   = "ok" // N: there if the webhook has agreed
	attrSent     = "in" // N: bytes that the caller has sent in messages up to seq
	attrRoom     = "ro" // N: bytes of the task's account that are set aside
	attrHour     = "ho" // N: when the hour began that is counted, in seconds since 1970
	attrHourSent = "hs" // N: bytes that were sent in it
	attrWaited   = "hw" // N: how long late answers took in it, in ms
	attrAside    = "ha" // N: bytes of the task's hour that are set aside in it
)

// The attribute lo (attrCrashes) counts the holders that were lost since the delivery last got on.
//
// A configuration without ok has not agreed. So one that was stored before there was such an
// attribute is asked with its next event. A former version of this program that works on the same
// table delivers without asking, and leaves these attributes as they are; one that it puts anew has
// none of them.

// attrSpent is what a task's account has, an item of its own: it stays when configurations are put
// and deleted. Its attribute in (attrSent) is the greatest [push.Spending.Sent] so far. A former
// version of this program adds without it.
const attrSpent = "sp" // N: bytes

// The account also has what the task's configurations have in an hour: see [push.Store.SpendHour].
const (
	attrHourNumber = "hn" // N: the number of the hour
	attrHourHad    = "hb" // N: bytes
)

const (
	skPush    = "P#"
	skPushEnd = "P$" // after every configuration
	skAccount = "O"  // what went out
)

// pushBody is the JSON in the attribute b of a configuration. Configurations with the same body are
// the same.
type pushBody struct {
	Push    a2a.PushConfig `json:"push"`
	Version string         `json:"version"`
}

// Woken returns the tasks that changes in the table's stream wake, each once, in order. The stream
// must have new images. It may be filtered by {"dynamodb":{"NewImage":{"p":{"N":["1"]}}}}.
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

// pushLooks begins the keys of configurations in the index.
const pushLooks = "push-"

func pushShard(id a2a.TaskID) string { return pushLooks + shard(id) }

// Pushes is a [push.Store] in the table of a log.
type Pushes struct {
	looks
	log *Log
}

// Pushes returns the push notification configurations in the table.
func (l *Log) Pushes() *Pushes { return &Pushes{looks{l, pushLooks}, l} }

// Put implements [push.Store]. It costs a read unit, and four write units for a new configuration,
// one for one that replaces another, none for one that is there; and unless h.Push is set, two or,
// if somebody runs the task, three more.
func (s *Pushes) Put(ctx context.Context, h tasklog.Head, c push.Config) error {
	if err := s.put(ctx, h, c); err != nil {
		return fmt.Errorf("dynamolog: storing push configuration: %w", err)
	}
	return nil
}

func (s *Pushes) put(ctx context.Context, h tasklog.Head, c push.Config) error {
	body, err := jsonline.Marshal(pushBody{c.Push, c.Version})
	if err != nil {
		return err
	}
	if !h.Push {
		// This comes before the configuration: if it fails halfway, the task wakes in vain, but is
		// not missed.
		var lease item
		lease, _, err = s.log.update(ctx, h.ID, skLease, write().set(attrTell, num(1)).set(attrTTL, num(h.Expires.Unix())))
		if err == nil {
			err = s.log.askHolder(ctx, h.ID, lease)
		}
		if err == nil {
			_, _, err = s.log.update(ctx, h.ID, skHead, write().set(attrPush, num(1)).when("attribute_exists(?)", attrPK))
		}
		if err != nil {
			return err
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
	if c.Sent > 0 {
		it[attrSent] = num(c.Sent)
	}
	if c.State != "" {
		it[attrState] = str(string(c.State))
	}
	if c.Trace.Parent != "" {
		it[attrTrace] = str(c.Trace.String())
	}
	for {
		there, err := s.log.client.GetItem(ctx, &dynamodb.GetItemInput{
			TableName: &s.log.table, Key: item{attrPK: it[attrPK], attrSK: it[attrSK]}, ConsistentRead: aws.Bool(true),
		})
		if err != nil {
			return err
		}
		if there.Item == nil {
			if done, err := s.putInPlace(ctx, it, c.ID); done || err != nil {
				return err
			}
			continue
		}
		if now := item(there.Item); bytes.Equal(now.bin(attrBody), body) && now.num(attrGivenUp) == 0 {
			return nil
		}
		for _, name := range []string{attrHour, attrHourSent, attrWaited, attrAside} {
			if delete(it, name); there.Item[name] != nil {
				it[name] = there.Item[name]
			}
		}
		// The condition is for a repeated write whose answer was lost.
		_, done, err := s.log.putIf(ctx, it, write().when("attribute_exists(?) AND (? <> ? OR attribute_exists(?))",
			attrPK, attrBody, bin(body), attrGivenUp))
		if done || err != nil {
			return err
		}
	}
}

// List implements [push.Store].
func (s *Pushes) List(ctx context.Context, id a2a.TaskID) ([]push.Config, error) {
	var all []push.Config
	for from, more := item(nil), true; more; more = from != nil {
		page, err := s.log.query(ctx, id, skPush, skPushEnd, from, true, 0)
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
		from = page.LastEvaluatedKey
	}
	return all, nil
}

func pushConfig(it item) (push.Config, error) {
	var body pushBody
	if err := json.Unmarshal(it.bin(attrBody), &body); err != nil {
		return push.Config{}, err
	}
	p := push.Progress{
		After: it.num(attrSeq), Agreed: it.num(attrAgreed) > 0, Failures: int(it.num(attrFailures)),
		Sent: it.num(attrSent), Room: it.num(attrRoom),
		Bytes: it.num(attrHourSent), Aside: it.num(attrAside), Waited: time.Duration(it.num(attrWaited)) * time.Millisecond,
	}
	if s := it.num(attrSince); s > 0 {
		p.Since = time.Unix(s, 0)
	}
	if s := it.num(attrHour); s > 0 {
		p.Hour = time.Unix(s, 0)
	}
	return push.Config{
		TaskID:   a2a.TaskID(it.str(attrPK)),
		ID:       it.str(attrSK)[len(skPush):],
		Push:     body.Push,
		Version:  body.Version,
		Trace:    trace.Parse(it.str(attrTrace)),
		Expires:  time.Unix(it.num(attrTTL), 0).UTC(),
		State:    a2a.TaskState(it.str(attrState)),
		Progress: p,
		Lost:     int(it.num(attrCrashes)),
	}, nil
}

// Delete implements [push.Store].
func (s *Pushes) Delete(ctx context.Context, id a2a.TaskID, config string) error {
	deleted, err := s.deleteInPlace(ctx, id, config)
	if err == nil && !deleted {
		_, err = s.log.client.DeleteItem(ctx, &dynamodb.DeleteItemInput{
			TableName: &s.log.table,
			Key:       item{attrPK: str(string(id)), attrSK: str(skPush + config)},
		})
	}
	if err != nil {
		return fmt.Errorf("dynamolog: deleting push configuration: %w", err)
	}
	return nil
}

// claim is a [push.Claim].
type claim struct {
	log    *Log
	config push.Config
	writer string
}

// Config implements [push.Claim].
func (c *claim) Config() push.Config { return c.config }

// Claim implements [push.Store]. It costs two write units with the index, and two more if the last
// holder was lost.
func (s *Pushes) Claim(ctx context.Context, id a2a.TaskID, config, writer string, until time.Time) (push.Claim, error) {
	for {
		now, claimed, err := s.log.update(ctx, id, skPush+config, s.claims(id, writer, until).
			when("attribute_not_exists(?) OR ? = ?", attrWriter, attrWriter, str(writer)).
			when("attribute_not_exists(?) OR ? <= ? OR ? = ? OR attribute_exists(?)",
				attrLook, attrLook, num(time.Now().Unix()), attrWriter, str(writer), attrAsked))
		if holder := now.str(attrWriter); err == nil && !claimed && holder != "" && ended(now) {
			// The holder was lost. A repeated claim does not count it twice.
			now, claimed, err = s.log.update(ctx, id, skPush+config, s.claims(id, writer, until).
				setTo(attrCrashes, "if_not_exists(?, ?) + ?", attrCrashes, num(0), num(1)).
				when("? = ?", attrWriter, str(holder)).
				when("? <= ? OR attribute_exists(?)", attrLook, num(time.Now().Unix()), attrAsked))
			claimed = claimed || err == nil && now.str(attrWriter) == writer // it was done, without an answer
		}
		told := false
		switch {
		case err != nil:
		case claimed:
			var c push.Config
			if c, err = pushConfig(now); err == nil {
				return &claim{s.log, c, writer}, nil
			}
		case now.num(attrGivenUp) > 0:
			return nil, push.ErrGivenUp
		case now.str(attrWriter) == "":
			return nil, nil // it is gone, or not due
		default:
			_, told, err = s.log.update(ctx, id, skPush+config,
				write().set(attrAgain, num(1)).when("attribute_exists(?)", attrWriter))
		}
		if err != nil {
			return nil, fmt.Errorf("dynamolog: claiming delivery: %w", err)
		}
		if told {
			return nil, nil
		}
		// The holder released the claim in between, and does not know that somebody asked.
	}
}

// ended reports whether the claim on a configuration has ended, unless delivery was given up.
func ended(it item) bool {
	_, asked := it[attrAsked]
	return it.num(attrGivenUp) == 0 && (asked || it.num(attrLook) <= time.Now().Unix())
}

// claims returns the expression that claims a configuration that is there.
func (s *Pushes) claims(id a2a.TaskID, writer string, until time.Time) *expression {
	return write().
		set(attrWriter, str(writer)).set(attrRunning, str(pushShard(id))).set(attrLook, num(until.Unix())).
		remove(attrPush, attrAgain, attrAsked).
		when("attribute_exists(?) AND attribute_not_exists(?)", attrPK, attrGivenUp)
}

// Spend implements [push.Store]. It costs one write unit, and another one if the account knows that
// the caller has sent more.
func (s *Pushes) Spend(ctx context.Context, id a2a.TaskID, more push.Spending) (push.Account, bool, error) {
	call := a2a.NewMessageID()
	for sent := more.Sent; ; {
		most := more.Most(sent)
		e := write().setTo(attrSpent, "if_not_exists(?, ?) + ?", attrSpent, num(0), num(more.Bytes)).
			set(attrSent, num(sent)).set(attrWriter, str(call)).set(attrTTL, num(more.Expires.Unix())).
			when("attribute_not_exists(?) OR ? <> ?", attrWriter, attrWriter, str(call)).
			when("attribute_not_exists(?) OR ? <= ?", attrSent, attrSent, num(sent))
		if more.Bytes > most {
			e.when("? < ?", attrSpent, num(0)) // never
		} else {
			e.when("attribute_not_exists(?) OR ? <= ?", attrSpent, attrSpent, num(most-more.Bytes))
		}
		now, ok, err := s.log.update(ctx, id, skAccount, e)
		if err != nil {
			return push.Account{}, false, fmt.Errorf("dynamolog: spending from the task's account: %w", err)
		}
		ok = ok || now.str(attrWriter) == call // perhaps it was done, without an answer
		if known := now.num(attrSent); !ok && known > sent {
			sent = known
			continue
		}
		return push.Account{Spent: now.num(attrSpent), Most: most}, ok, nil
	}
}

// SpendHour implements [push.Store]. It costs one write unit, and another one at the beginning of an
// hour.
func (s *Pushes) SpendHour(
	ctx context.Context, id a2a.TaskID, expires time.Time, hour, bytes, most int64,
) (ok bool, err error) {
	if bytes > most {
		return false, nil
	}
	call := a2a.NewMessageID()
	goesOn := write().setTo(attrHourHad, "? + ?", attrHourHad, num(bytes)).set(attrWriter, str(call)).
		when("? >= ? AND ? <= ? AND ? <> ?", attrHourNumber, num(hour), attrHourHad, num(most-bytes), attrWriter, str(call))
	now, ok, err := s.log.update(ctx, id, skAccount, goesOn)
	if before, begun := now[attrHourNumber]; err == nil && !ok && (!begun || now.num(attrHourNumber) < hour) {
		begins := write().set(attrHourNumber, num(hour)).set(attrHourHad, num(bytes)).
			set(attrWriter, str(call)).set(attrTTL, num(expires.Unix()))
		if begun {
			begins.when("? = ?", attrHourNumber, before)
		} else {
			begins.when("attribute_not_exists(?)", attrHourNumber)
		}
		now, ok, err = s.log.update(ctx, id, skAccount, begins)
		if err == nil && !ok && now.str(attrWriter) != call { // another has begun it
			now, ok, err = s.log.update(ctx, id, skAccount, goesOn)
		}
	}
	if err != nil {
		return false, fmt.Errorf("dynamolog: spending from the task's hour: %w", err)
	}
	return ok || now.str(attrWriter) == call, nil // perhaps it was done, without an answer
}

// Save implements [push.Claim].
func (c *claim) Save(ctx context.Context, p push.Progress, until time.Time) error {
	e := progress(p).set(attrLook, num(until.Unix())).remove(attrAgain)
	if c.gotOn(p) {
		e.remove(attrCrashes)
	}
	_, err := c.update(ctx, e)
	return err
}

// gotOn reports whether the delivery got on since it was claimed.
func (c *claim) gotOn(p push.Progress) bool {
	return p.After > c.config.After || p.Agreed != c.config.Agreed
}

// Release implements [push.Claim].
func (c *claim) Release(ctx context.Context, p push.Progress, due time.Time) (released bool, err error) {
	e := progress(p).set(attrLast, str(c.writer)).remove(attrWriter, attrAgain)
	if due.IsZero() || c.gotOn(p) {
		e.remove(attrCrashes)
	}
	if due.IsZero() {
		e.remove(attrLook, attrRunning).when("attribute_not_exists(?)", attrAgain)
	} else {
		e.set(attrLook, num(due.Unix()))
	}
	now, err := c.update(ctx, e)
	switch {
	case errors.Is(err, push.ErrConflict) && now.str(attrWriter) == c.writer:
		return false, nil
	case errors.Is(err, push.ErrConflict) && now.str(attrLast) == c.writer:
		return true, nil // it was done, without an answer; another may have the claim since
	}
	return err == nil, err
}

// GiveUp implements [push.Claim].
func (c *claim) GiveUp(ctx context.Context, p push.Progress) error {
	now, err := c.update(ctx, progress(p).set(attrGivenUp, num(1)).remove(attrWriter, attrAgain, attrLook, attrRunning))
	if errors.Is(err, push.ErrConflict) && now.num(attrGivenUp) > 0 {
		return nil // it was done, without an answer
	}
	return err
}

// update updates the configuration if the claim still holds it and the condition is met. Otherwise
// it returns the configuration as it is, and ErrConflict.
func (c *claim) update(ctx context.Context, e *expression) (item, error) {
	e.when("? = ?", attrWriter, str(c.writer))
	now, updated, err := c.log.update(ctx, c.config.TaskID, skPush+c.config.ID, e)
	switch {
	case err != nil:
		return nil, fmt.Errorf("dynamolog: updating delivery: %w", err)
	case !updated:
		return now, push.ErrConflict
	}
	return now, nil
}

// progress returns the expression that stores how far a delivery has come.
func progress(p push.Progress) *expression {
	e := write().set(attrSeq, num(p.After))
	number := func(name string, n int64) {
		if n == 0 {
			e.remove(name)
		} else {
			e.set(name, num(n))
		}
	}
	agreed, hour, since := int64(0), int64(0), int64(0)
	if p.Agreed {
		agreed = 1
	}
	if !p.Hour.IsZero() {
		hour = p.Hour.Unix()
	}
	if p.Failures > 0 {
		since = p.Since.Unix()
	}
	number(attrAgreed, agreed)
	number(attrFailures, int64(p.Failures))
	number(attrSince, since)
	number(attrSent, p.Sent)
	number(attrRoom, p.Room)
	number(attrHour, hour)
	number(attrHourSent, p.Bytes)
	number(attrWaited, p.Waited.Milliseconds())
	number(attrAside, p.Aside)
	return e
}
