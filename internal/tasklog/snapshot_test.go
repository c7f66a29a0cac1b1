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
	for line := range lines {
		task = append(task, line...)
	}
	time.Sleep(10500 * time.Millisecond)
	s.saves = append(s.saves, fmt.Sprint(time.Since(s.start), " ", seq))
	if n := strings.Count(string(task), "ROLE_AGENT"); n != int(seq)-1 {
		return fmt.Errorf("%d statuses in a snapshot of event %d", n, seq)
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
			if err := a.Add(tasklogtest.Status(h, working, text)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(r.start); took != 59500*time.Millisecond {
			t.Errorf("it took %v", took)
		}
		for i, append := range r.appends {
			if want := fmt.Sprintf("%v %d-%[2]d WORKING", time.Duration(i)*time.Second, i+2); append != want {
				t.Errorf("append %q, want %q", append, want)
			}
		}
		// A snapshot is due when the log has grown by the size of the last: after 300 KB; after 300
		// KB again, since the second fails; after 2.5 MB.
		if want := []string{"12.5s 4", "23.5s 15", "34.5s 26", "59.5s 51"}; !slices.Equal(saves.saves, want) {
			t.Errorf("snapshots %q, want %q", saves.saves, want)
		}
		task, err := fold.Task()
		if err != nil || fold.Seq() != n+1 || len(task.History) != n {
			t.Errorf("the fold is as of event %d, with %d messages, %v", fold.Seq(), len(task.History), err)
		}
	})
}
