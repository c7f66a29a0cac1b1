package memory_test

import (
	"errors"
	"math"
	"runtime/debug"
	"testing"

	"a2alambda/internal/memory"
)

const mb = 1 << 20

func TestAccounts(t *testing.T) {
	before := debug.SetMemoryLimit(148 * mb) // 100 MB for accounts
	defer debug.SetMemoryLimit(before)
	one, a := memory.Open(t.Context())
	two, b := memory.Open(t.Context())
	check := func(what string, err, want error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", what, err, want)
		}
	}
	check("60 MB", memory.Charge(one, "a", 60*mb), nil)
	check("60 MB more, of another", memory.Charge(two, "a", 60*mb), memory.ErrFull)
	check("40 MB more, of another", memory.Charge(two, "a", 40*mb), nil)
	check("the same again", memory.Charge(two, "a", 40*mb), nil)
	check("one more byte", memory.Charge(one, "b", 1), memory.ErrFull)
	check("100 MB without an account", memory.Charge(t.Context(), "a", 100*mb), nil)
	check("101 MB without an account", memory.Charge(t.Context(), "a", 101*mb), memory.ErrFull)
	a.Close()
	check("60 MB, when they were given back", memory.Charge(two, "a", 60*mb), nil)
	b.Close()
	b.Close()
	two, b = memory.Open(t.Context())
	check("10 MB of another", memory.Charge(two, "a", 10*mb), nil)
	one, a = memory.Open(t.Context())
	check("growing to 90 MB", memory.Grow(one, "a", 90*mb), nil)
	check("growing to 91 MB", memory.Grow(one, "a", 91*mb), memory.ErrFull)
	b.Close()
	check("growing alone", memory.Grow(one, "a", 300*mb), nil)
	check("one byte of another meanwhile", memory.Charge(t.Context(), "a", 1), nil)
	two, b = memory.Open(t.Context())
	check("one byte of another meanwhile, in an account", memory.Charge(two, "a", 1), memory.ErrFull)
	b.Close()
	a.Close()
	debug.SetMemoryLimit(math.MaxInt64)
	ctx, c := memory.Open(t.Context())
	defer c.Close()
	check("anything without a limit", memory.Charge(ctx, "a", 1<<40), nil)
}
