// Command bench measures this project beside what a user would take instead, and beside the limit:
// a Lambda handler that only encodes and writes. All of it in one run on one machine, by the same
// client. Run it in the repository, on Linux, on a machine that does nothing else:
//
//	go run ./localtest/bench
//
// It leaves all figures (results.md), the samples (samples.json) and a plot (length.svg) in
// localtest/bench/results, and prints at the end which of the targets hold.
//
// To read it, begin with the list of measurements (bench.go): each is a function that adds samples
// to a section. What it measures are systems (systems.go), all run from one program
// (internal/function) with one agent (internal/load). Whatever is made of the samples is in
// report.go.
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
}

func main() {
	c := config{effort: full}
	quickly := flag.Bool("quick", false, "less than two minutes, with fewer samples")
	document := flag.Bool("docs", false, "rewrite the section of "+performance+" that shows the results")
	flag.StringVar(&c.out, "out", "localtest/bench/results", "`directory` of the results")
	flag.StringVar(&c.only, "only", "", "measure only these `names`, comma-separated: "+strings.Join(names(), ", "))
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
	b, err := open(ctx, c.effort, progress)
	if err != nil {
		return err
	}
	defer b.close()
	r := &report{Made: made(c.effort)}
	for _, m := range chosen {
		b.step = m.name
		s := &section{Name: m.name}
		if err := m.run(ctx, b, s); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			b.keepLog = true
			return fmt.Errorf("%s: %w (what the systems printed is in %s)", m.name, err, b.log.Name())
		}
		r.Sections = append(r.Sections, s)
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
	for _, t := range r.targets() {
		fmt.Fprintln(out, strings.ReplaceAll(t, "*", ""))
	}
	return nil
}
