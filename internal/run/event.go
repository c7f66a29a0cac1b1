package run

import (
	"fmt"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// check returns the event as it goes into the log, nil if it says nothing new, or an error if a
// task may not have such an event. It does not change e, which belongs to the executor.
func (r *Run) check(e a2a.Event) (a2a.Event, error) {
	first := !r.started
	r.started = true
	switch e := e.(type) {
	case *a2a.Message:
		if e == nil {
			break
		}
		// The task is in the log already, so an answer without a task completes it.
		return a2a.NewStatusUpdateEvent(r.turn.Context, a2a.TaskStateCompleted, e), nil

	case *a2a.Task:
		if e == nil {
			break
		}
		c := *e
		if err := r.checkIDs(&c.ID, &c.ContextID); err != nil {
			return nil, err
		}
		if first && r.turn.Context.StoredTask == nil && onlySubmitted(&c) {
			return nil, nil
		}
		return &c, checkStatus(&c.Status)

	case *a2a.TaskStatusUpdateEvent:
		if e == nil {
			break
		}
		c := *e
		if err := r.checkIDs(&c.TaskID, &c.ContextID); err != nil {
			return nil, err
		}
		return &c, checkStatus(&c.Status)

	case *a2a.TaskArtifactUpdateEvent:
		if e == nil {
			break
		}
		c := *e
		if c.Artifact == nil || c.Artifact.ID == "" || len(c.Artifact.Parts) == 0 {
			return nil, fmt.Errorf("an artifact without id or parts: %w", a2a.ErrInvalidAgentResponse)
		}
		// The first chunk of an artifact has nothing that it could be appended to. Clients ignore a
		// first chunk that says so.
		c.Append = c.Append && r.artifacts[c.Artifact.ID]
		return &c, r.checkIDs(&c.TaskID, &c.ContextID)
	}
	return nil, fmt.Errorf("event %T: %w", e, a2a.ErrInvalidAgentResponse)
}

// added notes which artifacts the log has with an event.
func (r *Run) added(e a2a.Event) {
	switch e := e.(type) {
	case *a2a.Task:
		r.artifacts = artifactsOf(e)
	case *a2a.TaskArtifactUpdateEvent:
		r.artifacts[e.Artifact.ID] = true
	}
}

// artifactsOf returns the ids of a task's artifacts. The task may be nil.
func artifactsOf(t *a2a.Task) map[a2a.ArtifactID]bool {
	has := map[a2a.ArtifactID]bool{}
	if t != nil {
		for _, a := range t.Artifacts {
			has[a.ID] = true
		}
	}
	return has
}

// checkIDs fills in ids that are missing.
func (r *Run) checkIDs(task *a2a.TaskID, context *string) error {
	info := r.turn.Context.TaskInfo()
	if *task == "" {
		*task = info.TaskID
	}
	if *context == "" {
		*context = info.ContextID
	}
	if *task != info.TaskID || *context != info.ContextID {
		return fmt.Errorf("an event of task %q in context %q: %w", *task, *context, a2a.ErrInvalidAgentResponse)
	}
	return nil
}

func checkStatus(s *a2a.TaskStatus) error {
	if s.State == a2a.TaskStateUnspecified {
		return fmt.Errorf("a status without state: %w", a2a.ErrInvalidAgentResponse)
	}
	if s.Timestamp == nil {
		now := time.Now()
		s.Timestamp = &now
	}
	return nil
}

// onlySubmitted reports whether the first task of an executor says no more than the one in the log.
func onlySubmitted(t *a2a.Task) bool {
	return t.Status.State == a2a.TaskStateSubmitted && t.Status.Message == nil && len(t.Artifacts) == 0 && len(t.Metadata) == 0
}
