package dynamolog

import (
	"context"
	"errors"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/tasklog"
)

var errNoJournal = errors.New("dynamolog: there is no journal yet")

// Steps implements [tasklog.Journal].
func (l *Log) Steps(context.Context, a2a.TaskID, int64, bool) ([]tasklog.Step, bool, error) {
	return nil, false, errNoJournal
}

// Wake implements [tasklog.Journal].
func (l *Log) Wake(context.Context, a2a.TaskID) error { return errNoJournal }

// Record implements [tasklog.Lease].
func (h *lease) Record(context.Context, int64, [][]byte) error { return errNoJournal }

// Suspend implements [tasklog.Lease].
func (h *lease) Suspend(context.Context, time.Time, int64) (bool, error) { return false, errNoJournal }

// OpenWait implements [tasklog.Waits].
func (l *Log) OpenWait(context.Context, tasklog.Head, string, string) error { return errNoJournal }

// Wait implements [tasklog.Waits].
func (l *Log) Wait(context.Context, a2a.TaskID, string) (tasklog.Wait, error) {
	return tasklog.Wait{}, errNoJournal
}

// OpenWaits implements [tasklog.Waits].
func (l *Log) OpenWaits(context.Context, a2a.TaskID) ([]tasklog.Wait, error) {
	return nil, errNoJournal
}

// Deliver implements [tasklog.Waits].
func (l *Log) Deliver(context.Context, a2a.TaskID, string, tasklog.Delivery) error {
	return errNoJournal
}

// CloseWait implements [tasklog.Waits].
func (l *Log) CloseWait(context.Context, a2a.TaskID, string) (tasklog.Wait, error) {
	return tasklog.Wait{}, errNoJournal
}
