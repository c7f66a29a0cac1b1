package push

import (
	"context"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/tasklog"
)

// Call is called for an operation of a store or of a claim, by the name of its method. It calls do, which
// does the operation, and returns what the operation returns.
type Call func(op string, id a2a.TaskID, do func() error) error

// Around returns the store with around around each of its operations and those of its claims: to wake
// somebody who waits for a change, to count, and to do harm in tests.
func Around(s Store, around Call) Store { return callStore{s, around} }

type callStore struct {
	store Store
	call  Call
}

func (s callStore) Put(ctx context.Context, h tasklog.Head, c Config) error {
	return s.call("Put", c.TaskID, func() error { return s.store.Put(ctx, h, c) })
}

func (s callStore) List(ctx context.Context, id a2a.TaskID) (all []Config, err error) {
	return get(s.call, "List", id, func() ([]Config, error) { return s.store.List(ctx, id) })
}

func (s callStore) Delete(ctx context.Context, id a2a.TaskID, config string) error {
	return s.call("Delete", id, func() error { return s.store.Delete(ctx, id, config) })
}

func (s callStore) Claim(ctx context.Context, id a2a.TaskID, config, writer string, until time.Time) (Claim, error) {
	c, err := get(s.call, "Claim", id, func() (Claim, error) { return s.store.Claim(ctx, id, config, writer, until) })
	if c == nil {
		return nil, err
	}
	return callClaim{c, s.call, id}, nil
}

func (s callStore) Due(ctx context.Context, yield func(id a2a.TaskID, config string) bool) error {
	return s.call("Due", "", func() error { return s.store.Due(ctx, yield) })
}

type callClaim struct {
	Claim
	call Call
	id   a2a.TaskID
}

func (c callClaim) Save(ctx context.Context, p Progress, until time.Time) error {
	return c.call("Save", c.id, func() error { return c.Claim.Save(ctx, p, until) })
}

func (c callClaim) Release(ctx context.Context, p Progress, due time.Time) (released bool, err error) {
	return get(c.call, "Release", c.id, func() (bool, error) { return c.Claim.Release(ctx, p, due) })
}

func (c callClaim) GiveUp(ctx context.Context, p Progress) error {
	return c.call("GiveUp", c.id, func() error { return c.Claim.GiveUp(ctx, p) })
}

// get calls do, which returns something.
func get[T any](call Call, op string, id a2a.TaskID, do func() (T, error)) (result T, err error) {
	var none T
	if err = call(op, id, func() error { result, err = do(); return err }); err != nil {
		return none, err
	}
	return result, nil
}
