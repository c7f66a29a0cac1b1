package emulator_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"a2alambda/localtest/emulator"
)

// patience is how long a test waits for what must come.
const patience = 30 * time.Second

type function struct {
	*emulator.Emulator
	url string
	log lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func testFunction(t testing.TB, c emulator.Config) *emulator.Emulator {
	t.Helper()
	var err error
	c.Binary, err = emulator.Build(context.Background(), "a2alambda/localtest/emulator/internal/testfunction")
	must(t, err)
	e, err := emulator.New(c)
	must(t, err)
	return e
}

// start emulates the test function, and serves its URL.
func start(t testing.TB, c emulator.Config) *function {
	t.Helper()
	f := &function{}
	c.Log = &f.log
	f.Emulator = testFunction(t, c)
	server := httptest.NewServer(f)
	f.url = server.URL
	t.Cleanup(func() {
		f.Close()
		server.Close()
		if t.Failed() {
			t.Logf("the function's log:\n%s", f.log.String())
		}
	})
	return f
}

// get requests a path. The body ends with the test.
func (f *function) get(t testing.TB, path string) *http.Response {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, "GET", f.url+path, nil)
	must(t, err)
	response, err := http.DefaultClient.Do(r)
	must(t, err)
	t.Cleanup(func() { response.Body.Close() })
	return response
}

// must ends the test on an error.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// do sends a request and returns the whole answer.
func do(t testing.TB, client *http.Client, r *http.Request) (*http.Response, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	response, err := client.Do(r.WithContext(ctx))
	must(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	must(t, err)
	return response, string(body)
}

func newRequest(t testing.TB, method, url, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	must(t, err)
	return r
}

// text requests a path and returns the body of a successful response.
func (f *function) text(t testing.TB, path string) string {
	t.Helper()
	response, body := do(t, http.DefaultClient, newRequest(t, "GET", f.url+path, ""))
	if response.StatusCode != 200 {
		t.Fatalf("GET %s: status %d, body %q", path, response.StatusCode, body)
	}
	return body
}

// want fails the test unless a request has this answer, which is cut short or not.
func (f *function) want(t testing.TB, path string, status int, body string, cut bool) {
	t.Helper()
	response := f.get(t, path)
	b, err := io.ReadAll(response.Body)
	if response.StatusCode != status || string(b) != body || errors.Is(err, io.ErrUnexpectedEOF) != cut || !cut && err != nil {
		t.Errorf("GET %s: status %d, body %q, %v; want %d, %q, cut: %t", path, response.StatusCode, b, err, status, body, cut)
	}
}

func (f *function) states() (states []emulator.State) {
	for _, i := range f.Instances() {
		states = append(states, i.State)
	}
	return states
}

// gate lets the function's /steps go on one by one.
type gate struct {
	url  string
	open chan int // statuses to answer with
}

func newGate(t testing.TB) *gate {
	g := &gate{open: make(chan int)}
	over := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case status := <-g.open:
			w.WriteHeader(status)
		case <-r.Context().Done():
		case <-over:
		}
	}))
	g.url = server.URL
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(over) })
	return g
}

// pass answers the function's next request.
func (g *gate) pass(t testing.TB, status int) {
	t.Helper()
	select {
	case g.open <- status:
	case <-time.After(patience):
		t.Fatal("the function did not reach the gate")
	}
}

func (g *gate) path() string { return "/steps?gate=" + url.QueryEscape(g.url) }

// line reads the next line of a stream.
func line(t testing.TB, body io.Reader) string {
	t.Helper()
	var b []byte
	for !bytes.HasSuffix(b, []byte("\n")) {
		p := make([]byte, 1)
		if _, err := body.Read(p); err != nil {
			t.Fatalf("after %q: %v", b, err)
		}
		b = append(b, p...)
	}
	return string(b)
}

// stopped reports whether a process is stopped.
func stopped(t testing.TB, pid int) bool {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	must(t, err)
	_, state, _ := strings.Cut(string(stat), ") ")
	return strings.HasPrefix(state, "T")
}

func checkGone(t testing.TB, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("process %d: %v, want it gone", pid, err)
	}
}

// readAll reads the rest of a response.
func readAll(response *http.Response) (string, error) {
	b, err := io.ReadAll(response.Body)
	return string(b), err
}
