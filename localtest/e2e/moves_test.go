package e2e

import (
	"errors"
	"io"
	"syscall"
	"testing"
	"time"

	"a2alambda/localtest"
	"a2alambda/localtest/client"
	"a2alambda/localtest/dynamodblocal"
	"a2alambda/localtest/localserver"
)

// TestMoves moves a deployment from Lambda to a server on the same table, and back, in the middle of
// a task: the process that had it is asked to end, and none of its kind is left. The client goes on
// at the other one, and sees each event once.
func TestMoves(t *testing.T) {
	t.Parallel()
	server := func(t *testing.T, s *system) (end func(), url string) {
		p, url := localserver.StartProcess(t, "TABLE_NAME="+s.table, "AWS_ENDPOINT_URL_DYNAMODB="+dynamodblocal.Endpoint(t), "AWS_REGION=us-east-1")
		t.Cleanup(p.Kill)
		return func() { localtest.Must(t, p.Process.Signal(syscall.SIGTERM)) }, url
	}
	for name, test := range map[string]struct {
		deliver func(int) int // events for the worker
		// move returns the URL where the task begins, how that process is asked to end, and the URL where
		// the client goes on.
		move func(*testing.T, *system) (from string, end func(), to string)
	}{
		"to a server": {func(int) int { return 0 }, func(t *testing.T, s *system) (string, func(), string) {
			_, to := server(t, s)
			return s.url, func() {
				id := busy(t, s.Agent)
				go func() { _ = s.Agent.Terminate(id) }()
			}, to
		}},
		"to Lambda": {nil, func(t *testing.T, s *system) (string, func(), string) {
			end, from := server(t, s)
			return from, end, s.url
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSystem(t, options{deliver: test.deliver})
			s.warm(t, 2)
			for range 5 { // a task may end before its process
				from, end, to := test.move(t, s)
				if moved(t, from, end, to) {
					return
				}
			}
			t.Error("each time the task ended too early")
		})
	}
}

// moved reports whether the task went on at the other process.
func moved(t *testing.T, from string, end func(), to string) bool {
	t.Helper()
	stream := client.Follow(t, from, "message/stream", client.Message("hello"))
	ids, last, task := "", "", ""
	read := func(seen func(id string)) {
		t.Helper()
		for {
			e, err := stream.Next()
			if errors.Is(err, io.EOF) {
				return
			}
			localtest.Must(t, err)
			if task == "" {
				task = client.TaskIn(t, e.Data)
			}
			if e.ID != last { // else it is the task as of the last event
				ids, last = ids+e.ID+" ", e.ID
			}
			seen(e.ID)
		}
	}
	read(func(id string) {
		if id == "2" {
			end()
		}
	})
	if last == "6" {
		return false
	}
	for until := time.Now().Add(client.Patience); last != "6" && time.Now().Before(until); {
		stream = client.Follow(t, to, "tasks/resubscribe", client.ByID(task), "Last-Event-ID", last)
		read(func(string) {})
	}
	if ids != "1 2 3 4 5 6 " {
		t.Errorf("in all, the stream had events %s", ids)
	}
	return true
}
