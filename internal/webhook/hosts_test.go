package webhook_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/push"
	"a2alambda/internal/tasklog"
)

// byName has hosts hang whose name begins with "hangs". Others answer after a time.
func byName(after time.Duration) func(r *http.Request, _ int64) (*http.Response, error) {
	return func(r *http.Request, _ int64) (*http.Response, error) {
		if strings.HasPrefix(r.URL.Host, "hangs") {
			return hang(r)
		}
		select {
		case <-time.After(after):
			return status(http.StatusOK), nil
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
}

// TestBesideHanging wakes the deliverer for 84 healthy webhooks beside 16 that hang. The healthy
// ones are served as soon as without the others, and those that hang cost few invocations.
func TestBesideHanging(t *testing.T) {
	for name, hosts := range map[string]struct{ hanging, healthy int }{
		"a host each":             {1, 1},
		"all hosts apart":         {16, 84},
		"many hosts hang":         {16, 1},
		"many hosts are healthy":  {1, 84},
		"some of everything else": {3, 5},
	} {
		t.Run(name, func(t *testing.T) {
			// served returns when the last healthy webhook was served, beside a number that hang.
			served := func(hanging int) (last time.Duration) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, byName(100*time.Millisecond))
					w.invoking = 20 * time.Millisecond
					var ids []a2a.TaskID
					for i := range hanging {
						ids = append(ids, w.task(t, 1, fmt.Sprintf("https://hangs%d.example/%d", i%hosts.hanging, i)).ID)
					}
					for i := range 84 {
						ids = append(ids, w.task(t, 1, fmt.Sprintf("https://healthy%d.example/%d", i%hosts.healthy, i)).ID)
					}
					begun := time.Now()
					must(t, w.Wake(t.Context(), ids...))
					if d := time.Since(begun); d > 4*time.Second {
						t.Errorf("the wake-up took %v", d)
					}
					n := 0
					for _, r := range w.hook.got {
						if r.ok {
							n, last = n+1, max(last, r.at.Sub(begun))
						}
					}
					if n != 84 {
						t.Errorf("%d healthy webhooks were served", n)
					}
					left := 0
					for _, j := range w.jobs {
						left += len(j)
					}
					if left != hanging || len(w.jobs) > 5 {
						t.Errorf("%d are left to %d invocations", left, len(w.jobs))
					}
					if asked := len(w.hook.got) - n; asked > 4*hosts.hanging {
						t.Errorf("%d requests hung", asked)
					}
				})
				return last
			}
			if alone, beside := served(0), served(16); beside > alone {
				t.Errorf("the last healthy one was asked after %v, alone after %v", beside, alone)
			}
		})
	}
}

// TestBreaker has many configurations that are due at a host that hangs. The host gets few
// requests, and all deliveries are put off. When the host answers again, everything is delivered.
func TestBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const tasks = 600
		w := newWorld(t, byName(0))
		w.invoking = 20 * time.Millisecond
		for i := range tasks {
			h := w.task(t, 1, fmt.Sprintf("https://hangs.example/%d", i))
			c, err := w.pushes.Claim(t.Context(), h.ID, "c", "x", time.Now().Add(time.Second))
			must(t, err)
			_, err = c.Release(t.Context(), c.Config().Progress, time.Now().Add(time.Second))
			must(t, err)
		}
		time.Sleep(time.Second)
		begun := time.Now()
		must(t, w.sweep(t)) // its invocations come one after the other
		if d := time.Since(begun); d > time.Minute {
			t.Errorf("%d configurations took %v", tasks, d)
		}
		if n := len(w.hook.got); n > 20 {
			t.Errorf("%d requests", n)
		}
		if !strings.Contains(w.log.String(), "breaker=open") {
			t.Error("the log does not say that the breaker was open")
		}
		for range 10 {
			time.Sleep(time.Minute)
			must(t, w.sweep(t))
		}
		w.hook.answer = nil
		for range 60 {
			time.Sleep(time.Minute)
			must(t, w.sweep(t))
		}
		served := map[string]bool{}
		for _, r := range w.hook.got {
			if r.ok {
				served[r.url] = true
			}
		}
		if len(served) != tasks {
			t.Errorf("%d of %d were delivered in the end", len(served), tasks)
		}
	})
}

// TestBreakerCloses opens a breaker: wake-ups send nothing. A trial with an answer closes it.
func TestBreakerCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refuses := true
		w := newWorld(t, func(*http.Request, int64) (*http.Response, error) {
			if refuses {
				return nil, errors.New("connection refused")
			}
			return status(http.StatusOK), nil
		})
		wake := func(want int, when string) {
			t.Helper()
			before := len(w.hook.got)
			must(t, w.Wake(t.Context(), w.task(t, 1, fmt.Sprintf("%s%d", url, before)).ID))
			must(t, w.work(t.Context())...)
			if n := len(w.hook.got) - before; n != want {
				t.Errorf("%s there are %d requests, want %d", when, n, want)
			}
		}
		wake(3, "at first")
		wake(3, "at the second")
		wake(1, "when the breaker opens")
		wake(0, "when it is open")
		refuses = false
		wake(0, "until the next trial")
		time.Sleep(30 * time.Second)
		wake(1, "as a trial")
		wake(1, "when it is closed")
		refuses = true
		wake(3, "at the first failure after that")
		time.Sleep(3 * time.Minute)
		refuses = false
		must(t, w.sweep(t), w.sweep(t))
		for shard := range tasklog.Shards {
			looks, _, err := w.pushes.Due(t.Context(), shard, time.Now(), "", 10)
			if must(t, err); len(looks) > 0 {
				t.Errorf("still due: %v", looks)
			}
		}
	})
}

// TestAnswersKeepItClosed has webhooks that refuse everything, with a status. Their host answers,
// so others at it are served at once.
func TestAnswersKeepItClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(r *http.Request, _ int64) (*http.Response, error) {
			if r.URL.Path == "/good" {
				return status(http.StatusOK), nil
			}
			return status(http.StatusInternalServerError), nil
		})
		for i := range 10 {
			must(t, w.Wake(t.Context(), w.task(t, 1, fmt.Sprintf("%sbad/%d", url, i)).ID))
		}
		must(t, w.Wake(t.Context(), w.task(t, 1, url+"good").ID))
		w.hook.want(url+"good", "1")
	})
}

// good is a webhook that answers, beside others at its host that hang.
const good = url + "good"

func hangsUnlessGood(r *http.Request, _ int64) (*http.Response, error) {
	if r.URL.Path == "/good" {
		return status(http.StatusOK), nil
	}
	return hang(r)
}

// TestOwnTry has a breaker that is open whenever a configuration is due, because others get no
// answer. The configuration is put off three times, and then tried all the same.
func TestOwnTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, hangsUnlessGood)
		bad := 0
		deliver := func(url string) push.Ref {
			t.Helper()
			ref := push.Ref{TaskID: w.task(t, 1, url).ID, ID: "c"}
			must(t, w.Deliver(t.Context(), ref))
			return ref
		}
		hangs := func() {
			t.Helper()
			deliver(fmt.Sprintf("%sbad/%d", url, bad))
			bad++
		}
		for range 3 {
			hangs()
		}
		ref := deliver(good)
		for range 2 {
			time.Sleep(5 * time.Minute)
			hangs() // as the trial
			must(t, w.Deliver(t.Context(), ref))
		}
		w.hook.want(good, "")
		time.Sleep(5 * time.Minute)
		hangs()
		must(t, w.Deliver(t.Context(), ref))
		w.hook.want(good, "1")
	})
}

// TestSharedHost has two tenants at one host. The webhooks of one hang, more of them each minute.
// The other's webhook works: it gets its event within ten minutes and some sweeps, and so it gets
// the next events.
func TestSharedHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, hangsUnlessGood)
		bad := 0
		minute := func(n int) {
			t.Helper()
			var ids []a2a.TaskID
			for range n {
				ids = append(ids, w.task(t, 1, fmt.Sprintf("%sbad/%d", url, bad)).ID)
				bad++
			}
			must(t, w.Wake(t.Context(), ids...), w.sweep(t))
			time.Sleep(time.Minute)
		}
		minute(50)
		begun := time.Now()
		h := w.task(t, 1, good)
		must(t, w.Wake(t.Context(), h.ID), errors.Join(w.work(t.Context())...))
		for range 15 {
			minute(10)
		}
		got := w.hook.requests(good)
		if numbers(got) != "1" || got[0].at.Sub(begun) > 14*time.Minute {
			t.Fatalf("the healthy one got %v", got)
		}
	})
}

// TestOneHangsAtItsHost has one webhook hang at a host that answers for others. Wake-ups serve the
// others, now and the next time.
func TestOneHangsAtItsHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(r *http.Request, _ int64) (*http.Response, error) {
			if strings.HasPrefix(r.URL.Path, "/hangs") {
				return hang(r)
			}
			return status(http.StatusOK), nil
		})
		for i := range 5 {
			hanging, good := fmt.Sprintf("%shangs/%d", url, i), fmt.Sprintf("%sgood/%d", url, i)
			begun := time.Now()
			must(t, w.Wake(t.Context(), w.task(t, 1, hanging).ID, w.task(t, 1, good).ID))
			if got := w.hook.requests(good); numbers(got) != "1" || got[0].at != begun {
				t.Errorf("wake-up %d: the healthy one got %s", i, numbers(got))
			}
		}
	})
}

// TestAnswersBesideHanging has webhooks hang in an invocation while their host answers others. Its
// breaker stays closed, and the next event is served at once.
func TestAnswersBesideHanging(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(r *http.Request, _ int64) (*http.Response, error) {
			if strings.HasPrefix(r.URL.Path, "/hangs") {
				return hang(r)
			}
			time.Sleep(100 * time.Millisecond)
			return status(http.StatusOK), nil
		})
		refs := []push.Ref{{TaskID: w.task(t, 1, url+"good").ID, ID: "c"}}
		for i := range 3 {
			refs = append(refs, push.Ref{TaskID: w.task(t, 1, fmt.Sprintf("%shangs/%d", url, i)).ID, ID: "c"})
		}
		must(t, w.Deliver(t.Context(), refs...))
		must(t, w.Wake(t.Context(), w.task(t, 1, url+"next").ID))
		w.hook.want(url+"good", "1")
		w.hook.want(url+"next", "1")
	})
}

// TestShare has a webhook with many slow events among others at its host: they take turns.
func TestShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, byName(2*time.Second))
		var refs []push.Ref
		for i := range 20 {
			refs = append(refs, push.Ref{TaskID: w.task(t, 40, fmt.Sprintf("%s%d", url, i)).ID, ID: "c"})
		}
		begun := time.Now()
		must(t, w.Deliver(t.Context(), refs...))
		for i := range refs {
			if got := w.hook.requests(fmt.Sprintf("%s%d", url, i)); len(got) == 0 || got[0].at.Sub(begun) > 40*time.Second {
				t.Errorf("webhook %d has waited too long: %s", i, numbers(got))
			}
		}
		must(t, w.work(t.Context())...)
		for i := range refs {
			w.hook.want(fmt.Sprintf("%s%d", url, i), upTo(40))
		}
	})
}

// TestSlowHost has a host that needs more time than a wake-up gives it. Invocations of its own
// deliver everything, and the next wake-ups send it no requests in vain.
func TestSlowHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, byName(5*time.Second))
		var ids []a2a.TaskID
		for i := range 10 {
			ids = append(ids, w.task(t, 2, fmt.Sprintf("%s%d", url, i)).ID)
		}
		must(t, w.Wake(t.Context(), ids...))
		must(t, w.work(t.Context())...)
		asked := 0
		for i := range ids {
			got := numbers(w.hook.requests(fmt.Sprintf("%s%d", url, i)))
			if asked += strings.Count(got, "("); strings.TrimPrefix(got, "(1) ") != "1 2" {
				t.Errorf("webhook %d got %s", i, got)
			}
		}
		if asked > 4 {
			t.Errorf("%d were asked in vain", asked)
		}
		begun := time.Now()
		h := w.task(t, 1, url+"next")
		must(t, w.Wake(t.Context(), h.ID))
		if d := time.Since(begun); d != 0 || len(w.hook.requests(url+"next")) != 0 {
			t.Errorf("the next wake-up took %v", d)
		}
		must(t, w.work(t.Context())...)
		w.hook.want(url+"next", "1")
		if !strings.Contains(w.log.String(), "breaker=slow") {
			t.Error("the log does not say that the host is slow")
		}
	})
}

// TestGivenUpAmongOthers has several configurations in an invocation, one of which is given up.
// Another invocation, for this one alone, fails.
func TestGivenUpAmongOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(r *http.Request, _ int64) (*http.Response, error) {
			if r.URL.Path == "/gone" {
				return status(http.StatusGone), nil
			}
			return status(http.StatusOK), nil
		})
		gone, good := w.task(t, 1, url+"gone"), w.task(t, 1, url+"good")
		ref := push.Ref{TaskID: gone.ID, ID: "c"}
		must(t, w.Deliver(t.Context(), push.Ref{TaskID: good.ID, ID: "c"}, ref, push.Ref{TaskID: "none", ID: "c"}))
		w.hook.want(url+"good", "1")
		if fmt.Sprint(w.jobs) != fmt.Sprint([][]push.Ref{{ref}}) {
			t.Errorf("asked for %v", w.jobs)
		}
		if errs := w.work(t.Context()); len(errs) != 1 || !errors.Is(errs[0], push.ErrGivenUp) {
			t.Errorf("that invocation ended with %v", errs)
		}
	})
}
