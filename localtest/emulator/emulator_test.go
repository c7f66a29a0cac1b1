package emulator_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"a2alambda/localtest/emulator"
)

// Each chunk reaches the client while the function waits for its gate.
func TestStream(t *testing.T) {
	f, g := start(t, emulator.Config{}), newGate(t)
	response := f.get(t, g.path())
	if got := response.Header.Get("Content-Type"); response.StatusCode != 200 || got != "text/event-stream" || response.ContentLength != -1 {
		t.Errorf("status %d, content type %q, length %d", response.StatusCode, got, response.ContentLength)
	}
	for n := range 5 {
		if n > 0 {
			g.pass(t, 200)
		}
		if got, want := line(t, response.Body), fmt.Sprintf("step %d\n", n); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	g.pass(t, 400)
	if rest, err := io.ReadAll(response.Body); len(rest) > 0 || err != nil {
		t.Errorf("at the end: %q, %v", rest, err)
	}
}

func TestRequest(t *testing.T) {
	f := start(t, emulator.Config{})
	r := newRequest(t, "PATCH", f.url+"/echo?a=1&a=%2F", "\x00\xff")
	r.Header.Add("X-Header", "1")
	r.Header.Add("x-header", "2")
	r.Header.Set("Cookie", "a=1; b=2")
	response, body := do(t, http.DefaultClient, r)
	want := "PATCH /echo?a=1&a=%2F\nhost emulatedfunctionurl.lambda-url.us-east-1.on.aws\nheader [\"1,2\"]\ncookie [\"a=1; b=2\"]\nbody 2 \"\\x00\\xff\"\n"
	cookies := response.Header["Set-Cookie"]
	if response.StatusCode != 418 || body != want || !slices.Equal(cookies, []string{"One=set", "Two=set"}) || response.Header.Get("Content-Type") != "text/plain" {
		t.Errorf("status %d, headers %q, body\n%s", response.StatusCode, response.Header, body)
	}
	if got := f.text(t, "/base"); got != f.url+"/" {
		t.Errorf("the function is at %s, and says %s", f.url, got)
	}
}

func TestBigBodies(t *testing.T) {
	f := start(t, emulator.Config{})
	post := func(contentType string, body []byte) (int, string) {
		t.Helper()
		r := newRequest(t, "POST", f.url+"/sum", string(body))
		r.Header.Set("Content-Type", contentType)
		response, b := do(t, http.DefaultClient, r)
		return response.StatusCode, b
	}
	text := bytes.Repeat([]byte("{\"a\":1}\n"), 5<<20/8)
	binary := bytes.Repeat([]byte{0, 1, 2, 0xff}, 4<<20/4)
	for contentType, body := range map[string][]byte{"application/json": text, "application/octet-stream": binary} {
		want := fmt.Sprintf("%d %x", len(body), sha256.Sum256(body))
		if status, got := post(contentType, body); status != 200 || got != want {
			t.Errorf("%s: status %d, %s; want %s", contentType, status, got, want)
		}
	}
	// In the event, 5 MB of binary are 6.7 MB.
	for contentType, body := range map[string][]byte{"text/plain": bytes.Repeat([]byte("x"), 6<<20+1), "image/png": bytes.Repeat([]byte{0xff}, 5<<20)} {
		if status, got := post(contentType, body); status != 413 || got != `{"message":"Request Entity Too Large"}` {
			t.Errorf("%s: status %d, %s", contentType, status, got)
		}
	}

	n, h := 20<<20+1, sha256.New()
	response := f.get(t, "/big?n="+strconv.Itoa(n))
	got, err := io.Copy(h, response.Body)
	want := bytes.Repeat([]byte("0123456789abcde\n"), 20<<16+1)[:n]
	if sum := sha256.Sum256(want); got != int64(n) || err != nil || !bytes.Equal(h.Sum(nil), sum[:]) {
		t.Errorf("%d of %d bytes, %v", got, n, err)
	}
}

// An instance has one request at a time. The one that was used last is used first.
func TestInstances(t *testing.T) {
	f := start(t, emulator.Config{MaxInstances: 2})
	a, b := newGate(t), newGate(t)
	ra := f.get(t, a.path())
	line(t, ra.Body)
	rb := f.get(t, b.path())
	line(t, rb.Body)
	all := f.Instances()
	if len(all) != 2 || all[0].State != emulator.Busy || all[1].State != emulator.Busy || all[0].PID == all[1].PID || all[0].ID == all[1].ID {
		t.Fatalf("two requests: %v", all)
	}
	f.want(t, "/pid", 429, `{"message":"Rate Exceeded."}`, false)

	end := func(g *gate, response *http.Response, pid int, states ...emulator.State) {
		t.Helper()
		g.pass(t, 400)
		if _, err := io.ReadAll(response.Body); err != nil {
			t.Fatal(err)
		}
		if got := f.states(); !slices.Equal(got, states) {
			t.Errorf("instances: %v, want %v", got, states)
		}
		for range 3 {
			if got := f.text(t, "/pid"); got != strconv.Itoa(pid) {
				t.Errorf("process %s answered, want %d", got, pid)
			}
		}
	}
	end(b, rb, all[1].PID, emulator.Busy, emulator.Frozen)
	end(a, ra, all[0].PID, emulator.Frozen, emulator.Frozen)
	if err := f.Kill("function-7"); err == nil {
		t.Error("killed an instance that never was")
	}
}

// The process does not run from the end of a response to the next request.
func TestFrozen(t *testing.T) {
	f := start(t, emulator.Config{})
	count := filepath.Join(t.TempDir(), "count")
	size := func() int64 {
		info, err := os.Stat(count)
		must(t, err)
		return info.Size()
	}
	f.text(t, "/background?count="+url.QueryEscape(count))
	before := size()
	if before == 0 {
		t.Fatal("the background work has not begun")
	}
	time.Sleep(200 * time.Millisecond) // 2,000 steps of the work, if it went on
	if after := size(); after != before {
		t.Fatalf("%d steps while the process was frozen", after-before)
	}
	g := newGate(t)
	response := f.get(t, g.path())
	line(t, response.Body)
	for deadline := time.Now().Add(patience); size() == before; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no step while the process was thawed")
		}
	}
	g.pass(t, 400)
	if _, err := io.ReadAll(response.Body); err != nil {
		t.Fatal(err)
	}
	before = size()
	time.Sleep(50 * time.Millisecond)
	if after := size(); after != before {
		t.Fatalf("%d steps while the process was frozen again", after-before)
	}
}

func TestKill(t *testing.T) {
	f, g := start(t, emulator.Config{}), newGate(t)
	response := f.get(t, g.path())
	line(t, response.Body)
	g.pass(t, 200)
	line(t, response.Body)
	first := f.Instances()[0]
	must(t, f.Kill(first.ID))
	if rest, err := io.ReadAll(response.Body); len(rest) > 0 || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("after the kill: %q, %v", rest, err)
	}
	checkGone(t, first.PID)
	second := f.text(t, "/pid")
	if second == strconv.Itoa(first.PID) {
		t.Error("the killed process answered")
	}

	// First a frozen one that the emulator kills, then one that it does not.
	must(t, f.Kill(f.Instances()[0].ID))
	third := f.text(t, "/pid")
	pid, _ := strconv.Atoi(third)
	must(t, syscall.Kill(pid, syscall.SIGKILL))
	if fourth := f.text(t, "/pid"); second == third || third == fourth {
		t.Errorf("processes %s, %s, %s", second, third, fourth)
	}
	if got := f.states(); !slices.Equal(got, []emulator.State{emulator.Frozen}) {
		t.Errorf("instances: %v", got)
	}
}

// TestTerminate ends a busy and a frozen instance: with a signal before the end if they want one.
func TestTerminate(t *testing.T) {
	for env, told := range map[string]int{"WANT_SIGTERM=1": 2, "WANT_SIGTERM=": 0} {
		t.Run(env, func(t *testing.T) {
			f, g := start(t, emulator.Config{Env: []string{env}, Overtime: patience}), newGate(t)
			response := f.get(t, g.path())
			line(t, response.Body)
			f.text(t, "/pid")
			all := f.Instances()
			if len(all) != 2 || all[0].State != emulator.Busy || all[1].State != emulator.Frozen {
				t.Fatalf("instances: %v", all)
			}
			for _, i := range all {
				must(t, f.Terminate(i.ID))
				checkGone(t, i.PID)
			}
			if _, err := io.ReadAll(response.Body); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("the response ended with %v", err)
			}
			if n := strings.Count(f.log.String(), "told to end"); n != told {
				t.Errorf("%d instances were told to end, want %d", n, told)
			}
			if f.Terminate(all[0].ID) == nil {
				t.Error("terminated an instance that is gone")
			}
			f.text(t, "/pid") // of a new one
		})
	}
}

// A busy instance that is frozen does nothing until it is thawed, and still dies at its deadline.
func TestFreezeBusy(t *testing.T) {
	f, g := start(t, emulator.Config{Timeout: 3 * time.Second}), newGate(t)
	response := f.get(t, g.path())
	line(t, response.Body)
	i := f.Instances()[0]
	for range 2 { // a second time changes nothing
		must(t, f.Freeze(i.ID))
	}
	if !stopped(t, i.PID) {
		t.Fatal("the process runs")
	}
	if got := f.text(t, "/pid"); got == strconv.Itoa(i.PID) {
		t.Error("the frozen instance answered")
	}
	must(t, f.Thaw(i.ID))
	g.pass(t, 200)
	line(t, response.Body)

	must(t, f.Freeze(i.ID))
	if rest, err := io.ReadAll(response.Body); len(rest) > 0 || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("at the deadline: %q, %v", rest, err)
	}
	checkGone(t, i.PID)
	idle := f.Instances()[0]
	for _, id := range []string{i.ID, idle.ID} { // the first is dead, the second not busy
		if f.Freeze(id) == nil || f.Thaw(id) == nil {
			t.Errorf("could freeze or thaw %s", id)
		}
	}
	if !stopped(t, idle.PID) {
		t.Error("the idle process runs")
	}
}

// An instance that was frozen after the end of its response is used again.
func TestFreezeAtTheEnd(t *testing.T) {
	f := start(t, emulator.Config{MaxInstances: 1})
	for range 50 {
		var group sync.WaitGroup
		over := make(chan struct{})
		group.Go(func() {
			for {
				if all := f.Instances(); len(all) == 1 && f.Freeze(all[0].ID) == nil {
					runtime.Gosched()
					f.Thaw(all[0].ID) // fails when the response has ended
				}
				select {
				case <-over:
					return
				default:
				}
			}
		})
		f.text(t, "/pid")
		close(over)
		group.Wait()
	}
	if i := f.Instances()[0]; i.State != emulator.Frozen || !stopped(t, i.PID) {
		t.Errorf("%v runs", i)
	}
}

// The function does not learn that its client has gone.
func TestClientGone(t *testing.T) {
	f, g := start(t, emulator.Config{}), newGate(t)
	ctx, leave := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, "GET", f.url+g.path(), nil)
	must(t, err)
	response, err := http.DefaultClient.Do(r)
	must(t, err)
	line(t, response.Body)
	leave()
	response.Body.Close()
	for range 20 {
		g.pass(t, 200)
	}
	busy := f.Instances()[0]
	if got := f.text(t, "/pid"); got == strconv.Itoa(busy.PID) {
		t.Error("the instance that runs without a client took another request")
	}
	g.pass(t, 400)
	for deadline := time.Now().Add(patience); !slices.Equal(f.states(), []emulator.State{emulator.Frozen, emulator.Frozen}); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("instances: %v", f.Instances())
		}
	}
	if log := f.log.String(); log != "" {
		t.Errorf("logged %s", log)
	}
	if got := f.text(t, "/pid"); got != strconv.Itoa(busy.PID) {
		t.Errorf("process %s answered, want %d", got, busy.PID)
	}
}

func TestClose(t *testing.T) {
	f, g := start(t, emulator.Config{}), newGate(t)
	streaming := f.get(t, g.path())
	line(t, streaming.Body)
	f.text(t, "/pid")
	all := f.Instances()
	if len(all) != 2 {
		t.Fatalf("instances: %v", all)
	}
	must(t, f.Close())
	for _, i := range all {
		checkGone(t, i.PID)
	}
	if _, err := io.ReadAll(streaming.Body); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the stream ended with %v", err)
	}
	f.want(t, "/pid", 503, `{"message":"Service Unavailable"}`, false)
	if all := f.Instances(); len(all) > 0 {
		t.Errorf("instances: %v", all)
	}
}

// No thaw or acknowledgement is ever lost, with many requests in a row and at once.
func TestLoad(t *testing.T) {
	f := start(t, emulator.Config{MaxInstances: 4})
	client := &http.Client{Timeout: patience}
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 100 {
				response, err := client.Get(f.url + "/events?n=3")
				if err != nil {
					t.Error(err)
					return
				}
				b, err := io.ReadAll(response.Body)
				response.Body.Close()
				if response.StatusCode != 200 || bytes.Count(b, []byte("data: ")) != 3 || err != nil {
					t.Errorf("status %d, body %q, %v", response.StatusCode, b, err)
					return
				}
			}
		})
	}
	group.Wait()
	if n := len(f.Instances()); n > 4 {
		t.Errorf("%d instances", n)
	}
}

// BenchmarkStream is the price of an event of 300 bytes on its way from the function to the client.
func BenchmarkStream(b *testing.B) {
	f := start(b, emulator.Config{})
	f.text(b, "/pid")
	for _, n := range []int{6, 1000, 10000} {
		b.Run(fmt.Sprintf("events=%d", n), func(b *testing.B) {
			for b.Loop() {
				response, err := http.Get(f.url + "/events?n=" + strconv.Itoa(n))
				must(b, err)
				got, err := io.Copy(io.Discard, response.Body)
				response.Body.Close()
				if err != nil || got < int64(290*n) {
					b.Fatalf("%d bytes, %v", got, err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*n), "µs/event")
		})
	}
}
