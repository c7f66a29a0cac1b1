package fanout

import (
	"context"
	"sync"
	"time"
)

// Queue keeps too many from doing the same thing at the same time. Those that came first go first: so
// they are done before the last ones begin, and a slow store has no more requests than it can answer
// in time.
type Queue struct {
	places  chan struct{}
	patient time.Duration
}

// NewQueue returns a queue with so many places. Who has waited for a place for as long as patient goes
// on without: those who have them may wait for something large.
func NewQueue(places int, patient time.Duration) *Queue {
	return &Queue{make(chan struct{}, places), patient}
}

// Enter waits for a place. Leave gives it back; the caller must call it, once or more often. If ctx
// ends before, Enter returns its cause.
func (q *Queue) Enter(ctx context.Context) (leave func(), err error) {
	select {
	case q.places <- struct{}{}:
		return q.leave(), nil
	default:
	}
	over := time.NewTimer(q.patient)
	defer over.Stop()
	select {
	case q.places <- struct{}{}:
		return q.leave(), nil
	case <-over.C:
		return func() {}, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (q *Queue) leave() func() { return sync.OnceFunc(func() { <-q.places }) }
