package tasklog

import (
	"context"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// Shards is over how many shards what is to be looked at is spread. They are swept side by side.
const Shards = 8

// Place is a place in a shard, in the store's own words; "" is its beginning.
type Place string

// Look is an appointment: when something is to be looked at.
type Look struct {
	ID a2a.TaskID
	// Config is the ID of a push notification configuration of the task. It is "" for the task
	// itself.
	Config string
	// Due is when it is to be looked at, to the second.
	Due time.Time
	// Held says that somebody has the lease of the task, and has renewed it since the time in Due.
	Held bool
	// Place is the look's in its shard.
	Place Place
}

// Looks is what a sweep goes through. What is not yet due costs nothing, however much it is.
type Looks interface {
	// Due returns what is to be looked at by then, in the order of time: at most limit looks of a
	// shard, from the place after a place on. More says whether there may be others after them. It
	// may lag by some seconds.
	Due(ctx context.Context, shard int, by time.Time, after Place, limit int) (looks []Look, more bool, err error)

	// Postpone moves a look to a later time, to the second, and counts that in [LeaseInfo.Asked].
	// It reports false, and does nothing, if the look is not as it was read any more: so of two
	// sweeps one gets true. If its answer is lost, a repetition reports false.
	Postpone(ctx context.Context, l Look, next time.Time) (bool, error)

	// Places returns where the last sweep of each shard has stopped. It may lag by some seconds.
	Places(ctx context.Context) ([Shards]Place, error)

	// SavePlace stores where a sweep of a shard has stopped that began at the place before. It does
	// nothing if another sweep has stored another place since.
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
