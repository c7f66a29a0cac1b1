// Command bench compares this project with what else a user could take, and with the limit: a
// Lambda handler that only encodes and writes. All is measured in one run on one machine, by one
// client. Run it in the repository, on Linux, on a machine that does nothing else:
//
//	go run ./localtest/bench
//
// As root, it also holds the functions to several memory sizes.
//
// It writes all figures (results.md), the samples (samples.json) and a plot (length.svg) to
// localtest/bench/results. In the end it prints which targets hold.
//
// To read it, begin with the measurements (bench.go): each is a function that adds samples to a
// section. They measure systems (systems.go), which all run from one program (internal/function)
// with one agent (internal/load). report.go makes the tables of the samples.
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

func measure(ctx context.Context, c config, progress, out io.Writer) error {
	chosen, err := choose(c.only)
	if err != nil {
		return err
	}
	if c.page != "" { // before all the measuring
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
