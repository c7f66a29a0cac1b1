package tasklogtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"a2alambda/internal/memlog"
	"a2alambda/internal/tasklog"
)

// doubted is a task whose holder is about to make a call that happens only once, and those who doubt
// it at the same time.
type doubted struct {
	*model
	owner    string // who has acquired the lease last
	renewed  int    // how often the holder has renewed its lease
	calls    int    // how often the call was made
	done     bool   // perhaps the journal says what came of it
	unsure   string // whose last write was perhaps done
	fault    string // what somebody did that is wrong
	canceled bool   // somebody was told that the task is to be canceled
}

// careless says what a wrong doubter does, which the test must notice.
type careless struct {
	anyPlace bool // does not say what it has read of the journal
	anyLease bool // deposes whoever has the lease by now
}

// wrote notes that somebody has written something as the holder, perhaps before, if the answer was lost.
func (d *doubted) wrote(name string, err error) error {
	if err == nil && d.owner != name && d.unsure != name {
		d.fault = fmt.Sprintf("%s wrote, and %s has the lease", name, d.owner)
	}
	if d.unsure = ""; errors.Is(err, errTrouble) {
		d.unsure = name
	}
	return err
}

// inFlight reports whether a call has begun and not ended, and the last place.
func (d *doubted) inFlight() (bool, int64, error) {
	all, err := AllSteps(context.Background(), d.store, d.h)
	begun := slices.ContainsFunc(all, func(s tasklog.Step) bool { return string(s.JSON) == string(step("began")) })
	done := slices.ContainsFunc(all, func(s tasklog.Step) bool { return string(s.JSON) == string(step("done")) })
	return begun && !done, int64(len(all)), err
}

// works are the calls of a holder: it answers a doubt, makes the call, and says what came of it.
func (d *doubted) works(name string, lease *tasklog.Lease, place *int64) []func() error {
	var seen tasklog.LeaseInfo
	return []func() error{
		func() (err error) { seen, err = d.store.Lease(context.Background(), d.h.ID); return err },
		func() error {
			if !seen.Doubted {
				return nil
			}
			_, err := (*lease).Renew(context.Background(), until().Add(time.Duration(d.renewed+1)*time.Second))
			if err == nil {
				d.renewed++
			}
			return err
		},
		func() error {
			if d.done { // it gets what is in the journal
				return errStopped
			}
			if err := d.wrote(name, (*lease).Record(context.Background(), *place+1, steps("began"))); err != nil {
				return err
			}
			d.calls++
			return nil
		},
		func() error {
			s, err := d.store.Load(context.Background(), d.h.ID)
			if err != nil {
				return err
			}
			return d.wrote(name, (*lease).Append(context.Background(), s.Seq+1, working(d.h, name)))
		},
		func() error {
			err := d.wrote(name, (*lease).Record(context.Background(), *place+2, steps("done")))
			d.done = d.done || err == nil || errors.Is(err, errTrouble)
			return err
		},
	}
}

// doubts are the calls of somebody who doubts the holder, deposes it and takes the task over.
func (d *doubted) doubts(name string, wrong careless) []func() error {
	var seen tasklog.LeaseInfo
	var last, place int64
	var renewed int
	var snapshot *tasklog.Snapshot
	lease := new(tasklog.Lease)
	calls := []func() error{
		func() (err error) {
			if seen, err = d.store.Lease(context.Background(), d.h.ID); err == nil && !seen.Held() {
				err = errStopped
			}
			return err
		},
		func() error {
			_, err := d.store.Doubt(context.Background(), d.h.ID, seen)
			renewed = d.renewed
			return err
		},
		func() error {
			now, err := d.store.Lease(context.Background(), d.h.ID)
			if err == nil && !now.Same(seen) {
				err = errStopped
			}
			return err
		},
		func() error {
			begun, at, err := d.inFlight()
			if last = at; err == nil && begun {
				err = errStopped
			}
			return err
		},
		func() error {
			if wrong.anyPlace {
				last = tasklog.AnyPlace
			}
			if wrong.anyLease {
				seen, _ = d.store.Lease(context.Background(), d.h.ID)
			}
			done, err := d.store.Depose(context.Background(), d.h.ID, seen, last)
			switch {
			case err == nil && !done:
				err = errStopped
			case err == nil && d.renewed > renewed && d.owner == "creator":
				d.fault = name + " deposed a holder that has answered"
			}
			return err
		},
		func() (err error) {
			if snapshot, err = d.store.Load(context.Background(), d.h.ID); err == nil && snapshot.Busy() {
				err = errStopped
			}
			return err
		},
		func() error {
			begun, at, err := d.inFlight()
			if place = at; err == nil && begun && d.owner == "creator" {
				d.fault = "the call was interrupted"
			}
			return err
		},
		func() (err error) {
			if *lease, err = d.store.Acquire(context.Background(), snapshot, recorder(name, place)); err == nil {
				d.owner = name
				d.holder[name] = *lease
			}
			return err
		},
	}
	return append(calls, d.works(name, lease, &place)...)
}

// newDoubted returns a task at work, and the actors.
func newDoubted(t *testing.T, wrong careless, faults ...Fault) (*model, []actor) {
	d := &doubted{
		model: &model{store: Faulty(new(memlog.Log), faults...), holder: map[string]tasklog.Lease{}},
		owner: "creator",
	}
	d.check = d.checkDoubted
	var lease tasklog.Lease
	d.h, lease = mustCreateDurable(t, d.store)
	d.holder["creator"] = lease
	hasty := d.doubts("hasty", wrong)
	return d.model, []actor{
		{"holder", d.works("creator", &lease, new(int64))},
		{"doubter", d.doubts("doubter", wrong)},
		{"hasty", hasty[:8]},
		{"brief", d.doubts("brief", wrong)[:8]},
		{"cancel", []func() error{func() error {
			err := d.store.RequestCancel(context.Background(), d.h)
			d.canceled = d.canceled || err == nil
			return err
		}}},
	}
}

// checkDoubted returns what is wrong with the task as it is.
func (d *doubted) checkDoubted() string {
	l, err := d.store.Lease(context.Background(), d.h.ID)
	switch {
	case errors.Is(err, errTrouble):
		return ""
	case err != nil:
		return err.Error()
	case d.fault != "":
		return d.fault
	case d.calls > 1:
		return fmt.Sprintf("the call was made %d times", d.calls)
	case d.canceled && !l.Cancel:
		return "the request to cancel was lost"
	}
	if !l.Held() { // a sweep finds it
		due, err := Due(context.Background(), d.store, time.Now().Add(time.Hour), 10)
		if err == nil && (len(due) != 1 || due[0].Held) {
			return fmt.Sprintf("nobody holds it, and due are %v; the lease is %+v", due, l)
		}
	}
	return ""
}

// TestModelDoubt runs a holder that makes a call which happens only once, and those who doubt it, in
// every order of their calls to the store. Only who has the lease writes. The call is made once, and
// is not interrupted. Nobody is deposed who has answered, a request to cancel stays, and a sweep
// finds a task that nobody holds.
func TestModelDoubt(t *testing.T) {
	for _, names := range [][]string{{"holder", "doubter"}, {"holder", "doubter", "cancel"}, {"hasty", "brief"}} {
		fault, runs := exploreOf(t, func() (*model, []actor) { return newDoubted(t, careless{}) }, names...)
		t.Logf("%v: %d orders", names, runs)
		if fault != "" || runs < 300 {
			t.Errorf("%v: %d orders: %s", names, runs, fault)
		}
	}
}

// TestModelDoubtFaults does the same while a call fails, before it is done or after that, and its
// caller repeats it.
func TestModelDoubtFaults(t *testing.T) {
	for _, op := range []string{
		"Lease", "Doubt", "Depose", "Steps", "Load", "Acquire", "Lease.Renew", "Lease.Record", "Lease.Append",
	} {
		for nth := 1; nth <= 2; nth++ {
			for _, done := range []bool{false, true} {
				faults := []Fault{{Op: op, Nth: nth, Done: done, Do: Fails(errTrouble)}}
				fault, runs := exploreOf(t, func() (*model, []actor) { return newDoubted(t, careless{}, faults...) }, "holder", "doubter")
				if fault != "" || runs < 100 {
					t.Errorf("%s fails the %d. time, done: %t: %d orders: %s", op, nth, done, runs, fault)
				}
			}
		}
	}
}

// TestModelDoubtNotices checks that the model notices programs that are wrong.
func TestModelDoubtNotices(t *testing.T) {
	for what, wrong := range map[string]careless{
		"deposes without a look at the journal": {anyPlace: true}, "deposes whoever has the lease": {anyLease: true},
	} {
		fault, runs := exploreOf(t, func() (*model, []actor) { return newDoubted(t, wrong) }, "holder", "doubter")
		t.Logf("%s: %d orders: %s", what, runs, fault)
		if fault == "" {
			t.Errorf("nothing is wrong if a program %s", what)
		}
	}
}
