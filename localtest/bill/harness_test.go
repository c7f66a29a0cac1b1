package bill

import (
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"a2alambda/localtest"
	"a2alambda/localtest/client"
	"a2alambda/localtest/dynamodblocal"
	"a2alambda/localtest/emulator"
	"a2alambda/localtest/stack"
)

// system is the deployed system, whose functions are metered.
type system struct {
	*stack.Stack
	url    string
	client *dynamodb.Client
	table  string
	// hook is the receiver of webhooks. A path that begins with /hangs is not answered; one with /slow
	// is answered at once the first time, and then after 9 s, just before it would be too late.
	hook string

	meters map[string]*dynamodblocal.Meter // by function

	mu          sync.Mutex
	billed      map[string]time.Duration
	invocations map[string]int
	in, out     int // bytes
	posted      int
	logged      int
	changed     time.Time // when one of these last did
}

// newSystem starts the system. Webhooks are delivered if pushes is set.
func newSystem(t *testing.T, pushes bool) *system {
	t.Helper()
	s := &system{meters: map[string]*dynamodblocal.Meter{}, billed: map[string]time.Duration{}, invocations: map[string]int{}}
	s.client, s.table = dynamodblocal.Table(t)
	came := map[string]int{} // by path
	s.hook = client.Receiver(t, func(_ http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		first := false
		s.count(func() {
			s.posted += int(n)
			came[r.URL.Path]++
			first = came[r.URL.Path] == 1
		})
		switch {
		case strings.HasPrefix(r.URL.Path, "/hangs"):
			<-r.Context().Done()
		case strings.HasPrefix(r.URL.Path, "/slow") && !first:
			select {
			case <-r.Context().Done():
			case <-time.After(9 * time.Second):
			}
		}
	})
	c := stack.Config{Table: s.table}
	functions := map[string]*emulator.Config{"agent": &c.Agent, "worker": &c.Worker, "sweeper": &c.Sweeper}
	if pushes {
		functions["push"] = &c.Push
		c.Push.Binary = stack.Function(t, "push")
	}
	for name, f := range functions {
		url, meter := dynamodblocal.Metered(t, dynamodblocal.Endpoint(t))
		s.meters[name] = meter
		f.Env = []string{"AWS_ENDPOINT_URL_DYNAMODB=" + url, "PUSH_ALLOWED_CIDRS=127.0.0.2/32"}
		f.Overtime, f.Log = client.Patience, logs{s}
		f.Observer = func(o emulator.Observation) {
			if o.Moment == emulator.Ended {
				s.count(func() { s.billed[name] += o.Billed; s.invocations[name]++ })
			}
		}
	}
	s.Stack, s.url = stack.New(t, c)
	s.warm(t, pushes)
	return s
}

// warm has each function start, for no initialization to be measured, and the table have its secret.
func (s *system) warm(t *testing.T, pushes bool) {
	t.Helper()
	configuration := `,"configuration":{"returnImmediately":true}`
	if pushes {
		configuration = `,"configuration":{"returnImmediately":true,"taskPushNotificationConfig":{"url":"` + s.hook + `"}}`
	}
	for range 2 {
		send("SendMessage", asks, configuration)(t, s)(0)
		s.settle(t)
	}
}

func (s *system) count(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
	s.changed = time.Now()
}

// logs counts what functions log.
type logs struct{ s *system }

func (l logs) Write(p []byte) (int, error) {
	l.s.count(func() { l.s.logged += len(p) })
	return len(p), nil
}

// do sends a request, and counts its bytes and those of the answer.
func (s *system) do(t *testing.T, method, path, body string, headers ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), client.Patience)
	defer cancel()
	a, err := client.Read(client.Send(ctx, method, s.url+path, body, headers...))
	localtest.Must(t, err)
	if a.Status == http.StatusBadGateway || a.Status == http.StatusTooManyRequests {
		t.Errorf("%s %s: %v", method, path, a)
	}
	s.count(func() { s.in += len(body); s.out += len(a.Body) })
	return a.Body
}

// rpc calls a JSON-RPC method, whose name decides the version. The answer must not be an error.
func (s *system) rpc(t *testing.T, method, params string, headers ...string) string {
	t.Helper()
	answer := s.refused(t, method, params, headers...)
	if strings.Contains(answer[:min(len(answer), 200)], `"error":{`) {
		t.Errorf("%s: %.300s", method, answer)
	}
	return answer
}

// refused is rpc for a call whose answer is an error.
func (s *system) refused(t *testing.T, method, params string, headers ...string) string {
	t.Helper()
	if !strings.Contains(method, "/") {
		headers = append(headers, "A2A-Version", "1.0")
	}
	return s.do(t, http.MethodPost, "/", client.Request(method, params), headers...)
}

// settle waits until nothing happens any more: no function has an invocation, and nothing was
// counted for a while, in which the table's stream is read.
func (s *system) settle(t *testing.T) {
	t.Helper()
	quiet := 100 * time.Millisecond
	if s.Push != nil {
		quiet = 3 * time.Second
	}
	client.Await(t, 20*time.Millisecond, func() string {
		busy := append(s.Agent.Busy(), s.Worker.Busy()...)
		if s.Push != nil {
			busy = append(busy, s.Push.Busy()...)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(busy) > 0 || time.Since(s.changed) < quiet {
			return fmt.Sprintf("%v are busy", busy)
		}
		return ""
	})
}

// use measures what happens while do runs, and what follows from it.
func (s *system) use(t *testing.T, o operation, do func(i int)) (u Use) {
	t.Helper()
	s.settle(t)
	stored := s.size(t)
	s.mu.Lock()
	clear(s.billed)
	clear(s.invocations)
	s.in, s.out, s.posted, s.logged = 0, 0, 0, 0
	s.mu.Unlock()
	for _, m := range s.meters {
		m.Reset()
	}
	for i := range o.times {
		do(i)
	}
	s.settle(t)
	n := float64(o.times)
	s.mu.Lock()
	defer s.mu.Unlock()
	kb := func(bytes float64) float64 { return math.Round(bytes/n) / 1000 }
	u.In, u.Out, u.Posted, u.Logged = kb(float64(s.in)), kb(float64(s.out)), kb(float64(s.posted)), kb(float64(s.logged))
	u.Stored = kb(max(0, s.size(t)-stored))
	work := func(name string, sendingMS float64) Work {
		units := s.meters[name].Units()
		u.Write += units.Write / n
		u.Read += units.Read / n
		w := Work{Invocations: float64(s.invocations[name]) / n}
		if w.Invocations == 0 {
			return w
		}
		// What computes takes as long as the machine is slow: it counts as if it only asked DynamoDB, and
		// sent its answer.
		w.MS = math.Round(max(w.Invocations, float64(units.Requests)/n*askMS+sendingMS))
		if billed := float64(s.billed[name].Milliseconds()) / n; o.waits && billed >= 1000 {
			w.MS = max(w.MS, math.Round(billed/100)*100)
		}
		return w
	}
	u.Agent = work("agent", sendingMS(u.Out))
	u.Worker = work("worker", 0)
	if s.Push != nil {
		u.Push = work("push", u.Posted/lineKB)
	}
	return u
}

// size returns the bytes that the table stores. DynamoDB Local knows it at once.
func (s *system) size(t *testing.T) (bytes float64) {
	t.Helper()
	out, err := s.client.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: &s.table})
	localtest.Must(t, err)
	return float64(*out.Table.TableSizeBytes)
}

// larger returns the larger of what two ways of doing the same use.
func larger(a, b Use) Use {
	work := func(a, b Work) Work { return Work{max(a.Invocations, b.Invocations), max(a.MS, b.MS)} }
	return Use{
		Agent: work(a.Agent, b.Agent), Worker: work(a.Worker, b.Worker), Push: work(a.Push, b.Push), Write: max(a.Write, b.Write), Read: max(a.Read, b.Read),
		In: max(a.In, b.In), Out: max(a.Out, b.Out), Posted: max(a.Posted, b.Posted), Logged: max(a.Logged, b.Logged), Stored: max(a.Stored, b.Stored),
	}
}
