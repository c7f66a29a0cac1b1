package emulator_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"a2alambda/localtest/emulator"
)

func TestObserver(t *testing.T) {
	var mu sync.Mutex
	var seen []emulator.Observation
	f := start(t, emulator.Config{Observer: func(o emulator.Observation) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, o)
	}})
	g := newGate(t)
	response := f.get(t, g.path())
	line(t, response.Body)
	g.pass(t, http.StatusOK)
	line(t, response.Body)
	g.pass(t, http.StatusNoContent)
	if _, err := io.ReadAll(response.Body); err != nil {
		t.Fatal(err)
	}
	first := f.Instances()[0]
	response = f.get(t, "/fail?how=hang&first=x")
	if _, err := io.ReadFull(response.Body, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	must(t, f.Kill(first.ID))
	_, _ = io.ReadAll(response.Body) // the cut comes after the observer's call

	mu.Lock()
	defer mu.Unlock()
	var got []string
	for i, o := range seen {
		if o.PID != first.PID || o.Instance != first.ID || i > 0 && o.At.Before(seen[i-1].At) {
			t.Errorf("%+v is not of instance %+v, or too early", o, first)
		}
		if (o.Request == "") != (o.Moment == emulator.Started || o.Moment == emulator.Asked) {
			t.Errorf("%+v has the request %q", o, o.Request)
		}
		got = append(got, string(o.Moment)+strings.TrimSuffix(fmt.Sprintf(" %d", o.Bytes), " 0"))
	}
	const want = "started, asked, delivered, begun, chunk 7, chunk 7, ended, asked, delivered, begun, chunk 1, ended"
	if all := strings.Join(got, ", "); all != want {
		t.Fatalf("it was told of %s, want %s", all, want)
	}
	took := seen[6].At.Sub(seen[2].At) + seen[1].At.Sub(seen[0].At) // with the initialization
	if end := seen[6]; end.Err != nil || end.Billed < took-time.Millisecond || end.Billed > took+time.Millisecond || end.Billed%time.Millisecond != 0 {
		t.Errorf("billed are %v of %v, %v", end.Billed, took, end.Err)
	}
	took = seen[11].At.Sub(seen[8].At)
	if end := seen[11]; end.Err == nil || end.Billed < took-time.Millisecond || end.Billed > took+time.Millisecond {
		t.Errorf("billed are %v of %v, with the error %v", end.Billed, took, end.Err)
	}
}
