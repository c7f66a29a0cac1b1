package webhook

import (
	"net"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"a2alambda/internal/push"
)

const (
	// breakAfter is how many configurations of a host must get no answer, one after the other,
	// before its breaker opens. One is not enough: tenants may share a host.
	breakAfter = 3

	// A breaker is open for openFirst. Each trial without an answer doubles the time, up to
	// openMost.
	openFirst = 30 * time.Second
	openMost  = 2 * time.Minute

	// trialTime is how long other deliveries wait for the result of a trial.
	trialTime = timeout + 5*time.Second

	// slowFor is how long wake-ups send nothing to a host that has not answered breakAfter of their
	// configurations in a row within firstTry.
	slowFor = time.Minute

	// ownTry is how many times in a row a configuration is put off before it is tried even if the
	// breaker is open. If others get no answer from a shared host, it may still get one. Until
	// then, ten minutes pass at most.
	ownTry = 3

	// maxHosts is how many hosts a process remembers.
	maxHosts = 1000
)

// hosts is what a process knows of the hosts to which it sends.
type hosts struct {
	mu    sync.Mutex
	known map[string]*host // by name and port
}

// of returns what is known of a URL's host.
func (h *hosts) of(raw string) *host {
	key := raw
	if u, err := url.Parse(raw); err == nil {
		key = net.JoinHostPort(hostName(u), hostPort(u))
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if found := h.known[key]; found != nil {
		return found
	}
	if len(h.known) == maxHosts {
		for any := range h.known { // any of them: its next answers show again how it is
			delete(h.known, any)
			break
		}
	}
	added := &host{answers: make(chan struct{})}
	h.known[key] = added
	return added
}

// hostName returns the name or address of a URL's host, in one of its spellings: others would be
// other hosts.
func hostName(u *url.URL) string {
	name := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	if ip, err := netip.ParseAddr(name); err == nil {
		name = ip.Unmap().WithZone("").String()
	}
	return name
}

// hostPort returns the number of a URL's port.
func hostPort(u *url.URL) string {
	port := strings.TrimLeft(u.Port(), "0")
	switch {
	case port != "":
		return port
	case u.Scheme == "http":
		return "80"
	}
	return "443"
}

// host is a breaker: while a host gives no answers, few requests wait for them. An answer with any
// status counts: a webhook that refuses an event costs no time, and only its own delivery is put
// off. If the host has answered others since a request began, that request's failure does not
// count.
type host struct {
	mu      sync.Mutex
	answers chan struct{}     // closed while the host answers
	silent  map[push.Ref]bool // without an answer since the last one, or since the breaker opened
	opened  int               // how often the breaker has opened since the last answer; 0 if it is closed
	retry   time.Time         // when a trial may begin, if the breaker is open
	late    map[push.Ref]bool // without an answer in a wake-up since the last one within firstTry
	slow    time.Time         // wake-ups send nothing before that
	last    time.Time         // when the host last answered
	quick   time.Time         // when it last answered within firstTry

	agreed    bool          // somebody there has agreed
	minute    time.Time     // when the minute began in which strangers were asked
	strangers int           // how many
	hour      time.Time     // when the hour began in which answers were late
	waited    time.Duration // by how much
	counted   time.Time     // until when that is counted
}

// agree tells that somebody at the host has agreed to get notifications.
func (h *host) agree() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.agreed = true
}

// strange says how long the first request of a configuration has to wait, or counts it.
func (h *host) strange() (wait time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	if now.Sub(h.minute) >= time.Minute {
		h.minute, h.strangers = now, 0
	}
	if !h.agreed && h.strangers >= strangersPerMinute {
		return h.minute.Add(time.Minute).Sub(now)
	}
	h.strangers++
	return 0
}

// wasted tells that an answer was late: since a time, until now. Of several at the same time, the
// time counts once.
func (h *host) wasted(since time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	if now.Sub(h.hour) >= time.Hour {
		h.hour, h.waited = now, 0
	}
	if since.Before(h.counted) {
		since = h.counted
	}
	h.waited += now.Sub(since)
	h.counted = now
}

// tired returns when the host may get requests again, if its answers were too late for too long.
func (h *host) tired(now time.Time) (until time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.waited < hostWait || now.Sub(h.hour) >= time.Hour {
		return time.Time{}
	}
	return h.hour.Add(time.Hour)
}

// answering returns a channel that is closed while the host answers, or once it does.
func (h *host) answering() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.answers
}

// admit says whether a delivery may begin. It may not in a wake-up while the host is slow, nor, for
// the time wait, while the breaker is open. If trial is set, the delivery is the breaker's trial. A
// wake-up is never a trial.
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

// answered tells the breaker of an answer, which took some time.
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

// wasLate tells the breaker that a wake-up got no answer within firstTry. The rest of the wake-up
// sends nothing to the host; other deliveries, which have more time, may.
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

// failed tells the breaker that a delivery got no answer.
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
		return // it began before the breaker opened, or was an own try
	default:
		if add(&h.silent, ref); len(h.silent) < breakAfter {
			return
		}
		h.silent = nil
	}
	h.opened++
	h.retry = time.Now().Add(min(openFirst<<min(h.opened-1, 10), openMost))
}

// doubt ends what an answer has shown. The caller holds mu.
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
