package callback_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/callback"
	"a2alambda/internal/memlog"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/tasklogtest"
)

const delivered = "hotel/der Bote, „Ümit“" // the name of a wait is any text

// desk is a handler over a store, and what has happened there, in order.
type desk struct {
	t       *testing.T
	log     *memlog.Log
	handler http.Handler
	secret  []byte
	head    tasklog.Head
	lease   tasklog.Lease
	logs    bytes.Buffer

	mu       sync.Mutex
	happened []string
	fails    map[string]error // by the name of the store's method, or "Invoke"
	unheard  map[string]error // by the name of the store's method: it is done, and that is its error
}

// newDesk returns a desk with a task that has an open wait, and sleeps for a day.
func newDesk(t *testing.T) *desk {
	d := &desk{t: t, log: new(memlog.Log), fails: map[string]error{}, unheard: map[string]error{}}
	var err error
	if d.secret, err = d.log.Secret(t.Context()); err != nil {
		t.Fatal(err)
	}
	var first tasklog.Entry
	d.head, first = tasklogtest.NewTask()
	d.head.Expires = time.Now().Add(7 * 24 * time.Hour)
	claim := tasklog.Claim{Writer: "w", Until: time.Now().Add(time.Hour), Records: true}
	if d.lease, err = d.log.Create(t.Context(), d.head, first, claim); err != nil {
		t.Fatal(err)
	}
	if err := d.log.OpenWait(t.Context(), d.head, delivered, ""); err != nil {
		t.Fatal(err)
	}
	store := tasklog.Hooked(d.log, tasklog.Hooks{
		Before: func(_ context.Context, op tasklog.Op) error { return d.note(op.Name) },
		After:  func(_ context.Context, op tasklog.Op, err error) error { return errors.Join(err, d.unheard[op.Name]) },
	})
	d.handler = callback.New(callback.Config{
		Store: store, Logger: slog.New(slog.NewTextHandler(&d.logs, nil)),
		Invoke: func(_ context.Context, id a2a.TaskID) error {
			if id != d.head.ID {
				t.Errorf("a worker was asked for %s", id)
			}
			return d.note("Invoke")
		},
	})
	return d
}

func (d *desk) note(what string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if what != "Secret" {
		d.happened = append(d.happened, what)
	}
	return d.fails[what]
}

// since returns what has happened since the last call.
func (d *desk) since() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := strings.Join(d.happened, " ")
	d.happened = nil
	return s
}

func (d *desk) sleep() {
	d.t.Helper()
	now, err := d.log.Load(d.t.Context(), d.head.ID)
	if err != nil {
		d.t.Fatal(err)
	}
	if now.Lease.Suspended {
		if d.lease, err = d.log.Acquire(d.t.Context(), now, tasklog.Claim{Writer: a2a.NewMessageID(), Until: time.Now().Add(time.Hour)}); err != nil {
			d.t.Fatal(err)
		}
	}
	if ok, err := d.lease.Suspend(d.t.Context(), time.Now().Add(24*time.Hour), now.Lease.Woken); !ok || err != nil {
		d.t.Fatalf("Suspend returned %v, %v", ok, err)
	}
}

func (d *desk) asleep() bool {
	d.t.Helper()
	lease, err := d.log.Lease(d.t.Context(), d.head.ID)
	if err != nil {
		d.t.Fatal(err)
	}
	return lease.Sleeps()
}

func (d *desk) url() string { return callback.URL("https://x.example", d.secret, d.head.ID, delivered) }
func (d *desk) wake() string {
	return callback.WakeURL("https://x.example/", d.secret, d.head.ID, delivered)
}

// answers has sent when the head of the answer is written.
type answers struct {
	*httptest.ResponseRecorder
	d *desk
}

func (a answers) Flush() {
	_ = a.d.note(fmt.Sprint("answer ", a.Code))
	a.ResponseRecorder.Flush()
}

// send sends a request, and returns the answer.
func (d *desk) send(method, url, contentType string, body io.Reader) *http.Response {
	r := httptest.NewRequest(method, url, body)
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	w := answers{httptest.NewRecorder(), d}
	d.handler.ServeHTTP(w, r)
	return w.Result()
}

// want sends a request, and checks its answer and what it has done.
func (d *desk) want(method, url, body string, status int, happened string) string {
	d.t.Helper()
	response := d.send(method, url, "text/plain", strings.NewReader(body))
	text, _ := io.ReadAll(response.Body)
	if got := d.since(); response.StatusCode != status || got != happened {
		d.t.Errorf("%s %q: %d, %q; want %d, %q", method, body, response.StatusCode, got, status, happened)
	}
	return string(text)
}

// TestAnswers sends everything that may come for one callback, one after the other.
func TestAnswers(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.sleep()
	for _, method := range []string{"GET", "HEAD", "GET", "OPTIONS", "PUT", "DELETE"} {
		d.want(method, d.url(), "", http.StatusMethodNotAllowed, "")
	}
	if w, _ := d.log.Wait(t.Context(), d.head.ID, delivered); w.State != tasklog.WaitOpen || !d.asleep() {
		t.Fatalf("the wait is %s after a GET", w.State)
	}
	d.want("POST", d.url(), "here", http.StatusAccepted, "Deliver Wake answer 202 Invoke")
	if d.asleep() {
		t.Error("the task sleeps on after the delivery")
	}
	d.sleep()
	d.want("POST", d.url(), "here", http.StatusAccepted, "Deliver Wake answer 202 Invoke")
	if d.asleep() {
		t.Error("the task sleeps on after the same delivery")
	}
	d.sleep()
	d.want("POST", d.url(), "there", http.StatusConflict, "Deliver")
	if r := d.send("POST", d.url(), "text/html", strings.NewReader("here")); r.StatusCode != http.StatusConflict {
		t.Errorf("the same with another type: %d", r.StatusCode)
	}
	if !d.asleep() {
		t.Error("a refused delivery woke the task")
	}
	w, err := d.log.Wait(t.Context(), d.head.ID, delivered)
	if err != nil || string(w.Delivery.Body) != "here" || w.Delivery.ContentType != "text/plain" || time.Since(w.Delivery.Time) > time.Minute {
		t.Errorf("delivered is %+v, %v", w.Delivery, err)
	}
	if strings.Contains(d.logs.String(), d.url()[len(d.url())-32:]) {
		t.Errorf("the log has the token:\n%s", d.logs.String())
	}
}

// TestClosed delivers to a wait that was closed.
func TestClosed(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	if _, err := d.log.CloseWait(t.Context(), d.head.ID, delivered); err != nil {
		t.Fatal(err)
	}
	d.want("POST", d.url(), "here", http.StatusGone, "Deliver")
	d.want("POST", d.wake(), "here", http.StatusAccepted, "Wait answer 202")
}

// TestUnknown tries URLs that are wrong in any way. Each gets the same answer, and costs no read.
func TestUnknown(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	right := strings.TrimPrefix(d.url(), "https://x.example")
	parts := strings.Split(right, "/") // "", callbacks, task, wait, token
	token := parts[4]
	other := "a" + token[1:]
	if other == token {
		other = "b" + token[1:]
	}
	ofOther := callback.URL("", d.secret, a2a.NewTaskID(), delivered)
	ofWait := callback.URL("", d.secret, d.head.ID, "another")
	ofSecret := callback.URL("", []byte("another secret"), d.head.ID, delivered)
	last := func(url string) string { return url[strings.LastIndex(url, "/")+1:] }
	with := func(task, wait, token string) string { return "/callbacks/" + task + "/" + wait + "/" + token }
	var first string
	for i, url := range []string{
		with(parts[2], parts[3], other), with(parts[2], parts[3], last(ofOther)), with(parts[2], parts[3], last(ofWait)), ofSecret,
		with(parts[2], parts[3], ""), with(parts[2], parts[3], token[:31]), with(parts[2], parts[3], token+"0"), with(parts[2], parts[3], strings.ToUpper(token)),
		with(string(a2a.NewTaskID()), parts[3], token), with(strings.ToUpper(parts[2]), parts[3], token), with("", parts[3], token),
		with(parts[2], "", token), with(parts[2], parts[3]+"=", token), with(parts[2], "%%%25", token)[:20],
		right + "/", right + "/x", "/x" + right, right[10:], "/callbacks", "/callbacks/", "/", "/callbacks/" + token, strings.Replace(right, "/", "//", 2),
	} {
		text := d.want("POST", "https://x.example"+url, "here", http.StatusNotFound, "")
		if i == 0 {
			first = text
		}
		if text != first {
			t.Errorf("%s: %q, want %q", url, text, first)
		}
	}
	// With a right token, of a task or a wait that is not there.
	if text := d.want("POST", "https://x.example"+ofOther, "here", http.StatusNotFound, "Deliver"); text != first {
		t.Errorf("a task that is gone: %q", text)
	}
	if text := d.want("POST", "https://x.example"+ofWait, "here", http.StatusNotFound, "Deliver"); text != first {
		t.Errorf("a wait that is not open: %q", text)
	}
}

// endless is a body without end that counts what is read of it.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	e.read += len(p)
	return len(p), nil
}

// TestBody delivers bodies that are as long as they may be, and longer.
func TestBody(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.want("POST", d.url(), strings.Repeat("x", tasklog.MaxDelivery+1), http.StatusRequestEntityTooLarge, "")
	long := new(endless)
	if r := d.send("POST", d.url(), "", long); r.StatusCode != http.StatusRequestEntityTooLarge || long.read > 2*tasklog.MaxDelivery {
		t.Errorf("a body without end: %d, and %d bytes were read", r.StatusCode, long.read)
	}
	if r := d.send("POST", d.url(), "", io.MultiReader(strings.NewReader("he"), brokenReader{})); r.StatusCode != http.StatusBadRequest {
		t.Errorf("a body that breaks off: %d", r.StatusCode)
	}
	if r := d.send("POST", d.url(), strings.Repeat("x", 257), strings.NewReader("here")); r.StatusCode != http.StatusBadRequest {
		t.Errorf("a long type: %d", r.StatusCode)
	}
	if got := d.since(); got != "" {
		t.Errorf("what was refused has done %q", got)
	}
	body := string(slices.Repeat([]byte{0, 255, '\n', 'x'}, tasklog.MaxDelivery/4))
	d.want("POST", d.url(), body, http.StatusAccepted, "Deliver Wake answer 202 Invoke")
	if w, err := d.log.Wait(t.Context(), d.head.ID, delivered); err != nil || string(w.Delivery.Body) != body {
		t.Errorf("the body has changed, %v", err)
	}
}

// TestType delivers with a type that is not UTF-8, as HTTP allows.
func TestType(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for range 2 {
		if r := d.send("POST", d.url(), "text/plain; name=\xfc", strings.NewReader("here")); r.StatusCode != http.StatusAccepted {
			t.Errorf("%d", r.StatusCode)
		}
	}
	if w, err := d.log.Wait(t.Context(), d.head.ID, delivered); err != nil || w.Delivery.ContentType != "text/plain; name=\uFFFD" {
		t.Errorf("the type is %q, %v", w.Delivery.ContentType, err)
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("reset by peer") }

// TestFaults has the store fail at each step, and the worker. A sender that gets no 202 tries
// again, and the task wakes up.
func TestFaults(t *testing.T) {
	t.Parallel()
	for method, done := range map[string]string{"Deliver": "Deliver", "Wake": "Deliver Wake"} {
		d := newDesk(t)
		d.sleep()
		d.fails[method] = fmt.Errorf("store: %w", tasklog.ErrThrottled)
		r := d.send("POST", d.url(), "text/plain", strings.NewReader("here"))
		if got := d.since(); r.StatusCode != http.StatusServiceUnavailable || r.Header.Get("Retry-After") == "" || got != done {
			t.Errorf("%s is throttled: %d, %q", method, r.StatusCode, got)
		}
		d.fails[method] = errors.New("on fire")
		if text := d.want("POST", d.url(), "here", http.StatusInternalServerError, done); text != "internal error\n" {
			t.Errorf("%s fails: %q", method, text)
		}
		d.fails[method] = nil
		d.fails["Invoke"] = errors.New("lost")
		d.want("POST", d.url(), "here", http.StatusAccepted, "Deliver Wake answer 202 Invoke")
		if d.asleep() {
			t.Errorf("after a fault at %s the task sleeps on", method)
		}
	}
}

// TestLostAcknowledgement has the store do what it is asked for, and say that it failed. The sender
// tries again, with the same.
func TestLostAcknowledgement(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"Deliver", "Wake"} {
		d := newDesk(t)
		d.sleep()
		d.unheard[method] = errors.New("connection reset")
		if r := d.send("POST", d.url(), "text/plain", strings.NewReader("here")); r.StatusCode != http.StatusInternalServerError {
			t.Errorf("%s is not acknowledged: %d", method, r.StatusCode)
		}
		d.since()
		delete(d.unheard, method)
		d.want("POST", d.url(), "here", http.StatusAccepted, "Deliver Wake answer 202 Invoke")
		if d.asleep() {
			t.Errorf("after %s was not acknowledged the task sleeps on", method)
		}
	}
}

// TestManyDeliveries sends the same again and again. The task's others must not pay for it.
func TestManyDeliveries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		status := map[int]int{}
		for range 100 {
			status[d.send("POST", d.url(), "", strings.NewReader("here")).StatusCode]++
		}
		if status[http.StatusAccepted] != 60 || status[http.StatusTooManyRequests] != 40 {
			t.Errorf("of 100 within a minute: %v", status)
		}
		if r := d.send("POST", d.url(), "", strings.NewReader("here")); r.Header.Get("Retry-After") != "60" {
			t.Errorf("Retry-After is %q", r.Header.Get("Retry-After"))
		}
		time.Sleep(time.Minute)
		d.since()
		d.want("POST", d.url(), "here", http.StatusConflict, "Deliver") // text/plain by now
	})
}

// TestWakeURL posts a thousand times to a URL that only wakes. The bodies are not read, and one
// worker is asked for.
func TestWakeURL(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.want("POST", d.wake(), "x", http.StatusAccepted, "Wait Lease Wake answer 202") // held: it looks again before it sleeps
	if ok, err := d.lease.Suspend(t.Context(), time.Now().Add(time.Hour), 0); ok || err != nil {
		t.Errorf("a task that was woken suspends: %v, %v", ok, err)
	}
	d.sleep()
	calls := map[string]int{}
	for range 1000 {
		body := new(endless)
		if r := d.send("POST", d.wake(), "application/json", body); r.StatusCode != http.StatusAccepted || body.read > 0 {
			t.Fatalf("%d, and %d bytes were read", r.StatusCode, body.read)
		}
		for _, c := range strings.Fields(d.since()) {
			calls[c]++
		}
	}
	if calls["Wake"] != 1 || calls["Invoke"] != 1 || calls["Deliver"] != 0 || d.asleep() {
		t.Errorf("a thousand posts did %v", calls)
	}
	if w, _ := d.log.Wait(t.Context(), d.head.ID, delivered); w.State != tasklog.WaitOpen {
		t.Errorf("the wait is %s", w.State)
	}
	d.want("GET", d.wake(), "", http.StatusMethodNotAllowed, "")
}

// TestURL shows that a wait's URL is always the same, and nobody else's.
func TestURL(t *testing.T) {
	t.Parallel()
	secret := []byte("0123456789abcdef0123456789abcdef")
	url := callback.URL("https://x.example/agent/", secret, "task", "delivered")
	if want := "https://x.example/agent/callbacks/task/ZGVsaXZlcmVk/"; !strings.HasPrefix(url, want) || len(url) != len(want)+32 {
		t.Errorf("the URL is %s", url)
	}
	seen := map[string]bool{url: true}
	for _, of := range [][2]string{{"tas", "kdelivered"}, {"taskd", "elivered"}, {"task", "delivered "}, {"task", ""}, {"", "delivered"}} {
		other := callback.URL("https://x.example/agent/", secret, a2a.TaskID(of[0]), of[1])
		if token := other[len(other)-32:]; seen[token] {
			t.Errorf("%q has another's token", of)
		} else {
			seen[token] = true
		}
	}
	if url != callback.URL("https://x.example/agent", secret, "task", "delivered") {
		t.Error("the URL changes")
	}
	if wake := callback.WakeURL("https://x.example/agent/", secret, "task", "delivered"); wake == url {
		t.Error("a URL that wakes delivers")
	}
}

// FuzzRequest sends anything. Only the right URL delivers, nothing panics, and the log is silent
// about tokens.
func FuzzRequest(f *testing.F) {
	for _, path := range []string{"", "/", "/callbacks/", "/callbacks/a/b/c", "/callbacks/a/Yg/00", "/callbacks/%2e%2e/x", "/callbacks//", "/callbacks/a/b/c/d"} {
		f.Add("POST", path, "text/plain", []byte("here"))
	}
	f.Add("GET", "/callbacks/a/b/c", "", []byte(nil))
	f.Fuzz(func(t *testing.T, method, path, contentType string, body []byte) {
		d := newDesk(t)
		r := httptest.NewRequest("POST", "/", bytes.NewReader(body))
		r.Method, r.URL.Path = method, path
		r.Header["Content-Type"] = []string{contentType}
		w := httptest.NewRecorder()
		d.handler.ServeHTTP(w, r)
		if w.Code < 400 || w.Code >= 500 {
			t.Errorf("%q %q: %d", method, path, w.Code)
		}
		if method == "POST" && len(d.since()) > 0 {
			t.Errorf("%q was looked up", path)
		}
		// The right URL, with any body.
		r = httptest.NewRequest("POST", d.url(), bytes.NewReader(body))
		r.Header["Content-Type"] = []string{contentType}
		w = httptest.NewRecorder()
		d.handler.ServeHTTP(w, r)
		good := len(body) <= tasklog.MaxDelivery && len(contentType) <= 256
		if (w.Code == http.StatusAccepted) != good {
			t.Errorf("a body of %d bytes: %d", len(body), w.Code)
		}
		if strings.Contains(d.logs.String(), d.url()[len(d.url())-32:]) {
			t.Errorf("the log has the token: %s", d.logs.String())
		}
	})
}
