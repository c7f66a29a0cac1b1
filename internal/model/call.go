package model

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/durable"
	"a2alambda/internal/run"
	"a2alambda/internal/tool"
)

// plan says how calls are made that the model asks for.
func (a *agent) plan(calls []Call, tools []tool.Tool, n int, talk *conversation) []planned {
	known := map[string]tool.Tool{}
	for _, t := range tools {
		known[t.Name] = t
	}
	peers := map[string]Peer{}
	for _, p := range a.Peers {
		peers[p.tool()] = p
	}
	used := map[string]bool{}
	for _, x := range talk.rounds {
		for _, p := range x.said.Calls {
			used[p.ID] = true
		}
	}
	var all []planned
	for i, c := range calls[:min(len(calls), maxKept)] {
		// Some providers give none, or the same in each round. An approval is of one id.
		for next := i + 1; !tool.IsName(c.ID) || used[c.ID]; next += maxKept {
			c.ID = fmt.Sprintf("call_%d_%d", n, next)
		}
		used[c.ID] = true
		t, ok := known[c.Name]
		p := planned{Call: c, Once: t.Once, Approve: t.Approve, Peer: peers[c.Name].Name}
		talk.answers(&p)
		switch {
		case !ok:
			p.Wrong = "There is no tool of this name."
			if !tool.IsName(c.Name) { // no provider would take it back
				p.Name = "unknown"
			}
		case c.Malformed != "":
			p.Wrong = "The arguments are not a JSON object: " + c.Malformed
		case i >= maxCalls:
			p.Wrong = fmt.Sprintf("Only %d calls can be made at once. Call again.", maxCalls)
		}
		all = append(all, p)
	}
	return all
}

// act makes the calls of a round, all at once, after the user has approved those that need it.
func (a *agent) act(ctx context.Context, t *durable.Task, n int, calls []planned) ([]Result, error) {
	v, err := a.approve(ctx, calls)
	if err != nil {
		return nil, err
	}
	results := make([]Result, len(calls))
	remark := -1 // the call whose result has what the user said with the approval
	if v.words != "" && !slices.ContainsFunc(calls, func(p planned) bool { return p.Approve && p.Wrong == "" && !v.allows(p.ID) }) {
		remark = slices.IndexFunc(calls, func(p planned) bool { return p.Approve && p.Wrong == "" })
	}
	g := durable.NewGroup(ctx)
	for i, p := range calls {
		switch {
		case p.Wrong != "":
			results[i] = Result{ID: p.ID, Text: p.Wrong, Failed: true}
		case p.Approve && !v.allows(p.ID):
			results[i] = Result{ID: p.ID, Text: v.refusal(), Failed: true}
		default:
			g.Go(fmt.Sprintf("%d %s", i+1, p.Name), func(ctx context.Context) error {
				said, waits, err := a.call(ctx, p)
				switch note, told := told(err, p.Once); {
				case told:
					results[i] = Result{ID: p.ID, Text: note, Failed: true}
					return nil
				case err != nil:
					return err
				}
				results[i] = a.result(p, said)
				results[i].waits = waits
				return show(ctx, t, fmt.Sprintf("tool-%d-%d", n, i+1), p.Name, said)
			})
		}
	}
	err = g.Wait()
	if remark >= 0 {
		results[remark].Text += v.remark()
	}
	return results, err
}

// call makes a call. If it was of a peer, which now waits for an answer, it returns that, too.
func (a *agent) call(ctx context.Context, p planned) (tool.Result, *waits, error) {
	if p.Peer != "" {
		return askPeer(ctx, p)
	}
	options := []durable.Option{durable.Within(a.ToolTimeout)}
	if p.Once {
		options = append(options, durable.Once())
	} else {
		options = append(options, durable.Retry(toolTries, toolPause))
	}
	said, err := durable.Do(ctx, "call", func(ctx context.Context) (tool.Result, error) {
		run.Count(ctx, "toolCalls", 1)
		result, err := a.callTool(ctx, p)
		switch {
		case !errors.Is(err, tool.ErrUnsent):
		case durable.Attempt(ctx) > 1:
			err = fmt.Errorf("a try before may have had its effect; then %w", err)
		default:
			err = durable.Permanent(fmt.Errorf("%s%w", unsent, err)) // of an error the journal has the text
		}
		return result, err
	}, options...)
	return said, nil, err
}

// unsent begins the text of an error that wraps [tool.ErrUnsent].
const unsent = "not called: "

func (a *agent) callTool(ctx context.Context, p planned) (tool.Result, error) {
	for _, t := range a.tools(ctx) {
		switch {
		case t.Name != p.Name || t.Call == nil:
		case t.Approve && !p.Approve || t.Once && !p.Once:
			return tool.Result{}, fmt.Errorf("%w: it does something else by now. Call it again", tool.ErrUnsent)
		default:
			return t.Call(ctx, p.Args)
		}
	}
	return tool.Result{}, fmt.Errorf("%w: it is not there at the moment", tool.ErrUnsent)
}

// told returns what the model is told of a call that has failed. It is false for what the host must
// know instead.
func told(err error, once bool) (string, bool) {
	var step *durable.StepError
	switch {
	case err == nil, errors.Is(err, durable.ErrCanceled), !errors.As(err, &step):
		return "", false
	case strings.HasPrefix(step.Text, unsent):
		return "The tool was not called, and has done nothing.\n" + marked(strings.TrimPrefix(step.Text, unsent)), true
	case once || errors.Is(err, durable.ErrInterrupted):
		return "It is unknown whether this was done: the call broke off. Do not just call again: find out first, or tell the user.\n" +
			marked(step.Text), true
	}
	return "The call has failed.\n" + marked(step.Text), true
}

// maxImage is the most bytes of an image that a model is shown: Bedrock's bound.
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ImageBlock.html
const maxImage = 3_750_000

// result returns what the model is told of a call. An image that a provider would refuse is not told:
// it would refuse all of the conversation.
func (a *agent) result(p planned, said tool.Result) Result {
	r := Result{ID: p.ID, Text: marked(said.Text), Failed: said.Failed}
	for _, part := range said.Parts {
		raw, ok := part.Content.(a2a.Raw)
		switch {
		case !ok || !strings.HasPrefix(part.MediaType, "image/") || !a.Model.Reads(part.MediaType):
		case http.DetectContentType(raw) != part.MediaType:
			r.Text += "\n[An image is left out: it is not of its type.]"
		case len(raw) > maxImage:
			r.Text += "\n[An image is left out: it is too large.]"
		default:
			r.Images = append(r.Images, File{MediaType: part.MediaType, Bytes: raw})
		}
	}
	return r
}

// show shows the client the parts of a result: images, files, structured content.
func show(ctx context.Context, t *durable.Task, id, name string, said tool.Result) error {
	if len(said.Parts) == 0 {
		return nil
	}
	e := a2a.NewArtifactUpdateEvent(t, a2a.ArtifactID(id), said.Parts...)
	e.Artifact.Name, e.LastChunk = name, true
	return durable.Yield(ctx, e)
}
