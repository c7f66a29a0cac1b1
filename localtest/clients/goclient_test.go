package clients

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2aclient"
	"github.com/a2aproject/a2a-go/v2/a2aclient/agentcard"
	"github.com/a2aproject/a2a-go/v2/a2acompat/a2av0"

	"a2alambda/localtest"
	"a2alambda/localtest/client"
	"a2alambda/localtest/localserver"
)

// TestGoClient has the Go SDK's client do what the other SDKs' clients do, in both versions.
func TestGoClient(t *testing.T) {
	t.Parallel()
	url, tokens := localserver.StartOIDC(t)
	token := tokens("alice")
	for version, want := range map[string]string{"1.0": "v1.txt", "0.3": "go03.txt"} {
		for _, binding := range []a2a.TransportProtocol{a2a.TransportProtocolJSONRPC, a2a.TransportProtocolHTTPJSON} {
			t.Run(version+"/"+string(binding), func(t *testing.T) {
				t.Parallel()
				hook := newWebhook(t)
				c := newGoClient(t, url, version, binding, token)
				c.line("send", describeEvent(c.send("Send", &a2a.SendMessageRequest{})))
				task := c.stream(hook.url)
				c.get(task)
				if version == "1.0" {
					c.list()
				}
				c.cancel()
				c.resubscribe()
				_, err := c.GetTask(c.ctx, &a2a.GetTaskRequest{ID: "unknown"})
				c.line("unknown task", sdkName(err))
				client.Same(t, c.saw.String()+hook.got(t), "testdata/"+want)
			})
		}
	}
}

// goClient is a client that records what it sees, in the words of testdata.
type goClient struct {
	*a2aclient.Client
	t       *testing.T
	ctx     context.Context // with the token
	context string          // the first tasks' context
	saw     strings.Builder
}

func newGoClient(t *testing.T, url, version string, binding a2a.TransportProtocol, token string) *goClient {
	card, err := agentcard.DefaultResolver.Resolve(t.Context(), url)
	localtest.Must(t, err)
	card.SupportedInterfaces = slices.DeleteFunc(card.SupportedInterfaces, func(i *a2a.AgentInterface) bool {
		return string(i.ProtocolVersion) != version || i.ProtocolBinding != binding
	})
	client, err := a2aclient.NewFromCard(t.Context(), card,
		a2av0.WithJSONRPCTransport(a2av0.JSONRPCTransportConfig{}), a2av0.WithRESTTransport(a2av0.RESTTransportConfig{}))
	localtest.Must(t, err)
	ctx := a2aclient.AttachServiceParams(t.Context(), a2aclient.ServiceParams{"Authorization": {"Bearer " + token}})
	c := &goClient{Client: client, t: t, ctx: ctx, context: a2a.NewContextID()}
	line := []string{"card: " + card.Name}
	if card.Capabilities.Streaming {
		line = append(line, "streaming")
	}
	if card.Capabilities.PushNotifications {
		line = append(line, "pushNotifications")
	}
	fmt.Fprintln(&c.saw, strings.Join(line, ", "))
	extended, err := c.GetExtendedAgentCard(ctx, &a2a.GetExtendedAgentCardRequest{})
	c.must(err)
	var skills []string
	for _, s := range extended.Skills {
		skills = append(skills, s.ID)
	}
	c.line("extended card", strings.Join(skills, " "))
	return c
}

func (c *goClient) line(what string, words ...any) {
	fmt.Fprint(&c.saw, what, ": ", fmt.Sprintln(words...))
}

func (c *goClient) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatalf("%v after\n%s", err, c.saw.String())
	}
}

// message adds a message with a text to a request.
func (c *goClient) message(text string, req *a2a.SendMessageRequest) *a2a.SendMessageRequest {
	if req.Message == nil {
		req.Message = a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart(text))
		req.Message.ContextID = c.context
	}
	return req
}

func (c *goClient) send(text string, req *a2a.SendMessageRequest) *a2a.Task {
	c.t.Helper()
	sent, err := c.SendMessage(c.ctx, c.message(text, req))
	c.must(err)
	task, ok := sent.(*a2a.Task)
	if !ok {
		c.t.Fatalf("sending %q returned %#v", text, sent)
	}
	return task
}

// stream streams a task that has a webhook, and adds another one meanwhile.
func (c *goClient) stream(hook string) a2a.TaskID {
	config := &a2a.PushConfig{
		ID: "webhook", URL: hook, Token: "secret", Auth: &a2a.PushAuthInfo{Scheme: "Bearer", Credentials: "letmein"},
	}
	req := c.message("Stream", &a2a.SendMessageRequest{Config: &a2a.SendMessageConfig{PushConfig: config}})
	var id a2a.TaskID
	for event, err := range c.SendStreamingMessage(c.ctx, req) {
		c.must(err)
		c.line("stream", describeEvent(event))
		if task, ok := event.(*a2a.Task); ok {
			id = task.ID
			c.push(id, hook+"/second")
		}
	}
	return id
}

func (c *goClient) push(task a2a.TaskID, url string) {
	made, err := c.CreateTaskPushConfig(c.ctx, &a2a.PushConfig{TaskID: task, ID: "second", URL: url, Token: "another"})
	c.must(err)
	if made.TaskID != task || made.URL != url {
		c.t.Errorf("created %+v", made)
	}
	c.line("push created", made.ID, made.Token)
	got, err := c.GetTaskPushConfig(c.ctx, &a2a.GetTaskPushConfigRequest{TaskID: task, ID: "webhook"})
	c.must(err)
	c.line("push got", got.ID, got.Token, got.Auth.Scheme, cmp.Or(got.Auth.Credentials, "hidden"))
	ids := func() string {
		configs, err := c.ListTaskPushConfigs(c.ctx, &a2a.ListTaskPushConfigRequest{TaskID: task})
		c.must(err)
		var ids []string
		for _, config := range configs {
			ids = append(ids, config.ID)
		}
		slices.Sort(ids)
		return strings.Join(ids, " ")
	}
	c.line("push listed", ids())
	c.must(c.DeleteTaskPushConfig(c.ctx, &a2a.DeleteTaskPushConfigRequest{TaskID: task, ID: "second"}))
	c.line("push left", ids())
}

func (c *goClient) get(id a2a.TaskID) {
	task, err := c.GetTask(c.ctx, &a2a.GetTaskRequest{ID: id})
	c.must(err)
	c.line("get", describeEvent(task))
	for _, m := range task.History {
		role := strings.ToLower(strings.TrimPrefix(string(m.Role), "ROLE_"))
		c.line("history", role+",", m.Parts[0].Text())
	}
	one := 1
	task, err = c.GetTask(c.ctx, &a2a.GetTaskRequest{ID: id, HistoryLength: &one})
	c.must(err)
	for _, m := range task.History {
		c.line("last of the history", m.Parts[0].Text())
	}
}

func (c *goClient) list() {
	req := &a2a.ListTasksRequest{ContextID: c.context, PageSize: 1, IncludeArtifacts: true}
	for {
		page, err := c.ListTasks(c.ctx, req)
		c.must(err)
		for _, task := range page.Tasks {
			c.line("list", len(page.Tasks), "of", fmt.Sprint(page.TotalSize, ","), describeEvent(task))
		}
		if req.PageToken = page.NextPageToken; req.PageToken == "" {
			return
		}
	}
}

// ask sends all kinds of parts except text, which the agent cannot process. Then it sends the text,
// and does not wait.
func (c *goClient) ask() a2a.TaskID {
	raw := a2a.NewRawPart([]byte("\x00\xff"))
	raw.Filename, raw.MediaType = "a.txt", "text/plain"
	message := a2a.NewMessage(a2a.MessageRoleUser,
		raw, a2a.NewFileURLPart("https://example.com/a.html", "text/html"), a2a.NewDataPart(map[string]any{"n": "one"}))
	task := c.send("", &a2a.SendMessageRequest{Message: message})
	c.line("ask", describeEvent(task))
	for _, part := range task.History[0].Parts {
		c.line("part", describePart(part))
	}
	answer := a2a.NewMessageForTask(a2a.MessageRoleUser, task, a2a.NewTextPart("Answer"))
	immediately := &a2a.SendMessageConfig{ReturnImmediately: true}
	c.line("answer", describeEvent(c.send("", &a2a.SendMessageRequest{Message: answer, Config: immediately})))
	return task.ID
}

func (c *goClient) cancel() {
	cancel := func(id a2a.TaskID) {
		task, err := c.CancelTask(c.ctx, &a2a.CancelTaskRequest{ID: id})
		if err != nil {
			c.line("cancel", sdkName(err))
			return
		}
		c.line("cancel", describeEvent(task))
	}
	cancel(c.ask())
	var last a2a.Event
	var id a2a.TaskID
	for event, err := range c.SendStreamingMessage(c.ctx, c.message("Cancel", &a2a.SendMessageRequest{})) {
		c.must(err)
		if _, ok := event.(*a2a.TaskStatusUpdateEvent); ok && id == "" {
			c.line("canceled stream", describeEvent(event))
			id = event.TaskInfo().TaskID
			cancel(id)
		}
		last = event
	}
	c.line("canceled stream", describeEvent(last))
	cancel(id)
}

func (c *goClient) resubscribe() {
	var id a2a.TaskID
	for event, err := range c.SendStreamingMessage(c.ctx, c.message("Drop", &a2a.SendMessageRequest{})) {
		c.must(err)
		if _, ok := event.(*a2a.TaskStatusUpdateEvent); ok {
			c.line("dropped stream", describeEvent(event))
			id = event.TaskInfo().TaskID
			break
		}
	}
	for event, err := range c.SubscribeToTask(c.ctx, &a2a.SubscribeToTaskRequest{ID: id}) {
		c.must(err)
		what := describeEvent(event)
		if !strings.HasPrefix(what, "working") { // how many of these are left depends on the time
			what, _, _ = strings.Cut(what, ", Star")
			c.line("resubscribed", what)
		}
	}
}

// describeEvent returns an artifact's text, or the state of a task or status update and its text.
func describeEvent(event a2a.Event) string {
	switch e := event.(type) {
	case *a2a.Task:
		words := []string{"task " + describeStatus(e.Status)}
		for _, artifact := range e.Artifacts {
			words = append(words, artifact.Parts[0].Text())
		}
		return strings.Join(words, ", ")
	case *a2a.TaskStatusUpdateEvent:
		return describeStatus(e.Status)
	case *a2a.TaskArtifactUpdateEvent:
		return "artifact, " + e.Artifact.Parts[0].Text()
	default:
		return fmt.Sprintf("%#v", event)
	}
}

func describeStatus(s a2a.TaskStatus) string {
	state := strings.ToLower(strings.TrimPrefix(string(s.State), "TASK_STATE_"))
	words := []string{strings.ReplaceAll(state, "_", "-")}
	if s.Message != nil {
		words = append(words, s.Message.Parts[0].Text())
	}
	return strings.Join(words, ", ")
}

func describePart(p *a2a.Part) string {
	switch content := p.Content.(type) {
	case a2a.Raw:
		return fmt.Sprintf("raw %x %s %s", []byte(content), p.Filename, p.MediaType)
	case a2a.URL:
		return fmt.Sprintf("url %s %s", content, p.MediaType)
	case a2a.Data:
		data, err := json.Marshal(content.Value)
		if err != nil {
			return err.Error()
		}
		return "data " + string(data)
	default:
		return fmt.Sprintf("%#v", p)
	}
}

// sdkName returns the name of an error in the other SDKs.
func sdkName(err error) string {
	switch {
	case errors.Is(err, a2a.ErrTaskNotFound):
		return "TaskNotFoundError"
	case errors.Is(err, a2a.ErrTaskNotCancelable):
		return "TaskNotCancelableError"
	default:
		return fmt.Sprint(err)
	}
}
