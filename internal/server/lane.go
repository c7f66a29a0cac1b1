package server

import (
	"context"
	"sync"
	"time"
)

const (
	// laneWidth is how many streams begin at the same time. When an instance ends, a thousand clients
	// come to another one. If all began at once, all would wait until the last one has begun.
	laneWidth = 16

	// laneFor is how long a stream may take to begin without letting the next one begin, too: what takes
	// that long waits for the table, or is large.
	laneFor = 100 * time.Millisecond
)

// lane lets those in who come first.
type lane struct{ places chan struct{} }

func newLane() lane { return lane{make(chan struct{}, laneWidth)} }

// enter waits for a place. The caller must call leave.
func (l lane) enter(ctx context.Context) (leave func(), err error) {
	select {
	case l.places <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	once := sync.OnceFunc(func() { <-l.places })
	late := time.AfterFunc(laneFor, once)
	return func() {
		late.Stop()
		once()
	}, nil
}
