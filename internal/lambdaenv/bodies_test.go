package lambdaenv_test

import (
	"crypto/sha256"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"a2alambda/internal/bucket"
	"a2alambda/internal/lambdaenv"
	"a2alambda/internal/telemetry"
)

// TestBodies finds S3 by the environment, as the SDK's clients do, and counts what it is asked.
func TestBodies(t *testing.T) {
	var requests atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if requests.Add(1) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, "<Error><Code>SlowDown</Code></Error>")
			return
		}
		if r.Method == http.MethodGet {
			_, _ = io.WriteString(w, "text")
		}
	}))
	defer s.Close()
	for name, env := range map[string]map[string]string{
		"its own":       {"AWS_ENDPOINT_URL_S3": s.URL, "AWS_ENDPOINT_URL": "http://127.0.0.1:1"},
		"all services'": {"AWS_ENDPOINT_URL_S3": "", "AWS_ENDPOINT_URL": s.URL},
	} {
		t.Run(name, func(t *testing.T) {
			requests.Store(0)
			lambda(t, "http://127.0.0.1:1")
			for name, value := range env {
				t.Setenv(name, value)
			}
			cfg, err := lambdaenv.Config(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			bodies, err := lambdaenv.Bodies(cfg, "tasks")
			if err != nil {
				t.Fatal(err)
			}
			b, used := bucket.New(bodies.Bucket), new(telemetry.Usage)
			ctx, sum := telemetry.With(t.Context(), used), sha256.Sum256([]byte("text"))
			if err := b.Put(ctx, "key", []byte("text"), sum); err != nil {
				t.Fatal(err)
			}
			if _, err := b.Get(ctx, "key", 4, sum); err != nil {
				t.Fatal(err)
			}
			var out strings.Builder
			line := new(telemetry.Line)
			line.Usage(used)
			line.Log(ctx, slog.New(slog.NewJSONHandler(&out, nil)), telemetry.Sweep)
			if want := `"objectPuts":1,"objectGets":1,"retries":1,"throttles":1}`; !strings.HasSuffix(strings.TrimSpace(out.String()), want) {
				t.Errorf("got %s, want %s", &out, want)
			}
		})
	}
	for _, name := range []string{"My-Bucket", "a/b", "x", "tasks?", "-tasks"} {
		if _, err := lambdaenv.Bodies(aws.Config{}, name); err == nil || !strings.Contains(err.Error(), "BUCKET_NAME") {
			t.Errorf("%q: %v", name, err)
		}
	}
}
