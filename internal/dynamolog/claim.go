package dynamolog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/push"
)

// claim is a [push.Claim].
type claim struct {
	log    *Log
	config push.Config
	writer string
}

// Config implements [push.Claim].
func (c *claim) Config() push.Config { return c.config }

// Claim implements [push.Store]. It costs two write units with the index.
func (s *Pushes) Claim(ctx context.Context, id a2a.TaskID, config, writer string, until time.Time) (push.Claim, error) {
	for {
		now, claimed, err := s.log.update(ctx, id, skPush+config, write().
			set(attrWriter, str(writer)).set(attrRunning, str(pushShard(id))).set(attrLook, num(until.Unix())).
			remove(attrPush, attrAgain).
			when("attribute_exists(?) AND attribute_not_exists(?)", attrPK, attrGivenUp).
			when("attribute_not_exists(?) OR ? <= ? OR ? = ?",
				attrLook, attrLook, num(time.Now().Unix()), attrWriter, str(writer)))
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
		// The holder released the claim in between, without having been told.
	}
}

// Save implements [push.Claim].
func (c *claim) Save(ctx context.Context, p push.Progress, until time.Time) error {
	_, err := c.update(ctx, progress(p).set(attrLook, num(until.Unix())).remove(attrAgain))
	return err
}

// Release implements [push.Claim].
func (c *claim) Release(ctx context.Context, p push.Progress, due time.Time) (released bool, err error) {
	e := progress(p).set(attrLast, str(c.writer)).remove(attrWriter, attrAgain)
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

// update updates the configuration if the claim is still on it and the condition is met. If not, it returns the
// configuration as it is, and ErrConflict.
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
	if p.Failures > 0 {
		return e.set(attrFailures, num(int64(p.Failures))).set(attrSince, num(p.Since.Unix()))
	}
	return e.remove(attrFailures, attrSince)
}
