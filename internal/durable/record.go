package durable

import (
	"maps"
)

const (
	// A Record has so many entries at most, and no more once they have so many bytes.
	maxBatch      = 64
	maxBatchBytes = 256 << 10
)

// recording is entries on their way into the journal.
type recording struct {
	entries []*Entry
	done    chan error
}

// write records entries, together with those that others record at the same time. It returns once
// they are in the store. All that was emitted before is in the log then, since that comes first.
func (e *engine) write(entries []*Entry) error {
	e.mu.Lock()
	if e.sealed || e.outcome.End == Lost {
		defer e.mu.Unlock()
		return e.over
	}
	r := &recording{entries, make(chan error, 1)}
	e.queue = append(e.queue, r)
	if !e.recording {
		e.recording = true
		go e.recorder()
	}
	e.mu.Unlock()
	return <-r.done
}

// recorder writes what is queued, until nothing is.
func (e *engine) recorder() {
	for {
		e.mu.Lock()
		if len(e.queue) == 0 {
			e.recording = false
			e.cond.Broadcast()
			e.mu.Unlock()
			return
		}
		var batch []*recording
		n, size := 0, 0
		for len(e.queue) > 0 && n < maxBatch && size < maxBatchBytes {
			batch = append(batch, e.queue[0])
			for _, x := range e.queue[0].entries {
				n, size = n+1, size+len(x.Result)
			}
			e.queue = e.queue[1:]
		}
		first := e.next
		e.mu.Unlock()
		size, err := e.writeBatch(first, batch)
		e.mu.Lock()
		if err == nil {
			e.size += size
			if half := int64(e.MaxEntries / 2); e.next <= half && e.next+int64(n) > half {
				e.Logger.WarnContext(e.ctx, "the journal of a task is half full", "task", e.Task.ID, "entries", half, "most", e.MaxEntries)
			}
			e.next += int64(n)
			e.fresh += n
		} else {
			e.finishLocked(Outcome{End: Lost, Err: err})
			err = e.over
		}
		e.mu.Unlock()
		for _, r := range batch {
			r.done <- err
		}
	}
}

// writeBatch writes the entries of a batch. Whatever was emitted before is in the log first, and the
// first of the entries says how far the log was. It returns how many bytes they have.
func (e *engine) writeBatch(first int64, batch []*recording) (size int, err error) {
	mark := e.emit.mark()
	if mark.dirty {
		if err := e.Host.Flush(e.ctx); err != nil {
			return 0, err
		}
	}
	var data [][]byte
	for _, r := range batch {
		for _, x := range r.entries {
			if len(data) == 0 {
				x.Seq, x.Grown, x.Wrote = mark.seq, mark.grown, mark.wrote
			}
			json, err := x.encode()
			if err != nil {
				return 0, err
			}
			data = append(data, json)
			size += len(json)
		}
	}
	if err := e.Host.Record(e.ctx, first, data); err != nil {
		return 0, err
	}
	e.emit.marked(mark)
	return size, nil
}

// mark says what was emitted up to a moment.
type mark struct {
	dirty bool // something was, since the mark before
	seq   int64
	grown map[string]Position
	wrote map[string]string
}

// mark returns what was emitted since the last mark that an entry has.
func (m *emitter) mark() mark {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.unseen > 0 {
		return mark{dirty: m.seq > m.marks, seq: m.marks}
	}
	k := mark{dirty: m.seq > m.marks, seq: m.seq, wrote: maps.Clone(m.wrote)}
	for path, p := range m.grown {
		if k.grown == nil {
			k.grown = map[string]Position{}
		}
		k.grown[path] = p
	}
	return k
}

// marked notes that an entry has the mark.
func (m *emitter) marked(k mark) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.marks = k.seq
	for path, p := range k.grown {
		if m.grown[path] == p {
			delete(m.grown, path)
		}
	}
	for id := range k.wrote {
		delete(m.wrote, id)
	}
}
