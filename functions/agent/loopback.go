package main

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"a2alambda/internal/functionurl"
)

// onlyLoopback lets only requests of this machine's programs and pages through. Their Host is a
// name of this machine, and if a browser says which page sends them, this machine serves that page.
// Other pages get only what is public of an agent, its card and its keys, and answers to
// preflights.
//
// A local server lets anybody in and answers pages of any origin, as the deployed agent does. But a
// browser on the same machine shows pages of the whole internet. Any of them could run the agent,
// with the machine's credentials and its webhooks, and read its answers. Its Origin gives such a
// page away. If the browser sends none, as for an image, the kind of request does (Fetch Metadata,
// https://www.w3.org/TR/fetch-metadata/#sec-fetch-site-header). If the page's own name leads here
// by now (DNS rebinding), so that it needs no Origin, the Host does.
//
// A public URL is another name of this machine. It may be "".
func onlyLoopback(publicURL string, handler http.Handler) http.Handler {
	public := ""
	if u, err := url.Parse(publicURL); err == nil {
		public = u.Host
	}
	known := func(host string) bool {
		return functionurl.IsLoopback(strings.ToLower(host)) || host != "" && strings.EqualFold(host, public)
	}
	foreign := func(origin string) bool {
		u, err := url.Parse(origin)
		return err != nil || !known(u.Host) // "null", too, which may be any page
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		origins := r.Header.Values("Origin")
		fromElsewhere := slices.ContainsFunc(origins, foreign) ||
			len(origins) == 0 && slices.Contains(r.Header.Values("Sec-Fetch-Site"), "cross-site")
		switch {
		case !known(r.Host) && !isHealth(r.URL.Path):
			http.Error(w, "a local agent is only reached as localhost, or at its PUBLIC_URL", http.StatusForbidden)
		case fromElsewhere && !isPublic(r):
			http.Error(w, "a local agent only serves pages of localhost", http.StatusForbidden)
		default:
			handler.ServeHTTP(w, r)
		}
	})
}

func isPublic(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		return slices.Contains([]string{"/.well-known/agent-card.json", "/.well-known/agent.json", "/.well-known/jwks.json"}, r.URL.Path)
	case http.MethodOptions:
		return r.Header.Get("Access-Control-Request-Method") != ""
	}
	return false
}
