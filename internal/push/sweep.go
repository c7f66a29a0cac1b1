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

	// askAgain stands for how often a delivery was asked for before, which nobody counts. It means
	// a pause of 1 to 2 minutes: a deliverer claims the configuration at once, or not at all.
	askAgain = 1
)

// Sweep calls invoke for each configuration that is due, several at the same time, so that somebody
// delivers it. After an error it goes on. See [sweep.Run].
func Sweep(
	ctx context.Context, s Store, invoke func(ctx context.Context, id a2a.TaskID, config string) error,
) (sweep.Report, error) {
	return sweep.Run(ctx, s, maxAsked, func(ctx context.Context, round *sweep.Sweep, l tasklog.Look) error {
		return round.Ask(ctx, l, sweep.Next(askAgain), func(ctx context.Context) error {
			return invoke(ctx, l.ID, l.Config)
		})
	})
}
