package tasklogtest

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/tasklog"
)

// wants are what callers want, from nothing to all.
func wants() (all []tasklog.Want) {
	for _, history := range []int{0, 1, 3, tasklog.AllHistory} {
		for _, artifacts := range []bool{false, true} {
			for _, status := range []bool{false, true} {
				all = append(all, tasklog.Want{Lease: status != artifacts, Requests: artifacts, Status: status, Artifacts: artifacts, History: history})
			}
		}
	}
	return all
}

// checkPeek fails the test unless Peek returns what Load does, without what is not wanted.
func checkPeek(t *testing.T, s tasklog.Store, id a2a.TaskID, wants []tasklog.Want) {
	t.Helper()
	whole := mustLoad(t, s, id)
	for _, w := range wants {
		want, task := *whole, *whole.Task
		want.Task = &task
		got, err := s.Peek(t.Context(), id, w)
		must(t, err)
		w.Trim(&want)
		sameSnapshot(t, fmt.Sprintf("as of event %d, wanting %+v:", want.Seq, w), got, &want)
	}
	checkLoadIf(t, s, id)
}

// checkLoadIf fails the test unless LoadIf and LoadAt ask with what Peek returns, and return that if the
// task is not wanted, and otherwise all of it.
func checkLoadIf(t *testing.T, s tasklog.Store, id a2a.TaskID) {
	t.Helper()
	peeked, err := s.Peek(t.Context(), id, tasklog.Want{Lease: true})
	must(t, err)
	whole := mustLoad(t, s, id)
	for _, wanted := range []bool{false, true} {
		var asked []*tasklog.Snapshot
		ask := func(s *tasklog.Snapshot) bool {
			asked = append(asked, s)
			return wanted
		}
		got, err := s.LoadIf(t.Context(), id, ask)
		must(t, err)
		past, err := s.LoadAt(t.Context(), id, 1, ask)
		must(t, err)
		if len(asked) != 2 {
			t.Fatalf("asked %d times in two calls", len(asked))
		}
		for _, a := range asked {
			sameSnapshot(t, "asked with", a, peeked)
		}
		switch {
		case wanted:
			sameSnapshot(t, "loaded", got, whole)
			if past.Task == nil || past.Now.Seq != whole.Seq {
				t.Fatalf("as of event 1: %+v, now %+v", past.Task, past.Now)
			}
		default:
			sameSnapshot(t, "loaded, without wanting it,", got, peeked)
			sameSnapshot(t, "loaded as of event 1, without wanting it,", past.Now, peeked)
			if past.Task != nil || past.Later != nil {
				t.Fatalf("it was read though nobody wants it: %+v", past)
			}
		}
	}
}

// sameSnapshot fails the test unless the snapshots have the same task, and are otherwise equal, but for
// what the store keeps for itself.
func sameSnapshot(t *testing.T, what string, got, want *tasklog.Snapshot) {
	t.Helper()
	gotJSON, err := tasklog.EncodeTask(got.Task)
	must(t, err)
	wantJSON, err := tasklog.EncodeTask(want.Task)
	must(t, err)
	if !bytes.Equal(gotJSON, wantJSON) {
		t.Fatalf("%s the task %.1000s\nwant %.1000s", what, gotJSON, wantJSON)
	}
	a, b := *got, *want
	a.Task, b.Task, a.Origins, b.Origins, a.Kept, b.Kept = nil, nil, nil, nil, nil, nil
	if !reflect.DeepEqual(a, b) {
		t.Fatalf("%s %+v\nwant %+v", what, a, b)
	}
}

// testPeek peeks at tasks with all kinds of events, in a random order. It wants all there is to want at the
// beginning and at the end, and something else each time in between.
func testPeek(t *testing.T, s tasklog.Store) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	for n := range uint64(4) {
		h, _, lease := mustCreate(t, s)
		checkPeek(t, s, h.ID, wants())
		seq := int64(1)
		g := newGenerator(h, seed, n)
		for i := range 12 {
			var entries []tasklog.Entry
			for range 1 + g.IntN(3) {
				entries = append(entries, EntryOf(g.event()))
			}
			must(t, lease.Append(t.Context(), seq+1, entries))
			seq += int64(len(entries))
			if checkPeek(t, s, h.ID, g.wants()); i%5 != 4 {
				continue
			}
			if g.IntN(2) == 0 { // a snapshot in between changes nothing
				must(t, lease.SaveSnapshot(t.Context(), seq, tasklog.SnapshotLines(mustLoad(t, s, h.ID).Task)))
			}
			if lease.Close(t.Context()); g.IntN(2) == 0 {
				must(t, lease.Release(t.Context()))
			}
			seen := mustLoad(t, s, h.ID)
			next, err := s.Acquire(t.Context(), seen, by(fmt.Sprint("writer ", i)))
			must(t, err)
			lease = next
			checkPeek(t, s, h.ID, g.wants())
		}
		must(t, lease.Append(t.Context(), seq+1, []tasklog.Entry{Status(h, a2a.TaskStateCompleted, "the end")}))
		checkPeek(t, s, h.ID, wants())
	}
	never := func(*tasklog.Snapshot) bool {
		t.Error("asked whether a task is wanted that never was")
		return true
	}
	_, err := s.Peek(t.Context(), "none", tasklog.Want{})
	_, ifErr := s.LoadIf(t.Context(), "none", never)
	_, atErr := s.LoadAt(t.Context(), "none", 1, never)
	for _, err := range []error{err, ifErr, atErr} {
		if !errors.Is(err, tasklog.ErrNotFound) {
			t.Errorf("of a task that never was: %v", err)
		}
	}
}

// generator makes events of a task.
type generator struct {
	*rand.Rand
	head      tasklog.Head
	n         int
	artifacts map[a2a.ArtifactID]bool
}

func newGenerator(h tasklog.Head, seed, n uint64) *generator {
	return &generator{Rand: rand.New(rand.NewPCG(seed, n)), head: h, artifacts: map[a2a.ArtifactID]bool{}}
}

// wants returns some of what callers want.
func (g *generator) wants() []tasklog.Want {
	all := wants()
	g.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:4]
}

// text returns a text that is no other, and sometimes a large one.
func (g *generator) text() *a2a.Part {
	g.n++
	text := fmt.Sprint("text ", g.n)
	if g.IntN(6) == 0 {
		text += incompressible(20_000 + g.IntN(100_000))
	}
	return a2a.NewTextPart(text)
}

// metadata returns nil most of the time.
func (g *generator) metadata() map[string]any {
	if g.IntN(5) > 0 {
		return nil
	}
	m := map[string]any{fmt.Sprint("key", g.IntN(3)): g.IntN(100)}
	if g.IntN(4) == 0 {
		m["large"] = incompressible(70_000)
	}
	return m
}

func (g *generator) event() a2a.Event {
	info := a2a.TaskInfo{TaskID: g.head.ID, ContextID: g.head.ContextID}
	switch g.IntN(12) {
	case 0, 1, 2:
		e := a2a.NewStatusUpdateEvent(info, a2a.TaskStateWorking, a2a.NewMessageForTask(a2a.MessageRoleAgent, info, g.text()))
		e.Metadata = g.metadata()
		return e
	case 3:
		e := a2a.NewStatusUpdateEvent(info, a2a.TaskStateInputRequired, nil)
		e.Metadata = g.metadata()
		return e
	case 4, 5:
		return a2a.NewStatusUpdateEvent(info, a2a.TaskStateSubmitted, a2a.NewMessageForTask(a2a.MessageRoleUser, info, g.text()))
	case 6:
		if g.IntN(3) > 0 {
			break
		}
		e := Status(g.head, a2a.TaskStateWorking, "")
		task := &a2a.Task{ID: info.TaskID, ContextID: info.ContextID, Status: a2a.TaskStatus{State: a2a.TaskStateWorking, Timestamp: &e.Time}, Metadata: g.metadata()}
		g.artifacts = map[a2a.ArtifactID]bool{}
		if g.IntN(2) == 0 {
			task.Status.Message = a2a.NewMessageForTask(a2a.MessageRoleAgent, info, g.text())
		}
		for range g.IntN(3) {
			task.History = append(task.History, a2a.NewMessageForTask(a2a.MessageRoleUser, info, g.text()))
		}
		for i := range g.IntN(3) {
			id := a2a.ArtifactID(fmt.Sprint("artifact", i))
			task.Artifacts, g.artifacts[id] = append(task.Artifacts, &a2a.Artifact{ID: id, Parts: a2a.ContentParts{g.text()}}), true
		}
		return task
	}
	e := a2a.NewArtifactEvent(info, g.text(), g.text())
	e.Artifact.ID = a2a.ArtifactID(fmt.Sprint("artifact", g.IntN(3)))
	e.Append = g.artifacts[e.Artifact.ID] && g.IntN(3) > 0
	e.Artifact.Metadata = g.metadata()
	g.artifacts[e.Artifact.ID] = true
	return e
}
