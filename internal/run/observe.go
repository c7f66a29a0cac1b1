package run

import (
	"context"
	"slices"
	"sync"
	"time"

	"a2alambda/internal/telemetry"
)

// observation is what the log line says about a run, besides its turn.
type observation struct {
	begun time.Time
	after int64  // the number of the last event before the run
	end   string // how the run ended, unless the executor ended the turn

	mu     sync.Mutex
	counts map[string]int64 // of the executor, by the names in Counts; mu guards it
}

// Counts are the names that [Count] takes.
var Counts = []string{"modelCalls", "toolCalls", "inputTokens", "outputTokens"}

// Count adds to a number in the log line of the executor's run, which is a metric, too. ctx is the
// executor's, or that of a step of a durable agent. The name is one of [Counts].
func Count(ctx context.Context, name string, n int64) {
	r, _ := ctx.Value(runKey{}).(*Run)
	if r == nil || !slices.Contains(Counts, name) {
		return // another server runs the executor
	}
	r.seen.mu.Lock()
	defer r.seen.mu.Unlock()
	if r.seen.counts == nil {
		r.seen.counts = map[string]int64{}
	}
	r.seen.counts[name] += n
}

func (o *observation) begin(after int64) { o.begun, o.after = time.Now(), after }

// report logs the line of an ended run.
func (r *Run) report(ctx context.Context) {
	line := new(telemetry.Line)
	line.Task(r.turn.Head.ID, r.turn.Head.ContextID, r.turn.Request.Trace)
	end := r.seen.end
	if r.err != nil {
		end = "lost"
	} else {
		line.Text("state", string(r.reached()))
	}
	line.Text("end", end)
	line.Count("events", r.turn.Fold.Seq()-r.seen.after)
	line.Took("runMs", time.Since(r.seen.begun))
	switch end {
	case "canceled":
		line.Count("cancels", 1)
	case "handed over":
		line.Count("handOvers", 1)
	case "suspended":
		line.Count("suspensions", 1)
	case "parked":
		line.Count("parked", 1)
	case "out of time", "unfinished", "failed", "interrupted":
		line.Count("failures", 1)
	}
	if r.turn.recovered {
		line.Count("recoveries", 1)
	}
	r.seen.mu.Lock()
	for _, name := range Counts {
		line.Count(name, r.seen.counts[name])
	}
	r.seen.mu.Unlock()
	line.Usage(r.usage)
	line.Log(context.WithoutCancel(ctx), r.runner.Logger, telemetry.Run)
}
