package tasklog

import (
	"context"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// Shards is the number of shards that looks are spread over. A sweep reads them side by side.
const Shards = 8

// Place is a place in a shard, in a form that only the store reads. "" is the beginning.
type Place string

// Look says when the sweeper looks at something the next time.
type Look struct {
	ID a2a.TaskID
	// Config is the ID of a push notification configuration of the task. It is "" for the task
	// itself.
	Config string
	// Due is the time of the look, to the second.
	Due time.Time
	// Held says that the task is busy: somebody has renewed its lease beyond the time in Due.
	Held bool
	// Suspended says that the look is at a suspended task that is due.
	Suspended bool
	// Place is the place of the look in its shard.
	Place Place
}

// Looks are what a sweep reads. A look that is not due costs nothing.
type Looks interface {
	// Due returns the looks of a shard that are due at the time by, in the order of time: limit at
	// most, from the one after a place on. More says whether there may be others after them. It may
	// lag by some seconds.
	Due(ctx context.Context, shard int, by time.Time, after Place, limit int) (looks []Look, more bool, err error)

	// Postpone moves a look to a later time, to the second, and counts that in [LeaseInfo.Asked].
	// It does nothing and reports false if the look has changed since it was read: so of two
	// sweeps, only one gets true. A call that is repeated because its answer was lost reports
	// false.
	Postpone(ctx context.Context, l Look, next time.Time) (bool, error)

	// Places returns where the last sweep of each shard stopped. It may lag by some seconds.
	Places(ctx context.Context) ([Shards]Place, error)

	// SavePlace stores where a sweep of a shard stopped that began at the place before. If another
	// sweep has stored another place meanwhile, it does nothing.
	SavePlace(ctx context.Context, shard int, before, now Place) error
}

// HookedLooks returns l with hooks around its methods, whose names begin with the prefix.
func HookedLooks(l Looks, h Hooks, prefix string) Looks { return hookedLooks{l, h, prefix} }

type hookedLooks struct {
	looks  Looks
	hooks  Hooks
	prefix string
}

func (h hookedLooks) Due(
	ctx context.Context, shard int, by time.Time, after Place, limit int,
) (looks []Look, more bool, err error) {
	looks, err = Get(ctx, h.hooks, Op{Name: h.prefix + "Due"}, func() (looks []Look, err error) {
		looks, more, err = h.looks.Due(ctx, shard, by, after, limit)
		return looks, err
	})
	return looks, more && err == nil, err
}

func (h hookedLooks) Postpone(ctx context.Context, l Look, next time.Time) (bool, error) {
	op := Op{Name: h.prefix + "Postpone", ID: l.ID}
	return Get(ctx, h.hooks, op, func() (bool, error) { return h.looks.Postpone(ctx, l, next) })
}

func (h hookedLooks) Places(ctx context.Context) ([Shards]Place, error) {
	return Get(ctx, h.hooks, Op{Name: h.prefix + "Places"}, func() ([Shards]Place, error) { return h.looks.Places(ctx) })
}

func (h hookedLooks) SavePlace(ctx context.Context, shard int, before, now Place) error {
	return h.hooks.Call(ctx, Op{Name: h.prefix + "SavePlace"}, func() error {
		return h.looks.SavePlace(ctx, shard, before, now)
	})
}
