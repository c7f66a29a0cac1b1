package main

import (
	"context"
	_ "embed"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"a2alambda/localtest"
	"a2alambda/localtest/dynamodblocal"
	"a2alambda/localtest/emulator"
)

// measurement is a part of the benchmark. It adds samples to a section, and says what they are.
type measurement struct {
	name string
	run  func(context.Context, *bench, *section) error
}

// measurements are in the order of the report.
var measurements = []measurement{
	{"first", measureFirst},
	{"length", measureLength},
	{"tokens", measureTokens},
	{"fair", measureFair},
	{"elsewhere", measureElsewhere},
	{"recovery", measureRecovery},
	{"cold", measureCold},
	{"page", measurePage},
	{"cost", measureCost},
	{"memory", measureMemory},
	{"dense", measureDense},
	{"drain", measureDrain},
}

// effort says how much is measured.
type effort struct {
	name string
	// rounds is how often all systems are measured in turn; a round has this many short streams.
	rounds, streams int
	// clients are the numbers of streams at once, beginning with 1.
	clients []int
	// lengths are how many events the long streams have.
	lengths []int
	// patience is how long a stream may take. A system that takes longer is left out from then on.
	patience time.Duration
	tokens   int
	// beside is how many streams one process has beside heavy work.
	beside int
	// pageChunks is how many chunks the page gets as they are made, pageReplayed how many at once.
	pageChunks, pageReplayed int
	resumes                  int
	// cutOffs is how many runs are taken over at the same time. Each waits until somebody notices.
	cutOffs int
	// dense are the numbers of streams at once in one process. The first is also that of instances with one each.
	dense []int
	// drains are the numbers of streams, half of them with a run, in a process that ends.
	drains []int
	// sizes are the functions' memory sizes in MB. Each function starts cold, and is invoked, colds
	// times at each; the tutorial's task, which takes three seconds, runs fewer times.
	sizes            []int
	colds, tutorials int
}

var (
	full = effort{
		name: "full", rounds: 3, streams: 100, clients: []int{1, 8, 64}, lengths: []int{10, 1000, 10_000, 100_000},
		patience: 40 * time.Second, tokens: 500, beside: 500, pageChunks: 5000, pageReplayed: 20_000, resumes: 20, cutOffs: 16,
		sizes: []int{128, 256, 384, 512, 1024, 1769}, colds: 10, tutorials: 3, dense: []int{10, 100, 1000, 4000}, drains: []int{1000},
	}
	quick = effort{
		name: "quick", rounds: 1, streams: 50, clients: []int{1, 8}, lengths: []int{10, 1000, 10_000},
		patience: 5 * time.Second, tokens: 50, beside: 500, pageChunks: 1000, pageReplayed: 20_000, resumes: 5, cutOffs: 4,
		sizes: []int{128, 512, 1769}, colds: 3, tutorials: 1, dense: []int{10, 100}, drains: []int{100},
	}
)

// bench is a running benchmark: what the measurements share.
type bench struct {
	effort
	step     string // the name of the measurement under way
	leftOut  []string
	systems  []*system // those that can be had
	binary   string    // of the Go systems
	engine   *dynamodblocal.Engine
	log      *os.File // what the systems print; a temporary file
	keepLog  bool
	progress io.Writer
	begin    time.Time
}

// pythonServer is the tutorial's server, with an agent that takes orders. Its listener is file 3.
//
//go:embed tutorial_server.py
var pythonServer string

// open gets what the systems need.
func open(ctx context.Context, e effort, progress io.Writer) (b *bench, err error) {
	b = &bench{effort: e, progress: progress, begin: time.Now(), step: "setup"}
	defer func() {
		if err != nil {
			b.close()
		}
	}()
	if b.log, err = os.CreateTemp("", "bench-*.log"); err != nil {
		return nil, err
	}
	b.say("building the functions")
	if b.binary, err = emulator.Build(ctx, "a2alambda/localtest/bench/internal/function"); err != nil {
		return nil, err
	}
	b.say("starting DynamoDB Local")
	if b.engine, err = dynamodblocal.Start(ctx); err != nil {
		return nil, err
	}
	b.say("getting Python with the A2A SDK")
	python, err := localtest.Install(ctx, "python02")
	if err != nil {
		b.leaveOut("The tutorial's Python server, for %v", err)
	}
	b.systems = systems(b, python)
	return b, ctx.Err()
}

func (b *bench) close() {
	if b.engine != nil {
		b.engine.Close()
	}
	if b.log != nil {
		b.log.Close()
		if !b.keepLog {
			os.Remove(b.log.Name())
		}
	}
}

// say shows progress.
func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(b.progress, "%5.0fs  %-9s %s\n", time.Since(b.begin).Seconds(), b.step, fmt.Sprintf(format, args...))
}

// leaveOut notes once that something is not measured, and why.
func (b *bench) leaveOut(format string, args ...any) {
	if s := fmt.Sprintf(format, args...); !slices.Contains(b.leftOut, s) {
		b.leftOut = append(b.leftOut, s)
		b.say("left out: %s", s)
	}
}

// inTurn calls f for each system in each round, so that other load on the machine meets all alike.
func (b *bench) inTurn(ctx context.Context, rounds int, f func(*system) error) error {
	for round := range rounds {
		for _, s := range b.systems {
			b.say("round %d of %d: %s", round+1, rounds, s.name)
			if err := f(s); err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			if err := ctx.Err(); err != nil {
				return err
			}
		}
	}
	return nil
}

func names() (all []string) {
	for _, m := range measurements {
		all = append(all, m.name)
	}
	return all
}

// choose returns the measurements with these names, comma-separated; without names, all.
func choose(only string) (chosen []measurement, err error) {
	if only == "" {
		return measurements, nil
	}
	for name := range strings.SplitSeq(only, ",") {
		i := slices.Index(names(), name)
		if i < 0 {
			return nil, fmt.Errorf("there is no measurement %q, only %s", name, strings.Join(names(), ", "))
		}
		chosen = append(chosen, measurements[i])
	}
	return chosen, nil
}
