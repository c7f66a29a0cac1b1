package run

import (
	"strings"
	"testing"

	"a2alambda/internal/tasklog"
)

// TestTooManyEvents checks the limit of events, which a test takes too long to reach.
func TestTooManyEvents(t *testing.T) {
	if err := tooMuch(100, tasklog.Size{Bytes: 100}, 1_000_000); err != nil {
		t.Error(err)
	}
	if err := tooMuch(100, tasklog.Size{Bytes: 100}, 1_000_001); err == nil || !strings.Contains(err.Error(), "1000000 events") {
		t.Error(err)
	}
}
