package main

import (
	"context"
	"iter"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/tasklog"
)

// slow is a log each call to which takes some time longer.
type slow struct {
	log     tasklog.Log
	latency time.Duration
}

func (s slow) Create(ctx context.Context, h tasklog.Head, writer string, until time.Time, event []byte) error {
	time.Sleep(s.latency)
	return s.log.Create(ctx, h, writer, until, event)
}

func (s slow) Append(ctx context.Context, b tasklog.Batch) error {
	time.Sleep(s.latency)
	return s.log.Append(ctx, b)
}

func (s slow) Acquire(ctx context.Context, t *tasklog.Snapshot, writer string, until time.Time) (tasklog.Lease, error) {
	time.Sleep(s.latency)
	return s.log.Acquire(ctx, t, writer, until)
}

func (s slow) Fence(ctx context.Context, h tasklog.Head, writer string, epoch, next int64) error {
	time.Sleep(s.latency)
	return s.log.Fence(ctx, h, writer, epoch, next)
}

func (s slow) Renew(ctx context.Context, h tasklog.Head, writer string, until time.Time) (tasklog.Asked, error) {
	time.Sleep(s.latency)
	return s.log.Renew(ctx, h, writer, until)
}

func (s slow) RequestCancel(ctx context.Context, h tasklog.Head) error {
	time.Sleep(s.latency)
	return s.log.RequestCancel(ctx, h)
}

func (s slow) SetStatus(ctx context.Context, id a2a.TaskID, t tasklog.Status) error {
	time.Sleep(s.latency)
	return s.log.SetStatus(ctx, id, t)
}

func (s slow) Settle(ctx context.Context, t *tasklog.Snapshot) error {
	time.Sleep(s.latency)
	return s.log.Settle(ctx, t)
}

func (s slow) Read(ctx context.Context, id a2a.TaskID, after int64, limit int) ([]tasklog.Event, error) {
	time.Sleep(s.latency)
	return s.log.Read(ctx, id, after, limit)
}

func (s slow) Poll(ctx context.Context, id a2a.TaskID, after int64) ([]tasklog.Event, tasklog.Lease, error) {
	time.Sleep(s.latency)
	return s.log.Poll(ctx, id, after)
}

func (s slow) Lease(ctx context.Context, id a2a.TaskID) (tasklog.Lease, error) {
	time.Sleep(s.latency)
	return s.log.Lease(ctx, id)
}

func (s slow) Running(ctx context.Context, yield func(a2a.TaskID) bool) error {
	time.Sleep(s.latency)
	return s.log.Running(ctx, yield)
}

func (s slow) List(ctx context.Context, f tasklog.Filter, after tasklog.Position, yield func(tasklog.Position) bool) error {
	time.Sleep(s.latency)
	return s.log.List(ctx, f, after, yield)
}

func (s slow) Count(ctx context.Context, f tasklog.Filter) (int, error) {
	time.Sleep(s.latency)
	return s.log.Count(ctx, f)
}

func (s slow) Load(ctx context.Context, id a2a.TaskID) (*tasklog.Snapshot, error) {
	time.Sleep(s.latency)
	return s.log.Load(ctx, id)
}

// slowTable is slow for a log that takes snapshots.
type slowTable struct {
	slow
	snapshots tasklog.Snapshotter
}

func (s slowTable) SaveSnapshot(ctx context.Context, h tasklog.Head, writer string, seq int64, lines iter.Seq2[[]byte, error]) error {
	time.Sleep(s.latency)
	return s.snapshots.SaveSnapshot(ctx, h, writer, seq, lines)
}

// Secret is not slower: a process asks once.
func (s slow) Secret(ctx context.Context) ([]byte, error) { return s.log.Secret(ctx) }

func slowed(l tasklog.Log, latency time.Duration) tasklog.Log {
	if latency == 0 {
		return l
	}
	if s, ok := l.(tasklog.Snapshotter); ok {
		return slowTable{slow{l, latency}, s}
	}
	return slow{l, latency}
}
