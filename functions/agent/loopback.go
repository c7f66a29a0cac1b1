package main

import (
	"net/http"
	"net/url"
	"strings"

	"a2alambda/internal/functionurl"
)

// onlyLoopback lets those requests through that this machine's programs and pages send to the handler: by a name of this machine,
// and, if a browser says which page sends them, from one that this machine serves.
//
// A local server lets anybody in and answers pages of any origin, as the deployed agent does. But all of the internet's pages are in
// the browser on the same machine: any could run the agent there, with the machine's credentials and its webhooks, and read what it
// says. Its origin gives it away; or its Host, if its own name leads here by now (DNS rebinding), and so it needs to tell no origin.
//
// Who gives the agent a public URL wants it to be reached there, too. It may be "".
func onlyLoopback(publicURL string, handler http.Handler) http.Handler {
	public := ""
	if u, err := url.Parse(publicURL); err == nil {
		public = u.Host
	}
	known := func(host string) bool {
		return functionurl.IsLoopback(strings.ToLower(host)) || host != "" && strings.EqualFold(host, public)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !known(r.Host) {
			http.Error(w, "a local agent is only reached as localhost, or at its PUBLIC_URL", http.StatusForbidden)
			return
		}
		for _, origin := range r.Header.Values("Origin") {
			if u, err := url.Parse(origin); err != nil || !known(u.Host) { // "null", too, which may be any page
				http.Error(w, "a local agent only serves pages of localhost", http.StatusForbidden)
				return
			}
		}
		handler.ServeHTTP(w, r)
	})
}
