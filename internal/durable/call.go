package durable

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/peer"
)

const (
	// callTimeout is how long a reply may take, unless Timeout says otherwise.
	callTimeout = 24 * time.Hour

	// maxDepth is how often agents of this project call each other in a chain.
	maxDepth = 10

	// depthKey is where a message has the depth of its chain, in its metadata.
	depthKey = "a2alambda/depth"

	// maxMessage is the most bytes of a message, as JSON.
	maxMessage = 4 << 20

	// sendWithin is how long a peer may take to take a message, unless Within says otherwise.
	sendWithin = time.Minute
)

// Reply is the answer of another agent.
type Reply struct {
	// Task is the peer's task, without its history. It has ended, or waits for somebody: in the state
	// input-required or auth-required. A message with the task's id, in a Call with another name, goes
	// on with it. It is nil if there is a Message.
	Task *a2a.Task `json:"task,omitempty"`
	// Message is the answer of a peer that has made no task.
	Message *a2a.Message `json:"message,omitempty"`
}

// Call sends a message to another agent, and returns what it answers. The agent is one of those
// that the deployment names in PEERS. The message gets an id of the call's own, the same in every
// run, and the role of a user if it has none.
//
// The peer is not waited for: the task is suspended if the reply takes longer than a minute. Push
// notifications of the peer wake it, if callbacks have a URL, and so does the time: the peer is asked
// again after a while that grows up to a quarter of an hour.
//
// A peer that cannot be reached, or is busy, is tried again until [Timeout]: then the error is
// [ErrTimeout]. What it refuses is an error at once. If it is unknown whether it has got the message,
// a peer that is configured with "deduplicates" gets it again, one with "adopt" is asked for it, and
// of another the error is [ErrInterrupted]: then [StepError.Key] is the id of the message. [Within]
// says how long the peer may take to take the message.
//
// If the task is canceled, or ends, before the reply is there, the peer's task is canceled, unless
// the peer refuses or cannot be reached at that moment.
func Call(ctx context.Context, name, agent string, m *a2a.Message, opts ...Option) (Reply, error) {
	o, err := optionsOf(opts)
	if err == nil && (o.once || o.attempts > 0) {
		err = errors.New("durable: Once and Retry are not options of Call")
	}
	if err != nil {
		return Reply{}, fmt.Errorf("%w: %q", err, name)
	}
	c, err := begin(ctx, TypeCall, name)
	if err != nil {
		abandon(ctx, err, agent)
		return Reply{}, err
	}
	defer c.end()
	if r, err, ok := replayed[Reply](c); ok {
		return r, err
	}
	x := &exchange{call: c, agent: agent, peer: c.engine.Peers[agent], limit: c.sendLimit(o.within), progress: o.progress}
	if err := x.load(o.timeout); err != nil {
		return Reply{}, err
	}
	if x.message, err = outgoingMessage(c, x.peer, m); err != nil {
		return Reply{}, c.failed(err)
	}
	if x.peer == nil && x.note.Task == "" {
		return Reply{}, c.failed(fmt.Errorf("PEERS has no agent %q", agent))
	}
	r, err := x.run()
	if errors.Is(err, ErrCanceled) || errors.Is(err, ErrTimeout) {
		x.cancel(context.WithoutCancel(ctx))
	}
	if !errors.Is(err, ErrSuspended) {
		x.close(context.WithoutCancel(ctx))
	}
	return r, err
}

// sendLimit returns how long the peer may take to take the message. If the author has not said it,
// it is as long as every invocation has.
func (c *call) sendLimit(within time.Duration) time.Duration {
	if e := c.engine; within == 0 && !e.Deadline.IsZero() {
		return min(sendWithin, e.Deadline.Sub(e.begun)/2)
	}
	return cmp.Or(within, sendWithin)
}

// outgoingMessage returns the message to send.
func outgoingMessage(c *call, p *peer.Peer, m *a2a.Message) (*a2a.Message, error) {
	if m == nil || len(m.Parts) == 0 {
		return nil, errors.New("the message has no parts")
	}
	depth := depthOf(c.engine.Task.Message) + 1
	if depth > maxDepth {
		return nil, fmt.Errorf("agents have called each other %d times in a chain: more are not allowed", maxDepth)
	}
	out := *m
	out.ID = c.key()
	if out.Role == "" {
		out.Role = a2a.MessageRoleUser
	}
	if p != nil && p.Adopt && out.ContextID == "" && out.TaskID == "" {
		out.ContextID = c.key()
	}
	out.Metadata = maps.Clone(m.Metadata)
	if out.Metadata == nil {
		out.Metadata = map[string]any{}
	}
	out.Metadata[depthKey] = depth
	switch data, err := json.Marshal(&out); {
	case err != nil:
		return nil, fmt.Errorf("the message cannot be sent: %w", err)
	case len(data) > maxMessage:
		return nil, fmt.Errorf("the message has %d bytes as JSON: at most %d can be sent", len(data), maxMessage)
	}
	return &out, nil
}

// depthOf returns how many calls there were before a message.
func depthOf(m *a2a.Message) int {
	if m == nil {
		return 0
	}
	switch n := m.Metadata[depthKey].(type) {
	case float64:
		return int(min(max(n, 0), maxDepth))
	case int:
		return min(max(n, 0), maxDepth)
	}
	return 0
}

// reply returns what a peer's answer is for the author.
func reply(result a2a.SendMessageResult) Reply {
	switch r := result.(type) {
	case *a2a.Task:
		task := *r
		task.History = nil
		return Reply{Task: &task}
	case *a2a.Message:
		return Reply{Message: r}
	}
	return Reply{}
}

// answers reports whether a state of the peer's task is one that Call returns with.
func answers(s a2a.TaskState) bool {
	return s.Terminal() || slices.Contains([]a2a.TaskState{a2a.TaskStateInputRequired, a2a.TaskStateAuthRequired}, s)
}

// abandon cancels the peer's task of a call that returns ErrCanceled before it has begun in this
// run.
func abandon(ctx context.Context, err error, agent string) {
	step := (*StepError)(nil)
	if !errors.As(err, &step) || !errors.Is(err, ErrCanceled) {
		return
	}
	f, err := frameOf(ctx)
	if err != nil {
		return
	}
	e := f.engine
	e.mu.Lock()
	past := e.past.calls[step.Step]
	e.mu.Unlock()
	if past == nil {
		return
	}
	x := &exchange{call: &call{engine: e, past: past, full: step.Step}, agent: agent, peer: e.Peers[agent]}
	x.read()
	x.cancel(context.WithoutCancel(ctx))
	x.close(context.WithoutCancel(ctx))
}
