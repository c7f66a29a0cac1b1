package server

import (
	"cmp"
	"context"
	"errors"
	"io"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/memory"
	"a2alambda/internal/run"
	"a2alambda/internal/tasklog"
)

// Stream is a walk along the log of a task, for one reader.
type Stream struct {
	// Task has the ids of the stream's task.
	Task a2a.TaskInfo
	// First is the task at the beginning of the stream, with the number of its last event. It has
	// no JSON if the client has seen everything: then the stream ends at once.
	First tasklog.Event

	tap    *tasklog.Tap // shows the events after it
	cancel context.CancelFunc
	done   chan struct{}
	err    error // why the stream has ended; set before done is closed
}

// newStream returns a stream of what walk shows the tap. It ends with walk, and with its error.
// Cancel ends walk early. Begin has a function called in another goroutine.
func newStream(
	task a2a.TaskInfo, first tasklog.Event, tap *tasklog.Tap, cancel context.CancelFunc,
	begin func(func()), walk func() error,
) *Stream {
	s := &Stream{Task: task, First: first, tap: tap, cancel: cancel, done: make(chan struct{})}
	begin(func() {
		defer close(s.done)
		defer tap.End()
		s.err = walk()
	})
	return s
}

// atOnce begins a walk.
func atOnce(walk func()) { go walk() }

// Next returns the events since the last call, one or more, like [tasklog.Tap.Next]: if ctx ends,
// nothing is lost, and Next can be called again. After the last event the error is [io.EOF] if the
// task or its turn has ended. If only the stream has ended, it is [ErrGoesOn], [ErrWaits],
// [tasklog.ErrMadeRoom], [tasklog.ErrEnding] or a [tasklog.SuspendedError]. Any other error means that the log could not
// be read, or written, to that point.
func (s *Stream) Next(ctx context.Context) ([]tasklog.Event, error) {
	events, err := s.tap.Next(ctx)
	if errors.Is(err, io.EOF) {
		if <-s.done; s.err != nil {
			err = s.err
		}
	}
	return events, err
}

// Close must be called when nobody reads the stream any more. It stops following the log, and waits
// for the end of a run. After Close, nothing of the stream is left.
func (s *Stream) Close() {
	s.cancel()
	<-s.done
}

var (
	// ErrGoesOn means that the stream has ended, and the task will have more events.
	ErrGoesOn = errors.New("the task goes on")

	// ErrWaits means that the stream has ended, and the task waits for a message.
	ErrWaits = errors.New("the task waits for a message")

	// ErrSeen means that the task has ended, and the client has seen its last event.
	ErrSeen error = a2a.NewError(a2a.ErrUnsupportedOperation, textNoMore)
)

const textNoMore = "the task has ended and has no more events"

// SubscribeToTask implements specification 3.1.6. If the client names the last event that it has
// seen, the stream goes on from there, even if the task has ended since. Its first frame is then
// the task as of that event. If the client has seen the last event of an ended task, the error is
// [ErrSeen]. The stream ends with ctx.
//
// Many may subscribe at once, when an instance ends or a page is opened by a crowd: the task is read
// once for them.
func (s *Server) SubscribeToTask(ctx context.Context, c Caller, req *a2a.SubscribeToTaskRequest) (*Stream, error) {
	key := beginning{scope: c.scope(req.Tenant), id: req.ID, seen: -1}
	if c.Seen != nil {
		key.seen = max(*c.Seen, 0)
	}
	b, err := s.beginnings.do(ctx, key, func() (*begins, error) {
		leave, err := s.lane.enter(ctx)
		if err != nil {
			return nil, err
		}
		defer leave()
		if c.Seen != nil {
			return s.resume(ctx, key)
		}
		return s.begins(ctx, key)
	})
	if err != nil {
		return nil, err
	}
	if err := memory.Charge(ctx, string(req.ID), int64(len(b.first.JSON))); err != nil {
		return nil, err
	}
	now := *b.now
	return s.streamAfter(ctx, &now, b.first, b.later, false), nil
}

// beginning says which stream a subscriber wants.
type beginning struct {
	scope tasklog.Scope
	id    a2a.TaskID
	seen  int64 // the last event that it has seen, -1 if it does not say
}

// begins is how a subscriber's stream begins.
type begins struct {
	now   *tasklog.Snapshot // without most of its task
	first tasklog.Event
	later []tasklog.Event // that were read already
}

func (s *Server) begins(ctx context.Context, of beginning) (*begins, error) {
	snapshot, err := s.loaded(ctx, of.scope, of.id, func() (*tasklog.Snapshot, error) {
		return s.Store.LoadIf(tasklog.GiveUpSoon(ctx), of.id, func(now *tasklog.Snapshot) bool {
			return now.Head.Scope == of.scope && !now.Task.Status.State.Terminal()
		})
	})
	if err != nil {
		return nil, err
	}
	if snapshot.Task.Status.State.Terminal() {
		return nil, a2a.NewError(a2a.ErrUnsupportedOperation, textNoMore)
	}
	return s.beginsWith(ctx, &tasklog.Past{Task: snapshot.Task, Now: snapshot}, snapshot.Seq)
}

// beginsWith returns the beginning of a stream whose first frame is a task as it was at an event. If it
// is the task as it is, and nobody runs it, this process may: see [run.Runner.TakeOver].
func (s *Server) beginsWith(ctx context.Context, past *tasklog.Past, seq int64) (*begins, error) {
	then, now := *past.Task, *past.Now
	first, err := frame(&then, seq, nil)
	if err != nil {
		return nil, err
	}
	now.Task = tasklog.Bare(now.Task)
	if past.Now.Task == past.Task {
		s.Runner.TakeOver(ctx, past.Now)
	}
	return &begins{&now, first, past.Later}, nil
}

// resume is begins for a client that names the last event that it has seen.
func (s *Server) resume(ctx context.Context, of beginning) (*begins, error) {
	last := max(of.seen, 1)
	var past *tasklog.Past
	var refused error
	_, err := s.loaded(ctx, of.scope, of.id, func() (_ *tasklog.Snapshot, err error) {
		past, err = s.Store.LoadAt(tasklog.GiveUpSoon(ctx), of.id, last, func(now *tasklog.Snapshot) bool {
			switch {
			case now.Head.Scope != of.scope:
				refused = a2a.ErrTaskNotFound
			case of.seen > now.Seq:
				refused = Invalid("Last-Event-ID", "is beyond the last event of the task")
			case of.seen == now.Seq && now.Task.Status.State.Terminal():
				refused = ErrSeen
			}
			return refused == nil
		})
		if err != nil {
			return nil, err
		}
		return past.Now, nil
	})
	if err = cmp.Or(err, refused); err != nil {
		return nil, err
	}
	return s.beginsWith(ctx, past, last)
}

// join streams the turn that the message has begun, from its beginning or after the event that the
// client has seen. A number that the log does not have comes from another task, whose stream the
// client had before. It is ignored.
func (s *Server) join(
	ctx context.Context, snapshot *tasklog.Snapshot, m *a2a.Message, historyLength *int, seen *int64,
) (*Stream, error) {
	switch {
	case seen != nil && *seen == snapshot.Seq && tasklog.Final(snapshot.Task.Status.State):
		return nothing(ctx, snapshot), nil
	case seen != nil && *seen < snapshot.Seq:
		return s.joinAfter(ctx, snapshot, *seen, historyLength)
	case m.TaskID == "" && (seen == nil || *seen > snapshot.Seq):
		return s.joinAfter(ctx, snapshot, 1, historyLength)
	}
	first, err := frame(snapshot.Task, snapshot.Seq, historyLength)
	if err != nil {
		return nil, err
	}
	return s.streamAfter(ctx, snapshot, first, nil, true), nil
}

// nothing returns the stream for a client that has seen all events.
func nothing(ctx context.Context, snapshot *tasklog.Snapshot) *Stream {
	tap := tasklog.NewTap(ctx, nil, snapshot.Head.ID, snapshot.Seq)
	first := tasklog.Event{Seq: snapshot.Seq}
	return newStream(snapshot.Task.TaskInfo(), first, tap, func() {}, atOnce, func() error { return nil })
}

// joinAfter streams the task as of event last, or as of its first event, and then the events to the
// end of its turn: see streamAfter. It does not begin with a final state that the task has left
// since: clients would take it for the end.
func (s *Server) joinAfter(
	ctx context.Context, snapshot *tasklog.Snapshot, last int64, historyLength *int,
) (*Stream, error) {
	last = max(last, 1)
	past, err := s.past(ctx, snapshot, last)
	if errors.Is(err, tasklog.ErrNotFound) {
		return nil, a2a.ErrTaskNotFound
	}
	if err == nil && tasklog.Final(past.Task.Status.State) && last < past.Now.Seq {
		last++
		past.Task, past.Later, err = s.next(ctx, past.Now.Head.ID, past.Task, last, 1)
	}
	if err != nil {
		return nil, err
	}
	first, err := frame(past.Task, last, historyLength)
	if err != nil {
		return nil, err
	}
	return s.streamAfter(ctx, past.Now, first, past.Later, true), nil
}

// past drops the snapshot's task, unless that is wanted, and returns the task as of an earlier
// event.
func (s *Server) past(ctx context.Context, snapshot *tasklog.Snapshot, seq int64) (past *tasklog.Past, err error) {
	past = &tasklog.Past{Task: snapshot.Task, Now: snapshot}
	if seq == snapshot.Seq {
		return past, nil
	}
	snapshot.Task = tasklog.Bare(snapshot.Task)
	if seq == 1 { // event 1 is the task
		past.Task, past.Later, err = s.next(ctx, snapshot.Head.ID, nil, 1, readAtOnce)
		return past, err
	}
	return s.Store.LoadAt(ctx, snapshot.Head.ID, seq, nil)
}

// readAtOnce is how many events are read from the beginning of a log at once.
const readAtOnce = 1000

// next reads some events from number seq on. It returns the task as of event seq, and the events
// after it. The parameter then is the task before event seq, nil if that is 1.
func (s *Server) next(
	ctx context.Context, id a2a.TaskID, then *a2a.Task, seq int64, limit int,
) (*a2a.Task, []tasklog.Event, error) {
	events, _, err := s.Store.Read(ctx, id, seq-1, limit)
	if err != nil {
		return nil, nil, err
	}
	if len(events) == 0 {
		return nil, nil, errors.New("the log is shorter than it was")
	}
	fold := tasklog.NewFold(then, seq-1)
	fold.Add(events[0])
	task, err := fold.Task()
	return task, events[1:], err
}

// streamAfter streams the events after the first frame. It ends with the task or, if untilFinal is
// set, with its turn. Later has the events after the first frame that were read already.
func (s *Server) streamAfter(
	ctx context.Context, snapshot *tasklog.Snapshot, first tasklog.Event, later []tasklog.Event, untilFinal bool,
) *Stream {
	tap := tasklog.NewTap(ctx, s.Store, snapshot.Head.ID, first.Seq)
	if n := snapshot.Seq - first.Seq; int64(len(later)) > n {
		later = later[:max(n, 0)] // a follower shows the events since the snapshot
	}
	tap.Publish(later)
	ctx, cancel := within(ctx)
	snapshot.Task = tasklog.Bare(snapshot.Task) // it is in the first frame
	return newStream(snapshot.Task.TaskInfo(), first, tap, cancel, atOnce, func() error {
		return s.show(ctx, snapshot, tap, untilFinal)
	})
}

// watch runs the turn and streams the events after the first frame, to the end of the turn. If the
// run is superseded, the stream follows the log.
func (s *Server) watch(ctx context.Context, turn run.Turn, first tasklog.Event) *Stream {
	info := turn.Context.TaskInfo()
	r := s.Runner.Start(ctx, turn, run.Reader)
	ctx, cancel := within(ctx)
	return newStream(info, first, r.Tap, cancel, r.Then, func() error {
		switch err := r.Wait(); {
		case run.Superseded(err):
			return s.goOn(ctx, info.TaskID, r.Tap)
		case r.Suspended():
			return s.goOn(ctx, info.TaskID, r.Tap) // for as long as with any suspended task
		case err == nil && !r.Over(), errors.Is(err, tasklog.ErrLate):
			return cmp.Or(s.Runner.Ending(), ErrGoesOn) // elsewhere, since this process or its invocation is about to end
		default:
			return err
		}
	})
}

// goOn shows the events that others append to a task, to the end of its turn.
func (s *Server) goOn(ctx context.Context, id a2a.TaskID, tap *tasklog.Tap) error {
	if ctx.Err() != nil {
		return ErrGoesOn
	}
	return s.show(ctx, s.elsewhere(ctx, id), tap, true)
}

// show shows a tap the events of the log to the end of the task or, with untilFinal, of its turn.
func (s *Server) show(ctx context.Context, snapshot *tasklog.Snapshot, tap *tasklog.Tap, untilFinal bool) error {
	tap.Reach(snapshot.Seq)
	state, err := s.follow(ctx, snapshot, tasklog.FollowConfig{Tap: tap, UntilFinal: untilFinal})
	switch {
	case err != nil || state.Terminal() || untilFinal && tasklog.Final(state):
		return err
	case tasklog.Final(state):
		return ErrWaits
	}
	return ErrGoesOn
}
