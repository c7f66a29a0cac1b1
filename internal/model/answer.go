package model

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"sync"

	"a2alambda/internal/durable"
	"a2alambda/internal/run"
	"a2alambda/internal/tool"
)

// answered is what the journal has of a round's answer.
type answered struct {
	Text  string    `json:"text,omitempty"`
	Calls []planned `json:"calls,omitempty"`
	Stop  Stop      `json:"stop"`
	Usage Usage     `json:"usage"`
	// Most is how many tokens the answer might have.
	Most int `json:"most"`
	// Earlier is the conversation before the task, if there is a next round: what is remembered
	// changes with time.
	Earlier []Message `json:"earlier,omitempty"`
}

// planned is a call that the model asks for, and how it is made. That is settled once: what a server
// says of its tools changes with time.
type planned struct {
	Call
	Peer    string `json:"peer,omitempty"` // whom to ask, if the call is for a peer
	Once    bool   `json:"once,omitempty"`
	Approve bool   `json:"approve,omitempty"`
	Asks    string `json:"asks,omitempty"` // what of a peer's it answers
	// Wrong is why the call is not made. The model is told.
	Wrong string `json:"wrong,omitempty"`
}

// ask has the model answer, as a step whose text streams as it comes.
func (a *agent) ask(ctx context.Context, t *durable.Task, n int, talk *conversation) (answered, error) {
	options := []durable.Option{durable.Retry(modelTries, modelPause)}
	if a.ModelTimeout > 0 {
		options = append(options, durable.Within(a.ModelTimeout))
	}
	said, err := durable.Do(ctx, "model", func(ctx context.Context) (answered, error) {
		said, err := a.answer(ctx, t, n, talk)
		switch e := (*Error)(nil); {
		case err == nil, !errors.As(err, &e):
		case e.Kind == Withheld:
			return answered{Stop: StopFiltered}, nil
		case !e.Kind.again():
			err = durable.Permanent(err)
		case e.After > maxWait:
			err = durable.Permanent(&Error{Kind: Exhausted, Err: err})
		case e.After > 0:
			err = durable.After(e.After, err)
		}
		if errors.Is(err, context.DeadlineExceeded) {
			err = &Error{Kind: Slow, Err: err}
		}
		return said, err
	}, options...)
	if err != nil {
		return said, failed(err)
	}
	return said, nil
}

// answer is one try.
func (a *agent) answer(ctx context.Context, t *durable.Task, n int, talk *conversation) (answered, error) {
	earlier := talk.earlier
	if n == 1 {
		var err error
		if earlier, err = a.remember(ctx); err != nil {
			return answered{}, &Error{Kind: Busy, Err: err}
		}
	}
	tools := a.tools(ctx)
	if len(tools) == 0 && len(talk.rounds) > 0 { // some providers do not take calls where there are no tools
		tools = []tool.Tool{{
			Name: talk.rounds[0].said.Calls[0].Name, Description: "This tool is not there at the moment.", Schema: json.RawMessage(`{"type":"object"}`),
		}}
	}
	r := &Request{System: a.system(tools), Tools: tools, MaxTokens: int(min(int64(a.MaxTokens), a.TaskTokens-talk.spent.tokens()))}
	s := newSpeaker(ctx, t, n)
	defer s.stop()
	a.reload(ctx)
	talk.question, _ = a.question(t.Message.Parts)
	r.Messages = talk.messages(earlier, maxMemory)
	whole, err := a.Model.Answer(ctx, r, s.say)
	for room := maxMemory / 4; isTooLong(err) && !s.begun() && room > maxMemory/100; room /= 4 {
		less := talk.messages(earlier, room) // what was before is remembered less well
		if size(less) == size(r.Messages) {
			continue
		}
		r.Messages = less
		whole, err = a.Model.Answer(ctx, r, s.say)
	}
	if err != nil {
		return answered{}, err
	}
	whole.Usage = whole.Usage.believed()
	said := answered{Text: whole.Text, Stop: whole.Stop, Usage: whole.Usage, Most: r.MaxTokens}
	if whole.Stop == StopTools {
		said.Calls = a.plan(whole.Calls, tools, n, talk)
		said.Earlier = earlier
		if n > 1 {
			said.Earlier = nil // the first round has it
		}
	}
	spent := talk.spent
	spent.add(whole.Usage)
	run.Count(ctx, "modelCalls", 1)
	run.Count(ctx, "inputTokens", whole.Usage.Input)
	run.Count(ctx, "outputTokens", whole.Usage.Output)
	return said, s.end(a.metadata(whole, spent))
}

// tools returns what the model may call. Of two with one name it is the first.
func (a *agent) tools(ctx context.Context) (all []tool.Tool) {
	all = make([]tool.Tool, len(a.Peers))
	var asking sync.WaitGroup
	for i, p := range a.Peers {
		asking.Go(func() { all[i] = p.asTool(ctx) })
	}
	asking.Wait()
	if a.now == nil {
		return all
	}
	for _, t := range a.now(ctx) {
		if len(t.Schema) == 0 {
			t.Schema = json.RawMessage(`{"type":"object"}`)
		}
		if tool.IsName(t.Name) && !slices.ContainsFunc(all, func(other tool.Tool) bool { return other.Name == t.Name }) {
			all = append(all, t)
		}
	}
	return all
}

// spent is what a task has taken so far.
type spent struct {
	ModelCalls, ToolCalls int
	Usage
}

// maxUsage is the most tokens of a call that are believed, so that sums of them stay numbers.
const maxUsage = 1 << 40

func (s *spent) add(u Usage) {
	s.ModelCalls++
	s.Input += u.Input
	s.Output += u.Output
}

// believed returns what an endpoint says of its usage, within reason: what is negative would lift the
// bound on a task.
func (u Usage) believed() Usage {
	return Usage{Input: min(max(u.Input, 0), maxUsage), Output: min(max(u.Output, 0), maxUsage)}
}

func (s *spent) tokens() int64 { return s.Input + s.Output }

// metadata is what the last chunk of an answer says: why the model stopped and the tokens of this
// call, and under "total" those of the task so far.
func (a *agent) metadata(whole *Answer, s spent) map[string]any {
	total := map[string]any{"modelCalls": s.ModelCalls, "toolCalls": s.ToolCalls, "inputTokens": s.Input, "outputTokens": s.Output}
	if p := a.Price; p != (Price{}) {
		total["cost"] = math.Round((p.Input*float64(s.Input)+p.Output*float64(s.Output))*1e3) / 1e9
	}
	return map[string]any{
		"stopReason": string(whole.Stop), "inputTokens": whole.Usage.Input, "outputTokens": whole.Usage.Output, "total": total,
	}
}

func isTooLong(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Kind == TooLong
}
