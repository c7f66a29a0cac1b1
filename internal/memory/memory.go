// Package memory keeps requests within the memory of the process: what one is about to take is
// charged to its account before, and refused where it is not there. How much there is says the
// collector's limit (GOMEMLIMIT, [debug.SetMemoryLimit]); without one, nothing is refused.
package memory

import (
	"context"
	"errors"
	"math"
	"runtime/debug"
	"sync"
)

// ErrFull means that what is to be charged is more than is left.
var ErrFull = errors.New("not enough memory")

// base is what a process has that serves nothing: code, connections, and what the runtime keeps.
const base = 48 << 20

// process is what all accounts have charged.
var process struct {
	mu   sync.Mutex
	used int64
}

// total returns how much there is for all accounts together.
func total() int64 {
	limit := debug.SetMemoryLimit(-1)
	if limit == math.MaxInt64 {
		return limit
	}
	return max(0, limit-base)
}

// Account is what a request has charged, until it is closed. It is safe for concurrent use.
type Account struct {
	charged map[string]int64 // by what it is for; guarded by process.mu; nil when closed
}

type accountKey struct{}

// Open returns a context with a new account, which the caller must close.
func Open(ctx context.Context) (context.Context, *Account) {
	a := &Account{map[string]int64{}}
	return context.WithValue(ctx, accountKey{}, a), a
}

// Close gives back what was charged.
func (a *Account) Close() {
	process.mu.Lock()
	defer process.mu.Unlock()
	for _, n := range a.charged {
		process.used -= n
	}
	a.charged = nil
}

// Charge charges so many bytes for something to the account of the context. What is needed for the
// same again, such as a task that is loaded once more, is charged once, by its most. It returns
// [ErrFull] if the bytes are not there; where the context has no open account, if there are not so
// many in the whole process.
func Charge(ctx context.Context, what string, bytes int64) error {
	all := total()
	if bytes > all {
		return ErrFull
	}
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
	case process.used+more > all:
		return ErrFull
	}
	a.charged[what] = bytes
	process.used += more
	return nil
}
