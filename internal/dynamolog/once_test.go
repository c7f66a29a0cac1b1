package dynamolog_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/dynamolog"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/tasklogtest"
	"a2alambda/localtest/dynamodblocal"
)

// piece returns a piece of an artifact.
func piece(info a2a.TaskInfo, id a2a.ArtifactID, more bool, parts ...*a2a.Part) a2a.Event {
	e := a2a.NewArtifactUpdateEvent(info, id, parts...)
	e.Append = more
	return e
}

// andTokens returns the events, and then 8,000 tokens of another artifact, which are enough for
// snapshots of a task that is not much larger.
func andTokens(info a2a.TaskInfo, events ...a2a.Event) []a2a.Event {
	for i := range 8000 {
		events = append(events, piece(info, "tokens", i > 0, words(fmt.Sprint(" t", i))...))
	}
	return append(events, completed(info))
}

// TestStoredOnce checks that what is large is written once, whatever follows it, and that loading
// reads it once, from snapshots that refer to it, too.
func TestStoredOnce(t *testing.T) {
	t.Parallel()
	const mb = 1 << 20
	client, table := newTable(t)
	client, meter := dynamodblocal.NewMeter(client)
	l := dynamolog.New(client, table)
	const oneOfEach = "one of each of 30 KB, and tokens"
	tokens, large := 0.0, 3.0*1024
	for _, test := range []struct {
		name    string
		message *a2a.Part
		events  func(a2a.TaskInfo) []a2a.Event
		write   float64 // units, at most
		read    float64 // units of loading, at most
	}{
		{"8,000 tokens", a2a.NewTextPart("hello"), func(info a2a.TaskInfo) []a2a.Event { return andTokens(info) }, 430, 60},
		{"an artifact of 3 MB", a2a.NewTextPart("hello"), func(info a2a.TaskInfo) []a2a.Event {
			return []a2a.Event{piece(info, "a", false, raw(3*mb)), completed(info)}
		}, large, large / 4},
		{"ten pieces of 300 KB", a2a.NewTextPart("hello"), func(info a2a.TaskInfo) (events []a2a.Event) {
			for i := range 10 {
				events = append(events, piece(info, "a", i > 0, raw(3*mb/10)))
			}
			return append(events, completed(info))
		}, large, large / 4},
		{"two hundred pieces of 15 KB", a2a.NewTextPart("hello"), func(info a2a.TaskInfo) (events []a2a.Event) {
			for i := range 200 {
				events = append(events, piece(info, "a", i > 0, raw(3*mb/200)))
			}
			return append(events, completed(info))
		}, large + 2*200, large/4 + 200},
		{"a message of 3 MB, and tokens", raw(3 * mb), func(info a2a.TaskInfo) []a2a.Event { return andTokens(info) }, large, large / 4},
		{"an artifact of 3 MB, and tokens", a2a.NewTextPart("hello"), func(info a2a.TaskInfo) []a2a.Event {
			return andTokens(info, piece(info, "a", false, raw(3*mb)))
		}, large, large / 4},
		{"a message of 3 MB in the next turn, and tokens", a2a.NewTextPart("hello"), func(info a2a.TaskInfo) []a2a.Event {
			return andTokens(info, agentSays(info, a2a.TaskStateInputRequired), userSays(info, raw(3*mb)))
		}, large, large / 4},
		{"a status of 3 MB, and tokens", a2a.NewTextPart("hello"), func(info a2a.TaskInfo) []a2a.Event {
			return andTokens(info, agentSays(info, a2a.TaskStateWorking, raw(3*mb)))
		}, large, large / 4},
		{"metadata of 3 MB, and tokens", a2a.NewTextPart("hello"), func(info a2a.TaskInfo) []a2a.Event {
			e := a2a.NewStatusUpdateEvent(info, a2a.TaskStateWorking, nil)
			e.Metadata = map[string]any{"large": incompressible(4 * mb), "small": 1}
			return andTokens(info, e)
		}, large, large / 4},
		{"an artifact's metadata of 3 MB, and tokens", a2a.NewTextPart("hello"), func(info a2a.TaskInfo) []a2a.Event {
			e := a2a.NewArtifactUpdateEvent(info, "a", words("ok")...)
			e.Append, e.Artifact.Metadata = false, map[string]any{"large": incompressible(4 * mb), "small": 1}
			return andTokens(info, e)
		}, large, large / 4},
		{"data of 3 MB, and tokens", a2a.NewTextPart("hello"), func(info a2a.TaskInfo) []a2a.Event {
			return andTokens(info, piece(info, "a", false, a2a.NewDataPart(map[string]any{"large": incompressible(4 * mb)})))
		}, large, large / 4},
		{oneOfEach, raw(60 << 10), func(info a2a.TaskInfo) []a2a.Event {
			answer := agentSays(info, a2a.TaskStateInputRequired, raw(30<<10)).(*a2a.TaskStatusUpdateEvent)
			answer.Metadata = map[string]any{"large": incompressible(40 << 10), "small": 1}
			described := a2a.NewArtifactUpdateEvent(info, "a", raw(30<<10))
			described.Append, described.Artifact.Metadata = false, answer.Metadata
			return andTokens(info, answer, userSays(info, raw(30<<10)), described, piece(info, "a", true, words("small")...),
				piece(info, "a", true, raw(30<<10), a2a.NewDataPart(map[string]any{"large": incompressible(40 << 10)})))
		}, 8*30 + 20, 8 * 30 / 4},
		{"an artifact of 500 KB that is replaced twenty times", a2a.NewTextPart("hello"), func(info a2a.TaskInfo) (events []a2a.Event) {
			for range 20 {
				events = append(events, piece(info, "a", false, raw(mb/2)))
			}
			return append(events, completed(info))
		}, 20 * 512, 5 * 512 / 4},
	} {
		t.Run(test.name, func(t *testing.T) {
			meter.Reset()
			h := said(t, l, a2a.ContentParts{test.message}, test.events)
			written := meter.Units().Write
			if tokens == 0 {
				tokens = written
			} else if len(test.events(a2a.TaskInfo{})) > 8000 {
				test.write, test.read = test.write+tokens, test.read+100
			}
			meter.Reset()
			s := load(t, l, h.ID)
			u := meter.Units()
			t.Logf("%v write units; loading: %v read units, %d requests", written, u.Read, u.Requests)
			if written > 1.02*test.write+20 {
				t.Errorf("%v write units, want %v", written, test.write)
			}
			if u.Read > 1.02*test.read+20 {
				t.Errorf("%v read units, want %v", u.Read, test.read)
			}
			checkFold(t, l, s)
			head, err := dynamodblocal.Read(t.Context(), client, table, string(h.ID), "H")
			if must(t, err); test.name == oneOfEach && head["lr"] == nil {
				t.Error("no snapshot refers to the events")
			}
		})
	}
}

// checkFold checks that the task is the fold over its log.
func checkFold(t *testing.T, l tasklog.Log, s *tasklog.Snapshot) {
	t.Helper()
	fold := tasklog.NewFold(nil, 0)
	for fold.Seq() < s.Seq {
		events, _, err := l.Read(t.Context(), s.Head.ID, fold.Seq(), 10_000)
		must(t, err)
		for _, e := range events {
			fold.Add(e)
		}
	}
	task, err := fold.Task()
	must(t, err)
	got, err := tasklog.EncodeTask(s.Task)
	must(t, err)
	want, err := tasklog.EncodeTask(task)
	must(t, err)
	if !bytes.Equal(got, want) {
		t.Errorf("loaded %.300s\nwant %.300s", got, want)
	}
}

// TestOnceInAllTurns has a task with a file of 3 MB go on for ten turns, each with another holder and
// long enough for snapshots. None writes the file again.
func TestOnceInAllTurns(t *testing.T) {
	t.Parallel()
	client, table := newTable(t)
	client, meter := dynamodblocal.NewMeter(client)
	l := dynamolog.New(client, table)
	h := said(t, l, a2a.ContentParts{raw(3 << 20)}, func(info a2a.TaskInfo) []a2a.Event {
		return []a2a.Event{agentSays(info, a2a.TaskStateInputRequired)}
	})
	info := a2a.TaskInfo{TaskID: h.ID, ContextID: h.ContextID}
	var units []float64
	for turn := range 5 {
		meter.Reset()
		s := load(t, l, h.ID)
		lease, err := l.Acquire(t.Context(), s, by(fmt.Sprint("turn ", turn)))
		must(t, err)
		a := tasklog.NewAppender(t.Context(), tasklog.AppenderConfig{Lease: lease, Fold: s.Fold()})
		events := []a2a.Event{userSays(info, words("more")...)}
		for i := range 1000 {
			events = append(events, piece(info, "tokens", i > 0, words(fmt.Sprint(" t", i))...))
		}
		for _, e := range append(events, agentSays(info, a2a.TaskStateInputRequired)) {
			must(t, a.Add(tasklogtest.EntryOf(e)))
		}
		must(t, a.Close())
		lease.Close(t.Context())
		u := meter.Units()
		units = append(units, u.Write)
		if u.Read > 1000 {
			t.Errorf("turn %d: %v read units", turn, u.Read)
		}
	}
	t.Logf("write units: %v", units)
	if most := slices.Max(units); most > 100 {
		t.Errorf("a turn wrote %v units", most)
	}
	checkFold(t, l, load(t, l, h.ID))
}
