package dynamolog

import (
	"fmt"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/tasklog"
	"a2alambda/internal/tasklogtest"
)

// batch returns n statuses of a task.
func batch(n int) (entries []tasklog.Entry) {
	h, _ := tasklogtest.NewTask()
	for i := range n {
		entries = append(entries, tasklogtest.Status(h, a2a.TaskStateWorking, fmt.Sprint("Working on step ", i)))
	}
	return entries
}

func BenchmarkDeflate(b *testing.B) {
	for _, n := range []int{1, 10, 1000} {
		b.Run(fmt.Sprint("events=", n), func(b *testing.B) {
			entries := batch(n)
			b.ReportAllocs()
			for b.Loop() {
				b.SetBytes(int64(len(deflate(entries))))
			}
		})
	}
}

// TestBytes holds an event to the bytes that it takes in the table, where each KB of a batch costs
// a write unit. The id of a message has 36 bytes as text, of which some 14 are random.
func TestBytes(t *testing.T) {
	for n, budget := range map[int]int{
		1:    260, // with the ids of the task, which later events repeat
		10:   47,
		1000: 22,
	} {
		if got := len(deflate(batch(n))) / n; got > budget {
			t.Errorf("a batch of %d: %d bytes an event, want %d at most", n, got, budget)
		}
	}
}
