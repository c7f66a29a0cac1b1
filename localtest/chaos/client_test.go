package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	agent "a2alambda/localtest/client"
)

const (
	// silence is how long a client waits for the next frame, at most and half of it at least, before
	// it asks elsewhere: of an agent that says something ten times a second. A client also goes on
	// with the silent stream, because a frozen instance may still send something.
	silence = 4 * time.Second

	// pause is the longest time that a client waits before it tries again.
	pause = 500 * time.Millisecond
)

// record is what all clients of a task saw.
type record struct {
	name string
	hot  bool // the only fault is a busy store, which is no internal error

	mu       sync.Mutex
	id       a2a.TaskID // of the task, once known
	sessions []*Session
	tasks    [][]byte // answers to other calls
	wrong    []error  // errors that no client may get
	busy     int      // answers with the error for a busy store
	reading  sync.WaitGroup
}

func (r *record) complain(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wrong = append(r.wrong, err)
}

func (r *record) task() a2a.TaskID {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.id
}

// found records the id of the task that a message began. It must be the same each time.
func (r *record) found(id a2a.TaskID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.id == "" {
		r.id = id
	}
	if id != r.id {
		r.wrong = append(r.wrong, fmt.Errorf("message %s began two tasks, %s and %s", r.name, r.id, id))
	}
}

// client is one user of a task.
type client struct {
	*record
	name   string
	urls   []string // function URLs, each of which serves
	random *rand.Rand

	slow time.Duration // it is so many times as patient: silence, and pause

	last  int64         // the last event seen
	state a2a.TaskState // of the task, in the last event
	calm  bool          // reads each stream to its end

	// forgets: it does not say what it has seen when it comes back, as SDKs do not.
	forgets bool

	answer string // to a question
}

// reply is a JSON-RPC response.
type reply struct {
	Result json.RawMessage
	Error  *struct {
		Code    int
		Message string
	}
}

// errElsewhere means that the call may succeed at another instance, or later.
var errElsewhere = errors.New("failed for now")

// JSON-RPC error codes: specification 5.4.
const (
	codeInternal      = -32603
	codeNotCancelable = -32002
	codeUnsupported   = -32004
)

func (c *client) url() string { return c.urls[c.random.IntN(len(c.urls))] }

// call returns the result of a call that is answered in one piece. fine are the codes of errors
// that are allowed; then there is no result.
func (c *client) call(ctx context.Context, method, params string, fine ...int) (json.RawMessage, error) {
	a, err := agent.Call(ctx, c.url(), method, params)
	return c.result(method+" "+params, a, err, fine)
}

func (c *client) result(call string, a agent.Answer, err error, fine []int) (json.RawMessage, error) {
	if err == nil && a.Status == http.StatusServiceUnavailable {
		c.refused(call, a)
	}
	if err != nil || a.Status == http.StatusTooManyRequests || a.Status >= 500 {
		return nil, errElsewhere
	}
	var r reply
	if err := json.Unmarshal([]byte(a.Body), &r); err != nil {
		c.complain(fmt.Errorf("%s: %s: %v", c.name, call, a))
		return nil, errElsewhere
	}
	if r.Error != nil {
		c.failed(call, r, fine)
		return nil, errElsewhere
	}
	return r.Result, nil
}

// refused records an answer that asks the client to try again later.
func (c *client) refused(call string, a agent.Answer) {
	if c.hot && (a.Header.Get("Retry-After") == "" || !strings.Contains(a.Body, "try again")) {
		c.complain(fmt.Errorf("%s: %s: %v", c.name, call, a))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy++
}

// failed records an error that no client should get.
func (c *client) failed(call string, r reply, fine []int) {
	if (r.Error.Code != codeInternal || c.hot) && !slices.Contains(fine, r.Error.Code) {
		c.complain(fmt.Errorf("%s: %s: error %d, %s", c.name, call, r.Error.Code, r.Error.Message))
	}
}

// message returns the params that send a message. Without a text, the agent asks for one.
func message(id, text string, task a2a.TaskID, configuration string) string {
	part := `{"data":{"no":"text"}}`
	if text != "" {
		part = fmt.Sprintf(`{"text":%q}`, text)
	}
	return fmt.Sprintf(`{"message":{"messageId":%q,"taskId":%q,"role":"ROLE_USER","parts":[%s]},"configuration":{%s}}`, id, task, part, configuration)
}

// rest waits a little. It reports whether ctx is still alive.
func (c *client) rest(ctx context.Context) bool {
	select {
	case <-time.After(c.slow * time.Duration(c.random.Int64N(int64(pause)))):
		return true
	case <-ctx.Done():
		return false
	}
}

// stream reads a stream until it ends, or the client wants to leave. An error means that there was
// no stream, or only an error in it.
func (c *client) stream(ctx context.Context, method, params string, last int64, fine ...int) error {
	ctx, leave := context.WithCancel(ctx)
	var headers []string
	if last > 0 {
		headers = []string{"Last-Event-ID", strconv.FormatInt(last, 10)}
	}
	stream, err := agent.Open(ctx, c.url(), method, params, headers...)
	if err != nil {
		defer leave()
		if other := (*agent.NotStream)(nil); errors.As(err, &other) {
			_, err = c.result(fmt.Sprint(method, " ", params, ", after event ", last), other.Answer, nil, fine)
			return err
		}
		return errElsewhere
	}
	s := &Session{Client: c.name + " with " + method, After: last}
	c.mu.Lock()
	c.sessions = append(c.sessions, s)
	c.mu.Unlock()
	frames := make(chan Frame, 1000)
	refused := false // read after frames is closed
	c.reading.Go(func() {
		defer stream.Close()
		defer leave()
		defer close(frames)
		refused = c.read(stream, s, frames, fine)
	})
	stay := 1 + c.random.IntN(60)
	for {
		select {
		case f, ok := <-frames:
			if !ok && refused {
				return errElsewhere
			}
			if !ok {
				return nil
			}
			c.saw(f)
			if stay--; stay == 0 && !c.calm {
				leave()
			}
		case <-time.After(c.slow * (silence/2 + time.Duration(c.random.Int64N(int64(silence/2))))):
			if c.calm {
				continue
			}
			go func() {
				// The remaining frames are recorded, but the client no longer acts on them.
				for range frames {
				}
			}()
			return nil
		}
	}
}

// read records the frames of a stream, and reports whether the first one is an error. fine are the
// codes of errors that are allowed.
func (c *client) read(stream *agent.Stream, s *Session, frames chan<- Frame, fine []int) (refused bool) {
	for {
		e, err := stream.Next()
		if err != nil {
			return false
		}
		var r reply
		if err := json.Unmarshal([]byte(e.Data), &r); err != nil {
			c.complain(fmt.Errorf("%s: event %s is %s", s.Client, e.ID, e.Data))
			return false
		}
		if r.Error != nil {
			c.failed(s.Client, r, fine)
			return len(s.Frames) == 0
		}
		id, _ := strconv.ParseInt(e.ID, 10, 64) // 0 is no event's id
		f := Frame{id, r.Result}
		c.mu.Lock()
		s.Frames = append(s.Frames, f)
		c.mu.Unlock()
		frames <- f
	}
}

// saw handles each frame.
func (c *client) saw(f Frame) {
	var r a2a.StreamResponse
	if json.Unmarshal(f.JSON, &r) != nil || r.Event == nil {
		c.complain(fmt.Errorf("%s: frame %d is %s", c.name, f.ID, f.JSON))
		return
	}
	c.found(r.TaskInfo().TaskID)
	c.last = f.ID
	if state := StateOf(f.JSON); state != "" {
		c.state = state
	}
}
