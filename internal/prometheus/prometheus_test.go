package prometheus

import (
	"io"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"a2alambda/internal/telemetry"
)

// TestMetrics writes lines, and reads what Prometheus would.
func TestMetrics(t *testing.T) {
	p := New()
	p.Gauge("places", func() float64 { return 7 })
	logger := slog.New(p.Handler(slog.NewTextHandler(io.Discard, nil))).With("component", "x")
	for _, took := range []time.Duration{30 * time.Millisecond, 2 * time.Second} {
		used := new(telemetry.Usage)
		used.Add(0.5, 2, 1, 0)
		line := new(telemetry.Line)
		line.Text("operation", "SendMessage")
		line.Text("error", "InternalError")
		line.Count("errors", 1)
		line.Count("status", 500)
		line.Took("requestMs", took)
		line.Usage(used)
		line.Log(t.Context(), logger, telemetry.Request)
	}
	line := new(telemetry.Line)
	line.Took("runMs", time.Minute)
	line.Count("handOvers", 1)
	line.Usage(new(telemetry.Usage))
	line.Log(t.Context(), logger, telemetry.Run)
	logger.Info("something else", "requestMs", 1, "writeUnits", 5)

	w := httptest.NewRecorder()
	p.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	text := w.Body.String()
	for _, want := range []string{
		"# TYPE a2alambda_request_seconds histogram",
		`a2alambda_request_seconds_bucket{operation="SendMessage",le="0.02"} 0`,
		`a2alambda_request_seconds_bucket{operation="SendMessage",le="0.05"} 1`,
		`a2alambda_request_seconds_bucket{operation="SendMessage",le="+Inf"} 2`,
		`a2alambda_request_seconds_sum{operation="SendMessage"} 2.03`,
		`a2alambda_request_seconds_count{operation="SendMessage"} 2`,
		"# TYPE a2alambda_errors_total counter",
		`a2alambda_errors_total{error="InternalError"} 2`,
		`a2alambda_write_units_total{line="request"} 4`,
		`a2alambda_read_units_total{line="request"} 1`,
		`a2alambda_hand_overs_total{line="run"} 1`,
		`a2alambda_run_seconds_bucket{le="60"} 1`,
		"# TYPE a2alambda_places gauge",
		"a2alambda_places 7",
		"go_goroutines ",
	} {
		if !strings.Contains(text, want+"\n") && !(strings.HasSuffix(want, " ") && strings.Contains(text, "\n"+want)) {
			t.Errorf("there is no %s", want)
		}
	}
	if strings.Contains(text, "status") || strings.Contains(text, "something") {
		t.Error("there is what is no metric")
	}
	if t.Failed() {
		for line := range strings.Lines(text) {
			if strings.Contains(line, telemetry.Namespace) {
				t.Log(line)
			}
		}
	}
}
