package durable_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/durable"
	"a2alambda/internal/durable/durabletest"
	"a2alambda/internal/run"
)

// entries are entries of each kind.
var entries = []string{
	`{"k":"done","y":"do","n":"a","t":1,"a":1,"d":5,"r":{"x":1},"p":{"c":1,"h":18446744073709551615},"s":3,"g":{"":{"c":1,"h":7}},"w":{"art":"a#1"}}`,
	`{"k":"failed","y":"once","n":"a/b","b":"a","t":1,"e":{"x":"no","c":"interrupted"}}`,
	`{"k":"began","y":"once","n":"a","t":1,"a":2}`,
	`{"k":"tried","y":"do","n":"a","t":1,"a":2,"u":9,"e":{"x":"busy"}}`,
	`{"k":"cut","y":"do","n":"a","t":1,"a":2}`,
	`{"k":"waits","y":"sleep","n":"a","t":1,"u":99}`,
	`{"k":"noted","y":"call","n":"a","t":1,"m":{"task":"x"}}`,
	`{"k":"canceled","y":"ask","n":"a","t":1,"u":3}`,
	`{"k":"parked","t":1,"u":3,"x":{"step":"a","expected":"b","got":"c","code":"7"}}`,
	`{"k":"again","y":"do","n":"a","t":1,"a":2,"o":"ann","i":3}`,
	`{"k":"done","y":"do","n":"a","t":1,"r":{"x":1},"l":true,"o":"ann","i":3}`,
	`{"k":"operated","n":"a/b","t":1,"m":"answer","o":"ann"}`,
}

// FuzzDecode: what is decoded is an entry that this package makes, and is encoded as the same.
func FuzzDecode(f *testing.F) {
	for _, e := range entries {
		f.Add([]byte(e))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := durable.Decode(data)
		if err != nil {
			return
		}
		again, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		e2, err := durable.Decode(again)
		if err != nil {
			t.Fatalf("%s → %s: %v", data, again, err)
		}
		if last, _ := json.Marshal(e2); !bytes.Equal(last, again) {
			t.Errorf("%s → %s → %s", data, again, last)
		}
	})
}

// TestDecode decodes an entry of each kind to the byte, and refuses what nobody makes.
func TestDecode(t *testing.T) {
	for _, text := range entries {
		e, err := durable.Decode([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if again, _ := json.Marshal(e); len(again) != len(text) {
			t.Errorf("%s is encoded as %s", text, again)
		}
	}
	for _, text := range []string{
		``, `{}`, `[]`, `null`, `{"k":"done"}`, `{"k":"new","y":"do","n":"a","t":1}`, `{"k":"done","y":"do","n":"","t":1}`,
		`{"k":"done","y":"x","n":"a","t":1}`, `{"k":"done","y":"do","n":"a//b","t":1}`, `{"k":"done","y":"do","n":"a","b":"c","t":1}`,
		`{"k":"failed","y":"do","n":"a","t":1}`, `{"k":"parked","t":1}`, `{"k":"done","y":"do","n":"a","t":1,"z":1}`,
		`{"k":"done","y":"do","n":"a","t":1,"a":-1}`,
		`{"k":"again","y":"do","n":"a","t":1}`, `{"k":"operated","t":1,"m":"wake"}`, `{"k":"operated","n":"a//b","t":1,"o":"ann"}`,
		`{"k":"operated","y":"do","n":"a","t":1,"o":"ann"}`, `{"k":"done","y":"do","n":"a","t":1,"i":-1}`, `{"k":"done","y":"do","n":"a","t":1}{}`,
		`{"k":"done","y":"do","n":"` + strings.Repeat("x", 129) + `","t":1}`,
	} {
		if e, err := durable.Decode([]byte(text)); err == nil {
			t.Errorf("%s is decoded as %+v", text, e)
		}
	}
}

// TestSmall: the entry of a silent step takes little more than its result.
func TestSmall(t *testing.T) {
	one(t, func(w *durabletest.World) durable.Func {
		return func(ctx context.Context, _ *durable.Task) error {
			for i := range 3 {
				if _, err := durable.Do(ctx, fmt.Sprint("step ", i), func(context.Context) (string, error) { return "result", nil }); err != nil {
					return err
				}
			}
			return nil
		}
	}, func(w *durabletest.World) {
		w.Begin("hello")
		ends(t, w, a2a.TaskStateCompleted)
		for _, e := range w.Entries() {
			if data, _ := json.Marshal(e); len(data) > 100 {
				t.Errorf("%d bytes: %s", len(data), data)
			}
		}
	})
}

// TestLong replays a journal of 10,000 entries.
func TestLong(t *testing.T) {
	const n = 9998
	runs := 0
	w := durabletest.Run(t, durabletest.Case{Agent: func(w *durabletest.World) durable.Func {
		return func(ctx context.Context, _ *durable.Task) error {
			runs++
			for i := range n {
				got, err := durable.Do(ctx, fmt.Sprint(i), func(context.Context) (int, error) { return i, nil })
				if err != nil || got != i {
					return fmt.Errorf("step %d: %d, %w", i, got, err)
				}
			}
			if err := durable.Sleep(ctx, "night", 8*time.Hour); err != nil {
				return err
			}
			return durable.Sleep(ctx, "another", 8*time.Hour)
		}
	}, Script: func(w *durabletest.World) {
		w.Begin("hello")
		ends(t, w, a2a.TaskStateCompleted)
	}, Journal: run.JournalConfig{MaxEntries: durable.MaxEntries}})
	if runs != 3 || w.State() != a2a.TaskStateCompleted {
		t.Errorf("%d runs, %s", runs, w.State())
	}
}

// TestWarning logs when a journal is half full.
func TestWarning(t *testing.T) {
	durabletest.Run(t, durabletest.Case{Agent: func(w *durabletest.World) durable.Func {
		return func(ctx context.Context, _ *durable.Task) error {
			for i := range 12 {
				if _, err := durable.Do(ctx, fmt.Sprint(i), func(context.Context) (int, error) { return i, nil }); err != nil {
					return err
				}
			}
			return nil
		}
	}, Script: func(w *durabletest.World) {
		w.Begin("hello")
		ends(t, w, a2a.TaskStateCompleted)
		if n := strings.Count(w.Log.String(), "half full"); n != 1 {
			t.Errorf("said %d times\n%s", n, w.Log.String())
		}
	}, Journal: run.JournalConfig{MaxEntries: 20}})
}

// TestLimit refuses more entries than a journal has room for, in words.
func TestLimit(t *testing.T) {
	durabletest.Run(t, durabletest.Case{Agent: func(w *durabletest.World) durable.Func {
		return func(ctx context.Context, _ *durable.Task) error {
			for i := range 30 {
				if _, err := durable.Do(ctx, fmt.Sprint(i), effect(w, "work")); err != nil {
					if !strings.Contains(err.Error(), "20 entries at most") || i != 20 {
						t.Errorf("step %d: %v", i, err)
					}
					return err
				}
			}
			return nil
		}
	}, Script: func(w *durabletest.World) {
		w.Begin("hello")
		ends(t, w, a2a.TaskStateFailed)
		if w.Ledger()["work"] != 20 {
			t.Errorf("%v", w.Ledger())
		}
	}, Journal: run.JournalConfig{MaxEntries: 20}})
}

// TestLargeJournal refuses more bytes than a journal has room for.
func TestLargeJournal(t *testing.T) {
	one(t, func(w *durabletest.World) durable.Func {
		return func(ctx context.Context, _ *durable.Task) error {
			for i := range 10 {
				big, err := durable.Do(ctx, fmt.Sprint(i), func(context.Context) (string, error) { return strings.Repeat("x", 9<<20), nil })
				if err != nil {
					if i != 4 || !strings.Contains(err.Error(), "32 MB at most") {
						t.Errorf("step %d: %v", i, err)
					}
					return nil
				}
				if len(big) != 9<<20 {
					t.Errorf("step %d: %d bytes", i, len(big))
				}
			}
			return nil
		}
	}, func(w *durabletest.World) {
		w.Begin("hello")
		ends(t, w, a2a.TaskStateCompleted)
	})
}

// TestFullJournal has room to undo what was done.
func TestFullJournal(t *testing.T) {
	durabletest.Run(t, durabletest.Case{Journal: run.JournalConfig{MaxEntries: 2}, Agent: func(w *durabletest.World) durable.Func {
		return func(ctx context.Context, _ *durable.Task) error {
			if _, err := durable.Do(ctx, "buy", effect(w, "buy")); err != nil {
				return err
			}
			err := durable.Sleep(ctx, "night", 8*time.Hour)
			if errors.Is(err, durable.ErrCanceled) {
				_, err = durable.Do(ctx, "give back", effect(w, "give back"))
			}
			return err
		}
	}, Script: func(w *durabletest.World) {
		w.Begin("hello")
		time.Sleep(time.Minute)
		w.Cancel()
		ends(t, w, a2a.TaskStateCanceled)
		if w.Ledger()["give back"] != 1 {
			t.Errorf("not undone\n%s", w.Story())
		}
	}})
}
