package model

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/durable"
	"a2alambda/internal/outgoing"
	"a2alambda/internal/run"
	"a2alambda/internal/tool"
)

// Config says what the agent is. Only Model is required.
type Config struct {
	Model Model
	// System is the system prompt.
	System string
	// MaxTokens is the most tokens of one answer. 0 is DefaultMaxTokens.
	MaxTokens int
	// MaxRounds is how often the model may be called in a task. 0 is DefaultMaxRounds.
	MaxRounds int
	// TaskTokens is how many tokens a task may take, in and out: no call of the model begins when
	// that is reached, and none may bring more out than is left. 0 is DefaultTaskTokens.
	TaskTokens int64
	// Tools begins the use of tools by one run of a task, and done ends it. In between, now returns
	// the tools that are there at the moment, with different names. It is called before each call of
	// the model or of a tool, and returns soon. Tools may be nil.
	Tools func() (now func(ctx context.Context) []tool.Tool, done func())
	// Peers are the agents that the model may ask, by [durable.Call]. Each is a tool.
	Peers []Peer
	// File reads a file that a message has by URL, of at most so many bytes, as [outgoing.Files.Read]
	// does. It may be nil: then none are read.
	File func(ctx context.Context, url string, most int) (data []byte, mediaType string, err error)
	// Earlier returns the last ended tasks of the conversation, n at most, the oldest first, as
	// run.Earlier does. It may be nil.
	Earlier func(ctx context.Context, n int) ([]*a2a.Task, error)
	// ModelTimeout is how long an answer may take. 0 is no limit but the invocation's end: a call is
	// not begun in the last minute then.
	ModelTimeout time.Duration
	// ToolTimeout is how long one try of a tool may take. 0 is DefaultToolTimeout.
	ToolTimeout time.Duration
	// Price is what tokens cost.
	Price Price
}

// Peer is an agent that the model may ask.
type Peer struct {
	// Name is the peer's in PEERS. The tool's is ask_ and the name.
	Name string
	// About returns what the agent does, for the model, as peer.Peer does: it returns soon. It may be
	// nil.
	About func(ctx context.Context) string
	// Approve says that the user is asked first.
	Approve bool
}

// Price is what a million tokens cost, in the deployer's currency. 0 is unknown.
type Price struct{ Input, Output float64 }

// The defaults of Config.
const (
	DefaultMaxTokens   = 4096
	DefaultMaxRounds   = 20
	DefaultTaskTokens  = 1_000_000
	DefaultToolTimeout = time.Minute
)

const (
	// maxCalls is how many calls of one answer are made, and maxKept how many are remembered. Of those
	// in between, the model is told that they were not made.
	maxCalls = 16
	maxKept  = 64

	// maxBytesOfToken is the most bytes that a token has in most texts: in English it has some four.
	maxBytesOfToken = 8

	// A call of the model or of a tool is tried so often, with a pause that grows from this one.
	modelTries = 4
	modelPause = 2 * time.Second
	toolTries  = 3
	toolPause  = time.Second
)

// Texts that a client sees.
const (
	textNoText   = "Please send text: this agent reads nothing else in that message."
	textLeftOut  = "The agent does not read all of the message. It leaves out: %s."
	textBusy     = "The model is busy. Try again in a minute."
	textLater    = "The model takes no more calls for now, and says to wait for longer than an hour. Try again later."
	textBroken   = "The model broke off in the middle of its answer. Try again."
	textSlow     = "The model took too long. Try again."
	textTooLong  = "The conversation is too long for the model. Try again with less, or in a new context."
	textRefused  = "The model does not take this conversation. It may be too long: try again with less, or in a new context."
	textWithheld = "The answer was withheld by a content filter."
	textCut      = "The answer was cut off after %d tokens, the most that it may have. Ask to go on in the same context."
	textFull     = "The answer was cut off: the conversation is as long as the model can read. Go on in a new context."
	textRounds   = "I have stopped after %d rounds, the most that a task may have, without an end."
	textSpent    = "I have stopped: the task has taken the tokens that it may."
)

// Agent returns the agent. It panics if it has no model. An error says what is wrong with the peers.
func Agent(c Config) (durable.Func, error) {
	if c.Model == nil {
		panic("model: an agent needs a model")
	}
	c.MaxTokens = cmp.Or(c.MaxTokens, DefaultMaxTokens)
	c.MaxRounds = cmp.Or(c.MaxRounds, DefaultMaxRounds)
	c.TaskTokens = cmp.Or(c.TaskTokens, DefaultTaskTokens)
	if c.File == nil {
		c.File = new(outgoing.Files).Read
	}
	c.ToolTimeout = cmp.Or(c.ToolTimeout, DefaultToolTimeout)
	for _, p := range c.Peers {
		if !tool.IsName(p.tool()) {
			return nil, fmt.Errorf("the peer %q has a name that a model cannot call: at most 60 letters, digits, _ and -", p.Name)
		}
	}
	return func(ctx context.Context, t *durable.Task) error {
		a := &agent{Config: c}
		if c.Tools != nil {
			now, done := c.Tools()
			defer done()
			a.now = now
		}
		return a.run(ctx, t)
	}, nil
}

// agent is a run of the agent.
type agent struct {
	Config
	now     func(ctx context.Context) []tool.Tool // nil without tools
	remotes []*remote                             // of the message
}

// run is the durable agent: rounds of an answer of the model, and the calls that it asks for.
func (a *agent) run(ctx context.Context, t *durable.Task) error {
	if err := a.fetch(ctx, t.Message.Parts); err != nil {
		return err
	}
	question, leftOut := a.question(t.Message.Parts)
	if len(question.Parts) == 0 {
		return durable.Yield(ctx, status(t, a2a.TaskStateRejected, textNoText))
	}
	working := a2a.NewStatusUpdateEvent(t, a2a.TaskStateWorking, nil)
	if leftOut != "" {
		working = status(t, a2a.TaskStateWorking, fmt.Sprintf(textLeftOut, leftOut))
	}
	if err := durable.Yield(ctx, working); err != nil {
		return err
	}
	talk := conversation{question: question, leftOut: leftOut}
	for n := 1; ; n++ {
		if text := a.bound(n, &talk); text != "" {
			return durable.Yield(ctx, status(t, a2a.TaskStateFailed, text))
		}
		round := durable.Scope(ctx, fmt.Sprintf("round %d", n))
		said, err := a.ask(round, t, n, &talk)
		if err != nil {
			return err
		}
		talk.spent.add(said.Usage)
		if n == 1 {
			talk.earlier = said.Earlier
		}
		if said.Stop != StopTools {
			return a.end(ctx, t, said)
		}
		results, err := a.act(round, t, n, said.Calls)
		if err != nil {
			return err
		}
		talk.rounds = append(talk.rounds, exchange{said, results})
		talk.spent.ToolCalls += len(said.Calls)
	}
}

// bound returns what to say if no further call of the model is allowed.
func (a *agent) bound(n int, talk *conversation) string {
	switch {
	case n == 1 && int64(size([]Message{talk.question}))/maxBytesOfToken >= a.TaskTokens:
		return textTooLong // what it costs is known when it has cost that
	case n > a.MaxRounds:
		return fmt.Sprintf(textRounds, a.MaxRounds)
	case talk.spent.tokens() >= a.TaskTokens:
		return textSpent
	}
	return ""
}

// end ends the task after the last answer.
func (a *agent) end(ctx context.Context, t *durable.Task, said answered) error {
	switch said.Stop {
	case StopTokens:
		return durable.Yield(ctx, status(t, a2a.TaskStateCompleted, fmt.Sprintf(textCut, said.Most)))
	case StopWindow:
		return durable.Yield(ctx, status(t, a2a.TaskStateCompleted, textFull))
	case StopFiltered:
		return durable.Yield(ctx, status(t, a2a.TaskStateRejected, textWithheld))
	}
	return nil
}

func status(t *durable.Task, state a2a.TaskState, text string) *a2a.TaskStatusUpdateEvent {
	return a2a.NewStatusUpdateEvent(t, state, a2a.NewMessageForTask(a2a.MessageRoleAgent, t, a2a.NewTextPart(text)))
}

// failed returns the error of a task whose model has failed.
func failed(err error) error {
	var step *durable.StepError
	if !errors.As(err, &step) {
		return err
	}
	switch KindOf(step.Text) {
	case Busy:
		return &run.Failure{Text: textBusy, Err: err}
	case Exhausted:
		return &run.Failure{Text: textLater, Err: err}
	case Broken:
		return &run.Failure{Text: textBroken, Err: err}
	case Slow:
		return &run.Failure{Text: textSlow, Err: err}
	case TooLong:
		return &run.Failure{Text: textTooLong, Err: err}
	case Refused:
		return &run.Failure{Text: textRefused, Err: err}
	}
	return err
}
