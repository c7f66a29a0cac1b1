package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestPublicURL(t *testing.T) {
	for text, want := range map[string]string{
		"":                                "http://localhost:10000/",
		"https://agent.example.com":       "https://agent.example.com/",
		"https://agent.example.com/":      "https://agent.example.com/",
		"https://agent.example.com/a/b/":  "https://agent.example.com/a/b/",
		"http://agent.example.com:8080/a": "http://agent.example.com:8080/a/",
		"https://[::1]/":                  "https://[::1]/",
	} {
		p, err := publicURL(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = "localhost:10000"
		if got := p.base(r); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
	for _, text := range []string{
		"agent.example.com", "agent", "/a", "https://", "https:///a", "https://:443/", "ftp://agent.example.com", "https://agent.example.com:99999",
		"https://agent.example.com/%zz", "https://agent.example.com?a=b", "https://agent.example.com/?", "https://agent.example.com/#", "https://u@agent.example.com",
		"https://agent.example.com//a", "https://agent.example.com/a/../b", "https://agent.example.com/a//", "https://agent.example.com/.", " ",
	} {
		if p, err := publicURL(text); err == nil {
			t.Errorf("%q is taken, as %s", text, p.String())
		}
	}
}

func TestPublicPath(t *testing.T) {
	p, err := publicURL("https://agent.example.com/agents/one")
	if err != nil {
		t.Fatal(err)
	}
	h := p.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.URL.EscapedPath()) }))
	for path, want := range map[string]string{
		"/agents/one/message:send": "/message:send", "/agents/one/": "/", "/agents/one": "", "/agents/one/tasks/a%2Fb": "/tasks/a%2Fb",
		"/message:send": "/message:send", "/agents/two/tasks": "/agents/two/tasks", "/agents/onetasks": "/agents/onetasks", "/": "/",
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if got := w.Body.String(); got != want {
			t.Errorf("%s is served as %q, want %q", path, got, want)
		}
	}
}
