package run

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/durable"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/telemetry"
)

const (
	// Whoever comes to a task doubts its holder if the last sign of life is older than doubtAfter.
	doubtAfter = 2 * time.Second

	// Whoever comes does not doubt it within livesFor after a sign of life of another holder in the
	// same process: one with many tasks need not be asked for each.
	livesFor = time.Second

	// Whoever stays doubts it once a renewal is overdue, which does not happen to a healthy one.
	overdue = renewAfter + time.Second

	// A doubted holder has a second to answer, and until then askEvery to learn of the question.
	answerWithin = time.Second + askEvery

	// quick is how long each call of the store may take by which a holder is judged, and by how much
	// the wait for the answer may be too long. Otherwise the store, or this process, is slow, and
	// everybody looks dead.
	quick = 300 * time.Millisecond

	// probeEvery is how often a doubter looks at the lease until the time for the answer is over.
	probeEvery = 250 * time.Millisecond

	// callWithin bounds a call of the store that a doubt needs.
	callWithin = 2 * time.Second

	// invokeWithin bounds the request for a worker.
	invokeWithin = 3 * time.Second

	// deposeEvery is the least time between two processes whose holders this process takes for dead
	// because they did not answer. It asks other processes to judge the rest.
	deposeEvery = 10 * time.Second

	// deadFor is for how long a process that has been taken for dead counts as dead: then all that it
	// held is held by somebody else, or free.
	deadFor = 2 * LeaseTime

	// backupAfter is by how much those who did not ask the question themselves wait longer.
	backupAfter = 500 * time.Millisecond

	// sendAgain is how long a process asks for no other worker for a task that nobody holds.
	sendAgain = time.Second

	// askAgain is how long a reader asks for no other worker to see to a silent holder.
	askAgain = 5 * time.Second
)

// patience has the time to wait for an answer, by how many holders in a row have crashed just before
// without any progress: perhaps they were only slow. After those, only the lease's end counts. The
// pause after a doubt that came to no result is one of the later times.
var patience = []time.Duration{answerWithin, 4 * time.Second, 8 * time.Second}

// outcome is the result of a doubt, as it is logged.
type outcome string

const (
	answered outcome = "answered" // the holder lives, or others go on already
	deposed  outcome = "deposed"  // the holder has lost its lease
	unsure   outcome = "unsure"   // nobody can say: the end of the lease decides
	passedOn outcome = "passed on"
)

// doubts bounds how many holders a process deposes. A process with many tasks dies as one.
type doubts struct {
	mu   sync.Mutex
	last time.Time            // when it last did
	dead map[string]time.Time // processes, and when a first holder of theirs was deposed
}

// may reports whether another holder may be deposed now, and notes it.
func (d *doubts) may(holder string, now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	maps.DeleteFunc(d.dead, func(_ string, at time.Time) bool { return now.Sub(at) >= deadFor })
	process := tasklog.ProcessOf(holder)
	if !d.dead[process].IsZero() {
		return true
	}
	if !d.last.IsZero() && now.Sub(d.last) < deposeEvery {
		return false
	}
	d.last = now
	if process != "" {
		if d.dead == nil {
			d.dead = map[string]time.Time{}
		}
		d.dead[process] = now
	}
	return true
}

// timely calls f. It reports whether f has succeeded quickly.
func timely(ctx context.Context, f func(context.Context) error) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, callWithin)
	defer cancel()
	begun := time.Now()
	err := f(ctx)
	return err == nil && time.Since(begun) <= quick, err
}

// doubt asks the holder of the lease in s for a sign of life, waits for the answer, and deposes a
// holder that gives none. It changes s to what it has seen. It is unsure if the store or this process
// is slow, if a call is under way that may happen only once, if holders before have crashed too often,
// if a takeover could only fail the task, or if the holder does not know of questions. Backup says that others act first, if they have asked.
func (r *Runner) doubt(ctx context.Context, id a2a.TaskID, s *sighting, backup bool) outcome {
	begun := time.Now()
	o, asked := r.judge(ctx, id, s, backup)
	if ctx.Err() != nil && o != deposed {
		return unsure
	}
	line := new(telemetry.Line)
	line.Text("task", string(id))
	line.Text("outcome", string(o))
	line.Took("doubtMs", time.Since(begun))
	if asked {
		line.Count("doubts", 1)
	}
	if o == deposed {
		line.Count("deposed", 1)
	}
	line.Log(ctx, r.Logger, telemetry.Doubt)
	return o
}

func (r *Runner) judge(ctx context.Context, id a2a.TaskID, s *sighting, backup bool) (o outcome, asked bool) {
	if s.watched(time.Now()) {
		return r.depose(ctx, id, s, tasklog.AnyPlace), false
	}
	if s.lease.Deaf {
		return unsure, false
	}
	expired := s.silent(LeaseTime, time.Now())
	wait := answerWithin
	if !expired {
		if s.lease.Crashes >= len(patience) || !r.goesOn(s.lease) {
			return unsure, false
		}
		wait = patience[s.lease.Crashes]
	}
	gone, ok := false, true
	recheck := func(ctx context.Context) (err error) {
		gone, err = r.recheck(ctx, id, s)
		return err
	}
	if s.lease.Doubted || !expired { // a question makes a slow store slower
		ok, _ = timely(ctx, recheck)
	}
	if ok && !gone && !s.lease.Doubted { // what is asked already need not be written
		ok, _ = timely(ctx, func(ctx context.Context) (err error) {
			asked, err = r.Store.Doubt(ctx, id, s.lease)
			if gone = errors.Is(err, tasklog.ErrConflict); gone {
				_, err = r.recheck(ctx, id, s)
			}
			return err
		})
	}
	if gone || !ok {
		return cond(gone, answered, unsure), asked
	}
	if !asked && backup {
		wait += backupAfter + rand.N(backupAfter)
	}
	// The store may be slow only for a moment, in which the holder wants to answer.
	for end, probe := time.Now().Add(wait), max(probeEvery, wait/8); time.Now().Before(end); {
		pause := min(probe, time.Until(end))
		if begun := time.Now(); !rest(ctx, pause) || time.Since(begun) > pause+quick {
			return unsure, asked
		}
		if ok, _ = timely(ctx, recheck); gone || !ok {
			return cond(gone, answered, unsure), asked
		}
	}
	last, sure := r.notInFlight(ctx, id, s.lease)
	if !sure {
		return unsure, asked
	}
	if !expired && !r.doubts.may(s.lease.Holder, time.Now()) {
		return passedOn, asked
	}
	return r.depose(ctx, id, s, last), asked
}

func cond(first bool, a, b outcome) outcome {
	if first {
		return a
	}
	return b
}

// goesOn reports whether a takeover has the task go on. If the executor cannot resume, it fails the
// task: then only the end of the lease counts.
func (r *Runner) goesOn(l tasklog.LeaseInfo) bool {
	return r.resumer() != nil || r.Durable() || l.Cancel
}

// rest waits. It reports false if ctx is done before.
func rest(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// recheck reads the lease. It reports whether it is another one than before.
func (r *Runner) recheck(ctx context.Context, id a2a.TaskID, s *sighting) (changed bool, err error) {
	now, err := r.Store.Lease(ctx, id)
	if err != nil {
		return errors.Is(err, tasklog.ErrNotFound), err
	}
	if changed = !s.lease.Same(now); changed {
		r.signs.note(now, time.Now())
	}
	s.see(now, time.Now())
	return changed, nil
}

// depose takes the lease from its holder, if its journal ends at last. It does so even if whoever
// wants it goes away meanwhile: then ctx is done, and others must be told.
func (r *Runner) depose(ctx context.Context, id a2a.TaskID, s *sighting, last int64) outcome {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callWithin)
	defer cancel()
	done, err := r.Store.Depose(ctx, id, s.lease, last)
	switch {
	case err != nil:
		return unsure
	case done:
		s.lease.Deposed, s.at = true, time.Now()
		return deposed
	}
	_, _ = r.recheck(ctx, id, s)
	return answered
}

// notInFlight reports whether nothing is under way, for sure, that is called only once, and the last
// place in the journal.
func (r *Runner) notInFlight(ctx context.Context, id a2a.TaskID, l tasklog.LeaseInfo) (last int64, sure bool) {
	if !l.Records {
		return tasklog.AnyPlace, true
	}
	var flying durable.InFlight
	last = l.Place
	for more := true; more; {
		var some []tasklog.Step
		ok, _ := timely(ctx, func(ctx context.Context) (err error) {
			some, more, err = r.Store.Steps(ctx, id, last, false)
			return err
		})
		if !ok {
			return 0, false
		}
		flying.Add(some)
		last += int64(len(some))
		more = more && len(some) > 0
	}
	return last, !flying.Any()
}

// Overtake is called for a task that somebody holds, by those who want to go on with it. If the holder
// seems to be silent, it is doubted, or its lease is watched to the end. Overtake reports whether
// nobody holds the lease any more.
func (r *Runner) Overtake(ctx context.Context, s *tasklog.Snapshot) bool {
	id := s.Head.ID
	seen, _ := r.sightings.see(id, s.Lease, overdue, time.Now())
	if len(r.running.of(id)) > 0 || !seen.silent(overdue, time.Now()) && !seen.skewed && !s.Lease.Doubted {
		return false
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(r.ending.begun, cancel)()
	if o := r.doubt(ctx, id, &seen, false); o != deposed && o != answered {
		// Perhaps it was deposed, and the answer was lost.
		changed, err := r.recheck(ctx, id, &seen)
		if !changed && !seen.long && rest(ctx, time.Until(seen.since.Add(LeaseTime))) {
			changed, err = r.recheck(ctx, id, &seen)
		}
		if !changed && err == nil && seen.watched(time.Now()) {
			r.doubt(ctx, id, &seen, false)
		}
	}
	return !seen.lease.Held()
}

// watch sees to the holder of a task that others follow in this process, until ctx is done.
func (r *Runner) watch(ctx context.Context, id a2a.TaskID, sights *tasklog.Sights) {
	w := watcher{Runner: r, id: id}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-sights.Ready():
			w.take(sights.Last())
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		for at := w.next(); !at.IsZero() && ctx.Err() == nil; at = w.next() {
			if left := time.Until(at); left > 0 {
				timer.Reset(left)
				break
			}
			w.act(ctx)
		}
	}
}

// watcher watches one task.
type watcher struct {
	*Runner
	id       a2a.TaskID
	sight    tasklog.Sight // the last
	seen     sighting
	came     bool      // somebody has come since the last sign of life
	tries    int       // doubts in a row that came to no result
	notUntil time.Time // when the next one may begin
}

// take takes what the followers see.
func (w *watcher) take(s tasklog.Sight) {
	before, known := w.seen.since, w.seen.lease.Epoch > 0
	w.seen.see(s.Lease, s.Time)
	if known && w.seen.since != before {
		w.signs.note(s.Lease, s.Time)
	}
	if s.News.After(w.sight.News) && s.News.After(w.seen.since) {
		w.seen.lives(s.News)
		w.signs.note(s.Lease, s.News)
	}
	if w.seen.since != before {
		w.came, w.tries, w.notUntil = false, 0, time.Time{}
	}
	w.came = w.came || s.Came.After(w.sight.Came) && !s.Came.Before(w.seen.alive)
	w.sight = s
}

// next returns when the watcher is to act, or zero if it waits for something else.
func (w *watcher) next() time.Time {
	s := &w.seen
	if !w.sight.Active || !s.lease.Held() || s.long {
		return time.Time{}
	}
	end := s.since.Add(LeaseTime)
	at := s.alive.Add(overdue)
	switch {
	case s.lease.Deaf:
		at = end
	case !w.goesOn(s.lease):
		at = s.alive.Add(LeaseTime)
	case w.came && s.skewed:
		at = s.since
	case w.came:
		came := s.alive.Add(doubtAfter)
		if lives := w.signs.of(s.lease.Holder).Add(livesFor); lives.After(came) {
			came = lives
		}
		if came.Before(at) {
			at = came
		}
	}
	if at.After(end) {
		at = end
	}
	if at.Before(w.notUntil) {
		at = w.notUntil
	}
	return at
}

// act doubts the holder.
func (w *watcher) act(ctx context.Context) {
	if len(w.running.of(w.id)) > 0 {
		w.seen.lives(time.Now()) // this process knows best
		w.came = false
		return
	}
	before := w.seen.lease
	o := w.doubt(ctx, w.id, &w.seen, true)
	if !before.Same(w.seen.lease) && o == answered {
		w.came, w.tries, w.notUntil = false, 0, time.Time{}
		return
	}
	if o == deposed || o == passedOn {
		// Also if the last follower leaves meanwhile.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), invokeWithin)
		defer cancel()
		if err := w.Invoke(ctx, w.id); err != nil { // others ask again
			w.Logger.ErrorContext(ctx, "recovering task", "task", w.id, "error", err)
		}
	}
	w.tries++
	now, end := time.Now(), w.seen.since.Add(LeaseTime)
	w.notUntil = now.Add(patience[min(w.tries, len(patience)-1)])
	if now.Before(end) && (w.tries >= len(patience) || w.notUntil.After(end)) {
		w.notUntil = end
	}
}
