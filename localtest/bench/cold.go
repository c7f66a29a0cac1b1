package main

import (
	"context"
	"encoding/pem"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"a2alambda/localtest/client"
	"a2alambda/localtest/emulator"
)

// coldCases are what is started cold. What is sent is a request to the function's URL or, without a
// method, the event of an invocation.
var coldCases = []struct {
	name, pkg, method, path, body string
	tls                           bool // DynamoDB is reached through TLS
}{
	{"bare function", "localtest/bench/internal/bare", "", "", `{}`, false},
	{"agent: card", "functions/agent", "GET", "/.well-known/agent-card.json", "", false},
	{"agent: card, TLS", "functions/agent", "GET", "/.well-known/agent-card.json", "", true},
	{"agent: streamed message", "functions/agent", "POST", "/", coldMessage, false},
	{"agent: streamed message, TLS", "functions/agent", "POST", "/", coldMessage, true},
	{"worker: a task that is gone", "functions/worker", "", "", `{"taskId":"none"}`, false},
	{"sweeper: nothing to do", "functions/sweeper", "", "", `{}`, false},
	{"push: a configuration that is gone", "functions/push", "", "", `{"taskId":"none","configId":"none"}`, false},
}

const coldMessage = `{"jsonrpc":"2.0","id":1,"method":"message/stream","params":{"message":` +
	`{"kind":"message","role":"user","messageId":"cold","parts":[{"kind":"text","text":"Stream me a response!"}]}}}`

// measureCold measures what a function takes to start, and to answer its first event.
func measureCold(ctx context.Context, b *bench, s *section) error {
	s.title = "Cold start"
	s.text = "From exec to the moment at which a function asks for its first event, and to the first byte of its answer to that; and how much " +
		"CPU it has used and memory it has then. What Lambda does before exec is not in it. The rows with TLS reach DynamoDB Local by TLS, " +
		"with all the machine's root certificates to read, as on Lambda. The agent connects to DynamoDB before it asks for the event. At " +
		"512 MB, Lambda gives an event 0.29 of a CPU: what the CPU does then takes three times as long."
	secure, certificates, end, err := b.secured()
	if err != nil {
		return err
	}
	defer end()
	for round := range max(b.streams/2, 2) {
		if round%10 == 0 {
			b.say("start %d", round+1)
		}
		for _, c := range coldCases {
			binary, err := emulator.Build(ctx, "a2alambda/"+c.pkg)
			if err != nil {
				return err
			}
			table, err := b.newTable(ctx) // of its own, because the agent leaves tasks that the sweeper would find
			if err != nil {
				return err
			}
			endpoint := b.engine.Endpoint
			if c.tls {
				endpoint = secure
			}
			o := &coldStart{first: make(chan struct{})}
			f, err := emulator.New(emulator.Config{Binary: binary, Log: b.log, NoRetries: true, Observer: o.observe, Env: []string{
				"WORKER_FUNCTION_NAME=worker", "PUSH_FUNCTION_NAME=push", "AUTH=none", "AWS_NEW_RETRIES_2026=true",
				"AWS_ENDPOINT_URL_LAMBDA=http://127.0.0.1:1", "SSL_CERT_FILE=" + certificates,
				"TABLE_NAME=" + table, "AWS_ENDPOINT_URL_DYNAMODB=" + endpoint,
			}})
			if err != nil {
				return err
			}
			if c.method == "" {
				err = invoke(f, c.body)
			} else {
				err = request(ctx, f, c.method, c.path, c.body, o.first)
			}
			f.Close()
			if err == nil {
				err = o.err
			}
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			s.add(c.name, "asks for its event", "ms", ms(o.asked))
			s.add(c.name, "first byte", "ms", ms(o.answered))
			s.add(c.name, "CPU until then", "ms", ms(o.cpu))
			s.add(c.name, "memory then", "MB", o.memory)
		}
	}
	return nil
}

// coldStart observes the start of an instance with its first event.
type coldStart struct {
	begin           time.Time
	asked, answered time.Duration // since begin
	cpu             time.Duration
	memory          float64 // MB
	err             error
	once            sync.Once
	first           chan struct{} // closed when the fields above are set
}

func (c *coldStart) observe(o emulator.Observation) {
	switch o.Moment {
	case emulator.Started:
		c.begin = o.At
	case emulator.Asked:
		if c.asked == 0 {
			c.asked = o.At.Sub(c.begin)
		}
	case emulator.Chunk:
		c.once.Do(func() {
			c.answered = o.At.Sub(c.begin)
			if c.cpu, c.err = cpu(o.PID); c.err == nil {
				c.memory, c.err = memory(o.PID, "VmRSS")
			}
			close(c.first)
		})
	}
}

// invoke invokes a function with an event.
func invoke(f *emulator.Emulator, event string) error {
	l, err := emulator.NewLambda(emulator.LambdaConfig{Functions: []*emulator.Emulator{f}})
	if err != nil {
		return err
	}
	defer l.Close()
	return l.Call("function", []byte(event))
}

// request sends a request to a function, and returns when the first byte of the answer's body is there.
func request(ctx context.Context, f *emulator.Emulator, method, path, body string, first <-chan struct{}) error {
	r := serve(f, f.Close)
	defer r.close()
	resp, err := client.Send(ctx, method, r.url+path, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the answer has status %s", resp.Status)
	}
	select {
	case <-first:
	case <-ctx.Done():
	}
	return ctx.Err()
}

// cpu returns how long the threads of a process have run. One that ends meanwhile does not count, which
// Go's rarely do.
func cpu(pid int) (sum time.Duration, err error) {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	for _, file := range threads {
		if text, err := os.ReadFile(file); err == nil {
			ran, _, _ := strings.Cut(string(text), " ")
			ns, err := strconv.ParseInt(ran, 10, 64)
			if err != nil {
				return 0, fmt.Errorf("%s: %w", file, err)
			}
			sum += time.Duration(ns)
		}
	}
	return sum, err
}

// secured serves DynamoDB Local by TLS. The file has the certificate with which a client accepts it,
// beside those that the machine has.
func (b *bench) secured() (at, certificates string, end func(), err error) {
	target, err := url.Parse(b.engine.Endpoint)
	if err != nil {
		return "", "", nil, err
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ErrorLog = log.New(b.log, "", 0) // clients are killed
	s := httptest.NewUnstartedServer(proxy)
	s.Config.ErrorLog = proxy.ErrorLog
	s.StartTLS()
	dir, err := os.MkdirTemp("", "bench-*")
	if err != nil {
		s.Close()
		return "", "", nil, err
	}
	roots, _ := os.ReadFile("/etc/ssl/certs/ca-certificates.crt") // a machine may have them elsewhere, or none
	roots = append(roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})...)
	certificates = filepath.Join(dir, "roots.pem")
	end = func() { s.Close(); os.RemoveAll(dir) }
	if err = os.WriteFile(certificates, roots, 0o644); err != nil {
		end()
	}
	return s.URL, certificates, end, err
}
