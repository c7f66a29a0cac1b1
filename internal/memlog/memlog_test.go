package memlog_test

import (
	"testing"

	"a2alambda/internal/memlog"
	"a2alambda/internal/pushtest"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/tasklogtest"
)

func TestLog(t *testing.T) {
	tasklogtest.Test(t, func(*testing.T) tasklog.Store { return new(memlog.Log) })
}

// TestWrapped passes the same tests with errors that are wrapped.
func TestWrapped(t *testing.T) {
	tasklogtest.Test(t, func(*testing.T) tasklog.Store { return tasklogtest.Wrap(new(memlog.Log)) })
}

func TestPushes(t *testing.T) {
	pushtest.Test(t, func(*testing.T) pushtest.Store {
		l := new(memlog.Log)
		return pushtest.Store{Store: pushtest.Wrap(l.Pushes()), Log: l}
	})
}
