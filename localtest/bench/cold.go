package main

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log"
	"net"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/uuid"

	"a2alambda/localtest/emulator"
)

// wayTo is how far DynamoDB is away behind TLS: there and back.
const wayTo = 2 * time.Millisecond

// coldCase is something to start cold.
type coldCase struct {
	name, pkg string
	event     func() []byte
	tls       bool // DynamoDB is reached through TLS
}

var coldCases = []coldCase{
	{"bare function", "localtest/bench/internal/bare", job(`{}`), false},
	{"agent: card", "functions/agent", request("GET", "/.well-known/agent-card.json"), false},
	{"agent: card, TLS", "functions/agent", request("GET", "/.well-known/agent-card.json"), true},
	{"agent: streamed message", "functions/agent", request("POST", "/"), false},
	{"agent: streamed message, TLS", "functions/agent", request("POST", "/"), true},
	{"worker: a task that is gone", "functions/worker", job(`{"taskId":"none"}`), false},
	{"sweeper: nothing to do", "functions/sweeper", job(`{}`), false},
	{"push: a configuration that is gone", "functions/push", job(`{"taskId":"none","configId":"none"}`), false},
}

func job(event string) func() []byte { return func() []byte { return []byte(event) } }

// request makes events of a function URL. The body is that of a new streamed message.
func request(method, path string) func() []byte {
	return func() []byte {
		const host = "abc.lambda-url.us-east-1.on.aws"
		e := events.LambdaFunctionURLRequest{Version: "2.0", RawPath: path, Headers: map[string]string{"host": host}}
		e.RequestContext.DomainName = host
		e.RequestContext.HTTP.Method, e.RequestContext.HTTP.Path = method, path
		if method == "POST" {
			e.Headers["content-type"] = "application/json"
			e.Body = fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"message/stream","params":{"message":`+
				`{"kind":"message","role":"user","messageId":%q,"parts":[{"kind":"text","text":"Stream me a response!"}]}}}`, uuid.NewString())
		}
		data, err := json.Marshal(e)
		if err != nil {
			panic(err) // it is text
		}
		return data
	}
}

// measureCold measures what a function takes to start, and to answer its first event.
func measureCold(ctx context.Context, b *bench) (section, error) {
	tables := map[string]string{} // one for each, because the agent leaves tasks that the sweeper would find
	for _, c := range coldCases {
		var err error
		if tables[c.name], err = b.newTable(ctx); err != nil {
			return section{}, err
		}
	}
	secure, certificates, end, err := b.secured()
	if err != nil {
		return section{}, err
	}
	defer end()
	env := []string{
		"WORKER_FUNCTION_NAME=worker", "PUSH_FUNCTION_NAME=push", "AUTH=none", "AWS_NEW_RETRIES_2026=true",
		"AWS_ENDPOINT_URL_LAMBDA=http://127.0.0.1:1", "SSL_CERT_FILE=" + certificates,
	}
	starts := map[string][]coldStart{}
	rounds := max(b.streams/2, 2)
	for round := range rounds {
		if round%10 == 0 {
			b.say("start %d of %d", round+1, rounds)
		}
		for _, c := range coldCases {
			binary, err := emulator.Build(ctx, "a2alambda/"+c.pkg)
			if err != nil {
				return section{}, err
			}
			endpoint := b.engine.Endpoint
			if c.tls {
				endpoint = secure
			}
			s, err := start(ctx, binary, append(env, "TABLE_NAME="+tables[c.name], "AWS_ENDPOINT_URL_DYNAMODB="+endpoint), c.event(), b.log)
			if err != nil {
				return section{}, fmt.Errorf("%s: %w", c.name, err)
			}
			starts[c.name] = append(starts[c.name], s)
		}
	}

	s := section{
		title: "Cold start",
		text: fmt.Sprintf("From exec to the moment at which a function asks for its first event, and to the first byte of its answer to that, in "+
			"milliseconds; and how much CPU it has used and memory it has then. What Lambda does before exec is not in it. The rows with TLS reach "+
			"DynamoDB Local by TLS and %v away, with all the machine's root certificates to read, as on Lambda; the others by loopback. The agent "+
			"connects to DynamoDB before it asks for the event. At 512 MB, Lambda gives an event 0.29 of a CPU: what the CPU does then takes three "+
			"times as long.", wayTo),
		table: table{head: []string{"", "event, p50", "p99", "CPU", "MB", "first byte, p50", "p99", "CPU", "MB"}},
		plot:  &plot{title: "First byte of the answer after a cold start", x: "ms from exec, p50 to p99"},
	}
	for _, c := range coldCases {
		all := func(f func(coldStart) float64) (values []float64) {
			for _, s := range starts[c.name] {
				values = append(values, f(s))
			}
			return values
		}
		row := []string{c.name}
		for _, when := range []struct {
			name string
			get  func(coldStart) moment
		}{
			{"event", func(s coldStart) moment { return s.next }},
			{"first byte", func(s coldStart) moment { return s.first }},
		} {
			at := all(func(s coldStart) float64 { return when.get(s).at })
			cpu := all(func(s coldStart) float64 { return when.get(s).cpu })
			memory := all(func(s coldStart) float64 { return when.get(s).memory })
			row = append(row, figure(percentile(at, 50)), figure(percentile(at, 99)), figure(percentile(cpu, 50)), figure(percentile(memory, 50)))
			s.samples = append(s.samples, series{c.name, when.name, "ms", at}, series{c.name, when.name + ", CPU", "ms", cpu},
				series{c.name, when.name + ", memory", "MB", memory})
		}
		s.table.add(row...)
		first := all(func(s coldStart) float64 { return s.first.at })
		kind := &system{name: c.name, ours: true}
		if c.name == coldCases[0].name {
			kind = &system{name: limitName}
		}
		s.plot.spans = append(s.plot.spans, span{kind, percentile(first, 50), percentile(first, 99)})
	}
	return s, nil
}

// secured serves DynamoDB Local by TLS, wayTo away. The file has the certificate with which a client accepts it, beside those that the
// machine has.
func (b *bench) secured() (at, certificates string, end func(), err error) {
	target, err := url.Parse(b.engine.Endpoint)
	if err != nil {
		return "", "", nil, err
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ErrorLog = log.New(b.log, "", 0) // clients are killed
	s := httptest.NewUnstartedServer(proxy)
	s.Config.ErrorLog = proxy.ErrorLog
	s.Listener = distantListener{s.Listener}
	s.StartTLS()
	roots, _ := os.ReadFile("/etc/ssl/certs/ca-certificates.crt") // a machine may have them elsewhere, or none
	roots = append(roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})...)
	dir, err := os.MkdirTemp("", "bench-*")
	if err != nil {
		s.Close()
		return "", "", nil, err
	}
	end = func() { s.Close(); os.RemoveAll(dir) }
	certificates = filepath.Join(dir, "roots.pem")
	if err := os.WriteFile(certificates, roots, 0o644); err != nil {
		end()
		return "", "", nil, err
	}
	return s.URL, certificates, end, nil
}

// distantListener is wayTo away: so long takes TCP's handshake, and each flight of the server.
type distantListener struct{ net.Listener }

func (l distantListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &distantConn{Conn: c}, nil
}

type distantConn struct {
	net.Conn
	connected bool // read by one goroutine
}

func (c *distantConn) Read(b []byte) (int, error) {
	if !c.connected {
		time.Sleep(wayTo)
		c.connected = true
	}
	return c.Conn.Read(b)
}

func (c *distantConn) Write(b []byte) (int, error) {
	time.Sleep(wayTo)
	return c.Conn.Write(b)
}
