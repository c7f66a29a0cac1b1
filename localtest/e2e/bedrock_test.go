package e2e

import (
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/model/bedrock/bedrocktest"
	"a2alambda/localtest"
	"a2alambda/localtest/client"
)

// newBedrock returns a system that hosts the Bedrock agent, and its emulated Bedrock.
func newBedrock(t *testing.T, o options) (*system, *bedrocktest.Server) {
	model := bedrocktest.NewServer(t)
	o.agent = []string{
		"AGENT=bedrock", "MODEL_ID=example.model-v1:0", "SYSTEM_PROMPT=Be brief.", "MAX_TOKENS=100", "MODEL_TIMEOUT=0",
		"AWS_ENDPOINT_URL_BEDROCK_RUNTIME=" + model.URL,
	}
	return newSystem(t, o), model
}

// asking returns the params of a question in a conversation.
func asking(conversation, question string) string {
	return fmt.Sprintf(`{"message":{"role":"user","messageId":%q,"contextId":%q,"parts":[{"kind":"text","text":%q}]}}`,
		rand.Text(), conversation, question)
}

// answer returns the text that a task has so far, and the task's state.
func (s *system) answer(t *testing.T, id string) (text string, state a2a.TaskState) {
	t.Helper()
	snapshot, err := s.log.Load(t.Context(), a2a.TaskID(id))
	localtest.Must(t, err)
	for _, a := range snapshot.Task.Artifacts {
		for _, p := range a.Parts {
			text += p.Text()
		}
	}
	return text, snapshot.Task.Status.State
}

// TestBedrock hosts the Bedrock agent in the deployed system, by environment variables only.
func TestBedrock(t *testing.T) {
	t.Parallel()
	t.Run("conversation", func(t *testing.T) {
		t.Parallel()
		s, model := newBedrock(t, options{})
		conversation := rand.Text()
		first := s.follow(t, v03.stream, asking(conversation, "My name is Ada."), "")
		first.take(t, 2) // the task, working
		c := model.Next()
		c.Begin()
		c.Say("Hello, ")
		first.take(t, 1) // the model is not done yet
		if last := first.frames[2]; !strings.Contains(last, `"text":"Hello, "`) || strings.Contains(last, `"append":true`) {
			t.Errorf("the first chunk is %s", last)
		}
		c.Say("Ada!")
		c.End("end_turn")
		first.rest(t, false)
		if got := first.String(); !strings.Contains(got, `"lastChunk":true`) || !strings.HasSuffix(got, "\n\n") || !strings.Contains(got, `"final":true`) {
			t.Errorf("got\n%s", got)
		}
		if text, state := s.answer(t, first.task(t)); text != "Hello, Ada!" || state != a2a.TaskStateCompleted {
			t.Errorf("the task is %s, the answer %q", state, text)
		}

		// The index of a conversation's tasks may lag behind, but not for long.
		const want = `"messages":[{"content":[{"text":"My name is Ada."}],"role":"user"},{"content":[{"text":"Hello, Ada!"}],"role":"assistant"},` +
			`{"content":[{"text":"Who am I?"}],"role":"user"}],"system":[{"text":"Be brief."}]`
		for end := time.Now().Add(client.Patience); ; {
			second := s.follow(t, v1.stream, fmt.Sprintf(`{"message":{"role":"ROLE_USER","messageId":%q,"contextId":%q,"parts":[{"text":"Who am I?"}]}}`,
				rand.Text(), conversation), "")
			c = model.Next()
			// It leaves no answer, so the next question repeats this one.
			c.Refuse(400, "ValidationException", "secret")
			second.rest(t, false)
			if !strings.Contains(second.String(), "The model does not take this conversation.") || strings.Contains(second.String(), "secret") {
				t.Fatalf("got\n%s", second)
			}
			if strings.Contains(c.Body, want) {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("asked %s, want %s", c.Body, want)
			}
		}

		other := s.follow(t, v03.stream, asking(rand.Text(), "Who am I?"), "")
		c = model.Next()
		c.Answer("Nobody.")
		other.rest(t, false)
		if strings.Contains(c.Body, "Ada") {
			t.Errorf("another conversation is remembered: %s", c.Body)
		}
	})
	t.Run("cancel", func(t *testing.T) {
		t.Parallel()
		s, model := newBedrock(t, options{})
		s.warm(t, 2)
		st := s.follow(t, v03.stream, asking(rand.Text(), "Tell me a story"), "")
		st.take(t, 2)
		c := model.Next()
		c.Begin()
		c.Say("Once ")
		st.take(t, 1)
		got := client.Result(t, s.url, v03.cancel, client.ByID(st.task(t)))
		if !strings.Contains(got, `"state":"canceled"`) {
			t.Errorf("canceling answered %s", got)
		}
		select {
		case <-c.Gone:
		case <-time.After(client.Patience):
			t.Error("the model goes on")
		}
		st.rest(t, false)
	})
	t.Run("out of time", func(t *testing.T) {
		t.Parallel()
		s, model := newBedrock(t, options{agentTimeout: 10 * time.Second})
		s.warm(t, 1)
		st := s.follow(t, v03.stream, asking(rand.Text(), "Tell me a story"), "")
		c := model.Next()
		c.Begin()
		c.Say("Once upon ")
		st.rest(t, false) // the invocation has five seconds
		id := st.task(t)
		s.job(t, id)
		c = model.Next()
		if strings.Contains(c.Body, "Once upon") {
			t.Errorf("the worker's model was asked %s", c.Body)
		}
		c.Answer("There was ", "a princess.")
		all := s.untilDone(t, st)
		_, anew, _ := strings.Cut(all, "Once upon ")
		_, anew, _ = strings.Cut(anew, "data: ")
		anew, _, _ = strings.Cut(anew, "\n")
		if text, state := s.answer(t, id); text != "There was a princess." || state != a2a.TaskStateCompleted ||
			!strings.Contains(anew, "There was ") || strings.Contains(anew, `"append":true`) {
			t.Errorf("the task is %s, the answer %q, the stream\n%s", state, text, all)
		}
	})
}
