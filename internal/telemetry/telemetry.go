// Package telemetry logs the system's work: one line for each request, run, delivery and sweep. It
// says what was done, how it ended, how long it took and what it cost. On Lambda the same line
// carries CloudWatch's metrics: see [NewHandler].
//
// A line has ids, names, numbers and states, but no text of people or agents, no tokens and no
// credentials. A field that is 0 or empty is left out.
package telemetry

import (
	"context"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/trace"
)

// The messages of the lines. docs/operations.md has the fields of each. A name that ends in Ms is a
// time in milliseconds.
const (
	// Request is for an HTTP request, after its answer.
	Request = "request"
	// Run is for a run, at its end. A request that runs its task itself has both lines, with the
	// same requestId; neither counts the other's units.
	Run = "run"
	// Doubt is for a holder that somebody took for dead: doubts counts the questions, deposed the
	// holders that have lost their leases for it.
	Doubt = "doubt"
	// Step is for a durable call that a run of a durable agent has finished. Its name is the author's.
	Step = "step"
	// Delivery is for a delivery of push notifications to one webhook.
	Delivery = "delivery"
	// Sweep is for a round of the sweeper.
	Sweep = "sweep"
)

// Usage adds up what requests to DynamoDB and S3 cost. A nil Usage counts nothing.
type Usage struct {
	mu                 sync.Mutex // guards what follows
	read, write        float64    // units
	puts, gets         int        // of objects
	retries, throttles int
}

type usageKey struct{}

// With returns a context whose requests to DynamoDB and S3 are added to u.
func With(ctx context.Context, u *Usage) context.Context {
	return context.WithValue(ctx, usageKey{}, u)
}

// UsageOf returns the context's usage, or nil.
func UsageOf(ctx context.Context) *Usage {
	u, _ := ctx.Value(usageKey{}).(*Usage)
	return u
}

// Add adds the cost of a request: its units, and how many of its tries were retries or throttled.
func (u *Usage) Add(read, write float64, retries, throttles int) {
	if u == nil {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.read += read
	u.write += write
	u.retries += retries
	u.throttles += throttles
}

// AddObject adds a request to S3, which put an object or got one.
func (u *Usage) AddObject(put bool) {
	if u == nil {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if put {
		u.puts++
	} else {
		u.gets++
	}
}

// Line is a line that is being written.
type Line struct{ attrs []slog.Attr }

// Text adds a field, unless it is empty.
func (l *Line) Text(name, value string) {
	if value != "" {
		l.attrs = append(l.attrs, slog.String(name, value))
	}
}

// Count adds a number, unless it is 0.
func (l *Line) Count(name string, n int64) {
	if n != 0 {
		l.attrs = append(l.attrs, slog.Int64(name, n))
	}
}

// Took adds a duration in milliseconds, to the microsecond.
func (l *Line) Took(name string, d time.Duration) {
	l.attrs = append(l.attrs, slog.Float64(name, float64(d.Microseconds())/1000))
}

// Task adds the line's task: its id, context and trace. Any may be empty.
func (l *Line) Task(id a2a.TaskID, context string, t trace.Trace) {
	l.Text("task", string(id))
	l.Text("context", context)
	l.Text("trace", t.ID())
}

// Usage adds what u has counted.
func (l *Line) Usage(u *Usage) {
	u.mu.Lock()
	defer u.mu.Unlock()
	l.units("readUnits", u.read)
	l.units("writeUnits", u.write)
	l.Count("objectPuts", int64(u.puts))
	l.Count("objectGets", int64(u.gets))
	l.Count("retries", int64(u.retries))
	l.Count("throttles", int64(u.throttles))
}

func (l *Line) units(name string, n float64) {
	if n != 0 {
		l.attrs = append(l.attrs, slog.Float64(name, math.Round(n*1000)/1000))
	}
}

// Log writes the line. The message is one of this package's.
func (l *Line) Log(ctx context.Context, logger *slog.Logger, message string) {
	logger.LogAttrs(ctx, slog.LevelInfo, message, l.attrs...)
}
