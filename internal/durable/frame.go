package durable

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// frame is what the context of a durable function says: where in the program it is.
type frame struct {
	engine *engine
	branch *branch
	prefix string   // of names: the path of scopes and branches
	step   *attempt // nil outside of steps
	err    error    // of a Scope: the next durable call in it returns it
}

type frameKey struct{}

func withFrame(ctx context.Context, f *frame) context.Context {
	return context.WithValue(ctx, frameKey{}, f)
}

var errNoTask = errors.New("durable: the context is not that of a durable agent")

func frameOf(ctx context.Context) (*frame, error) {
	f, _ := ctx.Value(frameKey{}).(*frame)
	if f == nil {
		return nil, errNoTask
	}
	return f, nil
}

// full returns the full name of a name.
func (f *frame) full(name string) (string, error) {
	if err := checkName(name); err != nil {
		return "", fmt.Errorf("durable: %w", err)
	}
	full := join(f.prefix, name)
	if len(full) > MaxPath {
		return "", fmt.Errorf("durable: the full name of %.32q… has %d bytes: at most %d are allowed", name, len(full), MaxPath)
	}
	return full, nil
}

func join(prefix, name string) string {
	if prefix == "" {
		return name
	}
	return prefix + "/" + name
}

// Scope returns a context in which names are in a scope of their own, such as one for each
// iteration of a loop. A scope's name is used once, as others are: if it is not, the next durable
// call in the scope returns an error.
func Scope(ctx context.Context, name string) context.Context {
	f, err := frameOf(ctx)
	if err != nil {
		return ctx // the next durable call says so
	}
	next := *f
	switch {
	case next.err != nil:
	case f.step != nil:
		next.err = fmt.Errorf("durable: a scope is made inside of the step %q: a step cannot have durable calls inside", f.step.call.full)
	default:
		next.prefix, next.err = f.use(name)
	}
	return withFrame(ctx, &next)
}

// use returns the full name of a name that is used now.
func (f *frame) use(name string) (string, error) {
	full, err := f.full(name)
	if err != nil {
		return "", err
	}
	f.engine.mu.Lock()
	defer f.engine.mu.Unlock()
	return full, f.engine.use(full)
}

// Key returns a key of the step that ctx belongs to: 32 hexadecimal digits, the same in each
// attempt and in every run. A service that takes idempotency keys does with it a thing once. Outside
// of a step it is "".
func Key(ctx context.Context) string {
	if f, err := frameOf(ctx); err == nil && f.step != nil {
		return f.step.call.key()
	}
	return ""
}

// keyOf returns the key of a step.
func keyOf(id a2a.TaskID, full string) string {
	sum := sha256.Sum256([]byte("durable step\x00" + string(id) + "\x00" + full))
	return hex.EncodeToString(sum[:16])
}

// Attempt returns the number of the attempt of the step that ctx belongs to, from 1. Attempts that
// were cut off count. Outside of a step it is 0.
func Attempt(ctx context.Context) int {
	if f, err := frameOf(ctx); err == nil && f.step != nil {
		return f.step.number
	}
	return 0
}
