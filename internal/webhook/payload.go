package webhook

import (
	"bytes"
	"io"
	"slices"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/tasklog"
)

// payload is the body of the requests for one event, in pieces. Later events leave the pieces as
// they are, since a transport may read a body after its request has ended.
type payload struct {
	pieces [][]byte
	// size is the length in bytes.
	size int64
	// own is how many of these bytes are the caller's own content: the messages of the user, with
	// their metadata. All others are what the agent says, and ids.
	own int64
}

// reader returns the body from its beginning.
func (p *payload) reader() io.ReadCloser { return &payloadReader{pieces: p.pieces} }

// add adds a piece. Nobody may change it.
func (p *payload) add(piece []byte) {
	if len(piece) > 0 {
		p.pieces = append(p.pieces, piece)
		p.size += int64(len(piece))
	}
}

type payloadReader struct {
	pieces [][]byte // those to read
	read   int      // bytes of the first
}

func (r *payloadReader) Read(p []byte) (n int, err error) {
	for n < len(p) && len(r.pieces) > 0 {
		more := copy(p[n:], r.pieces[0][r.read:])
		n += more
		if r.read += more; r.read == len(r.pieces[0]) {
			r.pieces, r.read = r.pieces[1:], 0
		}
	}
	if n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

func (r *payloadReader) Close() error { return nil }

// eventPayload returns the body for an event of 1.0: a StreamResponse (specification 4.3.3).
// Without own, the caller's own content is left out: the user's messages in the history of a task,
// and the message with which the user begins a turn. The metadata say so, see [tasklog.CutKey].
func eventPayload(e tasklog.Event, own bool) (p payload, err error) {
	data := e.JSON
	if hasOwn(e) {
		event, err := tasklog.Decode(data)
		if err != nil {
			return p, err
		}
		if p.own, err = ownContent(event); err != nil {
			return p, err
		}
		if p.own > 0 && !own {
			leaveOwn(event)
			p.own = 0
			if data, err = tasklog.Encode(event); err != nil {
				return p, err
			}
		}
	}
	if data, err = tasklog.Shown(data); err != nil {
		return p, err
	}
	p.add(data)
	return p, nil
}

// hasOwn reports whether an event may have a message of the user, as few do. It need not be decoded.
func hasOwn(e tasklog.Event) bool { return bytes.Contains(e.JSON, []byte(`"ROLE_USER"`)) }

// isOwn reports whether a message is the caller's own content.
func isOwn(m *a2a.Message) bool { return m != nil && m.Role == a2a.MessageRoleUser }

// ownContent returns how many bytes of an event are the caller's own content.
func ownContent(event a2a.Event) (n int64, err error) {
	var messages []*a2a.Message
	switch e := event.(type) {
	case *a2a.Task:
		messages = append(slices.Clip(e.History), e.Status.Message)
	case *a2a.TaskStatusUpdateEvent:
		messages = []*a2a.Message{e.Status.Message}
	}
	for _, m := range messages {
		if isOwn(m) {
			size, err := tasklog.EncodedSize(m)
			if err != nil {
				return 0, err
			}
			n += int64(size)
		}
	}
	return n, nil
}

// sentWith returns how many bytes the caller has sent with an event, or fewer: the message that
// begins the task is in its first event. A later Task is the agent's.
func sentWith(seq int64, event a2a.Event) (n int64) {
	switch e := event.(type) {
	case *a2a.Task:
		for _, m := range e.History {
			if seq == 1 && isOwn(m) {
				n += tasklog.SentBytes(m)
			}
		}
	case *a2a.TaskStatusUpdateEvent:
		if isOwn(e.Status.Message) {
			n = tasklog.SentBytes(e.Status.Message)
		}
	}
	return n
}

// leaveOwn leaves the caller's own content out of an event, and says so in its metadata.
func leaveOwn(event a2a.Event) {
	switch e := event.(type) {
	case *a2a.Task:
		var left []string
		if slices.ContainsFunc(e.History, isOwn) {
			e.History = slices.DeleteFunc(e.History, isOwn)
			left = append(left, "history")
		}
		if isOwn(e.Status.Message) {
			e.Status.Message = nil
			left = append(left, "status.message")
		}
		e.Metadata = tasklog.AddCut(e.Metadata, left...)
	case *a2a.TaskStatusUpdateEvent:
		e.Status.Message = nil
		e.Metadata = tasklog.AddCut(e.Metadata, "status.message")
	}
}
