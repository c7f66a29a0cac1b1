package hostile_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/dynamolog"
	"a2alambda/internal/pushtest"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/tasklogtest"
	"a2alambda/localtest"
	"a2alambda/localtest/client"
	"a2alambda/localtest/dynamodblocal"
	"a2alambda/localtest/emulator"
	"a2alambda/localtest/stack"
)

// TestPushLarge has the push function deliver tasks of 60 MB, each to five webhooks of 0.3 at once.
// With twice its memory it takes as much: what a delivery needs does not grow with the task.
func TestPushLarge(t *testing.T) {
	const parts, part = 60, 1 << 20
	db, table := dynamodblocal.Table(t)
	l := dynamolog.New(db, table)
	var mu sync.Mutex
	got, longest := map[string]string{}, 0
	receiver := client.Receiver(t, func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var task struct {
			Kind   string
			Status struct{ State string }
		}
		if err != nil || json.Unmarshal(body, &task) != nil || task.Kind != "task" || int64(len(body)) != r.ContentLength {
			t.Errorf("a body of %d bytes, of %d, is no task: %v", len(body), r.ContentLength, err)
		}
		mu.Lock()
		defer mu.Unlock()
		got[r.URL.Path] = task.Status.State
		longest = max(longest, len(body))
	})
	large := func(entry func(h tasklog.Head, i int) tasklog.Entry) tasklog.Head {
		h, first := tasklogtest.NewTask()
		lease, err := l.Create(t.Context(), h, first, tasklog.Claim{Writer: "w", Push: true})
		localtest.Must(t, err)
		for i := range parts {
			localtest.Must(t, lease.Append(t.Context(), int64(i+2), []tasklog.Entry{entry(h, i)}))
		}
		localtest.Must(t, lease.Append(t.Context(), parts+2, []tasklog.Entry{tasklogtest.Status(h, a2a.TaskStateCompleted, "done")}))
		lease.Close(t.Context())
		return h
	}
	tasks := map[string]tasklog.Head{
		"chunks": large(func(h tasklog.Head, i int) tasklog.Entry {
			a := &a2a.Artifact{ID: "a", Parts: a2a.ContentParts{a2a.NewTextPart(strings.Repeat("word ", part/5))}}
			return tasklogtest.EntryOf(&a2a.TaskArtifactUpdateEvent{TaskID: h.ID, ContextID: h.ContextID, Append: i > 0, Artifact: a})
		}),
		"messages": large(func(h tasklog.Head, _ int) tasklog.Entry {
			return tasklogtest.Status(h, a2a.TaskStateWorking, strings.Repeat("word ", part/5))
		}),
	}
	binary, err := emulator.Build(t.Context(), "a2alambda/functions/push")
	localtest.Must(t, err)
	for _, memory := range []int{2 * stack.Memory["push"], stack.Memory["push"]} {
		c := stack.Config{Table: table, NoStream: true}
		c.Push = emulator.Config{Binary: binary, Memory: memory, Limits: emulator.MemoryLimit, Log: &quiet{to: t.Output()}, Env: []string{"PUSH_ALLOWED_CIDRS=" + allowed}}
		s, _ := stack.New(t, c)
		var jobs, paths []string
		for name, h := range tasks {
			for i := range 5 { // other URLs for other memory: delivery begins again
				path := fmt.Sprintf("/%s%d/%d", name, memory, i)
				c := pushtest.NewConfig(h, fmt.Sprint("c", i), receiver+path)
				c.Version, c.After = "0.3", 0
				localtest.Must(t, l.Pushes().Put(t.Context(), h, c))
				jobs, paths = append(jobs, fmt.Sprintf(`{"taskId":%q,"configId":%q}`, h.ID, c.ID)), append(paths, path)
			}
		}
		event := []byte(`{"jobs":[` + strings.Join(jobs, ",") + `]}`)
		localtest.Must(t, s.Invoke.Call("push", event))
		t.Logf("%d MB: the peak is %d MB", memory, s.Push.Peak()>>20)
		if n := s.Push.Killed(); n > 0 {
			t.Errorf("%d MB: the kernel has killed %d of the push functions", memory, n)
		}
		mu.Lock()
		for _, path := range paths {
			if got[path] != "completed" {
				t.Errorf("%s has got state %q", path, got[path])
			}
		}
		mu.Unlock()
		s.Close()
	}
	if longest > 1_000_000 {
		t.Errorf("a body has %d bytes", longest)
	}
}
