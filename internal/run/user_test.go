package run_test

import (
	"testing"

	"a2alambda/internal/run"
	"a2alambda/internal/tasklog"
)

// TestUser checks that executors get a caller's name as its issuer wrote it, and the issuer,
// wherever they run.
func TestUser(t *testing.T) {
	u := run.User(tasklog.Owner("https://issuer.example", "alice"))
	if u.Name != "alice" || !u.Authenticated || u.Attributes["issuer"] != "https://issuer.example" {
		t.Errorf("the user is %+v", u)
	}
	if u = run.User("AROAEXAMPLE"); u.Name != "AROAEXAMPLE" || !u.Authenticated || u.Attributes != nil {
		t.Errorf("the user is %+v", u)
	}
	if u = run.User(""); u.Name != "" || u.Authenticated {
		t.Errorf("nobody is %+v", u)
	}
}
