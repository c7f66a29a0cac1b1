package server_test

import (
	"context"
	"runtime/debug"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/memory"
	"a2alambda/internal/server"
	"a2alambda/internal/tasklog"
)

// shared is a process that many use at once.
var shared = kind{latency: 10 * time.Millisecond, shared: true}

// left returns a task with a client that a shared process has left, and its last event.
func (ns *nodes) left() (id a2a.TaskID, seen int64) {
	a := ns.add(shared)
	id = ns.beginAt(a)
	time.Sleep(2500 * time.Millisecond)
	a.Runner.HandOver(2 * time.Second)
	return id, ns.load(id).Seq
}

// TestReturn ends a shared process whose runs have clients. The process that the clients come back to
// goes on with their tasks, at once and without a worker; a worker is asked for at once where there is
// no client, and after a while where none has come back.
func TestReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ns := newNodes(t, steps(8))
		a := ns.add(shared)
		kept, followed, resent, left := ns.beginAt(a), ns.beginAt(a), message("", "again"), ns.beginAt(a)
		again, err := a.SendStreamingMessage(t.Context(), caller, resent)
		if err != nil {
			t.Fatal(err)
		}
		ns.working.Go(again.Close)
		ctx, gone := context.WithCancel(t.Context())
		alone, err := a.SendStreamingMessage(ctx, caller, message("", "goodbye"))
		if err != nil {
			t.Fatal(err)
		}
		ns.working.Go(alone.Close)
		gone()
		time.Sleep(2500 * time.Millisecond)
		begun := time.Now()
		a.Runner.HandOver(2 * time.Second)
		if took := time.Since(begun); took > 100*time.Millisecond || ns.count("Invoke") != 1 || ns.count("Later") != 4 {
			t.Fatalf("after %v, %d workers were asked for at once, %d later, want 1, 4\n%s", took, ns.count("Invoke"), ns.count("Later"), ns.logged())
		}
		time.Sleep(500 * time.Millisecond)
		seen := ns.load(kept).Seq
		b, polls, loads := ns.add(shared), ns.count("Poll"), ns.count("LoadAt")+ns.count("LoadIf")
		stream, second := ns.comesTo(b, kept, &seen), ns.comesTo(b, kept, &seen)
		if s := ns.load(kept); s.Lease.Epoch != 2 || !s.Lease.Held() || ns.of() != b || time.Since(begun) > time.Second {
			t.Errorf("who comes back finds %+v after %v", s.Lease, time.Since(begun))
		}
		ns.next(stream, seen)
		ns.next(second, seen)
		if n := ns.count("LoadAt") + ns.count("LoadIf") - loads; n != 2 || ns.count("Poll") != polls {
			t.Errorf("two clients cost %d loads and %d polls, want 2 and none", n, ns.count("Poll")-polls)
		}
		early := ns.comesTo(b, followed, new(int64)) // it has not seen all events
		ns.next(early, ns.load(followed).Seq)
		rejoined, err := b.SendStreamingMessage(t.Context(), caller, resent)
		if err != nil {
			t.Fatal(err)
		}
		ns.next(rejoined, ns.load(again.Task.TaskID).Seq)
		for _, id := range []a2a.TaskID{followed, again.Task.TaskID} {
			if s := ns.load(id); s.Lease.Epoch != 2 || !s.Lease.Held() {
				t.Errorf("who comes back finds %+v\n%s", s.Lease, ns.logged())
			}
		}
		if n := ns.count("Invoke"); n != 1 {
			t.Errorf("%d workers for those who came back", n-1)
		}
		if s := ns.load(left); s.Lease.Held() {
			t.Errorf("the task whose client does not come: %+v", s.Lease)
		}
		time.Sleep(time.Until(begun.Add(3500 * time.Millisecond)))
		synctest.Wait()
		if s := ns.load(left); ns.count("Invoke") != 2 || s.Lease.Epoch != 1 {
			t.Errorf("%d workers were asked for by then, want 2: %+v", ns.count("Invoke"), s.Lease)
		}
		ns.finish(kept, followed, again.Task.TaskID, alone.Task.TaskID, left)
		for _, id := range []a2a.TaskID{kept, followed, again.Task.TaskID, alone.Task.TaskID, left} {
			if l := ns.load(id).Lease; l.Epoch != 2 {
				t.Errorf("task %s was acquired %d times", id, l.Epoch)
			}
		}
		for _, s := range []interface{ Close() }{stream, second, early, rejoined} {
			s.Close()
		}
	})
}

// byWorker checks that one worker has been asked for, and that the stream goes on.
func (ns *nodes) byWorker(stream *server.Stream, id a2a.TaskID, seen int64) {
	ns.Helper()
	if n := ns.count("Invoke"); n != 1 {
		ns.Errorf("%d workers were asked for, want 1\n%s", n, ns.logged())
	}
	ns.next(stream, seen)
	stream.Close()
	ns.finish(id)
}

// TestReturnToOthers has a client come back to a process that has one request at a time. It leaves the
// task to a worker, at once.
func TestReturnToOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ns := newNodes(t, steps(8))
		id, seen := ns.left()
		stream := ns.comes(ns.workers, id, &seen)
		time.Sleep(100 * time.Millisecond)
		ns.byWorker(stream, id, seen)
	})
}

// TestTakeOverFails has the store refuse the lease to whoever comes back. The stream goes on all the
// same, and so does the task, a little later.
func TestTakeOverFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ns := newNodes(t, steps(8))
		id, seen := ns.left()
		b, refused := ns.add(shared), 0
		b.at(func(_ context.Context, op tasklog.Op, done bool) error {
			if op.Name == "Acquire" && !done && refused == 0 {
				refused++
				return tasklog.ErrThrottled
			}
			return nil
		})
		begun := time.Now()
		stream := ns.comesTo(b, id, &seen)
		ns.next(stream, seen)
		if took := time.Since(begun); refused != 1 || took > 4*time.Second || ns.count("Invoke") != 0 {
			t.Errorf("refused %d times; after %v, %d workers were asked for\n%s", refused, took, ns.count("Invoke"), ns.logged())
		}
		stream.Close()
		ns.finish(id)
	})
}

// TestReturnToFull has a client come back to a process that has no memory for the run. A worker is asked
// for at once.
func TestReturnToFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ns := newNodes(t, steps(8))
		id, seen := ns.left()
		before := debug.SetMemoryLimit(48<<20 + memory.Stream - 1) // the first are the process's own
		stream := ns.comes(shared, id, &seen)
		debug.SetMemoryLimit(before)
		ns.byWorker(stream, id, seen)
	})
}
