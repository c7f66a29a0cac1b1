package durabletest

import (
	"context"
	"net/http"
	"time"

	"a2alambda/internal/durable"
)

// CallbackURL is the base URL of callbacks. See [World.Callbacks].
const CallbackURL = "http://callbacks.test/"

// Effect is something that the agent does outside, such as a request to a service, which takes some
// milliseconds. It is counted in the ledger by its name. If the process has died, it is not done.
func (w *World) Effect(ctx context.Context, name string) error {
	return w.Outside(ctx, name, func() error { return nil })
}

// Outside is like [World.Effect]: do is what happens outside, such as the request itself.
func (w *World) Outside(ctx context.Context, name string, do func() error) error {
	p, _ := ctx.Value(processKey{}).(*process)
	if p == nil {
		w.t.Errorf("%s is called with a context that is not the agent's", name)
		return errDead
	}
	if err := p.begin(name); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	w.mu.Lock()
	w.ledger[name]++
	if key := durable.Key(ctx); key != "" {
		if w.keys[name] == nil {
			w.keys[name] = map[string]bool{}
		}
		w.keys[name][key] = true
	}
	w.mu.Unlock()
	err := do()
	time.Sleep(5 * time.Millisecond)
	return p.done(name, true, err)
}

// Callbacks returns the handler of callbacks, in the process of the moment: it can be killed there,
// too.
func (w *World) Callbacks() http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		p := w.current
		w.mu.Unlock()
		p.callbacks.ServeHTTP(rw, r)
	})
}

// Cleanup calls f when the world has ended.
func (w *World) Cleanup(f func()) { w.t.Cleanup(f) }
