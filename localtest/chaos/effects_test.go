package chaos

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/purchase/shop"
	"a2alambda/internal/purchase/street"
	"a2alambda/internal/tasklog"
	agent "a2alambda/localtest/client"
)

// showsProgress has the purchase agent pass on what the writer says.
var showsProgress = change{"internal/hosted/hosted.go", "durable.New(purchase.Agent(s))", "durable.New(purchase.Agent(s, durable.Progress()))"}

// TestEffects is TestChaos with an agent that has effects outside: purchases. The books of the shop
// are compared with journals and logs: nobody pays twice, and what is canceled is paid back. The
// clients speak both versions of A2A over both bindings.
//
//	go test ./localtest/chaos -run Effects -v -timeout 2h -chaos.duration 1h -chaos.seed 1
//	go test ./localtest/chaos -run Effects -v -timeout 2h -chaos.duration 1h -chaos.concurrency 256 -chaos.streams 100
func TestEffects(t *testing.T) {
	t.Parallel()
	beside, err := street.Open(shop.Config{Slow: 100 * time.Millisecond, Fails: 3, Delivers: 3 * time.Second}, 50*time.Millisecond, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(beside.Close)
	s, records := storm(t, config{
		changes: []change{showsProgress}, callbacks: true, concurrency: *concurrency,
		env: []string{"AGENT=purchase", "SHOP_URL=" + beside.ShopURL, "PEERS=" + beside.Peers},
	}, (*system).buy)
	books := map[string][]shop.Line{} // by item
	for _, l := range beside.Shop.Books() {
		books[l.Item] = append(books[l.Item], l)
	}
	ends, lost := map[a2a.TaskState]int{}, 0
	for _, r := range records {
		snapshot, err := s.log.Load(t.Context(), r.id)
		if err != nil {
			t.Fatalf("%s, task %s: %v", r.name, r.id, err)
		}
		state := snapshot.Task.Status.State
		if ends[state]++; givenUp(snapshot.Task) {
			lost++
		}
		steps, err := s.journal(t.Context(), r.id)
		if err := errors.Join(err, s.checkSeen(t.Context(), r), checkBooks(state, givenUp(snapshot.Task), steps, books[r.name]), checkSaid(snapshot.Task, steps)); err != nil {
			t.Errorf("%s, task %s:\n%v", r.name, r.id, err)
		}
	}
	t.Logf("%d tasks: %v, of which %d were given up; the shop's books have %d lines", len(records), ends, lost, len(beside.Shop.Books()))
	if n, err := beside.Receipts.Count(t.Context(), tasklog.Filter{}); err != nil || n > len(records) {
		t.Errorf("the writer has %d tasks, %v", n, err)
	}
	if ends[a2a.TaskStateCompleted] < 2 || ends[a2a.TaskStateCanceled] == 0 {
		t.Errorf("this was no chaos: %v", ends)
	}
}

// buy is what the users of one purchase do. kind selects them.
func (s *system) buy(ctx context.Context, r *record, kind int, random *rand.Rand) {
	var group sync.WaitGroup
	user := func(name string, do func(*client)) {
		c := &client{
			record: r, name: r.name + " " + name, urls: []string{s.agent, s.agent, s.other},
			random: rand.New(rand.NewPCG(random.Uint64(), 0)), slow: s.slow, answer: "yes",
		}
		c.forgets = c.random.IntN(2) == 0
		group.Go(func() {
			do(c)
			if ctx.Err() != nil {
				c.complain(fmt.Errorf("%s: has not seen the end, but event %d, %s", c.name, c.last, c.state))
			}
		})
	}
	switch kind {
	case 0, 1:
		user("sender", func(c *client) { c.streams(ctx, r.name, false) })
		user("watcher", func(c *client) { c.streams(ctx, r.name, true) })
	case 2:
		after := time.Second + time.Duration(random.Int64N(int64(5*time.Second)))
		user("sender", func(c *client) { c.streams(ctx, r.name, false) })
		user("canceler", func(c *client) { c.cancels(ctx, after) })
	case 3:
		user("sender", func(c *client) { c.answer = "no"; c.streams(ctx, r.name, false) })
	default:
		w := ways[kind%len(ways)]
		user("sender by "+w.name, func(c *client) { c.buys(ctx, w) })
		user("watcher", func(c *client) { c.streams(ctx, r.name, true) })
	}
	group.Wait()
}

// way is a version of A2A and a binding, in which a user sends and asks.
type way struct {
	name      string
	send, get func(c *client, url string, task a2a.TaskID, id, text string) (agent.Answer, error)
}

var ways = []way{
	{name: "1.0 JSON-RPC", send: rpc("SendMessage", message10), get: rpc("GetTask", byID)},
	{name: "0.3 JSON-RPC", send: rpc("message/send", message03), get: rpc("tasks/get", byID)},
	{name: "1.0 HTTP+JSON", send: rest("1.0", "/message:send", message10), get: rest("1.0", "/tasks/", nil)},
	{name: "0.3 HTTP+JSON", send: rest("0.3", "/v1/message:send", message03), get: rest("0.3", "/v1/tasks/", nil)},
}

func message10(task a2a.TaskID, id, text string) string {
	return message(id, text, task, `"returnImmediately":true`)
}

func message03(task a2a.TaskID, id, text string) string {
	return fmt.Sprintf(`{"message":{"kind":"message","messageId":%q,"taskId":%q,"role":"user","parts":[{"kind":"text","text":%q}]},"configuration":{"blocking":false}}`, id, task, text)
}

func byID(task a2a.TaskID, _, _ string) string { return agent.ByID(string(task)) }

func rpc(method string, params func(task a2a.TaskID, id, text string) string) func(*client, string, a2a.TaskID, string, string) (agent.Answer, error) {
	return func(_ *client, url string, task a2a.TaskID, id, text string) (agent.Answer, error) {
		return agent.Call(context.Background(), url, method, params(task, id, text))
	}
}

// rest returns a POST of the body, or a GET of the task without one.
func rest(version, path string, body func(task a2a.TaskID, id, text string) string) func(*client, string, a2a.TaskID, string, string) (agent.Answer, error) {
	return func(_ *client, url string, task a2a.TaskID, id, text string) (agent.Answer, error) {
		url = strings.TrimSuffix(url, "/") + path
		if body == nil {
			return agent.Do(context.Background(), http.MethodGet, url+string(task), "", "A2A-Version", version)
		}
		return agent.Do(context.Background(), http.MethodPost, url, body(task, id, text), "A2A-Version", version)
	}
}

var (
	taskID    = regexp.MustCompile(`"id":"([0-9a-f-]{36})"`)
	taskState = regexp.MustCompile(`"state":"(?:TASK_STATE_)?([A-Za-z_-]+)"`)
)

// buys sends the order until its task is known, looks after the task, and answers its question.
func (c *client) buys(ctx context.Context, w way) {
	for c.rest(ctx) {
		id := c.task()
		ask, name, text := w.get, "", ""
		switch {
		case id == "":
			ask, name, text = w.send, c.record.name, c.record.name
		case c.state == a2a.TaskStateInputRequired:
			ask, name, text = w.send, c.record.name+"-answer", c.answer
		}
		a, err := ask(c, c.url(), id, name, text)
		task, state := taskID.FindStringSubmatch(a.Body), taskState.FindStringSubmatch(a.Body)
		if err != nil || a.Status != http.StatusOK || task == nil || state == nil {
			c.state = "" // ask how it is
			continue
		}
		c.found(a2a.TaskID(task[1]))
		c.state = a2a.TaskState("TASK_STATE_" + strings.ToUpper(strings.ReplaceAll(state[1], "-", "_")))
		if c.state.Terminal() {
			return
		}
	}
}
