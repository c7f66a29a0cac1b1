package tasklog

import (
	"context"
	"iter"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// Op is a call of a store's method.
type Op struct {
	// Name is the name of the method: "Load", or "Lease.Append" for a method of a lease.
	Name string
	// ID is the id of the task, "" if the call is about several.
	ID a2a.TaskID
	// Scope is the scope of the task, if the caller knows it.
	Scope Scope
	// Writer is the writer, "" for a read.
	Writer string
	// Entries are what an append writes, and First is the number of the first. Steps are what a
	// Record writes, and First is then the place of the first.
	Entries []Entry
	First   int64
	Steps   [][]byte
}

// Hooks are called around the methods of a store. Either may be nil.
type Hooks struct {
	// Before is called first. If it returns an error, the call returns that and does nothing.
	Before func(context.Context, Op) error
	// After is called once the call is done, with its error. It returns what the caller gets
	// instead. So a test can lose an acknowledgement.
	After func(context.Context, Op, error) error
}

// Hooked returns the store with hooks around its methods and around those of its leases. They can
// wake somebody who waits for a change, count calls, or do harm in tests.
func Hooked(s Store, h Hooks) Store { return hooked{HookedLooks(s, h, ""), s, h} }

type hooked struct {
	Looks
	store Store
	hooks Hooks
}

// Call calls f between the hooks.
func (h Hooks) Call(ctx context.Context, op Op, f func() error) error {
	if h.Before != nil {
		if err := h.Before(ctx, op); err != nil {
			return err
		}
	}
	err := f()
	if h.After != nil {
		err = h.After(ctx, op, err)
	}
	return err
}

// Get calls f, which returns something, between the hooks.
func Get[T any](ctx context.Context, h Hooks, op Op, f func() (T, error)) (result T, err error) {
	var none T
	err = h.Call(ctx, op, func() error {
		var err error
		result, err = f()
		return err
	})
	if err != nil {
		return none, err
	}
	return result, nil
}

// lease calls f, which gives a lease, between the hooks.
func (h hooked) lease(ctx context.Context, name string, head Head, c Claim, f func() (Lease, error)) (Lease, error) {
	op := Op{Name: name, ID: head.ID, Scope: head.Scope, Writer: c.Writer}
	lease, err := Get(ctx, h.hooks, op, f)
	if err != nil {
		return nil, err
	}
	return hookedLease{lease, h.hooks, op}, nil
}

func (h hooked) Create(ctx context.Context, head Head, first Entry, c Claim) (Lease, error) {
	return h.lease(ctx, "Create", head, c, func() (Lease, error) { return h.store.Create(ctx, head, first, c) })
}

func (h hooked) Acquire(ctx context.Context, s *Snapshot, c Claim) (Lease, error) {
	return h.lease(ctx, "Acquire", s.Head, c, func() (Lease, error) { return h.store.Acquire(ctx, s, c) })
}

func (h hooked) Load(ctx context.Context, id a2a.TaskID) (*Snapshot, error) {
	return Get(ctx, h.hooks, Op{Name: "Load", ID: id}, func() (*Snapshot, error) { return h.store.Load(ctx, id) })
}

func (h hooked) Peek(ctx context.Context, id a2a.TaskID, w Want) (*Snapshot, error) {
	return Get(ctx, h.hooks, Op{Name: "Peek", ID: id}, func() (*Snapshot, error) { return h.store.Peek(ctx, id, w) })
}

func (h hooked) LoadIf(ctx context.Context, id a2a.TaskID, wanted func(*Snapshot) bool) (*Snapshot, error) {
	return Get(ctx, h.hooks, Op{Name: "LoadIf", ID: id}, func() (*Snapshot, error) { return h.store.LoadIf(ctx, id, wanted) })
}

func (h hooked) LoadAt(ctx context.Context, id a2a.TaskID, seq int64, wanted func(*Snapshot) bool) (*Past, error) {
	return Get(ctx, h.hooks, Op{Name: "LoadAt", ID: id}, func() (*Past, error) { return h.store.LoadAt(ctx, id, seq, wanted) })
}

func (h hooked) Lease(ctx context.Context, id a2a.TaskID) (LeaseInfo, error) {
	return Get(ctx, h.hooks, Op{Name: "Lease", ID: id}, func() (LeaseInfo, error) { return h.store.Lease(ctx, id) })
}

func (h hooked) AskedOf(ctx context.Context, process string) (ids []a2a.TaskID, err error) {
	err = h.hooks.Call(ctx, Op{Name: "AskedOf", Writer: process}, func() (err error) {
		ids, err = h.store.AskedOf(ctx, process)
		return err
	})
	return ids, err
}

func (h hooked) RequestCancel(ctx context.Context, head Head) error {
	op := Op{Name: "RequestCancel", ID: head.ID, Scope: head.Scope}
	return h.hooks.Call(ctx, op, func() error { return h.store.RequestCancel(ctx, head) })
}

func (h hooked) Doubt(ctx context.Context, id a2a.TaskID, seen LeaseInfo) (bool, error) {
	return Get(ctx, h.hooks, Op{Name: "Doubt", ID: id}, func() (bool, error) { return h.store.Doubt(ctx, id, seen) })
}

func (h hooked) Depose(ctx context.Context, id a2a.TaskID, seen LeaseInfo, last int64) (bool, error) {
	return Get(ctx, h.hooks, Op{Name: "Depose", ID: id}, func() (bool, error) { return h.store.Depose(ctx, id, seen, last) })
}

func (h hooked) Read(ctx context.Context, id a2a.TaskID, after int64, limit int) (events []Event, more bool, err error) {
	events, err = Get(ctx, h.hooks, Op{Name: "Read", ID: id}, func() (events []Event, err error) {
		events, more, err = h.store.Read(ctx, id, after, limit)
		return events, err
	})
	return events, more && err == nil, err
}

func (h hooked) Acquired(ctx context.Context, id a2a.TaskID, epoch int64) (bool, error) {
	return Get(ctx, h.hooks, Op{Name: "Acquired", ID: id}, func() (bool, error) { return h.store.Acquired(ctx, id, epoch) })
}

func (h hooked) Poll(ctx context.Context, id a2a.TaskID, after int64, stale bool) (Polled, error) {
	return Get(ctx, h.hooks, Op{Name: "Poll", ID: id}, func() (Polled, error) { return h.store.Poll(ctx, id, after, stale) })
}

func (h hooked) Steps(ctx context.Context, id a2a.TaskID, after int64, stale bool) (steps []Step, more bool, err error) {
	steps, err = Get(ctx, h.hooks, Op{Name: "Steps", ID: id}, func() (steps []Step, err error) {
		steps, more, err = h.store.Steps(ctx, id, after, stale)
		return steps, err
	})
	return steps, more && err == nil, err
}

func (h hooked) Wake(ctx context.Context, id a2a.TaskID) error {
	return h.hooks.Call(ctx, Op{Name: "Wake", ID: id}, func() error { return h.store.Wake(ctx, id) })
}

func (h hooked) OpenWait(ctx context.Context, head Head, name, memo string) error {
	op := Op{Name: "OpenWait", ID: head.ID, Scope: head.Scope}
	return h.hooks.Call(ctx, op, func() error { return h.store.OpenWait(ctx, head, name, memo) })
}

func (h hooked) Wait(ctx context.Context, id a2a.TaskID, name string) (Wait, error) {
	return Get(ctx, h.hooks, Op{Name: "Wait", ID: id}, func() (Wait, error) { return h.store.Wait(ctx, id, name) })
}

func (h hooked) OpenWaits(ctx context.Context, id a2a.TaskID) ([]Wait, error) {
	return Get(ctx, h.hooks, Op{Name: "OpenWaits", ID: id}, func() ([]Wait, error) { return h.store.OpenWaits(ctx, id) })
}

func (h hooked) Deliver(ctx context.Context, id a2a.TaskID, name string, d Delivery) error {
	return h.hooks.Call(ctx, Op{Name: "Deliver", ID: id}, func() error { return h.store.Deliver(ctx, id, name, d) })
}

func (h hooked) CloseWait(ctx context.Context, id a2a.TaskID, name string) (Wait, error) {
	return Get(ctx, h.hooks, Op{Name: "CloseWait", ID: id}, func() (Wait, error) { return h.store.CloseWait(ctx, id, name) })
}

func (h hooked) List(ctx context.Context, f Filter, after Position, limit int) (Page, error) {
	op := Op{Name: "List", Scope: f.Scope}
	return Get(ctx, h.hooks, op, func() (Page, error) { return h.store.List(ctx, f, after, limit) })
}

func (h hooked) InContext(ctx context.Context, s Scope, contextID string, limit int) ([]a2a.TaskID, error) {
	op := Op{Name: "InContext", Scope: s}
	return Get(ctx, h.hooks, op, func() ([]a2a.TaskID, error) { return h.store.InContext(ctx, s, contextID, limit) })
}

func (h hooked) Count(ctx context.Context, f Filter) (int, error) {
	return Get(ctx, h.hooks, Op{Name: "Count", Scope: f.Scope}, func() (int, error) { return h.store.Count(ctx, f) })
}

func (h hooked) Settle(ctx context.Context, s *Snapshot) error {
	op := Op{Name: "Settle", ID: s.Head.ID, Scope: s.Head.Scope}
	return h.hooks.Call(ctx, op, func() error { return h.store.Settle(ctx, s) })
}

func (h hooked) Secret(ctx context.Context) ([]byte, error) {
	return Get(ctx, h.hooks, Op{Name: "Secret"}, func() ([]byte, error) { return h.store.Secret(ctx) })
}

func (h hooked) Sit(ctx context.Context, s Seat) (Seat, error) {
	return Get(ctx, h.hooks, Op{Name: "Sit", ID: s.ID}, func() (Seat, error) { return h.store.Sit(ctx, s) })
}

func (h hooked) Seated(ctx context.Context, s Seat) (bool, error) {
	return Get(ctx, h.hooks, Op{Name: "Seated", ID: s.ID}, func() (bool, error) { return h.store.Seated(ctx, s) })
}

func (h hooked) Leave(ctx context.Context, s Seat) error {
	return h.hooks.Call(ctx, Op{Name: "Leave", ID: s.ID}, func() error { return h.store.Leave(ctx, s) })
}

type hookedLease struct {
	lease Lease
	hooks Hooks
	op    Op // without name
}

// named returns the op of a method.
func (h hookedLease) named(name string) Op {
	op := h.op
	op.Name = "Lease." + name
	return op
}

func (h hookedLease) Append(ctx context.Context, first int64, entries []Entry) error {
	op := h.named("Append")
	op.First, op.Entries = first, entries
	return h.hooks.Call(ctx, op, func() error { return h.lease.Append(ctx, first, entries) })
}

func (h hookedLease) Record(ctx context.Context, first int64, entries [][]byte) error {
	op := h.named("Record")
	op.First, op.Steps = first, entries
	return h.hooks.Call(ctx, op, func() error { return h.lease.Record(ctx, first, entries) })
}

func (h hookedLease) Suspend(ctx context.Context, due time.Time, woken int64) (bool, error) {
	return Get(ctx, h.hooks, h.named("Suspend"), func() (bool, error) { return h.lease.Suspend(ctx, due, woken) })
}

func (h hookedLease) Renew(ctx context.Context, until time.Time) (Asked, error) {
	return Get(ctx, h.hooks, h.named("Renew"), func() (Asked, error) { return h.lease.Renew(ctx, until) })
}

func (h hookedLease) SaveSnapshot(ctx context.Context, seq int64, lines iter.Seq2[[]byte, error]) error {
	return h.hooks.Call(ctx, h.named("SaveSnapshot"), func() error { return h.lease.SaveSnapshot(ctx, seq, lines) })
}

func (h hookedLease) Close(ctx context.Context) { h.lease.Close(ctx) }

func (h hookedLease) Release(ctx context.Context) error {
	return h.hooks.Call(ctx, h.named("Release"), func() error { return h.lease.Release(ctx) })
}
