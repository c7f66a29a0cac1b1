package emulator_test

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"a2alambda/localtest/emulator"
)

// TestShared has three streams at once in one process, and refuses a fourth.
func TestShared(t *testing.T) {
	f := start(t, emulator.Config{Concurrency: 3, MaxInstances: 1})
	if env := f.text(t, "/env"); !strings.Contains(env, "\nAWS_LAMBDA_MAX_CONCURRENCY=3\n") {
		t.Errorf("the environment is\n%s", env)
	}
	pid := f.Instances()[0].PID
	gates, streams := make([]*gate, 3), make([]*http.Response, 3)
	for i := range gates {
		gates[i] = newGate(t)
		streams[i] = f.get(t, gates[i].path())
		if got := line(t, streams[i].Body); got != "step 0\n" {
			t.Errorf("stream %d begins with %q", i, got)
		}
	}
	f.want(t, "/pid", 429, `{"message":"Rate Exceeded."}`, false)
	for i, g := range gates {
		g.pass(t, 200)
		if got := line(t, streams[i].Body); got != "step 1\n" {
			t.Errorf("stream %d goes on with %q", i, got)
		}
	}
	gates[1].pass(t, 400)
	if rest, err := readAll(streams[1]); rest != "" || err != nil {
		t.Errorf("at the end of a stream: %q, %v", rest, err)
	}
	f.text(t, "/pid")
	for _, g := range []*gate{gates[0], gates[2]} {
		g.pass(t, 400)
	}
	for _, s := range streams {
		readAll(s)
	}
	if all := f.Instances(); len(all) != 1 || all[0].PID != pid || all[0].State != emulator.Idle || stopped(t, pid) {
		t.Errorf("the instances are %+v; want only process %d, which runs", all, pid)
	}
	if u := f.Usage(); u.Invocations != 5 || u.Billed != 0 {
		t.Errorf("billed: %+v; want 5 invocations, and no time", u)
	}
}

// TestSharedGrows has further instances for more invocations than one may have.
func TestSharedGrows(t *testing.T) {
	f := start(t, emulator.Config{Concurrency: 2, MaxInstances: 2})
	for range 4 {
		line(t, f.get(t, newGate(t).path()).Body)
	}
	if all := f.Instances(); len(all) != 2 {
		t.Errorf("the instances are %+v, want two", all)
	}
	f.want(t, "/pid", 429, `{"message":"Rate Exceeded."}`, false)
}

// TestSharedTimeout tells the caller of a timeout. The code runs on, and so do others in its process.
func TestSharedTimeout(t *testing.T) {
	ended := make(chan error, 10)
	f := start(t, emulator.Config{Concurrency: 2, MaxInstances: 1, Timeout: 3 * time.Second, Observer: func(o emulator.Observation) {
		if o.Moment == emulator.Ended {
			ended <- o.Err
		}
	}})
	f.text(t, "/pid") // the process is up: its start is not in the time
	<-ended
	g := newGate(t)
	late := f.get(t, g.path())
	line(t, late.Body)
	if rest, err := readAll(late); rest != "" || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("at the deadline: %q, %v", rest, err)
	}
	other := newGate(t)
	response := f.get(t, other.path())
	line(t, response.Body)
	f.want(t, "/pid", 429, `{"message":"Rate Exceeded."}`, false) // the late one has its place
	g.pass(t, 200)                                                // it runs on
	g.pass(t, 400)
	if err := <-ended; err != nil {
		t.Errorf("the code that runs on ended with %v", err)
	}
	if log := f.log.String(); !strings.Contains(log, "task timed out after 3.00 seconds") {
		t.Errorf("the log is %q", log)
	}
	other.pass(t, 400)
	if rest, err := readAll(response); rest != "" || err != nil {
		t.Errorf("another stream in the process: %q, %v", rest, err)
	}
	if all := f.Instances(); len(all) != 1 || all[0].State != emulator.Idle {
		t.Errorf("the instances are %+v", all)
	}
}

// TestSharedEnd cuts all streams of a process that is killed, and lets one end that is told to.
func TestSharedEnd(t *testing.T) {
	for name, end := range map[string]func(*function) error{
		"kill":      func(f *function) error { return f.Kill(f.Instances()[0].ID) },
		"terminate": func(f *function) error { return f.Terminate(f.Instances()[0].ID) },
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t, emulator.Config{Concurrency: 8, Env: []string{"WANT_SIGTERM=1"}})
			var streams []*http.Response
			for range 4 {
				streams = append(streams, f.get(t, newGate(t).path()))
				line(t, streams[len(streams)-1].Body)
			}
			pid := f.Instances()[0].PID
			must(t, end(f))
			checkGone(t, pid)
			for _, s := range streams {
				if rest, err := readAll(s); rest != "" || !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Errorf("a stream ends with %q, %v", rest, err)
				}
			}
			if told := strings.Contains(f.log.String(), "told to end"); told != (name == "terminate") {
				t.Errorf("the process was told to end: %t", told)
			}
			f.text(t, "/pid") // in a new process
		})
	}
}

// TestSharedFailures passes on an error, and a process that cannot start.
func TestSharedFailures(t *testing.T) {
	f := start(t, emulator.Config{Concurrency: 2, MaxInstances: 1})
	g := newGate(t)
	stream := f.get(t, g.path())
	line(t, stream.Body)
	f.want(t, "/runtime/error", 502, `{"message":"Internal Server Error"}`, false)
	f.text(t, "/pid") // in the place of the one that failed
	g.pass(t, 400)
	if rest, err := readAll(stream); rest != "" || err != nil {
		t.Errorf("the other stream: %q, %v", rest, err)
	}
	f = start(t, emulator.Config{Concurrency: 2, Env: []string{"FAIL_INIT=1"}})
	f.want(t, "/pid", 502, `{"message":"Internal Server Error"}`, false)
}

// TestSharedStopped stops a process in the middle of its streams. Others get what comes meanwhile. It
// goes on with its streams, also with those whose deadlines have passed, and may have more.
func TestSharedStopped(t *testing.T) {
	f := start(t, emulator.Config{Concurrency: 3})
	g := newGate(t)
	stream := f.get(t, g.path())
	line(t, stream.Body)
	i := f.Instances()[0]
	must(t, f.Freeze(i.ID))
	if !stopped(t, i.PID) {
		t.Fatal("the process runs")
	}
	if got := f.text(t, "/pid"); got == strconv.Itoa(i.PID) {
		t.Error("the stopped process answered")
	}
	must(t, f.Thaw(i.ID))
	if got := f.text(t, "/pid"); got != strconv.Itoa(i.PID) {
		t.Error("the process got nothing after it went on")
	}
	if n := f.Instances()[0].Invocations; n != 1 {
		t.Errorf("it has %d invocations, want one", n)
	}
	g.pass(t, 400)
	if rest, err := readAll(stream); rest != "" || err != nil {
		t.Errorf("the stream ends with %q, %v", rest, err)
	}
}

// TestSharedTwice delivers an event twice, and lets a late one be tried again. No process has a request
// twice at once, or it would answer the one for the other.
func TestSharedTwice(t *testing.T) {
	for name, c := range map[string]struct {
		times   int
		timeout time.Duration
	}{"delivered twice": {2, 0}, "tried again": {1, time.Second}} {
		t.Run(name, func(t *testing.T) {
			worker := testFunction(t, emulator.Config{Name: "worker", Concurrency: 8, Timeout: c.timeout})
			w := newWork(t)
			s := startLambda(t, emulator.LambdaConfig{
				Functions: []*emulator.Emulator{worker}, RetryDelay: time.Millisecond, Deliver: func(emulator.Event) int { return c.times },
			})
			id := s.send(t, "worker", w.payload(1))
			first, second := w.next(t), w.next(t)
			if first.Header.Get("Request-Id") != id || second.Header.Get("Request-Id") != id || first.Header.Get("Pid") == second.Header.Get("Pid") {
				t.Errorf("%s came with %v, and %v", id, first.Header, second.Header)
			}
			first.answer <- 200
			second.answer <- 200
			s.Close()
		})
	}
}
