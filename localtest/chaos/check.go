// Package chaos tests the whole system while its parts fail, and checks what clients saw.
package chaos

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/tasklog"
)

// Session is a stream of protocol version 1.0 that a client has read, perhaps not to its end.
type Session struct {
	Client string // a name for people
	After  int64  // Last-Event-ID, or 0 if the client sent none
	Frames []Frame
}

// Frame is an event of the log or, as the first of a session, the task as of that event.
type Frame struct {
	ID   int64
	JSON []byte // a StreamResponse, as in the log
}

// Check compares the log of a task that has ended with what clients saw. It returns nil if the log
// is whole and ends with the task, each session shows an unbroken piece of it, and each of the
// tasks (Task objects as JSON, from other calls) is the task as of one of the events.
func Check(log []tasklog.Event, sessions []Session, tasks [][]byte) error {
	errs := checkLog(log)
	shown := map[int64]bool{} // the numbers of the events as of which a session shows the task
	for _, s := range sessions {
		if len(s.Frames) > 0 {
			shown[s.Frames[0].ID] = true
		}
	}
	asOf, err := fold(log, func(n int64) bool { return shown[n] || len(tasks) > 0 })
	if err != nil {
		return errors.Join(append(errs, err)...)
	}
	for _, s := range sessions {
		for _, err := range checkSession(log, asOf, s) {
			errs = append(errs, fmt.Errorf("%s, after event %d: %w", s.Client, s.After, err))
		}
	}
	for _, task := range tasks {
		if !slices.Contains(asOf, canonical(fmt.Appendf(nil, `{"task":%s}`, task))) {
			errs = append(errs, fmt.Errorf("the task has never been %s", task))
		}
	}
	return errors.Join(errs...)
}

func checkLog(log []tasklog.Event) (errs []error) {
	for i, e := range log {
		if e.Seq != int64(i)+1 {
			errs = append(errs, fmt.Errorf("log: event %d where %d was due", e.Seq, i+1))
		}
		if last := i == len(log)-1; last != StateOf(e.JSON).Terminal() {
			errs = append(errs, fmt.Errorf("log: event %d of %d is %s", i+1, len(log), e.JSON))
		}
	}
	if len(log) == 0 {
		errs = append(errs, errors.New("log: no event"))
	}
	return errs
}

func checkSession(log []tasklog.Event, asOf []string, s Session) (errs []error) {
	complain := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if len(s.Frames) == 0 {
		return nil
	}
	first := s.Frames[0]
	switch {
	case s.After > 0 && first.ID != s.After:
		complain("begins with event %d", first.ID)
	case first.ID < 1 || first.ID > int64(len(log)):
		complain("phantom: begins with event %d of %d", first.ID, len(log))
	case canonical(first.JSON) != asOf[first.ID-1]:
		complain("divergent: begins with %s, the task as of event %d is %s", first.JSON, first.ID, asOf[first.ID-1])
	}

	seen := map[int64]bool{first.ID: true}
	next := first.ID + 1
	for _, f := range s.Frames[1:] {
		switch {
		case seen[f.ID]:
			complain("duplicate: event %d again, before %d", f.ID, next)
		case f.ID < next:
			complain("reorder: event %d after %d", f.ID, next-1)
		case f.ID > next:
			complain("gap: event %d where %d was due", f.ID, next)
		}
		seen[f.ID] = true
		next = max(next, f.ID+1)
		switch {
		case f.ID < 1 || f.ID > int64(len(log)):
			complain("phantom: event %d of %d, %s", f.ID, len(log), f.JSON)
		case !bytes.Equal(f.JSON, log[f.ID-1].JSON):
			complain("divergent: event %d is %s, in the log %s", f.ID, f.JSON, log[f.ID-1].JSON)
		}
	}
	return errs
}

// fold returns the task as of each event, as a canonical StreamResponse; "" for events that are not
// wanted, because each takes as long as the task has become.
func fold(log []tasklog.Event, wanted func(n int64) bool) (asOf []string, err error) {
	f := tasklog.NewFold(nil, 0)
	for i, e := range log {
		f.Add(tasklog.Event{Seq: int64(i) + 1, JSON: e.JSON})
		if !wanted(int64(i) + 1) {
			asOf = append(asOf, "")
			continue
		}
		task, err := f.Task()
		if err != nil {
			return nil, fmt.Errorf("log: %w", err)
		}
		tasklog.JoinTexts(task) // as an answer has it
		data, err := tasklog.Encode(task)
		if err != nil {
			return nil, fmt.Errorf("log: %w", err)
		}
		asOf = append(asOf, canonical(data))
	}
	return asOf, nil
}

// canonical returns one form of all JSON texts that mean the same, or "" for invalid JSON.
func canonical(text []byte) string {
	var v any
	if json.Unmarshal(text, &v) != nil {
		return ""
	}
	data, _ := json.Marshal(v) // v comes from JSON
	return string(data)
}

// StateOf returns the state in an event, or "".
func StateOf(event []byte) a2a.TaskState {
	decoded, _ := tasklog.Decode(event) // other texts have no state
	switch e := decoded.(type) {
	case *a2a.TaskStatusUpdateEvent:
		return e.Status.State
	case *a2a.Task:
		return e.Status.State
	}
	return ""
}
