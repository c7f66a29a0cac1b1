package dynamolog

import (
	"bufio"
	"bytes"
	"compress/flate"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"sync"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/tasklog"
)

// SaveSnapshot implements [tasklog.Lease]. It costs two write units more than the bytes of the
// lines. Earlier snapshots stay until they expire: for readers that have begun, and for LoadAt.
func (h *lease) SaveSnapshot(ctx context.Context, seq int64, lines iter.Seq2[[]byte, error]) error {
	if err := h.saveSnapshot(ctx, seq, lines); err != nil {
		return fmt.Errorf("dynamolog: saving snapshot: %w", err)
	}
	return nil
}

func (h *lease) saveSnapshot(ctx context.Context, seq int64, lines iter.Seq2[[]byte, error]) error {
	r := "snapshot." + ref(seq, h.writer)
	refers, err := h.log.putLines(ctx, h.head.ID, h.head.Expires, r, lines)
	if err != nil {
		return err
	}
	sk, attrSeq, attrRef := skSnapshot(seq), attrSnapshotSeq, attrSnapshotRef
	if refers {
		sk, attrSeq, attrRef = skRefers(seq), attrRefersSeq, attrRefersRef
	}
	if _, err := h.log.put(ctx, item{
		attrPK:          str(string(h.head.ID)),
		attrSK:          str(sk),
		attrSnapshotRef: str(r),
		attrTTL:         num(h.head.Expires.Unix()),
	}, ifNew("")); err != nil {
		return err
	}
	_, _, err = h.log.update(ctx, h.head.ID, skHead, write().set(attrSeq, num(seq)).set(attrRef, str(r)).
		when("attribute_exists(?) AND (attribute_not_exists(?) OR ? < ?)", attrPK, attrSeq, attrSeq, num(seq)))
	return err
}

// newestSnapshot returns the last event and the ref of the newest snapshot that the head names, or
// 0.
func newestSnapshot(head item) (seq int64, ref string) {
	if seq = head.num(attrRefersSeq); seq > head.num(attrSnapshotSeq) {
		return seq, head.str(attrRefersRef)
	}
	return head.num(attrSnapshotSeq), head.str(attrSnapshotRef)
}

// putLines writes the body that holds the JSON values, a part at a time. It reports whether some
// refer to events.
func (l *Log) putLines(
	ctx context.Context, id a2a.TaskID, expires time.Time, ref string, lines iter.Seq2[[]byte, error],
) (refers bool, err error) {
	parts, n := bytes.NewBuffer([]byte{formatDeflate1}), 0
	size, kept := l.large.stream()
	put := func(all bool) error {
		for parts.Len() > 0 && (all || parts.Len() >= size+kept) {
			part := size
			if parts.Len() < size+kept {
				part = parts.Len()
			}
			if err := l.putPart(ctx, id, expires, ref, n, bytes.Clone(parts.Next(part))); err != nil {
				return err
			}
			n++
		}
		return nil
	}
	w := deflaters.Get().(*flate.Writer)
	defer deflaters.Put(w)
	w.Reset(parts)
	for line, err := range lines {
		if err == nil {
			refers = refers || tasklog.IsReference(line)
			_, _ = w.Write(line) // a bytes.Buffer takes everything
			_, _ = w.Write(lineFeed)
			err = put(false)
		}
		if err != nil {
			return false, err
		}
	}
	_ = w.Close()
	return refers, put(true)
}

// snapshot returns the fold over the events up to number seq, from the snapshot in the body with the
// ref.
func (l *Log) snapshot(ctx context.Context, id a2a.TaskID, seq int64, ref string) (*tasklog.Fold, error) {
	task, err := l.snapshotTask(ctx, id, ref)
	if err != nil {
		return nil, fmt.Errorf("snapshot as of event %d: %w", seq, err)
	}
	return task.Fold(seq), nil
}

func (l *Log) snapshotTask(ctx context.Context, id a2a.TaskID, ref string) (*tasklog.TaskReader, error) {
	body := bufio.NewReader(&partReader{ctx: ctx, log: l, id: id, ref: ref})
	format, err := body.ReadByte()
	if err != nil {
		return nil, err
	}
	if format != formatDeflate1 {
		return nil, errors.New("unknown format of body")
	}
	lines := bufio.NewReader(flate.NewReaderDict(body, dictionary))
	task := new(tasklog.TaskReader)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 && task.Task != nil {
			return task, l.fill(ctx, id, task)
		}
		if err == nil {
			err = task.Add(line)
		}
		if err != nil {
			return nil, err
		}
	}
}

// fillAtOnce is how many events that a snapshot refers to are read at once.
const fillAtOnce = 6

// fill reads the events that the lines of a snapshot refer to.
func (l *Log) fill(ctx context.Context, id a2a.TaskID, task *tasklog.TaskReader) error {
	missing := task.Missing()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var mu sync.Mutex // guards task
	var filling sync.WaitGroup
	share := (len(missing) + fillAtOnce - 1) / fillAtOnce
	for len(missing) > 0 {
		some := missing[:min(share, len(missing))] // neighbours may be in one append
		missing = missing[len(some):]
		filling.Go(func() {
			if err := l.fillSome(ctx, id, task, some, &mu); err != nil {
				cancel(err)
			}
		})
	}
	filling.Wait()
	return context.Cause(ctx)
}

func (l *Log) fillSome(ctx context.Context, id a2a.TaskID, task *tasklog.TaskReader, seqs []int64, mu *sync.Mutex) error {
	p := peeker{log: l, ctx: ctx, id: id, uncharged: true}
	for _, seq := range seqs {
		if p.has(seq) == nil {
			p.read = nil // one append at a time is in memory
		}
		e, err := p.event(seq)
		if err != nil {
			return err
		}
		mu.Lock()
		err = task.Fill(seq, e)
		mu.Unlock()
		if err != nil {
			return err
		}
	}
	return nil
}

// snapshotBefore returns the fold from the newest snapshot of event number seq or an earlier one, or
// over no events if there is none.
func (l *Log) snapshotBefore(ctx context.Context, id a2a.TaskID, seq int64) (*tasklog.Fold, error) {
	var at int64
	var ref string
	for _, sk := range []func(int64) string{skSnapshot, skRefers} {
		page, err := l.query(ctx, id, sk(0), sk(seq), nil, false, 1)
		if err != nil {
			return nil, err
		}
		for _, it := range page.Items {
			n, err := strconv.ParseInt(it.str(attrSK)[len("S#"):], 10, 64)
			if err != nil {
				return nil, err
			}
			if n > at {
				at, ref = n, it.str(attrSnapshotRef)
			}
		}
	}
	if at == 0 {
		return tasklog.NewFold(nil, 0), nil
	}
	return l.snapshot(ctx, id, at, ref)
}
