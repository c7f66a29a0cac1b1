package telemetry_test

import (
	"bytes"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"a2alambda/internal/telemetry"
	"a2alambda/internal/trace"
)

// TestLine checks lines to the byte.
func TestLine(t *testing.T) { synctest.Test(t, testLine) }

func testLine(t *testing.T) {
	var usage telemetry.Usage
	ctx := telemetry.With(t.Context(), &usage)
	telemetry.UsageOf(ctx).Add(0.5, 3, 2, 1)
	telemetry.UsageOf(ctx).Add(1, 0, 0, 0)
	telemetry.UsageOf(t.Context()).Add(1, 1, 1, 1) // counts nowhere
	for _, test := range []struct {
		name    string
		service string
		version string
		message string
		fill    func(*telemetry.Line)
		want    string
	}{
		{"no metrics", "", "", telemetry.Run, func(l *telemetry.Line) {
			l.Text("state", "")
			l.Count("cancels", 1)
		}, `{"time":"2000-01-01T00:00:00Z","level":"INFO","msg":"run","cancels":1}`},
		{"all kinds of fields", "demo", "7", telemetry.Run, func(l *telemetry.Line) {
			l.Task("t", "c", trace.Trace{Parent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"})
			l.Text("end", "canceled")
			l.Count("cancels", 1)
			l.Count("events", 0)
			l.Took("runMs", 1234567*time.Nanosecond)
			l.Usage(&usage)
		}, `{"time":"2000-01-01T00:00:00Z","level":"INFO","msg":"run","task":"t","context":"c","trace":"0af7651916cd43dd8448eb211c80319c","end":"canceled","cancels":1,"runMs":1.234,` +
			`"readUnits":1.5,"writeUnits":3,"retries":2,"throttles":1,"service":"demo","_aws":{"Timestamp":946684800000,"CloudWatchMetrics":[` +
			`{"Namespace":"a2alambda","Dimensions":[["service"]],"Metrics":[{"Name":"cancels","Unit":"Count"},{"Name":"runMs","Unit":"Milliseconds"},` +
			`{"Name":"readUnits","Unit":"Count"},{"Name":"writeUnits","Unit":"Count"},{"Name":"retries","Unit":"Count"},{"Name":"throttles","Unit":"Count"}]}]}}`},
		{"an error of a version", "demo", "7", telemetry.Request, func(l *telemetry.Line) {
			l.Text("error", "InternalError")
			l.Count("errors", 1)
		}, `{"time":"2000-01-01T00:00:00Z","level":"INFO","msg":"request","error":"InternalError","errors":1,"service":"demo","_aws":{"Timestamp":946684800000,"CloudWatchMetrics":[` +
			`{"Namespace":"a2alambda","Dimensions":[["service"],["service","error"],["service","error","executedVersion"]],"Metrics":[{"Name":"errors","Unit":"Count"}]}]},"executedVersion":"7"}`},
		{"an error", "demo", "$LATEST", telemetry.Request, func(l *telemetry.Line) {
			l.Text("error", "TaskNotFoundError")
			l.Count("errors", 1)
			l.Took("requestMs", 2*time.Millisecond)
		}, `{"time":"2000-01-01T00:00:00Z","level":"INFO","msg":"request","error":"TaskNotFoundError","errors":1,"requestMs":2,"service":"demo","_aws":{"Timestamp":946684800000,"CloudWatchMetrics":[` +
			`{"Namespace":"a2alambda","Dimensions":[["service"]],"Metrics":[{"Name":"requestMs","Unit":"Milliseconds"}]},` +
			`{"Namespace":"a2alambda","Dimensions":[["service"],["service","error"]],"Metrics":[{"Name":"errors","Unit":"Count"}]}]}}`},
		{"another's metric", "demo", "7", telemetry.Sweep, func(l *telemetry.Line) { l.Count("events", 3) }, `{"time":"2000-01-01T00:00:00Z","level":"INFO","msg":"sweep","events":3}`},
		{"no line of ours", "demo", "7", "run failed", func(l *telemetry.Line) { l.Count("throttles", 3) }, `{"time":"2000-01-01T00:00:00Z","level":"INFO","msg":"run failed","throttles":3}`},
	} {
		var got bytes.Buffer
		var h slog.Handler = slog.NewJSONHandler(&got, &slog.HandlerOptions{ReplaceAttr: utc})
		if test.service != "" {
			h = telemetry.NewHandler(h, test.service, test.version)
		}
		var l telemetry.Line
		test.fill(&l)
		l.Log(t.Context(), slog.New(h), test.message)
		if got := got.String(); got != test.want+"\n" {
			t.Errorf("%s: got\n%swant\n%s", test.name, got, test.want)
		}
	}
}

// utc makes times independent of the machine's zone.
func utc(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey {
		a.Value = slog.TimeValue(a.Value.Time().UTC())
	}
	return a
}
