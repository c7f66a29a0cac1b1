package localtest

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"
)

// process is a running server. It ends when this process does.
type process struct {
	cmd  *exec.Cmd
	out  output
	done chan struct{} // closed when it has ended
	err  error         // of Wait; set when done is closed
}

// start starts a server and returns when a GET of the URL gets any answer at all. An error ends the server.
func start(ctx context.Context, cmd *exec.Cmd, url string) (*process, error) {
	p := &process{cmd: cmd, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &p.out, &p.out
	cmd.SysProcAttr = OwnGroup() // a stream that is to end well needs its store
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	if err := p.waitServing(ctx, url); err != nil {
		p.kill()
		return nil, fmt.Errorf("%w; its output:\n%s", err, p.out.String())
	}
	return p, nil
}

func (p *process) waitServing(ctx context.Context, url string) error {
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
		case <-p.done:
			return fmt.Errorf("ended before it served %s: %v", url, p.err)
		case <-ctx.Done():
			return fmt.Errorf("does not serve %s: %w", url, err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// stopAtEnd asks the server to end when the test does, and waits for that: half a minute, then it is killed. A test that
// failed shows what the server printed.
func stopAtEnd(tb testing.TB, p *process, name string) {
	tb.Cleanup(func() {
		p.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-p.done:
			if p.err != nil {
				tb.Errorf("%s: %v", name, p.err)
			}
		case <-time.After(30 * time.Second):
			p.kill()
			tb.Errorf("%s did not end on SIGTERM", name)
		}
		if tb.Failed() {
			tb.Logf("%s's output:\n%s", name, p.out.String())
		}
	})
}

func (p *process) kill() {
	p.cmd.Process.Kill()
	<-p.done
}

// output gathers what a process prints, for messages.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// freePort returns a port that nobody listens on now.
func freePort() (int, error) {
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
