package model_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/durable/durabletest"
	"a2alambda/internal/model"
)

// errand is a conversation with calls at once, one of which is approved, and one that may not be
// made again.
func errand(ss *scenes) durabletest.Case {
	ss.script = script{
		pieces: [][]string{{"Let me ", "see."}, nil, {"It is ", "done."}},
		calls: [][]model.Call{
			{call("a", "read", `{"n":1}`), call("b", "pay", `{"n":2}`), call("c", "image", ``)},
			{call("d", "note", `{"n":3}`), call("a", "read", `{"n":4}`)},
		},
	}
	return durabletest.Case{
		Agent: ss.Agent, LosesAnswers: true,
		Script: func(w *durabletest.World) {
			w.Begin("Buy a book")
			w.Answer("Yes!")
			w.AwaitEnd()
		},
		Check: func(t *testing.T, w *durabletest.World) {
			s := ss.of(w)
			s.judge(t)
			if w.State() != a2a.TaskStateCompleted {
				t.Errorf("the task is %s", w.State())
			}
			want := map[string]string{"answer": "Let me see.", "tool-1-3": "", "answer-3": "It is done."}
			if got := s.answers(); !reflect.DeepEqual(got, want) {
				t.Errorf("the answers are %q", got)
			}
			for _, name := range []string{"pay", "note"} {
				if n := w.Ledger()[name]; n > 1 {
					t.Errorf("%s was called %d times", name, n)
				}
			}
			fault, _ := w.Fault()
			for id, want := range map[string]string{"a": `read {"n":1}`, "b": `pay {"n":2}`, "c": "an image", "d": `note {"n":3}`, "call_2_2": `read {"n":4}`} {
				got := s.told(id)
				unknown := fault != durabletest.None && (id == "b" || id == "d") && strings.HasPrefix(got, "It is unknown whether this was done")
				if !unknown && got != "<tool-output>\n"+want+"\n</tool-output>" {
					t.Errorf("the model was told of %s: %q", id, got)
				}
			}
			if fault != durabletest.None {
				return
			}
			for effect, n := range map[string]int{"read": 2, "pay": 1, "note": 1, "image": 1, "round 1/model": 1, "round 2/model": 1, "round 3/model": 1} {
				if got := w.Ledger()[effect]; got != n {
					t.Errorf("%s: %d times, want %d", effect, got, n)
				}
			}
		},
	}
}

// TestCrash kills the agent at each of its operations: of the store, the model and the tools; before
// it, after it, and with its answer lost. What was recorded is not done again, and no tool twice that
// may not be.
func TestCrash(t *testing.T) { durabletest.Test(t, errand(new(scenes))) }
