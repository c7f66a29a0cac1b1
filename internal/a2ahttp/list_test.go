package a2ahttp_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"weak"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/memlog"
	"a2alambda/internal/tasklog"
)

// fresh is a log that returns new histories and artifacts each time, and counts how many are in
// memory.
type fresh struct {
	*memlog.Log

	mu     sync.Mutex // guards what follows
	first  []weak.Pointer[a2a.Message]
	result []weak.Pointer[a2a.Artifact]
	most   int // loaded tasks that were in memory as a whole
}

func (l *fresh) Peek(ctx context.Context, id a2a.TaskID, w tasklog.Want) (*tasklog.Snapshot, error) {
	s, err := l.Load(ctx, id)
	if err == nil {
		w.Trim(s)
	}
	return s, err
}

func (l *fresh) Load(ctx context.Context, id a2a.TaskID) (*tasklog.Snapshot, error) {
	s, err := l.Log.Load(ctx, id)
	if err != nil {
		return nil, err
	}
	first, result := *s.Task.History[0], *s.Task.Artifacts[0]
	s.Task.History = []*a2a.Message{&first, s.Task.History[1]}
	s.Task.Artifacts = []*a2a.Artifact{&result}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.first, l.result = append(l.first, weak.Make(&first)), append(l.result, weak.Make(&result))
	runtime.GC()
	live := 0
	for i := range l.first {
		if l.first[i].Value() != nil || l.result[i].Value() != nil {
			live++
		}
	}
	l.most = max(l.most, live)
	return s, nil
}

// TestListMemory checks that a page of tasks is never whole in memory: what the client does not ask
// for is dropped as the tasks are loaded.
func TestListMemory(t *testing.T) {
	l := &fresh{Log: new(memlog.Log)}
	h := handlerOf(l, t.Output(), slow(0))
	const n = 40
	for i := range n {
		h.ServeHTTP(httptest.NewRecorder(), post(t.Context(), strings.Replace(streamCall, `"m"`, fmt.Sprintf("%q", fmt.Sprint("m", i)), 1)))
	}
	l.first, l.result, l.most = nil, nil, 0
	w := serve(h, post(t.Context(), rpc("ListTasks", `{"historyLength":1}`)))
	if got := strings.Count(w.Body.String(), `"TASK_STATE_COMPLETED"`); got != n || len(l.first) != n {
		t.Fatalf("%d tasks of %d loaded: %s", got, len(l.first), w.Body)
	}
	if l.most > n/2 {
		t.Errorf("%d tasks of %d were in memory at once", l.most, n)
	}
}
