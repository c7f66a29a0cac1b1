package tasklog_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/tasklog"
	"a2alambda/internal/tasklogtest"
)

// saver is a lease that saves snapshots, each in 10.5 seconds, and notes when and as of which
// event. The second fails.
type saver struct {
	tasklog.Lease
	start time.Time
	saves []string // "<time since start> <event>"
}

func (s *saver) SaveSnapshot(_ context.Context, seq int64, lines iter.Seq2[[]byte, error]) error {
	var task []byte
	for line, err := range lines {
		if err != nil {
			return err // it is too soon
		}
		task = append(task, line...)
	}
	time.Sleep(10500 * time.Millisecond)
	s.saves = append(s.saves, fmt.Sprint(time.Since(s.start), " ", seq))
	if want := fmt.Sprintf(`{"reference":{"event":%d,"is":"parts","parts":1}}`, seq); !strings.HasSuffix(string(task), want) || len(task) > 2000 {
		return fmt.Errorf("a snapshot of event %d: %s", seq, task)
	}
	if len(s.saves) == 2 {
		return errors.New("not now")
	}
	return nil
}

// TestSnapshotsAside checks that no append waits for a snapshot. The end of the appender does; then
// all events are in the fold.
func TestSnapshotsAside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := new(recorder)
		h, first := tasklogtest.NewTask()
		lease, fold := create(t, r.store(), h, first)
		saves := &saver{Lease: lease, start: time.Now()}
		a := tasklog.NewAppender(t.Context(), tasklog.AppenderConfig{Lease: saves, Fold: fold})
		r.start = saves.start
		const n = 52
		text := strings.Repeat("x", 100<<10)
		for range n { // one a second, each of 100 KB
			e := a2a.NewArtifactEvent(a2a.TaskInfo{TaskID: h.ID, ContextID: h.ContextID}, a2a.NewTextPart(text))
			e.Artifact.ID = "a"
			if err := a.Add(tasklogtest.EntryOf(e)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(r.start); took != 58500*time.Millisecond {
			t.Errorf("it took %v", took)
		}
		for i, append := range r.appends {
			if want := fmt.Sprintf("%v %d-%[2]d ", time.Duration(i)*time.Second, i+2); append != want {
				t.Errorf("append %q, want %q", append, want)
			}
		}
		// A snapshot is due when loading would read twice the task and 256 KB: after 500 KB. The second
		// fails. While one is saved the log grows by more than that, so that the next is due at once.
		if want := []string{"14.5s 6", "25.5s 17", "36.5s 28", "47.5s 39", "58.5s 50"}; !slices.Equal(saves.saves, want) {
			t.Errorf("snapshots %q, want %q", saves.saves, want)
		}
		task, err := fold.Task()
		if err != nil || fold.Seq() != n+1 || len(task.Artifacts) != 1 {
			t.Errorf("the fold is as of event %d, with %d artifacts, %v", fold.Seq(), len(task.Artifacts), err)
		}
	})
}
