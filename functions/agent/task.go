package main

import (
	"cmp"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"os/user"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/durable"
	"a2alambda/internal/lambdaenv"
	"a2alambda/internal/operate"
)

//go:embed task.txt
var taskHelp string

// maxBy is the most bytes of a name in the journal.
const maxBy = 256

// errUsage is for a command line that says nothing.
var errUsage = errors.New("not understood: agent task -h lists the commands")

// taskCommand is the command "agent task".
func taskCommand(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("task", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	by := flags.String("by", "", "")
	anyway := flags.Bool("anyway", false, "")
	command := ""
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		command, args = args[0], args[1:]
	}
	err := flags.Parse(args)
	if errors.Is(err, flag.ErrHelp) || command == "help" {
		_, err = io.WriteString(out, taskHelp)
		return err
	}
	if err != nil {
		return fmt.Errorf("%v: agent task -h lists the flags", err)
	}
	least, most := 0, 0
	switch command {
	case "steps", "wake":
		least, most = 1, 1
	case "retry":
		least, most = 2, 2
	case "answer":
		least, most = 3, 3
	case "fail":
		least, most = 1, 2
	}
	if n := flags.NArg(); n < least || n > most || most == 0 {
		return errUsage
	}
	if flags.Arg(0) == "" { // a shell's variable that is not set
		return errors.New("the ID of the task is empty")
	}
	if *anyway && command != "retry" && command != "answer" {
		return errors.New("-anyway is a flag of retry and answer")
	}
	if len(*by) > maxBy {
		return fmt.Errorf("-by has %d bytes: at most %d are kept", len(*by), maxBy)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	o, err := openOperator(ctx, *by)
	if err != nil {
		return err
	}
	id, step, value := a2a.TaskID(flags.Arg(0)), flags.Arg(1), flags.Arg(2)
	var next string
	switch command {
	case "steps":
		t, err := o.Read(ctx, id)
		if err != nil {
			return err
		}
		return printTask(out, t)
	case "wake":
		next, err = o.Wake(ctx, id)
	case "retry":
		next, err = o.Retry(ctx, id, step, *anyway)
	case "answer":
		next, err = o.Answer(ctx, id, step, json.RawMessage(value), *anyway)
	case "fail":
		next, err = o.Fail(ctx, id, step)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, next)
	return err
}

// openOperator returns the operator of the table that the environment names.
func openOperator(ctx context.Context, by string) (*operate.Operator, error) {
	name := os.Getenv("TABLE_NAME")
	if name == "" {
		return nil, errors.New("TABLE_NAME is not set: it names the table with the tasks, and tasks in a server's memory cannot be reached from here")
	}
	cfg, engine, err := tableConfig(ctx, 1)
	if err != nil {
		return nil, err
	}
	bodies, err := lambdaenv.Bodies(cfg, "") // what this writes goes to the table
	if err != nil {
		return nil, err
	}
	table := lambdaenv.NewTable(cfg, name, bodies)
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	if cfg.Region == "" {
		return nil, errors.New("AWS_REGION is not set, and there is no profile with a region")
	}
	if _, err := cfg.Credentials.Retrieve(ctx); err != nil {
		return nil, errors.New("there are no AWS credentials: set AWS_PROFILE")
	}
	if err := table.Log.Reach(ctx); err != nil {
		return nil, fmt.Errorf("the table %s in %s cannot be used: %w", name, cfg.Region, err)
	}
	o := &operate.Operator{Store: table.Log, By: cmp.Or(by, whoami())}
	if worker := os.Getenv("WORKER_FUNCTION_NAME"); worker != "" && engine == "" {
		o.Invoke, err = table.InvokeWorker(worker)
	}
	return o, err
}

func whoami() string {
	name, host := "somebody", "some machine"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if h, err := os.Hostname(); err == nil {
		host = h
	}
	return name + "@" + host
}

// printTask prints a task and its steps, for people.
func printTask(out io.Writer, t *operate.Task) error {
	fmt.Fprintf(out, "Task %s is %s%s.\n", t.Head.ID, operate.Name(t.Snapshot.Task.Status.State), holding(t))
	if p := t.Journal.Parked; p != nil && !t.Snapshot.Task.Status.State.Terminal() {
		m := p.Mismatch
		fmt.Fprintf(out, "It is parked at %q: the journal has %s, and the code (version %s) has %s. It is tried again at %s.\n",
			m.Step, m.Expected, cmp.Or(m.Code, "unknown"), m.Got, clock(time.UnixMilli(p.Due)))
	}
	if t.Journal.Unreadable > 0 {
		fmt.Fprintf(out, "This version of the command cannot read %d entries of its journal.\n", t.Journal.Unreadable)
	}
	if len(t.Steps) == 0 {
		fmt.Fprintln(out, "Its journal has no steps.")
	} else {
		w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "\nSTEP\tTYPE\tSTATE\tATTEMPTS\tBEGAN\tTOOK\tBYTES\tREMARKS")
		for _, i := range t.Steps {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", i.Name, cmp.Or(string(i.Type), "-"), i.State, number(i.Attempts), clock(i.Begun),
				took(i), number(i.Bytes), remarks(i))
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	for n, o := range t.Journal.Operations {
		if n == 0 {
			fmt.Fprintln(out, "\nOperators:")
		}
		line := fmt.Sprintf("%s  %s by %q", clock(o.Time), o.What, o.By)
		if o.Step != "" {
			line += " of " + o.Step
		}
		if o.Replaces > 0 {
			line += fmt.Sprintf(", in place of entry %d", o.Replaces)
		}
		fmt.Fprintln(out, line)
	}
	return nil
}

// holding says who has the task.
func holding(t *operate.Task) string {
	switch l := t.Lease; {
	case t.Snapshot.Task.Status.State.Terminal(), t.Snapshot.Task.Status.State == a2a.TaskStateInputRequired:
		return ""
	case t.Busy():
		return ", and a run holds it"
	case l.Sleeps():
		return ", and suspended until " + clock(l.Due)
	default:
		return ", and waits for a worker"
	}
}

func remarks(i durable.StepInfo) string {
	var all []string
	if !i.Due.IsZero() {
		all = append(all, "until "+clock(i.Due))
	}
	if i.Error != nil {
		all = append(all, fmt.Sprintf("%.200q", i.Error.Text))
	}
	if i.By != "" {
		all = append(all, fmt.Sprintf("by %q", i.By))
	}
	return strings.Join(all, ", ")
}

func took(i durable.StepInfo) string {
	switch {
	case i.Took > 0:
		return i.Took.String()
	case i.Ended.IsZero():
		return "-"
	}
	return i.Ended.Sub(i.Begun).Round(time.Millisecond).String()
}

func number(n int) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprint(n)
}

func clock(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}
