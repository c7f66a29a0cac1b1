package webhook_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"a2alambda/internal/outgoing"
)

// endless is the body of an answer that has no end.
type endless struct{ r *http.Request }

func (b endless) Read([]byte) (int, error) {
	<-b.r.Context().Done()
	return 0, b.r.Context().Err()
}

func (endless) Close() error { return nil }

// TestEndlessAnswer has a webhook that accepts each event and never ends its answer. The next event
// does not wait for the end.
func TestEndlessAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(r *http.Request, _ int64) (*http.Response, error) {
			resp := status(http.StatusOK)
			resp.Body = endless{r}
			return resp, nil
		})
		h := w.task(t, 50, url)
		begun := time.Now()
		must(t, w.Wake(t.Context(), h.ID))
		if n, took := len(w.hook.requests(url)), time.Since(begun); n != 50 || took > time.Second || len(w.jobs) > 0 {
			t.Errorf("%d events in %v", n, took)
		}
	})
}

// TestEndlessServer is TestEndlessAnswer with a real server, which sends something now and then.
func TestEndlessServer(t *testing.T) {
	var mu sync.Mutex
	var got []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		mu.Lock()
		got = append(got, r.Header.Get("X-A2A-Event-Id"))
		mu.Unlock()
		for r.Context().Err() == nil {
			_, _ = io.WriteString(w, "wait")
			_ = http.NewResponseController(w).Flush()
			select {
			case <-r.Context().Done():
			case <-time.After(10 * time.Millisecond):
			}
		}
	}))
	defer server.Close()
	w := newWorld(t, nil)
	client := outgoing.Guard{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}.Client()
	defer client.CloseIdleConnections()
	w.use(client)
	h := w.task(t, 3, server.URL)
	begun := time.Now()
	must(t, w.Wake(t.Context(), h.ID))
	mu.Lock()
	defer mu.Unlock()
	// Waiting for the end of each answer would take ten seconds an event. A wake-up takes one.
	if took := time.Since(begun); len(got) != 3 || took > 10*time.Second {
		t.Errorf("events %q in %v", got, took)
	}
}

// TestRetryAfter has a webhook say when it wants the next request. It gets none before that time,
// and one soon after it, but after an hour at most.
func TestRetryAfter(t *testing.T) {
	in := func(d time.Duration) func() string {
		return func() string { return time.Now().Add(d).UTC().Format(http.TimeFormat) }
	}
	says := func(s string) func() string { return func() string { return s } }
	for name, test := range map[string]struct {
		header   func() string
		at, most time.Duration // time from the first request to the next
		tries    int           // before it is put off, or taken
	}{
		"at once":              {says("0"), 500 * time.Millisecond, 500 * time.Millisecond, 2},
		"a second":             {says("1"), time.Second, time.Second, 2},
		"two seconds":          {says("2"), 2 * time.Second, 2 * time.Second, 2},
		"a date soon":          {in(2 * time.Second), time.Second, 2 * time.Second, 2},
		"half a minute":        {says("30"), 30 * time.Second, 3 * time.Minute, 1},
		"ten minutes":          {says("600"), 10 * time.Minute, 12 * time.Minute, 1},
		"a date":               {in(10 * time.Minute), 10 * time.Minute, 12 * time.Minute, 1},
		"a day":                {says("86400"), time.Hour, 62 * time.Minute, 1},
		"a date in a year":     {in(365 * 24 * time.Hour), time.Hour, 62 * time.Minute, 1},
		"for ever":             {says("99999999999999999999999"), time.Hour, 62 * time.Minute, 1},
		"a date that was":      {in(-time.Hour), 500 * time.Millisecond, 500 * time.Millisecond, 2},
		"nothing":              {says(""), 500 * time.Millisecond, 500 * time.Millisecond, 2},
		"less than nothing":    {says("-5"), 500 * time.Millisecond, 500 * time.Millisecond, 2},
		"nothing one can tell": {says("soon"), 500 * time.Millisecond, 500 * time.Millisecond, 2},
	} {
		for _, code := range []int{http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusFound} {
			t.Run(name+" "+strconv.Itoa(code), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					refused := false
					w := newWorld(t, func(*http.Request, int64) (*http.Response, error) {
						if refused {
							return status(http.StatusOK), nil
						}
						refused = true
						resp := status(code)
						resp.Header.Set("Retry-After", test.header())
						return resp, nil
					})
					h := w.task(t, 2, url)
					must(t, w.Wake(t.Context(), h.ID))
					if n := len(w.hook.requests(url)); (n == 1) != (test.tries == 1) {
						t.Errorf("%d requests at once", n)
					}
					for range 120 {
						must(t, w.Wake(t.Context(), h.ID), w.sweep(t)) // neither sends a request earlier
						time.Sleep(time.Minute)
					}
					got := w.hook.requests(url)
					if numbers(got) != "(1) 1 2" {
						t.Fatalf("got %s", numbers(got))
					}
					if again := got[1].at.Sub(got[0].at); again < test.at || again > test.most {
						t.Errorf("asked again after %v, want %v to %v", again, test.at, test.most)
					}
				})
			})
		}
	}
}

// TestAlwaysRetryAfter has a webhook ask for the next request at once, for hours. It still gets
// requests less and less often.
func TestAlwaysRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(*http.Request, int64) (*http.Response, error) {
			resp := status(http.StatusServiceUnavailable)
			resp.Header.Set("Retry-After", "1")
			return resp, nil
		})
		h := w.task(t, 1, url)
		must(t, w.Wake(t.Context(), h.ID))
		for range 6 * 60 {
			time.Sleep(time.Minute)
			must(t, w.sweep(t))
		}
		if n := len(w.hook.requests(url)); n < 10 || n > 40 {
			t.Errorf("%d requests in six hours", n)
		}
	})
}
