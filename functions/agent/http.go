package main

import (
	"io"
	"net/http"
	"time"
)

const (
	// headerTimeout and bodyTimeout are how long a client of a local server may take to send a
	// request.
	headerTimeout = 10 * time.Second
	bodyTimeout   = 30 * time.Second

	// idleTimeout is how long a connection may be without a request.
	idleTimeout = 2 * time.Minute

	// healthPath is what a load balancer, or who starts the server, asks whether it serves.
	healthPath = "/healthz"
)

// withHealth answers at healthPath that the server serves, and leaves the rest to the handler. It
// does not ask the store: a server that is started anew because its store is gone is of no more
// use.
func withHealth(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path != healthPath:
			handler.ServeHTTP(w, r)
		case r.Method == http.MethodGet || r.Method == http.MethodHead:
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			w.Header().Set("X-Content-Type-Options", "nosniff")
			w.Header().Set("Cache-Control", "no-store")
			_, _ = io.WriteString(w, "ok\n")
		default:
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
		}
	})
}

// bodyWithin gives clients so long to send the body of a request. [http.Server.ReadTimeout] would
// end the streams of those who are done with that, too.
func bodyWithin(limit time.Duration, handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 {
			c := http.NewResponseController(w)
			if c.SetReadDeadline(time.Now().Add(limit)) == nil {
				r.Body = &timedBody{r.Body, c}
			}
		}
		handler.ServeHTTP(w, r)
	})
}

// timedBody is a body that lifts the deadline when it has been read.
type timedBody struct {
	io.ReadCloser
	conn *http.ResponseController
}

func (b *timedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		_ = b.conn.SetReadDeadline(time.Time{})
	}
	return n, err
}
