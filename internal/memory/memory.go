// Package memory keeps requests within the memory of the process. A request charges memory to its
// account before it takes it, and is refused if there is not enough. The limit is the garbage
// collector's (GOMEMLIMIT, [debug.SetMemoryLimit]); without one, nothing is refused.
package memory

import (
	"context"
	"errors"
	"math"
	"runtime/debug"
	"sync"
)

// ErrFull means that less memory is left than is to be charged.
var ErrFull = errors.New("not enough memory")

// base is what a process needs without requests: code, connections, Go's runtime.
const base = 48 << 20

// Stream is what a request takes that lasts as long as a task, for that time: a stream or a message,
// with the run of a task in a table.
const Stream = 400 << 10

var process struct {
	mu   sync.Mutex
	used int64
}

// total returns the memory for all accounts together.
func total() int64 {
	limit := debug.SetMemoryLimit(-1)
	if limit == math.MaxInt64 {
		return limit
	}
	return max(0, limit-base)
}

// Account is what a request has charged until it is closed. It is safe for concurrent use.
type Account struct {
	charged map[string]int64 // by what it is for; guarded by process.mu; nil when closed
	used    int64            // the sum
	most    int64            // of used
}

type accountKey struct{}

// Open returns a context with a new account. The caller must close the account.
func Open(ctx context.Context) (context.Context, *Account) { return OpenUpTo(ctx, math.MaxInt64) }

// OpenUpTo is Open for an account with a limit in bytes. It is for callers that do much of the same
// work at the same time.
func OpenUpTo(ctx context.Context, most int64) (context.Context, *Account) {
	a := &Account{charged: map[string]int64{}, most: most}
	return context.WithValue(ctx, accountKey{}, a), a
}

// Close releases what was charged.
func (a *Account) Close() {
	process.mu.Lock()
	defer process.mu.Unlock()
	for _, n := range a.charged {
		process.used -= n
	}
	a.charged = nil
}

// Charge charges bytes for a purpose to the account in the context. The same purpose again, such as
// a task that is loaded once more, costs only what exceeds its earlier charge. Charge returns
// [ErrFull] if too little memory is left. Without an open account, it charges nothing, and fails
// only if the whole process could not have that much.
func Charge(ctx context.Context, what string, bytes int64) error {
	all := total()
	if bytes > all {
		return ErrFull
	}
	return charge(ctx, what, bytes, func(a *Account, more int64) bool {
		return process.used+more <= all && a.used+more <= a.most
	})
}

// Grow is [Charge] for what has begun, and cannot be refused without a loss: it fails only if other
// accounts have some of the memory, so that there will be more when those are closed.
func Grow(ctx context.Context, what string, bytes int64) error {
	all := total()
	return charge(ctx, what, bytes, func(a *Account, more int64) bool {
		return process.used+more <= all || process.used == a.used
	})
}

// charge charges to the account in the context if fits says so of what is to be added.
func charge(ctx context.Context, what string, bytes int64, fits func(a *Account, more int64) bool) error {
	a, _ := ctx.Value(accountKey{}).(*Account)
	if a == nil {
		return nil
	}
	process.mu.Lock()
	defer process.mu.Unlock()
	more := bytes - a.charged[what]
	switch {
	case a.charged == nil || more <= 0:
		return nil
	case !fits(a, more):
		return ErrFull
	}
	a.charged[what] = bytes
	a.used += more
	process.used += more
	return nil
}
