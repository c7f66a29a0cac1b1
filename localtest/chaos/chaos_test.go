package chaos

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"a2alambda/localtest/emulator"
	"a2alambda/localtest/faults"
)

var (
	seedFlag = flag.Uint64("chaos.seed", 0, "decides what fails when; 0 for one by the clock, which is printed")
	duration = flag.Duration("chaos.duration", 12*time.Second, "how long things fail and new tasks begin")
	streams  = flag.Int("chaos.streams", 24, "tasks at a time")
)

const (
	// frozen is the longest time that an instance is frozen: more than a lease, so another takes over
	// its task. Half of them are frozen for half as long as nap at least, and nap at most: then they
	// wake up with a lease that has not ended, and may have been taken from them.
	frozen = 17 * time.Second
	nap    = 4 * time.Second

	// recovery is how long after the chaos the last task may end: a lease, a whole task, and
	// several times that for a busy machine.
	recovery = 3 * time.Minute
)

func TestMain(m *testing.M) {
	flag.Parse()
	// These tests wait more than they compute, so more of them run than there are processors.
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// TestChaos has many clients stream tasks from several functions. Meanwhile instances are killed,
// terminated, frozen and run out of time, DynamoDB fails, and events for the worker are lost or come twice.
// Clients whose streams are cut or silent come back at once, and doubt whoever holds their task. In
// the end every task has ended, and all clients have seen the same.
//
//	go test ./localtest/chaos -run Chaos -v -timeout 2h -chaos.duration 1h -chaos.seed 1
func TestChaos(t *testing.T) {
	t.Parallel()
	s, records := storm(t, config{}, (*system).use)
	s.checkAll(t, records)
	sessions, frames := 0, 0
	for _, r := range records {
		sessions += len(r.sessions)
		for _, one := range r.sessions {
			frames += len(one.Frames)
		}
	}
	t.Logf("%d frames in %d streams", frames, sessions)
	if frames < 1000 {
		t.Error("this was no chaos")
	}
}

// storm has users begin tasks while everything fails, and returns when all tasks have ended, with
// what the users have seen. use is what the users of one task do.
func storm(t *testing.T, c config, use func(*system, context.Context, *record, int, *rand.Rand)) (*system, []*record) {
	t.Helper()
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("-chaos.seed %d", seed)
	source := func(stream uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, stream)) }

	chaos, calm := context.WithCancel(t.Context())
	t.Cleanup(calm)
	lottery := locked(source(1))
	c.seed, c.timeout, c.deliver = seed, 11*time.Second, func(e emulator.Event) int {
		if e.Function != "worker" || chaos.Err() != nil {
			return 1
		}
		return []int{0, 2, 1, 1, 1, 1}[lottery(6)]
	}
	s := start(t, c)
	for _, p := range []*faults.Proxy{s.agentDB, s.workersDB} {
		p.Set(faults.Rates{Throttle: 0.02, Fail: 0.02, Lose: 0.02, Late: 0.03})
	}
	begun := time.Now()
	time.AfterFunc(*duration, calm)

	ctx, cancel := context.WithTimeout(t.Context(), *duration+frozen+recovery)
	defer cancel()
	var records []*record
	var mu sync.Mutex
	var users, failing sync.WaitGroup
	for n := range *streams {
		random := source(100 + uint64(n))
		users.Go(func() {
			for i := 0; chaos.Err() == nil && ctx.Err() == nil; i++ {
				r := &record{name: fmt.Sprintf("message-%d-%d", n, i)}
				mu.Lock()
				records = append(records, r)
				mu.Unlock()
				use(s, ctx, r, (n+i)%8, random)
			}
		})
	}
	sweeping, stopSweeping := context.WithCancel(ctx)
	defer stopSweeping()
	go s.sweep(sweeping)
	functions := []*emulator.Emulator{s.Agent, s.second, s.Worker}
	if s.Callback != nil {
		functions = append(functions, s.Callback)
	}
	m := monkey{breaks: s.takeovers.Breaks}
	failing.Go(func() { m.kill(chaos, source(2), functions...) })
	failing.Go(func() { m.freeze(chaos, source(3), functions[1:]...) })
	failing.Wait() // until the last one is thawed
	for _, p := range []*faults.Proxy{s.agentDB, s.workersDB} {
		p.Set(faults.Rates{})
	}
	end := time.Now()
	users.Wait()
	settled := s.settle(ctx)
	t.Logf("%d tasks in %v; all had ended %v after the last fault", len(records), end.Sub(begun).Round(time.Second), time.Since(end).Round(time.Second))
	t.Logf("%d instances killed, %d terminated, %d frozen; DynamoDB: %+v and %+v", m.killed, m.terminated, m.frozen, s.agentDB.Counts(), s.workersDB.Counts())
	t.Log(s.takeovers)
	stopSweeping()
	s.close() // ends the streams that are still silent
	if settled != nil {
		t.Error(settled)
	} else if err := s.list(t.Context(), records); err != nil {
		t.Error(err)
	}
	for _, r := range records {
		r.reading.Wait()
	}
	if m.killed == 0 || m.terminated == 0 || m.frozen == 0 {
		t.Error("this was no chaos")
	}
	return s, records
}

// use is what the users of one task do. kind selects them.
func (s *system) use(ctx context.Context, r *record, kind int, random *rand.Rand) {
	var group sync.WaitGroup
	user := func(name string, do func(*client)) {
		c := &client{
			record: r,
			name:   r.name + " " + name,
			urls:   []string{s.agent, s.agent, s.other},
			random: rand.New(rand.NewPCG(random.Uint64(), 0)),
			answer: "this",
		}
		c.forgets = c.random.IntN(2) == 0
		group.Go(func() {
			do(c)
			if ctx.Err() != nil {
				c.complain(fmt.Errorf("%s: has not seen the end, but event %d, %s", c.name, c.last, c.state))
			}
		})
	}
	const text = "chaos"
	switch kind {
	case 0, 1, 2:
		user("sender", func(c *client) { c.streams(ctx, text, false) })
	case 3:
		user("sender", func(c *client) { c.streams(ctx, text, false) })
		user("the same sender", func(c *client) { c.streams(ctx, text, false) })
	case 4:
		user("sender", func(c *client) { c.streams(ctx, "", false) })
		user("watcher", func(c *client) { c.streams(ctx, "", true) })
	case 5:
		user("impatient sender", func(c *client) { c.sends(ctx, text, `"returnImmediately":true`) })
		user("watcher", func(c *client) { c.streams(ctx, text, true) })
	case 6:
		user("patient sender", func(c *client) { c.sends(ctx, text, "") })
		user("reader", func(c *client) { c.gets(ctx) })
	case 7:
		after := time.Duration(random.Int64N(int64(6 * time.Second)))
		user("sender", func(c *client) { c.streams(ctx, text, false) })
		user("watcher", func(c *client) { c.streams(ctx, text, true) })
		user("canceler", func(c *client) { c.cancels(ctx, after) })
	}
	group.Wait()
}

// monkey breaks instances.
type monkey struct {
	breaks                     func(instance string)
	killed, terminated, frozen int
}

// pick returns a busy instance of one of the functions.
func pick(random *rand.Rand, functions []*emulator.Emulator) (f *emulator.Emulator, id string, err error) {
	f = functions[random.IntN(len(functions))]
	busy := f.Busy()
	if len(busy) == 0 {
		return nil, "", errors.New("none is busy")
	}
	return f, busy[random.IntN(len(busy))], nil
}

// kill ends instances, some of them with a signal before.
func (m *monkey) kill(ctx context.Context, random *rand.Rand, functions ...*emulator.Emulator) {
	for {
		select {
		case <-time.After(500*time.Millisecond + time.Duration(random.Int64N(int64(time.Second)))):
		case <-ctx.Done():
			return
		}
		f, id, err := pick(random, functions)
		if err != nil {
			continue
		}
		m.breaks(id)
		switch {
		case m.terminated < m.killed:
			if f.Terminate(id) == nil {
				m.terminated++
			}
		case f.Kill(id) == nil:
			m.killed++
		}
	}
}

// freeze freezes instances until ctx is done, and returns when all are thawed or dead.
func (m *monkey) freeze(ctx context.Context, random *rand.Rand, functions ...*emulator.Emulator) {
	var thaw sync.WaitGroup
	defer thaw.Wait()
	for {
		select {
		case <-time.After(time.Second + time.Duration(random.Int64N(int64(2*time.Second)))):
		case <-ctx.Done():
			return
		}
		f, id, err := pick(random, functions)
		if err != nil {
			continue
		}
		m.breaks(id)
		if f.Freeze(id) != nil {
			continue
		}
		m.frozen++
		lasts := frozen
		if random.IntN(2) == 0 {
			lasts = nap/2 + time.Duration(random.Int64N(int64(nap/2)))
		}
		thaw.Go(func() {
			time.Sleep(lasts)
			f.Thaw(id) // fails if it was killed
		})
	}
}

// locked makes random numbers below n, for several goroutines.
func locked(random *rand.Rand) func(n int) int {
	var mu sync.Mutex
	return func(n int) int {
		mu.Lock()
		defer mu.Unlock()
		return random.IntN(n)
	}
}
