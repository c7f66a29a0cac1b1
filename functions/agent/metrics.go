package main

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"

	"a2alambda/internal/prometheus"
)

// metricsPath is where Prometheus reads the metrics of a local server.
const metricsPath = "/metrics"

// newLogger returns a local server's logger, which writes text or JSON.
func newLogger(format string) (*slog.Logger, error) {
	switch format {
	case "", "text":
		return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{ReplaceAttr: brief})), nil
	case "json":
		return slog.New(slog.NewJSONHandler(os.Stderr, nil)), nil
	}
	return nil, fmt.Errorf("LOG_FORMAT is %q, not one of text and json", format)
}

// serveMetrics serves the metrics at an address of their own, which callers of the agent need not
// reach, until the listener is closed.
func serveMetrics(address string, metrics *prometheus.Metrics) (net.Listener, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("METRICS_ADDRESS is %q, where this machine cannot listen: %w", address, err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET "+metricsPath, metrics)
	s := &http.Server{Handler: mux, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout}
	go func() { _ = s.Serve(listener) }()
	return listener, nil
}
