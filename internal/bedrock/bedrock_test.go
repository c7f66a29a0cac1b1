package bedrock_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"a2alambda/internal/bedrock"
	"a2alambda/internal/model/bedrock/bedrocktest"
	"a2alambda/internal/run"
)

// patience is how long a test waits for an event.
const patience = 30 * time.Second

const model = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.example.model-v1:0"

func newExecutor(s *bedrocktest.Server, earlier ...*a2a.Task) *bedrock.Executor {
	return &bedrock.Executor{
		Client: bedrock.NewClient(aws.Config{
			Region: "us-east-1", BaseEndpoint: &s.URL,
			Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
			Retryer: func() aws.Retryer {
				return retry.NewStandard(func(o *retry.StandardOptions) { o.MaxBackoff = time.Millisecond })
			},
		}),
		Model: model, System: "Be brief.", MaxTokens: 100,
		Earlier: func(context.Context, int) ([]*a2a.Task, error) { return earlier, nil },
	}
}

func ask(parts ...*a2a.Part) *a2asrv.ExecutorContext {
	return &a2asrv.ExecutorContext{TaskID: "t", ContextID: "c", Message: a2a.NewMessage(a2a.MessageRoleUser, parts...)}
}

// started is an executor at work.
type started struct {
	t     *testing.T
	lines chan string // what it has yielded, closed at its end
}

func start(t *testing.T, events iter.Seq2[a2a.Event, error]) *started {
	s := &started{t: t, lines: make(chan string, 100)}
	go func() {
		defer close(s.lines)
		for event, err := range events {
			s.lines <- describe(event, err)
		}
	}()
	return s
}

func describe(event a2a.Event, err error) string {
	switch e := event.(type) {
	case *a2a.Task:
		return "task"
	case *a2a.TaskStatusUpdateEvent:
		line := strings.TrimPrefix(string(e.Status.State), "TASK_STATE_")
		if m := e.Status.Message; m != nil {
			line += ": " + m.Parts[0].Text()
		}
		return line
	case *a2a.TaskArtifactUpdateEvent:
		line := fmt.Sprintf("%s %s %q", e.Artifact.ID, e.Artifact.Name, e.Artifact.Parts[0].Text())
		if e.Append {
			line = "+ " + line
		}
		if e.LastChunk {
			line += fmt.Sprint(" last ", e.Artifact.Metadata)
		}
		return line
	}
	if f := (*run.Failure)(nil); errors.As(err, &f) {
		return "failure: " + f.Text
	}
	return "error: " + err.Error()
}

func (s *started) next(want ...string) {
	s.t.Helper()
	for _, w := range want {
		select {
		case got, ok := <-s.lines:
			if !ok || got != w {
				s.t.Fatalf("got %q (%v), want %q", got, ok, w)
			}
		case <-time.After(patience):
			s.t.Fatalf("waited in vain for %q", w)
		}
	}
}

func (s *started) ends(want ...string) {
	s.t.Helper()
	s.next(want...)
	select {
	case got, ok := <-s.lines:
		if ok {
			s.t.Fatalf("got %q after the end", got)
		}
	case <-time.After(patience):
		s.t.Fatal("the executor does not end")
	}
}

// TestAnswer checks what the model is asked, and that each piece of an answer is yielded when it
// comes.
func TestAnswer(t *testing.T) {
	s := bedrocktest.NewServer(t)
	x := newExecutor(s)
	got := start(t, x.Execute(t.Context(), ask(a2a.NewTextPart("Greet"), a2a.NewTextPart("the world."))))
	got.next("task", "WORKING")
	call := s.Next()
	if call.Model != model {
		t.Errorf("asked the model %q", call.Model)
	}
	const want = `{"inferenceConfig":{"maxTokens":100},"messages":[{"content":[{"text":"Greet\nthe world."}],"role":"user"}],` +
		`"system":[{"text":"Be brief."}]}`
	if call.Body != want {
		t.Errorf("asked %s, want %s", call.Body, want)
	}
	call.Begin()
	call.Send("contentBlockDelta", map[string]any{"contentBlockIndex": 0, "delta": map[string]any{"reasoningContent": map[string]any{"text": "Hm."}}})
	call.Say("Hel")
	got.next(`answer answer "Hel"`)
	call.Say("")
	call.Say("lo, ")
	got.next(`+ answer answer "lo, "`)
	call.Send("somethingNew", map[string]any{"a": 1})
	call.Say("world 🌍")
	got.next(`+ answer answer "world 🌍"`)
	call.End("end_turn")
	got.ends(`+ answer answer "" last map[inputTokens:12 outputTokens:34 stopReason:end_turn]`, "COMPLETED")
	s.Quiet()
}

// TestQuick has many answers begin at once, on new connections.
func TestQuick(t *testing.T) {
	s := bedrocktest.NewServer(t)
	for range 300 {
		got := start(t, newExecutor(s).Execute(t.Context(), ask(a2a.NewTextPart("Hello"))))
		s.Next().Answer("Hi", "!")
		got.ends("task", "WORKING", `answer answer "Hi"`, `+ answer answer "!"`,
			`+ answer answer "" last map[inputTokens:12 outputTokens:34 stopReason:end_turn]`, "COMPLETED")
	}
}

// TestWithoutSystem checks that an empty system prompt is not sent: Bedrock refuses it.
func TestWithoutSystem(t *testing.T) {
	s := bedrocktest.NewServer(t)
	x := newExecutor(s)
	x.System = ""
	got := start(t, x.Execute(t.Context(), ask(a2a.NewTextPart("Hello"))))
	call := s.Next()
	if strings.Contains(call.Body, "system") {
		t.Errorf("asked %s", call.Body)
	}
	call.Answer()
	got.ends("task", "WORKING", "COMPLETED") // an empty answer has no artifact
}

// TestStopReasons checks how a task ends when the model stops.
func TestStopReasons(t *testing.T) {
	for reason, want := range map[string]string{
		"end_turn":                      "COMPLETED",
		"stop_sequence":                 "COMPLETED",
		"max_tokens":                    "COMPLETED: The answer was cut off after 100 tokens, the most that it may have. Ask to go on in the same context.",
		"model_context_window_exceeded": "COMPLETED: The answer was cut off: the conversation is as long as the model can read. Go on in a new context.",
		"content_filtered":              "REJECTED: The answer was withheld by a content filter.",
		"guardrail_intervened":          "REJECTED: The answer was withheld by a content filter.",
		"tool_use":                      "FAILED: The model stopped without finishing its answer.",
		"malformed_model_output":        "FAILED: The model stopped without finishing its answer.",
		"a new one":                     "FAILED: The model stopped without finishing its answer.",
	} {
		t.Run(reason, func(t *testing.T) {
			s := bedrocktest.NewServer(t)
			got := start(t, newExecutor(s).Execute(t.Context(), ask(a2a.NewTextPart("Hello"))))
			call := s.Next()
			call.Begin()
			call.Say("Hi")
			call.End(reason)
			got.ends("task", "WORKING", `answer answer "Hi"`,
				`+ answer answer "" last map[inputTokens:12 outputTokens:34 stopReason:`+reason+`]`, want)
		})
	}
}

const (
	busy      = "failure: The model is busy. Try again in a minute."
	refused   = "failure: The model does not take this conversation. It may be too long: try again with less, or in a new context."
	brokenOff = "failure: The model broke off in the middle of its answer. Try again."
)

// TestErrorsInStream checks how a task ends when an answer breaks off.
func TestErrorsInStream(t *testing.T) {
	delta := map[string]any{"contentBlockIndex": 0, "delta": map[string]any{"text": "never shown"}}
	for name, test := range map[string]struct {
		end  func(*bedrocktest.Call)
		want string
	}{
		"model stream error":  {func(c *bedrocktest.Call) { c.Raise("modelStreamErrorException", "secret") }, brokenOff},
		"internal server":     {func(c *bedrocktest.Call) { c.Raise("internalServerException", "secret") }, brokenOff},
		"service unavailable": {func(c *bedrocktest.Call) { c.Raise("serviceUnavailableException", "secret") }, busy},
		"throttling":          {func(c *bedrocktest.Call) { c.Raise("throttlingException", "secret") }, busy},
		"validation":          {func(c *bedrocktest.Call) { c.Raise("validationException", "secret") }, refused},
		"a new exception":     {func(c *bedrocktest.Call) { c.Raise("newException", "secret") }, brokenOff},
		"cut":                 {(*bedrocktest.Call).Cut, brokenOff},
		"cut in a frame":      {func(c *bedrocktest.Call) { c.SendPart("contentBlockDelta", delta); c.Cut() }, brokenOff},
		"ended in a frame":    {func(c *bedrocktest.Call) { c.SendPart("contentBlockDelta", delta); c.Close() }, brokenOff},
		"ended too early":     {(*bedrocktest.Call).Close, brokenOff},
	} {
		t.Run(name, func(t *testing.T) {
			s := bedrocktest.NewServer(t)
			got := start(t, newExecutor(s).Execute(t.Context(), ask(a2a.NewTextPart("Hello"))))
			call := s.Next()
			call.Begin()
			call.Say("Hi")
			got.next("task", "WORKING", `answer answer "Hi"`)
			test.end(call)
			got.ends(test.want)
			s.Quiet() // an answer that has begun is not tried again
		})
	}
}

// TestErrorsBefore checks which calls are tried again, and how a task ends without an answer.
func TestErrorsBefore(t *testing.T) {
	for _, test := range []struct {
		exception string
		status    int
		calls     int
		want      string
	}{
		{"ThrottlingException", 429, 3, busy},
		{"ServiceUnavailableException", 503, 3, busy},
		{"ServiceQuotaExceededException", 400, 1, busy},
		{"ValidationException", 400, 1, refused},
	} {
		t.Run(test.exception, func(t *testing.T) {
			s := bedrocktest.NewServer(t)
			got := start(t, newExecutor(s).Execute(t.Context(), ask(a2a.NewTextPart("Hello"))))
			for range test.calls {
				s.Next().Refuse(test.status, test.exception, "secret")
			}
			got.ends("task", "WORKING", test.want)
			s.Quiet()
		})
	}
	t.Run("at last", func(t *testing.T) {
		s := bedrocktest.NewServer(t)
		got := start(t, newExecutor(s).Execute(t.Context(), ask(a2a.NewTextPart("Hello"))))
		s.Next().Refuse(429, "ThrottlingException", "Too many tokens, please wait before trying again.")
		s.Next().Refuse(500, "InternalServerException", "secret")
		s.Next().Answer("Hi")
		got.ends("task", "WORKING", `answer answer "Hi"`, `+ answer answer "" last map[inputTokens:12 outputTokens:34 stopReason:end_turn]`,
			"COMPLETED")
	})
	t.Run("AccessDeniedException", func(t *testing.T) {
		s := bedrocktest.NewServer(t)
		got := start(t, newExecutor(s).Execute(t.Context(), ask(a2a.NewTextPart("Hello"))))
		s.Next().Refuse(403, "AccessDeniedException", "the role may not")
		got.next("task", "WORKING")
		if line := <-got.lines; !strings.HasPrefix(line, "error: ") || !strings.Contains(line, "the role may not") {
			t.Errorf("got %q, which says nothing to the log", line)
		}
	})
	t.Run("memory", func(t *testing.T) {
		s := bedrocktest.NewServer(t)
		x := newExecutor(s)
		x.Earlier = func(context.Context, int) ([]*a2a.Task, error) { return nil, errors.New("no table") }
		start(t, x.Execute(t.Context(), ask(a2a.NewTextPart("Hello")))).
			ends("task", "WORKING", "error: bedrock: remembering the conversation: no table")
		s.Quiet()
	})
}

// TestInterrupted checks that the end of the context ends a call at once, even if the model is
// silent.
func TestInterrupted(t *testing.T) {
	for _, begun := range []bool{true, false} {
		t.Run(fmt.Sprint("begun=", begun), func(t *testing.T) {
			s := bedrocktest.NewServer(t)
			ctx, cancel := context.WithCancelCause(t.Context())
			got := start(t, newExecutor(s).Execute(ctx, ask(a2a.NewTextPart("Hello"))))
			got.next("task", "WORKING")
			call := s.Next()
			if begun {
				call.Begin()
				call.Say("Hi")
				got.next(`answer answer "Hi"`)
			}
			cancel(errors.New("the task is to be canceled"))
			got.ends("error: the task is to be canceled")
			gone(t, call)
		})
	}
}

// TestAbandoned checks that a call ends when nobody wants its answer any more.
func TestAbandoned(t *testing.T) {
	s := bedrocktest.NewServer(t)
	calls := make(chan *bedrocktest.Call, 1)
	go func() {
		call := s.Next()
		calls <- call
		call.Begin()
		call.Say("Hi")
	}()
	for event := range newExecutor(s).Execute(t.Context(), ask(a2a.NewTextPart("Hello"))) {
		if _, ok := event.(*a2a.TaskArtifactUpdateEvent); ok {
			break
		}
	}
	gone(t, <-calls)
}

func gone(t *testing.T, call *bedrocktest.Call) {
	t.Helper()
	select {
	case <-call.Gone:
	case <-time.After(patience):
		t.Error("the model goes on")
	}
}

func TestNoText(t *testing.T) {
	s := bedrocktest.NewServer(t)
	for name, parts := range map[string][]*a2a.Part{
		"blank": {a2a.NewTextPart(" \n")},
		"data":  {a2a.NewTextPart("What is this?"), a2a.NewDataPart(map[string]any{"a": 1})},
		"file":  {a2a.NewRawPart([]byte("GIF89a"))},
	} {
		t.Run(name, func(t *testing.T) {
			start(t, newExecutor(s).Execute(t.Context(), ask(parts...))).
				ends("task", "REJECTED: Please send text, and nothing else: this agent reads no files or data.")
		})
	}
	s.Quiet()
}

func TestCancel(t *testing.T) {
	x := newExecutor(bedrocktest.NewServer(t))
	start(t, x.Cancel(t.Context(), &a2asrv.ExecutorContext{TaskID: "t", ContextID: "c"})).ends("CANCELED")
}

// TestCard checks that the card promises what the executor takes.
func TestCard(t *testing.T) {
	if c := bedrock.Card(); !c.Capabilities.Streaming || !slices.Equal(c.DefaultInputModes, []string{"text/plain"}) {
		t.Errorf("got %+v", c)
	}
}
