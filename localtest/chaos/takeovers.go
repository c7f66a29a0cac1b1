package chaos

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"a2alambda/internal/telemetry"
	"a2alambda/localtest/emulator"
)

// Takeovers counts the holders that were deposed after a doubt, by what functions log. A takeover is
// needless if the holder was left alone: its instance lives to log that it has lost the task, and
// was never broken. A holder that hears of a question too late, because its store or this machine
// is slow, may be one of them.
type Takeovers struct {
	mu      sync.Mutex
	broken  map[string]bool     // instances
	serving map[string][]string // by request id, the instances that have or had the request, and live

	answered int      // doubts
	deposed  []string // the tasks of the holders, one for each
	lost     []string // the tasks of runs that have lost them, on instances that were never broken
}

// Breaks notes that an instance is about to be killed, terminated or frozen.
func (t *Takeovers) Breaks(instance string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.broken == nil {
		t.broken = map[string]bool{}
	}
	t.broken[instance] = true
}

// Observe is the observer of a function.
func (t *Takeovers) Observe(o emulator.Observation) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.serving == nil {
		t.serving = map[string][]string{}
	}
	switch {
	case o.Moment == emulator.Delivered:
		t.serving[o.Request] = append(t.serving[o.Request], o.Instance)
	case o.Moment == emulator.Ended && o.Err != nil: // another instance may get the request
		t.serving[o.Request] = slices.DeleteFunc(t.serving[o.Request], func(i string) bool { return i == o.Instance })
	}
}

// Write reads what a function logs. An instance writes each line in one piece.
func (t *Takeovers) Write(p []byte) (int, error) {
	for line := range bytes.Lines(p) {
		var l struct{ Message, Task, Outcome, End, RequestID string }
		if json.Unmarshal(line, &l) == nil {
			t.read(l.Message, l.Task, l.Outcome+l.End, l.RequestID)
		}
	}
	return len(p), nil
}

// read reads a line. how is the outcome of a doubt, or the end of a run.
func (t *Takeovers) read(message, task, how, request string) {
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

// Needless returns the tasks of the needless takeovers.
func (t *Takeovers) Needless() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(t.lost), func(task string) bool { return !slices.Contains(t.deposed, task) })
}

func (t *Takeovers) String() string {
	needless := t.Needless()
	t.mu.Lock()
	defer t.mu.Unlock()
	s := fmt.Sprintf("%d doubts found an answer, %d deposed a holder, %d of them needlessly", t.answered, len(t.deposed), len(needless))
	if len(needless) > 0 {
		s += ": " + strings.Join(needless, ", ")
	}
	return s
}
