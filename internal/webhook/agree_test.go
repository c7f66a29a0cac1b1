package webhook_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/push"
	"a2alambda/internal/pushtest"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/tasklogtest"
)

// begin creates a task with an event, for which nobody has a configuration yet.
func (w *world) begin(t *testing.T, h tasklog.Head, first tasklog.Entry) {
	t.Helper()
	var err error
	w.leases[h.ID], err = w.store.Create(t.Context(), h, first, tasklog.Claim{Writer: "w", Push: true})
	must(t, err)
}

// newTask returns the head of a task that lives for three days, and its first event: the message.
func newTask(text string) (tasklog.Head, tasklog.Entry) {
	h, _ := tasklogtest.NewTask()
	h.Push, h.Expires = true, h.Expires.Add(71*time.Hour)
	m := a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart(text))
	return h, tasklogtest.EntryOf(a2a.NewSubmittedTask(a2a.TaskInfo{TaskID: h.ID, ContextID: h.ContextID}, m))
}

// put stores a configuration, for the events after one.
func (w *world) put(t *testing.T, h tasklog.Head, id, url, version string, after int64) {
	t.Helper()
	c := pushtest.NewConfig(h, id, url)
	c.Version, c.After, c.State = version, after, a2a.TaskStateInputRequired
	must(t, w.pushes.Put(t.Context(), h, c))
}

// followUp appends what the user says next.
func followUp(h tasklog.Head, text string) tasklog.Entry {
	m := a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart(text))
	return tasklogtest.EntryOf(a2a.NewStatusUpdateEvent(a2a.TaskInfo{TaskID: h.ID, ContextID: h.ContextID}, a2a.TaskStateSubmitted, m))
}

// says returns an artifact of so many bytes.
func says(h tasklog.Head, id string, bytes int) tasklog.Entry {
	a := &a2a.Artifact{ID: a2a.ArtifactID(id), Parts: a2a.ContentParts{a2a.NewTextPart(strings.Repeat("a", bytes))}}
	return tasklogtest.EntryOf(&a2a.TaskArtifactUpdateEvent{TaskID: h.ID, ContextID: h.ContextID, Artifact: a})
}

// append appends an event.
func (w *world) append(t *testing.T, h tasklog.Head, seq int64, e tasklog.Entry) {
	t.Helper()
	must(t, w.leases[h.ID].Append(t.Context(), seq, []tasklog.Entry{e}))
}

// TestFirstRequest has configurations be asked first: with the event, if that is short, or with the
// Task and nothing that anybody says. The event follows the agreement.
func TestFirstRequest(t *testing.T) {
	const long = 5000
	for _, test := range []struct {
		name, version string
		after         int64
		message       int // bytes of it
		artifact      int // and of the agent's
		want          []string
	}{
		{"a short event", "1.0", 0, 10, 10, []string{`1 {"task":{"`, `2 {"artifactUpdate":{"`}},
		{"a short task", "0.3", 0, 10, 10, []string{`1 {"kind":"task",`, `2 {"kind":"task",`}},
		{"one that is short without headers", "1.0", 0, 3500, 10, []string{`0 {"task":{"id":"ID","contextId":"CONTEXT","metadata":{"a2alambda.cut":["history"],`, `1 {"task":{"`, `2 {"artifactUpdate":{"`}},
		{"a long message", "1.0", 0, long, 10, []string{
			`0 {"task":{"id":"ID","contextId":"CONTEXT","metadata":{"a2alambda.cut":["history"],"a2alambda.cutNote":"GetTask has all of the task"},"status":{"state":"TASK_STATE_SUBMITTED"}}}`, `1 {"task":{"`, `2 {"artifactUpdate":{"`}},
		{"a long message of 0.3", "0.3", 0, long, 10, []string{
			`0 {"kind":"task","id":"ID","contextId":"CONTEXT","metadata":{"a2alambda.cut":["history"],"a2alambda.cutNote":"GetTask has all of the task"},"status":{"state":"submitted"}}`, `1 {"kind":"task",`, `2 {"kind":"task",`}},
		{"a long artifact", "1.0", 1, 10, long, []string{
			`1 {"task":{"id":"ID","contextId":"CONTEXT","metadata":{"a2alambda.cut":["history","artifacts"],"a2alambda.cutNote":"GetTask has all of the task"},"status":{"state":"TASK_STATE_INPUT_REQUIRED"}}}`, `2 {"artifactUpdate":{"`}},
		{"a long artifact of 0.3", "0.3", 1, 10, long, []string{
			`1 {"kind":"task","id":"ID","contextId":"CONTEXT","metadata":{"a2alambda.cut":["history","artifacts"],"a2alambda.cutNote":"GetTask has all of the task"},"status":{"state":"submitted"}}`, `2 {"kind":"task",`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var bodies []string
				w := newWorld(t, func(r *http.Request, seq int64) (*http.Response, error) {
					body, err := io.ReadAll(r.Body)
					must(t, err)
					head, err := httputil.DumpRequestOut(r, false)
					must(t, err)
					if len(bodies) == 0 && len(head)+len(body) > 4<<10 {
						t.Errorf("the first request has %d and %d bytes", len(head), len(body))
					}
					if r.Header.Get("X-A2A-Notification-Token") != "token" {
						t.Errorf("the headers are %v", r.Header)
					}
					bodies = append(bodies, fmt.Sprintf("%d %s", seq, body))
					return status(http.StatusOK), nil
				})
				h, first := newTask(strings.Repeat("x", test.message))
				w.begin(t, h, first)
				w.put(t, h, "c", url, test.version, test.after)
				w.append(t, h, 2, says(h, "a", test.artifact))
				must(t, w.Wake(t.Context(), h.ID))
				for i, want := range test.want {
					want = strings.NewReplacer("CONTEXT", h.ContextID, "ID", string(h.ID)).Replace(want)
					if i >= len(bodies) || !strings.HasPrefix(bodies[i], want) {
						t.Errorf("request %d is %.300q, want %s", i, bodies[min(i, len(bodies)-1)], want)
					}
				}
				if len(bodies) != len(test.want) {
					t.Errorf("%d requests", len(bodies))
				}
				all, err := w.pushes.List(t.Context(), h.ID)
				if must(t, err); !all[0].Agreed || all[0].After != 2 {
					t.Errorf("stored is %+v", all[0])
				}
			})
		})
	}
}

// TestNeverAgrees has webhooks that don't agree. Each is asked once whenever it is due, less and
// less often, until it is given up.
func TestNeverAgrees(t *testing.T) {
	after := func(d time.Duration) func(*http.Request, int64) (*http.Response, error) {
		return func(r *http.Request, _ int64) (*http.Response, error) {
			select {
			case <-time.After(d):
				return status(http.StatusOK), nil
			case <-r.Context().Done():
				return nil, r.Context().Err()
			}
		}
	}
	for name, answer := range map[string]func(*http.Request, int64) (*http.Response, error){
		"an error":    func(*http.Request, int64) (*http.Response, error) { return status(http.StatusInternalServerError), nil },
		"a redirect":  func(*http.Request, int64) (*http.Response, error) { return status(http.StatusFound), nil },
		"no host":     func(*http.Request, int64) (*http.Response, error) { return nil, errors.New("no such host") },
		"after 29 s":  after(29 * time.Second),
		"after 3.1 s": after(3100 * time.Millisecond),
	} {
		for _, message := range []int{10, 3500, 100_000} {
			t.Run(fmt.Sprintf("%s/%d", name, message), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					begin := time.Now()
					var tries []int // in minutes
					w := newWorld(t, func(r *http.Request, seq int64) (*http.Response, error) {
						tries = append(tries, int(time.Since(begin)/time.Minute))
						if r.ContentLength > 4<<10 {
							t.Errorf("a request has %d bytes", r.ContentLength)
						}
						return answer(r, seq)
					})
					h, first := newTask(strings.Repeat("x", message))
					w.put(t, h, "c", url, "1.0", 0)
					w.begin(t, h, first)
					must(t, w.Wake(t.Context(), h.ID))
					must(t, w.Wake(t.Context(), h.ID))
					var err error
					for seq := int64(2); err == nil && time.Since(begin) < 48*time.Hour; seq++ {
						w.add(t, h, seq, 1)
						must(t, w.Wake(t.Context(), h.ID))
						if d := time.Since(begin).Truncate(time.Minute); d > time.Duration(seq)*time.Minute {
							t.Fatalf("a minute took %v", d)
						}
						time.Sleep(time.Minute - time.Since(begin)%time.Minute)
						err = w.sweep(t)
					}
					if !errors.Is(err, push.ErrGivenUp) || time.Since(begin) < 24*time.Hour {
						t.Errorf("after %v: %v", time.Since(begin), err)
					}
					for i := 1; i < len(tries); i++ {
						least := min(1<<min(i-1, 10), 60)
						if gap := tries[i] - tries[i-1]; gap < least || gap > least+least/8+1 {
							t.Errorf("tried in minutes %v", tries)
						}
					}
					if len(tries) < 25 {
						t.Errorf("tried in minutes %v", tries)
					}
				})
			})
		}
	}
}

// TestAgreesLate has webhooks that are down for ten minutes when their task begins. Nothing is lost,
// in either version, for as many configurations as a task may have and long messages.
func TestAgreesLate(t *testing.T) {
	for _, message := range []int{10, 3500, 100_000} {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			w := newWorld(t, func(*http.Request, int64) (*http.Response, error) {
				if time.Since(begin) < 10*time.Minute {
					return status(http.StatusServiceUnavailable), nil
				}
				return status(http.StatusOK), nil
			})
			h, first := newTask(strings.Repeat("x", message))
			for i := range 5 {
				w.put(t, h, fmt.Sprint(i), fmt.Sprintf("%s%d", url, i), "1.0", 0)
			}
			w.begin(t, h, first)
			for i := range 20 {
				must(t, w.Wake(t.Context(), h.ID), w.sweep(t))
				w.add(t, h, int64(i+2), 1)
				time.Sleep(time.Minute)
			}
			must(t, w.sweep(t), w.Wake(t.Context(), h.ID))
			for i := range 5 {
				got := w.hook.requests(fmt.Sprintf("%s%d", url, i))
				last := int64(0)
				for _, r := range got {
					if r.ok && r.seq != last && r.seq != last+1 {
						t.Errorf("%d: event %d after %d", i, r.seq, last)
					}
					if r.ok {
						last = r.seq
					}
				}
				if last != 21 || len(got) > 21+6 {
					t.Errorf("%d got %s", i, numbers(got))
				}
			}
		})
	}
}

// TestAgreesAndFails has a webhook agree, and then be down for ten minutes. It stays agreed: its
// tries have all the time of any, and nothing is lost.
func TestAgreesAndFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		longest := time.Duration(0)
		w := newWorld(t, func(r *http.Request, seq int64) (*http.Response, error) {
			if seq > 1 && time.Since(begin) < 10*time.Minute {
				tried := time.Now()
				defer func() { longest = max(longest, time.Since(tried)) }()
				return hang(r)
			}
			return status(http.StatusOK), nil
		})
		h := w.strange(t, 2, url)
		must(t, w.Wake(t.Context(), h.ID))
		for i := range 20 {
			must(t, errors.Join(w.work(t.Context())...), w.sweep(t))
			w.add(t, h, int64(i+3), 1)
			time.Sleep(time.Minute)
		}
		must(t, w.Wake(t.Context(), h.ID), w.sweep(t))
		var got []request
		for _, r := range w.hook.requests(url) {
			if r.ok {
				got = append(got, r)
			}
		}
		if numbers(got) != upTo(22) || longest != 10*time.Second {
			t.Errorf("got %s; the longest try took %v", numbers(w.hook.requests(url)), longest)
		}
	})
}

// TestSpellingsOfHost checks that another spelling of a host's name, address or port is no other
// host.
func TestSpellingsOfHost(t *testing.T) {
	for _, spellings := range [][]string{
		{"https://hook.example/", "https://HOOK.example/", "https://hook.example./", "https://hook.example:443/", "https://hook.example:/", "https://hook.example:00443/"},
		{"https://[2606:4700::1111]/", "https://[2606:4700:0:0::1111]/", "https://[2606:4700:0000::1111]:443/"},
		{"https://[::ffff:8.8.8.8]/", "https://8.8.8.8/", "https://[::ffff:808:808]:0443/"},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, func(*http.Request, int64) (*http.Response, error) { return status(http.StatusNotFound), nil })
			var ids []a2a.TaskID
			for _, s := range spellings {
				for i := range 15 {
					ids = append(ids, w.strange(t, 1, fmt.Sprint(s, i)).ID)
				}
			}
			must(t, w.Wake(t.Context(), ids...))
			if n := len(w.hook.got); n > 20 {
				t.Errorf("%d requests to %v at once", n, spellings)
			}
		})
	}
}

// TestStrangersAtHost has many configurations at a host where nobody agrees: it gets few requests a
// minute. At one where somebody has agreed, all are asked at once.
func TestStrangersAtHost(t *testing.T) {
	for _, agrees := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, func(r *http.Request, _ int64) (*http.Response, error) {
				if r.URL.Path == "/agrees" {
					return status(http.StatusOK), nil
				}
				return status(http.StatusNotFound), nil
			})
			if agrees {
				must(t, w.Wake(t.Context(), w.strange(t, 1, url+"agrees").ID))
			}
			var ids []a2a.TaskID
			for i := range 200 {
				ids = append(ids, w.strange(t, 1, fmt.Sprintf("%s%d", url, i)).ID)
			}
			must(t, w.Wake(t.Context(), ids...))
			perMinute := map[time.Time]int{}
			for range 60 {
				time.Sleep(time.Minute)
				must(t, w.sweep(t))
			}
			for _, r := range w.hook.got {
				perMinute[r.at.Truncate(time.Minute)]++
			}
			most := 0
			for _, n := range perMinute {
				most = max(most, n)
			}
			if (most <= 40) == agrees { // a minute may begin at any second
				t.Errorf("somebody agrees: %v; up to %d requests in a minute", agrees, most)
			}
			if !agrees && (!strings.Contains(w.log.String(), "bound=host") || len(perMinute) < 10) {
				t.Errorf("requests in %d minutes", len(perMinute))
			}
		})
	}
}
