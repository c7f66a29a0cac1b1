package dynamolog

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/tasklog"
)

// A wait is an item of its own. Its attribute s is its state; b, or r for a bigger one, is the body
// that came.
const (
	attrMemo        = "me" // S: the memo, if there is one
	attrContentType = "ct" // S: the content type of what came
	attrCame        = "at" // N: when it came, in ms since 1970
)

const (
	skWait    = "W#"
	skWaitEnd = "W$" // after every wait
)

// maxWaitBody keeps the item of a wait small: OpenWaits reads those of all waits of the task.
const maxWaitBody = 1 << 10

// OpenWait implements [tasklog.Waits]. It costs a write unit.
func (l *Log) OpenWait(ctx context.Context, h tasklog.Head, name, memo string) error {
	if !time.Now().Before(h.Expires) {
		return fmt.Errorf("dynamolog: opening wait: %w", tasklog.ErrNotFound)
	}
	it := item{
		attrPK:    str(string(h.ID)),
		attrSK:    str(skWait + name),
		attrState: str(string(tasklog.WaitOpen)),
		attrTTL:   num(h.Expires.Unix()),
	}
	if memo != "" {
		it[attrMemo] = str(memo)
	}
	if _, err := l.put(ctx, it, ifNew("")); err != nil {
		return fmt.Errorf("dynamolog: opening wait: %w", err)
	}
	return nil
}

// Wait implements [tasklog.Waits]. It costs a read unit for each 4 KB of the body.
func (l *Log) Wait(ctx context.Context, id a2a.TaskID, name string) (tasklog.Wait, error) {
	it, err := l.waitItem(ctx, id, name)
	var w tasklog.Wait
	if err == nil {
		w, err = l.waitOf(ctx, it)
	}
	if err != nil {
		return tasklog.Wait{}, fmt.Errorf("dynamolog: reading wait: %w", err)
	}
	return w, nil
}

// waitItem returns the item of a wait, or ErrNotFound.
func (l *Log) waitItem(ctx context.Context, id a2a.TaskID, name string) (item, error) {
	it, err := l.get(ctx, id, skWait+name)
	if err != nil {
		return nil, err
	}
	return found(it)
}

// found returns the item, or ErrNotFound if it is nil or has expired.
func found(it item) (item, error) {
	if it == nil || it.num(attrTTL) <= time.Now().Unix() {
		return nil, tasklog.ErrNotFound
	}
	return it, nil
}

// waitOf returns the wait in an item.
func (l *Log) waitOf(ctx context.Context, it item) (tasklog.Wait, error) {
	w := tasklog.Wait{
		Name: strings.TrimPrefix(it.str(attrSK), skWait), State: tasklog.WaitState(it.str(attrState)), Memo: it.str(attrMemo),
	}
	if w.State != tasklog.WaitDelivered {
		return w, nil
	}
	lines, _, err := l.values(ctx, it)
	if err != nil {
		return w, err
	}
	w.Delivery = &tasklog.Delivery{
		Body: bytes.Join(lines, lineFeed), ContentType: it.str(attrContentType),
		Time: time.UnixMilli(it.num(attrCame)),
	}
	return w, nil
}

// OpenWaits implements [tasklog.Waits]. It costs a read unit for each 4 KB of the waits of the task.
func (l *Log) OpenWaits(ctx context.Context, id a2a.TaskID) (open []tasklog.Wait, err error) {
	for from, more := item(nil), true; more; more = from != nil {
		page, err := l.query(ctx, id, skWait, skWaitEnd, from, true, 0)
		if err != nil {
			return nil, fmt.Errorf("dynamolog: reading waits: %w", err)
		}
		for _, it := range page.Items {
			if _, err := found(it); err != nil || it.str(attrState) != string(tasklog.WaitOpen) {
				continue
			}
			w, err := l.waitOf(ctx, it)
			if err != nil {
				return nil, fmt.Errorf("dynamolog: reading waits: %w", err)
			}
			open = append(open, w)
		}
		from = page.LastEvaluatedKey
	}
	return open, nil
}

// Deliver implements [tasklog.Waits]. It costs a write unit for each KB of the deflated body.
func (l *Log) Deliver(ctx context.Context, id a2a.TaskID, name string, d tasklog.Delivery) error {
	if err := l.deliver(ctx, id, name, d); err != nil {
		return fmt.Errorf("dynamolog: delivering: %w", err)
	}
	return nil
}

func (l *Log) deliver(ctx context.Context, id a2a.TaskID, name string, d tasklog.Delivery) error {
	// A body is deflated as one event is, whatever it holds.
	body := item{attrPK: str(string(id))}
	deflated := deflate([]tasklog.Entry{{JSON: d.Body}})
	if len(deflated) > maxWaitBody {
		it, err := l.waitItem(ctx, id, name)
		if err != nil {
			return err
		}
		if it.str(attrState) != string(tasklog.WaitOpen) { // a refused body costs no write
			return l.delivered(ctx, it, d)
		}
		hash := sha256.Sum256(append([]byte(d.ContentType+"\x00"), d.Body...))
		ref := "wait." + name + "." + hex.EncodeToString(hash[:16])
		if err := l.putBody(ctx, body, time.Unix(it.num(attrTTL), 0), ref, maxWaitBody, deflated, new(parts)); err != nil {
			return err
		}
	} else {
		body[attrBody] = bin(deflated)
	}
	e := write().set(attrState, str(string(tasklog.WaitDelivered))).
		set(attrContentType, str(d.ContentType)).set(attrCame, num(d.Time.UnixMilli())).
		when("? = ? AND ? > ?", attrState, str(string(tasklog.WaitOpen)), attrTTL, num(time.Now().Unix()))
	for _, name := range []string{attrBody, attrParts} {
		if v, ok := body[name]; ok {
			e.set(name, v)
		}
	}
	existing, done, err := l.update(ctx, id, skWait+name, e)
	if err != nil || done {
		return err
	}
	return l.delivered(ctx, existing, d)
}

// delivered returns the result of a delivery for a wait that is not open.
func (l *Log) delivered(ctx context.Context, it item, d tasklog.Delivery) error {
	it, err := found(it)
	if err != nil {
		return err
	}
	w, err := l.waitOf(ctx, it)
	switch {
	case err != nil:
		return err
	case w.State == tasklog.WaitClosed:
		return tasklog.ErrWaitClosed
	case w.Delivery == nil || w.Delivery.ContentType != d.ContentType || !bytes.Equal(w.Delivery.Body, d.Body):
		return tasklog.ErrDelivered
	}
	return nil
}

// CloseWait implements [tasklog.Waits]. It costs a write unit.
func (l *Log) CloseWait(ctx context.Context, id a2a.TaskID, name string) (tasklog.Wait, error) {
	it, _, err := l.update(ctx, id, skWait+name, write().set(attrState, str(string(tasklog.WaitClosed))).
		when("? = ?", attrState, str(string(tasklog.WaitOpen))))
	if err == nil {
		it, err = found(it)
	}
	var w tasklog.Wait
	if err == nil {
		w, err = l.waitOf(ctx, it)
	}
	if err != nil {
		return tasklog.Wait{}, fmt.Errorf("dynamolog: closing wait: %w", err)
	}
	return w, nil
}
