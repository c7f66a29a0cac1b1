package dynamolog_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"a2alambda/internal/dynamolog"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/tasklogtest"
)

// partition refuses what exceeds its write units a second. It starts with those of one second.
type partition struct {
	rate, left float64
	last       time.Time
	units      float64 // taken
}

func (p *partition) refuse(q request) (int, string) {
	now := time.Now()
	if p.last.IsZero() {
		p.left, p.last = p.rate, now
	}
	p.left, p.last = min(p.rate, p.left+p.rate*now.Sub(p.last).Seconds()), now
	units := 1.0
	if body, ok := q.Item["b"]["B"].(string); ok { // in base64
		units += float64(len(body) * 3 / 4 / 1024)
	}
	if units > p.left {
		return busy(q)
	}
	p.left -= units
	p.units += units
	return http.StatusOK, ""
}

// incompressible returns a text of n bytes that deflates little.
func incompressible(n int) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	random := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, n)
	for i := range b {
		b[i] = letters[random.IntN(len(letters))]
	}
	return string(b)
}

// TestLargeEventOnce appends 6 MB, as the first message of a task and as an event, in a partition
// that takes 1,000 units a second and has no burst. Each part is written once.
func TestLargeEventOnce(t *testing.T) {
	h, _ := tasklogtest.NewTask()
	text := a2a.NewTextPart(incompressible(8 << 20)) // 6 MB deflated
	big := tasklogtest.EntryOf(a2a.NewArtifactEvent(a2a.TaskInfo{TaskID: h.ID, ContextID: h.ContextID}, text))
	for name, write := range map[string]func(*testing.T, *dynamolog.Log) error{
		"message": func(t *testing.T, l *dynamolog.Log) error {
			first := tasklogtest.EntryOf(a2a.NewSubmittedTask(
				a2a.TaskInfo{TaskID: h.ID, ContextID: h.ContextID}, a2a.NewMessage(a2a.MessageRoleUser, text)))
			_, err := l.Create(tasklog.GiveUpSoon(t.Context()), h, first, by("x"))
			return err
		},
		"event": func(t *testing.T, l *dynamolog.Log) error {
			_, first := tasklogtest.NewTask()
			lease, err := l.Create(t.Context(), h, first, by("x"))
			must(t, err)
			fold := tasklog.NewFold(nil, 0)
			fold.Add(tasklog.Event{Seq: 1, JSON: first.JSON})
			appender := tasklog.NewAppender(t.Context(), tasklog.AppenderConfig{Lease: lease, Fold: fold})
			must(t, appender.Add(big))
			defer lease.Close(t.Context())
			return appender.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &partition{rate: 1000}
				a := &answerer{refuse: p.refuse}
				begun := time.Now()
				if err := write(t, a.log(t)); err != nil {
					t.Errorf("after %v and %v units: %v", time.Since(begun), p.units, err)
				}
				n := 0
				for sort, times := range a.puts {
					if strings.HasPrefix(sort, "A#snapshot") {
						continue
					}
					n++
					if times > 1 {
						t.Errorf("%s was written %d times", sort, times)
					}
				}
				t.Logf("%d items, %v units, %v, %d requests", n, p.units, time.Since(begun), len(a.sent))
			})
		})
	}
}

// puts returns a middleware that calls do with the sort key before each item is put.
func puts(do func(sort string) error) middleware.FinalizeMiddleware {
	return middleware.FinalizeMiddlewareFunc("puts", func(
		ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler,
	) (out middleware.FinalizeOutput, md middleware.Metadata, err error) {
		q := request{}
		if r, ok := in.Request.(*smithyhttp.Request); ok && r.GetStream() != nil {
			var body []byte
			if body, err = io.ReadAll(r.GetStream()); err == nil {
				err = errors.Join(json.Unmarshal(body, &q), r.RewindStream())
			}
		}
		if err == nil && q.Item != nil {
			err = do(q.sort())
		}
		if err != nil {
			return out, md, err
		}
		return next.HandleFinalize(ctx, in)
	})
}

// TestPartsOnce has the third part of an append fail twice. The next tries write no other part
// again, and a read returns what was appended.
func TestPartsOnce(t *testing.T) {
	t.Parallel()
	client, table := newTable(t)
	var mu sync.Mutex
	tried := make(map[string]int)
	l := dynamolog.New(with(client, puts(func(sort string) error {
		mu.Lock()
		defer mu.Unlock()
		tried[sort]++
		if strings.HasPrefix(sort, "A#") && strings.HasSuffix(sort, "#0002") && tried[sort] <= 2 {
			return errors.New("out of order")
		}
		return nil
	})), table)
	h, first, lease := create(t, l)
	info := a2a.TaskInfo{TaskID: h.ID, ContextID: h.ContextID}
	big := []tasklog.Entry{tasklogtest.EntryOf(a2a.NewArtifactEvent(info, a2a.NewTextPart(incompressible(3<<20))))}
	for i := range 3 {
		if err := lease.Append(t.Context(), 2, big); (err == nil) != (i == 2) {
			t.Errorf("try %d: %v", i+1, err)
		}
	}
	n := 0
	for sort, times := range tried {
		if strings.HasPrefix(sort, "A#") {
			n++
			if times != 1 && !strings.HasSuffix(sort, "#0002") {
				t.Errorf("%s was written %d times", sort, times)
			}
		}
	}
	if n < 6 {
		t.Errorf("%d parts: %v", n, tried)
	}
	events, _, err := l.Read(t.Context(), h.ID, 0, 10)
	must(t, err)
	if len(events) != 2 || string(events[0].JSON) != string(first.JSON) || string(events[1].JSON) != string(big[0].JSON) {
		t.Errorf("%d events were read", len(events))
	}
}
