package chaos

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"a2alambda/localtest/faults"
)

var hotDuration = flag.Duration("chaos.hot", 6*time.Second, "how long hot keys refuse what is too much for them, and new tasks begin")

// TestHotKeys has many clients of one owner begin several times as many tasks as two kinds of keys
// can take: the keys of the owner's list, and the keys of the unfinished tasks. Clients learn that
// the store is busy, and try again. Each accepted task ends, and two minutes after the last one has
// begun, no task is unfinished.
//
//	go test ./localtest/chaos -run HotKeys -v -timeout 2h -chaos.hot 1h -chaos.seed 1
func TestHotKeys(t *testing.T) {
	t.Parallel()
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("-chaos.seed %d", seed)
	s := start(t, config{seed: seed, timeout: 30 * time.Second})
	bucket := new(faults.Bucket)
	bucket.Set(
		faults.Index{Key: "li", Others: []string{"po", "s", "ctx", "x"}, Rate: 2},
		faults.Index{Key: "run", Others: []string{"cr"}, Rate: 2},
	)
	for _, p := range []*faults.Proxy{s.agentDB, s.workersDB} {
		p.Limit(bucket)
	}
	load, stop := context.WithTimeout(t.Context(), *hotDuration)
	defer stop()
	ctx, cancel := context.WithTimeout(t.Context(), *hotDuration+recovery)
	defer cancel()
	go s.sweep(ctx)
	var mu sync.Mutex
	var records []*record
	var users sync.WaitGroup
	for n := range *streams {
		random := rand.New(rand.NewPCG(seed, 100+uint64(n)))
		users.Go(func() {
			for i := 0; load.Err() == nil; i++ {
				r := &record{name: fmt.Sprintf("hot-%d-%d", n, i), hot: true}
				mu.Lock()
				records = append(records, r)
				mu.Unlock()
				s.use(ctx, r, []int{0, 0, 5, 6, 7}[(n+i)%5], random)
			}
		})
	}
	<-load.Done()
	end := time.Now()
	users.Wait()
	within, done := context.WithDeadline(ctx, end.Add(2*time.Minute))
	defer done()
	settled := s.settle(within)
	t.Logf("none was unfinished %v after the load had ended", time.Since(end).Round(time.Second))
	cancel()
	s.close()
	if settled != nil {
		t.Error(settled)
	} else if err := s.list(t.Context(), records); err != nil {
		t.Error(err)
	}
	told := 0
	for _, r := range records {
		r.reading.Wait()
		told += r.busy
	}
	s.checkAll(t, records)
	t.Logf("%d tasks; %d writes refused, of which clients were told %d times", len(records), bucket.Refused(), told)
	if bucket.Refused() == 0 { // how many depends on the machine
		t.Error("no key was hot")
	}
}
