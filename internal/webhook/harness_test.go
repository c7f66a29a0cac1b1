package webhook_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/memlog"
	"a2alambda/internal/outgoing"
	"a2alambda/internal/push"
	"a2alambda/internal/pushtest"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/tasklogtest"
	"a2alambda/internal/webhook"
)

// hook is a webhook, as the transport of a client. It answers 200, or what answer says.
type hook struct {
	answer func(r *http.Request, seq int64) (*http.Response, error)

	mu   sync.Mutex
	got  []request
	busy map[string]bool // by URL: a request is under way
	t    *testing.T
}

type request struct {
	url string
	seq int64
	at  time.Time
	ok  bool // it was answered with 2xx
}

func (h *hook) RoundTrip(r *http.Request) (*http.Response, error) {
	seq, err := strconv.ParseInt(r.Header.Get("X-A2A-Event-Id"), 10, 64)
	if err != nil {
		h.t.Error(err)
	}
	url := r.URL.String()
	h.mu.Lock()
	if h.busy[url] {
		h.t.Errorf("%s has two requests at a time", url)
	}
	h.busy[url] = true
	h.mu.Unlock()
	at := time.Now()
	resp, err := status(http.StatusOK), error(nil)
	if h.answer != nil {
		resp, err = h.answer(r, seq)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.busy[url] = false
	ok := err == nil && resp.StatusCode >= 200 && resp.StatusCode <= 299
	h.got = append(h.got, request{url, seq, at, ok})
	return resp, err
}

// requests returns the requests to the URL so far.
func (h *hook) requests(url string) []request {
	h.mu.Lock()
	defer h.mu.Unlock()
	var of []request
	for _, r := range h.got {
		if r.url == url {
			of = append(of, r)
		}
	}
	return of
}

// numbers returns the events of the requests, with failed ones in brackets.
func numbers(requests []request) string {
	var all []string
	for _, r := range requests {
		n := strconv.FormatInt(r.seq, 10)
		if !r.ok {
			n = "(" + n + ")"
		}
		all = append(all, n)
	}
	return strings.Join(all, " ")
}

// upTo returns the numbers from 1 to n.
func upTo(n int) (all string) {
	for i := range n {
		all += fmt.Sprint(" ", i+1)
	}
	return all[1:]
}

func (h *hook) want(url, numbersWanted string) {
	h.t.Helper()
	if got := numbers(h.requests(url)); got != numbersWanted {
		h.t.Errorf("%s got events %s, want %s", url, got, numbersWanted)
	}
}

func status(code int) *http.Response {
	return &http.Response{StatusCode: code, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("thank you"))}
}

// hang waits until the client gives the request up.
func hang(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// world is a deliverer over logs in memory, with the jobs that it has asked for.
type world struct {
	*webhook.Deliverer
	store  *memlog.Log
	leases map[a2a.TaskID]tasklog.Lease
	pushes push.Store
	logger *slog.Logger
	hook   *hook
	log    *bytes.Buffer

	mu   sync.Mutex
	jobs [][]push.Ref

	invoking time.Duration // how long a request for an invocation takes
}

func newWorld(t *testing.T, answer func(r *http.Request, seq int64) (*http.Response, error)) *world {
	w := &world{store: new(memlog.Log), leases: map[a2a.TaskID]tasklog.Lease{}, log: new(bytes.Buffer)}
	w.hook = &hook{t: t, answer: answer, busy: map[string]bool{}}
	w.pushes = pushtest.Wrap(w.store.Pushes())
	w.logger = slog.New(slog.NewTextHandler(io.MultiWriter(w.log, t.Output()), nil))
	client := outgoing.Guard{}.Client()
	client.Transport = w.hook
	w.use(client)
	t.Cleanup(func() { w.Forget() })
	return w
}

// use makes the deliverer send its requests with the client.
func (w *world) use(client *http.Client) {
	if w.Deliverer != nil {
		w.Forget()
	}
	w.Deliverer = webhook.New(webhook.Config{Log: w.store, Store: w.pushes, Client: client, Logger: w.logger, Invoke: w.invoke})
}

func (w *world) invoke(_ context.Context, refs ...push.Ref) error {
	time.Sleep(w.invoking)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.jobs = append(w.jobs, refs)
	return nil
}

// task creates a task with that many events and a configuration for the URL, which has agreed.
func (w *world) task(t *testing.T, events int, url string) tasklog.Head {
	t.Helper()
	h := w.strange(t, events, url)
	w.agree(t, h, "c")
	return h
}

// agree makes a configuration agree.
func (w *world) agree(t *testing.T, h tasklog.Head, config string) {
	t.Helper()
	w.agreed(t, h, config, push.Progress{})
}

// agreed makes a configuration agree, with what it has had in its hour.
func (w *world) agreed(t *testing.T, h tasklog.Head, config string, had push.Progress) {
	t.Helper()
	c, err := w.pushes.Claim(t.Context(), h.ID, config, "agrees", time.Now().Add(time.Minute))
	must(t, err)
	p := c.Config().Progress
	p.Agreed, p.Hour, p.Bytes, p.Aside = true, had.Hour, had.Bytes, had.Aside
	_, err = c.Release(t.Context(), p, time.Time{})
	must(t, err)
}

// strange is task with a configuration that has not agreed.
func (w *world) strange(t *testing.T, events int, url string) tasklog.Head {
	t.Helper()
	h, first := tasklogtest.NewTask()
	h.Push = true
	h.Expires = h.Expires.Add(71 * time.Hour)
	c := pushtest.NewConfig(h, "c", url)
	c.After = 0
	must(t, w.pushes.Put(t.Context(), h, c))
	var err error
	w.leases[h.ID], err = w.store.Create(t.Context(), h, first, tasklog.Claim{Writer: "w", Push: true})
	must(t, err)
	w.add(t, h, 2, events-1)
	return h
}

// add appends n events to a task, from number first on.
func (w *world) add(t *testing.T, h tasklog.Head, first int64, n int) {
	t.Helper()
	for i := range int64(n) {
		entry := tasklogtest.Status(h, a2a.TaskStateWorking, strconv.FormatInt(first+i, 10))
		must(t, w.leases[h.ID].Append(t.Context(), first+i, []tasklog.Entry{entry}))
	}
}

// work does the jobs that the deliverer and these jobs have asked for. It returns their errors.
func (w *world) work(ctx context.Context) (errs []error) {
	for {
		w.mu.Lock()
		jobs := w.jobs
		w.jobs = nil
		w.mu.Unlock()
		if len(jobs) == 0 {
			return errs
		}
		for _, j := range jobs {
			if err := w.Deliver(ctx, j...); err != nil {
				errs = append(errs, err)
			}
		}
	}
}

// sweep does what the sweeper does each minute, and the jobs that follow.
func (w *world) sweep(t *testing.T) error {
	t.Helper()
	_, err := push.Sweep(t.Context(), w.pushes, push.Gather(w.invoke))
	must(t, err)
	return errors.Join(w.work(t.Context())...)
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}
