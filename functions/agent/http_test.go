package main

import (
	"bufio"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"a2alambda/internal/a2ahttp"
	"a2alambda/internal/hosttest"
	"a2alambda/internal/memlog"
	"a2alambda/internal/tasklog"
)

// TestHealth checks that the health path answers for any Host, and that other paths are left alone.
func TestHealth(t *testing.T) {
	var ending error
	h := onlyLoopback("", withHealth(func() error { return ending }, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "in") })))
	for _, host := range []string{"localhost", "10.0.0.1:8080", "agent.internal", ""} {
		r := httptest.NewRequest("GET", "/healthz", nil)
		r.Host = host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusOK || w.Body.String() != "ok\n" || w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%q: %d %v %s", host, w.Code, w.Header(), w.Body)
		}
	}
	for _, end := range []error{nil, tasklog.ErrEnding} {
		ending = end
		for _, path := range []string{"/healthz", "/readyz", "/livez"} {
			status, text := http.StatusOK, "ok\n"
			if end != nil && path != "/livez" {
				status, text = http.StatusServiceUnavailable, "ending\n"
			}
			w := httptest.NewRecorder()
			r := httptest.NewRequest("GET", path, nil)
			r.Host = "10.0.0.1"
			if h.ServeHTTP(w, r); w.Code != status || w.Body.String() != text {
				t.Errorf("%s with %v: %d %s", path, end, w.Code, w.Body)
			}
		}
	}
	w := httptest.NewRecorder()
	r := httptest.NewRequest("POST", "/healthz", nil)
	r.Host = "localhost"
	if h.ServeHTTP(w, r); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %d %v", w.Code, w.Header())
	}
	w = httptest.NewRecorder()
	r = httptest.NewRequest("GET", "/healthz/", nil)
	r.Host = "localhost"
	if h.ServeHTTP(w, r); w.Body.String() != "in" {
		t.Errorf("another path: %s", w.Body)
	}
}

// TestHealthIsNoWebhook checks that the health path leaves a push notification to the handler, which
// refuses it.
func TestHealthIsNoWebhook(t *testing.T) {
	h := withHealth(func() error { return nil }, a2ahttp.New(hosttest.New(new(memlog.Log), nil, slog.New(slog.DiscardHandler))))
	for _, verb := range []string{"GET", "HEAD", "POST", "OPTIONS"} {
		r := httptest.NewRequest(verb, "/healthz", nil)
		r.Header.Set("x-a2a-event-id", "")
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, r); w.Code != http.StatusBadRequest {
			t.Errorf("%s: %d %s", verb, w.Code, w.Body)
		}
	}
}

// TestBodyTimeout has a client stop inside a body: it gets an error, and its connection ends.
func TestBodyTimeout(t *testing.T) {
	h := a2ahttp.New(hosttest.New(new(memlog.Log), nil, slog.New(slog.DiscardHandler)))
	s := httptest.NewServer(bodyWithin(20*time.Millisecond, h))
	defer s.Close()
	for _, path := range []string{"/", "/message:send"} {
		conn, err := net.Dial("tcp", s.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_, err = io.WriteString(conn, "POST "+path+" HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
		if err != nil {
			t.Fatal(err)
		}
		in := bufio.NewReader(conn)
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusRequestTimeout || !strings.Contains(string(body), "the body did not come in time") {
			t.Errorf("%s: %d %s, %v", path, resp.StatusCode, body, err)
		}
		if rest, err := io.ReadAll(in); len(rest) > 0 || err != nil {
			t.Errorf("%s: the connection goes on with %q, %v", path, rest, err)
		}
	}
}

// TestBodyInTime checks that the body's limit limits neither the request nor the next one on its
// connection.
func TestBodyInTime(t *testing.T) {
	const limit = time.Second
	s := httptest.NewServer(bodyWithin(limit, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		select {
		case <-time.After(limit + limit/2):
		case <-r.Context().Done():
			t.Error("the request has ended")
		}
	})))
	defer s.Close()
	for range 2 {
		resp, err := s.Client().Post(s.URL, "application/json", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
}
