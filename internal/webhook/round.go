package webhook

import (
	"context"
	"errors"
	"sync"
	"time"

	"a2alambda/internal/fanout"
	"a2alambda/internal/push"
)

const (
	// atOnce is how many deliveries a round has under way at hosts that answer, and how many at
	// other hosts. lookAtOnce is how many tasks it looks at. A delivery has up to tasklog.ReadBytes
	// in memory, or one event, and is charged for that.
	atOnce     = 64
	lookAtOnce = 16

	// hostAtOnce is how many deliveries are at the same host, and doubtAtOnce how many if the host
	// has not answered yet, or not the last time: deliveries that hang must not take the places of
	// others.
	hostAtOnce  = 16
	doubtAtOnce = 4
)

// round is the work of one invocation. A delivery first waits for a place at its host, before it
// claims anything, and then for one of all places. So nobody waits for another's host. Hosts in
// doubt have places of their own, since a delivery that hangs keeps its place.
type round struct {
	*Deliverer
	wakeUp bool
	stop   time.Time     // no request may begin after it; zero if there is no limit
	tasks  *fanout.Group // looked at
	all    *fanout.Group // the deliveries
	places lane          // for all

	mu    sync.Mutex
	lanes map[*host]*lane
}

// lane has the places at one host, or at all hosts. At its host, each delivery takes one of any,
// and unless the host answers, one of doubt, too. Of the places at all hosts it takes one: of
// doubt, or of any if the host answers.
type lane struct{ any, doubt chan struct{} }

func newLane(any, doubt int) *lane {
	return &lane{make(chan struct{}, any), make(chan struct{}, doubt)}
}

func (d *Deliverer) round(wakeUp bool, stop time.Time) *round {
	return &round{
		Deliverer: d, wakeUp: wakeUp, stop: stop,
		tasks: fanout.New(lookAtOnce), all: fanout.New(-1),
		places: *newLane(atOnce, atOnce), lanes: make(map[*host]*lane),
	}
}

// wait waits for all deliveries.
func (r *round) wait() error { return errors.Join(r.tasks.Wait(), r.all.Wait()) }

// begin delivers a configuration in the background.
func (r *round) begin(ctx context.Context, c push.Config) {
	ref := push.Ref{TaskID: c.TaskID, ID: c.ID}
	r.all.Go(c.TaskID, func() error {
		left, err := r.deliverInTurn(ctx, ref, r.hosts.of(c.Push.URL))
		switch {
		case left:
			r.invoked(ctx, ref, r.later(ctx, ref.TaskID, ref.ID))
		case errors.Is(err, errAlone):
			r.invoked(ctx, ref, r.config.Invoke(ctx, ref))
			return nil
		case errors.Is(err, errJustGivenUp):
			// An invocation for this one alone must fail, not this one, which is for others, too.
			r.invoked(ctx, ref, r.config.Invoke(ctx, ref))
			return nil
		case errors.Is(err, push.ErrGivenUp):
			return nil
		}
		return err
	})
}

// deliverInTurn delivers as soon as there is a place.
func (r *round) deliverInTurn(ctx context.Context, ref push.Ref, h *host) (left bool, err error) {
	defer r.enter(h)()
	return r.deliver(ctx, ref, limits{wakeUp: r.wakeUp, stop: r.stop, share: time.Now().Add(share)})
}

// enter waits for a place. It returns a function that gives the place back.
func (r *round) enter(h *host) (leave func()) {
	r.mu.Lock()
	l := r.lanes[h]
	if l == nil {
		l = newLane(hostAtOnce, doubtAtOnce)
		r.lanes[h] = l
	}
	r.mu.Unlock()
	l.any <- struct{}{}
	answers := h.answering()
	// The host's first answer ends the wait for a place in doubt. It is checked first, since select
	// chooses at random if both are ready.
	select {
	case <-answers:
	default:
		select {
		case <-answers:
		case l.doubt <- struct{}{}:
			select {
			case <-answers:
				<-l.doubt
			case r.places.doubt <- struct{}{}:
				return func() { <-r.places.doubt; <-l.doubt; <-l.any }
			}
		}
	}
	r.places.any <- struct{}{}
	return func() { <-r.places.any; <-l.any }
}
