// Package load has the agent of all systems: its client orders how much it says, and how fast.
package load

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"
)

// Order is what a client wants, as JSON in the text of its message.
type Order struct {
	// Events is how many there are, two or more: first the task, last the status "completed".
	Events int `json:"events"`
	// EveryMS is the time from one event to the next, in milliseconds. 0 is as fast as possible.
	EveryMS int `json:"everyMs,omitempty"`
	// Tokens makes the events short chunks of an artifact, and Passage words of Markdown in one.
	// Without them they are working statuses with a text of 100 bytes.
	Tokens  bool `json:"tokens,omitempty"`
	Passage bool `json:"passage,omitempty"`
	// Eager has a run that goes on say its next event at once.
	Eager bool `json:"eager,omitempty"`
}

// String returns the text of the message.
func (o Order) String() string {
	data, err := json.Marshal(o)
	if err != nil {
		panic(err) // numbers only
	}
	return string(data)
}

const (
	textBytes = 100         // of a status
	stampMark = " made at " // after an event's number, and before the time at which it was made
)

// stamp returns the text of event n, with the time at which it was made.
func stamp(n int) string {
	return fmt.Sprint("Event ", n, stampMark, time.Now().UnixNano(), " ")
}

// Stamp finds in an event's JSON when the event was made.
func Stamp(event string) (time.Time, bool) {
	_, rest, found := strings.Cut(event, stampMark)
	digits, _, end := strings.Cut(rest, " ")
	ns, err := strconv.ParseInt(digits, 10, 64)
	return time.Unix(0, ns), found && end && err == nil
}

// words are the pieces of an artifact in Markdown.
var words = strings.SplitAfter("## What came of it\n\nThe **first** run took a second, and the next `one` took half of it, as "+
	"[was said](https://example.com).\n\n- a point that is made\n- and another, *with* a twist\n\n| run | took |\n|---|--:|\n| first | 1 s |\n"+
	"| next | 0.5 s |\n\n```go\nfor i := range runs {\n\tmeasure(i)\n}\n```\n\n", " ")

// Executor carries orders out. It is an [a2asrv.AgentExecutor] and a run.Resumer.
type Executor struct{}

// Execute implements [a2asrv.AgentExecutor].
func (Executor) Execute(ctx context.Context, ec *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	return carryOut(ctx, ec, 1)
}

// Resume implements run.Resumer for orders of statuses. The task's last status has its number.
func (Executor) Resume(ctx context.Context, ec *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	last := 1
	if m := ec.StoredTask.Status.Message; m != nil {
		_, _ = fmt.Sscanf(m.Parts[0].Text(), "Event %d", &last)
	}
	return carryOut(ctx, ec, last+1)
}

// Cancel implements [a2asrv.AgentExecutor].
func (Executor) Cancel(_ context.Context, ec *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	return func(yield func(a2a.Event, error) bool) {
		yield(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateCanceled, nil), nil)
	}
}

// carryOut yields the events from number next on.
func carryOut(ctx context.Context, ec *a2asrv.ExecutorContext, next int) iter.Seq2[a2a.Event, error] {
	return func(yield func(a2a.Event, error) bool) {
		var o Order
		if err := json.Unmarshal([]byte(ec.Message.Parts[0].Text()), &o); err != nil {
			yield(nil, fmt.Errorf("load: the message is no order: %w", err))
			return
		}
		begin, every := time.Now(), time.Duration(o.EveryMS)*time.Millisecond
		if o.Eager && next > 1 {
			begin = begin.Add(-every)
		}
		var artifact a2a.ArtifactID
		for n := next; n <= o.Events; n++ {
			if every > 0 && n > 1 && n < o.Events {
				select {
				case <-time.After(time.Until(begin.Add(time.Duration(n-max(next, 2)+1) * every))):
				case <-ctx.Done():
					yield(nil, context.Cause(ctx))
					return
				}
			}
			var e a2a.Event
			text := stamp(n)
			if o.Passage {
				text = words[n%len(words)]
			}
			switch {
			case n == 1:
				e = a2a.NewSubmittedTask(ec, ec.Message)
			case n == o.Events:
				e = a2a.NewStatusUpdateEvent(ec, a2a.TaskStateCompleted, nil)
			case !o.Tokens && !o.Passage:
				text += strings.Repeat(".", max(0, textBytes-len(text)))
				e = a2a.NewStatusUpdateEvent(ec, a2a.TaskStateWorking, a2a.NewMessage(a2a.MessageRoleAgent, a2a.NewTextPart(text)))
			case artifact == "":
				first := a2a.NewArtifactEvent(ec, a2a.NewTextPart(text))
				artifact, e = first.Artifact.ID, first
			default:
				chunk := a2a.NewArtifactUpdateEvent(ec, artifact, a2a.NewTextPart(text))
				chunk.LastChunk = n == o.Events-1
				e = chunk
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}
