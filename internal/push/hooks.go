package push

import (
	"context"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/tasklog"
)

// Hooked returns the store with hooks around its methods and the methods of its claims. Their names
// are such as "Push.Put" and "Push.Claim.Save".
func Hooked(s Store, h tasklog.Hooks) Store { return hooked{tasklog.HookedLooks(s, h, "Push."), s, h} }

type hooked struct {
	tasklog.Looks
	store Store
	hooks tasklog.Hooks
}

func op(name string, id a2a.TaskID) tasklog.Op { return tasklog.Op{Name: "Push." + name, ID: id} }

func (h hooked) Put(ctx context.Context, head tasklog.Head, c Config) error {
	return h.hooks.Call(ctx, op("Put", c.TaskID), func() error { return h.store.Put(ctx, head, c) })
}

func (h hooked) List(ctx context.Context, id a2a.TaskID) ([]Config, error) {
	return tasklog.Get(ctx, h.hooks, op("List", id), func() ([]Config, error) { return h.store.List(ctx, id) })
}

func (h hooked) Delete(ctx context.Context, id a2a.TaskID, config string) error {
	return h.hooks.Call(ctx, op("Delete", id), func() error { return h.store.Delete(ctx, id, config) })
}

func (h hooked) Claim(ctx context.Context, id a2a.TaskID, config, writer string, until time.Time) (Claim, error) {
	c, err := tasklog.Get(ctx, h.hooks, op("Claim", id), func() (Claim, error) {
		return h.store.Claim(ctx, id, config, writer, until)
	})
	if c == nil {
		return nil, err
	}
	return hookedClaim{c, h.hooks, id}, nil
}

func (h hooked) Spend(ctx context.Context, id a2a.TaskID, s Spending) (a Account, ok bool, err error) {
	a, err = tasklog.Get(ctx, h.hooks, op("Spend", id), func() (a Account, err error) {
		a, ok, err = h.store.Spend(ctx, id, s)
		return a, err
	})
	return a, ok && err == nil, err
}

func (h hooked) SpendHour(
	ctx context.Context, id a2a.TaskID, expires time.Time, hour, bytes, most int64,
) (ok bool, err error) {
	return tasklog.Get(ctx, h.hooks, op("SpendHour", id), func() (bool, error) {
		return h.store.SpendHour(ctx, id, expires, hour, bytes, most)
	})
}

type hookedClaim struct {
	Claim
	hooks tasklog.Hooks
	id    a2a.TaskID
}

func (h hookedClaim) Save(ctx context.Context, p Progress, until time.Time) error {
	return h.hooks.Call(ctx, op("Claim.Save", h.id), func() error { return h.Claim.Save(ctx, p, until) })
}

func (h hookedClaim) Release(ctx context.Context, p Progress, due time.Time) (released bool, err error) {
	return tasklog.Get(ctx, h.hooks, op("Claim.Release", h.id), func() (bool, error) { return h.Claim.Release(ctx, p, due) })
}

func (h hookedClaim) GiveUp(ctx context.Context, p Progress) error {
	return h.hooks.Call(ctx, op("Claim.GiveUp", h.id), func() error { return h.Claim.GiveUp(ctx, p) })
}
