package durabletest

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"a2alambda/internal/tasklog"
)

// Real is [Test] over another store, with the real clock: open opens an empty one for each run. A
// task whose process is killed goes on when its lease has ended, so many runs are made at the same
// time, at most atOnce. Of the operations one in oneIn is tried with each fault, by the seed.
func Real(t *testing.T, c Case, open func(*testing.T) tasklog.Store, seed uint64, oneIn, atOnce int) {
	t.Helper()
	play := func(t *testing.T, fault Fault, op int) *World {
		own := c
		own.store = open(t)
		return play(t, own, fault, op, uint64(op))
	}
	first := play(t, None, 0)
	if t.Failed() {
		return
	}
	random := rand.New(rand.NewPCG(seed, 0))
	room := make(chan struct{}, atOnce)
	var runs sync.WaitGroup
	tried := 0
	for op := 1; op <= first.ops; op++ {
		for _, fault := range []Fault{Before, After, Unacknowledged} {
			if random.IntN(oneIn) > 0 {
				continue
			}
			tried++
			room <- struct{}{}
			runs.Go(func() {
				defer func() { <-room }()
				t.Run(fmt.Sprintf("%s %d", fault, op), func(t *testing.T) {
					compare(t, c, first, play(t, fault, op))
				})
			})
		}
	}
	runs.Wait()
	t.Logf("seed %d: %d of %d operations and faults", seed, tried, 3*first.ops)
}
