package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"a2alambda/internal/push"
	"a2alambda/localtest"
	"a2alambda/localtest/client"
	"a2alambda/localtest/emulator"
)

// The webhooks of these tests are at 127.0.0.2, which is allowed. A server at 127.0.0.1 is not.

const allowed = "127.0.0.2/32"

// receiver is a server of webhooks, each at its own path. The first part of the path says how it
// behaves for a while.
type receiver struct {
	url string

	mu   sync.Mutex
	of   map[string]*received // by path
	errs []string
}

// received is what a webhook got.
type received struct {
	requests int
	last     int64  // the last event that it acknowledged
	body     []byte // its body
}

// total is the number of events of the demo agent's task.
const total = 6

func newReceiver(t *testing.T, private string) *receiver {
	t.Helper()
	r := &receiver{of: map[string]*received{}}
	r.url = client.Receiver(t, func(w http.ResponseWriter, req *http.Request) {
		seq, _ := strconv.ParseInt(req.Header.Get("X-A2A-Event-Id"), 10, 64)
		body, err := io.ReadAll(req.Body)
		r.mu.Lock()
		of := r.of[req.URL.Path]
		if of == nil {
			of = &received{}
			r.of[req.URL.Path] = of
		}
		of.requests++
		newest := strings.HasSuffix(req.URL.Path, "/0") // in 0.3, a webhook that is behind gets the newest Task
		if err == nil && (seq < 1 || seq > of.last+1 && !newest || req.Header.Get("X-A2A-Notification-Token") != "token") {
			r.errs = append(r.errs, fmt.Sprintf("%s got event %d after %d: %v", req.URL.Path, seq, of.last, req.Header))
		}
		n := of.requests
		r.mu.Unlock()
		switch kind := strings.Split(req.URL.Path, "/")[1]; {
		case kind == "fails" && n > 1 && n < 7:
			w.WriteHeader(http.StatusInternalServerError)
			return
		case kind == "hangs" && n == 2:
			<-req.Context().Done()
			return
		case kind == "redirects" && n > 2 && n < 7:
			http.Redirect(w, req, private, http.StatusTemporaryRedirect)
			return
		case kind == "gone" && n == 3:
			w.WriteHeader(http.StatusGone)
			return
		case kind == "slow":
			time.Sleep(300 * time.Millisecond)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		if seq >= of.last {
			of.last, of.body = seq, body
		}
	})
	return r
}

// missing returns the webhooks that have not got all events.
func (r *receiver) missing(paths []string) (missing []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range paths {
		if of := r.of[p]; of == nil || of.last < total {
			missing = append(missing, fmt.Sprintf("%s: %+v", p, of))
		}
	}
	return missing
}

// newPrivate returns the URL of a server that no request may reach.
func newPrivate(t *testing.T) string {
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("the private address was asked for %s", r.URL)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// hook adds a webhook to a running task, for all its events.
func (s *system) hook(t *testing.T, task, url string) {
	t.Helper()
	snapshot, err := s.log.Load(t.Context(), a2a.TaskID(task))
	if err == nil {
		err = s.log.Pushes().Put(t.Context(), snapshot.Head, push.Config{
			TaskID: snapshot.Head.ID, ID: "hook", Version: "1.0", Expires: snapshot.Head.Expires,
			Push: a2a.PushConfig{TaskID: snapshot.Head.ID, ID: "hook", URL: url, Token: "token"},
		})
	}
	localtest.Must(t, err)
}

// passTime makes the deliveries due that wait for another try, as if minutes had passed.
func (s *system) passTime(ctx context.Context) error {
	out, err := s.client.Scan(ctx, &dynamodb.ScanInput{
		TableName:                 &s.table,
		FilterExpression:          aws.String("begins_with(sk, :p) AND cr > :now AND attribute_not_exists(w)"),
		ExpressionAttributeValues: values(":p", "P#", ":now", time.Now().Unix()),
	})
	if err != nil {
		return err
	}
	for _, item := range out.Items {
		_, err := s.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
			TableName: &s.table, Key: map[string]types.AttributeValue{"pk": item["pk"], "sk": item["sk"]},
			UpdateExpression:          aws.String("SET cr = :now"),
			ConditionExpression:       aws.String("cr > :now AND attribute_not_exists(w)"),
			ExpressionAttributeValues: values(":now", time.Now().Unix()),
		})
		if err != nil && !strings.Contains(err.Error(), "ConditionalCheckFailed") {
			return err
		}
	}
	return nil
}

// values returns attribute values by name: strings and numbers.
func values(pairs ...any) map[string]types.AttributeValue {
	all := map[string]types.AttributeValue{}
	for i := 0; i < len(pairs); i += 2 {
		switch v := pairs[i+1].(type) {
		case string:
			all[pairs[i].(string)] = &types.AttributeValueMemberS{Value: v}
		case int64:
			all[pairs[i].(string)] = &types.AttributeValueMemberN{Value: strconv.FormatInt(v, 10)}
		}
	}
	return all
}

// TestWebhooks has webhooks that fail, hang, redirect to a private address and recover. Meanwhile
// the instances that deliver are killed. Each webhook gets every event of its task, in order, and
// the private address gets nothing.
func TestWebhooks(t *testing.T) {
	t.Parallel()
	private := newPrivate(t)
	r := newReceiver(t, private)
	g := newGate(t, 0)
	s := newSystem(t, options{webhooks: allowed, givenUp: func(emulator.Event) {}, gate: g})
	var paths []string
	var opening sync.WaitGroup
	for i := range 3 {
		for _, kind := range []string{"works", "fails", "hangs", "redirects", "slow"} {
			path := fmt.Sprintf("/%s/%d", kind, i)
			paths = append(paths, path)
			p := []protocol{v03, v1, v1}[i]
			params := p.tutorial()
			if i < 2 {
				name := []string{"pushNotificationConfig", "taskPushNotificationConfig"}[i]
				params = strings.TrimSuffix(params, "}") + fmt.Sprintf(`,"configuration":{%q:{"url":%q,"token":"token"}}}`, name, r.url+path)
			}
			st := s.follow(t, p.stream, params, "")
			st.take(t, 1)
			if i == 2 { // in the middle of its run
				s.hook(t, st.task(t), r.url+path)
			}
			opening.Go(func() {
				for err := error(nil); err == nil; {
					_, err = st.next()
				}
			})
		}
	}
	// The agent refuses a webhook at a private address. Even if the table has one, it gets nothing.
	st := s.follow(t, v1.stream, v1.tutorial(), "")
	st.take(t, 1)
	create := fmt.Sprintf(`{"taskId":%q,"url":%q}`, st.task(t), private)
	if got := client.Result(t, s.url, "CreateTaskPushNotificationConfig", create); !strings.Contains(got, `"code":-32602`) {
		t.Errorf("creating a webhook at %s: %s", private, got)
	}
	s.hook(t, st.task(t), private)
	g.open()

	ctx, stop := context.WithCancel(t.Context())
	var others sync.WaitGroup
	kills := 0
	others.Go(func() { // kills the instances that deliver, now and then
		for kills < 8 && ctx.Err() == nil {
			for _, id := range s.Push.Busy() {
				if s.Push.Kill(id) == nil {
					kills++
					break
				}
			}
			pause(ctx, 400*time.Millisecond)
		}
	})
	others.Go(func() { // a minute each second
		for ctx.Err() == nil {
			if err := s.passTime(ctx); err != nil && ctx.Err() == nil {
				t.Error(err)
			}
			if err := s.Sweep(); err != nil {
				t.Error(err)
			}
			pause(ctx, time.Second)
		}
	})
	for end := time.Now().Add(client.Patience); len(r.missing(paths)) > 0; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			t.Errorf("these have not got everything:\n%s", strings.Join(r.missing(paths), "\n"))
			break
		}
	}
	stop()
	others.Wait()
	opening.Wait()

	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.errs {
		t.Error(e)
	}
	if kills == 0 {
		t.Error("nobody was killed")
	}
	for path, of := range r.of {
		var last struct {
			Status       struct{ State string }
			StatusUpdate struct{ Status struct{ State string } }
		}
		if err := json.Unmarshal(of.body, &last); err != nil {
			t.Errorf("%s got %s: %v", path, of.body, err)
		}
		if got := last.Status.State + last.StatusUpdate.Status.State; got != "completed" && got != "TASK_STATE_COMPLETED" {
			t.Errorf("%s got at last %s", path, of.body)
		}
	}
	t.Logf("%d instances killed", kills)
}

// pause waits, at most until the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// TestWebhookGone checks that delivery to a lost webhook ends, and that the log names the webhook.
func TestWebhookGone(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, "")
	givenUp := make(chan emulator.Event, 10)
	g := newGate(t, 0)
	s := newSystem(t, options{webhooks: allowed, givenUp: func(e emulator.Event) { givenUp <- e }, gate: g})
	st := s.follow(t, v03.stream, v03.tutorial(), "")
	st.take(t, 1)
	s.hook(t, st.task(t), r.url+"/gone")
	g.open()
	select {
	case e := <-givenUp:
		var job struct{ TaskID, ConfigID string }
		if err := json.Unmarshal(e.Payload, &job); err != nil || e.Function != "push" || job.TaskID != st.task(t) || job.ConfigID != "hook" {
			t.Errorf("given up is %s, %s", e.Function, e.Payload)
		}
	case <-time.After(client.Patience):
		t.Fatal("nobody was told")
	}
	st.rest(t, false)
	if _, err := s.log.Pushes().Claim(t.Context(), a2a.TaskID(st.task(t)), "hook", "x", time.Now()); !errors.Is(err, push.ErrGivenUp) {
		t.Errorf("claiming: %v", err)
	}
}
