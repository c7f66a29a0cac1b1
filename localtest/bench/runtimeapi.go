package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"a2alambda/localtest/process"
)

// moment is where a function stands: milliseconds since its start, milliseconds of CPU that it has used, and MB of memory that it has.
type moment struct{ at, cpu, memory float64 }

// coldStart is the start of a function with its first event.
type coldStart struct {
	next  moment // it has asked for the event
	first moment // the first byte of its answer is there; of an HTTP response, of the body
}

// start starts a function, gives it one event, and kills it at the first byte of the answer.
func start(ctx context.Context, binary string, env []string, event []byte, log io.Writer) (coldStart, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return coldStart{}, err
	}
	f := &starting{event: event, running: make(chan struct{}), done: make(chan error, 1)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", f.next)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/response", f.response)
	mux.HandleFunc("POST /2018-06-01/runtime/", f.failure)
	s := &http.Server{Handler: mux}
	go s.Serve(l)
	defer s.Close()

	f.cmd = exec.Command(binary)
	f.cmd.Env = append([]string{
		"AWS_LAMBDA_RUNTIME_API=" + l.Addr().String(), "AWS_LAMBDA_FUNCTION_NAME=function", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=512",
		"AWS_LAMBDA_LOG_FORMAT=JSON", "AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=local", "AWS_SECRET_ACCESS_KEY=local",
	}, env...)
	f.cmd.Stdout, f.cmd.Stderr = log, log
	f.cmd.SysProcAttr = process.OwnGroup()
	f.begin = time.Now()
	if err := f.cmd.Start(); err != nil {
		return coldStart{}, err
	}
	close(f.running)
	ended := make(chan error, 1)
	go func() { ended <- f.cmd.Wait() }()
	select {
	case err = <-f.done:
		f.cmd.Process.Kill()
		<-ended
	case err = <-ended:
		err = fmt.Errorf("%s has ended: %w", filepath.Base(filepath.Dir(binary)), err)
	case <-ctx.Done():
		f.cmd.Process.Kill()
		<-ended
		err = ctx.Err()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.coldStart, err
}

// starting is a function that is being started, and its Runtime API: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
type starting struct {
	event   []byte
	running chan struct{} // closed when cmd is running
	cmd     *exec.Cmd
	done    chan error

	mu    sync.Mutex // guards what follows
	begin time.Time
	coldStart
}

// now returns where the function stands. Finding out takes no time: begin is moved by it.
func (f *starting) now() (m moment, err error) {
	at := time.Since(f.begin)
	m.at = ms(at)
	if m.cpu, err = cpu(f.cmd.Process.Pid); err != nil {
		return m, err
	}
	m.memory, err = memory(f.cmd.Process.Pid, "VmRSS")
	f.begin = f.begin.Add(time.Since(f.begin) - at)
	return m, err
}

func (f *starting) next(w http.ResponseWriter, _ *http.Request) {
	<-f.running
	f.mu.Lock()
	defer f.mu.Unlock()
	var err error
	if f.coldStart.next, err = f.now(); err != nil {
		f.end(err)
	}
	h := w.Header()
	h.Set("Lambda-Runtime-Aws-Request-Id", "00000000-0000-0000-0000-000000000001")
	h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(time.Now().Add(15*time.Minute).UnixMilli(), 10))
	h.Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:000000000000:function:function")
	w.Write(f.event)
}

func (f *starting) response(w http.ResponseWriter, r *http.Request) {
	prelude := r.Header.Get("Content-Type") == "application/vnd.awslambda.http-integration-response"
	var got []byte
	part := make([]byte, 4096)
	for {
		n, err := r.Body.Read(part)
		got = append(got, part[:n]...)
		begun := n > 0
		if prelude { // it ends with eight zero bytes
			_, body, found := bytes.Cut(got, make([]byte, 8))
			begun = found && len(body) > 0
		}
		if begun || err == io.EOF {
			break
		}
		if err != nil {
			f.end(err)
			return
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	var err error
	f.coldStart.first, err = f.now()
	if prelude && !bytes.HasPrefix(got, []byte(`{"statusCode":200,`)) || bytes.Contains(got, []byte(`"error":`)) {
		err = fmt.Errorf("the answer is %q", got)
	}
	f.end(err)
}

func (f *starting) failure(_ http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	f.end(errors.New("the function failed: " + string(body)))
}

func (f *starting) end(err error) {
	select {
	case f.done <- err:
	default: // it has ended
	}
}

// cpu returns how long the threads of a process have run, in milliseconds.
func cpu(pid int) (float64, error) {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil {
		return 0, err
	}
	var sum time.Duration
	for _, file := range threads {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // the thread has ended, which Go's rarely do
		}
		ran, _, _ := strings.Cut(string(text), " ")
		n, err := strconv.ParseInt(ran, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", file, err)
		}
		sum += time.Duration(n)
	}
	return ms(sum), nil
}
