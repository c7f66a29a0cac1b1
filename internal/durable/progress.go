package durable

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/peer"
	"a2alambda/internal/tasklog"
)

const (
	// A Call passes on so many events, and bytes of them, at most: what a peer says fills the log of
	// this task.
	maxProgress      = 1000
	maxProgressBytes = 4 << 20

	// silence is how long a stream is followed in which nothing happens. After that, the peer is
	// asked from time to time, as it is without Progress.
	silence = inPlace
)

// errQuiet ends a stream on which nothing has come for long.
var errQuiet = errors.New("the other agent is silent")

// stream passes on the events of a stream, up to its end or up to the reply, after what there was
// before. The first event must come within the limit. stream returns what the peer has made of the
// message: a message, or its task as far as the stream has told it. An error says that there was no
// event: after the first, a stream may break off.
func (x *exchange) stream(
	ctx context.Context, limit time.Duration, made *a2a.Task, open func(context.Context) iter.Seq2[a2a.Event, error],
) (a2a.SendMessageResult, error) {
	var result a2a.SendMessageResult
	inner, quiet := context.WithCancelCause(ctx)
	defer quiet(nil)
	timer := time.AfterFunc(limit, func() { quiet(errQuiet) })
	defer timer.Stop()
	p := progress{exchange: x, made: made}
	for event, err := range open(inner) {
		if err != nil {
			switch {
			case result == nil && errors.Is(err, errQuiet):
				return nil, &peer.Error{Outcome: peer.Unknown, Text: x.agent + ": no answer in time"}
			case result == nil:
				return nil, err
			case errors.Is(err, errQuiet):
				return result, nil
			}
			x.warn(ctx, "the stream of the other agent broke off", err)
			return result, nil
		}
		if m, ok := event.(*a2a.Message); ok {
			return m, nil
		}
		if result == nil {
			info := event.TaskInfo()
			task := &a2a.Task{ID: info.TaskID, ContextID: info.ContextID, Status: a2a.TaskStatus{State: a2a.TaskStateWorking}}
			if t, ok := event.(*a2a.Task); ok {
				task = t
			}
			if err := x.took(task); err != nil {
				return task, nil // the run is over
			}
			result = task
		}
		timer.Reset(silence)
		if p.pass(ctx, event) {
			x.whole = true
			break
		}
	}
	if result == nil {
		return nil, &peer.Error{Outcome: peer.Unknown, Text: x.agent + ": the stream has no event"}
	}
	return result, nil
}

// follow passes on what else happens to the peer's task, after the run that sent the message has
// ended: first what it has made so far.
func (x *exchange) follow() error {
	if x.note.Asked { // the task was suspended, and wakes up for a moment only
		return nil
	}
	if x.peer == nil || !x.peer.Streams() && x.peer.Ready(x.call.engine.ctx) != nil {
		return nil
	}
	over, err := x.do(x.call.count().next, 0, func(ctx context.Context) error {
		task, err := x.peer.Task(ctx, x.note.Task, 0)
		if err != nil || x.isReply(task) || !x.peer.Streams() {
			return err
		}
		_, err = x.stream(ctx, silence, task, func(ctx context.Context) iter.Seq2[a2a.Event, error] { return x.peer.Events(ctx, x.note.Task) })
		return err
	})
	if over == nil && err != nil {
		x.warn(x.call.engine.ctx, "the other agent's events are not passed on", err)
	}
	return over
}

// complete passes on the artifacts of the reply whole, unless all of them were passed on in this
// run: a stream may have broken off, or an earlier run have followed it. So what clients have seen
// of the step's artifacts is what was recorded.
func (x *exchange) complete(reply *a2a.Task) error {
	if !x.progress || x.whole || len(reply.Artifacts) == 0 {
		return nil
	}
	over, _ := x.do(x.call.count().next, 0, func(ctx context.Context) error {
		p := progress{exchange: x}
		p.pass(ctx, reply)
		return nil
	})
	return over
}

// progress passes on events.
type progress struct {
	*exchange
	made         *a2a.Task // what there was before the stream; nil once that is passed on
	count, bytes int
}

// pass emits what an event of the peer says as an event of the step. It reports whether the event
// is the last one of interest.
func (p *progress) pass(ctx context.Context, event a2a.Event) (last bool) {
	task := p.call.engine.Task
	made := p.made
	p.made = nil
	if _, anew := event.(*a2a.Task); made != nil && !anew {
		p.pass(ctx, made)
	}
	switch e := event.(type) {
	case *a2a.Task:
		for _, artifact := range e.Artifacts {
			p.artifact(ctx, &a2a.TaskArtifactUpdateEvent{Artifact: artifact, LastChunk: true})
		}
		return p.isReply(e)
	case *a2a.TaskArtifactUpdateEvent:
		p.artifact(ctx, e)
	case *a2a.TaskStatusUpdateEvent:
		if answers(e.Status.State) {
			return p.isReply(&a2a.Task{Status: e.Status})
		}
		if m := e.Status.Message; m != nil && len(m.Parts) > 0 {
			p.emit(ctx, a2a.NewStatusUpdateEvent(task, a2a.TaskStateWorking, a2a.NewMessageForTask(a2a.MessageRoleAgent, task, m.Parts...)))
		}
	}
	return false
}

// artifact emits a chunk of an artifact. Its id is that of the peer, in the scope of the call.
func (p *progress) artifact(ctx context.Context, e *a2a.TaskArtifactUpdateEvent) {
	if e.Artifact == nil || len(e.Artifact.Parts) == 0 {
		return
	}
	own := *e.Artifact
	own.ID = a2a.ArtifactID(p.call.full + "/" + string(own.ID))
	task := p.call.engine.Task
	p.emit(ctx, &a2a.TaskArtifactUpdateEvent{
		TaskID: task.ID, ContextID: task.ContextID, Artifact: &own, Append: e.Append, LastChunk: e.LastChunk,
	})
}

// emit emits an event, unless there were too many. An event that the log refuses is left out: the
// reply has it, too.
func (p *progress) emit(ctx context.Context, event a2a.Event) {
	data, err := tasklog.Encode(event)
	size := len(data)
	if err != nil || p.count >= maxProgress || p.bytes+size > maxProgressBytes {
		return
	}
	p.count, p.bytes = p.count+1, p.bytes+size
	if err := Yield(ctx, event); err != nil {
		p.warn(ctx, "an event of the other agent is not passed on", err)
	}
}
