package push

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// sweepAtOnce is how many invocations a sweep has under way at the same time.
const sweepAtOnce = 16

// Sweep calls invoke, concurrently, for each configuration that is due, for somebody to deliver it. It goes on after an error, and
// returns all of them, and how many configurations were due.
func Sweep(ctx context.Context, s Store, invoke func(ctx context.Context, id a2a.TaskID, config string) error) (n int, err error) {
	var mu sync.Mutex // guards errs
	var errs []error
	var invoking sync.WaitGroup
	slots := make(chan struct{}, sweepAtOnce)
	err = s.DuePushes(ctx, func(id a2a.TaskID, config string) bool {
		n++
		slots <- struct{}{}
		invoking.Go(func() {
			defer func() { <-slots }()
			if err := invoke(ctx, id, config); err != nil {
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, fmt.Errorf("task %s: %w", id, err))
			}
		})
		return ctx.Err() == nil
	})
	invoking.Wait()
	return n, errors.Join(append(errs, err)...)
}
