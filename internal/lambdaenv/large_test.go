package lambdaenv

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"a2alambda/internal/memory"
)

// TestLargeEvents has events of all sizes come at the same time, with and without their lengths. Small
// ones come as ever. Of the large ones, one is in memory that has not been admitted, and the next is
// read when it is.
func TestLargeEvents(t *testing.T) {
	sizes := []int{10, 100_000, largeEvent - 2, largeEvent - 1, 1_000_000, 3_000_000, 6_000_000}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			_, _ = io.Copy(io.Discard, r.Body)
			return
		}
		var i int
		_, _ = fmt.Sscan(r.URL.Query().Get("i"), &i)
		event := `"` + strings.Repeat(fmt.Sprint(i%10), sizes[i%len(sizes)]) + `"`
		w.Header().Set("Lambda-Runtime-Aws-Request-Id", fmt.Sprint(i))
		if i%2 == 0 {
			w.Header().Set("Content-Length", fmt.Sprint(len(event)))
		}
		_, _ = io.WriteString(w, event)
	}))
	defer s.Close()
	large, transport := newLargeEvents(), http.DefaultTransport.(*http.Transport).Clone()
	large.listen(s.Listener.Addr().String(), transport, newAnswers())
	client := http.Client{Transport: transport.Clone()} // as aws-lambda-go does
	defer client.CloseIdleConnections()
	var inside, got atomic.Int64
	handler := large.admitted(func(ctx context.Context, event json.RawMessage) (any, error) {
		if len(event) <= largeEvent {
			return len(event), nil
		}
		if n := inside.Add(1); n > 1 {
			t.Errorf("%d events were read before one was admitted", n)
		}
		inside.Add(-1)
		memory.Admitted(ctx)
		memory.Admitted(ctx) // does nothing
		return len(event), nil
	})
	var all sync.WaitGroup
	for i := range 3 * len(sizes) {
		all.Go(func() {
			resp, err := client.Get(s.URL + "?i=" + fmt.Sprint(i))
			if err != nil {
				t.Error(err)
				return
			}
			event, err := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if err != nil || len(event) > largeEvent {
				t.Errorf("aws-lambda-go gets %d bytes: %v", len(event), err)
			}
			ctx := lambdacontext.NewContext(t.Context(), &lambdacontext.LambdaContext{AwsRequestID: fmt.Sprint(i)})
			if n, err := handler(ctx, event); n != sizes[i%len(sizes)]+2 || err != nil {
				t.Errorf("event %d: %v bytes, want %d: %v", i, n, sizes[i%len(sizes)]+2, err)
			}
			resp, err = client.Post(s.URL, "text/plain", strings.NewReader("GET it")) // the connection goes on
			if err != nil {
				t.Error(err)
				return
			}
			_ = resp.Body.Close()
			got.Add(1)
		})
	}
	all.Wait()
	if len(large.wait) > 0 || len(large.turn) > 0 || got.Load() != int64(3*len(sizes)) {
		t.Errorf("%d events wait, %d have the turn, %d were answered", len(large.wait), len(large.turn), got.Load())
	}

	// An event that only looks like a placeholder is one. A turn that does not come ends with the invocation.
	ctx := lambdacontext.NewContext(t.Context(), &lambdacontext.LambdaContext{AwsRequestID: "other"})
	if n, err := handler(ctx, json.RawMessage(placeholder)); n != len(placeholder) || err != nil {
		t.Errorf("%v, %v", n, err)
	}
	resp, err := client.Get(s.URL + "?i=5")
	if err != nil {
		t.Fatal(err)
	}
	event, _ := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	large.turn <- struct{}{}
	ctx, cancel := context.WithCancel(lambdacontext.NewContext(t.Context(), &lambdacontext.LambdaContext{AwsRequestID: "5"}))
	cancel()
	if _, err := handler(ctx, event); !errors.Is(err, context.Canceled) || !bytes.Equal(event, []byte(placeholder)) {
		t.Errorf("%.100s: %v", event, err)
	}
}
