package model

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/durable"
)

const (
	// hold is how long a piece of text waits for the next one. So the last chunk has text in most
	// answers: some clients show nothing but that one.
	hold = 50 * time.Millisecond

	// maxChunk is the most bytes that wait.
	maxChunk = 4 << 10
)

// answerName is the name of the artifacts that have what the model says.
const answerName = "answer"

// answerID returns the id of a round's artifact.
func answerID(n int) a2a.ArtifactID {
	if n == 1 {
		return answerName
	}
	return a2a.ArtifactID(fmt.Sprintf("%s-%d", answerName, n))
}

// speaker says what the model says, as chunks of an artifact.
type speaker struct {
	ctx  context.Context // of the step
	task *durable.Task
	id   a2a.ArtifactID

	mu      sync.Mutex // guards what follows
	waits   strings.Builder
	timer   *time.Timer // nil if nothing waits
	said    bool
	stopped bool
	err     error
}

func newSpeaker(ctx context.Context, t *durable.Task, n int) *speaker {
	return &speaker{ctx: ctx, task: t, id: answerID(n)}
}

// say says a piece of text, soon.
func (s *speaker) say(text string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waits.WriteString(text)
	switch {
	case s.err != nil:
	case s.waits.Len() >= maxChunk:
		s.flush()
	case s.timer == nil:
		s.timer = time.AfterFunc(hold, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			if !s.stopped {
				s.flush()
			}
		})
	}
	return s.err
}

// begun reports whether something was said, or will be.
func (s *speaker) begun() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.said || s.waits.Len() > 0
}

// flush says what waits. mu is held.
func (s *speaker) flush() {
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
	if s.waits.Len() > 0 && s.err == nil {
		s.err = durable.Yield(s.ctx, s.chunk())
	}
}

// chunk returns what waits. mu is held.
func (s *speaker) chunk() *a2a.TaskArtifactUpdateEvent {
	e := a2a.NewArtifactUpdateEvent(s.task, s.id, a2a.NewTextPart(s.waits.String()))
	e.Artifact.Name, e.Append = answerName, s.said
	s.said = true
	s.waits.Reset()
	return e
}

// end says the rest, as the last chunk. There is none if nothing was said at all.
func (s *speaker) end(metadata map[string]any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil && (s.said || s.waits.Len() > 0) {
		last := s.chunk()
		last.LastChunk, last.Artifact.Metadata = true, metadata
		s.err = durable.Yield(s.ctx, last)
	}
	return s.err
}

// stop says what waits, if the answer was not ended, and nothing more.
func (s *speaker) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flush()
	s.stopped = true
}
