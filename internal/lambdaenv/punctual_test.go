package lambdaenv

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// closer is an answer that is a stream.
type closer chan struct{}

func (c closer) Close() error { close(c); return nil }

// TestPunctual has handlers heed the ends of their contexts, and ignore them: each invocation is over
// before its deadline, and what a late handler answers is closed.
func TestPunctual(t *testing.T) {
	for _, test := range []struct {
		name  string
		takes time.Duration // whatever the context says
		heeds bool
		want  error
		over  time.Duration
	}{
		{"in time", time.Second, false, nil, time.Second},
		{"heeds its context", time.Hour, true, context.DeadlineExceeded, 9500 * time.Millisecond},
		{"says that there was no time", 9700 * time.Millisecond, false, nil, 9700 * time.Millisecond},
		{"ignores its context", time.Hour, false, errLate, 9800 * time.Millisecond},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				answer := make(closer)
				h := punctual(slog.New(slog.NewTextHandler(&log, nil)), func(ctx context.Context, _ json.RawMessage) (any, error) {
					if test.heeds {
						<-ctx.Done()
						return nil, ctx.Err()
					}
					time.Sleep(test.takes)
					return answer, nil
				})
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				begun := time.Now()
				got, err := h(ctx, nil)
				if took := time.Since(begun); took != test.over || !errors.Is(err, test.want) || (err == nil) != (got != nil) {
					t.Errorf("after %v: %v, %v", took, got, err)
				}
				late := strings.Contains(log.String(), "left to itself")
				if late != (test.want == errLate) {
					t.Errorf("the log has %q", &log)
				}
				if late {
					<-answer
				}
			})
		})
	}
}
