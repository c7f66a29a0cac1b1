package tasklogtest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"a2alambda/internal/memlog"
	"a2alambda/internal/tasklog"
)

// model is a suspended task, or one that is about to be, and those who do something with it at the
// same time. Each of them is a sequence of store calls. The test runs every order of all calls.
type model struct {
	store  tasklog.Store
	h      tasklog.Head
	holder map[string]tasklog.Lease // who believe that they hold it
	lost   bool                     // somebody may hold it, and does not know
	told   []string                 // who were told that their call is done: a delivery, a request to cancel
	trace  []string
	check  func() string // returns what is wrong with the task as it is
}

// blind says what a wrong program does, which the test must notice.
type blind struct {
	wakeCount bool // suspends whatever was woken since
	early     bool // says that a delivery is done before the task is due
	noWake    bool // never wakes
	stale     bool // looks at what has come before it reads the wake count
}

var errStopped, errTrouble = errors.New("stopped"), errors.New("trouble")

// actor is one of those who act. Its calls share its state. A call that returns an error is its last.
type actor struct {
	name  string
	calls []func() error
}

// holds are the calls of a holder that waits for a delivery: it looks whether something has come,
// and suspends the task if not. lease is set before the first of them.
func (m *model) holds(name string, lease *tasklog.Lease, wrong blind) []func() error {
	var asked tasklog.Asked
	var w tasklog.Wait
	ask := func() (err error) { asked, err = (*lease).Renew(context.Background(), until()); return err }
	look := func() (err error) { w, err = m.store.Wait(context.Background(), m.h.ID, "a"); return err }
	calls := []func() error{ask, look, func() error {
		if w.State != tasklog.WaitOpen || asked.Cancel {
			return errStopped // it goes on with what has come, and holds the task
		}
		woken := asked.Woken
		if wrong.wakeCount {
			woken = math.MaxInt64
		}
		suspended, err := (*lease).Suspend(context.Background(), time.Now().Add(48*time.Hour), woken)
		if suspended {
			delete(m.holder, name)
		}
		return err
	}}
	if wrong.stale {
		calls[0], calls[1] = look, ask
	}
	return calls
}

// takes are the calls of somebody who acquires the task if nobody runs it and it is due, and then
// holds it. See sweeps for the first of them.
func (m *model) takes(name string, wrong blind, load func() (*tasklog.Snapshot, error)) []func() error {
	var seen *tasklog.Snapshot
	lease := new(tasklog.Lease)
	return append([]func() error{
		func() (err error) {
			if seen, err = load(); err == nil && (seen.Busy() || seen.Lease.Sleeps()) {
				err = errStopped
			}
			return err
		},
		func() (err error) {
			if *lease, err = m.store.Acquire(context.Background(), seen, recorder(name, 0)); err == nil {
				m.holder[name] = *lease
			}
			m.lost = errors.Is(err, errTrouble)
			return err
		},
	}, m.holds(name, lease, wrong)...)
}

// newModel returns a task whose holder is about to suspend it, and the actors.
func newModel(t *testing.T, wrong blind, faults ...Fault) (*model, []actor) {
	m := &model{store: Faulty(new(memlog.Log), faults...), holder: map[string]tasklog.Lease{}}
	m.check = m.checkSuspended
	var lease tasklog.Lease
	m.h, lease = mustCreateDurable(t, m.store)
	m.holder["creator"] = lease
	must(t, m.store.OpenWait(t.Context(), m.h, "a", ""))
	deliver := []func() error{
		func() error {
			return m.store.Deliver(context.Background(), m.h.ID, "a", tasklog.Delivery{Body: []byte("x")})
		},
		func() error {
			if wrong.noWake {
				return nil
			}
			return m.store.Wake(context.Background(), m.h.ID)
		},
		func() error { m.told = append(m.told, "delivery"); return nil },
	}
	if wrong.early {
		deliver[1], deliver[2] = deliver[2], deliver[1]
	}
	return m, []actor{
		{"holder", m.holds("creator", &lease, wrong)},
		{"delivery", deliver},
		{"cancel", []func() error{func() error {
			err := m.store.RequestCancel(context.Background(), m.h)
			if err == nil {
				m.told = append(m.told, "cancel")
			}
			return err
		}}},
		{"answer", m.takes("answer", wrong, func() (*tasklog.Snapshot, error) {
			return m.store.Load(context.Background(), m.h.ID)
		})},
		{"sweep", m.takes("sweep", wrong, func() (*tasklog.Snapshot, error) {
			due, err := Due(context.Background(), m.store, time.Now(), 10)
			if err == nil && len(due) == 0 {
				return nil, errStopped
			}
			if err != nil {
				return nil, err
			}
			return m.store.Load(context.Background(), due[0].ID)
		})},
	}
}

// checkSuspended returns what is wrong with the task as it is.
func (m *model) checkSuspended() string {
	l, err := m.store.Lease(context.Background(), m.h.ID)
	if err != nil {
		return err.Error()
	}
	if len(m.told) > 0 && l.Sleeps() {
		return fmt.Sprintf("after %v it sleeps", m.told)
	}
	if l.Suspended {
		due, err := Due(context.Background(), m.store, time.Now(), 10)
		if err != nil || (len(due) > 0) != !l.Sleeps() {
			return fmt.Sprintf("it sleeps: %t, and due are %v, %v", l.Sleeps(), due, err)
		}
	}
	holding := 0
	for name, lease := range m.holder {
		if _, err := lease.Renew(context.Background(), l.Until); err == nil {
			if holding++; l.Suspended || l.Holder != name {
				return fmt.Sprintf("%s holds it, and the lease is %+v", name, l)
			}
		}
	}
	if holding > 1 || holding == 0 && !l.Suspended && !m.lost {
		return fmt.Sprintf("%d hold it, and the lease is %+v", holding, l)
	}
	return ""
}

// run runs the calls of the actors until none has a call left. Path says who comes next: at each
// step the number of one among those who have a call left. Behind its end, the first comes. It
// returns among how many there was a choice at each step, and what is wrong, or "".
func (m *model) run(actors []actor, path []int) (widths []int, fault string) {
	for {
		var ready []int
		for i, a := range actors {
			if len(a.calls) > 0 {
				ready = append(ready, i)
			}
		}
		if len(ready) == 0 {
			return widths, ""
		}
		choice := 0
		if n := len(widths); n < len(path) {
			choice = path[n]
		}
		widths = append(widths, len(ready))
		a := &actors[ready[choice]]
		m.trace = append(m.trace, fmt.Sprint(a.name, "…", len(a.calls)))
		err := a.calls[0]()
		if errors.Is(err, errTrouble) {
			err = nil // the call is repeated
		} else {
			a.calls = a.calls[1:]
		}
		if err != nil {
			if a.calls = nil; !errors.Is(err, errStopped) && !errors.Is(err, tasklog.ErrConflict) {
				return widths, err.Error()
			}
		}
		if fault := m.check(); fault != "" {
			return widths, fault
		}
	}
}

// explore runs the calls of the actors that are named in every order. It returns what is wrong in
// the first order in which something is, and how many it has run.
func explore(t *testing.T, wrong blind, faults []Fault, names ...string) (fault string, runs int) {
	return exploreOf(t, func() (*model, []actor) { return newModel(t, wrong, faults...) }, names...)
}

func exploreOf(t *testing.T, begin func() (*model, []actor), names ...string) (fault string, runs int) {
	t.Helper()
	for path := []int{}; ; {
		m, actors := begin()
		actors = slices.DeleteFunc(actors, func(a actor) bool { return !slices.Contains(names, a.name) })
		runs++
		widths, fault := m.run(actors, path)
		if fault != "" {
			return fault + " after " + strings.Join(m.trace, ", "), runs
		}
		for path = append(path, make([]int, len(widths)-len(path))...); len(path) > 0; path = path[:len(path)-1] {
			if last := len(path) - 1; path[last]+1 < widths[last] {
				path[last]++
				break
			}
		}
		if len(path) == 0 {
			return "", runs
		}
	}
}

// TestModel runs a holder that suspends its task, a delivery, a request to cancel, an answer and a
// sweep in every order of their calls to the store. At any time one holds the task, or it is
// suspended and nobody does. Once somebody was told that a delivery or a request to cancel is done,
// it does not sleep.
func TestModel(t *testing.T) {
	fault, runs := explore(t, blind{}, nil, "holder", "delivery", "cancel", "answer", "sweep")
	t.Logf("%d orders", runs)
	if fault != "" {
		t.Error(fault)
	}
	if runs < 10_000 {
		t.Errorf("only %d orders", runs)
	}
}

// TestModelFaults does the same while a call fails, before it is done or after that, and its caller
// repeats it.
func TestModelFaults(t *testing.T) {
	for _, op := range []string{"Lease.Suspend", "Deliver", "Wake", "RequestCancel", "Acquire", "Wait"} {
		for _, done := range []bool{false, true} {
			for _, names := range [][]string{{"holder", "delivery", "sweep"}, {"holder", "cancel", "answer"}, {"holder", "delivery", "cancel", "sweep"}} {
				faults := []Fault{{Op: op, Nth: 1, Done: done, Do: Fails(errTrouble)}}
				fault, runs := explore(t, blind{}, faults, names...)
				t.Logf("%s fails, done: %t; %v: %d orders", op, done, names, runs)
				if fault != "" {
					t.Errorf("%s fails, done: %t; %v: %s", op, done, names, fault)
				}
			}
		}
	}
}

// TestModelNotices checks that the model notices programs that are wrong.
func TestModelNotices(t *testing.T) {
	for what, wrong := range map[string]blind{
		"suspends in spite of a wake-up": {wakeCount: true}, "answers before the task is due": {early: true},
		"wakes nobody": {noWake: true}, "looks before it reads the wake count": {stale: true},
	} {
		fault, runs := explore(t, wrong, nil, "holder", "delivery")
		t.Logf("%s: %d orders: %s", what, runs, fault)
		if fault == "" {
			t.Errorf("nothing is wrong if a program %s", what)
		}
	}
}
