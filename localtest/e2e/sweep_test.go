package e2e

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/dynamolog"
	"a2alambda/internal/push"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/tasklogtest"
	"a2alambda/localtest/client"
	"a2alambda/localtest/dynamodblocal"
	"a2alambda/localtest/emulator"
	"a2alambda/localtest/stack"
)

// TestSweepsSideBySide has the sweeper ask for functions one of which can't be asked for: Lambda does not answer. The sweep of
// the other kind does not wait for it, and neither ends in a timeout.
func TestSweepsSideBySide(t *testing.T) {
	t.Parallel()
	for hangs, works := range map[string]string{"push": "worker", "worker": "push"} {
		t.Run(hangs+" hangs", func(t *testing.T) {
			t.Parallel()
			db, table := dynamodblocal.Table(t)
			l := dynamolog.New(db, table)
			const n = 60
			for range n {
				h, first := tasklogtest.NewTask()
				_, err := l.Create(t.Context(), h, first, tasklog.Claim{Writer: "w", Until: time.Now().Add(-time.Minute)})
				if err == nil {
					c := push.Config{TaskID: h.ID, ID: "a", Push: a2a.PushConfig{ID: "a", URL: "https://a.example"}, Expires: h.Expires}
					err = l.Pushes().Put(t.Context(), h, c)
				}
				if err == nil {
					_, err = l.Pushes().Claim(t.Context(), h.ID, "a", "crashed", time.Now().Add(-time.Minute))
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			var mu sync.Mutex
			asked := 0 // an event of the push function may be about several
			lambda := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body) // or it is not noticed that the client goes
				if strings.Contains(r.URL.Path, "-"+hangs+"/") || strings.Contains(r.URL.Path, "/"+hangs+"/") {
					<-r.Context().Done()
					return
				}
				mu.Lock()
				asked += strings.Count(string(body), `"taskId"`)
				mu.Unlock()
				w.WriteHeader(http.StatusAccepted)
			}))
			t.Cleanup(lambda.Close)
			c := stack.Config{Table: table, NoStream: true}
			c.Sweeper = emulator.Config{
				Timeout: time.Minute, Overtime: client.Patience, NoRetries: true, Log: t.Output(),
				Env: []string{"AWS_ENDPOINT_URL_LAMBDA=" + lambda.URL},
			}
			s, _ := stack.New(t, c)
			t.Cleanup(func() { s.Close() })
			err := s.Invoke.Call("sweeper", []byte("{}"))
			if err == nil || strings.Contains(strings.ToLower(err.Error()), "timed out") {
				t.Errorf("the sweeper returned %v, want that it could not ask for some", err)
			}
			mu.Lock()
			defer mu.Unlock()
			if asked != n {
				t.Errorf("for %d of %d the %s was asked for", asked, n, works)
			}
		})
	}
}
