package model

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/durable"
	"a2alambda/internal/tool"
)

func (p Peer) tool() string { return "ask_" + p.Name }

// asTool returns the tool that asks the peer. It has no Call: see askPeer.
func (p Peer) asTool(ctx context.Context) tool.Tool {
	description := "Asks the agent " + p.Name + ", which works by itself and answers when it is done."
	if p.About != nil {
		description = strings.TrimSpace(description + " " + p.About(ctx))
	}
	return tool.Tool{Name: p.tool(), Description: description, Approve: p.Approve, Schema: json.RawMessage(
		`{"type":"object","properties":{"message":{"type":"string","description":"What to ask, in words."},` +
			`"task":{"type":"string","description":"The id of the agent's task, to answer what it asks. Else leave it out."}},"required":["message"]}`,
	)}
}

// peerArgs are the arguments of a call of a peer.
type peerArgs struct{ Message, Task string }

// askPeer asks another agent.
func askPeer(ctx context.Context, p planned) (tool.Result, *waits, error) {
	var args peerArgs
	if err := json.Unmarshal(p.Args, &args); err != nil || args.Message == "" {
		return tool.Result{Text: "The arguments need a message, which is a text.", Failed: true}, nil, nil
	}
	m := a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart(args.Message))
	m.TaskID = a2a.TaskID(args.Task)
	reply, err := durable.Call(ctx, "call", p.Peer, m)
	if err != nil {
		return tool.Result{}, nil, err
	}
	return replied(reply), waitsIn(reply.Task), nil
}

// waits is what a peer's task waits for.
type waits struct {
	task     string
	question string
	approval bool // it is a yes of a user
}

// waitsIn returns what a peer's task waits for, or nil.
func waitsIn(t *a2a.Task) *waits {
	if t == nil || t.Status.State.Terminal() || t.Status.Message == nil {
		return nil
	}
	w := &waits{task: string(t.ID)}
	var texts []string
	for _, p := range t.Status.Message.Parts {
		switch content := p.Content.(type) {
		case a2a.Text:
			texts = append(texts, string(content))
		case a2a.Data:
			fields, _ := content.Value.(map[string]any)
			_, ours := fields[approvalKey]
			w.approval = w.approval || ours || fields["name"] == adkApproval
		}
	}
	w.question = strings.Join(texts, "\n")
	return w
}

// adkApproval is the name of the call by which an agent of Google's ADK asks for a yes.
const adkApproval = "adk_request_confirmation"

// answers has a call that answers a peer's task wait for the user's yes, unless it is known that the
// task asks for something else: what a peer wants the user to approve, the model may not.
func (c *conversation) answers(p *planned) {
	var args peerArgs
	if p.Peer == "" || json.Unmarshal(p.Args, &args) != nil || args.Task == "" {
		return
	}
	var last *waits
	for _, x := range c.rounds {
		for i, r := range x.results {
			if w := r.waits; w != nil && w.task == args.Task && x.said.Calls[i].Peer == p.Peer {
				last = w
			}
		}
	}
	if last != nil {
		p.Asks = cut(last.question)
	}
	p.Approve = p.Approve || last == nil || last.approval
}

// replied returns what a peer has answered.
func replied(r durable.Reply) tool.Result {
	var result tool.Result
	var texts []string
	take := func(parts []*a2a.Part) {
		var b strings.Builder
		for _, p := range parts {
			switch content := p.Content.(type) {
			case a2a.Text:
				b.WriteString(string(content))
			case a2a.Data:
				if data, err := json.Marshal(content.Value); err == nil {
					fmt.Fprintf(&b, "\n%s\n", data)
				}
			default:
				result.Parts = append(result.Parts, p)
			}
		}
		if b.Len() > 0 {
			texts = append(texts, b.String())
		}
	}
	if r.Message != nil {
		take(r.Message.Parts)
	}
	if t := r.Task; t != nil {
		for _, x := range t.Artifacts {
			take(x.Parts)
		}
		if m := t.Status.Message; m != nil {
			take(m.Parts)
		}
		switch state := t.Status.State; {
		case !state.Terminal():
			texts = append(texts, fmt.Sprintf("[The agent waits for an answer to this. Its task is %s.]", t.ID))
		case state != a2a.TaskStateCompleted:
			texts = append(texts, fmt.Sprintf("[The agent's task ended as %s.]", strings.ToLower(strings.TrimPrefix(string(state), "TASK_STATE_"))))
			result.Failed = true
		}
	}
	result.Text = strings.Join(texts, "\n")
	return result
}
