package chaos

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

const (
	// silence is how long a client waits for the next frame before it asks elsewhere. It goes on reading the silent stream too,
	// because a frozen instance may yet say something.
	silence = 4 * time.Second

	// pause is how long, at most, a client waits before it tries again.
	pause = 500 * time.Millisecond
)

// record is what all clients of a task saw.
type record struct {
	name string

	mu       sync.Mutex
	id       a2a.TaskID // of the task, once known
	sessions []*Session
	tasks    [][]byte // that were answered to other calls
	wrong    []error  // what no client may be told
	reading  sync.WaitGroup
}

func (r *record) complain(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wrong = append(r.wrong, err)
}

// task returns the id of the task, or "".
func (r *record) task() a2a.TaskID {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.id
}

// found notes the id of the task that a message began: always the same.
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
	urls   []string // function URLs, any of which serves
	random *rand.Rand

	last  int64         // the last event seen
	state a2a.TaskState // that it left the task in
	calm  bool          // reads each stream to its end
}

// answer is a JSON-RPC response.
type answer struct {
	Result json.RawMessage
	Error  *struct {
		Code    int
		Message string
	}
}

// errElsewhere means that the call may succeed in another instance, or later.
var errElsewhere = errors.New("failed for now")

// JSON-RPC error codes: specification 5.4.
const (
	codeInternal      = -32603
	codeNotCancelable = -32002
	codeUnsupported   = -32004
)

// post sends a call to one of the URLs.
func (c *client) post(ctx context.Context, method, params string, last int64) (*http.Response, error) {
	body := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":%s}`, method, params)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.urls[c.random.IntN(len(c.urls))], strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("A2A-Version", "1.0")
	if last > 0 {
		r.Header.Set("Last-Event-ID", strconv.FormatInt(last, 10))
	}
	return http.DefaultClient.Do(r)
}

// call returns the result of a call that is answered in one piece. Among the codes are those of errors that are fine; then there is
// no result.
func (c *client) call(ctx context.Context, method, params string, fine ...int) (json.RawMessage, error) {
	response, err := c.post(ctx, method, params, 0)
	if err != nil {
		return nil, errElsewhere
	}
	defer response.Body.Close()
	return c.result(method+" "+params, response, fine)
}

func (c *client) result(call string, response *http.Response, fine []int) (json.RawMessage, error) {
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode == http.StatusTooManyRequests || response.StatusCode >= 500 {
		return nil, errElsewhere
	}
	var a answer
	if err := json.Unmarshal(body, &a); err != nil {
		c.complain(fmt.Errorf("%s: %s: status %d, %q", c.name, call, response.StatusCode, body))
		return nil, errElsewhere
	}
	if a.Error != nil {
		c.failed(call, a, fine)
		return nil, errElsewhere
	}
	return a.Result, nil
}

// failed notes an error that a client should not get.
func (c *client) failed(call string, a answer, fine []int) {
	if a.Error.Code != codeInternal && !slices.Contains(fine, a.Error.Code) {
		c.complain(fmt.Errorf("%s: %s: error %d, %s", c.name, call, a.Error.Code, a.Error.Message))
	}
}

// message returns the params that send a message. No text makes the agent ask for one.
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
	case <-time.After(time.Duration(c.random.Int64N(int64(pause)))):
		return true
	case <-ctx.Done():
		return false
	}
}

// stream reads a stream until its end, or the client's will to leave. An error means that none came, or nothing but an error.
func (c *client) stream(ctx context.Context, method, params string, last int64, fine ...int) error {
	ctx, leave := context.WithCancel(ctx)
	response, err := c.post(ctx, method, params, last)
	if err != nil {
		leave()
		return errElsewhere
	}
	if !strings.HasPrefix(response.Header.Get("Content-Type"), "text/event-stream") {
		defer leave()
		defer response.Body.Close()
		_, err := c.result(fmt.Sprint(method, " ", params, ", after event ", last), response, fine)
		return err
	}
	s := &Session{Client: c.name + " with " + method, After: last}
	c.mu.Lock()
	c.sessions = append(c.sessions, s)
	c.mu.Unlock()
	frames := make(chan Frame, 1000)
	refused := false // read after frames is closed
	c.reading.Go(func() {
		defer response.Body.Close()
		defer leave()
		defer close(frames)
		refused = c.read(response.Body, s, frames, fine)
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
		case <-time.After(silence):
			if c.calm {
				continue
			}
			go func() {
				for range frames { // the rest is recorded, and does not count for what the client does
				}
			}()
			return nil
		}
	}
}

// read notes the frames of a stream, and reports whether the first is an error. Among the codes are those of errors that are fine.
func (c *client) read(body io.Reader, s *Session, frames chan<- Frame, fine []int) (refused bool) {
	in := bufio.NewScanner(body)
	in.Buffer(nil, 8<<20)
	var id int64
	for in.Scan() {
		line := in.Bytes()
		if n, ok := bytes.CutPrefix(line, []byte("id: ")); ok {
			id, _ = strconv.ParseInt(string(n), 10, 64)
		}
		data, ok := bytes.CutPrefix(line, []byte("data: "))
		if !ok {
			continue
		}
		var a answer
		if err := json.Unmarshal(data, &a); err != nil {
			return false // cut in the middle of a line
		}
		if a.Error != nil {
			c.failed(s.Client, a, fine)
			return len(s.Frames) == 0
		}
		f := Frame{id, a.Result}
		id = 0
		c.mu.Lock()
		s.Frames = append(s.Frames, f)
		c.mu.Unlock()
		frames <- f
	}
	return false
}

// saw is told of each frame.
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
