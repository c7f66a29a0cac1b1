package memlog

import (
	"context"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/push"
	"a2alambda/internal/tasklog"
)

// Pushes is a [push.Store] in memory, for the tasks of a log.
type Pushes struct{ log *Log }

// Pushes returns the push notification configurations of the log's tasks.
func (l *Log) Pushes() *Pushes { return &Pushes{l} }

// delivery is a push notification configuration.
type delivery struct {
	push.Config
	writer string    // the holder of the claim, if it is claimed
	due    time.Time // when the claim ends, or delivery is to be tried again; zero if neither
	again  bool      // the holder must look at the log again
	// postponed is when the sweeper looks at it the next time, if it is due and its delivery was
	// asked for; otherwise zero.
	postponed time.Time
	givenUp   bool
}

// store stores progress.
func (d *delivery) store(p push.Progress) {
	if p.After > d.After || p.Agreed != d.Agreed {
		d.Lost = 0
	}
	d.Progress = p
}

type pushKey struct {
	task a2a.TaskID
	id   string
}

// Put implements [push.Store].
func (s *Pushes) Put(_ context.Context, h tasklog.Head, c push.Config) error {
	l := s.log
	l.mu.Lock()
	defer l.mu.Unlock()
	if t := l.get(h.ID); t != nil {
		t.head.Push = true
	}
	d := l.pushes[pushKey{c.TaskID, c.ID}]
	if d != nil && !d.givenUp && d.Version == c.Version && reflect.DeepEqual(d.Push, c.Push) {
		return nil
	}
	if d == nil && len(l.pushesOf(c.TaskID)) >= push.MaxConfigs {
		return push.ErrFull
	}
	if l.pushes == nil {
		l.pushes = make(map[pushKey]*delivery)
	}
	c.Progress, c.Lost = push.Progress{After: c.After, Sent: c.Sent}, 0
	if d != nil {
		c.Hour, c.Bytes, c.Waited, c.Aside = d.Hour, d.Bytes, d.Waited, d.Aside
	}
	l.pushes[pushKey{c.TaskID, c.ID}] = &delivery{Config: c}
	return nil
}

// List implements [push.Store].
func (s *Pushes) List(_ context.Context, id a2a.TaskID) ([]push.Config, error) {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	all := s.log.pushesOf(id)
	slices.SortFunc(all, func(a, b push.Config) int { return strings.Compare(a.ID, b.ID) })
	return all, nil
}

// pushesOf returns the configurations of a task, in any order. The caller holds mu.
func (l *Log) pushesOf(id a2a.TaskID) (all []push.Config) {
	for k, d := range l.pushes {
		if k.task == id && time.Now().Before(d.Expires) {
			all = append(all, d.Config)
		}
	}
	return all
}

// Delete implements [push.Store].
func (s *Pushes) Delete(_ context.Context, id a2a.TaskID, config string) error {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	delete(s.log.pushes, pushKey{id, config})
	return nil
}

// Claim implements [push.Store].
func (s *Pushes) Claim(_ context.Context, id a2a.TaskID, config, writer string, until time.Time) (push.Claim, error) {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	d := s.log.pushes[pushKey{id, config}]
	switch {
	case d == nil:
		return nil, nil
	case d.givenUp:
		return nil, push.ErrGivenUp
	case time.Now().Before(d.due) && d.writer != writer:
		d.again = d.writer != ""
		return nil, nil
	}
	if d.writer != "" && d.writer != writer {
		d.Lost++
	}
	d.writer, d.due, d.again, d.postponed = writer, until, false, time.Time{}
	return &claim{s.log, d.Config, writer}, nil
}

// Spend implements [push.Store].
func (s *Pushes) Spend(_ context.Context, id a2a.TaskID, more push.Spending) (push.Account, bool, error) {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	a := s.log.account(id, more.Expires)
	sent := max(a.sent, more.Sent)
	most := more.Most(sent)
	if a.spent+more.Bytes > most {
		return push.Account{Spent: a.spent, Most: most}, false, nil
	}
	a.spent, a.sent = a.spent+more.Bytes, sent
	return push.Account{Spent: a.spent, Most: most}, true, nil
}

// SpendHour implements [push.Store].
func (s *Pushes) SpendHour(
	_ context.Context, id a2a.TaskID, expires time.Time, hour, bytes, most int64,
) (ok bool, err error) {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	a := s.log.account(id, expires)
	if hour > a.hour {
		a.hour, a.had = hour, 0
	}
	if a.had+bytes > most {
		return false, nil
	}
	a.had += bytes
	return true, nil
}

// account is a task's account of [push.Store.Spend] and SpendHour.
type account struct {
	spent, sent int64
	hour, had   int64
	expires     time.Time
}

// account returns the account of a task that expires at the given time. The caller holds mu.
func (l *Log) account(id a2a.TaskID, expires time.Time) *account {
	if a := l.accounts[id]; a != nil && time.Now().Before(a.expires) {
		return a
	}
	if l.accounts == nil {
		l.accounts = make(map[a2a.TaskID]*account)
	}
	l.accounts[id] = &account{expires: expires}
	return l.accounts[id]
}

// claim is a [push.Claim].
type claim struct {
	log    *Log
	config push.Config
	writer string
}

// Config implements [push.Claim].
func (c *claim) Config() push.Config { return c.config }

// Save implements [push.Claim].
func (c *claim) Save(_ context.Context, p push.Progress, until time.Time) error {
	return c.update(func(d *delivery) {
		d.store(p)
		d.due, d.again = until, false
	})
}

// Release implements [push.Claim].
func (c *claim) Release(_ context.Context, p push.Progress, due time.Time) (released bool, err error) {
	err = c.update(func(d *delivery) {
		if released = !d.again || !due.IsZero(); released {
			if d.store(p); due.IsZero() {
				d.Lost = 0
			}
			d.writer, d.due, d.again = "", due, false
		}
	})
	return released, err
}

// GiveUp implements [push.Claim].
func (c *claim) GiveUp(_ context.Context, p push.Progress) error {
	return c.update(func(d *delivery) { d.Progress, d.writer, d.due, d.givenUp = p, "", time.Time{}, true })
}

// update calls change with the configuration, if the claim still holds it.
func (c *claim) update(change func(*delivery)) error {
	c.log.mu.Lock()
	defer c.log.mu.Unlock()
	d := c.log.pushes[pushKey{c.config.TaskID, c.config.ID}]
	if d == nil || d.writer != c.writer {
		return push.ErrConflict
	}
	change(d)
	return nil
}
