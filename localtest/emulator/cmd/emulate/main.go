// Command emulate runs a function's executable as Lambda does, and serves its function URL with
// response streaming on this machine:
//
//	go run ./localtest/emulator/cmd/emulate [flags] ./bootstrap [...]
//
// The emulator's README says more; -h lists the flags. SIGINT and SIGTERM end it and the function.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"a2alambda/localtest/emulator"
	"a2alambda/localtest/prices"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := emulate(ctx, os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "emulate:", err)
		os.Exit(1)
	}
}

func emulate(ctx context.Context, args []string) error {
	c := emulator.Config{Log: os.Stderr}
	flags := flag.NewFlagSet("emulate [flags] executable", flag.ContinueOnError)
	addr := flags.String("addr", "127.0.0.1:9000", "`host:port` of the function URL; port 0 takes a free one")
	flags.DurationVar(&c.Timeout, "timeout", 15*time.Minute, "of an invocation, which is killed then")
	flags.IntVar(&c.Memory, "memory", 0, "`MB` of an instance, and with them its share of a CPU (needs root, on Linux); without it, it is told of 512, and nothing limits it")
	flags.IntVar(&c.MaxInstances, "instances", 100, "how many there are at most: a further request gets status 429")
	flags.IntVar(&c.Concurrency, "concurrency", 0, "how many invocations an instance has at once, as on Lambda Managed Instances: no freeze, and a timeout does not end the code")
	flags.Func("env", "`NAME=value` of the function's environment, which has nothing of yours; may be repeated", func(v string) error {
		if !strings.Contains(v, "=") {
			return errors.New("it is not NAME=value")
		}
		c.Env = append(c.Env, v)
		return nil
	})
	var f faults
	flags.DurationVar(&f.killAfter, "kill-after", 0, "kills the instance so long after it got an event, if it has not answered by then")
	flags.DurationVar(&f.freezeAfter, "freeze-after", 0, "stops the instance so long after it got an event, …")
	flags.DurationVar(&f.freezeFor, "freeze-for", time.Second, "… for so long")
	verbose := flags.Bool("v", false, "prints what instances do, and what is billed")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		return errors.New("name one executable, after the flags; -h lists them")
	}
	c.Binary = flags.Arg(0)
	if c.Memory != 0 {
		c.Limits = emulator.MemoryAndCPU
	}
	c.Observer = func(o emulator.Observation) {
		if *verbose {
			fmt.Fprintln(os.Stderr, describe(o))
		}
		f.observe(o)
	}
	var err error
	if f.function, err = emulator.New(c); err != nil {
		return err
	}
	defer func() {
		f.function.Close()
		fmt.Println(bill(f.function.Usage()))
	}()
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		return err
	}
	fmt.Printf("Function URL: http://%s/\n", listener.Addr())
	server := &http.Server{Handler: f.function, ReadHeaderTimeout: 10 * time.Second}
	defer server.Close()
	go func() {
		<-ctx.Done()
		server.Close()
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func describe(o emulator.Observation) string {
	text := fmt.Sprintf("%s %s %s %s", o.At.Format("15:04:05.000"), o.Instance, o.Request, o.Moment)
	switch o.Moment {
	case emulator.Chunk:
		text += fmt.Sprintf(" of %d bytes", o.Bytes)
	case emulator.Ended:
		text += fmt.Sprintf(", billed %v", o.Billed)
		if o.MaxMemory > 0 {
			text += fmt.Sprintf(", used %v of CPU, has had %d MB", o.CPU.Round(100*time.Microsecond), o.MaxMemory>>20)
		}
		if o.Err != nil {
			text += fmt.Sprintf(": %v", o.Err)
		}
	}
	return text
}

// bill says what Lambda would have billed.
func bill(u emulator.Usage) string {
	return fmt.Sprintf("Billed: %d invocations, %v, %.6f GB-seconds: $%.9f on arm64, $%.9f on x86_64 (prices of %s, not checked against AWS's pages)",
		u.Invocations, u.Billed, u.GBSeconds, prices.Lambda(u, false), prices.Lambda(u, true), prices.Date)
}

// faults are done to busy instances. 0 means never.
type faults struct {
	function                          *emulator.Emulator
	killAfter, freezeAfter, freezeFor time.Duration
	over                              sync.Map // chan struct{} by request
}

// observe starts the faults' timers when an invocation begins, and stops them at its end.
func (f *faults) observe(o emulator.Observation) {
	switch o.Moment {
	case emulator.Delivered:
		over := make(chan struct{})
		f.over.Store(o.Request, over)
		after := func(d time.Duration, do func()) {
			select {
			case <-time.After(d):
				do()
			case <-over:
			}
		}
		if f.killAfter > 0 {
			go after(f.killAfter, func() { _ = f.function.Kill(o.Instance) })
		}
		if f.freezeAfter > 0 {
			go after(f.freezeAfter, func() {
				if f.function.Freeze(o.Instance) == nil {
					time.Sleep(f.freezeFor)
					_ = f.function.Thaw(o.Instance)
				}
			})
		}
	case emulator.Ended:
		over, _ := f.over.LoadAndDelete(o.Request)
		close(over.(chan struct{}))
	}
}
