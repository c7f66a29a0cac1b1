// Package prometheus adds up the metrics of package telemetry's lines, where no CloudWatch reads
// them.
package prometheus

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"unicode"

	"github.com/VictoriaMetrics/metrics"

	"a2alambda/internal/telemetry"
)

// buckets are the upper bounds of times, in seconds: of a first byte, and of a task that takes an
// hour.
var buckets = []float64{0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600}

// Metrics serve themselves in Prometheus's text format, together with those of the process and of
// Go's runtime:
// https://prometheus.io/docs/instrumenting/exposition_formats/
//
// The names are those of the fields, in other clothes. A time, as requestMs, is a histogram in
// seconds, a2alambda_request_seconds, whose count is the number of lines; that of requests has the
// label operation. A number, as writeUnits, is a counter, a2alambda_write_units_total, with the
// line's message as the label line. Errors have the label error instead.
type Metrics struct{ set *metrics.Set }

// New returns metrics that are all 0.
func New() *Metrics {
	metrics.ExposeMetadata(true) // of all of the process's, which are these
	return &Metrics{metrics.NewSet()}
}

// Gauge adds a metric that has the value of f whenever it is read. Its name begins with a2alambda_.
func (m *Metrics) Gauge(name string, f func() float64) {
	m.set.NewGauge(telemetry.Namespace+"_"+name, f)
}

// ServeHTTP implements [http.Handler].
func (m *Metrics) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	m.set.WritePrometheus(w)
	metrics.WriteProcessMetrics(w)
}

// Handler returns a handler like next that adds up the metrics of telemetry's lines.
func (m *Metrics) Handler(next slog.Handler) slog.Handler { return &handler{m.set, next} }

type handler struct {
	set  *metrics.Set
	next slog.Handler
}

// Handle implements [slog.Handler].
func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	text := map[string]string{}
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "operation" || a.Key == "error" {
			text[a.Key] = a.Value.String()
		}
		return true
	})
	r.Attrs(func(a slog.Attr) bool {
		u, ok := telemetry.Unit(r.Message, a.Key)
		n, isNumber := number(a.Value)
		switch {
		case !ok || !isNumber || n < 0:
		case u == "Milliseconds":
			labels := ""
			if r.Message == telemetry.Request && a.Key == "requestMs" {
				labels = fmt.Sprintf("{operation=%q}", text["operation"])
			}
			name := telemetry.Namespace + "_" + snake(strings.TrimSuffix(a.Key, "Ms")) + "_seconds" + labels
			h.set.GetOrCreatePrometheusHistogramExt(name, buckets).Update(n / 1000)
		case a.Key == "errors":
			h.set.GetOrCreateFloatCounter(counter(a.Key, "error", text["error"])).Add(n)
		default:
			h.set.GetOrCreateFloatCounter(counter(a.Key, "line", r.Message)).Add(n)
		}
		return true
	})
	return h.next.Handle(ctx, r)
}

// counter returns the name of a counter, with its label.
func counter(field, label, value string) string {
	return fmt.Sprintf("%s_%s_total{%s=%q}", telemetry.Namespace, snake(field), label, value)
}

func number(v slog.Value) (float64, bool) {
	switch v.Kind() {
	case slog.KindInt64:
		return float64(v.Int64()), true
	case slog.KindFloat64:
		return v.Float64(), true
	}
	return 0, false
}

// snake returns a field's name with underscores: write_units for writeUnits.
func snake(field string) string {
	var b strings.Builder
	for _, c := range field {
		if unicode.IsUpper(c) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(c))
	}
	return b.String()
}

// Enabled implements [slog.Handler].
func (h *handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

// WithAttrs implements [slog.Handler].
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &handler{h.set, h.next.WithAttrs(attrs)}
}

// WithGroup implements [slog.Handler].
func (h *handler) WithGroup(name string) slog.Handler {
	return &handler{h.set, h.next.WithGroup(name)}
}
