package push

import (
	"context"
	"errors"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/fanout"
)

// sweepAtOnce is how many invocations a sweep asks for at the same time.
const sweepAtOnce = 16

// Sweep calls invoke, concurrently, for each configuration that is due, for somebody to deliver it.
// It goes on after an error. It returns how many configurations were due, and all errors.
func Sweep(
	ctx context.Context, s Store, invoke func(ctx context.Context, id a2a.TaskID, config string) error,
) (n int, err error) {
	invoking := fanout.New(sweepAtOnce)
	err = s.Due(ctx, func(id a2a.TaskID, config string) bool {
		n++
		invoking.Go(id, func() error { return invoke(ctx, id, config) })
		return ctx.Err() == nil
	})
	return n, errors.Join(invoking.Wait(), err)
}
