package tasklog_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"a2alambda/internal/memlog"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/tasklogtest"
)

// TestHooked calls each method of a store and of its leases. Both hooks get each call, with what is
// known of the task, and the caller gets what a hook returns.
func TestHooked(t *testing.T) {
	var before, after []tasklog.Op
	var fail, lose error
	s := tasklog.Hooked(new(memlog.Log), tasklog.Hooks{
		Before: func(_ context.Context, op tasklog.Op) error {
			before = append(before, op)
			return fail
		},
		After: func(_ context.Context, op tasklog.Op, err error) error {
			after = append(after, op)
			return errors.Join(err, lose)
		},
	})
	h, first := tasklogtest.NewTask()
	claim := tasklog.Claim{Writer: "w", Until: time.Now().Add(time.Minute)}
	lease, err := s.Create(t.Context(), h, first, claim)
	if err != nil {
		t.Fatal(err)
	}
	snapshot, err := s.Load(t.Context(), h.ID)
	if err != nil {
		t.Fatal(err)
	}
	before, after = nil, nil

	args := map[reflect.Type]reflect.Value{}
	for _, arg := range []any{
		h, first, claim, snapshot, snapshot.Lease, h.ID, int64(2), 3, true, tasklog.Place(""), tasklog.Look{ID: h.ID}, tasklog.Filter{}, tasklog.Position{},
		time.Now().Add(time.Hour), tasklog.Seat{ID: h.ID, Instance: "i"}, []tasklog.Entry{tasklogtest.Status(h, working, "")}, h.Scope, h.ContextID,
		[][]byte{[]byte("{}")}, tasklog.Delivery{}, tasklog.Want{},
		tasklog.SnapshotLines(snapshot.Task), func(*tasklog.Snapshot) bool { return true },
	} {
		args[reflect.TypeOf(arg)] = reflect.ValueOf(arg)
	}
	call := func(on any, m reflect.Method) (results []any, err error) {
		in := []reflect.Value{reflect.ValueOf(t.Context())}
		for i := 1; i < m.Type.NumIn(); i++ {
			arg, ok := args[m.Type.In(i)]
			if !ok {
				t.Fatalf("%s takes a %s", m.Name, m.Type.In(i))
			}
			in = append(in, arg)
		}
		out := reflect.ValueOf(on).MethodByName(m.Name).Call(in)
		for _, v := range out[:len(out)-1] {
			results = append(results, v.Interface())
		}
		err, _ = out[len(out)-1].Interface().(error)
		return results, err
	}
	for prefix, on := range map[string]any{"": s, "Lease.": lease} {
		kind := reflect.TypeFor[tasklog.Store]()
		if prefix != "" {
			kind = reflect.TypeFor[tasklog.Lease]()
		}
		for i := range kind.NumMethod() {
			m := kind.Method(i)
			if m.Type.NumOut() == 0 {
				continue // Close has nothing to fail with
			}
			fail, lose = nil, nil
			// The methods are in the order of their names, so some come after Release: what this
			// call returns does not matter.
			_, _ = call(on, m)
			for _, set := range []*error{&fail, &lose} {
				fail, lose = nil, nil
				*set = fmt.Errorf("%s fails", m.Name)
				results, err := call(on, m)
				if !errors.Is(err, *set) {
					t.Errorf("%s%s returns %v, want %v", prefix, m.Name, err, *set)
				}
				for _, r := range results {
					if r != nil && !reflect.ValueOf(r).IsZero() {
						t.Errorf("%s%s returns %v with an error", prefix, m.Name, r)
					}
				}
			}
			if len(before) != 3 || len(after) != 2 {
				t.Errorf("%s%s: Before was called %d times, After %d times, want 3 and 2", prefix, m.Name, len(before), len(after))
			}
			for _, op := range append(before, after...) {
				if op.Name != prefix+m.Name {
					t.Errorf("%s%s is told as %s", prefix, m.Name, op.Name)
				}
				if prefix != "" && (op.ID != h.ID || op.Scope != h.Scope || op.Writer != "w") {
					t.Errorf("%s%s is told as %+v", prefix, m.Name, op)
				}
			}
			before, after = nil, nil
		}
	}
}
