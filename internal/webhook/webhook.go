// Package webhook delivers push notifications: it sends each event of a task's log to each of the
// task's push notification configurations, as an HTTP request.
//
// # What a receiver can rely on
//
// The events of a task arrive in the order of its log, one request at a time, and the next one only
// after a 2xx. While a webhook fails, it gets no event after the one that it refused. Each event
// arrives at least once, and maybe twice: if a deliverer crashes, the events of its last seconds
// are sent again. The header X-A2A-Event-Id has the event's number in its task. By that, a receiver
// recognizes what it has had.
//
// # Who gets notifications
//
// A client names any URL. So a configuration has to agree before it gets what people and agents say:
// its first request is short, and a 2xx in the time of a wake-up's try is the agreement. It belongs
// to the configuration and is stored with it. The first request has the token, the credentials and
// the event; for a longer event, it has the Task with its id, context and state, under the number of
// an event that needs no delivery, and the event follows. Until the agreement one request is sent
// each time that the configuration is due, and few a minute to a host where nobody has agreed.
//
// # What goes out
//
// A task has an account of ten times the bytes that its caller has sent ([push.Store.Spend]). From
// it come the caller's own content when it goes out again, and all requests to webhooks that have
// not agreed. It belongs to the task, so that it does not matter how many configurations there are,
// or how often they are put. When it is used up, the caller's content is left out, and webhooks that
// have not agreed are given up. What the agent says is bounded for each configuration and hour, and
// so is the time that late answers take. Another configuration in the place of one goes on with its
// hour, and all of a task together get no more than five would. At such a bound the delivery is put off until the next hour:
// nothing is lost, and nothing has failed.
//
// # A wake-up says only where to look
//
// A [Deliverer] is woken for a task, not for an event: by the table's stream in a deployment, by
// [Deliverer.Watch] in a local process. It reads the log after the last event that was delivered.
// So nothing is queued, a needless wake-up does no harm, and each wake-up makes up for lost ones.
//
// # One holder at a time
//
// Several wake-ups may come at the same time, to several instances. One of them gets the claim on a
// configuration ([push.Claim]), for half a minute at a time. The store refuses it to the others,
// and they leave at once. The store remembers that they came: before the holder can release its
// claim, it must read the log once more, and finds the events that they came for. So no event is
// lost between the holder's last read and the end of its claim.
//
// The claim is also an appointment. If a holder crashes, its claim ends, and the configuration is
// due: the sweeper, which looks each minute, asks for another invocation ([push.Sweep]). A delivery
// whose holder was lost gets an invocation of its own, and saves each event that is accepted. After
// five lost holders without an event it is given up.
//
// # When a webhook fails
//
// Each event is tried three times within seconds, if another try may help. Then the delivery is put
// off: the claim is released with a time for the next try. That is after a minute at first, after
// an hour in the end, or when the webhook wants it (Retry-After). Before that time nobody can claim
// the configuration, however often its task wakes the deliverer. A success ends the series. After a
// day of failures, or if the webhook answers 410, the delivery is given up. The client still sees
// its configuration, and may set it again to begin anew. An invocation of the push function fails
// then, so that the operator finds it in the dead-letter queue.
//
// # Time and memory
//
// One invocation is woken for many tasks, and the table's stream waits for its end. So it begins
// requests for some seconds only, and gives each a short time for an answer. What it has not
// delivered then, it leaves to another invocation, which has all the time of the function. Several
// configurations that were left share an invocation, and take turns at their host: a slow webhook
// delays only its own events. Few deliveries read a log at the same time, and each is charged for
// its memory (package memory).
//
// In 0.3 each request has the Task, up to 1 MB of it; the metadata say what was left out. The Task
// is a fold over the log, which a delivery keeps as pieces of JSON, and only what can be in a
// request. So neither its memory nor the cost of an event grows with the task. When a delivery has
// ended, the process keeps its fold for a while: the next one reads only what is new.
//
// # When a host hangs
//
// An invocation has few deliveries at a host that has not answered yet. Beyond that, each process
// has a breaker for each host:
//
//   - Three configurations in a row get no answer in the short time of a wake-up: the host is slow.
//     For a minute, wake-ups send nothing to it, and leave its deliveries to invocations of their
//     own.
//   - Three in a row get no answer though they had more time: the breaker opens. Deliveries are put
//     off without a request, for half a minute at first and two minutes in the end. Then one
//     delivery is a trial, and an answer closes the breaker.
//
// An answer with any status counts, since tenants may share a host, and a webhook that refuses an
// event costs no time. For the same reason, a configuration that was put off three times in a row
// is tried even if the breaker is open. That is after ten minutes at most. If the webhook answers
// then, it is no longer put off. Other processes don't know the breaker, but they see until when a
// delivery was put off.
//
// # Behind
//
// In 0.3 each request has the Task. So a webhook that is behind gets only the newest Task,
// and the Tasks that ended a turn: X-A2A-Event-Id goes up by more than one. In 1.0 it gets each
// event.
//
// # Where requests may go
//
// A client chooses the URL, and the deliverer may be in a private network. [outgoing.Guard] says
// which addresses it may reach. It checks the URL when a client sets a configuration, for a clear
// error, and each address when a connection is made. The second check is the one that protects,
// since a name can resolve to any address.
package webhook

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/push"
	"a2alambda/internal/tasklog"
)

const (
	// timeout is how long a webhook may take to answer. In a wake-up, others wait: it is firstTry.
	timeout  = 10 * time.Second
	firstTry = 3 * time.Second

	// claimTime is how long a claim lasts without a renewal. For that long a configuration waits
	// after its holder has crashed. When a request begins, claimMargin of the claim is left.
	claimTime   = 30 * time.Second
	claimMargin = timeout + 5*time.Second

	// releaseWithin is how long a claim is released after an error of the store.
	releaseWithin = 2 * time.Second

	// saveEvery is how often progress is saved while events are delivered.
	saveEvery = 3 * time.Second

	// patience is how long a wake-up begins requests. Others wait for its end.
	patience = 5 * time.Second

	// share is how long each of several deliveries of an invocation begins requests. The next
	// delivery at its host waits for its end.
	share = 30 * time.Second

	// readingAtOnce is how many deliveries read the log, decode events, or make the body of a request
	// at the same time. For a moment that takes several times the memory that they keep.
	readingAtOnce = 3

	// readAtOnce is how many events are read from a log at once.
	readAtOnce = 200

	// giveUpAfter is how long a webhook may fail before delivery is given up.
	giveUpAfter = 24 * time.Hour

	// A failing webhook is tried again after backOffFirst, and then less and less often, but at
	// least every backOffMost, even if its Retry-After asks for more.
	backOffFirst = time.Minute
	backOffMost  = time.Hour

	// longestPause is the longest pause before another try of an event. If a webhook asks for a
	// longer one, by Retry-After, its delivery is put off.
	longestPause = 2 * time.Second
)

// pauses are the pauses before further tries of one event. After them the delivery is put off.
var pauses = []time.Duration{500 * time.Millisecond, longestPause}

// reading has a token for each delivery that reads.
var reading = make(chan struct{}, readingAtOnce)

// Config is what a [Deliverer] needs. All fields are required.
type Config struct {
	Log    tasklog.Reader
	Store  push.Store
	Client *http.Client // see [outgoing.Guard.Client]
	Logger *slog.Logger
	// Invoke asks for an invocation that calls [Deliverer.Deliver]. If it is lost, the sweeper
	// asks.
	Invoke func(ctx context.Context, refs ...push.Ref) error
}

// Deliverer delivers. It is safe for concurrent use.
type Deliverer struct {
	config Config
	ending context.Context // done after End
	end    context.CancelFunc
	later  func(ctx context.Context, id a2a.TaskID, config string) error // Invoke, for many callers at the same time
	hosts  hosts
	states states
}

// New returns a deliverer. It panics if something is missing.
func New(c Config) *Deliverer {
	if c.Log == nil || c.Store == nil || c.Client == nil || c.Logger == nil || c.Invoke == nil {
		panic("webhook: a deliverer needs all that is in its Config")
	}
	d := &Deliverer{config: c, later: push.Gather(c.Invoke), hosts: hosts{known: make(map[string]*host)}}
	d.ending, d.end = context.WithCancel(context.Background())
	return d
}

// End has the deliveries under way begin no more requests, since the process is about to end: they
// leave the rest to other invocations.
func (d *Deliverer) End() { d.end() }

// Wake delivers the new events of the tasks. A webhook gets little time to answer, and after some
// seconds Wake leaves the rest to other invocations. An error never comes from a webhook: the store
// did not answer, and Wake must be called again.
func (d *Deliverer) Wake(ctx context.Context, ids ...a2a.TaskID) error {
	r := d.round(true, d.until(ctx, time.Now().Add(patience)))
	for _, id := range ids {
		r.tasks.Go(id, func() error { return r.look(ctx, id) })
	}
	return r.wait()
}

// look begins to deliver those of a task's configurations for which there is a new event.
func (r *round) look(ctx context.Context, id a2a.TaskID) error {
	configs, err := r.config.Store.List(ctx, id)
	for _, c := range configs {
		news, _, readErr := r.config.Log.Read(ctx, id, c.After, 1)
		switch {
		case errors.Is(readErr, tasklog.ErrNotFound): // it has expired
		case readErr != nil:
			err = errors.Join(err, readErr)
		case len(news) > 0: // otherwise the next append wakes the deliverer
			r.begin(ctx, c)
		}
	}
	return err
}

// Deliver delivers configurations that are due, for as long as ctx allows. For a single one it
// returns [push.ErrGivenUp] if its delivery is given up, now or earlier. If one of several is given
// up, Deliver asks for an invocation for it alone.
func (d *Deliverer) Deliver(ctx context.Context, refs ...push.Ref) error {
	stop := d.until(ctx, time.Time{})
	if len(refs) == 1 {
		left, err := d.deliver(ctx, refs[0], limits{stop: stop})
		if left {
			d.invoked(ctx, refs[0], d.config.Invoke(ctx, refs[0]))
		}
		return err
	}
	r := d.round(false, stop)
	for _, ref := range refs {
		r.tasks.Go(ref.TaskID, func() error {
			// The host must be known before the claim: a claim does not wait for a place.
			configs, err := d.config.Store.List(ctx, ref.TaskID)
			if i := slices.IndexFunc(configs, func(c push.Config) bool { return c.ID == ref.ID }); i >= 0 {
				r.begin(ctx, configs[i])
			}
			return err
		})
	}
	return r.wait()
}

// until returns when the last request may begin: well before the end of ctx and, unless it is zero,
// not after the given time. It returns zero if there is no limit.
func (d *Deliverer) until(ctx context.Context, at time.Time) time.Time {
	if end, ok := ctx.Deadline(); ok {
		if last := end.Add(-claimMargin); at.IsZero() || last.Before(at) {
			return last
		}
	}
	return at
}

// invoked logs the error of asking for an invocation, if any. Then the sweeper asks again.
func (d *Deliverer) invoked(ctx context.Context, ref push.Ref, err error) {
	if err != nil {
		d.config.Logger.ErrorContext(ctx, "invoking delivery", "task", ref.TaskID, "config", ref.ID, "error", err)
	}
}
