package e2e

import (
	_ "embed"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"a2alambda/localtest"
	"a2alambda/localtest/emulator"
)

// gate is where the tutorial's agent waits in its work until a test lets it go on. So a test can do
// what it wants to in the middle of a task, on a machine of any speed.
type gate struct {
	url  string
	open func()
}

// newGate returns a gate that lets the agent work no time after its first steps, and holds it after
// the step with this number, from 0, and after those that follow. It opens at the end of the test, too.
func newGate(t testing.TB, holds int) *gate {
	opened := make(chan struct{})
	g := &gate{open: sync.OnceFunc(func() { close(opened) })}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/")); err != nil || n < holds {
			return
		}
		select {
		case <-opened:
		case <-r.Context().Done(): // the instance was killed
		}
	}))
	t.Cleanup(server.Close)
	t.Cleanup(g.open)
	g.url = server.URL
	return g
}

//go:embed testdata/work.txt
var gatedWork []byte

// gateOverlay is the file for go build -overlay that has the agent wait at a gate.
var gateOverlay = sync.OnceValues(func() (string, error) {
	return emulator.Overlay("gate", map[string][]byte{"internal/demoagent/work.go": gatedWork})
})

// gated builds the function with an agent that waits at a gate.
func gated(t testing.TB, function string) (binary string) {
	t.Helper()
	overlay, err := gateOverlay()
	localtest.Must(t, err)
	binary, err = emulator.BuildVariant(t.Context(), emulator.Variant{Pkg: "a2alambda/functions/" + function, Overlay: overlay})
	localtest.Must(t, err)
	return binary
}
