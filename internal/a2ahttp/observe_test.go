package a2ahttp

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"a2alambda/internal/telemetry"
)

// TestSlowStreams checks which streams are counted as slow.
func TestSlowStreams(t *testing.T) {
	for after, want := range map[time.Duration]bool{slow: false, slow + time.Microsecond: true} {
		var log bytes.Buffer
		o := &observation{begun: time.Now(), usage: new(telemetry.Usage)}
		o.firstByte = o.begun.Add(after)
		o.line().Log(t.Context(), slog.New(slog.NewJSONHandler(&log, nil)), telemetry.Request)
		if got := strings.Contains(log.String(), `"slowStreams":1,`); got != want || !strings.Contains(log.String(), `"firstByteMs":200`) {
			t.Errorf("after %v: %s", after, log.String())
		}
	}
}
