package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestOnlyLoopback(t *testing.T) {
	h := onlyLoopback("https://agent.example.com/", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "in") }))
	for _, test := range []struct {
		host    string
		origins []string
		in      bool
	}{
		{"localhost", nil, true},
		{"localhost:10000", nil, true},
		{"LOCALHOST:1", nil, true},
		{"127.0.0.1:10000", nil, true},
		{"127.1.2.3", nil, true},
		{"[::1]:10000", nil, true},
		{"[::1]", nil, true},
		{"localhost:10000", []string{"http://localhost:10000"}, true},
		{"localhost:10000", []string{"http://127.0.0.1:5173"}, true},
		{"127.0.0.1:10000", []string{"https://[::1]:8443"}, true},

		{"agent.example.com", []string{"https://agent.example.com"}, true},

		{"", nil, false},
		{"attacker.example", nil, false},
		{"attacker.example:10000", []string{"http://attacker.example:10000"}, false},
		{"localhost.attacker.example:10000", nil, false},
		{"127.0.0.1.attacker.example", nil, false},
		{"192.168.1.2:10000", nil, false},
		{"0.0.0.0:10000", nil, false},
		{"[::]:10000", nil, false},
		{"localhost:10000", []string{"https://attacker.example"}, false},
		{"localhost:10000", []string{"http://localhost.attacker.example"}, false},
		{"localhost:10000", []string{"http://localhost@attacker.example"}, false},
		{"localhost:10000", []string{"null"}, false},
		{"localhost:10000", []string{""}, false},
		{"localhost:10000", []string{"file://"}, false},
		{"localhost:10000", []string{"http://localhost:1", "https://attacker.example"}, false},
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodOptions} {
			r := httptest.NewRequest(method, "/", nil)
			r.Host = test.host
			if test.origins != nil {
				r.Header["Origin"] = test.origins
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			status := http.StatusForbidden
			if test.in {
				status = http.StatusOK
			}
			if body := w.Body.String(); w.Code != status || test.in != (body == "in") {
				t.Errorf("%s to %q from %q: %d %s", method, test.host, test.origins, w.Code, body)
			}
			plain := strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") && w.Header().Get("Access-Control-Allow-Origin") == ""
			if !test.in && !plain {
				t.Errorf("%s to %q from %q: %v", method, test.host, test.origins, w.Header())
			}
		}
	}
}

// TestFromElsewhere checks that pages of other machines get what is public, and no operation, in
// whatever way their browser shows their origin.
func TestFromElsewhere(t *testing.T) {
	h := onlyLoopback("", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "in") }))
	const card = "/.well-known/agent-card.json"
	for _, test := range []struct {
		method, path, origin, site string
		in                         bool
	}{
		{"GET", card, "https://attacker.example", "cross-site", true},
		{"GET", card, "", "cross-site", true},
		{"HEAD", card, "", "cross-site", true},
		{"GET", "/.well-known/agent.json", "null", "cross-site", true},
		{"GET", "/.well-known/jwks.json", "https://attacker.example", "", true},
		{"OPTIONS", "/", "https://attacker.example", "cross-site", true},
		{"OPTIONS", "/message:send", "https://attacker.example", "", true},

		{"GET", "/tasks", "", "same-origin", true},
		{"GET", "/tasks", "", "none", true},
		{"GET", "/tasks", "", "", true},
		{"GET", "/tasks", "", "same-site", true}, // another port of this machine
		{"GET", "/tasks", "http://127.0.0.1:5173", "cross-site", true},

		{"GET", "/", "", "cross-site", false},
		{"GET", "/tasks", "", "cross-site", false},
		{"GET", "/tasks/x:subscribe", "", "cross-site", false},
		{"GET", "/tasks", "https://attacker.example", "cross-site", false},
		{"GET", "/healthz", "", "cross-site", false},
		{"POST", card, "https://attacker.example", "cross-site", false},
		{"POST", "/", "", "cross-site", false},
		{"DELETE", "/tasks/x/pushNotificationConfigs/y", "", "cross-site", false},
		{"GET", card + "/", "", "cross-site", false},
		{"GET", "/x" + card, "", "cross-site", false},
	} {
		for _, host := range []string{"localhost:10000", "attacker.example"} {
			r := httptest.NewRequest(test.method, test.path, nil)
			r.Host = host
			for name, value := range map[string]string{"Origin": test.origin, "Sec-Fetch-Site": test.site} {
				if value != "" {
					r.Header.Set(name, value)
				}
			}
			if test.method == "OPTIONS" {
				r.Header.Set("Access-Control-Request-Method", "POST")
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if in := w.Code == http.StatusOK; in != (test.in && host != "attacker.example") {
				t.Errorf("%s %s at %s from %q, %q: %d", test.method, test.path, host, test.origin, test.site, w.Code)
			}
			if w.Code != http.StatusOK && w.Header().Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%v", w.Header())
			}
		}
	}
}
