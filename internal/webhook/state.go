package webhook

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/a2a03"
	"a2alambda/internal/jsonline"
	"a2alambda/internal/tasklog"
)

const (
	// maxTaskBytes is how much JSON the Task for a webhook of 0.3 has: a little less than the 1 MiB
	// that many servers and queues take (client_max_body_size of nginx, client_max_size of aiohttp,
	// a message of SQS). GetTask has all of a longer Task.
	maxTaskBytes = 1_000_000

	// maxMetadataBytes is how much JSON the metadata of that Task have. They are written anew each
	// time that they change.
	maxMetadataBytes = 64 << 10
)

// state is the Task of 0.3 as of an event. It is a fold like [tasklog.Fold], but it has JSON in
// place of objects, and only what can be in the body of a request. So its memory does not grow with
// the task, and neither does what a body costs: a body shares the JSON that did not change.
type state struct {
	seq       int64 // the last event
	err       error // of an event that it does not have
	begun     bool
	head      []byte // up to the task's id
	context   []byte // the member contextId
	history   history
	artifacts artifacts
	metadata  map[string]any // the values are JSON; nil when left out
	encoded   []byte         // the metadata; nil if there are none
	noMeta    bool           // they were left out
	status    []byte         // without its message
	message   []byte         // the status's; nil if there is none, or if it is longer than a body
	own       bool           // that message is the caller's own content
	noMessage bool           // it is longer than a body
}

// add adds the next event. It reports whether the event ends a turn.
func (s *state) add(e tasklog.Event) (ends bool) {
	if e.Seq != s.seq+1 {
		panic(fmt.Sprintf("webhook: event %d after event %d", e.Seq, s.seq))
	}
	s.seq = e.Seq
	if s.err != nil {
		return false
	}
	event, err := tasklog.Decode(e.JSON)
	if err == nil {
		ends, err = s.apply(event)
	}
	if err != nil {
		s.err = fmt.Errorf("event %d: %w", e.Seq, err)
	}
	return ends
}

func (s *state) apply(event a2a.Event) (ends bool, err error) {
	if t, ok := event.(*a2a.Task); ok {
		return tasklog.Final(t.Status.State), s.reset(t)
	}
	if !s.begun {
		return false, fmt.Errorf("a log begins with a task, not with %T", event)
	}
	switch e := event.(type) {
	case *a2a.TaskStatusUpdateEvent:
		return tasklog.Final(e.Status.State), s.update(e)
	case *a2a.TaskArtifactUpdateEvent:
		return false, s.artifacts.update(e.Artifact, e.Append)
	}
	return false, fmt.Errorf("a log does not hold %T", event)
}

func (s *state) reset(t *a2a.Task) error {
	head, err := jsonline.Marshal(map[string]any{"id": t.ID})
	if err != nil {
		return err
	}
	context, err := jsonline.Marshal(t.ContextID)
	if err != nil {
		return err
	}
	*s = state{seq: s.seq, begun: true}
	s.head = append([]byte(`{"kind":"task",`), head[1:len(head)-1]...)
	s.context = append([]byte(`,"contextId":`), context...)
	for _, m := range t.History {
		if err := s.remember(m); err != nil {
			return err
		}
	}
	for _, a := range t.Artifacts {
		if err := s.artifacts.update(a, false); err != nil {
			return err
		}
	}
	return errors.Join(s.describe(t.Metadata), s.setStatus(t.Status))
}

// update applies a status. The fold says what becomes of its message.
func (s *state) update(e *a2a.TaskStatusUpdateEvent) error {
	if s.message != nil || s.noMessage {
		s.history.add(s.message, s.own)
	}
	status := e.Status
	if isOwn(status.Message) {
		if err := s.remember(status.Message); err != nil {
			return err
		}
		status.Message = nil
	}
	return errors.Join(s.describe(e.Metadata), s.setStatus(status))
}

func (s *state) remember(m *a2a.Message) error {
	data, err := a2a03.EncodeMessage(m)
	s.history.add(data, isOwn(m))
	return err
}

func (s *state) setStatus(status a2a.TaskStatus) (err error) {
	s.message, s.own, s.noMessage = nil, isOwn(status.Message), false
	if status.Message != nil {
		if s.message, err = a2a03.EncodeMessage(status.Message); err != nil {
			return err
		}
		if len(s.message) > maxTaskBytes {
			s.message, s.noMessage = nil, true
		}
		status.Message = nil
	}
	s.status, err = a2a03.EncodeStatus(status)
	return err
}

// describe adds metadata of the task. If they get too long, the task has none until its next reset.
func (s *state) describe(metadata map[string]any) error {
	if len(metadata) == 0 || s.noMeta {
		return nil
	}
	values, err := encoded(metadata)
	if err != nil {
		return err
	}
	if s.metadata == nil {
		s.metadata = values
	} else {
		maps.Copy(s.metadata, values)
	}
	size := 0
	for k, v := range s.metadata {
		size += len(k) + len(v.(json.RawMessage))
	}
	if size <= maxMetadataBytes {
		s.encoded, err = jsonline.Marshal(s.metadata)
	}
	if size > maxMetadataBytes || len(s.encoded) > maxMetadataBytes {
		s.metadata, s.encoded, s.noMeta = nil, nil, true
	}
	return err
}

// names is what a body needs for the names of its members, and to say what it leaves out.
const names = 300

// payload returns the body: the Task of 0.3, of maxTaskBytes at most. If it is longer, its oldest
// history is left out, then those of its artifacts that were not changed for the longest time, each
// of them whole, and then the message of its status. Without own, the caller's own content is left
// out, see [payload]. The metadata say what was left out.
func (s *state) payload(own bool) (p payload, err error) {
	if s.err != nil {
		return p, s.err
	}
	if !s.begun {
		return p, tasklog.ErrNotFound
	}
	var left []string
	room := maxTaskBytes - names - len(s.head) - len(s.context) - len(s.encoded) - len(s.status)
	message := s.message
	if s.noMessage || len(message) > room || s.own && !own {
		message = nil
		if s.noMessage || s.message != nil {
			left = append(left, "status.message")
		}
	}
	room -= len(message)
	artifacts := s.artifacts.choose(room)
	if artifacts < s.artifacts.number {
		left = append(left, "artifacts")
	}
	p.add(s.head)
	for _, a := range s.artifacts.order {
		if a.in != s.artifacts.body || a.gone {
			continue
		}
		if len(p.pieces) == 1 {
			p.add([]byte(`,"artifacts":[`))
		} else {
			p.add(comma)
		}
		p.add(a.head)
		p.add(a.parts)
		p.add(a.end())
		room -= a.size()
	}
	if artifacts > 0 {
		p.add([]byte(`]`))
	}
	p.add(s.context)
	messages, owned, older := s.history.newestOf(room, own)
	if older {
		left = append(left, "history")
	}
	if len(messages) > 0 {
		p.add([]byte(`,"history":[`))
		for _, m := range messages {
			p.add(m)
		}
		p.add([]byte(`]`))
	}
	if s.noMeta {
		left = append(left, "metadata")
	}
	if err := s.addMetadata(&p, left); err != nil {
		return p, err
	}
	p.own = owned
	if p.add([]byte(`,"status":{`)); message != nil {
		p.add([]byte(`"message":`))
		p.add(message)
		p.add(comma)
		if s.own {
			p.own += int64(len(message))
		}
	}
	p.add(s.status[1:])
	p.add([]byte(`}`))
	return p, nil
}

// bare returns a body that is never long: the Task with its ids and its state. The metadata say what
// the task has besides.
func (s *state) bare() (p payload, err error) {
	if s.err != nil {
		return p, s.err
	}
	if !s.begun {
		return p, tasklog.ErrNotFound
	}
	var left []string
	for _, member := range []struct {
		name string
		has  bool
	}{
		{"history", s.history.left || len(s.history.messages) > 0}, {"artifacts", s.artifacts.number > 0},
		{"status.message", s.noMessage || s.message != nil}, {"metadata", s.noMeta || s.encoded != nil},
	} {
		if member.has {
			left = append(left, member.name)
		}
	}
	p.add(s.head)
	p.add(s.context)
	if len(left) > 0 {
		metadata, err := jsonline.Marshal(tasklog.AddCut(nil, left...))
		if err != nil {
			return p, err
		}
		p.add([]byte(`,"metadata":`))
		p.add(metadata)
	}
	p.add([]byte(`,"status":`))
	p.add(s.status)
	p.add([]byte(`}`))
	return p, nil
}

// addMetadata adds the member metadata, if it has one.
func (s *state) addMetadata(p *payload, left []string) error {
	metadata := s.encoded
	if len(left) > 0 {
		var err error
		if metadata, err = jsonline.Marshal(tasklog.AddCut(s.metadata, left...)); err != nil {
			return err
		}
	}
	if len(metadata) > 0 {
		p.add([]byte(`,"metadata":`))
		p.add(metadata)
	}
	return nil
}

// size returns how much memory the state takes, or a little more.
func (s *state) size() int64 {
	h, a := &s.history, &s.artifacts
	return int64(cap(h.data) + 32*cap(h.messages) + len(s.message) + 20*len(s.encoded) +
		2*a.bytes + 500*len(a.known) + 100*a.keys + 48*len(a.out) + 8*cap(a.order))
}
