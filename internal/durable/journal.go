package durable

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// past is what the journal and the log have of the runs before. engine.mu guards it.
type past struct {
	calls     map[string]*record // by full name
	unstarted map[string]int     // how many calls a branch has that has not been started, by path

	parked     []time.Time // when the task was parked, since something else was recorded
	canceled   bool        // some call has returned ErrCanceled
	undoneWhen time.Time   // when the time to undo is over
}

// record is what the journal has of a call.
type record struct {
	typ     Type
	branch  string
	at      Position
	entries []Entry
	reached bool // by this run
}

// branch is a branch of the function. engine.mu guards it.
type branch struct {
	path      string
	parent    *branch // nil for the root
	order     int     // in the order of Go
	busy      *call   // the durable call under way
	group     *Group  // that it is in, nil for the root
	waitsFor  *Group  // in Group.Wait
	known     bool    // the journal has calls of it
	ended     bool
	beyond    bool // it has come to a call that the runs before have not finished
	unreached int  // calls in the journal that this run has not come to

}

// load reads the journal, and the log after it.
func (e *engine) load(ctx context.Context) error {
	e.past.calls, e.past.unstarted = map[string]*record{}, map[string]int{}
	e.emit.load()
	seq := int64(1) // event 1 is the task
	for i, step := range e.Journal {
		e.size += len(step.JSON)
		x, err := Decode(step.JSON)
		if err == nil && step.Place != int64(i)+1 {
			err = fmt.Errorf("place %d follows place %d", step.Place, i)
		}
		if err != nil {
			return &Mismatch{Step: fmt.Sprintf("entry %d", step.Place), Expected: "an entry", Got: err.Error(), Code: e.Code}
		}
		seq = max(seq, x.Seq)
		e.emit.recorded(&x)
		if x.Kind == Parked {
			e.past.parked = append(e.past.parked, time.UnixMilli(x.Time))
			continue
		}
		if x.Kind == Operated {
			continue
		}
		e.past.parked = nil
		r := e.past.calls[x.Name]
		if r == nil {
			r = &record{typ: x.Type, branch: x.Branch, at: x.At}
			e.past.calls[x.Name] = r
			e.past.unstarted[x.Branch]++
		}
		r.add(x)
		if x.Kind == Canceled {
			e.past.canceled, e.past.undoneWhen = true, x.due()
		}
	}
	e.next = int64(len(e.Journal)) + 1
	e.Journal = nil // what is needed of it is decoded
	e.emit.seq = e.Seq
	e.canceled, e.Cancel = e.past.canceled, e.Cancel || e.past.canceled
	if e.Seq <= seq {
		return nil
	}
	events, err := e.Events(ctx, seq)
	if err != nil {
		return err
	}
	return e.emit.tail(events)
}

// start starts a branch. e.mu is held, or nobody has e yet.
func (e *engine) start(path string, parent *branch, group *Group) *branch {
	b := &branch{
		path: path, parent: parent, group: group, order: e.order,
		known: e.knows(path), unreached: e.past.unstarted[path],
	}
	delete(e.past.unstarted, path)
	e.order++
	e.branches[path] = b
	e.cond.Broadcast()
	return b
}

// unreached returns how many calls of a branch are in the journal that this run has not come to:
// its own, and those of branches that it starts later. e.mu is held.
func (e *engine) unreached(b *branch) int {
	n := b.unreached
	for path, calls := range e.past.unstarted {
		if e.above(path) == b {
			n += calls
		}
	}
	return n
}

// above returns the innermost branch that has been started and that the path of a branch is in.
// e.mu is held.
func (e *engine) above(path string) *branch {
	for {
		i := strings.LastIndexByte(path, '/')
		if i < 0 {
			return e.root
		}
		path = path[:i]
		if b := e.branches[path]; b != nil {
			return b
		}
	}
}

// unreachedNames returns the names of some calls that the journal has and the run has not come to.
// e.mu is held.
func (e *engine) unreachedNames() (names []string) {
	for name, r := range e.past.calls {
		if !r.reached && len(names) < 10 {
			names = append(names, name)
		}
	}
	return names
}

// add adds an entry. What was before an error that is taken back counts no longer.
func (r *record) add(x Entry) {
	if f := r.final(); x.Kind == Again && f != nil && f.Kind == Failed {
		r.entries = nil
	}
	r.entries = append(r.entries, x)
}

// last returns the last entry of a kind, or nil.
func (r *record) last(k Kind) *Entry {
	for i := len(r.entries) - 1; i >= 0; i-- {
		if r.entries[i].Kind == k {
			return &r.entries[i]
		}
	}
	return nil
}

// final returns the entry with the outcome of the call, or nil.
func (r *record) final() (final *Entry) {
	for i := range r.entries {
		switch x := &r.entries[i]; x.Kind {
		case Done, Failed, Canceled:
			final = x
		}
	}
	return final
}
