package push

import (
	"context"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/gather"
)

// Ref names a configuration.
type Ref struct {
	TaskID a2a.TaskID
	ID     string
}

// GatherMost is how many configurations [Gather] puts into one invocation at most.
const GatherMost = 50

// Gather returns a function that asks for the delivery of one configuration. Calls at the same time
// share an invocation: see [gather.Calls].
func Gather(
	invoke func(ctx context.Context, refs ...Ref) error,
) func(ctx context.Context, id a2a.TaskID, config string) error {
	ask := gather.Calls(GatherMost, invoke)
	return func(ctx context.Context, id a2a.TaskID, config string) error {
		return ask(ctx, Ref{TaskID: id, ID: config})
	}
}
