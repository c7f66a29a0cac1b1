// Package webhook delivers push notifications: each event of a task's log, to each of the task's
// push notification configurations, as an HTTP request.
//
// # What a receiver can rely on
//
// The events of a task arrive in the order of its log, one request at a time, and the next one only
// after a 2xx. While a webhook fails, it gets nothing newer than what it refused. Each event
// arrives at least once, and maybe twice: if a deliverer crashes, the events of its last seconds
// are sent again. The header X-A2A-Event-Id has the event's number in its task, by which a receiver
// drops what it has had.
//
// # A wake-up says only where to look
//
// A [Deliverer] is woken for a task, not for an event: by the table's stream in a deployment, by
// [Deliverer.Watch] in a local process. It reads what it sends from the log, after the last event
// that was delivered. So nothing is queued, a wake-up too many does no harm, and each makes up for
// those that were lost.
//
// # One holder at a time
//
// Wake-ups come together, and several instances may act on them. One of them gets the claim on a
// configuration ([push.Claim]), for half a minute at a time. The others are refused it and leave at
// once. The store remembers that they came: the holder can't release its claim before it has read
// the log once more, and finds what they came for. So no event falls between the holder's last look
// at the log and the end of its claim.
//
// The claim is also an appointment. When a holder crashes, its claim ends, and the configuration is
// due: the sweeper, which looks each minute, asks for another invocation ([push.Sweep]).
//
// # When a webhook fails
//
// Each event is tried three times within seconds, if another try may help. Then the delivery is put
// off: the claim is released with a time to try again, after a minute at first and an hour in the
// end, or when the webhook wants it (Retry-After). Until then nobody can claim it, however often
// its task wakes. A success ends the series. After a day of failures, or if the webhook answers
// 410, the delivery is given up: its client still sees the configuration, and may set it again to
// begin anew. An invocation of the push function fails then, for the operator to find in the
// dead-letter queue.
//
// # Time and memory
//
// One invocation is woken for many tasks, and the table's stream waits for its end. So it begins
// requests for some seconds only, and waits for each answer for some seconds only. The rest of a
// configuration is left to another invocation, which has all the time that the function has, and
// shares it with others that are left: a slow webhook delays only its own events. Few deliveries
// read at the same time, and each is charged for its memory (package memory).
//
// # When a host hangs
//
// Of an invocation's deliveries, few are at one host, until that has answered. If a host does not
// answer three configurations in a row in a wake-up's time, wake-ups leave what is for it to
// others, for a minute. If it does not answer three in a row though they had time, its breaker
// opens: deliveries are put off without a request, for half a minute at first. Then one is a trial.
// An answer closes the breaker. It is a process's own. Others see until when a delivery was put
// off.
//
// Hosts may be shared by tenants. So an answer is one whatever its status, and a configuration that
// was put off three times in a row is tried all the same, which is after ten minutes at most. If it
// is answered, it is put off no more.
//
// # Behind
//
// In 0.3 each request has the whole Task. So a webhook that is behind gets the newest one only, and
// those that ended a turn: X-A2A-Event-Id goes up by more than one. In 1.0 it gets each event.
//
// # Where requests may go
//
// A client names the URL, and the deliverer may stand in a private network. [Guard] says which
// addresses it may reach. It checks the URL when a client sets a configuration, for a clear error,
// and each address when a connection is made: that counts, since a name can resolve to anything.
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
	// timeout is how long a webhook may take to answer. In a wake-up, for which others wait, it is
	// firstTry.
	timeout  = 10 * time.Second
	firstTry = 3 * time.Second

	// claimTime is how long a claim lasts if it is not renewed, and so how long a configuration
	// stays alone after its holder crashed. claimMargin of it is left when a request begins.
	claimTime   = 30 * time.Second
	claimMargin = timeout + 5*time.Second

	// saveEvery is how often progress is saved while events are delivered.
	saveEvery = 3 * time.Second

	// patience is how long a wake-up begins requests: others wait for its end.
	patience = 5 * time.Second

	// share is how long each of several deliveries of an invocation begins requests: the next one
	// at its host waits for its end.
	share = 30 * time.Second

	// readingAtOnce is how many deliveries read the log at the same time, or make the body of a
	// request: for a moment, that takes several times what they have in hand.
	readingAtOnce = 3

	// readAtOnce is how many events are read from a log at once.
	readAtOnce = 200

	// giveUpAfter is how long a webhook may fail before delivery is given up.
	giveUpAfter = 24 * time.Hour

	// While a webhook fails, it is tried again after backOffFirst, and then less and less often,
	// but at least each backOffMost, also if its Retry-After wants more.
	backOffFirst = time.Minute
	backOffMost  = time.Hour

	// longestPause is the longest pause before another try of an event. A webhook that wants a
	// longer one, by Retry-After, is put off.
	longestPause = 2 * time.Second
)

// pauses are those before further tries of one event. After them the delivery is put off.
var pauses = []time.Duration{500 * time.Millisecond, longestPause}

// reading holds a token for each that reads.
var reading = make(chan struct{}, readingAtOnce)

// Config is what a [Deliverer] needs. All fields are required.
type Config struct {
	Log    tasklog.Reader
	Store  push.Store
	Client *http.Client // see [Guard.Client]
	Logger *slog.Logger
	// Invoke asks for another invocation that calls [Deliverer.Deliver]. It may be lost: then the
	// sweeper asks again.
	Invoke func(ctx context.Context, refs ...push.Ref) error
}

// Deliverer delivers. It is safe for concurrent use.
type Deliverer struct {
	config Config
	later  func(ctx context.Context, id a2a.TaskID, config string) error // Invoke, for many at a time
	hosts  hosts
}

// New returns a deliverer. It panics if something is missing.
func New(c Config) *Deliverer {
	if c.Log == nil || c.Store == nil || c.Client == nil || c.Logger == nil || c.Invoke == nil {
		panic("webhook: a deliverer needs all that is in its Config")
	}
	return &Deliverer{config: c, later: push.Gather(c.Invoke), hosts: hosts{known: make(map[string]*host)}}
}

// Wake delivers what is new of the tasks. A webhook gets little time to answer, and some seconds
// later Wake leaves the rest to further invocations. An error is never a webhook's: the store could
// not be asked, and Wake has to be called again.
func (d *Deliverer) Wake(ctx context.Context, ids ...a2a.TaskID) error {
	r := d.round(true, d.until(ctx, time.Now().Add(patience)))
	for _, id := range ids {
		r.tasks.Go(id, func() error { return r.look(ctx, id) })
	}
	return r.wait()
}

// look delivers a task's configurations for which there is something new.
func (r *round) look(ctx context.Context, id a2a.TaskID) error {
	configs, err := r.config.Store.List(ctx, id)
	for _, c := range configs {
		news, _, readErr := r.config.Log.Read(ctx, id, c.After, 1)
		switch {
		case errors.Is(readErr, tasklog.ErrNotFound): // it has expired
		case readErr != nil:
			err = errors.Join(err, readErr)
		case len(news) > 0: // else the next append wakes again
			r.begin(ctx, c)
		}
	}
	return err
}

// Deliver delivers configurations that are due, for as long as ctx allows. Of one alone it returns
// [push.ErrGivenUp] if delivery is given up, or was before. For one of several that is given up, it
// asks for an invocation that is about it alone.
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
			// The host has to be known before there is a claim, for that does not wait.
			configs, err := d.config.Store.List(ctx, ref.TaskID)
			if i := slices.IndexFunc(configs, func(c push.Config) bool { return c.ID == ref.ID }); i >= 0 {
				r.begin(ctx, configs[i])
			}
			return err
		})
	}
	return r.wait()
}

// until returns when the last request may begin: well before the end of ctx, and not after the
// given time unless that is zero. It returns zero if there is no limit.
func (d *Deliverer) until(ctx context.Context, at time.Time) time.Time {
	if end, ok := ctx.Deadline(); ok {
		if last := end.Add(-claimMargin); at.IsZero() || last.Before(at) {
			return last
		}
	}
	return at
}

// invoked logs what came of asking for an invocation. If it was not taken, the sweeper asks again.
func (d *Deliverer) invoked(ctx context.Context, ref push.Ref, err error) {
	if err != nil {
		d.config.Logger.ErrorContext(ctx, "invoking delivery", "task", ref.TaskID, "config", ref.ID, "error", err)
	}
}
