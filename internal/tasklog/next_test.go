package tasklog_test

import (
	"context"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/memlog"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/tasklogtest"
)

// This is how a journal of an agent's steps, and its waits, will be stored. It shows that the
// contract has room for them: a store adds methods, and changes none.

type journalLog interface {
	tasklog.Log
	// Steps returns the entries of the journal after a place.
	Steps(ctx context.Context, id a2a.TaskID, after int64) ([]step, error)
	// Wake makes a task due now.
	Wake(ctx context.Context, id a2a.TaskID) error
}

type journalLease interface {
	tasklog.Lease
	// Record puts steps at a place of the journal.
	Record(ctx context.Context, place int64, steps []step) error
	// Suspend ends the lease, and makes the task due at a time. If the task was woken more often
	// than wake times, it does nothing and returns false.
	Suspend(ctx context.Context, due time.Time, wake int64) (bool, error)
}

type waits interface {
	Open(ctx context.Context, id a2a.TaskID, name string) error
	Deliver(ctx context.Context, id a2a.TaskID, name string, body []byte) error
	Close(ctx context.Context, id a2a.TaskID, name string) error
}

type step struct {
	name   string
	result []byte
}

// journal is a store with a journal that keeps nothing.
type journal struct{ memlog.Log }

func (j *journal) Create(ctx context.Context, h tasklog.Head, first tasklog.Entry, c tasklog.Claim) (tasklog.Lease, error) {
	return recording(j.Log.Create(ctx, h, first, c))
}

func (j *journal) Acquire(ctx context.Context, s *tasklog.Snapshot, c tasklog.Claim) (tasklog.Lease, error) {
	return recording(j.Log.Acquire(ctx, s, c))
}

func recording(l tasklog.Lease, err error) (tasklog.Lease, error) {
	if err != nil {
		return nil, err
	}
	return recorded{l}, nil
}

func (*journal) Steps(context.Context, a2a.TaskID, int64) ([]step, error)  { return nil, nil }
func (*journal) Wake(context.Context, a2a.TaskID) error                    { return nil }
func (*journal) Open(context.Context, a2a.TaskID, string) error            { return nil }
func (*journal) Deliver(context.Context, a2a.TaskID, string, []byte) error { return nil }
func (*journal) Close(context.Context, a2a.TaskID, string) error           { return nil }

type recorded struct{ tasklog.Lease }

func (recorded) Record(context.Context, int64, []step) error { return nil }

func (r recorded) Suspend(ctx context.Context, _ time.Time, _ int64) (bool, error) {
	return true, r.Release(ctx)
}

var (
	_ tasklog.Store = (*journal)(nil)
	_ journalLog    = (*journal)(nil)
	_ waits         = (*journal)(nil)
	_ journalLease  = recorded{}
)

// TestRoomForJournal has a run record a step and suspend its task, with what a store offers today.
func TestRoomForJournal(t *testing.T) {
	ctx, s := t.Context(), new(journal)
	h, first := tasklogtest.NewTask()
	if _, err := s.Create(ctx, h, first, tasklog.Claim{Writer: "accepts"}); err != nil {
		t.Fatal(err)
	}
	seen, err := s.Load(ctx, h.ID)
	if err != nil {
		t.Fatal(err)
	}
	lease, err := s.Acquire(ctx, seen, tasklog.Claim{Writer: "runs", Until: time.Now().Add(time.Minute)})
	if err != nil {
		t.Fatal(err)
	}
	run, ok := lease.(journalLease)
	if !ok {
		t.Fatalf("a lease of the journal is a %T", lease)
	}
	if err := run.Record(ctx, 1, []step{{"one", []byte("1")}}); err != nil {
		t.Error(err)
	}
	if suspended, err := run.Suspend(ctx, time.Now().Add(time.Hour), 0); !suspended || err != nil {
		t.Errorf("suspended is %t, %v", suspended, err)
	}
	if now, err := s.Lease(ctx, h.ID); err != nil || !now.Released {
		t.Errorf("the lease is %+v, %v", now, err)
	}
}
