package check

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/sse"
)

const (
	// patience is how long an answer may take.
	patience = 2 * time.Minute
	// maxAnswer is how much of an answer in one piece is read, in bytes.
	maxAnswer = 16 << 20
)

// session is what the checks of one run share.
type session struct {
	Config
	message    string   // the id of the first message
	interfaces []string // the bindings that the card names
	events     []event  // of the first stream
	task       string   // its task
	buffered   bool     // streams come in one piece
}

type event struct{ sse.Event }

// do sends a request, with credentials, and returns the response. If that is no stream, answer
// reads its body.
func (s *session) do(ctx context.Context, method, path string, body []byte, header ...string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, s.URL+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	r.Header.Set("A2A-Version", "1.0")
	for i := 0; i < len(header); i += 2 {
		if r.Header.Set(header[i], header[i+1]); header[i+1] == "" {
			r.Header.Del(header[i])
		}
	}
	if s.Authorize != nil {
		if err := s.Authorize(r, body); err != nil {
			return nil, err
		}
	}
	return s.Client.Do(r)
}

func answer(resp *http.Response) ([]byte, error) {
	defer resp.Body.Close()
	return io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
}

type reply struct {
	Result json.RawMessage `json:"result"`
	Error  *struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

func (r *reply) err() error {
	switch {
	case r.Error != nil:
		return fmt.Errorf("the answer is the error %d: %s", r.Error.Code, short(r.Error.Message))
	case r.Result == nil:
		return fmt.Errorf("the answer has no result")
	}
	return nil
}

func request(method string, params any) []byte {
	body, _ := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": "check", "method": method, "params": params})
	return body
}

func (s *session) call(ctx context.Context, method string, params any, header ...string) (*reply, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	resp, err := s.do(ctx, http.MethodPost, "", request(method, params), header...)
	if err != nil {
		return nil, err
	}
	body, err := answer(resp)
	if err != nil {
		return nil, err
	}
	var r reply
	if err := json.Unmarshal(body, &r); err != nil {
		return nil, fmt.Errorf("%s is answered with %s and no JSON: %s", method, resp.Status, short(string(body)))
	}
	return &r, nil
}

// result calls a method of JSON-RPC, and decodes its result into got.
func (s *session) result(ctx context.Context, got any, method string, params any, header ...string) error {
	r, err := s.call(ctx, method, params, header...)
	if err == nil {
		err = r.err()
	}
	if err == nil {
		err = json.Unmarshal(r.Result, got)
	}
	return err
}

// task has the fields of a Task that the checks read.
type task struct {
	ID     string `json:"id"`
	Status status `json:"status"`
}

type status struct {
	State     string    `json:"state"`
	Timestamp time.Time `json:"timestamp"`
}

type streamResponse struct {
	Task         *task `json:"task"`
	StatusUpdate *struct {
		TaskID string `json:"taskId"`
		Status status `json:"status"`
	} `json:"statusUpdate"`
}

// state returns the status in the event, if any, and the id of its task.
func (e event) state() (s status, id string) {
	var r struct {
		Result streamResponse `json:"result"`
	}
	_ = json.Unmarshal([]byte(e.Data), &r) // another event has no state
	switch {
	case r.Result.Task != nil:
		return r.Result.Task.Status, r.Result.Task.ID
	case r.Result.StatusUpdate != nil:
		return r.Result.StatusUpdate.Status, r.Result.StatusUpdate.TaskID
	}
	return status{}, ""
}

func (e event) err() error {
	var r reply
	if err := json.Unmarshal([]byte(e.Data), &r); err != nil {
		return fmt.Errorf("an event is no JSON: %s", short(e.Data))
	}
	return r.err()
}

func send(id, text string, more ...any) map[string]any {
	params := map[string]any{"message": map[string]any{"messageId": id, "role": "ROLE_USER", "parts": []any{map[string]any{"text": text}}}}
	for i := 0; i < len(more); i += 2 {
		params[more[i].(string)] = more[i+1]
	}
	return params
}

func newID() string { return a2a.NewMessageID() }

// open opens a stream and calls see with each event, until it ends or see returns false. It counts
// the stream's comments.
func (s *session) open(ctx context.Context, method string, params any, see func(event) bool, header ...string) (comments int, err error) {
	resp, err := s.do(ctx, http.MethodPost, "", request(method, params), append(header, "Accept", "text/event-stream")...)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if t := resp.Header.Get("Content-Type"); !strings.HasPrefix(t, "text/event-stream") {
		body, _ := answer(resp)
		return 0, fmt.Errorf("%s is answered with %s, %q and no stream: %s", method, resp.Status, t, short(string(body)))
	}
	in := sse.NewReader(resp.Body)
	for {
		e, err := in.Next()
		if errors.Is(err, io.EOF) {
			return in.Comments, nil
		}
		if err != nil || !see(event{e}) {
			return in.Comments, err
		}
	}
}

// follow returns the events of a stream that ends by itself.
func (s *session) follow(ctx context.Context, method string, params any, header ...string) (events []event, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, err = s.open(ctx, method, params, func(e event) bool { events = append(events, e); return true }, header...)
	return events, err
}

func short(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if r := []rune(text); len(r) > 120 {
		text = string(r[:120]) + "…"
	}
	return text
}
