package main

import (
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"

	"a2alambda/internal/functionurl"
)

// public is the URL where clients find the agent. The zero URL means: wherever they reach it.
type public struct{ url.URL }

// publicURL returns the public URL that the environment names. It may be "".
func publicURL(text string) (public, error) {
	if text == "" {
		return public{}, nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || !isPort(u.Port()) {
		return public{}, fmt.Errorf("PUBLIC_URL is %q, not a URL such as https://agent.example.com", text)
	}
	if u.User != nil || u.ForceQuery || u.RawQuery != "" || strings.Contains(text, "#") {
		return public{}, fmt.Errorf("PUBLIC_URL is %q: it may have a path, but no user, query or fragment", text)
	}
	u.Path, u.RawPath = strings.TrimSuffix(u.Path, "/"), strings.TrimSuffix(u.RawPath, "/")
	if u.Path != "" && path.Clean(u.Path) != u.Path {
		return public{}, fmt.Errorf("PUBLIC_URL is %q: its path has an empty segment, or one of dots", text)
	}
	return public{*u}, nil
}

func isPort(port string) bool {
	_, err := strconv.ParseUint(port, 10, 16)
	return port == "" || err == nil
}

// base returns the URL, ending in a slash, where the client of a request finds the agent.
func (p public) base(r *http.Request) string {
	if p.Host == "" {
		return functionurl.BaseURL(r)
	}
	return p.String() + "/"
}

// serve removes the public URL's path from requests that have it: a CDN passes it on, other proxies
// don't.
func (p public) serve(handler http.Handler) http.Handler {
	if p.Path == "" {
		return handler
	}
	stripped := http.StripPrefix(p.Path, handler)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == p.Path || strings.HasPrefix(r.URL.Path, p.Path+"/") {
			stripped.ServeHTTP(w, r)
			return
		}
		handler.ServeHTTP(w, r)
	})
}
