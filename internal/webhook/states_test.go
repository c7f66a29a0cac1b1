package webhook

import (
	"errors"
	"fmt"
	"math"
	"runtime/debug"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/memory"
	"a2alambda/internal/push"
	"a2alambda/internal/tasklog"
)

func begun(t *testing.T, text int) *state {
	t.Helper()
	s := new(state)
	task := &a2a.Task{ID: "task", ContextID: "context", Artifacts: []*a2a.Artifact{{ID: "a", Parts: a2a.ContentParts{
		a2a.NewTextPart(string(make([]byte, text))),
	}}}}
	data, err := tasklog.Encode(task)
	if err != nil {
		t.Fatal(err)
	}
	s.add(tasklog.Event{Seq: 1, JSON: data})
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s
}

// TestStates keeps states for the next delivery, each for one.
func TestStates(t *testing.T) {
	ref := push.Ref{TaskID: "task", ID: "c"}
	var k states
	kept := func(after int64) bool { return k.take(ref, after).seq > 0 }
	if kept(1) {
		t.Error("there is a state before one was kept")
	}
	k.keep(ref, begun(t, 1))
	if k.take(push.Ref{TaskID: "task", ID: "d"}, 1).seq > 0 {
		t.Error("another configuration gets the state")
	}
	if !kept(1) || kept(1) {
		t.Error("not one delivery gets the state")
	}
	k.keep(ref, begun(t, 1))
	if !kept(2) { // another process has delivered meanwhile
		t.Error("a delivery that is ahead does not get the state")
	}
	k.keep(ref, begun(t, 1))
	if kept(0) || kept(1) { // it was delivered, but that is not stored
		t.Error("a delivery that is behind gets the state")
	}
	k.keep(ref, new(state))
	broken := begun(t, 1)
	broken.add(tasklog.Event{Seq: 2, JSON: []byte("{")})
	if k.keep(ref, broken); kept(2) {
		t.Error("a state with an error is kept")
	}
	if k.size != 0 || len(k.last) != 0 {
		t.Errorf("%d states of %d bytes are left", len(k.last), k.size)
	}
}

// TestStatesAreFew keeps more states than there is room for. The last ones stay.
func TestStatesAreFew(t *testing.T) {
	for name, test := range map[string]struct {
		text, limit int64 // of one state, and of memory
		most        int
	}{
		"small":         {1, math.MaxInt64, maxStates},
		"large":         {150_000, math.MaxInt64, 12},
		"little memory": {150_000, 48<<20 + 5<<20, 3},
	} {
		t.Run(name, func(t *testing.T) {
			defer debug.SetMemoryLimit(debug.SetMemoryLimit(test.limit))
			var k states
			ref := func(i int) push.Ref { return push.Ref{TaskID: a2a.TaskID(fmt.Sprint(i)), ID: "c"} }
			const all = 300
			s := begun(t, int(test.text))
			for i := range all {
				k.keep(ref(i), s)
			}
			if n := len(k.last); n == 0 || n > test.most || k.size > maxStatesBytes {
				t.Errorf("%d states of %d bytes are kept, want %d at most", n, k.size, test.most)
			}
			last := all - 1
			if test.limit < math.MaxInt64 {
				last = 0 // others need the memory that is left
			}
			if k.take(ref(last), 1).seq == 0 {
				t.Error("the last one is not kept")
			}
			if k.clear(); k.size != 0 || len(k.last) != 0 {
				t.Errorf("%d states of %d bytes are left", len(k.last), k.size)
			}
		})
	}
}

// TestStatesMakeRoom charges for a delivery what the states have.
func TestStatesMakeRoom(t *testing.T) {
	const mb = 1 << 20
	d := &delivery{Deliverer: &Deliverer{}}
	d.states.keep(push.Ref{TaskID: "task", ID: "c"}, begun(t, 150_000))
	defer d.states.clear()
	if len(d.states.last) != 1 {
		t.Fatal("no state is kept")
	}
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(48*mb + 10*mb))
	ctx, account := memory.Open(t.Context())
	defer account.Close()
	if err := d.charge(ctx, "task", 11*mb); !errors.Is(err, memory.ErrFull) {
		t.Errorf("more than there is: %v", err)
	}
	d.states.keep(push.Ref{TaskID: "task", ID: "c"}, begun(t, 150_000))
	if err := d.charge(ctx, "task", 8*mb); err != nil || len(d.states.last) != 1 {
		t.Errorf("what is free: %v, and %d states stay", err, len(d.states.last))
	}
	if err := d.charge(ctx, "events", 2*mb); err != nil || len(d.states.last) != 0 {
		t.Errorf("what the states have: %v, and %d states stay", err, len(d.states.last))
	}
}
