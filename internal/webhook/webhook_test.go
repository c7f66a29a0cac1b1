package webhook_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/push"
	"a2alambda/internal/pushtest"
	"a2alambda/internal/tasklog"
)

const url = "https://hook.example/"

func TestInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		h := w.task(t, 3, url)
		must(t, w.Wake(t.Context(), h.ID), w.Wake(t.Context(), h.ID))
		w.hook.want(url, "1 2 3")
		w.add(t, h, 4, 300)
		must(t, w.Wake(t.Context(), h.ID))
		w.hook.want(url, upTo(303))
		if err := w.Wake(t.Context(), "none"); err != nil {
			t.Error(err)
		}
		if len(w.jobs) != 0 {
			t.Errorf("asked for %v", w.jobs)
		}
	})
}

// TestTogether wakes the deliverer from many goroutines while a task grows.
func TestTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(*http.Request, int64) (*http.Response, error) {
			time.Sleep(3 * time.Millisecond)
			return status(http.StatusNoContent), nil
		})
		h := w.task(t, 1, url)
		var wg sync.WaitGroup
		const events = 200
		for i := range int64(events - 1) {
			w.add(t, h, i+2, 1)
			for range 3 {
				wg.Go(func() {
					if err := w.Wake(t.Context(), h.ID); err != nil {
						t.Error(err)
					}
				})
			}
			time.Sleep(2 * time.Millisecond)
		}
		wg.Wait()
		w.hook.want(url, upTo(events))
	})
}

// TestTriesAtOnce has a webhook fail for a moment.
func TestTriesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failures := 0
		w := newWorld(t, func(_ *http.Request, seq int64) (*http.Response, error) {
			if seq == 2 && failures < 2 {
				if failures++; failures == 1 {
					return nil, errors.New("connection refused")
				}
				return status(http.StatusFound), nil // redirects are not followed
			}
			return status(http.StatusAccepted), nil
		})
		h := w.task(t, 3, url)
		must(t, w.Wake(t.Context(), h.ID))
		w.hook.want(url, "1 (2) (2) 2 3")
		got := w.hook.requests(url)
		if a, b := got[2].at.Sub(got[1].at), got[3].at.Sub(got[2].at); a != 500*time.Millisecond || b != 2*time.Second {
			t.Errorf("tried again after %v and %v", a, b)
		}
	})
}

// TestLongFailure has a webhook whose long answer gets into the error.
func TestLongFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(*http.Request, int64) (*http.Response, error) {
			r := status(http.StatusFound)
			r.Header.Set("Location", "http://[malformed "+strings.Repeat("ä", 30_000))
			return r, nil
		})
		h := w.task(t, 1, url)
		must(t, w.Wake(t.Context(), h.ID))
		log := w.log.String()
		if !strings.Contains(log, "malformed ä") || len(log) > 1000 || !utf8.ValidString(log) || strings.Contains(log, `\x`) {
			t.Errorf("logged %d bytes: %.2000s", len(log), log)
		}
	})
}

// TestPutOff has a webhook that fails for hours. It gets requests less and less often, whatever
// wakes the deliverer, and then all events in order.
func TestPutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		w := newWorld(t, func(_ *http.Request, seq int64) (*http.Response, error) {
			if seq > 1 && time.Since(begin) < 3*time.Hour {
				return status(http.StatusInternalServerError), nil
			}
			return status(http.StatusOK), nil
		})
		h := w.task(t, 2, url)
		must(t, w.Wake(t.Context(), h.ID))
		w.hook.want(url, "1 (2) (2) (2)")
		next := int64(3)
		for time.Since(begin) < 4*time.Hour {
			time.Sleep(time.Minute)
			w.add(t, h, next, 1)
			next++
			must(t, w.Wake(t.Context(), h.ID), w.sweep(t))
		}
		var tries []int // in minutes
		got := w.hook.requests(url)
		for i := 1; i < len(got) && got[i].seq == 2; i++ {
			if got[i].at.Sub(got[i-1].at) > 30*time.Second || i == 1 {
				tries = append(tries, int(got[i].at.Sub(begin)/time.Minute))
			}
		}
		if fmt.Sprint(tries) != "[0 1 3 7 15 31 63 123 183]" {
			t.Errorf("tried in minutes %v", tries)
		}
		last := int64(0)
		for _, r := range got {
			if r.ok {
				if r.seq != last+1 {
					t.Fatalf("event %d after %d", r.seq, last)
				}
				last = r.seq
			}
		}
		if last != next-1 {
			t.Errorf("delivered %d of %d", last, next-1)
		}
		// The success has ended the series: the next failure counts as the first.
		c, err := w.pushes.Claim(t.Context(), h.ID, "c", "x", time.Now().Add(time.Minute))
		if err != nil || c == nil || c.Config().Failures != 0 {
			t.Errorf("after it all: %+v, %v", c, err)
		}
	})
}

// TestHangs has a webhook that does not answer. A wake-up gives it some seconds only, leaves it to
// another invocation, and delays nobody else.
func TestHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const other = "https://other.example/"
		w := newWorld(t, func(r *http.Request, _ int64) (*http.Response, error) {
			if r.URL.Host == "hook.example" {
				return hang(r)
			}
			return status(http.StatusOK), nil
		})
		slow, quick := w.task(t, 2, url), w.task(t, 2, other)
		begin := time.Now()
		must(t, w.Wake(t.Context(), slow.ID, quick.ID))
		if d := time.Since(begin); d != 3*time.Second {
			t.Errorf("took %v", d)
		}
		w.hook.want(url, "(1)")
		w.hook.want(other, "1 2")
		for _, r := range w.hook.requests(other) {
			if r.at.Sub(begin) > 0 {
				t.Errorf("event %d was delayed by %v", r.seq, r.at.Sub(begin))
			}
		}
		begin = time.Now()
		must(t, w.work(t.Context())...)
		if d := time.Since(begin); d != 10*time.Second {
			t.Errorf("its own invocation took %v", d)
		}
		w.hook.want(url, "(1) (1)")
		if !strings.Contains(w.log.String(), "no answer within 10s") {
			t.Errorf("the log says\n%s", w.log)
		}
	})
}

// TestSlow has a webhook that takes a second for each event. A wake-up sends five, and leaves the
// rest.
func TestSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(*http.Request, int64) (*http.Response, error) {
			time.Sleep(time.Second)
			return status(http.StatusOK), nil
		})
		h := w.task(t, 40, url)
		begin := time.Now()
		must(t, w.Wake(t.Context(), h.ID))
		if d := time.Since(begin); d != 5*time.Second {
			t.Errorf("took %v", d)
		}
		w.hook.want(url, "1 2 3 4 5")
		if fmt.Sprint(w.jobs) != fmt.Sprint([][]push.Ref{{{TaskID: h.ID, ID: "c"}}}) {
			t.Fatalf("asked for %v", w.jobs)
		}
		must(t, w.work(t.Context())...)
		w.hook.want(url, upTo(40))
	})
}

// TestGivenUp has a webhook fail for a day, and one that is gone.
func TestGivenUp(t *testing.T) {
	t.Run("a day", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, func(*http.Request, int64) (*http.Response, error) { return status(http.StatusBadGateway), nil })
			h := w.task(t, 2, url)
			begin := time.Now()
			must(t, w.Wake(t.Context(), h.ID))
			var err error
			for err == nil && time.Since(begin) < 48*time.Hour {
				time.Sleep(time.Minute)
				err = w.sweep(t)
			}
			if d := time.Since(begin); !errors.Is(err, push.ErrGivenUp) || d < 24*time.Hour || d > 26*time.Hour {
				t.Errorf("after %v: %v", d, err)
			}
			wantSilence(t, w, h, 3)
		})
	})
	t.Run("410", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, func(_ *http.Request, seq int64) (*http.Response, error) {
				if seq == 2 {
					return status(http.StatusGone), nil
				}
				return status(http.StatusOK), nil
			})
			h := w.task(t, 3, url)
			must(t, w.Wake(t.Context(), h.ID)) // no error: it may be for other tasks, too
			w.hook.want(url, "1 (2)")
			if errs := w.work(t.Context()); len(errs) != 1 || !errors.Is(errs[0], push.ErrGivenUp) {
				t.Errorf("the job it asked for: %v", errs)
			}
			wantSilence(t, w, h, 4)
		})
	})
}

// wantSilence checks that no more requests are sent, and that the configuration is still there.
func wantSilence(t *testing.T, w *world, h tasklog.Head, next int64) {
	t.Helper()
	before := len(w.hook.requests(url))
	time.Sleep(2 * time.Hour)
	w.add(t, h, next, 1)
	must(t, w.Wake(t.Context(), h.ID), w.sweep(t))
	if after := len(w.hook.requests(url)); after != before {
		t.Errorf("%d requests more", after-before)
	}
	if all, err := w.pushes.List(t.Context(), h.ID); err != nil || len(all) != 1 {
		t.Errorf("there is %v, %v", all, err)
	}
}

// TestDeleted deletes and replaces a configuration while it is delivered.
func TestDeleted(t *testing.T) {
	for _, replaced := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			const other = "https://other.example/"
			w := newWorld(t, func(*http.Request, int64) (*http.Response, error) {
				time.Sleep(100 * time.Millisecond)
				return status(http.StatusOK), nil
			})
			h := w.task(t, 1000, url)
			go func() {
				if err := w.Wake(t.Context(), h.ID); err != nil {
					t.Error(err)
				}
			}()
			time.Sleep(time.Second)
			if replaced {
				c := pushtest.NewConfig(h, "c", other)
				c.After = 995
				must(t, w.pushes.Put(t.Context(), h, c), w.Wake(t.Context(), h.ID))
			} else {
				must(t, w.pushes.Delete(t.Context(), h.ID, "c"))
			}
			deleted := time.Now()
			time.Sleep(time.Hour)
			must(t, w.sweep(t))
			got := w.hook.requests(url)
			if d := got[len(got)-1].at.Sub(deleted); d > 4*time.Second {
				t.Errorf("%v later something was still sent", d)
			}
			if replaced {
				w.hook.want(other, "996 997 998 999 1000")
			}
		})
	}
}

// TestNoSecrets checks that the log has no secret of a webhook.
func TestNoSecrets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		w := newWorld(t, func(r *http.Request, _ int64) (*http.Response, error) {
			if n++; n < 3 {
				return nil, errors.New("no route")
			}
			return hang(r)
		})
		h := w.task(t, 1, "https://hook.example/secret1?secret2")
		c := pushtest.NewConfig(h, "c", "https://hook.example/secret1?secret2")
		c.After = 0
		c.Push.Token, c.Push.Auth = "secret3", &a2a.PushAuthInfo{Scheme: "Bearer", Credentials: "secret4"}
		must(t, w.pushes.Put(t.Context(), h, c), w.Wake(t.Context(), h.ID))
		time.Sleep(2 * time.Minute)
		must(t, w.sweep(t))
		if text := w.log.String(); strings.Contains(text, "secret") || !strings.Contains(text, "webhook failed") {
			t.Errorf("the log says\n%s", text)
		}
	})
}

// TestWatch runs a server of a single process: what goes through the watched log is delivered.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		var jobs sync.WaitGroup
		l, s := w.Watch(w.store, &jobs)
		h := w.task(t, 2, url) // not through the watched log
		must(t, s.Put(t.Context(), h, pushtest.NewConfig(h, "c2", url+"2")))
		jobs.Wait()
		w.hook.want(url, "1 2")
		w.hook.want(url+"2", "2")
		snapshot, err := l.Load(t.Context(), h.ID)
		must(t, err)
		w.leases[h.ID], err = l.Acquire(t.Context(), snapshot, tasklog.Claim{Writer: "x"})
		must(t, err)
		w.add(t, h, 3, 5)
		jobs.Wait()
		w.hook.want(url, "1 2 3 4 5 6 7")
		w.hook.want(url+"2", "2 3 4 5 6 7")
	})
}

// TestRefusedWhileSaved has the store refuse the claim to a wake-up, and then has the holder save
// progress. The event of that wake-up is delivered, too.
func TestRefusedWhileSaved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(*http.Request, int64) (*http.Response, error) {
			time.Sleep(time.Second)
			return status(http.StatusOK), nil
		})
		h := w.task(t, 4, url)
		delivered := make(chan error)
		go func() { delivered <- w.Wake(t.Context(), h.ID) }()
		time.Sleep(1500 * time.Millisecond)
		w.add(t, h, 5, 1)
		must(t, w.Wake(t.Context(), h.ID))
		must(t, <-delivered)
		w.hook.want(url, "1 2 3 4 5")
	})
}
