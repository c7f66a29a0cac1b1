package check

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

func (s *session) card(ctx context.Context) result {
	resp, err := s.do(ctx, http.MethodGet, ".well-known/agent-card.json", nil)
	if err != nil {
		return bad("%v", err)
	}
	body, err := answer(resp)
	if err != nil {
		return bad("%v", err)
	}
	var card struct {
		Name                string
		SupportedInterfaces []struct{ URL, ProtocolBinding, ProtocolVersion string }
		Signatures          []any
	}
	if err := json.Unmarshal(body, &card); err != nil || resp.StatusCode != http.StatusOK || len(card.SupportedInterfaces) == 0 {
		return bad("it is answered with %s and no agent card: %s", resp.Status, short(string(body)))
	}
	elsewhere := ""
	for _, i := range card.SupportedInterfaces {
		s.interfaces = append(s.interfaces, i.ProtocolBinding+" "+i.ProtocolVersion)
		if !strings.HasPrefix(strings.TrimSuffix(i.URL, "/")+"/", s.URL) {
			elsewhere = "; it sends clients to " + i.URL
		}
	}
	signed := ""
	if len(card.Signatures) > 0 {
		signed = ", signed"
	}
	return ok("%s: %s%s%s", short(card.Name), strings.Join(s.interfaces, ", "), signed, elsewhere)
}

// caller checks whether a caller without credentials is let in.
func (s *session) caller(ctx context.Context) result {
	stranger := *s
	stranger.Authorize = nil
	resp, err := stranger.do(ctx, http.MethodPost, "", request("GetTask", map[string]any{"id": newID()}))
	if err != nil {
		return bad("%v", err)
	}
	_, _ = answer(resp)
	refused := resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden
	switch {
	case refused && s.Authorize == nil:
		return bad("it refuses callers without credentials (%s): give some", resp.Status)
	case refused:
		return ok("a caller without credentials is refused: %s", resp.Status)
	case s.Authorize == nil:
		return ok("anybody may call")
	}
	return bad("a caller without credentials is let in: %s", resp.Status)
}

// stream compares when the events of a stream were made with when they came.
func (s *session) stream(ctx context.Context) result {
	begin := time.Now()
	events, err := s.follow(ctx, "SendStreamingMessage", send(s.message, s.Message))
	if err != nil {
		return bad("%v", err)
	}
	if len(events) == 0 {
		return bad("the stream has no events")
	}
	s.events = events
	_, s.task = events[0].state()
	for i, e := range events {
		if err := e.err(); err != nil {
			return bad("event %d: %v", i+1, err)
		}
		if n, err := strconv.Atoi(e.ID); err != nil || i > 0 && strconv.Itoa(n-1) != events[i-1].ID {
			return bad("event %d has the id %q, which does not follow %q", i+1, e.ID, events[max(i-1, 0)].ID)
		}
	}
	last, _ := events[len(events)-1].state()
	if !over(last.State) {
		return bad("the stream ends before its task: its last event has the state %q", last.State)
	}
	first, _ := events[0].state()
	made := last.Timestamp.Sub(first.Timestamp)
	came := events[len(events)-1].At.Sub(events[0].At)
	if s.buffered = made > time.Second && came < made/2; s.buffered {
		return no("%d events were made in %v, and came at once: this front door answers in one piece", len(events), made.Round(time.Millisecond))
	}
	if made <= time.Second {
		return ok("%d events; too fast to tell whether they came as they were made", len(events))
	}
	return ok("%d events in %v as they were made, the first after %v",
		len(events), came.Round(time.Millisecond), events[0].At.Sub(begin).Round(time.Millisecond))
}

func over(state string) bool {
	s := a2a.TaskState(state)
	return s.Terminal() || s == a2a.TaskStateInputRequired || s == a2a.TaskStateAuthRequired
}

// resume asks for the events after one in the middle.
func (s *session) resume(ctx context.Context) result {
	if len(s.events) < 3 {
		return skip("there is no stream of three events to resume")
	}
	n := len(s.events) / 2
	events, err := s.follow(ctx, "SubscribeToTask", map[string]any{"id": s.task}, "Last-Event-ID", s.events[n-1].ID)
	if err != nil {
		return bad("%v", err)
	}
	if len(events) > 0 && events[0].ID == s.events[n-1].ID {
		events = events[1:] // the task after that event
	}
	same := func(a, b event) bool { return a.ID == b.ID && a.Data == b.Data }
	if want := s.events[n:]; !slices.EqualFunc(events, want, same) {
		return bad("after event %s came %s, not %s", s.events[n-1].ID, ids(events), ids(want))
	}
	return ok("after event %s came %s, as at first", s.events[n-1].ID, ids(events))
}

func ids(events []event) string {
	if len(events) == 0 {
		return "nothing"
	}
	var all []string
	for _, e := range events {
		all = append(all, strconv.Quote(e.ID))
	}
	return strings.Join(all, " ")
}

func (s *session) retry(ctx context.Context) result {
	if s.task == "" {
		return skip("there is no task")
	}
	var got streamResponse
	if err := s.result(ctx, &got, "SendMessage", send(s.message, s.Message)); err != nil {
		return bad("%v", err)
	}
	if got.Task == nil || got.Task.ID != s.task {
		return bad("the same message again has begun another task")
	}
	return ok("the same message again is the same task")
}

func (s *session) get(ctx context.Context) result {
	if s.task == "" {
		return skip("there is no task")
	}
	var got task
	if err := s.result(ctx, &got, "GetTask", map[string]any{"id": s.task}); err != nil {
		return bad("%v", err)
	}
	if got.ID != s.task || !over(got.Status.State) {
		return bad("the task is %+v", got)
	}
	return ok("%s", got.Status.State)
}

func (s *session) list(ctx context.Context) result {
	if s.task == "" {
		return skip("there is no task")
	}
	for {
		var got struct{ Tasks []task }
		if err := s.result(ctx, &got, "ListTasks", map[string]any{"pageSize": 50}); err != nil {
			return bad("%v", err)
		}
		if slices.ContainsFunc(got.Tasks, func(t task) bool { return t.ID == s.task }) {
			return ok("it has the task, among %d on its first page", len(got.Tasks))
		}
		if s.events == nil || time.Since(s.events[len(s.events)-1].At) > 30*time.Second { // an index may lag
			return bad("its first page does not have the task")
		}
		select {
		case <-ctx.Done():
			return bad("%v", ctx.Err())
		case <-time.After(time.Second):
		}
	}
}

// largeBytes is enough for a message to go to a bucket, where large ones do.
const largeBytes = 200 << 10

// large sends a large message, and gets its task. It is the metadata that is large: no agent has to
// take it, and no model is paid for it.
func (s *session) large(ctx context.Context) result {
	sent := make([]byte, largeBytes)
	_, _ = rand.Read(sent)
	params := send(newID(), s.Message, "configuration", map[string]any{"returnImmediately": true})
	params["message"].(map[string]any)["metadata"] = map[string]any{"check": sent}
	var begun streamResponse
	if err := s.result(ctx, &begun, "SendMessage", params); err != nil {
		return bad("%v", err)
	}
	if begun.Task == nil {
		return skip("the agent answers without a task")
	}
	var got struct {
		History []struct{ Metadata struct{ Check []byte } }
	}
	if err := s.result(ctx, &got, "GetTask", map[string]any{"id": begun.Task.ID}); err != nil {
		return bad("%v", err)
	}
	if len(got.History) == 0 || !bytes.Equal(got.History[0].Metadata.Check, sent) {
		return bad("a message of %d KB is not in its task as it was sent", largeBytes>>10)
	}
	return ok("a message of %d KB is in its task as it was sent", largeBytes>>10)
}

// cancel cancels a task, in several attempts: the agent may be done before.
func (s *session) cancel(ctx context.Context) (r result) {
	if s.buffered {
		return no("it takes a stream that comes as it is made")
	}
	for range 5 {
		if r = s.cancelOne(ctx); r.outcome != none {
			break
		}
	}
	return r
}

// cancelOne cancels a task by a second connection while its stream is open.
func (s *session) cancelOne(ctx context.Context) result {
	ctx, end := context.WithTimeout(ctx, patience)
	defer end()
	var id string
	var r *reply
	var err error
	var last status
	_, streamErr := s.open(ctx, "SendStreamingMessage", send(newID(), s.Message), func(e event) bool {
		st, of := e.state()
		if st.State != "" {
			last = st
		}
		if id == "" && of != "" {
			id = of
			r, err = s.call(ctx, "CancelTask", map[string]any{"id": id})
		}
		return err == nil
	})
	switch {
	case err != nil:
		return bad("%v", err)
	case streamErr != nil:
		return bad("%v", streamErr)
	case r == nil:
		return bad("the stream has no task")
	case r.Error != nil && r.Error.Code == -32002 && last.State == string(a2a.TaskStateCompleted):
		return skip("the agent was done before it could be canceled: -message may name something that takes longer")
	case r.err() != nil:
		return bad("%v", r.err())
	case last.State != string(a2a.TaskStateCanceled):
		return bad("the stream of the canceled task ends with %q", last.State)
	}
	return ok("canceled by a second connection, and the stream says so")
}

// refused streams a message that no agent takes. The error must be an event, since many clients
// show nothing of another answer.
func (s *session) refused(ctx context.Context) result {
	params := send(newID(), s.Message)
	params["message"].(map[string]any)["parts"] = []any{}
	events, err := s.follow(ctx, "SendStreamingMessage", params)
	if err != nil {
		return bad("%v", err)
	}
	var r reply
	if len(events) != 1 || json.Unmarshal([]byte(events[0].Data), &r) != nil || r.Error == nil || r.Error.Code != -32602 {
		return bad("a message without parts is answered with %d events, not with the one that says why", len(events))
	}
	return ok("a stream that is refused is one event: %s", short(r.Error.Message))
}

func (s *session) unknown(ctx context.Context) result {
	r, err := s.call(ctx, "GetTask", map[string]any{"id": newID()})
	if err != nil {
		return bad("%v", err)
	}
	if r.Error == nil || r.Error.Code != -32001 {
		return bad("a task that never was is answered with %v", r.err())
	}
	return ok("a task that never was is not found")
}

func (s *session) v03(ctx context.Context) result {
	if s.task == "" {
		return skip("there is no task")
	}
	var got struct{ ID, Kind string }
	if err := s.result(ctx, &got, "tasks/get", map[string]any{"id": s.task}, "A2A-Version", ""); err != nil {
		return bad("%v", err)
	}
	if got.Kind != "task" || got.ID != s.task {
		return bad("tasks/get is answered with %+v", got)
	}
	return ok("tasks/get has the task")
}

func (s *session) rest(ctx context.Context) result {
	if s.task == "" || !slices.Contains(s.interfaces, "HTTP+JSON 1.0") {
		return skip("there is no task, or the card does not name it")
	}
	resp, err := s.do(ctx, http.MethodGet, "tasks/"+s.task, nil)
	if err != nil {
		return bad("%v", err)
	}
	body, err := answer(resp)
	var got task
	if err != nil || resp.StatusCode != http.StatusOK || json.Unmarshal(body, &got) != nil || got.ID != s.task {
		return bad("GET /tasks/{id} is answered with %s: %s", resp.Status, short(string(body)))
	}
	return ok("GET /tasks/{id} has the task")
}
