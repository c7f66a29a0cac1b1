package telemetry

import (
	"context"
	"log/slog"
)

// Namespace is the metrics' namespace in CloudWatch. Their dimension is "service". The metric
// errors also has "error" and, in a published version of the function, "executedVersion".
const Namespace = "a2alambda"

// metrics are each message's fields that are metrics, with their units. A field of two messages has
// the same meaning in both, or adds up.
var metrics = map[string]map[string]string{
	Request: {"requestMs": "Milliseconds", "firstByteMs": "Milliseconds", "slowStreams": "Count", "throttled": "Count", "errors": "Count"},
	Run: {"runMs": "Milliseconds", "events": "Count", "cancels": "Count", "handOvers": "Count", "recoveries": "Count", "failures": "Count", "suspensions": "Count", "parked": "Count",
		"modelCalls": "Count", "toolCalls": "Count", "inputTokens": "Count", "outputTokens": "Count"},
	Doubt:    {"doubtMs": "Milliseconds", "doubts": "Count", "deposed": "Count"},
	Step:     {"stepMs": "Milliseconds", "steps": "Count", "stepFailures": "Count"},
	Delivery: {"deliveryMs": "Milliseconds", "pushes": "Count", "pushFailures": "Count", "pushesCut": "Count", "pushBounds": "Count"},
	Sweep:    {},
}

var storeMetrics = map[string]string{
	"readUnits": "Count", "writeUnits": "Count", "objectPuts": "Count", "objectGets": "Count", "retries": "Count", "throttles": "Count",
}

// Unit returns the unit of a message's field, "Milliseconds" or "Count", if it is a metric.
func Unit(message, field string) (string, bool) {
	own, known := metrics[message]
	if u, ok := own[field]; ok {
		return u, true
	}
	u, ok := storeMetrics[field]
	return u, ok && known
}

// NewHandler returns a handler like next that adds the service's metrics to this package's lines.
// version is the Lambda function's (AWS_LAMBDA_FUNCTION_VERSION: a number, or $LATEST if it is not
// published). The metrics are in CloudWatch's embedded metric format:
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
// The handler next must write JSON, with a line's fields at the top level.
func NewHandler(next slog.Handler, service, version string) slog.Handler {
	return &handler{next, service, version}
}

type handler struct {
	next             slog.Handler
	service, version string
}

// The embedded metric format.
type (
	embedded struct {
		Timestamp         int64 // milliseconds since 1970
		CloudWatchMetrics []directive
	}
	directive struct {
		Namespace  string
		Dimensions [][]string
		Metrics    []metric
	}
	metric struct{ Name, Unit string }
)

// Handle implements [slog.Handler].
func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	plain := directive{Namespace, [][]string{{"service"}}, nil}
	byError := directive{Namespace, [][]string{{"service"}, {"service", "error"}}, nil}
	if h.published() {
		byError.Dimensions = append(byError.Dimensions, []string{"service", "error", "executedVersion"})
	}
	r.Attrs(func(a slog.Attr) bool {
		u, ok := Unit(r.Message, a.Key)
		switch {
		case ok && a.Key == "errors":
			byError.Metrics = append(byError.Metrics, metric{a.Key, u})
		case ok:
			plain.Metrics = append(plain.Metrics, metric{a.Key, u})
		}
		return true
	})
	e := embedded{Timestamp: r.Time.UnixMilli()}
	for _, d := range []directive{plain, byError} {
		if len(d.Metrics) > 0 {
			e.CloudWatchMetrics = append(e.CloudWatchMetrics, d)
		}
	}
	if len(e.CloudWatchMetrics) > 0 {
		r = r.Clone()
		r.AddAttrs(slog.String("service", h.service), slog.Any("_aws", e))
		if len(byError.Metrics) > 0 && h.published() {
			r.AddAttrs(slog.String("executedVersion", h.version))
		}
	}
	return h.next.Handle(ctx, r)
}

func (h *handler) published() bool { return h.version != "" && h.version != "$LATEST" }

// Enabled implements [slog.Handler].
func (h *handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

// WithAttrs implements [slog.Handler].
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &handler{h.next.WithAttrs(attrs), h.service, h.version}
}

// WithGroup implements [slog.Handler].
func (h *handler) WithGroup(name string) slog.Handler {
	return &handler{h.next.WithGroup(name), h.service, h.version}
}
