package memory

import "context"

type doorKey struct{}

// WithDoor returns a context for a request that is in memory before it could charge for that, and
// keeps others like it waiting. [Admitted] calls open.
func WithDoor(ctx context.Context, open func()) context.Context {
	return context.WithValue(ctx, doorKey{}, open)
}

// Admitted is called when a request has charged its memory, or is refused. Then the next one may come:
// see [WithDoor].
func Admitted(ctx context.Context) {
	if open, ok := ctx.Value(doorKey{}).(func()); ok {
		open()
	}
}
