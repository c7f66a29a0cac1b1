package main

import (
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"a2alambda/internal/a2ahttp"
)

const (
	// headerTimeout and bodyTimeout limit how long a client of a local server may take to send a
	// request.
	headerTimeout = 10 * time.Second
	bodyTimeout   = 30 * time.Second

	// idleTimeout limits how long a connection may have no request.
	idleTimeout = 2 * time.Minute

	// healthPath and readyPath are where a load balancer, or a script that starts the server, asks if
	// the server is to get requests. livePath is where a supervisor asks if the process is to be
	// restarted: an end in order is no reason.
	healthPath = "/healthz"
	readyPath  = "/readyz"
	livePath   = "/livez"
)

func isHealth(path string) bool { return path == healthPath || path == readyPath || path == livePath }

// withHealth answers where others ask for the process's health, and leaves other paths to the
// handler. It does not ask the store: restarting the server does not bring the store back. Once
// ending returns an error, it answers that the server is to get no more requests. A push
// notification is refused there as everywhere.
func withHealth(ending func() error, handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !isHealth(r.URL.Path) || a2ahttp.IsNotification(r):
			handler.ServeHTTP(w, r)
		case r.Method == http.MethodGet || r.Method == http.MethodHead:
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			w.Header().Set("X-Content-Type-Options", "nosniff")
			w.Header().Set("Cache-Control", "no-store")
			text := "ok\n"
			if r.URL.Path != livePath && ending() != nil {
				text = "ending\n"
				w.WriteHeader(http.StatusServiceUnavailable)
			}
			_, _ = io.WriteString(w, text)
		default:
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
		}
	})
}

// counted counts the handler's requests while they are served.
func counted(n *atomic.Int64, handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.Add(1)
		defer n.Add(-1)
		handler.ServeHTTP(w, r)
	})
}

// bodyWithin limits how long clients may take to send the body of a request.
// [http.Server.ReadTimeout] would also end streams whose body has long come.
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

// timedBody removes the deadline when the body has been read.
type timedBody struct {
	io.ReadCloser
	conn *http.ResponseController
}

func (b *timedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		_ = b.conn.SetReadDeadline(time.Time{})
	}
	return n, err
}
