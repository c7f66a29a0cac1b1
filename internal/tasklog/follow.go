package tasklog

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

const (
	// A follower polls pollFirst after an event, and then less and less often: pollMost while the task is running,
	// pollIdle while it waits for the client.
	pollFirst = 80 * time.Millisecond
	pollMost  = 200 * time.Millisecond
	pollIdle  = time.Second

	// pollFailed is how seldom it polls a log that can't be read.
	pollFailed = 2 * time.Second

	// idleFor is how long a follower stays with a task that waits for the client.
	idleFor = time.Minute

	// A follower says that its task is orphaned at once, again orphanedFirst later, and then less and less often, so that
	// those who wait for a busy system don't make it busier.
	orphanedFirst = 5 * time.Second
	orphanedMost  = time.Minute
)

// FollowConfig says what [Follow] follows, and how.
type FollowConfig struct {
	Log Poller
	ID  a2a.TaskID
	// After is the number of the last event known, and State the state that it left the task in. After is 0, or the last that
	// a Load, a Poll, or a Read to the end has returned.
	After int64
	State a2a.TaskState
	// Show gets the events, in order. It may be nil.
	Show func([]Event)
	// Orphaned is called when the lease of an unfinished task has ended, and again while it stays so. It may be nil.
	Orphaned func()
	// UntilFinal ends following also when the task waits for the client.
	UntilFinal bool
}

// Follow shows the events of a log as they come, whoever appends them, until the task has ended, or has waited for the client
// for a minute, or ctx is done. It returns the state that the last event left the task in, and the error that the log could
// not be read with, for as long as an append is retried; not that of ctx.
func Follow(ctx context.Context, c FollowConfig) (a2a.TaskState, error) {
	var failing, orphaned, idle time.Time
	interval, again := pollFirst, orphanedFirst
	for {
		if c.State.Terminal() || c.UntilFinal && Final(c.State) {
			return c.State, nil
		}
		events, lease, err := c.Log.Poll(ctx, c.ID, c.After)
		now := time.Now()
		if err == nil {
			failing = time.Time{}
		}
		switch {
		case ctx.Err() != nil:
			return c.State, nil
		case errors.Is(err, ErrNotFound):
			return c.State, err
		case err != nil:
			if failing.IsZero() {
				failing = now
			} else if now.Sub(failing) > retryFor {
				return c.State, err
			}
		case len(events) > 0:
			idle, orphaned = time.Time{}, time.Time{}
			interval, again = pollFirst, orphanedFirst
			c.After = events[len(events)-1].Seq
			if s := lastState(events); s != "" {
				c.State = s
			}
			if c.Show != nil {
				c.Show(events)
			}
			continue // there may be more
		case Final(c.State):
			if idle.IsZero() {
				idle = now
			} else if now.Sub(idle) > idleFor {
				return c.State, nil
			}
		default:
			if lease.Expired() && c.Orphaned != nil && now.After(orphaned) {
				orphaned = now.Add(again - again/10 + rand.N(again/5))
				again = min(2*again, orphanedMost)
				c.Orphaned()
			}
		}
		most := pollMost
		switch {
		case err != nil:
			most = pollFailed
		case Final(c.State):
			most = pollIdle
		}
		// Jittered by a tenth, so that followers who began together don't stay together.
		wait := time.NewTimer(interval - interval/10 + rand.N(interval/5))
		interval = min(interval*3/2, most)
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
			return c.State, nil
		}
	}
}

// lastState returns the last state that the events bring, or "".
func lastState(events []Event) a2a.TaskState {
	state, _ := LastStatus(events)
	return state
}

// LastStatus returns the last state that the events bring, and the time of the status; or "".
func LastStatus(events []Event) (a2a.TaskState, time.Time) {
	type status struct {
		Status struct {
			State     a2a.TaskState `json:"state"`
			Timestamp time.Time     `json:"timestamp"`
		} `json:"status"`
	}
	for i := len(events) - 1; i >= 0; i-- {
		var e struct {
			Task         *status `json:"task"`
			StatusUpdate *status `json:"statusUpdate"`
		}
		if json.Unmarshal(events[i].JSON, &e) != nil {
			continue
		}
		if e.StatusUpdate != nil {
			return e.StatusUpdate.Status.State, e.StatusUpdate.Status.Timestamp
		}
		if e.Task != nil {
			return e.Task.Status.State, e.Task.Status.Timestamp
		}
	}
	return "", time.Time{}
}
