package chaos

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"a2alambda/internal/telemetry"
	"a2alambda/localtest/emulator"
)

// takeovers counts the holders that were deposed after a doubt, by what functions log. A takeover
// was needless if the holder had been left alone: its instance lives to log that it has lost the
// task, and was not frozen. A holder that hears too late of a question, because its store or this
// machine is slow, may be one of them.
type takeovers struct {
	mu      sync.Mutex
	broken  map[string]bool     // instances that were killed, terminated or frozen
	serving map[string][]string // by request id, the instances that have the request

	answered int      // questions
	deposed  []string // the tasks of the holders, one for each
	lost     []string // the tasks of runs that have lost them, on instances that were left alone
}

func newTakeovers() *takeovers {
	return &takeovers{broken: map[string]bool{}, serving: map[string][]string{}}
}

// breaks notes that an instance is about to be broken.
func (t *takeovers) breaks(instance string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.broken[instance] = true
}

// observe is an observer of functions.
func (t *takeovers) observe(o emulator.Observation) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch o.Moment {
	case emulator.Delivered:
		t.serving[o.Request] = append(t.serving[o.Request], o.Instance)
	case emulator.Ended:
		t.serving[o.Request] = slices.DeleteFunc(t.serving[o.Request], func(i string) bool { return i == o.Instance })
	}
}

// Write reads what functions log. An instance writes each line in one piece.
func (t *takeovers) Write(p []byte) (int, error) {
	for line := range bytes.Lines(p) {
		var l struct{ Message, Task, Outcome, End, RequestID string }
		if json.Unmarshal(line, &l) == nil {
			t.read(l.Message, l.Task, l.Outcome+l.End, l.RequestID)
		}
	}
	return len(p), nil
}

// read reads a line. how is the outcome of a doubt, or the end of a run.
func (t *takeovers) read(message, task, how, request string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case message == telemetry.Doubt && how == "answered":
		t.answered++
	case message == telemetry.Doubt && how == "deposed":
		t.deposed = append(t.deposed, task)
	case message == telemetry.Run && how == "lost" && !slices.ContainsFunc(t.serving[request], func(i string) bool { return t.broken[i] }):
		t.lost = append(t.lost, task)
	}
}

// needless returns the tasks of the needless takeovers.
func (t *takeovers) needless() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(t.lost), func(task string) bool { return !slices.Contains(t.deposed, task) })
}

func (t *takeovers) String() string {
	needless := t.needless()
	t.mu.Lock()
	defer t.mu.Unlock()
	return fmt.Sprintf("%d doubted holders gave an answer, %d were deposed, %d of them needlessly: %v", t.answered, len(t.deposed), len(needless), needless)
}
