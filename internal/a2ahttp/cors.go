package a2ahttp

import (
	"net/http"
	"strings"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// varies are the request headers on which the answer depends.
var varies = strings.Join([]string{"Authorization", a2a.SvcParamVersion, a2a.SvcParamExtensions, extensions03, lastID}, ", ")

// uncached keeps answers out of caches: a task changes at any moment, and a cache may keep an
// answer that does not forbid it (RFC 9111, 4.2.2). Documents that may be kept override it.
func uncached(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		handler.ServeHTTP(w, r)
	})
}

// cors lets pages of any origin call the handler:
// https://fetch.spec.whatwg.org/#http-cors-protocol. Any header may come in, also a page's tracing
// headers, because a browser adds no credentials of its own, such as cookies. The asterisk does not
// cover Authorization, and browsers before 2022 don't know it, so the protocol's headers are listed
// too. "nosniff" keeps browsers from guessing the type of an answer.
func cors(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("X-Content-Type-Options", "nosniff")
		if r.Method == http.MethodOptions && !IsNotification(r) { // a preflight
			h.Set("Access-Control-Allow-Methods", "GET, POST, DELETE")
			h.Set("Access-Control-Allow-Headers", "*, authorization, content-type, a2a-version, a2a-extensions, x-a2a-extensions, last-event-id, traceparent, tracestate")
			h.Set("Access-Control-Max-Age", "86400") // seconds
			w.WriteHeader(http.StatusNoContent)
			return
		}
		h.Set("Access-Control-Expose-Headers", "etag, a2a-extensions, x-a2a-extensions, www-authenticate, retry-after")
		handler.ServeHTTP(w, r)
	})
}
