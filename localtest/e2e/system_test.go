// Package e2e tests the deployed system end to end: its functions on emulated Lambda, over DynamoDB
// Local, each allowed only what it needs.
package e2e

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"golang.org/x/sync/errgroup"

	"a2alambda/internal/bucket"
	"a2alambda/internal/dynamolog"
	"a2alambda/localtest"
	"a2alambda/localtest/client"
	"a2alambda/localtest/dynamodblocal"
	"a2alambda/localtest/emulator"
	"a2alambda/localtest/ministack"
	"a2alambda/localtest/stack"
)

func TestMain(m *testing.M) {
	flag.Parse()
	// These tests wait more than they compute, so more of them run than there are processors. Those
	// with a browser wait for one first.
	if err := flag.Set("test.parallel", "44"); err != nil {
		panic(err)
	}
	os.Exit(checkCalled(m.Run()))
}

// system is the deployed system.
type system struct {
	*stack.Stack
	url  string              // the agent's
	jobs chan emulator.Event // for the worker
	log  *dynamolog.Log      // the tasks' log

	client *dynamodb.Client
	table  string
	shared bool // an instance has many invocations

	started chan struct{} // closed when Stack is there
}

type options struct {
	agentTimeout, workerTimeout time.Duration
	// deliver says how often the nth event for the worker is delivered, from 0. Nil means once.
	deliver func(n int) int
	// webhooks, if set, is the network (CIDR) where webhooks are allowed. It adds the push function
	// and the table's stream. givenUp gets the failed events of that function.
	webhooks string
	givenUp  func(emulator.Event)
	// auth are environment variables that say who may call the agent. callers are the callers who
	// sign requests.
	auth    []string
	callers map[string]emulator.Caller
	// agent are environment variables that choose the agent.
	agent []string
	// binary, if set, is the agent's and the worker's executable.
	binary string
	// gate, if set, is where the agent waits.
	gate *gate
	// callbacks adds the callback function.
	callbacks bool
	// concurrency is how many invocations each instance of the agent and the worker has at once, as on
	// Lambda Managed Instances. 0 is Lambda's default kind.
	concurrency int
	// dynamoDB, if set, is the endpoint of DynamoDB, such as one that fails, before the real one.
	dynamoDB string
	// bucket adds a bucket of S3 for large bodies.
	bucket bool
	// logs, if set, gets the functions' output.
	logs io.Writer
}

func newSystem(t testing.TB, o options) *system {
	t.Helper()
	s := &system{jobs: make(chan emulator.Event, 1000), started: make(chan struct{}), shared: o.concurrency > 0}
	c := stack.Config{DynamoDB: cmp.Or(o.dynamoDB, dynamodblocal.Endpoint(t))}
	s.client, s.table = dynamodblocal.Table(t)
	s.log = dynamolog.New(s.client, s.table)
	c.Table = s.table
	c.Agent.Timeout, c.Worker.Timeout = o.agentTimeout, o.workerTimeout
	// These tests are about what happens before a deadline, not at it.
	c.Agent.Overtime, c.Worker.Overtime = client.Patience, client.Patience
	c.Agent.Concurrency, c.Worker.Concurrency = o.concurrency, o.concurrency
	c.Agent.Callers = o.callers
	functions := map[string]*emulator.Config{"agent": &c.Agent, "worker": &c.Worker, "sweeper": &c.Sweeper}
	c.Agent.Binary, c.Worker.Binary = o.binary, o.binary
	if o.gate != nil {
		o.agent = append(slices.Clip(o.agent), "GATE="+o.gate.url)
		c.Agent.Binary, c.Worker.Binary = gated(t, "agent"), gated(t, "worker")
	}
	if o.callbacks {
		functions["callback"] = &c.Callback
		c.Callback.Binary = stack.Function(t, "callback")
	}
	if o.webhooks != "" {
		functions["push"] = &c.Push
		c.Push.Binary = stack.Function(t, "push")
		c.Agent.Env, c.Push.Env = []string{"PUSH_ALLOWED_CIDRS=" + o.webhooks}, []string{"PUSH_ALLOWED_CIDRS=" + o.webhooks}
		c.Invoke.DeadLetter = func(e emulator.Event, _ string) { o.givenUp(e) }
	}
	c.Agent.Env = slices.Concat(c.Agent.Env, o.auth, o.agent)
	c.Worker.Env = o.agent
	var bodies bucket.Config
	if o.bucket {
		bodies = ministack.Bucket(t)
	}
	for name, f := range functions {
		function := strings.ToUpper(name[:1]) + name[1:] + "Function"
		if o.bucket {
			f.Env = append(f.Env, "AWS_ENDPOINT_URL_S3="+permittedS3(t, bodies, function))
			if name == "agent" || name == "worker" || name == "callback" { // as in template.yaml
				f.Env = append(f.Env, "BUCKET_NAME="+bodies.Name)
			}
		}
		f.Env = append(f.Env, "AWS_ENDPOINT_URL_DYNAMODB="+permitted(t, c.DynamoDB, function),
			"AWS_ENDPOINT_URL_LAMBDA="+permittedLambda(t, s.lambda, function))
		if o.logs != nil {
			f.Log = io.MultiWriter(t.Output(), o.logs)
		}
	}
	n := 0
	c.Invoke.Deliver = func(e emulator.Event) int { // called one at a time
		if e.Function != "worker" {
			return 1
		}
		s.jobs <- e
		n++
		if o.deliver == nil {
			return 1
		}
		return o.deliver(n - 1)
	}
	s.Stack, s.url = stack.New(t, c)
	close(s.started)
	return s
}

// lambda returns Lambda's endpoint, once Lambda has started.
func (s *system) lambda() string {
	<-s.started
	return s.InvokeURL
}

// manyAtOnce is how many invocations an instance has in the tests that don't need a number.
const manyAtOnce = 64

// onBothKinds runs a test with instances of Lambda's default kind, and with one that has many
// invocations: the options say which.
func onBothKinds(t *testing.T, test func(t *testing.T, o options)) {
	t.Helper()
	for name, o := range map[string]options{"an instance each": {}, "one instance": {concurrency: manyAtOnce}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, o)
		})
	}
}

// warm starts this number of the agent's instances, or the one that has all invocations.
func (s *system) warm(t testing.TB, instances int) {
	t.Helper()
	if s.shared {
		instances = 1
	}
	for len(s.Agent.Instances()) < instances {
		var group errgroup.Group
		for range instances {
			group.Go(func() error {
				_, err := client.Do(t.Context(), http.MethodGet, s.url+"/.well-known/agent-card.json", "")
				return err
			})
		}
		localtest.Must(t, group.Wait())
	}
}

// busy waits until one of the function's instances has an invocation, and returns its id. For a
// moment there may be more of them: a slow worker is asked for again.
func busy(t testing.TB, f *emulator.Emulator) (id string) {
	t.Helper()
	client.Await(t, 10*time.Millisecond, func() string {
		ids := f.Busy()
		if len(ids) != 1 {
			return fmt.Sprintf("it is not one instance that is busy: %v", f.Instances())
		}
		id = ids[0]
		return ""
	})
	return id
}

// job waits for the next event for the worker. It must be for the task.
func (s *system) job(t *testing.T, id string) {
	t.Helper()
	select {
	case e := <-s.jobs:
		if want := fmt.Sprintf(`{"taskId":%q}`, id); string(e.Payload) != want {
			t.Fatalf("the worker was invoked with %s, want %s", e.Payload, want)
		}
	case <-time.After(client.Patience):
		t.Fatal("the worker was not invoked")
	}
}

// protocol is the vocabulary of a version of A2A.
type protocol struct {
	name, stream, subscribe, send, cancel string
	message                               string // formats an id and a text
	immediately                           string // the configuration for returnImmediately
}

var (
	v03 = protocol{
		"0.3", "message/stream", "tasks/resubscribe", "message/send", "tasks/cancel",
		`{"role":"user","messageId":%q,"parts":[{"kind":"text","text":%q}]}`, `{"blocking":false}`,
	}
	v1 = protocol{
		"1.0", "SendStreamingMessage", "SubscribeToTask", "SendMessage", "CancelTask",
		`{"role":"ROLE_USER","messageId":%q,"parts":[{"text":%q}]}`, `{"returnImmediately":true}`,
	}
)

// tutorial returns the params that send the tutorial's message, whose answers are in testdata.
func (p protocol) tutorial() string {
	return `{"message":` + fmt.Sprintf(p.message, rand.Text(), "Stream me a response!") + `}`
}

type stream struct {
	*client.Stream
	frames []string // read so far, without comments
}

// open opens a stream. The last event's id may be "".
func (s *system) open(ctx context.Context, method, params, last string) (*stream, error) {
	var headers []string
	if last != "" {
		headers = []string{"Last-Event-ID", last}
	}
	st, err := client.Open(ctx, s.url, method, params, headers...)
	if err == nil {
		context.AfterFunc(ctx, func() { st.Close() })
		if got := st.Response.Header.Get("Content-Type"); got != client.EventStream {
			err = fmt.Errorf("%s is answered with %s", method, got)
		}
	}
	return &stream{Stream: st}, err
}

// follow is open for a test, at whose end the stream ends.
func (s *system) follow(t testing.TB, method, params, last string) *stream {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), client.Patience)
	t.Cleanup(cancel)
	st, err := s.open(ctx, method, params, last)
	localtest.Must(t, err)
	return st
}

// next reads a frame. Its error is io.EOF at the stream's end, and io.ErrUnexpectedEOF at a cut.
func (st *stream) next() (frame string, err error) {
	e, err := st.Next()
	if err == nil {
		st.frames = append(st.frames, e.Text)
	}
	return e.Text, err
}

func (st *stream) take(t testing.TB, n int) {
	t.Helper()
	for range n {
		if _, err := st.next(); err != nil {
			t.Fatalf("%v after\n%s", err, st)
		}
	}
}

// rest reads the stream to its end, which must be clean, or a cut.
func (st *stream) rest(t testing.TB, wantCut bool) {
	t.Helper()
	var err error
	for err == nil {
		_, err = st.next()
	}
	if wantCut != errors.Is(err, io.ErrUnexpectedEOF) || !wantCut && !errors.Is(err, io.EOF) {
		t.Fatalf("the stream ended with %v, want it cut: %t; it was\n%s", err, wantCut, st)
	}
}

func (st *stream) String() string { return strings.Join(st.frames, "") }

func (st *stream) last() string { return eventID(st.frames[len(st.frames)-1]) }

func eventID(frame string) string {
	_, id, _ := strings.Cut(frame, "id: ")
	id, _, _ = strings.Cut(id, "\n")
	return id
}

// after returns the frames after the event.
func (st *stream) after(id string) []string {
	for i, f := range st.frames {
		if eventID(f) == id {
			return st.frames[i+1:]
		}
	}
	return nil
}

// task returns the id of the task in the stream's first frame.
func (st *stream) task(t testing.TB) string {
	t.Helper()
	return client.TaskIn(t, st.frames[0])
}

// untilDone reads the stream to its end. Then it subscribes again from the last event until the
// task has ended, like a client whose streams are cut. It returns all frames, without the tasks
// that later streams begin with.
func (s *system) untilDone(t *testing.T, st *stream) string {
	t.Helper()
	all := st.frames
	end := time.Now().Add(client.Patience)
	for id := st.task(t); time.Now().Before(end); {
		for {
			frame, err := st.next()
			if err != nil {
				break
			}
			all = append(all, frame)
		}
		last := all[len(all)-1]
		if strings.Contains(last, `"final":true`) {
			return strings.Join(all, "")
		}
		st = s.follow(t, v03.subscribe, client.ByID(id), eventID(last))
		st.take(t, 1)
		if st.task(t) != id || st.last() != eventID(last) {
			t.Fatalf("after event %s of task %s came\n%s", eventID(last), id, st)
		}
	}
	t.Fatalf("the task does not end; so far it is\n%s", strings.Join(all, ""))
	return ""
}
