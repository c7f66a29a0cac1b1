package webhook

import (
	"net"
	"net/url"
	"strings"
	"sync"
	"time"

	"a2alambda/internal/push"
)

const (
	// breakAfter is how many configurations of a host get no answer, one after the other, before
	// its breaker opens. One tenant's task is not to stop the others of a host that they share.
	breakAfter = 3

	// A breaker is open for openFirst, and for twice as long after each trial that gets no answer,
	// but no longer than openMost.
	openFirst = 30 * time.Second
	openMost  = 2 * time.Minute

	// trialTime is how long others wait for what a trial finds out.
	trialTime = timeout + 5*time.Second

	// slowFor is how long wake-ups send nothing to a host that has not answered breakAfter of their
	// configurations in a row in their time.
	slowFor = time.Minute

	// ownTry is how many times in a row a configuration is put off before it is tried whatever the
	// breaker says: what others get of a host that they share is no proof of what it would get.
	// Some ten minutes go by until then, at most.
	ownTry = 3

	// maxHosts is how many hosts a process remembers.
	maxHosts = 1000
)

// hosts is what a process knows of the hosts that it sends to.
type hosts struct {
	mu    sync.Mutex
	known map[string]*host // by name and port
}

// of returns what is known of a URL's host.
func (h *hosts) of(raw string) *host {
	key := raw
	if u, err := url.Parse(raw); err == nil {
		port := u.Port()
		if port == "" {
			port = u.Scheme
		}
		key = net.JoinHostPort(strings.ToLower(strings.TrimSuffix(u.Hostname(), ".")), port)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if found := h.known[key]; found != nil {
		return found
	}
	if len(h.known) == maxHosts {
		for any := range h.known { // whichever: if it does not answer, that is found out anew
			delete(h.known, any)
			break
		}
	}
	added := &host{answers: make(chan struct{})}
	h.known[key] = added
	return added
}

// host is a breaker: while a host gives no answers, few requests wait for them. An answer is one
// whatever it says: a webhook that refuses an event is put off for itself, and costs no time. A
// request without an answer says nothing of a host that has answered others since it began.
type host struct {
	mu      sync.Mutex
	answers chan struct{}     // closed after an answer, until there is none in time
	silent  map[push.Ref]bool // that got no answer since the last one, until the breaker opens
	opened  int               // how often it has opened since the last answer; 0 if it is closed
	retry   time.Time         // when a trial may begin, if it is open
	late    map[push.Ref]bool // that got no answer in a wake-up since the last one that was in time
	slow    time.Time         // until when wake-ups send nothing
	last    time.Time         // when it answered
	quick   time.Time         // when it answered in a wake-up's time
}

// answering returns a channel that is closed if, or once, the host answers.
func (h *host) answering() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.answers
}

// admit says whether a delivery may begin: not in a wake-up while the host is slow, nor while its
// breaker is open. Then wait is how long that lasts. Otherwise trial says that the breaker waits
// for what the delivery finds out, which is no thing for a wake-up.
func (h *host) admit(wakeUp bool) (slow bool, wait time.Duration, trial bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	switch {
	case h.opened > 0 && now.Before(h.retry):
		return false, h.retry.Sub(now), false
	case wakeUp && (h.opened > 0 || now.Before(h.slow)):
		return true, 0, false
	case h.opened > 0:
		h.retry = now.Add(trialTime)
		return false, 0, true
	}
	return false, 0, false
}

// open reports whether the breaker is open.
func (h *host) open() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.opened > 0
}

// answered tells the breaker of an answer after that time.
func (h *host) answered(after time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.silent, h.opened, h.last = nil, 0, time.Now()
	if after < firstTry {
		h.late, h.slow, h.quick = nil, time.Time{}, h.last
	} else if len(h.late) >= breakAfter {
		h.slow = h.last.Add(slowFor)
	}
	select {
	case <-h.answers:
	default:
		close(h.answers)
	}
}

// wasLate tells the breaker that a wake-up got no answer in its time: others may get one in theirs.
// The rest of the wake-up does not try.
func (h *host) wasLate(ref push.Ref, begun time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.quick.Before(begun) {
		return
	}
	h.doubt()
	if len(h.late) < breakAfter {
		add(&h.late, ref)
	}
	wait := patience
	if len(h.late) == breakAfter {
		wait = slowFor
	}
	h.slow = time.Now().Add(wait)
}

// failed tells the breaker that a configuration got no answer.
func (h *host) failed(ref push.Ref, begun time.Time, trial bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.last.Before(begun) {
		return
	}
	h.doubt()
	switch {
	case trial:
	case h.opened > 0:
		return // it began before, or was an own try
	default:
		if add(&h.silent, ref); len(h.silent) < breakAfter {
			return
		}
		h.silent = nil
	}
	h.opened++
	h.retry = time.Now().Add(min(openFirst<<min(h.opened-1, 10), openMost))
}

// doubt ends what an answer has proven. The caller holds mu.
func (h *host) doubt() {
	select {
	case <-h.answers:
		h.answers = make(chan struct{})
	default:
	}
}

func add(to *map[push.Ref]bool, ref push.Ref) {
	if *to == nil {
		*to = make(map[push.Ref]bool)
	}
	(*to)[ref] = true
}
