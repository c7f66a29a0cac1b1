package webhook_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/push"
	"a2alambda/internal/pushtest"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/tasklogtest"
	"a2alambda/internal/webhook"
)

// counter counts what goes out: all bytes of requests, and the tildes, which only the caller
// says.
type counter struct {
	mu        sync.Mutex
	all, own  int64
	requests  int
	cut       int // requests that say that something was left out
	answering func(r *http.Request, seq int64) (*http.Response, error)
}

func (c *counter) answer(r *http.Request, seq int64) (*http.Response, error) {
	head, err := httputil.DumpRequestOut(r, false)
	body, readErr := io.ReadAll(r.Body)
	if err = errors.Join(err, readErr); err != nil {
		return nil, err
	}
	c.mu.Lock()
	c.requests++
	c.all += int64(len(head) + len(body))
	c.own += int64(bytes.Count(body, []byte("~")))
	if bytes.Contains(body, []byte("a2alambda.cut")) {
		c.cut++
	}
	c.mu.Unlock()
	return c.answering(r, seq)
}

// TestTenTimes has a caller that tries to have as much sent as it can: a long message, as many
// configurations as it may have, follow-ups without content, configurations that are deleted and put
// again. Its own content comes out ten times at most, and to those that have not agreed nothing but
// ten times as much, or 64 KB.
func TestTenTimes(t *testing.T) {
	for _, version := range []string{"1.0", "0.3", "both"} {
		for _, agrees := range []bool{true, false} {
			for _, message := range []int{0, 100_000, 1_500_000} {
				for _, again := range []string{"", "deleted", "replaced"} {
					if message > 1<<20 && (version != "both" || again != "") {
						continue // it takes time
					}
					t.Run(fmt.Sprintf("%s/%v/%d/%s", version, agrees, message, again), func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) { tenTimes(t, version, agrees, message, again) })
					})
				}
			}
		}
	}
}

func tenTimes(t *testing.T, version string, agrees bool, message int, again string) {
	c := &counter{answering: func(*http.Request, int64) (*http.Response, error) {
		if agrees {
			return status(http.StatusOK), nil
		}
		return status(http.StatusInternalServerError), nil
	}}
	w := newWorld(t, c.answer)
	h, first := newTask(strings.Repeat("~", message))
	w.begin(t, h, first)
	in := int64(message)
	puts := 0
	put := func(i int, after int64) {
		v := version
		if v == "both" {
			v = []string{"1.0", "0.3"}[i%2]
		}
		puts++
		w.put(t, h, fmt.Sprint(i), fmt.Sprintf("%s%d/%d", url, i, puts), v, after)
	}
	for i := range 5 {
		put(i, 0)
	}
	seq := int64(1)
	followUps := 100
	if version != "both" {
		followUps = 40
	}
	if message > 1<<20 {
		followUps = 10
	}
	for n := range followUps {
		must(t, w.Wake(t.Context(), h.ID), w.sweep(t))
		w.append(t, h, seq+1, followUp(h, "~")) // a message of one byte
		w.append(t, h, seq+2, tasklogtest.Status(h, a2a.TaskStateInputRequired, "and?"))
		in, seq = in+1, seq+2
		if again != "" && n%5 == 4 {
			for i := range 5 {
				if again == "deleted" {
					must(t, w.pushes.Delete(t.Context(), h.ID, fmt.Sprint(i)))
				}
				put(i, max(0, seq-int64(n%7)))
			}
		}
		time.Sleep(time.Minute)
	}
	must(t, w.Wake(t.Context(), h.ID), w.sweep(t))
	most := max(64<<10, 10*(in+100*40)) // each message has an id, too
	t.Logf("%d bytes in, %d requests of %d bytes out, of which %d are the caller's", in, c.requests, c.all, c.own)
	if c.own > most {
		t.Errorf("%d bytes are the caller's own, want %d at most", c.own, most)
	}
	if !agrees && c.all > most {
		t.Errorf("%d bytes went out, want %d at most", c.all, most)
	}
	if agrees && again == "" && c.requests < 5*followUps {
		t.Errorf("%d requests", c.requests)
	}
	if agrees && again == "" && version != "1.0" && message == 100_000 && (c.cut == 0 || !strings.Contains(w.log.String(), "pushesCut=")) {
		t.Error("nothing says that the caller's content was left out")
	}
	if !agrees && again != "" && message == 0 && !strings.Contains(w.log.String(), "bound=room") {
		t.Error("nothing says that there is no more room")
	}
}

// TestRoomBehind has a webhook be asked with an early event when another one has had what the caller said
// later: there is room for its first request and for what the caller says.
func TestRoomBehind(t *testing.T) {
	const message, followUps = 20_000, 20
	for _, version := range []string{"1.0", "0.3"} {
		t.Run(version, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				h, first := newTask(strings.Repeat("~", message))
				w.begin(t, h, first)
				w.put(t, h, "ahead", url+"ahead", "1.0", 0)
				for seq := range int64(followUps) {
					w.append(t, h, seq+2, followUp(h, strings.Repeat("~", 10*message)))
				}
				must(t, w.Wake(t.Context(), h.ID))
				w.hook.want(url+"ahead", "0 "+upTo(followUps+1))
				w.put(t, h, "behind", url+"behind", version, 0)
				must(t, w.Wake(t.Context(), h.ID))
				if got := w.hook.requests(url + "behind"); len(got) < 2 {
					t.Errorf("got %s", numbers(got))
				}
				if log := w.log.String(); strings.Contains(log, "given up") || version == "1.0" && strings.Contains(log, "pushesCut") {
					t.Error(log)
				}
			})
		})
	}
}

// TestOwnContentAgain has a webhook agree and then refuse a long message for hours: each try counts.
func TestOwnContentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		c := &counter{answering: func(_ *http.Request, seq int64) (*http.Response, error) {
			if seq > 0 && time.Since(begin) < 10*time.Hour {
				return status(http.StatusInternalServerError), nil
			}
			return status(http.StatusOK), nil
		}}
		w := newWorld(t, c.answer)
		h, first := newTask(strings.Repeat("~", 1_000_000))
		w.put(t, h, "c", url, "1.0", 0)
		w.begin(t, h, first)
		w.add(t, h, 2, 3)
		must(t, w.Wake(t.Context(), h.ID))
		for range 12 * 60 {
			time.Sleep(time.Minute)
			must(t, w.sweep(t))
		}
		if c.own > 10_000_000 || c.own < 7_000_000 || c.cut == 0 {
			t.Errorf("%d bytes of the caller's own, %d requests without", c.own, c.cut)
		}
		got := w.hook.requests(url)
		if all := numbers(got); !strings.HasPrefix(all, "0 (1)") || !strings.HasSuffix(all, ") 1 2 3 4") {
			t.Errorf("got %s", all)
		}
	})
}

// TestHour has an agent say 50 MB to a webhook that has had 75 MB in this hour. It gets 100 MB in each
// hour, and all in the end.
func TestHour(t *testing.T) {
	for _, version := range []string{"1.0", "0.3"} {
		synctest.Test(t, func(t *testing.T) {
			const events, had = 50, 75 << 20
			begin := time.Now()
			hours := map[int]int64{0: had}
			w := newWorld(t, func(r *http.Request, _ int64) (*http.Response, error) {
				hours[int(time.Since(begin)/time.Hour)] += r.ContentLength
				return status(http.StatusOK), nil
			})
			size := 1_000_000
			if version == "0.3" {
				size = 480_000 // a Task has two of them
			}
			h, first := newTask("go on")
			w.put(t, h, "c", url, version, 0)
			w.begin(t, h, first)
			w.agreed(t, h, "c", push.Progress{Hour: begin, Bytes: had, Aside: had})
			long := []tasklog.Entry{says(h, "a0", size), says(h, "a1", size)}
			for i := range int64(events) {
				w.append(t, h, i+2, long[i%2])
				if i%2 == 0 || i == events-1 {
					must(t, w.Wake(t.Context(), h.ID))
				}
			}
			if n := hours[0]; n > 100<<20 || n < 98<<20 {
				t.Errorf("%s: %d bytes in the first hour", version, n)
			}
			if n := strings.Count(w.log.String(), "webhook has had its hour"); n != 1 {
				t.Errorf("%s: %d lines say that the bound is reached", version, n)
			}
			for range 6 * 60 {
				time.Sleep(time.Minute)
				must(t, w.sweep(t), errors.Join(w.work(t.Context())...))
			}
			for hour, n := range hours {
				if n > 101<<20 {
					t.Errorf("%s: %d bytes in hour %d", version, n, hour)
				}
			}
			got := numbers(w.hook.requests(url))
			if version == "1.0" && got != upTo(events+1) || !strings.HasSuffix(got, fmt.Sprint(" ", events+1)) {
				t.Errorf("%s: got %s", version, got)
			}
			if log := w.log.String(); strings.Contains(log, "pushFailures") || !strings.Contains(log, "bound=bytes") || !strings.Contains(log, "pushBounds=1") {
				t.Errorf("the log says %.3000s", log)
			}
		})
	}
}

// TestHourOfTask has a caller put others in the place of its configurations, or delete them and put
// new ones: their task gets no more in an hour than five configurations may have, and no
// configuration more than one may have.
func TestHourOfTask(t *testing.T) {
	for _, again := range []string{"replaced", "deleted"} {
		synctest.Test(t, func(t *testing.T) {
			var out int64
			w := newWorld(t, func(r *http.Request, _ int64) (*http.Response, error) {
				out += r.ContentLength
				return status(http.StatusOK), nil
			})
			h, first := newTask("go on")
			w.begin(t, h, first)
			long := says(h, "a", 960_000)
			const most = 100 << 20
			if again == "deleted" { // four others have had as much as they may
				_, err := w.pushes.SpendHour(t.Context(), h.ID, h.Expires, time.Now().Unix()/3600, 4*most, 5*most)
				must(t, err)
			}
			for n := range int64(125) {
				c := pushtest.NewConfig(h, "c", fmt.Sprint(url, n))
				if again == "deleted" {
					must(t, w.pushes.Delete(t.Context(), h.ID, fmt.Sprint(n-1)))
					c.ID = fmt.Sprint(n)
				}
				c.After, c.Sent = 1+2*n, 100_000 // so there is room for first requests
				must(t, w.pushes.Put(t.Context(), h, c))
				w.append(t, h, 2+2*n, tasklogtest.Status(h, a2a.TaskStateWorking, ""))
				w.append(t, h, 3+2*n, long)
				must(t, w.Wake(t.Context(), h.ID))
			}
			if out > most+125*64<<10 || out < most*8/10 {
				t.Errorf("%s: %d bytes in an hour", again, out)
			}
		})
	}
}

// TestLateAnswers has webhooks that answer after some seconds, each time. They hold an instance for
// a part of each hour only, and get everything in the end. It does not matter which instance delivers.
func TestLateAnswers(t *testing.T) {
	for _, test := range []struct {
		after  time.Duration
		events int
		most   time.Duration // of an hour
	}{
		{9 * time.Second, 150, 10 * time.Minute}, {2500 * time.Millisecond, 400, 15 * time.Minute}, {900 * time.Millisecond, 3000, time.Hour},
	} {
		t.Run(test.after.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				held := map[int]time.Duration{}
				w := newWorld(t, func(r *http.Request, _ int64) (*http.Response, error) {
					tried := time.Now()
					defer func() { held[int(tried.Sub(begin)/time.Hour)] += time.Since(tried) }()
					select {
					case <-time.After(test.after):
						return status(http.StatusOK), nil
					case <-r.Context().Done():
						return nil, r.Context().Err()
					}
				})
				h := w.task(t, test.events, url)
				must(t, w.Wake(t.Context(), h.ID))
				for range 24 * 60 {
					w.use(&http.Client{Transport: w.hook}) // another instance
					must(t, errors.Join(w.work(t.Context())...), w.sweep(t))
					time.Sleep(time.Minute)
				}
				for hour, d := range held {
					if d > test.most {
						t.Errorf("held for %v in hour %d", d, hour)
					}
				}
				var got []request
				for _, r := range w.hook.requests(url) {
					if r.ok {
						got = append(got, r)
					}
				}
				if numbers(got) != upTo(test.events) {
					t.Errorf("got %s", numbers(got))
				}
				if log := w.log.String(); strings.Contains(log, "bound=time") != (test.after > time.Second) || strings.Contains(log, "pushFailures") {
					t.Errorf("the log says %.3000s", log)
				}
			})
		})
	}
}

// TestLateHost has many configurations at a host that answers late. The host holds an instance for a
// part of each hour only.
func TestLateHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var mu sync.Mutex
		held := map[int]time.Duration{}
		counted := begin
		w := newWorld(t, func(*http.Request, int64) (*http.Response, error) {
			tried := time.Now()
			time.Sleep(9 * time.Second)
			mu.Lock()
			defer mu.Unlock()
			if tried.Before(counted) { // several at the same time hold an instance once
				tried = counted
			}
			counted = time.Now()
			held[int(tried.Sub(begin)/time.Hour)] += counted.Sub(tried)
			return status(http.StatusOK), nil
		})
		var refs []push.Ref
		for i := range 10 {
			refs = append(refs, push.Ref{TaskID: w.task(t, 30, fmt.Sprintf("%s%d", url, i)).ID, ID: "c"})
		}
		for _, r := range refs { // one after the other
			must(t, w.Deliver(t.Context(), r))
		}
		for range 6 * 60 {
			must(t, w.sweep(t))
			time.Sleep(time.Minute)
		}
		for hour, d := range held {
			if d > 20*time.Minute {
				t.Errorf("held for %v in hour %d", d, hour)
			}
		}
		for i := range refs {
			w.hook.want(fmt.Sprintf("%s%d", url, i), upTo(30))
		}
	})
}

// TestLostDeliverers has each instance die at the same event. Delivery is given up after five, and
// each event before that is sent twice at most.
func TestLostDeliverers(t *testing.T) {
	for _, agreed := range []bool{true, false} {
		for _, dies := range []int64{1, 4} {
			t.Run(fmt.Sprintf("%v/%d", agreed, dies), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, nil)
					h := w.strange(t, 8, url)
					if agreed {
						w.agree(t, h, "c")
					}
					instance := func() *webhook.Deliverer {
						return w.doomed(func(r *http.Request) bool { return r.Header.Get("X-A2A-Event-Id") == fmt.Sprint(dies) })
					}
					if err := instance().Wake(t.Context(), h.ID); err == nil {
						t.Error("the instance has not died")
					}
					ref := push.Ref{TaskID: h.ID, ID: "c"}
					var gone error
					for range 120 {
						time.Sleep(time.Minute)
						if err := instance().Deliver(t.Context(), ref); errors.Is(err, push.ErrGivenUp) {
							gone = err
							break
						}
					}
					if gone == nil || !strings.Contains(w.log.String(), "5 deliveries in a row were lost") {
						t.Errorf("it ended with %v", gone)
					}
					times := map[int64]int{}
					for _, r := range w.hook.requests(url) {
						times[r.seq]++
					}
					for seq, n := range times {
						if seq > dies || seq < dies && n > 2 || seq == dies && (n < 5 || n > 6) {
							t.Errorf("event %d was sent %d times", seq, n)
						}
					}
				})
			})
		}
	}
}

// doomed returns an instance that dies once a webhook has got a request that kills it.
func (w *world) doomed(kills func(*http.Request) bool) *webhook.Deliverer {
	m := &mortal{left: 1 << 30}
	hooks := m.hooks()
	send := roundTripper(func(r *http.Request) (*http.Response, error) {
		m.mu.Lock()
		died := m.left <= 0
		if !died && kills(r) {
			m.left = 0 // nothing that it does from now on has an effect
		}
		dies := m.left <= 0
		m.mu.Unlock()
		if died {
			return nil, errDead
		}
		resp, err := w.hook.RoundTrip(r)
		if dies {
			return nil, errDead
		}
		return resp, err
	})
	return webhook.New(webhook.Config{
		Log: tasklog.Hooked(w.store, hooks), Store: push.Hooked(w.pushes, hooks), Client: &http.Client{Transport: send},
		Logger: w.logger, Invoke: w.invoke,
	})
}

// TestLostAmongOthers has one of many deliveries cost the invocation that they share. It is given up;
// the others, which slow webhooks delay, are not.
func TestLostAmongOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(r *http.Request, _ int64) (*http.Response, error) {
			if !strings.HasSuffix(r.URL.Path, "/kills") {
				time.Sleep(2 * time.Second)
			}
			return status(http.StatusOK), nil
		})
		kills := func(r *http.Request) bool { return r.URL.Path == "/kills" }
		refs := []push.Ref{{TaskID: w.task(t, 1, url+"kills").ID, ID: "c"}}
		for i := range 9 {
			refs = append(refs, push.Ref{TaskID: w.task(t, 1, fmt.Sprintf("%s%d", url, i)).ID, ID: "c"})
		}
		for _, r := range refs {
			c, err := w.pushes.Claim(t.Context(), r.TaskID, r.ID, "x", time.Now().Add(time.Minute))
			must(t, err)
			_, err = c.Release(t.Context(), c.Config().Progress, time.Now()) // it is due
			must(t, err)
		}
		for range 60 {
			time.Sleep(time.Minute)
			_, err := push.Sweep(t.Context(), w.pushes, push.Gather(w.invoke))
			must(t, err)
			for len(w.jobs) > 0 {
				jobs := w.jobs
				w.jobs = nil
				for _, j := range jobs {
					_ = w.doomed(kills).Deliver(t.Context(), j...)
				}
			}
		}
		for i := range 9 {
			if got := w.hook.requests(fmt.Sprintf("%s%d", url, i)); len(got) == 0 || len(got) > 3 {
				t.Errorf("webhook %d got %s", i, numbers(got))
			}
		}
		if n := len(w.hook.requests(url + "kills")); n < 5 || n > 6 || strings.Count(w.log.String(), "webhook is given up") != 1 {
			t.Errorf("the one that kills got %d requests", n)
		}
	})
}

// TestStoreFails has reads of the log fail for half an hour. The deliveries are not lost ones.
func TestStoreFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		w := newWorld(t, nil)
		h := w.task(t, 3, url)
		hooks := tasklog.Hooks{Before: func(_ context.Context, op tasklog.Op) error {
			if op.Name == "Read" && time.Since(begin) < 30*time.Minute {
				return errors.New("throttled")
			}
			return nil
		}}
		w.Deliverer = webhook.New(webhook.Config{
			Log: tasklog.Hooked(w.store, hooks), Store: w.pushes, Client: &http.Client{Transport: w.hook}, Logger: w.logger, Invoke: w.invoke,
		})
		for range 60 {
			_ = w.Deliver(t.Context(), push.Ref{TaskID: h.ID, ID: "c"})
			time.Sleep(time.Minute)
		}
		w.hook.want(url, "1 2 3")
	})
}
