package pushtest

import (
	"context"
	"fmt"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/push"
)

// Wrap returns a store that wraps the errors of s, as every store may.
func Wrap(s push.Store) push.Store { return wrapped{s} }

type wrapped struct{ push.Store }

func (w wrapped) Claim(ctx context.Context, id a2a.TaskID, config, writer string, until time.Time) (push.Claim, error) {
	c, err := w.Store.Claim(ctx, id, config, writer, until)
	if c == nil {
		return nil, wrap(err)
	}
	return wrappedClaim{c}, wrap(err)
}

type wrappedClaim struct{ push.Claim }

func (w wrappedClaim) Save(ctx context.Context, p push.Progress, until time.Time) error {
	return wrap(w.Claim.Save(ctx, p, until))
}

func (w wrappedClaim) Release(ctx context.Context, p push.Progress, due time.Time) (bool, error) {
	released, err := w.Claim.Release(ctx, p, due)
	return released, wrap(err)
}

func (w wrappedClaim) GiveUp(ctx context.Context, p push.Progress) error {
	return wrap(w.Claim.GiveUp(ctx, p))
}

func wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("wrapped: %w", err)
}
