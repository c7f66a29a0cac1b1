package server

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"a2alambda/internal/run"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/trace"
)

// Config is what a server needs. All fields except JoinWindow and Push are required.
type Config struct {
	Store  tasklog.Store
	Runner *run.Runner
	// Retention is how long a task is kept after it was created.
	Retention time.Duration
	// JoinWindow is how long after the end of a task a message of one of its turns, sent again,
	// still counts as a retry. After that it begins a new task, or is refused: some clients always
	// send the same id. A negative value means that no message after the end is a retry. 0 means
	// [DefaultJoinWindow].
	JoinWindow time.Duration
	// Card is the agent's card without interfaces: it says what the agent takes and gives.
	Card *a2a.AgentCard
	// Push is nil where there are no push notifications.
	Push *Push
}

// Server serves the tasks in a store.
type Server struct {
	Config
	beginnings gathering[beginning, *begins]
	lane       lane // for beginnings
}

// New returns a server. It panics if something is missing.
func New(c Config) *Server {
	if c.Store == nil || c.Runner == nil || c.Retention <= 0 || c.Card == nil {
		panic("server: a server needs a store, a runner, a retention and a card")
	}
	return &Server{Config: c, lane: newLane()}
}

// Caller is the sender of a request.
type Caller struct {
	// Owner is the caller's stable and unique name, or "" where callers have no names. It owns the
	// tasks that the caller begins.
	Owner string
	// Version is the protocol version that the caller speaks: "1.0" or "0.3".
	Version string
	// Params are the headers of the request, for the executor.
	Params *a2asrv.ServiceParams
	// Extensions are the URIs of the extensions that are active in the request (specification 4.6).
	Extensions []string
	// Trace is the trace of the request. It is kept with the turn that the request begins.
	Trace trace.Trace
	// Seen is for streams: the number of the last event of the task that the client has seen, or 0
	// if it has seen none. It is nil if the client doesn't say.
	Seen *int64
}

func (c Caller) scope(tenant string) tasklog.Scope {
	return tasklog.Scope{Owner: c.Owner, Tenant: tenant}
}

// user is what an executor learns about the caller.
func (c Caller) user() *a2asrv.User { return run.User(c.Owner) }

// SendMessage implements specification 3.1.1. It answers with the task when its turn has ended, or
// at once if the client asks for that.
func (s *Server) SendMessage(ctx context.Context, c Caller, req *a2a.SendMessageRequest) (*a2a.Task, error) {
	immediately := req.Config != nil && req.Config.ReturnImmediately
	begun, joined, err := s.accept(ctx, c, req, immediately)
	if err != nil {
		return nil, err
	}
	var length *int
	if req.Config != nil {
		length = req.Config.HistoryLength
	}
	var task *a2a.Task
	switch {
	case joined != nil && (immediately || settled(joined)):
		task = joined.Task
	case joined != nil:
		task, err = s.await(ctx, joined, length)
	case immediately:
		begun.turn.Lease.Close(ctx)
		id := begun.turn.Head.ID
		if err := s.Runner.Invoke(ctx, id); err != nil { // then the sweeper asks
			s.Runner.Logger.ErrorContext(ctx, "invoking worker", "task", id, "error", err)
		}
		task, err = begun.turn.Fold.Task()
	default:
		task, err = s.run(ctx, begun.turn, length)
	}
	if err != nil {
		return nil, err
	}
	return answered(task, length)
}

// run runs a turn, and returns the task at its end, here or elsewhere, with that much history at
// least.
func (s *Server) run(ctx context.Context, turn run.Turn, historyLength *int) (*a2a.Task, error) {
	r := s.Runner.Start(ctx, turn, run.Outcome)
	err := r.Wait()
	if err == nil {
		return r.Task()
	}
	if !run.Superseded(err) {
		return nil, err
	}
	return s.await(ctx, s.elsewhere(ctx, turn.Head.ID), historyLength)
}

// elsewhere returns the state of a task whose run here was superseded. If the store does not
// answer, that is a task without events, and a follower reads it from the beginning once the store
// does.
func (s *Server) elsewhere(ctx context.Context, id a2a.TaskID) *tasklog.Snapshot {
	snapshot, err := s.Store.Peek(ctx, id, tasklog.Want{Lease: true})
	if err != nil {
		return &tasklog.Snapshot{Head: tasklog.Head{ID: id}, Task: new(a2a.Task)}
	}
	return snapshot
}

// SendStreamingMessage implements specification 3.1.2. If the message was sent before, the stream
// goes on after the event that the client has seen (see [Caller]). Without such an event, it shows
// the whole turn. The caller must close the stream.
func (s *Server) SendStreamingMessage(ctx context.Context, c Caller, req *a2a.SendMessageRequest) (*Stream, error) {
	begun, joined, err := s.accept(ctx, c, req, false)
	if err != nil {
		return nil, err
	}
	var length *int
	if req.Config != nil {
		length = req.Config.HistoryLength
	}
	if joined != nil {
		return s.join(ctx, joined, req.Message, length, c.Seen)
	}
	first, err := begun.frame(length)
	if err != nil {
		return nil, err
	}
	return s.watch(ctx, begun.turn, first), nil
}

// GetTask implements specification 3.1.3.
func (s *Server) GetTask(ctx context.Context, c Caller, req *a2a.GetTaskRequest) (*a2a.Task, error) {
	if err := checkHistoryLength("historyLength", req.HistoryLength); err != nil {
		return nil, err
	}
	snapshot, err := s.peek(ctx, c.scope(req.Tenant), req.ID, shownOf(req.HistoryLength))
	if err != nil {
		return nil, err
	}
	s.recover(ctx, snapshot)
	return answered(snapshot.Task, req.HistoryLength)
}

// maxAnswerBytes is how much JSON a task in an answer may have: encoding takes a multiple of it.
const maxAnswerBytes = 32 << 20

// answered returns the task with the part of its history that belongs into the answer.
func answered(t *a2a.Task, historyLength *int) (*a2a.Task, error) {
	trimHistory(t, historyLength)
	if tasklog.SizeOf(t).Bytes > maxAnswerBytes {
		return nil, a2a.NewError(a2a.ErrUnsupportedOperation, fmt.Sprintf("the task %s has more than the %d MB that an answer may have: "+
			"ask for less with historyLength, or for a stream of its events with SubscribeToTask and Last-Event-ID: 1", t.ID, maxAnswerBytes>>20))
	}
	tasklog.JoinTexts(t)
	return t, nil
}

// shownOf is what is shown of a task: all of it, but for the history, if a length is given.
func shownOf(historyLength *int) tasklog.Want {
	w := tasklog.Want{Status: true, Artifacts: true, History: tasklog.AllHistory}
	if historyLength != nil {
		w.History = *historyLength
	}
	return w
}

// state is what is needed of a task to decide what to do with it.
var state = tasklog.Want{Lease: true}

// peek is Peek of [tasklog.Log] for tasks of the scope, else it returns [a2a.ErrTaskNotFound].
func (s *Server) peek(ctx context.Context, scope tasklog.Scope, id a2a.TaskID, w tasklog.Want) (*tasklog.Snapshot, error) {
	return s.loaded(ctx, scope, id, func() (*tasklog.Snapshot, error) {
		return s.read(tasklog.GiveUpSoon(ctx), id, w)
	})
}

// read reads a task, or what is wanted of it.
func (s *Server) read(ctx context.Context, id a2a.TaskID, w tasklog.Want) (*tasklog.Snapshot, error) {
	if w.Artifacts && w.History == tasklog.AllHistory {
		return s.Store.Load(ctx, id)
	}
	return s.Store.Peek(ctx, id, w)
}

// load returns a task of the scope, or [a2a.ErrTaskNotFound].
func (s *Server) load(ctx context.Context, scope tasklog.Scope, id a2a.TaskID) (*tasklog.Snapshot, error) {
	return s.loaded(ctx, scope, id, func() (*tasklog.Snapshot, error) { return s.Store.Load(tasklog.GiveUpSoon(ctx), id) })
}

// loaded returns the result of load for a task of the scope, else [a2a.ErrTaskNotFound].
func (s *Server) loaded(
	ctx context.Context, scope tasklog.Scope, id a2a.TaskID, load func() (*tasklog.Snapshot, error),
) (*tasklog.Snapshot, error) {
	if id == "" {
		return nil, Invalid("id", "is required")
	}
	// An id shows its owner. A foreign id costs as little as an unknown one: the error is the same.
	k, err := s.keyed(ctx)
	if err != nil {
		return nil, err
	}
	if len(scope.Tenant) > maxID || !k.mayOwn(scope, id) {
		return nil, a2a.ErrTaskNotFound
	}
	snapshot, err := load()
	if errors.Is(err, tasklog.ErrNotFound) || err == nil && snapshot.Head.Scope != scope {
		return nil, a2a.ErrTaskNotFound
	}
	return snapshot, err
}

// recover asks for a worker if the task is orphaned. An error is only logged: the reader need not
// wait for the worker.
func (s *Server) recover(ctx context.Context, snapshot *tasklog.Snapshot) {
	s.seeTo(ctx, snapshot, s.Runner.Recover)
}

// seeTo logs the error of how the runner sees to a task.
func (s *Server) seeTo(ctx context.Context, snapshot *tasklog.Snapshot, how func(context.Context, *tasklog.Snapshot) error) {
	if err := how(ctx, snapshot); err != nil {
		s.Runner.Logger.ErrorContext(ctx, "recovering task", "task", snapshot.Head.ID, "error", err)
	}
}

// await returns the task when it has reached a final state or is suspended. It returns the task as
// it is shortly before the deadline of ctx, when newer ones follow it, or before the process ends:
// specification 3.2.2 wants the final state, and nobody can wait for it without an end.
//
// The snapshot need only have the state and the lease: the task is read again, with that much
// history at least.
func (s *Server) await(ctx context.Context, snapshot *tasklog.Snapshot, historyLength *int) (*a2a.Task, error) {
	reading, cancel := tasklog.Lasting(ctx)
	defer cancel()
	ctx, cancel = within(ctx)
	defer cancel()
	if !settled(snapshot) {
		asleep := (*tasklog.SuspendedError)(nil)
		_, err := s.follow(ctx, snapshot, tasklog.FollowConfig{UntilFinal: true, UntilSuspended: true})
		if err != nil && !errors.As(err, &asleep) && !sentAway(err) {
			return nil, err
		}
	}
	now, err := s.read(reading, snapshot.Head.ID, shownOf(historyLength))
	if errors.Is(err, tasklog.ErrNotFound) {
		return nil, a2a.ErrTaskNotFound
	}
	if err != nil {
		return nil, err
	}
	return now.Task, nil
}

// settled reports whether nobody needs to wait for the task.
func settled(s *tasklog.Snapshot) bool { return tasklog.Final(s.Task.Status.State) || s.Lease.Sleeps() }

// follow follows the task from the snapshot on. If nobody holds the task, it sees to that.
func (s *Server) follow(
	ctx context.Context, snapshot *tasklog.Snapshot, c tasklog.FollowConfig,
) (a2a.TaskState, error) {
	if snapshot.Lease.Epoch > 0 && !snapshot.Lease.Held() { // followers see to a holder themselves
		s.seeTo(ctx, snapshot, s.Runner.GoOn)
	}
	c.ID, c.After, c.State = snapshot.Head.ID, snapshot.Seq, snapshot.Task.Status.State
	c.Lease = snapshot.Lease
	return s.Runner.Followers.Follow(ctx, c)
}

// sentAway reports whether following has ended though the task goes on: elsewhere, others can follow
// it.
func sentAway(err error) bool {
	return errors.Is(err, tasklog.ErrMadeRoom) || errors.Is(err, tasklog.ErrEnding)
}

// reserve is how long before the end of its invocation a request ends that only reads.
const reserve = 2 * time.Second

// within returns a context that ends shortly before the deadline of ctx.
func within(ctx context.Context) (context.Context, context.CancelFunc) {
	if deadline, ok := ctx.Deadline(); ok {
		return context.WithDeadline(ctx, deadline.Add(-reserve))
	}
	return context.WithCancel(ctx)
}

func trimHistory(t *a2a.Task, length *int) {
	if length != nil && *length < len(t.History) {
		t.History = t.History[len(t.History)-*length:]
	}
	if len(t.History) == 0 {
		t.History = nil
	}
}
