// Package memlog keeps task logs in the memory of one process. A local run uses it, and it is the
// reference for the contract in package tasklog.
package memlog

import (
	"context"
	"crypto/rand"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/heavy"
	"a2alambda/internal/tasklog"
)

// Log is a [tasklog.Store] in memory. Its zero value is empty and ready to use.
type Log struct {
	mu     sync.Mutex
	tasks  map[a2a.TaskID]*task
	number int // of tasks that were created
	pushes map[pushKey]*delivery
	// accounts are what went out for the tasks. See [push.Store.Spend].
	accounts map[a2a.TaskID]*account
	places   [2]places // of the sweeps: of tasks, and of configurations
	round    time.Time // when the next sweep is due
	swept    time.Time // when expired tasks were last looked for
	secret   []byte    // nil before it is asked for
	// questions are the tasks of which something is asked of a holder, by the holder's process.
	questions map[string]map[a2a.TaskID]bool
}

type task struct {
	head        tasklog.Head
	number      int // the order in which tasks were created
	first, last tasklog.Request
	events      []tasklog.Event
	size        tasklog.Size
	ended       bool // the last event is terminal
	final       bool // the last state is final, and nobody has acquired the task since
	lease       tasklog.LeaseInfo
	claimant    string    // the writer that the lease was given to
	fence       int64     // the first epoch that can append
	seen        bool      // the holder knows that the task is to be canceled
	look        time.Time // when it is to be looked at, to the second

	sat   int64            // the number of the last seat
	seats map[string]int64 // the numbers of the seats, by instance

	// writers[n] is the writer of the append that began with event n.
	writers map[int64]string

	journal

	mu   sync.Mutex    // held while folding, not while appending
	fold *tasklog.Fold // over some of the first events
}

// lease is a [tasklog.Lease].
type lease struct {
	log    *Log
	id     a2a.TaskID
	writer string
	epoch  int64
	// records says that the claim did.
	records bool
}

// Create implements [tasklog.Log].
func (l *Log) Create(_ context.Context, h tasklog.Head, first tasklog.Entry, c tasklog.Claim) (tasklog.Lease, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sweep()
	held := lease{l, h.ID, c.Writer, 1, c.Records}
	if t := l.get(h.ID); t != nil {
		if t.writers[1] == c.Writer {
			return held, nil
		}
		return nil, tasklog.ErrExists
	}
	if l.tasks == nil {
		l.tasks = make(map[a2a.TaskID]*task)
	}
	h.Push = c.Push
	l.number++
	t := &task{
		head: h, number: l.number, first: c.Request, last: c.Request,
		events:  []tasklog.Event{{Seq: 1, JSON: first.JSON, Owner: first.Owner}},
		size:    first.Size(),
		writers: map[int64]string{1: c.Writer},
		fold:    tasklog.NewFold(nil, 0),
		lease:   tasklog.LeaseInfo{Epoch: 1, Seq: 1, Until: c.Until, Records: c.Records},
		look:    lookAt(c), claimant: c.Writer,
	}
	if !c.Until.IsZero() {
		t.lease.Holder = c.Writer
	}
	l.tasks[h.ID] = t
	return held, nil
}

// Acquire implements [tasklog.Log].
func (l *Log) Acquire(_ context.Context, s *tasklog.Snapshot, c tasklog.Claim) (tasklog.Lease, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.get(s.Head.ID)
	if t == nil {
		return nil, tasklog.ErrNotFound
	}
	next := s.Next(c)
	held := lease{l, s.Head.ID, c.Writer, next.Epoch, c.Records}
	seen := t.lease.Epoch == s.Lease.Epoch && t.lease.Holder == s.Lease.Holder && t.lease.Until.Equal(s.Lease.Until)
	switch {
	case !seen && t.lease.Epoch == next.Epoch && t.claimant == c.Writer:
		return held, nil
	case !seen, int64(len(t.events)) != s.Seq, c.Records && int64(len(t.steps)) != c.Place:
		return nil, tasklog.ErrConflict
	}
	since := t.lease.Cancel && !next.Cancel || t.lease.Woken > next.Woken // asked since s was read
	next.Cancel, next.Woken = t.lease.Cancel, t.lease.Woken
	if s.Fenced() {
		t.fence = next.Epoch
	}
	l.askHolder(t) // the one before, so that it learns of it
	t.lease, t.claimant, t.last, t.look = next, c.Writer, c.Request, lookAt(c)
	if since {
		l.askHolder(t)
	}
	t.seen, t.final = false, false
	t.head.Push = t.head.Push || c.Push
	return held, nil
}

// held returns the task if the lease is its last, and was not released. log.mu is held.
func (h lease) held() (*task, error) {
	t := h.log.get(h.id)
	switch {
	case t == nil:
		return nil, tasklog.ErrNotFound
	case t.lease.Epoch != h.epoch || t.lease.Released || t.lease.Deposed:
		return t, tasklog.ErrConflict
	}
	return t, nil
}

// Append implements [tasklog.Lease].
func (h lease) Append(_ context.Context, first int64, entries []tasklog.Entry) error {
	h.log.mu.Lock()
	defer h.log.mu.Unlock()
	t := h.log.get(h.id)
	if t == nil {
		return tasklog.ErrNotFound
	}
	next := int64(len(t.events)) + 1
	switch {
	case first < next && t.writers[first] == h.writer:
		return nil
	case first != next || t.ended || h.epoch < t.fence:
		return tasklog.ErrConflict
	}
	for i, e := range entries {
		t.events = append(t.events, tasklog.Event{Seq: next + int64(i), JSON: e.JSON, Owner: e.Owner})
		t.size = t.size.Plus(e.Size())
		if e.State != "" {
			t.ended, t.final = e.State.Terminal(), tasklog.Final(e.State)
		}
	}
	t.lease.Cancel = t.lease.Cancel && !(t.final && t.seen)
	t.writers[first] = h.writer
	return nil
}

// Renew implements [tasklog.Lease].
func (h lease) Renew(_ context.Context, until time.Time) (tasklog.Asked, error) {
	h.log.mu.Lock()
	defer h.log.mu.Unlock()
	t, err := h.held()
	if err != nil {
		return tasklog.Asked{}, err
	}
	t.lease.Until, t.lease.Doubted = until, false
	return t.ask(), nil
}

// ask returns what is asked of the holder, and notes that the holder knows it. log.mu is held.
func (t *task) ask() tasklog.Asked {
	t.seen = t.lease.Cancel
	return tasklog.Asked{Cancel: t.lease.Cancel, Woken: t.lease.Woken}
}

// SaveSnapshot implements [tasklog.Lease]. It does nothing: the log keeps the fold.
func (lease) SaveSnapshot(context.Context, int64, iter.Seq2[[]byte, error]) error { return nil }

// Release implements [tasklog.Lease].
func (h lease) Release(context.Context) error {
	h.log.mu.Lock()
	defer h.log.mu.Unlock()
	t := h.log.get(h.id)
	switch {
	case t == nil:
		return tasklog.ErrNotFound
	case t.lease.Epoch != h.epoch || t.lease.Deposed:
		return tasklog.ErrConflict
	case t.lease.Suspended:
		return nil
	}
	t.lease.Until, t.lease.Released, t.lease.Doubted, t.fence = time.Time{}, true, false, h.epoch+1
	return nil
}

// Close implements [tasklog.Lease].
func (lease) Close(context.Context) {}

// Doubt implements [tasklog.Log].
func (l *Log) Doubt(_ context.Context, id a2a.TaskID, seen tasklog.LeaseInfo) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.get(id)
	switch {
	case t == nil:
		return false, tasklog.ErrNotFound
	case !t.lease.Held() || !t.lease.Same(seen):
		return false, tasklog.ErrConflict
	}
	asked := !t.lease.Doubted
	t.lease.Doubted = true
	l.askHolder(t)
	return asked, nil
}

// Depose implements [tasklog.Log].
func (l *Log) Depose(_ context.Context, id a2a.TaskID, seen tasklog.LeaseInfo, last int64) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.get(id)
	shuts := last != tasklog.AnyPlace && seen.Records
	switch {
	case t == nil:
		return false, tasklog.ErrNotFound
	case t.lease.Epoch == seen.Epoch && t.lease.Deposed:
		return true, nil
	case !t.lease.Held() || !t.lease.Same(seen):
		return false, nil
	case shuts && int64(len(t.steps)) > last:
		return false, nil
	}
	t.lease.Until, t.lease.Deposed, t.lease.Doubted = time.Time{}, true, false
	if shuts {
		t.shut = t.lease.Epoch
	}
	return true, nil
}

// RequestCancel implements [tasklog.Log].
func (l *Log) RequestCancel(_ context.Context, h tasklog.Head) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t := l.get(h.ID); t != nil {
		t.lease.Cancel = true
		t.dueNow()
		l.askHolder(t)
	}
	return nil
}

// askHolder notes that something is asked of the holder of the task's lease. l.mu is held.
func (l *Log) askHolder(t *task) {
	process := tasklog.ProcessOf(t.lease.Holder)
	if process == "" || !t.lease.Held() {
		return
	}
	if l.questions == nil {
		l.questions = make(map[string]map[a2a.TaskID]bool)
	}
	if l.questions[process] == nil {
		l.questions[process] = make(map[a2a.TaskID]bool)
	}
	l.questions[process][t.head.ID] = true
}

// AskedOf implements [tasklog.Log].
func (l *Log) AskedOf(_ context.Context, process string) ([]a2a.TaskID, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	ids := slices.Collect(maps.Keys(l.questions[process]))
	delete(l.questions, process)
	return ids, nil
}

// pollEvents is the most events that a Poll returns.
const pollEvents = 1000

// Poll implements [tasklog.Log].
func (l *Log) Poll(_ context.Context, id a2a.TaskID, after int64, _ bool) (tasklog.Polled, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.get(id)
	if t == nil {
		return tasklog.Polled{}, tasklog.ErrNotFound
	}
	events, more := t.read(after, pollEvents)
	return tasklog.Polled{Events: events, More: more, Lease: t.lease}, nil
}

// Acquired implements [tasklog.Log].
func (l *Log) Acquired(_ context.Context, id a2a.TaskID, epoch int64) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.get(id)
	return t != nil && t.lease.Epoch > epoch, nil
}

// Read implements [tasklog.Log].
func (l *Log) Read(_ context.Context, id a2a.TaskID, after int64, limit int) ([]tasklog.Event, bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.get(id)
	if t == nil {
		return nil, false, tasklog.ErrNotFound
	}
	events, more := t.read(after, limit)
	return events, more, nil
}

// read returns events after number after, and whether there are more. log.mu is held.
func (t *task) read(after int64, limit int) (events []tasklog.Event, more bool) {
	rest := t.events[min(after, int64(len(t.events))):]
	n, size := 0, 0
	for n < min(limit, len(rest)) && size < tasklog.ReadBytes {
		size += len(rest[n].JSON)
		n++
	}
	return rest[:n:n], n < len(rest)
}

// Lease implements [tasklog.Log].
func (l *Log) Lease(_ context.Context, id a2a.TaskID) (tasklog.LeaseInfo, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.get(id)
	if t == nil {
		return tasklog.LeaseInfo{}, tasklog.ErrNotFound
	}
	return t.lease, nil
}

// Load implements [tasklog.Log].
func (l *Log) Load(_ context.Context, id a2a.TaskID) (*tasklog.Snapshot, error) {
	l.mu.Lock()
	t := l.get(id)
	l.mu.Unlock()
	if t == nil {
		return nil, tasklog.ErrNotFound
	}
	t.mu.Lock() // first: nobody else may have folded more than is copied here
	defer t.mu.Unlock()
	l.mu.Lock()
	events := t.events[:len(t.events):len(t.events)]
	s := &tasklog.Snapshot{Head: t.head, Size: t.size, First: t.first, Last: t.last, Lease: t.lease}
	l.mu.Unlock()
	defer heavy.Begin(s.Size.Bytes)()
	for int(t.fold.Seq()) < len(events) {
		t.fold.Add(events[t.fold.Seq()])
	}
	var err error
	if s.Task, err = t.fold.Task(); err != nil {
		return nil, err
	}
	s.Seq, s.Sent = t.fold.Seq(), tasklog.SentIn(s.Task)
	return s, nil
}

// Peek implements [tasklog.Log].
func (l *Log) Peek(ctx context.Context, id a2a.TaskID, w tasklog.Want) (*tasklog.Snapshot, error) {
	s, err := l.Load(ctx, id)
	if err == nil {
		w.Trim(s)
	}
	return s, err
}

// LoadIf implements [tasklog.Log].
func (l *Log) LoadIf(ctx context.Context, id a2a.TaskID, wanted func(*tasklog.Snapshot) bool) (*tasklog.Snapshot, error) {
	s, err := l.Load(ctx, id)
	if err != nil {
		return nil, err
	}
	peeked, task := *s, *s.Task
	peeked.Task = &task
	tasklog.Want{Lease: true}.Trim(&peeked)
	if !wanted(&peeked) {
		return &peeked, nil
	}
	return s, nil
}

// LoadAt implements [tasklog.Log].
func (l *Log) LoadAt(
	ctx context.Context, id a2a.TaskID, seq int64, wanted func(*tasklog.Snapshot) bool,
) (*tasklog.Past, error) {
	left := false
	now, err := l.LoadIf(ctx, id, func(s *tasklog.Snapshot) bool {
		left = wanted != nil && !wanted(s)
		return !left
	})
	if err != nil || left {
		return &tasklog.Past{Now: now}, err
	}
	if seq >= now.Seq {
		return &tasklog.Past{Task: now.Task, Now: now}, nil
	}
	l.mu.Lock()
	t := l.get(id)
	if t == nil {
		l.mu.Unlock()
		return nil, tasklog.ErrNotFound
	}
	events := t.events[:seq]
	later, _ := t.read(seq, int(now.Seq-seq))
	l.mu.Unlock()
	defer heavy.Begin(now.Size.Bytes)()
	fold := tasklog.NewFold(nil, 0)
	for _, e := range events {
		fold.Add(e)
	}
	then, err := fold.Task()
	if err != nil {
		return nil, err
	}
	now.Task, now.Origins = tasklog.Bare(now.Task), nil
	return &tasklog.Past{Task: then, Later: later, Now: now}, nil
}

// Secret implements [tasklog.Store]. The secret lives as long as the process, as the tasks do: in
// the next process, the same message gets another id.
func (l *Log) Secret(context.Context) ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.secret == nil {
		l.secret = make([]byte, tasklog.SecretBytes)
		_, _ = rand.Read(l.secret) // never fails: crypto/rand
	}
	return l.secret, nil
}

// get returns the task, or nil if there is none or it has expired. l.mu is held.
func (l *Log) get(id a2a.TaskID) *task {
	t := l.tasks[id]
	if t == nil || !time.Now().Before(t.head.Expires) {
		return nil
	}
	return t
}

// sweep forgets expired tasks, once a minute. l.mu is held.
func (l *Log) sweep() {
	now := time.Now()
	if now.Sub(l.swept) < time.Minute {
		return
	}
	l.swept = now
	for id, t := range l.tasks {
		if !now.Before(t.head.Expires) {
			delete(l.tasks, id)
		}
	}
	for k, d := range l.pushes {
		if !now.Before(d.Expires) {
			delete(l.pushes, k)
		}
	}
	for id, a := range l.accounts {
		if !now.Before(a.expires) {
			delete(l.accounts, id)
		}
	}
}
