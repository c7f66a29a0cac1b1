package check_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"a2alambda/internal/a2ahttp"
	"a2alambda/internal/check"
	"a2alambda/internal/demoagent"
	"a2alambda/internal/hosttest"
	"a2alambda/internal/memlog"
)

// host returns a server of the demo agent behind something that may spoil its answers.
func host(t *testing.T, spoil func(http.Handler) http.Handler) *httptest.Server {
	logger := slog.New(slog.NewTextHandler(t.Output(), nil))
	h := a2ahttp.New(hosttest.New(new(memlog.Log), demoagent.NewExecutor(), logger))
	if spoil != nil {
		h = spoil(h)
	}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

// rewritten rewrites the lines of each answer as they come.
func rewritten(line func(r *http.Request, line string) string) func(http.Handler) http.Handler {
	return func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h.ServeHTTP(&rewriter{w, func(l string) string { return line(r, l) }}, r)
		})
	}
}

type rewriter struct {
	http.ResponseWriter
	line func(string) string
}

func (w *rewriter) Write(p []byte) (int, error) {
	for l := range strings.Lines(string(p)) {
		if _, err := w.ResponseWriter.Write([]byte(w.line(l))); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

func (w *rewriter) Flush() { w.ResponseWriter.(http.Flusher).Flush() }

// inOnePiece answers after the handler has returned, as API Gateway does.
func inOnePiece(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		whole := httptest.NewRecorder()
		h.ServeHTTP(whole, r)
		for name, values := range whole.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(whole.Code)
		_, _ = w.Write(whole.Body.Bytes())
	})
}

// errorsAsJSON answers in JSON where a stream would have only an error.
func errorsAsJSON(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if body := new(bytes.Buffer); r.Header.Get("Accept") == "text/event-stream" {
			_, _ = body.ReadFrom(r.Body)
			r.Body = readCloser{body}
			if !bytes.Contains(body.Bytes(), []byte(`"parts":[]`)) {
				h.ServeHTTP(w, r)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(map[string]any{"jsonrpc": "2.0", "id": nil, "error": map[string]any{"code": -32602, "message": "no"}})
			return
		}
		h.ServeHTTP(w, r)
	})
}

type readCloser struct{ *bytes.Buffer }

func (readCloser) Close() error { return nil }

// TestRun checks a right server, and servers that are each wrong in one way: the check of that name
// finds it.
func TestRun(t *testing.T) {
	t.Parallel()
	resumed := func(r *http.Request) bool { return r.Header.Get("Last-Event-ID") != "" }
	for _, test := range []struct {
		name   string
		spoil  func(http.Handler) http.Handler
		need   []string
		failed []string // names of checks
		cannot []string
	}{
		{name: "right"},
		{name: "buffers", spoil: inOnePiece, cannot: []string{"stream", "cancel", "long"}},
		{name: "buffers, needed", spoil: inOnePiece, need: []string{"resume", "stream"}, cannot: []string{"cancel", "long"}, failed: []string{"stream"}},
		{name: "drops ids", failed: []string{"stream", "resume"}, spoil: rewritten(func(_ *http.Request, l string) string {
			if strings.HasPrefix(l, "id:") {
				return ""
			}
			return l
		})},
		{name: "loses an event", failed: []string{"resume"}, spoil: rewritten(func(r *http.Request, l string) string {
			if resumed(r) && strings.Contains(l, "artifactUpdate") {
				return ""
			}
			return l
		})},
		{name: "repeats what was seen", failed: []string{"resume"}, spoil: func(h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				r.Header.Del("Last-Event-ID")
				h.ServeHTTP(w, r)
			})
		}},
		{name: "errors as JSON", failed: []string{"refused"}, spoil: errorsAsJSON},
		{name: "swallows the end", failed: []string{"stream", "cancel"}, spoil: rewritten(func(r *http.Request, l string) string {
			if strings.HasPrefix(l, "data:") && (strings.Contains(l, "STATE_COMPLETED") || strings.Contains(l, "STATE_CANCELED")) {
				return ""
			}
			return l
		})},
		{name: "spoils messages", failed: []string{"large"}, spoil: func(h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body := new(bytes.Buffer)
				_, _ = body.ReadFrom(r.Body)
				get := bytes.Contains(body.Bytes(), []byte(`"GetTask"`))
				r.Body = readCloser{body}
				if !get {
					h.ServeHTTP(w, r)
					return
				}
				inOnePiece(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					h.ServeHTTP(w, r)
					whole := w.(*httptest.ResponseRecorder)
					whole.Body = bytes.NewBuffer(bytes.Replace(whole.Body.Bytes(), []byte(`{"check":"`), []byte(`{"check":"AAAA`), 1))
					w.Header().Del("Content-Length")
				})).ServeHTTP(w, r)
			})
		}},
		{name: "knows nothing", failed: check.Names(), spoil: func(http.Handler) http.Handler { return http.NotFoundHandler() }},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			err := check.Run(t.Context(), check.Config{URL: host(t, test.spoil).URL, Long: 5 * time.Second, Need: test.need}, &out)
			var failed, cannot []string
			for _, m := range regexp.MustCompile(`(?m)^(\S+) +(FAILED|cannot) `).FindAllStringSubmatch(out.String(), -1) {
				if m[2] == "FAILED" || slices.Contains(test.need, m[1]) {
					failed = append(failed, m[1])
				} else {
					cannot = append(cannot, m[1])
				}
			}
			if test.name == "knows nothing" { // and most can then not be tried
				if len(failed) < 3 || !errors.Is(err, check.ErrFailed) {
					t.Errorf("%v\n%s", err, &out)
				}
				return
			}
			if !slices.Equal(failed, test.failed) || !slices.Equal(cannot, test.cannot) || errors.Is(err, check.ErrFailed) != (len(failed) > 0) {
				t.Errorf("%v; failed %q, want %q; cannot %q, want %q\n%s", err, failed, test.failed, cannot, test.cannot, &out)
			}
		})
	}
}

func TestNeedsAName(t *testing.T) {
	t.Parallel()
	err := check.Run(t.Context(), check.Config{URL: "http://127.0.0.1:1", Need: []string{"gold"}}, new(strings.Builder))
	if err == nil || !strings.Contains(err.Error(), `there is no check "gold"`) {
		t.Errorf("got %v", err)
	}
}
