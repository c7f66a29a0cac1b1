// Package process runs servers until a test, or this process, ends.
package process

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
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

// Process is a running server. It ends with this process.
type Process struct {
	*exec.Cmd
	Output Output        // what it has printed
	Done   chan struct{} // closed when it has ended
	Err    error         // from Wait; set before Done is closed
}

// Start starts a server, and returns when a GET of the URL gets any answer. An error ends the
// server.
func Start(ctx context.Context, cmd *exec.Cmd, url string) (*Process, error) {
	p := &Process{Cmd: cmd, Done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &p.Output, &p.Output
	cmd.SysProcAttr = OwnGroup() // the store must outlive the streams at Ctrl-C
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

// StopAtEnd ends the server with the test: by a signal and, half a minute later, by force. A failed
// test logs the server's output.
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

// Kill ends the server, and waits for its end.
func (p *Process) Kill() {
	_ = p.Process.Kill()
	<-p.Done
}

// Output gathers what a process prints.
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

// ports are those that FreePort has returned.
var ports sync.Map

// FreePort returns a port on which nobody listens now. It is none of those that Linux gives to whoever
// does not ask for one (net.ipv4.ip_local_port_range: from 32,768 on), so it stays free.
func FreePort() (int, error) {
	for range 1000 {
		port := 11_000 + rand.IntN(21_000)
		if _, taken := ports.LoadOrStore(port, true); taken {
			continue
		}
		l, err := net.Listen("tcp", fmt.Sprint(":", port))
		if err == nil {
			return port, l.Close()
		}
	}
	return 0, errors.New("process: no free port from 11,000 to 31,999")
}

// Lines starts a command, and returns the lines of its output. The command ends with the test.
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
		_ = cmd.Wait() // unless the test has waited
	})
	return bufio.NewScanner(stdout)
}

// Run runs a command, and returns its stdout. If it fails, the test fails.
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
