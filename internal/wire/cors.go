package wire

import "net/http"

// cors lets pages of any origin call the handler: https://fetch.spec.whatwg.org/#http-cors-protocol. Credentials that a browser
// adds by itself, as cookies, stay out; a page may send the Authorization header.
func cors(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Access-Control-Allow-Origin", "*")
		if r.Method == http.MethodOptions { // a preflight
			h.Set("Access-Control-Allow-Methods", "GET, POST, DELETE")
			h.Set("Access-Control-Allow-Headers", "content-type, authorization, a2a-version, a2a-extensions, x-a2a-extensions, last-event-id, traceparent, tracestate")
			h.Set("Access-Control-Max-Age", "86400") // seconds
			w.WriteHeader(http.StatusNoContent)
			return
		}
		h.Set("Access-Control-Expose-Headers", "etag, a2a-extensions, x-a2a-extensions, www-authenticate")
		handler.ServeHTTP(w, r)
	})
}
