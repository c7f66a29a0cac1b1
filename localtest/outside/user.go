package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"a2alambda/internal/sse"
	"a2alambda/localtest/client"
)

// awayFor is how long a client takes to come back, at most, if the stream has not said how long.
const awayFor = time.Second

// user is a client that follows one task after the other, and comes back when its stream is cut.
type user struct {
	name      string
	url       string        // the agent's
	remembers bool          // sends Last-Event-ID when it comes back; no SDK does
	pace      time.Duration // of the tokens
	random    *rand.Rand
	complain  func(format string, args ...any)

	mu      sync.Mutex // guards what follows
	task    string     // the id of the task that it follows, once known
	request string     // the request whose answer is its stream; "" for none
	runner  string     // the request that runs the task, unless a worker does
	hits    []*hit     // kills that it waits to recover from
	healed  []*hit
	late    int // kills after the last event of a task: there is nothing to recover
}

// view is what a user has seen of a task.
type view struct {
	user     *user
	way      *way
	task     string
	tokens   int // of the whole answer
	sessions []*session
	givenUp  bool // the task failed by a limit: see checkAnswer
}

// session is one stream.
type session struct {
	after  int64 // Last-Event-ID, or -1 if the user sent none
	frames []frame
}

// frame is an event of a stream: its number and its data.
type frame struct {
	id   int64
	data string
}

func (v *view) String() string {
	return fmt.Sprintf("%s (%s), task %s", v.user.name, v.way.name, v.task)
}

// last returns the number of the last event seen, or 0.
func (v *view) last() (last int64) {
	for _, s := range v.sessions {
		for _, f := range s.frames {
			last = max(last, f.id)
		}
	}
	return last
}

// state returns the state in the last event that has one, in lower case.
func (v *view) state() string {
	for i := len(v.sessions) - 1; i >= 0; i-- {
		frames := v.sessions[i].frames
		for k := len(frames) - 1; k >= 0; k-- {
			if s := stateIn(frames[k].data); s != "" {
				return s
			}
		}
	}
	return ""
}

var taskState = regexp.MustCompile(`"state":"(?:TASK_STATE_)?(\w+)"`)

func stateIn(event string) string {
	if found := taskState.FindStringSubmatch(event); found != nil {
		return strings.ToLower(found[1])
	}
	return ""
}

func (v *view) ended() bool { return final(v.state()) }

// final reports whether a task has ended in the state.
func final(state string) bool {
	return slices.Contains([]string{"completed", "failed", "canceled", "rejected"}, state)
}

// event returns the frame of an event, or the error that it is.
func event(e sse.Event) (frame, error) {
	if strings.Contains(e.Data, `"error":{`) {
		return frame{}, errors.New(e.Data)
	}
	n, err := strconv.ParseInt(e.ID, 10, 64)
	return frame{n, e.Data}, err
}

// errRefused is for a subscription to a task that has ended, by a user who does not say what it has
// seen.
var errRefused = errors.New("the task has ended")

// unsupported matches the error UnsupportedOperation, in all ways.
var unsupported = regexp.MustCompile(`"code":-32004|"reason":"UNSUPPORTED_OPERATION"`)

// follow sends a message, and comes back until it has seen the end of the task.
func (u *user) follow(ctx context.Context, w *way, message string) *view {
	u.mu.Lock()
	u.task, u.request, u.runner, u.hits = "", "", "", nil
	u.mu.Unlock()
	v := &view{user: u, way: w, tokens: int((shortest + time.Duration(u.random.Int64N(int64(longest-shortest)))) / u.pace)}
	send := w.send(message, fmt.Sprintf(order, v.tokens))
	refused := false
	for tries := 0; ; tries++ {
		r, after := send, int64(-1)
		if v.task != "" && !refused && u.random.IntN(2) == 0 {
			r = w.subscribe(v.task)
		}
		if u.remembers && v.last() > 0 {
			after = v.last()
		}
		retry, err := u.read(ctx, v, r, after, tries == 0)
		refused = errors.Is(err, errRefused) // then it sends the message again
		if v.ended() || ctx.Err() != nil {
			u.mu.Lock()
			u.late += len(u.hits)
			u.mu.Unlock()
			return v
		}
		if err != nil && !refused {
			u.complain("%v: %s after event %d: %v", v, cmp.Or(r.path, r.body), after, err)
		}
		select {
		case <-time.After(cmp.Or(retry, time.Duration(u.random.Int64N(int64(awayFor))))):
		case <-ctx.Done():
			return v
		}
	}
}

// read reads a stream to its end. It returns how long the stream asks the client to stay away, or 0.
// First says that this is the user's first request for the task. It is no error if the stream is
// cut, or the instance dies before it answers.
func (u *user) read(ctx context.Context, v *view, r request, after int64, first bool) (retry time.Duration, err error) {
	stream, err := r.open(ctx, u.url, after)
	if other := (*client.NotStream)(nil); errors.As(err, &other) {
		return 0, answered(other.Answer, after)
	}
	if err != nil {
		return 0, nil
	}
	defer stream.Close()
	s := &session{after: after}
	v.sessions = append(v.sessions, s)
	id := stream.Response.Header.Get("X-Amzn-Requestid")
	u.mu.Lock()
	if u.request = id; first {
		u.runner = id
	}
	u.mu.Unlock()
	for {
		e, err := stream.Next()
		if err != nil {
			u.mu.Lock()
			u.request = ""
			u.mu.Unlock()
			return stream.Retry, nil
		}
		f, err := event(e)
		if err != nil {
			if after < 0 && unsupported.MatchString(e.Data) {
				err = errRefused
			}
			return 0, err
		}
		seen := v.last()
		if s.frames = append(s.frames, f); f.id > seen {
			u.saw(v, id, e)
		}
	}
}

// answered returns what is wrong with an answer that is no stream.
func answered(a client.Answer, after int64) error {
	switch {
	case a.Status == http.StatusBadGateway, a.Status == http.StatusServiceUnavailable:
		return nil // killed, or about to end
	case after < 0 && a.Status == http.StatusBadRequest && unsupported.MatchString(a.Body):
		return errRefused
	}
	return errors.New(a.String())
}

// saw handles an event that is news to the user: of a stream that is the answer of a request.
func (u *user) saw(v *view, request string, e sse.Event) {
	if v.task == "" {
		v.task = client.TaskID(e.Data)
	}
	at := made(e.Data)
	u.mu.Lock()
	defer u.mu.Unlock()
	u.task = v.task
	var waiting []*hit
	for _, h := range u.hits {
		if h.heals(request, at) {
			h.took, h.who = e.At.Sub(h.at), v.String()
			u.healed = append(u.healed, h)
		} else {
			waiting = append(waiting, h)
		}
	}
	u.hits = waiting
}
