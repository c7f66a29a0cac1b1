package push

import (
	"context"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/sweep"
	"a2alambda/internal/tasklog"
)

const (
	// maxAsked is how many deliveries a sweep asks for at most. The others stay due.
	maxAsked = 1000

	// askAgain is how often a delivery was asked for, by what is known of it, when the sweep asks:
	// it asks again after 1 to 2 minutes, since whoever is asked for claims it at once, or not at
	// all.
	askAgain = 1
)

// Sweep calls invoke, concurrently, for the configurations that are due, for somebody to deliver
// them. It goes on after an error. See [sweep.Run].
func Sweep(
	ctx context.Context, s Store, invoke func(ctx context.Context, id a2a.TaskID, config string) error,
) (sweep.Report, error) {
	return sweep.Run(ctx, s, maxAsked, func(ctx context.Context, round *sweep.Sweep, l tasklog.Look) error {
		return round.Ask(ctx, l, sweep.Next(askAgain), func(ctx context.Context) error {
			return invoke(ctx, l.ID, l.Config)
		})
	})
}
