// Command bench measures this project beside what a user would pick instead, and beside the limit: a Lambda handler that only
// encodes and writes. All of it in one run on one machine, by the same client. Run it in the repository, on Linux, on a machine
// that does nothing else:
//
//	go run ./localtest/bench
//
// It leaves a table (results.md), the samples (samples.json) and plots in localtest/bench/results, and tells at the end which of
// the targets hold.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

// config is what the command line says.
type config struct {
	effort effort
	out    string // directory of the results
	page   string // document whose section is rewritten, or ""
	only   string // names of measurements, comma-separated; "" is all
	// profiles is a directory for CPU profiles of the functions, or "".
	profiles string
	prices   prices
}

func main() {
	c := config{effort: full, prices: reported}
	quickly := flag.Bool("quick", false, "less than two minutes, with fewer samples")
	document := flag.Bool("docs", false, "rewrite the section of "+performance+" that shows the results")
	flag.StringVar(&c.out, "out", "localtest/bench/results", "`directory` of the results")
	flag.StringVar(&c.only, "only", "", "measure only these `names`, comma-separated: "+strings.Join(names(), ", "))
	flag.StringVar(&c.profiles, "cpuprofiles", "", "`directory` that gets a CPU profile of each longer stream of a function; it slows them down")
	c.prices.flags()
	flag.Parse()
	if *quickly {
		c.effort = quick
	}
	if *document {
		c.page = performance
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := measure(ctx, c, os.Stderr, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

// measure measures, writes the results, and prints the targets to out.
func measure(ctx context.Context, c config, progress, out io.Writer) error {
	chosen, err := choose(c.only)
	if err != nil {
		return err
	}
	if c.page != "" { // better now than after all the measuring
		if _, _, err := splitPage(c.page); err != nil {
			return err
		}
	}
	b, err := open(ctx, c, progress)
	if err != nil {
		return err
	}
	defer b.close()
	r := &report{Machine: describe(ctx), Effort: c.effort.name}
	for _, m := range chosen {
		b.step = m.name
		s, err := m.run(ctx, b)
		if err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			b.keepLog = true
			return fmt.Errorf("%s: %w (what the systems printed is in %s)", m.name, err, b.log.Name())
		}
		s.name = m.name
		r.sections = append(r.sections, s)
	}
	r.LeftOut = b.leftOut
	if err := r.write(c.out); err != nil {
		return err
	}
	if c.page != "" {
		if err := r.rewrite(c.page, c.out); err != nil {
			return err
		}
	}
	r.printTargets(out)
	return nil
}
