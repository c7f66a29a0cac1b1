package dynamolog

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/tasklog"
)

// The journal is a chain of items beside the batches of the log. Each is put only if its place is
// free. Where a fence is, an item with n = 0, only its epoch and later ones may put. Every item has
// the epoch of its writer. An epoch has one holder, so no writer is needed.

const skStepEnd = "R$" // after every entry of a journal

// skStep returns the sort key of the entries from a place on.
func skStep(place int64) string { return fmt.Sprintf("R#%06d", place) }

// placeOfStep returns the place of the first entry of an item, and how many there are.
func placeOfStep(it item) (place, n int64) {
	place, _ = strconv.ParseInt(strings.TrimPrefix(it.str(attrSK), "R#"), 10, 64)
	if _, ok := it[attrCount]; !ok {
		return place, 1
	}
	return place, it.num(attrCount)
}

// recordsFrom returns the attribute that says that the holder with the epoch records, and after
// which place. A process of a former version that acquires the lease leaves the attribute there.
func recordsFrom(epoch, place int64) string { return fmt.Sprintf("%d %d", epoch, place) }

// placeOfClaim returns the place in the attribute. It reports false if the attribute is not of the
// epoch: then its holder does not record.
func placeOfClaim(s string, epoch int64) (place int64, records bool) {
	e, p, _ := strings.Cut(s, " ")
	if e != strconv.FormatInt(epoch, 10) {
		return 0, false
	}
	place, err := strconv.ParseInt(p, 10, 64)
	return place, err == nil
}

// Steps implements [tasklog.Journal]. It costs a read unit for each 4 KB of deflated entries, half
// of one if it is stale.
func (l *Log) Steps(ctx context.Context, id a2a.TaskID, after int64, stale bool) ([]tasklog.Step, bool, error) {
	steps, more, err := l.steps(ctx, id, after, stale)
	if err != nil {
		return nil, false, fmt.Errorf("dynamolog: reading journal: %w", err)
	}
	return steps, more, nil
}

func (l *Log) steps(ctx context.Context, id a2a.TaskID, after int64, stale bool) (steps []tasklog.Step, more bool, err error) {
	read := l.query
	if stale {
		read = l.queryStale
	}
	next, size := after+1, 0
	for begin, start := true, item(nil); begin || start != nil; begin = false {
		page, err := read(ctx, id, skStep(after+1), skStepEnd, start, true, 0)
		if err != nil {
			return nil, false, err
		}
		items := page.Items
		if begin && after > 0 && !startsAt(items, after+1) { // the entry after it may be in an item that begins before
			before, err := read(ctx, id, skStep(0), skStep(after), nil, false, 1)
			if err != nil {
				return nil, false, err
			}
			items = append(before.Items, items...)
		}
		for _, it := range items {
			place, n := placeOfStep(it)
			if n == 0 || place+n <= next {
				continue // a fence, or read before
			}
			if place > next || it.num(attrTTL) <= time.Now().Unix() {
				return steps, false, nil // a query may miss an item put while it runs, and see a later one
			}
			if size >= tasklog.ReadBytes {
				return steps, true, nil
			}
			values, _, err := l.values(ctx, it)
			if err != nil {
				return nil, false, err
			}
			if int64(len(values)) != n {
				return nil, false, fmt.Errorf("%d entries at %d, want %d", len(values), place, n)
			}
			for _, v := range values[next-place:] {
				steps = append(steps, tasklog.Step{Place: next, JSON: v})
				size += len(v)
				next++
			}
		}
		start = page.LastEvaluatedKey
	}
	return steps, false, nil
}

func startsAt(items []item, place int64) bool {
	if len(items) == 0 {
		return false
	}
	at, _ := placeOfStep(items[0])
	return at == place
}

// recording is what a holder has recorded.
type recording struct {
	mu           sync.Mutex
	may          bool
	last, before int64 // the last place now, and before the last Record
	parts        parts
}

// Record implements [tasklog.Lease]. It costs one write unit per KB of deflated entries.
func (h *lease) Record(ctx context.Context, first int64, entries [][]byte) error {
	r := &h.record
	r.mu.Lock()
	defer r.mu.Unlock()
	base := r.last
	if first <= base {
		base = r.before // it is the last call again
	}
	if !r.may || first != base+1 || h.over.Load() || h.unsure.Load() || h.final.Load() {
		return tasklog.ErrConflict
	}
	if err := h.putSteps(ctx, first, entries); err != nil {
		return err
	}
	r.before, r.last = base, base+int64(len(entries))
	return nil
}

func (h *lease) putSteps(ctx context.Context, first int64, entries [][]byte) error {
	it := item{
		attrPK:    str(string(h.head.ID)),
		attrSK:    str(skStep(first)),
		attrEpoch: num(h.epoch),
		attrTTL:   num(h.head.Expires.Unix()),
	}
	if len(entries) > 1 {
		it[attrCount] = num(int64(len(entries)))
	}
	values := make([]tasklog.Entry, len(entries))
	for i, e := range entries {
		values[i].JSON = e
	}
	name := fmt.Sprintf("journal.%d.%d", first, h.epoch)
	err := h.log.putBody(ctx, it, h.head.Expires, name, maxPart, deflate(values), &h.record.parts)
	if err != nil {
		return fmt.Errorf("dynamolog: recording: %w", err)
	}
	existing, err := h.log.put(ctx, it, ifNew("? = ? AND ? <= ?", attrCount, num(0), attrEpoch, num(h.epoch)))
	if err != nil {
		return fmt.Errorf("dynamolog: recording: %w", err)
	}
	if existing != nil {
		if _, n := placeOfStep(existing); n == 0 || existing.num(attrEpoch) != h.epoch {
			return tasklog.ErrConflict
		}
	}
	return nil
}

// needsFence reports whether somebody may still record who has, or had, a lease up to the one in s.
// Otherwise the claim's holder has only to check that the journal is as the caller has read it: the
// last holder has fenced it or checked that, and records no more.
func needsFence(s *tasklog.Snapshot, c tasklog.Claim) bool {
	if !s.Lease.Records { // holders before the last may record
		return c.Records && s.Lease.Epoch > 1
	}
	return c.Records && s.Fenced()
}

// fenceJournal puts a fence at a place: no earlier epoch can record there. It returns ErrConflict if
// the place has an entry, or the fence of a later epoch.
func (l *Log) fenceJournal(ctx context.Context, h tasklog.Head, place, epoch int64) error {
	existing, err := l.put(ctx, item{
		attrPK:    str(string(h.ID)),
		attrSK:    str(skStep(place)),
		attrCount: num(0),
		attrEpoch: num(epoch),
		attrTTL:   num(h.Expires.Unix()),
	}, ifNew("? = ? AND ? <= ?", attrCount, num(0), attrEpoch, num(epoch)))
	if err == nil && existing != nil {
		err = tasklog.ErrConflict
	}
	return err
}

// checkPlace returns ErrConflict if the journal has an entry after the place.
func (l *Log) checkPlace(ctx context.Context, id a2a.TaskID, place int64) error {
	it, err := l.get(ctx, id, skStep(place+1))
	if err != nil || it == nil {
		return err
	}
	if _, n := placeOfStep(it); n > 0 {
		return tasklog.ErrConflict
	}
	return nil
}
