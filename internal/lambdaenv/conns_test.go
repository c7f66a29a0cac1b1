package lambdaenv

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// TestConnections has a process ask the table for much at the same time, again and again: it makes
// its connections once, and no more than it may have.
func TestConnections(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "local")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "local")
	t.Setenv("AWS_REGION", "us-east-1")
	const atOnce, most = 960, 120
	var made, again atomic.Int64
	var mu sync.Mutex
	waiting, all := 0, make(chan struct{}) // as many requests wait for each other as may be sent together
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if strings.HasPrefix(r.Header.Get("Amz-Sdk-Request"), "attempt=1;") {
			mu.Lock()
			mine := all
			if waiting++; waiting == most {
				close(all)
				waiting, all = 0, make(chan struct{})
			}
			mu.Unlock()
			<-mine
		} else { // on a slow machine, an answer takes too long, and its connection is closed
			again.Add(1)
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		_, _ = io.WriteString(w, "{}")
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			made.Add(1)
		}
	}
	s.Start()
	defer s.Close()
	t.Setenv("AWS_ENDPOINT_URL_DYNAMODB", s.URL)
	cfg, err := ConfigFor(t.Context(), atOnce)
	if err != nil {
		t.Fatal(err)
	}
	client := DynamoDB(cfg)
	table := "tasks"
	for range 3 {
		var round sync.WaitGroup
		for range atOnce {
			round.Go(func() {
				_, err := client.GetItem(t.Context(), &dynamodb.GetItemInput{
					TableName: &table, Key: map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: "a"}},
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		round.Wait()
	}
	if n := made.Load(); n > most+again.Load() {
		t.Errorf("%d connections for %d requests at the same time, want %d at most", n, atOnce, most)
	}
}
