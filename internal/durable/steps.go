package durable

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/tasklog"
)

// StepState says how a step stands.
type StepState string

// The states of steps.
const (
	StepRunning     StepState = "running"
	StepWaiting     StepState = "waiting" // for a time, for somebody, or for its next attempt
	StepDone        StepState = "done"
	StepFailed      StepState = "failed"
	StepInterrupted StepState = "interrupted" // it may have done what it does
	StepCanceled    StepState = "canceled"
	StepParked      StepState = "parked" // the code has changed at it
)

// StepInfo is what the journal says of a durable call, for people. It has no result.
type StepInfo struct {
	Name string
	// Type is "" if only the log knows of the call.
	Type  Type
	State StepState
	// Attempts is the number of the last attempt, as far as the journal has it.
	Attempts int
	// Begun and Ended are zero if they are unknown. Due is when the wait ends at the latest.
	Begun, Ended, Due time.Time
	// Took is how long the last attempt took.
	Took time.Duration
	// Bytes is the size of the result, as JSON.
	Bytes int
	// Error is the recorded error, of the call or of its last attempt.
	Error *Recorded
	// By is the operator who has given the outcome or taken it back, "" if none has.
	By string
	// Place is the place of the last entry, 0 if there is none.
	Place int64

	branch string
	waited bool // for a callback, and the journal has how that ended
	final  bool // it has an outcome
	once   bool
	live   bool // it is in the journal only as it was
}

// Operation is what an operator did.
type Operation struct {
	Time     time.Time
	By, What string
	// Step is the full name of the call that it was about, or "".
	Step string
	// Replaces is the place of the entry that it replaced, or 0.
	Replaces int64
}

// Steps is what entries of a journal say, from one place on.
type Steps struct {
	// Operations are what operators did, in order.
	Operations []Operation
	// Parked is the last entry if the task is parked. Its Due is when it is tried again.
	Parked *Entry
	// Unreadable is how many entries cannot be read by this version of the code.
	Unreadable int
	// Last is the place of the last entry, 0 if there is none.
	Last int64

	steps map[string]*StepInfo
	order []*StepInfo
	seq   int64 // of the last event that was in the log for sure
}

// Add adds the next entry of the journal.
func (s *Steps) Add(entry tasklog.Step) {
	s.Last = entry.Place
	x, err := Decode(entry.JSON)
	if err != nil {
		s.Unreadable++
		return
	}
	s.seq = max(s.seq, x.Seq)
	if x.By != "" {
		s.Operations = append(s.Operations, operation(x))
	}
	switch x.Kind {
	case Operated:
		return
	case Parked:
		s.Parked = &x
		return
	}
	s.Parked = nil
	i, waited := s.infoOf(&x)
	i.add(&x, waited)
	i.Place = entry.Place
}

func operation(x Entry) Operation {
	o := Operation{Time: time.UnixMilli(x.Time), By: x.By, What: "answer", Step: x.Name, Replaces: x.Replaces}
	switch x.Kind {
	case Operated:
		_ = json.Unmarshal(x.Memo, &o.What)
	case Again:
		o.What = "retry"
	}
	return o
}

// infoOf returns the call that an entry is of. Waiting for a callback is no call of its own.
func (s *Steps) infoOf(x *Entry) (i *StepInfo, waited bool) {
	name := x.Name
	if parent, ok := strings.CutSuffix(x.Name, "/"+waitName); ok && x.Type == TypeCallback {
		opener := s.steps[parent]
		var opened openedCallback
		if waited = opener != nil && opener.Type == TypeCallback; opener == nil { // it may be in entries before these
			waited = x.Kind != Done || !decodeInto(*x, &opened)
		}
		if waited {
			name = parent
		}
	}
	if i = s.steps[name]; i == nil {
		i = s.new(name, x.Type)
		i.branch = x.Branch
		i.Begun = time.UnixMilli(x.Time - x.Took)
	}
	return i, waited
}

func (s *Steps) new(name string, typ Type) *StepInfo {
	i := &StepInfo{Name: name, Type: typ}
	if s.steps == nil {
		s.steps = map[string]*StepInfo{}
	}
	s.steps[name] = i
	s.order = append(s.order, i)
	return i
}

// add adds an entry of the call. Waited says that the entry is of the wait for a callback.
func (i *StepInfo) add(x *Entry, waited bool) {
	at := time.UnixMilli(x.Time)
	i.waited = waited
	i.Attempts, i.Took = max(i.Attempts, x.Attempt), time.Duration(x.Took)*time.Millisecond
	i.Error, i.Due, i.By, i.once = nil, x.due(), x.By, x.Type == TypeOnce
	i.final = x.Kind == Done || x.Kind == Failed || x.Kind == Canceled
	if i.final {
		i.Ended, i.Due = at, time.Time{}
	}
	switch x.Kind {
	case Done:
		i.State, i.Bytes = StepDone, len(x.Result)
		var opened openedCallback
		if x.Type == TypeCallback && !waited && decodeInto(*x, &opened) {
			i.State, i.final, i.Ended, i.Bytes, i.Due = StepWaiting, false, time.Time{}, 0, time.UnixMilli(opened.Due)
		}
	case Failed:
		i.State, i.Error = StepFailed, x.Error
		if x.Error.Cause == CauseInterrupted {
			i.State = StepInterrupted
		}
	case Canceled:
		i.State = StepCanceled
	case Tried:
		i.State, i.Error = StepWaiting, x.Error
	case Waits, Noted:
		i.State = StepWaiting
	case Began:
		i.State = StepRunning
		if x.Type == TypeCall {
			i.State = StepWaiting
		}
	case Again:
		i.State, i.Ended, i.Bytes = StepWaiting, time.Time{}, 0
	case Cut:
		i.State = StepWaiting
	}
}

// Now is what is known of a task beside its journal.
type Now struct {
	State a2a.TaskState
	// Held says that a run is under way.
	Held bool
	// Last is the last event of the log, with its owner, or nil.
	Last *tasklog.Event
}

// NeedsLast reports whether the last event says something about the steps.
func (n Now) NeedsLast() bool { return n.Held || n.State == a2a.TaskStateInputRequired }

// At returns the steps that have entries after a place, in the order of their first entries. They
// are as they stand now if the entries that were added go to the end of the journal: then there is
// also the step that is known by the last event of the log, and the one at which the task is parked.
func (s *Steps) At(now Now, after int64) (infos []StepInfo) {
	s.live(now)
	for _, i := range s.order {
		if i.Place > after || i.live {
			info := *i
			info.stands(now)
			infos = append(infos, info)
		}
	}
	return infos
}

// live adds what is not in the journal.
func (s *Steps) live(now Now) {
	if now.State.Terminal() {
		return
	}
	if now.Last != nil && now.NeedsLast() {
		_, step, attempt, _ := ParseOwner(now.Last.Owner)
		i := s.steps[step]
		if step != "" && (i != nil && !i.final || i == nil && now.Last.Seq > s.seq) {
			if i == nil {
				i = s.new(step, "")
			}
			i.live = true
			if now.State == a2a.TaskStateInputRequired {
				i.Type, i.State = TypeAsk, StepWaiting
			} else {
				i.State, i.Attempts = StepRunning, max(i.Attempts, attempt)
			}
		}
	}
	if s.Parked != nil {
		name := s.Parked.Mismatch.Step
		i := s.steps[name]
		if i == nil {
			i = s.new(name, "")
		}
		i.State, i.Due, i.final, i.live = StepParked, s.Parked.due(), true, true
	}
}

// stands corrects the state of a call that has no outcome.
func (i *StepInfo) stands(now Now) {
	switch {
	case i.final:
	case now.State.Terminal() && i.State == StepRunning:
		i.State, i.Due = StepInterrupted, time.Time{}
	case now.State.Terminal():
		i.State, i.Due = StepCanceled, time.Time{}
	case i.State == StepRunning && !now.Held && i.once:
		i.State = StepInterrupted
	case i.State == StepRunning && !now.Held:
		i.State = StepWaiting
	}
}

// Find returns a step as the journal has it. Next is the name of the next call that its branch, or
// one around or inside of it, has begun after it, or "".
func (s *Steps) Find(name string) (info StepInfo, next string, ok bool) {
	i := s.steps[name]
	if i == nil || i.Place == 0 {
		return StepInfo{}, "", false
	}
	for _, later := range s.order[slices.Index(s.order, i)+1:] {
		if later.Place > 0 && (within(later.branch, i.branch) || within(i.branch, later.branch)) {
			return *i, later.Name, true
		}
	}
	return *i, "", true
}

// within reports whether a branch is another one, or inside of it.
func within(branch, outer string) bool {
	return outer == "" || branch == outer || strings.HasPrefix(branch, outer+"/")
}

// AsksNow reports whether the step asks the user, and the last event of the log is its question.
func AsksNow(now Now, step string) bool {
	if now.State != a2a.TaskStateInputRequired || now.Last == nil {
		return false
	}
	_, asking, _, _ := ParseOwner(now.Last.Owner)
	return asking == step
}

// Delivers reports whether the step is a callback that has been waited for.
func (i StepInfo) Delivers() bool { return i.waited }

// Entry returns an operator's entry about the step: an Again, or a Done with a result.
func (i StepInfo) Entry(k Kind, by string, result json.RawMessage) Entry {
	return Entry{
		Kind: k, Type: i.Type, Branch: i.branch, Name: i.Name, Time: time.Now().UnixMilli(), Attempt: i.Attempts,
		Result: result, Loose: result != nil, By: by, Replaces: i.Place,
	}
}

// Encode returns the entry as JSON, or an error if it is not one that can be in a journal.
func (e Entry) Encode() ([]byte, error) {
	data, err := e.encode()
	if err != nil {
		return nil, err
	}
	_, err = Decode(data)
	return data, err
}
