package durable

import (
	"context"
	"fmt"
)

// Version guards a change of the code. Tasks that come to it for the first time get newest, and so
// in every later run. Tasks that were past this place before the change get 0: for them the code
// must do what it did. A task that has got more than newest is parked: older code cannot go on with it.
//
//	if v, err := durable.Version(ctx, "check the address", 1); err != nil {
//		return err
//	} else if v >= 1 {
//		… durable.Do(ctx, "address", …)
//	}
func Version(ctx context.Context, change string, newest int) (int, error) {
	c, err := begin(ctx, TypeVersion, change)
	if err != nil {
		return 0, err
	}
	defer c.end()
	if v, err, ok := replayed[int](c); ok {
		if err == nil && v > newest {
			c.engine.mu.Lock()
			defer c.engine.mu.Unlock()
			return 0, c.engine.mismatch(c.full, fmt.Sprintf("version %d", v), fmt.Sprintf("version %d at most", newest))
		}
		return v, err
	}
	if c.isPast() {
		return 0, nil
	}
	return finished(c, newest)
}
