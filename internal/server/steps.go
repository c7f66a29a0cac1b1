package server

import (
	"cmp"
	"context"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/durable"
	"a2alambda/internal/tasklog"
)

const (
	// defaultSteps and maxSteps are numbers of journal entries that a page of steps covers.
	defaultSteps = 200
	maxSteps     = 1000

	// stepsBefore is how many entries before a page are read as well: those that one write can have
	// put into the journal, of which only the first says how far the log was.
	stepsBefore = 64
)

// ListStepsRequest asks for the steps of a task.
type ListStepsRequest struct {
	Tenant string
	ID     a2a.TaskID
	// After is the place of an entry in the task's journal: only steps that have later ones are
	// wanted. Limit is how many entries the page covers at most, 0 for 200; 1,000 is the most.
	After, Limit int
}

// StepsPage is a page of a task's steps. It has no contents: neither results nor errors.
type StepsPage struct {
	TaskID a2a.TaskID `json:"taskId"`
	// Steps are in the order in which they began. A step that has entries in two pages is in both:
	// what the later page says is newer.
	Steps []Step `json:"steps"`
	// Next is the place of the last entry that the page covers: what the next page begins after. If
	// there is no more, it is what a later request begins after, to learn what is new.
	Next int64 `json:"next"`
	More bool  `json:"more"`
}

// Step is a step, or another durable call of a task.
type Step struct {
	Name string `json:"name"`
	// Type is do, once, sleep, ask, callback, call or version. It is missing for a step that the
	// journal does not have yet.
	Type durable.Type `json:"type,omitempty"`
	// State is running, waiting, done, failed, interrupted, canceled or parked.
	State    durable.StepState `json:"state"`
	Attempts int               `json:"attempts,omitempty"`
	// StartTime, EndTime and WaitsUntil are timestamps as in the protocol.
	StartTime  string `json:"startTime,omitempty"`
	EndTime    string `json:"endTime,omitempty"`
	WaitsUntil string `json:"waitsUntil,omitempty"`
	// DurationMs is how long the last attempt took, and Bytes the size of the result as JSON.
	DurationMs int64 `json:"durationMs,omitempty"`
	Bytes      int   `json:"bytes,omitempty"`
	// ByOperator says that an operator has given the outcome, or taken it back.
	ByOperator bool `json:"byOperator,omitempty"`
}

// ListSteps returns steps of a task, from its journal. The protocol does not have it. A task whose
// agent keeps no journal has none. A page may be some seconds old.
func (s *Server) ListSteps(ctx context.Context, c Caller, req *ListStepsRequest) (*StepsPage, error) {
	switch {
	case req.After < 0:
		return nil, Invalid("after", "is negative")
	case req.Limit < 0 || req.Limit > maxSteps:
		return nil, Invalid("limit", "is not between 1 and %d", maxSteps)
	}
	snapshot, err := s.peek(ctx, c.scope(req.Tenant), req.ID, state)
	if err != nil {
		return nil, err
	}
	s.recover(ctx, snapshot)
	after := int64(req.After)
	var steps durable.Steps
	more, err := s.readSteps(tasklog.GiveUpSoon(ctx), req.ID, &steps, after, int64(cmp.Or(req.Limit, defaultSteps)))
	if err != nil {
		return nil, err
	}
	now := durable.Now{State: snapshot.Task.Status.State, Held: snapshot.Busy()}
	if more {
		steps.Parked = nil
	} else if now.NeedsLast() && (snapshot.Lease.Records || steps.Last > 0) {
		last, _, err := s.Store.Read(ctx, req.ID, snapshot.Seq-1, 1)
		if err != nil {
			return nil, err
		}
		if len(last) > 0 {
			now.Last = &last[0]
		}
	}
	page := &StepsPage{TaskID: req.ID, Steps: []Step{}, Next: max(after, steps.Last), More: more}
	for _, i := range steps.At(now, after) {
		page.Steps = append(page.Steps, Step{
			Name: i.Name, Type: i.Type, State: i.State, Attempts: i.Attempts,
			StartTime: timestamp(i.Begun), EndTime: timestamp(i.Ended), WaitsUntil: timestamp(i.Due),
			DurationMs: i.Took.Milliseconds(), Bytes: i.Bytes, ByOperator: i.By != "",
		})
	}
	return page, nil
}

// readSteps reads up to limit entries after a place, and some before it. It reads no more once it
// has [tasklog.ReadBytes] of them.
func (s *Server) readSteps(ctx context.Context, id a2a.TaskID, steps *durable.Steps, after, limit int64) (more bool, err error) {
	for at := max(0, after-stepsBefore); ; {
		some, more, err := s.Store.Steps(ctx, id, at, true)
		if err != nil {
			return false, err
		}
		for _, entry := range some {
			if entry.Place > after+limit {
				return true, nil
			}
			steps.Add(entry)
			at = entry.Place
		}
		if !more || at > after || len(some) == 0 {
			return more, nil
		}
	}
}

// timestamp is a time in an answer: specification 1.0, 5.6.1.
func timestamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}
