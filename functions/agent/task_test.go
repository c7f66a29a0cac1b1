package main

import (
	"context"
	"errors"
	"log/slog"
	"os/user"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/durable"
	"a2alambda/internal/dynamolog"
	"a2alambda/internal/hosttest"
	"a2alambda/internal/server"
	"a2alambda/localtest/dynamodblocal"
)

// TestTask reads a task and steps in by the command line, as somebody who operates the agent does.
func TestTask(t *testing.T) {
	t.Parallel()
	client, table := dynamodblocal.Table(t)
	h := hosttest.New(dynamolog.New(client, table), durable.New(func(ctx context.Context, _ *durable.Task) error {
		g := durable.NewGroup(ctx)
		g.Go("shop", func(ctx context.Context) error {
			_, err := durable.Do(ctx, "charge", func(context.Context) (int, error) { return 0, errors.New("no\nmoney") })
			return err
		})
		g.Go("later", func(ctx context.Context) error { return durable.Sleep(ctx, "nap", 30*time.Minute) })
		return g.Wait()
	}), slog.New(slog.NewTextHandler(t.Output(), nil)))
	begun, err := h.Server.SendMessage(t.Context(), server.Caller{Version: "1.0"}, &a2a.SendMessageRequest{
		Message: a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart("go")),
	})
	if err != nil {
		t.Fatal(err)
	}
	id := string(begun.ID)
	task := func(args ...string) (out string, ok bool) {
		t.Helper()
		cmd := command(t, "TABLE_NAME="+table, "AWS_ENDPOINT_URL_DYNAMODB="+dynamodblocal.Endpoint(t))
		cmd.Args = append(append(cmd.Args, "task"), args...)
		all, err := cmd.CombinedOutput()
		return string(all), err == nil
	}
	shows := func(want ...string) {
		t.Helper()
		out, ok := task("steps", id)
		for _, w := range want {
			if !ok || !regexp.MustCompile(w).MatchString(out) {
				t.Errorf("it does not show %q:\n%s", w, out)
			}
		}
	}
	says := func(want string, ok bool, args ...string) {
		t.Helper()
		if out, done := task(args...); done != ok || !strings.Contains(out, want) {
			t.Errorf("%q: %q, want %q", args, out, want)
		}
	}
	shows("is submitted, and suspended until 2", `STEP +TYPE +STATE +ATTEMPTS +BEGAN +TOOK +BYTES +REMARKS`,
		`later/nap +sleep +waiting +- .* until 2`, `shop/charge +do +failed +1 .* "no\\nmoney"`)
	says(`no step "charge"`, false, "retry", id, "charge")
	says("goes on within a minute or two", true, "retry", "-by", "ann", id, "shop/charge")
	shows("and waits for a worker", `shop/charge +do +waiting +1 .* by "ann"`, `retry by "ann" of shop/charge, in place of entry \d`)
	says("goes on within a minute or two", true, "answer", id, "shop/charge", "7")
	shows(`shop/charge +do +done +1 .* 1 +by "`)
	says("goes on within a minute or two", true, "wake", id)
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	shows(`wake by "` + regexp.QuoteMeta(me.Username) + "@")
	says("The task has failed.", true, "fail", id, "Sorry.")
	shows("is failed.", `later/nap +sleep +canceled`)
	says("the task has ended: it is failed", false, "wake", id)
	says("there is no task none", false, "steps", "none")
	now, err := h.Server.GetTask(t.Context(), server.Caller{Version: "1.0"}, &a2a.GetTaskRequest{ID: begun.ID})
	if err != nil || now.Status.State != a2a.TaskStateFailed || now.Status.Message.Parts[0].Text() != "Sorry." {
		t.Errorf("the task is %+v, %v", now, err)
	}
}

// TestTaskUsage gives the command senseless arguments: each gets one sentence.
func TestTaskUsage(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"":                        "agent task -h lists the commands",
		"list":                    "agent task -h lists the commands",
		"steps":                   "agent task -h lists the commands",
		"steps a b":               "agent task -h lists the commands",
		"retry a":                 "agent task -h lists the commands",
		"answer a b":              "agent task -h lists the commands",
		"wake -force a":           "agent task -h lists the flags",
		"fail -anyway a":          "-anyway is a flag of retry and answer",
		`steps ""`:                "the ID of the task is empty",
		"steps a":                 "TABLE_NAME is not set",
		"wake a":                  "TABLE_NAME is not set",
		"answer a b {}":           "TABLE_NAME is not set",
		"fail a some-text":        "TABLE_NAME is not set",
		"retry -anyway -by b a c": "TABLE_NAME is not set",
	} {
		cmd := command(t)
		for _, arg := range append([]string{"task"}, strings.Fields(args)...) {
			cmd.Args = append(cmd.Args, strings.Trim(arg, `"`))
		}
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), want) || strings.Count(string(out), "\n") != 1 {
			t.Errorf("task %s: %v, %q, want %q", args, err, out, want)
		}
	}
	for _, args := range []string{"-h", "help", "wake -h", "-help"} {
		cmd := command(t)
		cmd.Args = append(append(cmd.Args, "task"), strings.Fields(args)...)
		if out, err := cmd.CombinedOutput(); err != nil || string(out) != taskHelp {
			t.Errorf("task %s: %v, %q", args, err, out)
		}
	}
}
