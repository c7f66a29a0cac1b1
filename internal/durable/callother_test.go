package durable_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// other is an agent that knows no message again: each that begins a task begins another one.
type other struct {
	mu       sync.Mutex // guards what follows
	requests map[string]int
	messages []*a2a.Message
	tasks    map[a2a.TaskID]*a2a.Task
	made     map[a2a.TaskID]time.Time
	canceled []a2a.TaskID
	pushURL  string

	takes time.Duration // how long a task takes
	// before is called with each request, and may answer it; after is called once it is done, before
	// the answer.
	before func(method string, w http.ResponseWriter) (answered bool)
	after  func(method string)
	// state is what a task ends with, completed if it is "".
	state a2a.TaskState
	text  string // of the artifact
	push  bool   // the card says so
}

func (o *other) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		if o.before != nil && o.before("card", w) {
			return
		}
		_, _ = fmt.Fprintf(w, `{"name":"other","description":"","version":"1","capabilities":{"pushNotifications":%t},`+
			`"defaultInputModes":[],"defaultOutputModes":[],"skills":[],`+
			`"supportedInterfaces":[{"url":"http://127.0.0.1:9/","protocolBinding":"JSONRPC","protocolVersion":"1.0"}]}`, o.push)
		return
	}
	var req struct {
		ID     json.RawMessage
		Method string
		Params json.RawMessage
	}
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		w.WriteHeader(400)
		return
	}
	o.mu.Lock()
	if o.requests == nil {
		o.requests, o.tasks, o.made = map[string]int{}, map[a2a.TaskID]*a2a.Task{}, map[a2a.TaskID]time.Time{}
	}
	o.requests[req.Method]++
	o.mu.Unlock()
	if o.before != nil && o.before(req.Method, w) {
		return
	}
	result := o.handle(req.Method, req.Params)
	if o.after != nil {
		o.after(req.Method)
	}
	data, err := json.Marshal(result)
	if result == nil || err != nil {
		_, _ = fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"error":{"code":-32001,"message":"task not found"}}`, req.ID)
		return
	}
	_, _ = fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":%s}`, req.ID, data)
}

func (o *other) handle(method string, params json.RawMessage) any {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch method {
	case "SendMessage":
		var req a2a.SendMessageRequest
		if err := json.Unmarshal(params, &req); err != nil {
			panic(err)
		}
		o.messages = append(o.messages, req.Message)
		t := o.tasks[req.Message.TaskID]
		if t == nil {
			id := a2a.TaskID(fmt.Sprintf("other-%d", len(o.tasks)+1))
			t = &a2a.Task{ID: id, ContextID: req.Message.ContextID}
			if t.ContextID == "" {
				t.ContextID = "context of " + string(id)
			}
			o.tasks[id] = t
		}
		t.History = append(t.History, req.Message)
		o.made[t.ID] = time.Now()
		return map[string]any{"task": o.now(t)}
	case "GetTask":
		var req a2a.GetTaskRequest
		_ = json.Unmarshal(params, &req)
		if t := o.tasks[req.ID]; t != nil {
			return o.now(t)
		}
	case "ListTasks":
		var req a2a.ListTasksRequest
		_ = json.Unmarshal(params, &req)
		found := []*a2a.Task{}
		for _, id := range slices.Sorted(maps.Keys(o.tasks)) {
			if o.tasks[id].ContextID == req.ContextID {
				t := o.now(o.tasks[id])
				t.Artifacts = nil // as the specification says
				found = append(found, t)
			}
		}
		return &a2a.ListTasksResponse{Tasks: found, TotalSize: len(found), PageSize: 50}
	case "CancelTask":
		var req a2a.CancelTaskRequest
		_ = json.Unmarshal(params, &req)
		o.canceled = append(o.canceled, req.ID)
		return o.tasks[req.ID]
	case "CreateTaskPushNotificationConfig":
		var req a2a.PushConfig
		_ = json.Unmarshal(params, &req)
		o.pushURL = req.URL
		return &req
	}
	return nil
}

// now returns a task as it is now. o.mu is held.
func (o *other) now(t *a2a.Task) *a2a.Task {
	copied := *t
	at := o.made[t.ID]
	copied.Status = a2a.TaskStatus{State: a2a.TaskStateWorking, Timestamp: &at}
	if time.Since(at) < o.takes {
		return &copied
	}
	end := at.Add(o.takes)
	copied.Status = a2a.TaskStatus{State: a2a.TaskStateCompleted, Timestamp: &end}
	if o.state != "" && len(t.History) == 1 {
		copied.Status.State = o.state
		return &copied
	}
	copied.Artifacts = []*a2a.Artifact{{ID: "answer", Parts: a2a.ContentParts{a2a.NewTextPart(o.text)}}}
	return &copied
}

func jsonOf(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(data)
}
