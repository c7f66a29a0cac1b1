// Package process runs servers for as long as a test, or this process, lasts.
package process

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Process is a running server. It ends when this process does.
type Process struct {
	*exec.Cmd
	Output Output        // what it has printed
	Done   chan struct{} // closed when it has ended
	Err    error         // of Wait; set when Done is closed
}

// Start starts a server and returns when a GET of the URL gets any answer at all. An error ends the server.
func Start(ctx context.Context, cmd *exec.Cmd, url string) (*Process, error) {
	p := &Process{Cmd: cmd, Done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &p.Output, &p.Output
	cmd.SysProcAttr = OwnGroup() // a stream that is to end well needs its store
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.Err = cmd.Wait()
		close(p.Done)
	}()
	if err := p.waitServing(ctx, url); err != nil {
		p.Kill()
		return nil, fmt.Errorf("%w; its output:\n%s", err, p.Output.String())
	}
	return p, nil
}

func (p *Process) waitServing(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for {
		resp, err := client.Do(req)
		if err == nil {
			return resp.Body.Close()
		}
		select {
		case <-p.Done:
			return fmt.Errorf("ended before it served %s: %v", url, p.Err)
		case <-ctx.Done():
			return fmt.Errorf("does not serve %s: %w", url, err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// StopAtEnd asks the server to end when the test does, and waits for that: half a minute, then it is killed. A test that
// failed shows what the server printed.
func (p *Process) StopAtEnd(tb testing.TB, name string) {
	tb.Cleanup(func() {
		p.Process.Signal(syscall.SIGTERM)
		select {
		case <-p.Done:
			if p.Err != nil {
				tb.Errorf("%s: %v", name, p.Err)
			}
		case <-time.After(30 * time.Second):
			p.Kill()
			tb.Errorf("%s did not end on SIGTERM", name)
		}
		if tb.Failed() {
			tb.Logf("%s's output:\n%s", name, p.Output.String())
		}
	})
}

// Kill ends the server and waits for its end.
func (p *Process) Kill() {
	_ = p.Process.Kill()
	<-p.Done
}

// Output gathers what is printed.
type Output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *Output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(b)
}

func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// Environ is this process's environment without the developer's AWS account.
func Environ() (env []string) {
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "AWS_") {
			env = append(env, v)
		}
	}
	return append(env, "AWS_SHARED_CREDENTIALS_FILE="+os.DevNull, "AWS_CONFIG_FILE="+os.DevNull, "AWS_EC2_METADATA_DISABLED=true")
}

// FreePort returns a port that nobody listens on now.
func FreePort() (int, error) {
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// Lines starts a command, which is killed at the end of the test at the latest, and returns the lines that it prints.
func Lines(tb testing.TB, cmd *exec.Cmd) *bufio.Scanner {
	tb.Helper()
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		tb.Fatalf("%s: %v", cmd, err)
	}
	tb.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // unless the test has
	})
	return bufio.NewScanner(stdout)
}

// Run runs a command and returns its stdout. Where it fails, so does the test.
func Run(tb testing.TB, cmd *exec.Cmd) string {
	tb.Helper()
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		tb.Fatalf("%s: %v\n%s%s", cmd, err, out, stderr.String())
	}
	return strings.TrimSpace(string(out))
}
