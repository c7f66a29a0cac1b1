package durable

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/tasklog"
)

// The owner of an event ([tasklog.Entry]) is the path of its branch and ":" if it was emitted outside
// of steps, and the full name of the step, "#", and the number of the attempt otherwise. Events that
// are not the agent's have none.

func ownerOfBranch(path string) string { return path + ":" }

func ownerOfStep(full string, attempt int) string { return full + "#" + strconv.Itoa(attempt) }

// ParseOwner returns the branch of an event that was emitted outside of steps, or the step and the
// attempt. It reports false if the event is not the agent's.
func ParseOwner(owner string) (branch, step string, attempt int, ok bool) {
	if path, found := strings.CutSuffix(owner, ":"); found {
		return path, "", 0, true
	}
	i := strings.LastIndexByte(owner, '#')
	if i < 1 {
		return "", "", 0, false
	}
	n, err := strconv.Atoi(owner[i+1:])
	return "", owner[:i], n, err == nil && n > 0
}

// shape is what is compared of an event.
type shape struct {
	kind, state, artifact string
	append                bool
}

func shapeOf(e a2a.Event) shape {
	switch e := e.(type) {
	case *a2a.TaskStatusUpdateEvent:
		return shape{kind: "status", state: string(e.Status.State)}
	case *a2a.TaskArtifactUpdateEvent:
		if e.Artifact != nil {
			return shape{kind: "artifact", artifact: string(e.Artifact.ID), append: e.Append}
		}
	}
	return shape{kind: fmt.Sprintf("%T", e)}
}

func (s shape) String() string {
	if s.kind == "status" {
		return "the state " + s.state
	}
	return fmt.Sprintf("a chunk of artifact %q (append %t)", s.artifact, s.append)
}

// logged reports whether an event of this shape is in the log as one of shape l. The log has no
// append for the first chunk of an artifact.
func (s shape) logged(l shape) bool {
	l.append = l.append || s.append
	return s == l
}

// plus returns the position after an event of the shape.
func (p Position) plus(s shape) Position {
	h := fnv.New64a()
	var before [8]byte
	binary.BigEndian.PutUint64(before[:], p.Hash)
	h.Write(before[:])
	fmt.Fprintf(h, "%s\x00%s\x00%s\x00%t", s.kind, s.state, s.artifact, s.append)
	return Position{p.Count + 1, h.Sum64()}
}

// emitter has the events of a run. mu is held while an event waits for room, so nobody locks it who
// holds engine.mu.
type emitter struct {
	over atomic.Pointer[error] // why nothing may be emitted any more

	mu       sync.Mutex
	seq      int64               // the last event that the engine knows in the log
	marks    int64               // the last that an entry has
	branches map[string]*outside // of the past, and of this run
	grown    map[string]Position // since the last mark
	owners   map[string]string   // of artifacts: the owner of the first event
	wrote    map[string]string   // those that no entry has
	chunks   map[string]*attempt // the attempt of this run that wrote last to an artifact
	attempts map[string]int      // the last attempt of a step that has events after the last entry
	// unseen is how many events of the tail this run has not come to. While there are some, no entry
	// says that the log was read beyond its marks: the next run must find them again.
	unseen int
}

// outside are the events of a branch outside of steps.
type outside struct {
	now    Position         // in this run
	logged int64            // how many the log had at the beginning of this run
	checks map[int64]uint64 // by number: the hash that an entry has
	tail   map[int64]shape  // by number: those after the last entry
}

func (m *emitter) load() {
	m.branches, m.grown = map[string]*outside{}, map[string]Position{}
	m.owners, m.wrote = map[string]string{}, map[string]string{}
	m.chunks, m.attempts = map[string]*attempt{}, map[string]int{}
}

func (m *emitter) branch(path string) *outside {
	o := m.branches[path]
	if o == nil {
		o = &outside{checks: map[int64]uint64{}, tail: map[int64]shape{}}
		m.branches[path] = o
	}
	return o
}

// recorded notes what an entry of the journal says.
func (m *emitter) recorded(x *Entry) {
	m.seq, m.marks = max(m.seq, x.Seq), max(m.marks, x.Seq)
	for path, p := range x.Grown {
		o := m.branch(path)
		o.logged, o.checks[p.Count] = max(o.logged, p.Count), p.Hash
	}
	for id, owner := range x.Wrote {
		m.owners[id] = owner
	}
}

// tail notes the events after the last entry.
func (m *emitter) tail(events []tasklog.Event) error {
	for _, logged := range events {
		m.seq = logged.Seq
		path, step, number, ours := ParseOwner(logged.Owner)
		if !ours {
			continue
		}
		event, err := tasklog.Decode(logged.JSON)
		if err != nil {
			return err
		}
		s := shapeOf(event)
		if step != "" {
			m.attempts[step] = max(m.attempts[step], number)
		} else {
			o := m.branch(path)
			o.logged++
			o.tail[o.logged] = s
			m.unseen++
		}
		if s.artifact != "" && (m.owners[s.artifact] == "" || !s.append) {
			m.owners[s.artifact], m.wrote[s.artifact] = logged.Owner, logged.Owner
		}
	}
	return nil
}

func (m *emitter) position(b *branch) Position {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.branch(b.path).now
}

// shut has nothing be emitted any more.
func (m *emitter) shut(err error) { m.over.CompareAndSwap(nil, &err) }

// closed returns why nothing may be emitted any more, or nil.
func (m *emitter) closed() error {
	if err := m.over.Load(); err != nil {
		return *err
	}
	return nil
}

// Yield emits an event, from any goroutine. It returns before the event is in the log. ctx says whose
// the event is. Inside of a step it is the attempt's: if the step is tried again, it is emitted
// again, and the first chunk of an artifact replaces what the attempt before wrote. Outside of steps
// it is emitted once, however often the function runs.
//
// Yield refuses a Task and a bare Message, and the states in which a task waits for somebody: see
// [Ask]. Only what is outside of steps can end the task, and an artifact that something else has
// written cannot be appended to inside of a step.
func Yield(ctx context.Context, event a2a.Event) error {
	f, err := frameOf(ctx)
	if err != nil {
		return err
	}
	if f.err != nil {
		return f.err
	}
	s, final, err := allowed(f, event)
	if err != nil {
		return err
	}
	if f.step != nil {
		return f.engine.emit.inStep(f, event, s)
	}
	f.engine.mu.Lock()
	b, undoing := f.branch, f.engine.canceled
	busy, over := b.busy, f.engine.over
	elsewhere := b.waitsFor != nil || b.ended
	f.engine.mu.Unlock()
	switch {
	case over != nil:
		return over
	case elsewhere:
		return errors.New("durable: an event is emitted in a branch that waits for others or has returned: the branches of a Group use the context that they get")
	case busy != nil: // how many come before its branch goes on would be another number in each run
		return fmt.Errorf("durable: an event is emitted outside of the step %q while it runs: inside of a step use the step's context", busy.full)
	}
	if final && undoing && s.state != string(a2a.TaskStateCanceled) {
		return fmt.Errorf("durable: the state %s is emitted: %w", s.state, ErrCanceled)
	}
	return f.engine.emit.outside(f, event, s, final)
}

// Flush returns once all that was emitted before is in the log.
func Flush(ctx context.Context) error {
	f, err := frameOf(ctx)
	if err != nil {
		return err
	}
	f.engine.mu.Lock()
	over := f.engine.over
	f.engine.mu.Unlock()
	if over != nil {
		return over
	}
	return f.engine.Host.Flush(ctx)
}

// allowed returns the shape of an event, and whether it ends the task, or why it may not be emitted.
func allowed(f *frame, event a2a.Event) (s shape, final bool, err error) {
	switch e := event.(type) {
	case *a2a.TaskStatusUpdateEvent:
		if e == nil {
			break
		}
		switch state := e.Status.State; {
		case state.Terminal() && f.step != nil:
			return s, false, fmt.Errorf("durable: the step %q emits the final state %s: only what is outside of steps can end the task", f.step.call.full, state)
		case !state.Terminal() && tasklog.Final(state):
			return s, false, fmt.Errorf("durable: a durable agent does not emit the state %s: see Ask", state)
		}
		return shapeOf(e), e.Status.State.Terminal(), nil
	case *a2a.TaskArtifactUpdateEvent:
		if e == nil || e.Artifact == nil {
			break
		}
		return shapeOf(e), false, nil
	case *a2a.Task, *a2a.Message:
		return s, false, fmt.Errorf("durable: a durable agent emits status and artifact updates, not a %T", event)
	}
	return s, false, errors.New("durable: the event is empty")
}

// inStep emits an event of a step.
func (m *emitter) inStep(f *frame, event a2a.Event, s shape) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := f.step
	switch {
	case m.closed() != nil:
		return m.closed()
	case a.over:
		return fmt.Errorf("durable: an event is emitted for an attempt of %q that has ended", a.call.full)
	}
	if s.artifact != "" {
		_, owner, _, _ := ParseOwner(m.owners[s.artifact])
		own := m.owners[s.artifact] == "" || owner == a.call.full
		chunk := *event.(*a2a.TaskArtifactUpdateEvent)
		switch {
		case !own && chunk.Append:
			return fmt.Errorf("durable: the step %q appends to the artifact %q, which it has not begun: if it is tried again, its first chunk replaces what is there", a.call.full, s.artifact)
		case m.chunks[s.artifact] != a:
			chunk.Append = false // what an earlier attempt wrote is replaced
			event = &chunk
		}
	}
	if err := m.put(f, event, s, ownerOfStep(a.call.full, a.number)); err != nil {
		return err
	}
	if s.artifact != "" {
		m.chunks[s.artifact] = a
	}
	return nil
}

// outside emits an event outside of steps, if it is not in the log.
func (m *emitter) outside(f *frame, event a2a.Event, s shape, final bool) error {
	differs, over := m.outsideLocked(f, event, s, final)
	e := f.engine
	switch {
	case over != nil:
		return over
	case differs != nil:
		e.mu.Lock()
		defer e.mu.Unlock()
		return e.mismatch(differs.Step, differs.Expected, differs.Got)
	case final:
		e.finish(Outcome{End: Ended})
	}
	return nil
}

func (m *emitter) outsideLocked(f *frame, event a2a.Event, s shape, final bool) (*Mismatch, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.closed(); err != nil {
		return nil, err
	}
	o := m.branch(f.branch.path)
	now := o.now.plus(s)
	if now.Count <= o.logged { // what Put refused the first time does not count this time, either
		if err := f.engine.Host.Check(event); err != nil {
			return nil, err
		}
	}
	where := fmt.Sprintf("event %d of branch %q", now.Count, f.branch.path)
	if was, ok := o.tail[now.Count]; ok && !s.logged(was) {
		return &Mismatch{Step: where, Expected: was.String(), Got: s.String()}, nil
	}
	if hash, ok := o.checks[now.Count]; ok && hash != now.Hash {
		return &Mismatch{Step: where, Expected: "other events", Got: s.String()}, nil
	}
	if now.Count > o.logged {
		if err := m.put(f, event, s, ownerOfBranch(f.branch.path)); err != nil {
			return nil, err
		}
	}
	o.now = now
	_, old := o.tail[now.Count]
	if old {
		m.unseen--
	}
	if old || now.Count > o.logged {
		m.grown[f.branch.path] = now
	}
	if final {
		m.shut(errEnded)
	}
	return nil, nil
}

// put puts an event into the log. m.mu is held, so the order is that of the calls.
func (m *emitter) put(f *frame, event a2a.Event, s shape, owner string) error {
	if err := f.engine.Host.Put(f.engine.ctx, event, owner); err != nil {
		return err
	}
	m.seq++
	if s.artifact != "" && (m.owners[s.artifact] == "" || !s.append && m.owners[s.artifact] != owner) {
		m.owners[s.artifact], m.wrote[s.artifact] = owner, owner // who replaces it has it
	}
	return nil
}

// put puts an event of the call into the log: one that is neither an attempt's nor compared, such as
// a question.
func (c *call) put(event a2a.Event) error {
	m := &c.engine.emit
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.closed(); err != nil {
		return err
	}
	return m.put(c.frame, event, shape{}, ownerOfStep(c.full, 1))
}
