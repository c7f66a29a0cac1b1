package server

import (
	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/heavy"
	"a2alambda/internal/tasklog"
)

// maxEcho is how many bytes of history, as JSON, the first frame of a stream has, unless the client
// asks for a number of messages. A client knows what it has just sent, and has a limit for the
// length of a line: 64 KB in the Java SDK, 4 MiB in the JavaScript SDK. GetTask has the whole
// history.
const maxEcho = 32 << 10

const maxFrameBytes = 8 << 20

// maxFrame limits the task in the first frame of a stream: the bytes of its JSON, and its values. A
// larger task is cut: see [tasklog.Cut].
var maxFrame = tasklog.Size{Bytes: maxFrameBytes, Values: tasklog.MaxValues}

// frame returns the task as the first frame of a stream.
func frame(t *a2a.Task, seq int64, historyLength *int) (tasklog.Event, error) {
	defer heavy.Begin(tasklog.SizeOf(t).Bytes)()
	trimHistory(t, historyLength)
	tasklog.JoinTexts(t)
	if historyLength == nil {
		if err := trimEcho(t); err != nil {
			return tasklog.Event{}, err
		}
	}
	tasklog.Cut(t, maxFrame)
	data, err := tasklog.Encode(t)
	return tasklog.Event{Seq: seq, JSON: data}, err
}

// frame returns the task as the first frame of the stream of a turn that has begun.
func (b *begun) frame(historyLength *int) (tasklog.Event, error) {
	if b.event.Seq == 1 && historyLength == nil && len(b.event.JSON) <= maxEcho {
		return b.event, nil // it is the task
	}
	task, err := b.turn.Fold.Task()
	if err != nil {
		return tasklog.Event{}, err
	}
	return frame(task, b.event.Seq, historyLength)
}

// trimEcho leaves the newest messages of the history, up to maxEcho bytes together.
func trimEcho(t *a2a.Task) error {
	size := 0
	for i := len(t.History) - 1; i >= 0; i-- {
		more, err := encodedSize(t.History[i], maxEcho-size)
		if err != nil {
			return err
		}
		if size += more; size > maxEcho {
			t.History = t.History[i+1:]
			break
		}
	}
	if len(t.History) == 0 {
		t.History = nil
	}
	return nil
}

// encodedSize returns the length of the message's JSON. If it is more than most, the result is any
// number above most, and a message that is obviously longer is not encoded.
func encodedSize(m *a2a.Message, most int) (int, error) {
	n := 0
	for _, p := range m.Parts {
		n += len(p.Text()) + len(p.Raw()) + len(p.URL())
	}
	if n > most {
		return n, nil
	}
	return tasklog.EncodedSize(m)
}
