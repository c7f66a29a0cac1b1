// Command outside kills instances of the deployed system, on this machine, while clients follow
// tasks. It looks at the system from outside, as clients do. Run it in the repository, on Linux, on a
// machine that does nothing else:
//
//	go run ./localtest/outside
//
// The functions are those that are deployed, on emulated Lambda and DynamoDB Local. They host the
// Bedrock agent, whose model (model.go) says ten tokens a second. Six users (-users) (user.go) each follow
// one task after the other, in both versions of A2A and over both bindings (way.go). Each 0.5 to 2.5
// seconds one instance that is at work is killed (kill.go), be it the one that runs the task, one
// that follows it, or a worker; one of four gets SIGTERM before. A user whose stream is cut comes
// back within a second: half of them with Last-Event-ID, half without, as SDKs do. They subscribe
// anew, or send their message again.
//
// With -concurrency, an instance has many streams, as on Lambda Managed Instances, and one kill ends
// them all: go run ./localtest/outside -concurrency 256 -users 200.
//
// In the end, each stream that a user has read is compared with a replay of the whole log
// (replay.go): no gap, no double, the same order, the same ids, the same bytes; and each answer has
// each token once. A difference is a violation, and the exit status 1.
//
// It prints how long it took from a kill to the next event that was made after it, at the user
// whose stream or run was hit (hit.go). That depends on the machine: it is no violation if it takes
// longer than the goal, unless -goal says so. It also counts the holders of tasks that were taken for
// dead, by what the functions log.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

type config struct {
	duration time.Duration
	seed     uint64
	users    int
	goal     bool
	log      string // file; "" for a temporary one

	// concurrency is how many requests an instance has at once. 0 is Lambda's default kind.
	concurrency int
}

// slower is how many times as long things take with so many users, because of the machine.
func (c config) slower() time.Duration { return time.Duration(max(1, c.users/manyUsers)) }

// pace is the time from one token to the next.
func (c config) pace() time.Duration { return tokenEvery * c.slower() }

const (
	goalP50 = 3 * time.Second
	goalP99 = 6 * time.Second

	// patience is how long after the last kill the last task may end.
	patience = 3 * time.Minute
)

func main() {
	c := config{users: 6}
	flag.DurationVar(&c.duration, "duration", time.Minute, "how long instances are killed and new tasks begin")
	flag.Uint64Var(&c.seed, "seed", 0, "decides what is killed when; 0 for one by the clock, which is printed")
	flag.BoolVar(&c.goal, "goal", false, fmt.Sprintf("fail if the times after SIGKILL exceed the goal: p50 %v, p99 %v", goalP50, goalP99))
	flag.IntVar(&c.users, "users", c.users, "how many there are; beyond 20, the model is slower, and fewer instances are killed")
	flag.IntVar(&c.concurrency, "concurrency", 0, "how many requests an instance has at once, as on Lambda Managed Instances; 0 for the default kind")
	flag.StringVar(&c.log, "log", "", "write what the functions print to this `file`, instead of one that is kept only after a violation")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	c.seed = cmp.Or(c.seed, uint64(time.Now().UnixNano()))
	if err := run(ctx, c, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "outside:", err)
		stop()
		os.Exit(1)
	}
}

// run returns an error if there was a violation.
func run(ctx context.Context, c config, out io.Writer) (err error) {
	fmt.Fprintf(out, "-seed %d -duration %v -users %d -concurrency %d, on %d CPUs with a load of %s\n", c.seed, c.duration, c.users, c.concurrency, runtime.NumCPU(), load())
	s, err := open(ctx, c)
	if err != nil {
		return err
	}
	defer func() {
		s.close()
		if err == nil && c.log == "" {
			os.Remove(s.log.Name())
		} else if err != nil {
			err = fmt.Errorf("%w\nwhat the functions printed is in %s", err, s.log.Name())
		}
	}()
	r := &report{out: out}
	killing, calm := context.WithTimeout(ctx, c.duration)
	defer calm()
	patient, cancel := context.WithTimeout(ctx, c.duration+patience)
	defer cancel()
	source := func(n uint64) *rand.Rand { return rand.New(rand.NewPCG(c.seed, n)) }
	k := &killer{system: s, random: source(1), pauses: time.Duration(max(1, c.users/usersEach))}
	for n := range c.users {
		k.users = append(k.users, &user{
			name: fmt.Sprint("user ", n+1), url: s.url, remembers: n%2 == 0, pace: c.pace(), random: source(100 + uint64(n)), complain: r.complain,
		})
	}
	go s.sweep(patient)
	var users sync.WaitGroup
	for n, u := range k.users {
		users.Go(func() {
			for i := 0; killing.Err() == nil; i++ {
				r.add(u.follow(patient, &ways[(n/2+i)%len(ways)], fmt.Sprintf("message-%d-%d", n, i)))
			}
		})
	}
	k.kill(killing)
	users.Wait()
	if err := ctx.Err(); err != nil {
		return err
	}
	fmt.Fprintf(out, "%d tasks; %d instances killed and %d terminated, of which %d ran a task\n", len(r.views), k.killed, k.terminated, k.runs)
	r.check(ctx, &replays{s.url})
	var hits []*hit
	late := 0
	for _, u := range k.users {
		hits, late = append(hits, u.healed...), late+u.late
	}
	r.times(hits)
	fmt.Fprintf(out, "%d more kills hit users whose task had just ended.\n", late)
	fmt.Fprintf(out, "%v.\n", s.takeovers)
	fmt.Fprintf(out, "An instance took %v to start (p50; p99 %v). The load is now %s.\n",
		s.starts.at(0.5).Round(time.Millisecond), s.starts.at(0.99).Round(time.Millisecond), load())
	return r.err(c.goal)
}

// load returns the machine's load averages.
func load() string {
	data, _ := os.ReadFile("/proc/loadavg")
	return strings.Join(strings.Fields(string(data))[:3], " ")
}
