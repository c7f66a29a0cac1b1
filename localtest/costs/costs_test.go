package costs

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"log/slog"
	"math"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"a2alambda/internal/demoagent"
	"a2alambda/internal/durable"
	"a2alambda/internal/dynamolog"
	"a2alambda/internal/hosttest"
	"a2alambda/internal/lambdaenv"
	"a2alambda/internal/run"
	"a2alambda/internal/server"
	"a2alambda/internal/tasklog"
	"a2alambda/localtest"
	"a2alambda/localtest/dynamodblocal"
)

var update = flag.Bool("update", false, "write what was measured")

// silent returns an agent that says something, is silent for a time, and says something again.
func silent(d time.Duration) a2asrv.AgentExecutor {
	return hosttest.Executor(func(_ context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
		yield(working(ec, "Waiting for the job."), nil)
		time.Sleep(d)
		yield(a2a.NewArtifactEvent(ec, a2a.NewTextPart("The job is done.")), nil)
		yield(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateCompleted, nil), nil)
	})
}

func working(i a2a.TaskInfoProvider, text string) a2a.Event {
	return a2a.NewStatusUpdateEvent(i, a2a.TaskStateWorking, a2a.NewMessage(a2a.MessageRoleAgent, a2a.NewTextPart(text)))
}

// journaled returns such an agent with a journal: it is suspended while it waits.
func journaled(d time.Duration) a2asrv.AgentExecutor {
	return durable.New(func(ctx context.Context, t *durable.Task) error {
		if err := durable.Yield(ctx, working(t, "Waiting for the job.")); err != nil {
			return err
		}
		if _, err := durable.Do(ctx, "start", func(context.Context) (string, error) { return "job 1", nil }); err != nil {
			return err
		}
		if err := durable.Sleep(ctx, "wait", d); err != nil {
			return err
		}
		if _, err := durable.Do(ctx, "fetch", func(context.Context) (string, error) { return "done", nil }); err != nil {
			return err
		}
		return durable.Yield(ctx, a2a.NewArtifactEvent(t, a2a.NewTextPart("The job is done.")))
	})
}

// answer returns an agent that thinks for 5 s, and then says 500 tokens in 10 s.
func answer() a2asrv.AgentExecutor {
	return hosttest.Executor(func(_ context.Context, ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) {
		time.Sleep(5 * time.Second)
		first := a2a.NewArtifactEvent(ec, a2a.NewTextPart("token"))
		yield(first, nil)
		begun := time.Now()
		for i := range 499 {
			time.Sleep(time.Until(begun.Add(time.Duration(i+1) * 20 * time.Millisecond)))
			yield(a2a.NewArtifactUpdateEvent(ec, first.Artifact.ID, a2a.NewTextPart(rand.Text()[:4])), nil)
		}
		yield(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateCompleted, nil), nil)
	})
}

func cpu(t *testing.T) float64 {
	t.Helper()
	var u syscall.Rusage
	localtest.Must(t, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

// measure runs a task of an agent, whose client streams it. If it is suspended, a worker goes on with
// it when it is due.
func measure(t *testing.T, x a2asrv.AgentExecutor) (u Use) {
	t.Helper()
	client, table := dynamodblocal.Table(t)
	if _, err := dynamolog.New(client, table).Secret(t.Context()); err != nil {
		t.Fatal(err)
	}
	free := dynamolog.New(client, table) // is not metered
	client, meter := dynamodblocal.NewMeter(client)
	l := dynamolog.New(client, table)
	r := run.New(run.Config{
		Store: l, Executor: x, Gap: lambdaenv.Gap, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Invoke: func(context.Context, a2a.TaskID) error { return nil },
	})
	s := server.New(server.Config{Store: l, Retention: time.Hour, Card: demoagent.Card(), Runner: r})
	begun, used := time.Now(), cpu(t)
	stream, err := s.SendStreamingMessage(t.Context(), server.Caller{}, &a2a.SendMessageRequest{
		Message: a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart("Do it.")),
	})
	localtest.Must(t, err)
	id := stream.Task.TaskID
	ended := make(chan error, 1)
	reading, hangUp := context.WithCancel(t.Context())
	defer hangUp()
	go func() {
		var err error
		for err == nil {
			_, err = stream.Next(reading)
		}
		ended <- err
	}()
	var lease tasklog.LeaseInfo
	var look <-chan time.Time // whether the task is suspended
	if r.Durable() {
		look = time.Tick(100 * time.Millisecond)
	}
	for done := false; !done; {
		select {
		case err := <-ended:
			if done = true; !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
		case <-look:
			lease, err = free.Lease(t.Context(), id)
			localtest.Must(t, err)
			done = lease.Suspended
		}
	}
	u.Lasts, u.Invocations = time.Since(begun).Seconds(), 1
	hangUp()
	stream.Close()
	if lease.Suspended {
		time.Sleep(time.Until(lease.Due))
		localtest.Must(t, r.Work(t.Context(), id))
		u.Invocations++
	}
	units := meter.Units()
	u.CPU, u.Write, u.Read = cpu(t)-used, units.Write, units.Read
	return u
}

// TestMeasured measures what a task of each agent uses. The units must be those that the table was
// made of: -update writes them.
func TestMeasured(t *testing.T) {
	var now []Use
	// The times are those of the agents: this machine may be slow.
	add := func(name string, u Use, lasts, instance, steps, kb float64) {
		u.Name, u.Lasts, u.Instance, u.Steps, u.StoredKB = name, lasts, instance, steps, kb
		u.CPU = math.Round(100*u.CPU) / 100
		now = append(now, u)
	}
	add("the demo agent", measure(t, demoagent.NewExecutor()), 3, 3, 4, 3)
	add("a model: 5 s of thinking, 500 tokens in 10 s", measure(t, answer()), 15, 15, 2, 50)
	short, long := measure(t, silent(7*time.Second)), measure(t, silent(17*time.Second))
	const lasts = 600.0
	more := (lasts - long.Lasts) / (long.Lasts - short.Lasts)
	job := long
	job.CPU += more * max(0, long.CPU-short.CPU)
	job.Write += math.Round(more * (long.Write - short.Write))
	job.Read += math.Round(more * (long.Read - short.Read))
	add("a job of ten minutes that waits, without a journal", job, lasts, lasts, 4, 3)
	add("a job of ten minutes that waits, with a journal", measure(t, journaled(61*time.Second)), lasts, 2*durableS, 4, 5)

	if *update {
		var lines []string
		for _, u := range now {
			line, err := json.Marshal(u)
			localtest.Must(t, err)
			lines = append(lines, string(line))
		}
		localtest.Must(t, os.WriteFile("measured.json", []byte("[\n"+strings.Join(lines, ",\n")+"\n]\n"), 0o644))
		return
	}
	for i, was := range Measured() {
		u := now[i]
		t.Logf("%s: %.0f write units, %.0f read units, %.2f s of CPU", u.Name, u.Write, u.Read, u.CPU)
		if was.Name != u.Name || math.Abs(u.Write-was.Write) > 2+0.05*was.Write || math.Abs(u.Read-was.Read) > 6+0.15*was.Read {
			t.Errorf("%s: %v write units and %v read units, want %v and %v (-update writes them, go test ./docs -run TestCosts -update the table)",
				u.Name, u.Write, u.Read, was.Write, was.Read)
		}
	}
}
