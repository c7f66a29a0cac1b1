package run

import (
	"context"
	"time"

	"a2alambda/internal/telemetry"
)

// observation is what the log line says about a run, besides its turn.
type observation struct {
	begun time.Time
	after int64  // the number of the last event before the run
	end   string // how the run ended, unless the executor ended the turn
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
	line.Usage(r.usage)
	line.Log(context.WithoutCancel(ctx), r.runner.Logger, telemetry.Run)
}
