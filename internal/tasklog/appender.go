package tasklog

import (
	"context"
	"errors"
	"iter"
	"math/rand/v2"
	"sync"
	"time"
)

const (
	// burst is how many appends may follow each other at once. After them, one append is made each
	// gap.
	burst = 4

	// linger is how long an event waits for others that its executor yields in the same breath: an
	// artifact and the state that ends the turn need one append then. The first event does not wait,
	// nor does anything behind which somebody waits, as in [Appender.Flush].
	linger = 5 * time.Millisecond

	// maxBatchEvents and maxBatchBytes bound one append. A single event may be larger.
	maxBatchEvents = 1000
	maxBatchBytes  = 1 << 20

	// maxPendingBytes is how far an executor may be ahead of the store before it has to wait: twice
	// what one append takes, so that the next one never waits for the executor. Each event counts as
	// entryBytes more than its JSON.
	maxPendingBytes = 2 << 20
	entryBytes      = 200

	// appendWithin is how long one try of an append may take, and appendMB is added for each MB.
	// That is three times what an append takes at 1 MB a second, the rate of one partition of
	// DynamoDB.
	appendWithin = 6 * time.Second
	appendMB     = 3 * time.Second

	// A failed append is retried, less and less often, for retryFor and the time that its MBs add.
	retryFor   = 20 * time.Second
	retryFirst = 50 * time.Millisecond
	retryMost  = 2 * time.Second

	// A throttled append is retried for longer, and more often: a refusal costs nothing, and
	// callers that begin tasks meanwhile give up soon and take what is left of the store in
	// between. Where they want four times what the store has, every fourth try succeeds. Pauses
	// differ, so that appends that were refused together don't come again together.
	throttledFor  = time.Minute
	throttledMost = time.Second
)

// AppendWithin is how long one try of an append of that many bytes may take.
func AppendWithin(bytes int) time.Duration { return appendWithin + longer(bytes) }

// longer returns the time that the bytes add to appendWithin and the retries.
func longer(bytes int) time.Duration { return time.Duration(bytes>>20) * appendMB }

// ErrClosed is what Add returns once the appender takes no more events.
var ErrClosed = errors.New("appender is closed")

// AppenderConfig says what an [Appender] appends, and where.
type AppenderConfig struct {
	Lease Lease
	Fold  *Fold // over the log as it is; the appender goes on with it
	// Gap is the least time between two appends, except in a short burst, and before a final event,
	// which never waits. Events that come meanwhile gather. So an event waits for half of Gap on
	// average while its executor talks, and for some milliseconds if it says something now and then.
	// Zero means that an append waits only for the one before it.
	Gap time.Duration
	// Appended, if set, is called with events once they are in the log.
	Appended func([]Event)
	// Check, if set, is called before each append. Its error ends the appender. With it, a holder
	// that was frozen past the end of its lease notices that before it appends.
	Check func() error
	// Until, if set, is when appends end: what is not in the log then is given up, with [ErrLate].
	Until time.Time
}

// Appender writes the events of one turn of a task in groups. During a write, and for a gap after
// it, the next events gather; the next write takes them all. So neither the latency nor the price
// of the store depends on how fast an agent talks.
type Appender struct {
	cfg  AppenderConfig
	ctx  context.Context
	stop context.CancelCauseFunc
	done chan struct{} // closed when nothing more is written
	late *time.Timer   // nil without an end

	// Only the writing goroutine uses these. There is one while something is to be written: between
	// two events an agent may be silent for long, and many are.
	pace pacer
	keep keeper
	next int64 // the number of the next event

	wake    chan struct{} // holds one token when the fields below have changed
	mu      sync.Mutex
	writing bool      // there is a writing goroutine, or nothing more is written
	room    sync.Cond // on mu: pending has shrunk, or err is set
	pending []Entry   // that wait to be written
	since   time.Time // when the first of pending was added
	size    int       // bytes of JSON in pending
	added   int       // how many entries were added
	written int       // how many of them are in the log
	urgent  bool
	closed  bool
	err     error
}

// NewAppender returns an appender. Its writes have the values of ctx, but don't end with it: each
// added event is written, or given up after retries. The caller must call [Appender.Close].
func NewAppender(ctx context.Context, cfg AppenderConfig) *Appender {
	a := &Appender{
		cfg: cfg, wake: make(chan struct{}, 1), done: make(chan struct{}),
		pace: pacer{gap: cfg.Gap, tokens: burst}, keep: keeper{fold: cfg.Fold}, next: cfg.Fold.Seq() + 1,
	}
	a.ctx, a.stop = context.WithCancelCause(context.WithoutCancel(ctx))
	a.room.L = &a.mu
	if !cfg.Until.IsZero() {
		a.late = time.AfterFunc(time.Until(cfg.Until), func() { a.stop(ErrLate) })
	}
	return a
}

// Failed returns a context that is done once an append has failed for good. Its cause is the error.
func (a *Appender) Failed() context.Context { return a.ctx }

// Add takes the next event. It returns before the event is in the log, and waits only while too
// much is pending. It fails only if an earlier append did, or after Close.
func (a *Appender) Add(e Entry) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for a.size+entryBytes*len(a.pending) > maxPendingBytes && a.err == nil {
		a.room.Wait()
	}
	switch {
	case a.err != nil:
		return a.err
	case a.closed:
		return ErrClosed
	}
	if len(a.pending) == 0 {
		a.since = time.Now()
	}
	a.pending = append(a.pending, e)
	a.added++
	a.size += len(e.JSON)
	a.urgent = a.urgent || Final(e.State)
	a.signal()
	return nil
}

// Flush writes what was added before at once, and returns when all of it is in the log. It returns
// the error of the append that failed, or that of ctx.
func (a *Appender) Flush(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.room.Broadcast()
	})()
	a.mu.Lock()
	defer a.mu.Unlock()
	target := a.added
	if a.written < target {
		a.urgent = true
		a.signal()
	}
	for a.written < target && a.err == nil && ctx.Err() == nil {
		a.room.Wait()
	}
	switch {
	case a.written >= target:
		return nil
	case a.err != nil:
		return a.err
	}
	return context.Cause(ctx)
}

// Close writes what is pending, and waits until all of it is in the log or given up. It returns the
// error of the append that failed. After it, the fold holds every event written.
func (a *Appender) Close() error {
	a.mu.Lock()
	a.closed = true
	a.signal()
	a.mu.Unlock()
	<-a.done
	return a.err
}

// signal tells the writing goroutine that there is something new, or starts it. a.mu is held.
func (a *Appender) signal() {
	if !a.writing {
		a.writing = true
		go a.write()
		return
	}
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// write writes until nothing is pending.
func (a *Appender) write() {
	for a.await() {
		entries := a.take()
		if err := a.append(a.next, entries); err != nil {
			a.fail(err)
			a.end()
			return
		}
		events := make([]Event, len(entries))
		for i, e := range entries {
			events[i] = Event{Seq: a.next, JSON: e.JSON}
			a.next++
		}
		if a.cfg.Appended != nil {
			a.cfg.Appended(events)
		}
		a.keep.add(events)
		a.wrote(len(entries))
		if a.keep.due() {
			a.keep.save(func(seq int64, lines iter.Seq2[[]byte, error]) error {
				return a.cfg.Lease.SaveSnapshot(a.ctx, seq, lines)
			})
		}
	}
}

// end ends the appender.
func (a *Appender) end() {
	if a.late != nil {
		a.late.Stop()
	}
	a.keep.settle(true)
	close(a.done)
}

// await waits until the pace allows to write what is pending. If nothing is, it reports false, and the
// writing goroutine must return.
func (a *Appender) await() bool {
	for {
		a.mu.Lock()
		// A batch that can't grow any more has nothing to wait for, either.
		full := len(a.pending) >= maxBatchEvents || a.size >= maxBatchBytes
		empty, now, closed := len(a.pending) == 0, a.urgent || a.closed || full, a.closed
		if empty {
			a.writing = closed
			a.mu.Unlock()
			if closed {
				a.end()
			}
			return false
		}
		var lingers time.Duration
		if a.cfg.Gap > 0 && a.written > 0 && !now {
			lingers = linger - time.Since(a.since)
		}
		a.mu.Unlock()
		var wait <-chan time.Time
		if lingers > 0 {
			wait = time.After(lingers)
		} else {
			d := a.pace.take(now)
			if d == 0 {
				return true
			}
			wait = time.After(d)
		}
		select {
		case <-a.wake:
		case <-wait:
		}
	}
}

// take removes from pending what the next append writes.
func (a *Appender) take() []Entry {
	a.mu.Lock()
	defer a.mu.Unlock()
	n, size := 0, 0
	for n < len(a.pending) && n < maxBatchEvents && (n == 0 || goesWith(a.pending[n], size)) {
		size += len(a.pending[n].JSON)
		n++
		if n == 1 && size >= LargeEvent {
			break
		}
	}
	taken := a.pending[:n:n]
	a.pending = a.pending[n:]
	a.size -= size
	if len(a.pending) == 0 {
		a.pending, a.urgent = nil, false
	}
	a.room.Broadcast()
	return taken
}

// maxBeforeFinal is how many bytes may be before the end of a turn in an append: most reads are of
// what comes last, and should not pay for what was said before it.
const maxBeforeFinal = 4 << 10

// goesWith reports whether the entry goes into an append that has some bytes. A large event has one
// of its own.
func goesWith(e Entry, size int) bool {
	return len(e.JSON) < LargeEvent && size+len(e.JSON) <= maxBatchBytes && (!Final(e.State) || size <= maxBeforeFinal)
}

// append writes the entries. It retries after any error except a conflict.
func (a *Appender) append(first int64, entries []Entry) error {
	bytes := 0
	for _, e := range entries {
		bytes += len(e.JSON)
	}
	begun, wait := time.Now(), retryFirst
	var err error
	for {
		if a.ctx.Err() != nil {
			return errors.Join(context.Cause(a.ctx), err)
		}
		if a.cfg.Check != nil {
			if over := a.cfg.Check(); over != nil {
				if err == nil {
					return over
				}
				return errors.Join(over, err)
			}
		}
		ctx, cancel := context.WithTimeout(a.ctx, AppendWithin(bytes))
		err = a.cfg.Lease.Append(ctx, first, entries)
		cancel()
		pause, most, within := wait, retryMost, retryFor
		if errors.Is(err, ErrThrottled) {
			pause, most, within = wait/2+rand.N(wait), throttledMost, throttledFor
		}
		if err == nil || errors.Is(err, ErrConflict) || time.Since(begun)+pause > within+longer(bytes) {
			return err
		}
		select {
		case <-time.After(pause):
		case <-a.ctx.Done():
		}
		wait = min(2*wait, most)
	}
}

func (a *Appender) wrote(n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.written += n
	a.room.Broadcast()
}

func (a *Appender) fail(err error) {
	a.mu.Lock()
	a.err = err
	a.room.Broadcast()
	a.mu.Unlock()
	a.stop(err)
}

// pacer is a token bucket: burst tokens at most, a new one each gap. It is not
// [golang.org/x/time/rate]'s: the end of a turn takes a token even if there is none, and owes none
// afterwards.
type pacer struct {
	gap    time.Duration
	tokens int
	last   time.Time // when tokens was right
}

// take takes a token and returns 0 if there is one, or if now is set. Otherwise it returns how long
// to wait for the next.
func (p *pacer) take(now bool) time.Duration {
	if p.gap == 0 {
		return 0
	}
	t := time.Now()
	if n := int(t.Sub(p.last) / p.gap); n > 0 {
		p.tokens = min(burst, p.tokens+n)
		p.last = p.last.Add(time.Duration(n) * p.gap)
		if p.tokens == burst {
			p.last = t
		}
	}
	if p.tokens == 0 && !now {
		return p.last.Add(p.gap).Sub(t)
	}
	p.tokens = max(0, p.tokens-1)
	return 0
}
