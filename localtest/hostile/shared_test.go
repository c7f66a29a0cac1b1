package hostile_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"a2alambda/localtest"
	"a2alambda/localtest/client"
	"a2alambda/localtest/emulator"
)

var dense = flag.Bool("dense", false, "have a thousand streams in an instance of 2 GB, among hostile requests, and not only a hundred in 256 MB")

// patience is how long a request may take. DynamoDB Local, which shares the machine with a thousand
// streams, is slow then.
func patience() time.Duration {
	if *dense {
		return 3 * client.Patience
	}
	return client.Patience
}

// slow builds the agent's function with an agent that takes fifteen times as long. DynamoDB Local, which
// shares the machine, cannot write a thousand streams of three seconds.
func slow(t *testing.T) (binary string) {
	t.Helper()
	overlay, err := emulator.Overlay("slow", map[string][]byte{"internal/demoagent/work.go": []byte(`package demoagent

import "time"

func work(_ int, d time.Duration) <-chan time.Time { return time.After(15 * d) }
`)})
	localtest.Must(t, err)
	binary, err = emulator.BuildVariant(t.Context(), emulator.Variant{Pkg: "a2alambda/functions/agent", Overlay: overlay})
	localtest.Must(t, err)
	return binary
}

// TestShared has many streams in one instance at once, again and again, and among them requests that
// are made to take memory. The instance is not killed, each stream is whole, and who is refused is
// told when to come again, and is served then.
func TestShared(t *testing.T) {
	streams, places, mb, clients, few := 100, 130, 256, 8, 4
	if *dense {
		streams, places, mb, clients, few = 1000, 1200, 2048, 64, 1
	}
	s := newSystemOf(t, "a2alambda/functions/agent", "a2alambda/functions/worker", func(agent *emulator.Config) {
		agent.Concurrency, agent.Memory, agent.MaxInstances = places, mb, 1
		if *dense {
			agent.Binary = slow(t)
		}
	})
	history := s.waiting(t) // a task with a long history
	for range 2 {
		s.persist(t, new(atomic.Int64), func() answer {
			return s.rpc(t, "SendMessage", `{"configuration":{"historyLength":0},"message":`+message(history, `[{"data":{"k":"`+strings.Repeat("x", 4_000_000)+`"}}]`, "")+`}`)
		})
	}
	s.watched(t, fmt.Sprintf("%d streams in %d MB", streams, mb), func(t *testing.T) {
		var whole, refused atomic.Int64
		over := make(chan struct{})
		var running, hostile sync.WaitGroup
		for range streams {
			running.Go(func() {
				for {
					s.wholeStream(t, &refused)
					whole.Add(1)
					select {
					case <-over:
						return
					default:
					}
					if t.Failed() {
						return
					}
				}
			})
		}
		var next, late atomic.Int64
		for range clients {
			hostile.Go(func() {
				for {
					i := int(next.Add(1)) - 1
					if i *= few; i >= len(large) || t.Failed() {
						return
					}
					s.persist(t, &late, func() answer { return s.send(t, i) })
					s.persist(t, &late, func() answer { return s.rpc(t, "GetTask", client.ByID(history)) })
					s.persist(t, &late, func() answer { return s.rpc(t, "ListTasks", `{"includeArtifacts":true,"pageSize":20}`) })
				}
			})
		}
		hostile.Wait()
		close(over)
		running.Wait()
		t.Logf("%d streams were whole; %d of them, and %d hostile requests, were refused and came again", whole.Load(), refused.Load(), late.Load())
	})
}

// send sends a large message as one of the operations that take one. Nobody works on it.
func (s *system) send(t *testing.T, i int) answer {
	l := large[i]
	parts, more := noText, ""
	if l.parts != nil {
		parts = l.parts()
	}
	if l.more != nil {
		more = l.more()
	}
	switch i / 4 % 4 {
	case 0:
		return s.rpc(t, "SendStreamingMessage", `{"message":`+message("", parts, more)+`}`)
	case 1:
		return s.do(t, http.MethodPost, "/message:send", "1.0", `{"message":`+message("", parts, more)+`}`)
	case 2:
		return s.rpc(t, "message/send", `{"message":`+message03("", parts03(parts), more)+`}`)
	}
	return s.do(t, http.MethodPost, "/v1/message:send", "0.3", `{"message":`+message03http("", parts, more)+`}`)
}

// persist sends a request until it is not refused. A refusal says when to come again: by Lambda, when
// the instance has no place, or by the server, as an error of the protocol.
func (s *system) persist(t *testing.T, refused *atomic.Int64, send func() answer) answer {
	t.Helper()
	for end := time.Now().Add(patience()); ; {
		a := send()
		if a.status != http.StatusServiceUnavailable && a.status != http.StatusTooManyRequests {
			return a
		}
		refused.Add(1)
		if a.status == http.StatusServiceUnavailable {
			if _, err := strconv.Atoi(a.after); err != nil || a.error() == "" {
				t.Errorf("refused with Retry-After %q: %v", a.after, a)
				return a
			}
		}
		if time.Now().After(end) {
			t.Errorf("refused again and again: %v", a)
			return a
		}
		time.Sleep(time.Second + rand.N(time.Second)) // as Retry-After says
	}
}

// wholeStream has the agent stream the tutorial's task, and checks that no event is missing. A stream
// that ends early must say when to come back, and goes on when the client connects again.
func (s *system) wholeStream(t *testing.T, refused *atomic.Int64) {
	params := `{"message":` + message("", text("Stream me a response!"), "") + `}`
	var stream *client.Stream
	for end := time.Now().Add(patience()); ; {
		var err error
		stream, err = client.Open(t.Context(), s.url, "SendStreamingMessage", params)
		if err == nil {
			break
		}
		not := (*client.NotStream)(nil)
		if !errors.As(err, &not) || not.Status != http.StatusServiceUnavailable && not.Status != http.StatusTooManyRequests || time.Now().After(end) {
			t.Errorf("a stream did not begin: %v", err)
			return
		}
		refused.Add(1)
		time.Sleep(time.Second + rand.N(time.Second))
	}
	defer func() { stream.Close() }()
	var first, last string
	for n := int64(1); ; n++ {
		e, err := stream.Next()
		for end := time.Now().Add(patience()); errors.Is(err, io.EOF) && stream.Retry > 0 && first != "" && !strings.Contains(last, "TASK_STATE_COMPLETED") && time.Now().Before(end); {
			refused.Add(1) // the store, which shares the machine, has not answered
			time.Sleep(time.Second + rand.N(time.Second))
			again, openErr := client.Open(t.Context(), s.url, "SubscribeToTask", client.ByID(first), "Last-Event-ID", fmt.Sprint(n-1))
			if openErr != nil {
				continue
			}
			stream.Close()
			stream = again
			if e, err = stream.Next(); err == nil && e.ID == fmt.Sprint(n-1) { // the task as of that event
				e, err = stream.Next()
			}
		}
		if errors.Is(err, io.EOF) && strings.Contains(last, "TASK_STATE_COMPLETED") {
			return
		}
		if err != nil || e.ID != fmt.Sprint(n) || !json.Valid([]byte(e.Data)) {
			t.Errorf("event %d is %s, %.300s, after %.300s: %v", n, e.ID, e.Data, last, err)
			return
		}
		if last = e.Data; first == "" {
			first = client.TaskID(last)
		}
	}
}
