package durable_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/durable"
	"a2alambda/internal/durable/durabletest"
)

// effect returns a step's function with one effect.
func effect(w *durabletest.World, name string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		if err := w.Effect(ctx, name); err != nil {
			return "", err
		}
		return "did " + name, nil
	}
}

func chunk(t a2a.TaskInfoProvider, id a2a.ArtifactID, text string) *a2a.TaskArtifactUpdateEvent {
	e := a2a.NewArtifactUpdateEvent(t, id, a2a.NewTextPart(text))
	return e
}

func say(t a2a.TaskInfoProvider, text string) *a2a.TaskStatusUpdateEvent {
	return a2a.NewStatusUpdateEvent(t, a2a.TaskStateWorking, a2a.NewMessageForTask(a2a.MessageRoleAgent, t, a2a.NewTextPart(text)))
}

// everything is a program with all primitives that wait for nobody.
func everything(w *durabletest.World) durable.Func {
	return func(ctx context.Context, t *durable.Task) error {
		if err := durable.Yield(ctx, say(t, "begun")); err != nil {
			return err
		}
		first, err := durable.Do(ctx, "first", effect(w, "first"))
		if err != nil {
			return err
		}
		if err := durable.Yield(ctx, chunk(t, "report", first)); err != nil {
			return err
		}
		flaky, err := durable.Do(ctx, "flaky", func(ctx context.Context) (int, error) {
			if err := w.Effect(ctx, "flaky"); err != nil {
				return 0, err
			}
			if w.Ledger()["flaky"] < 3 {
				return 0, errors.New("busy")
			}
			return 7, nil
		}, durable.Retry(5, time.Second))
		if err != nil || flaky != 7 {
			return fmt.Errorf("flaky: %d, %w", flaky, err)
		}
		g := durable.NewGroup(ctx)
		for _, city := range []string{"rome", "paris"} {
			g.Go(city, func(ctx context.Context) error {
				if err := durable.Yield(ctx, say(t, "to "+city)); err != nil {
					return err
				}
				if _, err := durable.Do(ctx, "hotel", func(ctx context.Context) (string, error) {
					if err := durable.Yield(ctx, chunk(t, a2a.ArtifactID(city), "hotel in ")); err != nil {
						return "", err
					}
					if err := w.Effect(ctx, "hotel "+city); err != nil {
						return "", err
					}
					return "", durable.Yield(ctx, chunk(t, a2a.ArtifactID(city), city))
				}); err != nil {
					return err
				}
				if err := durable.Sleep(ctx, "nap", 3*time.Second); err != nil {
					return err
				}
				return durable.Yield(ctx, say(t, "slept in "+city))
			})
		}
		if err := g.Wait(); err != nil {
			return err
		}
		if err := durable.Sleep(ctx, "night", 8*time.Hour); err != nil {
			return err
		}
		_, err = durable.Do(ctx, "charge", effect(w, "charge"), durable.Once())
		if errors.Is(err, durable.ErrInterrupted) {
			_, err = durable.Do(ctx, "find the charge", effect(w, "find"))
		}
		if err != nil {
			return err
		}
		v, err := durable.Version(ctx, "change", 3)
		if err != nil || v != 3 {
			return fmt.Errorf("version %d, %w", v, err)
		}
		for i := range 2 {
			if _, err := durable.Do(durable.Scope(ctx, fmt.Sprint(i)), "last", effect(w, fmt.Sprint("last ", i))); err != nil {
				return err
			}
		}
		return durable.Yield(ctx, chunk(t, "report", "done"))
	}
}

// atLeast judges how often effects have happened: the given number, and once more if the process was
// killed there.
func atLeast(t *testing.T, w *durabletest.World, want map[string]int) {
	t.Helper()
	fault, struck := w.Fault()
	got := w.Ledger()
	for name, n := range want {
		most := n
		if fault == durabletest.After || fault == durabletest.Before {
			most++ // what is under way at that moment is done again
		}
		if got[name] < n || got[name] > most {
			t.Errorf("%s happened %d times, want %d to %d (%s %s)", name, got[name], n, most, fault, struck)
		}
	}
}

// TestCrash kills a program with all primitives at each operation.
func TestCrash(t *testing.T) {
	for _, invocation := range []time.Duration{0, 3 * time.Minute} {
		durabletest.Test(t, durabletest.Case{
			Agent: everything, Invocation: invocation,
			Check: func(t *testing.T, w *durabletest.World) {
				if w.State() != a2a.TaskStateCompleted {
					t.Errorf("the task is %s", w.State())
				}
				atLeast(t, w, map[string]int{"first": 1, "flaky": 3, "hotel rome": 1, "hotel paris": 1, "last 0": 1, "last 1": 1})
				ledger := w.Ledger()
				if ledger["charge"] > 1 || ledger["charge"]+ledger["find"] < 1 {
					t.Errorf("charged %d times, and asked %d times", ledger["charge"], ledger["find"])
				}
				for _, a := range w.Task().Artifacts {
					text := ""
					for _, p := range a.Parts {
						text += p.Text()
					}
					if a.ID == "rome" && text != "hotel in rome" || a.ID == "paris" && text != "hotel in paris" {
						t.Errorf("artifact %s is %q", a.ID, text)
					}
				}
				for _, name := range []string{"first", "flaky", "charge"} {
					if n := w.Keys(name); n > 1 {
						t.Errorf("%s had %d keys", name, n)
					}
				}
			},
		})
	}
}
