package model_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/model"
)

// TestUnclearApproval checks that an answer that is not a clear yes approves nothing.
func TestUnclearApproval(t *testing.T) {
	text, part := a2a.NewTextPart, func(approved any) *a2a.Part { return a2a.NewDataPart(map[string]any{"approved": approved}) }
	ids := func(id string, yes any) *a2a.Part { return part(map[string]any{id: yes}) }
	for name, test := range map[string]struct {
		answer []*a2a.Part
		paid   bool
	}{
		"yes and no":              {[]*a2a.Part{text("no"), part(true)}, false},
		"yes, and something odd":  {[]*a2a.Part{text("yes"), part("no")}, false},
		"yes, and null":           {[]*a2a.Part{text("yes"), part(nil)}, false},
		"two that differ":         {[]*a2a.Part{part(true), part(false)}, false},
		"two, no first":           {[]*a2a.Part{part(false), part(true)}, false},
		"the call, then none":     {[]*a2a.Part{ids("a", true), part(false)}, false},
		"all, but not the call":   {[]*a2a.Part{part(true), ids("a", false)}, false},
		"the call no, then yes":   {[]*a2a.Part{ids("a", false), ids("a", true)}, false},
		"another call":            {[]*a2a.Part{text("yes"), ids("call_9_9", true)}, false},
		"the call, with a text":   {[]*a2a.Part{ids("a", "true")}, false},
		"a list":                  {[]*a2a.Part{part([]any{"a"})}, false},
		"a number":                {[]*a2a.Part{part(1)}, false},
		"yes in Russian":          {[]*a2a.Part{text("да")}, false},
		"yes with something wide": {[]*a2a.Part{text("ｙｅｓ")}, false},
		"a question":              {[]*a2a.Part{text("yes?")}, false},
		"yes, in other words":     {[]*a2a.Part{text("Ja"), part(true)}, true},
		"both say yes":            {[]*a2a.Part{text(" Yes. "), ids("a", true)}, true},
		"yes, in two parts":       {[]*a2a.Part{part(true), ids("a", true)}, true},
	} {
		t.Run(name, func(t *testing.T) {
			story{
				script: script{pieces: [][]string{nil, {"Done."}}, calls: [][]model.Call{{call("a", "pay", "{}")}}},
				answer: a2a.NewMessage(a2a.MessageRoleUser, test.answer...), state: a2a.TaskStateCompleted,
				check: func(t *testing.T, s *scene) {
					if got := s.once["pay{}"] == 1; got != test.paid {
						t.Errorf("paid: %t, told %q", got, s.told("a"))
					}
				},
			}.run(t)
		})
	}
}

// TestWordsWithApproval checks that what the user says beside a yes or a no by data is told to the
// model, once.
func TestWordsWithApproval(t *testing.T) {
	story{
		script: script{pieces: [][]string{nil, {"Done."}}, calls: [][]model.Call{{call("a", "pay", "{}"), call("b", "pay", `{"n":2}`)}}},
		answer: a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart("The second is too dear."),
			a2a.NewDataPart(map[string]any{"approved": map[string]any{"a": true, "b": false}})),
		state: a2a.TaskStateCompleted,
		check: func(t *testing.T, s *scene) {
			if s.once["pay{}"] != 1 || s.once[`pay{"n":2}`] != 0 {
				t.Errorf("paid %v", s.once)
			}
			if got := s.told("b"); !strings.HasSuffix(got, "The user said: The second is too dear.") {
				t.Errorf("told %q", got)
			}
			if got := s.told("a"); got != "<tool-output>\npay {}\n</tool-output>" {
				t.Errorf("told %q", got)
			}
		},
	}.run(t)
	story{
		script: script{pieces: [][]string{nil, {"Done."}}, calls: [][]model.Call{{call("a", "read", ""), call("b", "pay", "{}"), call("c", "pay", `{"n":2}`)}}},
		answer: a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart("Then send me the receipt."), a2a.NewDataPart(map[string]any{"approved": true})),
		state:  a2a.TaskStateCompleted,
		check: func(t *testing.T, s *scene) {
			if got := s.told("a") + s.told("c"); strings.Contains(got, "user") {
				t.Errorf("told %q", got)
			}
			if got, want := s.told("b"), "<tool-output>\npay {}\n</tool-output>\nThe user has approved this call, and said: Then send me the receipt."; got != want {
				t.Errorf("told %q", got)
			}
		},
	}.run(t)
}

// TestCallIDs checks that no two calls of a conversation have one id, whatever ids the model gives:
// an approval is of one call.
func TestCallIDs(t *testing.T) {
	story{
		script: script{
			pieces: [][]string{nil, nil, {"Done."}},
			calls: [][]model.Call{
				{call("call_1_2", "pay", `{"n":1}`), call("", "pay", `{"n":1000}`), call("call_1_2", "pay", `{"n":3}`), call("call_2_1", "read", "")},
				{call("call_1_2", "read", "")},
			},
		},
		answer: data(map[string]any{"approved": map[string]any{"call_1_2": true}}), state: a2a.TaskStateCompleted,
		check: func(t *testing.T, s *scene) {
			if s.once[`pay{"n":1}`] != 1 || s.once[`pay{"n":1000}`] != 0 || s.once[`pay{"n":3}`] != 0 {
				t.Errorf("paid %v", s.once)
			}
			seen := map[string]bool{}
			for _, m := range s.asked[2].Messages {
				for _, p := range m.Parts {
					if p.Call != nil && seen[p.Call.ID] {
						t.Errorf("two calls have the id %s", p.Call.ID)
					} else if p.Call != nil {
						seen[p.Call.ID] = true
					}
				}
			}
		},
	}.run(t)
}

// TestShownArguments checks that a tool gets the arguments that the user was shown, and that what is
// shown reads as it is.
func TestShownArguments(t *testing.T) {
	const args = `{"to":"Bob \u202eecila\u2066\u200b", "amount": 1, "amount":1000,"note":"\ud800 <b>","z":1.50}`
	story{
		script: script{pieces: [][]string{nil, {"Done."}}, calls: [][]model.Call{{call("a", "pay", args)}}},
		answer: says("yes"), state: a2a.TaskStateCompleted,
		check: func(t *testing.T, s *scene) {
			if len(s.once) != 1 {
				t.Fatalf("paid %v", s.once)
			}
			question := questionOf(s.Task())
			for made := range s.once {
				shown, err := json.Marshal(question.Parts[1].Content)
				var got struct {
					Value struct {
						Approval struct {
							Calls []struct{ Arguments json.RawMessage }
						}
					}
				}
				if err == nil {
					err = json.Unmarshal(shown, &got)
				}
				if err != nil || len(got.Value.Approval.Calls) != 1 {
					t.Fatalf("%v: %s", err, shown)
				}
				sent := strings.TrimPrefix(made, "pay")
				if strings.Count(sent, "amount") != 1 || !same(t, sent, string(got.Value.Approval.Calls[0].Arguments)) {
					t.Errorf("the tool got %s, the user saw %s", sent, shown)
				}
				if !strings.Contains(sent, "1.50") {
					t.Errorf("the tool got %s", sent)
				}
			}
			if text := question.Parts[0].Text(); strings.ContainsAny(text, "\u202e\u2066\u200b") || !strings.Contains(text, `Bob \u202eecila\u2066\u200b`) || !strings.Contains(text, "<b>") {
				t.Errorf("asked %q", text)
			}
		},
	}.run(t)
}

func same(t *testing.T, a, b string) bool {
	t.Helper()
	var x, y any
	if json.Unmarshal([]byte(a), &x) != nil || json.Unmarshal([]byte(b), &y) != nil {
		return false
	}
	return fmt.Sprint(x) == fmt.Sprint(y)
}

func questionOf(task *a2a.Task) (question *a2a.Message) {
	for _, m := range task.History {
		if m.Role == a2a.MessageRoleAgent {
			question = m
		}
	}
	return question
}
