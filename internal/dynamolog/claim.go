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
		now, claimed, err := s.log.update(ctx, id, skPush+config, "SET #w = :w, #run = :run, #cr = :until REMOVE #p, #ag",
			"attribute_exists(#pk) AND attribute_not_exists(#d) AND (attribute_not_exists(#cr) OR #cr <= :now OR #w = :w)",
			map[string]string{
				"#pk": attrPK, "#w": attrWriter, "#run": attrRunning, "#cr": attrCreated, "#p": attrPush, "#ag": attrAgain, "#d": attrGivenUp,
			},
			values{":w": str(writer), ":run": str(pushShard(id)), ":until": num(until.Unix()), ":now": num(time.Now().Unix())})
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
			_, told, err = s.log.update(ctx, id, skPush+config, "SET #ag = :yes", "attribute_exists(#w)",
				map[string]string{"#ag": attrAgain, "#w": attrWriter}, values{":yes": num(1)})
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
	e := progress(p)
	e.set(attrCreated, num(until.Unix()))
	e.remove(attrAgain)
	_, err := c.update(ctx, e, "")
	return err
}

// Release implements [push.Claim].
func (c *claim) Release(ctx context.Context, p push.Progress, due time.Time) (released bool, err error) {
	e := progress(p)
	e.set(attrLast, str(c.writer))
	e.remove(attrWriter, attrAgain)
	condition := ""
	if due.IsZero() {
		e.remove(attrCreated, attrRunning)
		condition = " AND attribute_not_exists(#ag)"
	} else {
		e.set(attrCreated, num(due.Unix()))
	}
	now, err := c.update(ctx, e, condition)
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
	e := progress(p)
	e.set(attrGivenUp, num(1))
	e.remove(attrWriter, attrAgain, attrCreated, attrRunning)
	now, err := c.update(ctx, e, "")
	if errors.Is(err, push.ErrConflict) && now.num(attrGivenUp) > 0 {
		return nil // it was done, without an answer
	}
	return err
}

// update updates the configuration if the claim is still on it and the condition, which may be empty, is
// met. If not, it returns the configuration as it is, and ErrConflict.
func (c *claim) update(ctx context.Context, e *expression, condition string) (item, error) {
	e.names["#w"], e.values[":w"] = attrWriter, str(c.writer)
	now, updated, err := c.log.update(ctx, c.config.TaskID, skPush+c.config.ID, e.sets+e.removes, "#w = :w"+condition, e.names, e.values)
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
	e := newExpression()
	e.set(attrSeq, num(p.After))
	if p.Failures > 0 {
		e.set(attrFailures, num(int64(p.Failures)))
		e.set(attrSince, num(p.Since.Unix()))
	} else {
		e.remove(attrFailures, attrSince)
	}
	return e
}
