package main

import (
	"fmt"
	"slices"
	"time"
)

// hit is a kill from which a user has to recover.
type hit struct {
	kind
	task    string        // the user's
	request string        // that was cut; "" if the user's stream was not
	at      time.Time     // of the signal
	gone    time.Time     // when the process had ended
	took    time.Duration // from the signal to the user's next event
	who     string        // got it
}

// kind is what the times of hits are told apart by.
type kind struct {
	term      bool // SIGTERM first, and half a second later SIGKILL
	cut       bool // the user's stream
	run       bool // the process ran the user's task
	remembers bool // the user sends Last-Event-ID
}

// String names the signal and the user.
func (k kind) String() string {
	signal, user := "SIGKILL", "without Last-Event-ID"
	if k.term {
		signal = "SIGTERM"
	}
	if k.remembers {
		user = "with Last-Event-ID"
	}
	return signal + ", " + user
}

// heals reports whether an event ends the wait: it was made after the end of the process and, if the
// stream was cut, is in the answer to another request. What was made before may be on its way.
func (h *hit) heals(request string, made time.Time) bool {
	return made.After(h.gone) && request != h.request
}

// times are how long hits of a kind took.
type times []time.Duration

// at returns the time that a share of the hits, from 0 to 1, did not exceed.
func (t times) at(share float64) time.Duration {
	if len(t) == 0 {
		return 0
	}
	slices.Sort(t)
	return t[min(int(share*float64(len(t))), len(t)-1)]
}

func (t times) String() string {
	if len(t) == 0 {
		return "   0"
	}
	s := func(d time.Duration) string { return fmt.Sprintf("%6.2f", d.Seconds()) }
	return fmt.Sprintf("%4d %s %s %s %s", len(t), s(t.at(0.5)), s(t.at(0.9)), s(t.at(0.99)), s(t.at(1)))
}
