package chaos

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"a2alambda/localtest/emulator"
	"a2alambda/localtest/faults"
)

var (
	seedFlag = flag.Uint64("chaos.seed", 0, "decides what fails when; 0 for one by the clock, which is printed")
	duration = flag.Duration("chaos.duration", 12*time.Second, "how long things fail and new tasks begin")
	streams  = flag.Int("chaos.streams", usual, "tasks at a time")

	concurrency = flag.Int("chaos.concurrency", 0, "how many requests an instance has at once, as on Lambda Managed Instances, in TestChaos and TestEffects; 0 for the default kind")
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
//	go test ./localtest/chaos -run 'TestChaos$' -v -timeout 2h -chaos.duration 1h -chaos.seed 1
//	go test ./localtest/chaos -run 'TestChaos$' -v -timeout 2h -chaos.duration 1h -chaos.concurrency 256 -chaos.streams 200
func TestChaos(t *testing.T) {
	t.Parallel()
	chaos(t, config{concurrency: *concurrency})
}

// TestShared is TestChaos with instances that have many streams: the end of one cuts them all.
func TestShared(t *testing.T) {
	t.Parallel()
	chaos(t, config{concurrency: 64})
}

func chaos(t *testing.T, c config) {
	t.Helper()
	s, records := storm(t, c, (*system).use)
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
	c.streams = *streams
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
	ctx, cancel := context.WithTimeout(t.Context(), *duration+frozen+recovery)
	defer cancel()
	defer context.AfterFunc(ctx, calm)()
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
	m := monkey{breaks: s.takeovers.Breaks, pauses: 1}
	freezes := functions[1:] // the first one's instances die at their deadlines while they are frozen
	if c.concurrency > 0 {
		// Each has more to bring back when it has lost an instance.
		m.pauses, freezes = time.Duration(2+c.streams/usual), functions
		m.many = c.streams / 8
	}
	m.each.Add(3)
	time.AfterFunc(*duration, func() { // or later: on a slow machine, it takes longer until there is something to break
		m.each.Wait()
		calm()
	})
	failing.Go(func() { m.kill(chaos, source(2), functions...) })
	failing.Go(func() { m.freeze(chaos, source(3), freezes...) })
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
	if c.concurrency > 0 {
		t.Logf("the end of one instance cut up to %d invocations, those of all instances %d", m.most, m.cut)
	}
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
	if m.killed == 0 || m.terminated == 0 || m.frozen == 0 || m.most < m.many {
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
			slow:   s.slow,
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
	breaks func(instance string)
	pauses time.Duration  // each so many times as long
	many   int            // invocations that one of the instances that it kills, and of those that it terminates, shall have
	each   sync.WaitGroup // done three times: when it has killed, terminated and frozen one

	killed, terminated, frozen int
	cut, most                  int // invocations of the instances that it has ended: all, and most of one
}

// pick returns a busy instance of one of the functions.
func pick(random *rand.Rand, functions []*emulator.Emulator) (f *emulator.Emulator, i emulator.Instance, err error) {
	f = functions[random.IntN(len(functions))]
	busy := slices.DeleteFunc(f.Instances(), func(i emulator.Instance) bool { return i.State != emulator.Busy })
	if len(busy) == 0 {
		return nil, i, errors.New("none is busy")
	}
	return f, busy[random.IntN(len(busy))], nil
}

// kill ends instances, some of them with a signal before.
func (m *monkey) kill(ctx context.Context, random *rand.Rand, functions ...*emulator.Emulator) {
	done := map[*int]bool{}
	for {
		select {
		case <-time.After(m.pauses * (500*time.Millisecond + time.Duration(random.Int64N(int64(time.Second))))):
		case <-ctx.Done():
			return
		}
		f, i, err := pick(random, functions)
		if err != nil {
			continue
		}
		m.breaks(i.ID)
		end, count := f.Kill, &m.killed
		if m.terminated < m.killed {
			end, count = f.Terminate, &m.terminated
		}
		if end(i.ID) != nil {
			continue // it has ended by itself
		}
		*count++
		m.cut, m.most = m.cut+i.Invocations, max(m.most, i.Invocations)
		if !done[count] && i.Invocations >= m.many {
			done[count] = true
			m.each.Done()
		}
	}
}

// freeze freezes instances until ctx is done, and returns when all are thawed or dead.
func (m *monkey) freeze(ctx context.Context, random *rand.Rand, functions ...*emulator.Emulator) {
	var thaw sync.WaitGroup
	defer thaw.Wait()
	for {
		select {
		case <-time.After(m.pauses * (time.Second + time.Duration(random.Int64N(int64(2*time.Second))))):
		case <-ctx.Done():
			return
		}
		f, i, err := pick(random, functions)
		if err != nil {
			continue
		}
		m.breaks(i.ID)
		if f.Freeze(i.ID) != nil {
			continue
		}
		if m.frozen++; m.frozen == 1 {
			m.each.Done()
		}
		lasts := frozen
		if random.IntN(2) == 0 {
			lasts = nap/2 + time.Duration(random.Int64N(int64(nap/2)))
		}
		thaw.Go(func() {
			time.Sleep(lasts)
			f.Thaw(i.ID) // fails if it was killed
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
