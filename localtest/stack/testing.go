package stack

import (
	"net/http/httptest"
	"testing"

	"a2alambda/localtest"
	"a2alambda/localtest/dynamodblocal"
	"a2alambda/localtest/emulator"
)

// Function builds a function of this project as it is deployed, and returns its path.
func Function(tb testing.TB, name string) string {
	tb.Helper()
	binary, err := emulator.Build(tb.Context(), "a2alambda/functions/"+name)
	localtest.Must(tb, err)
	return binary
}

// New starts a stack for a test, and serves the agent's function URL. It fills in what c leaves
// out: the agent, the worker and the sweeper as they are deployed, a new table in DynamoDB Local,
// and the test's output as the log.
func New(tb testing.TB, c Config) (s *Stack, url string) {
	tb.Helper()
	if c.DynamoDB == "" {
		c.DynamoDB = dynamodblocal.Endpoint(tb)
	}
	if c.Table == "" {
		_, c.Table = dynamodblocal.Table(tb)
	}
	if c.Invoke.Log == nil {
		c.Invoke.Log = tb.Output()
	}
	for name, f := range map[string]*emulator.Config{"agent": &c.Agent, "worker": &c.Worker, "sweeper": &c.Sweeper, "push": &c.Push, "callback": &c.Callback} {
		if f.Binary == "" && name != "push" && name != "callback" {
			f.Binary = Function(tb, name)
		}
		if f.Log == nil {
			f.Log = tb.Output()
		}
	}
	s, err := Start(c)
	localtest.Must(tb, err)
	server := httptest.NewServer(s.Agent)
	tb.Cleanup(func() {
		s.Close()
		server.Close()
	})
	return s, server.URL
}
