// Package peertest has other agents for tests: in the test's process, without a network, so that
// they can be part of a bubble of [testing/synctest].
package peertest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync"
)

// Transport is a transport whose requests a handler answers, each in a goroutine of its own.
type Transport struct{ Handler http.Handler }

// RoundTrip implements [http.RoundTripper]. It returns when the handler writes, or has returned. A
// handler that panics cuts the connection.
func (t Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	body := []byte(nil)
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		r.Body.Close()
	}
	if trace := httptrace.ContextClientTrace(r.Context()); trace != nil && trace.WroteHeaderField != nil {
		trace.WroteHeaderField("Host", []string{r.URL.Host})
	}
	ctx, hangUp := context.WithCancel(context.Background()) // a server sees no deadline
	context.AfterFunc(r.Context(), hangUp)
	served := r.Clone(ctx)
	served.Body, served.RequestURI, served.RemoteAddr = io.NopCloser(bytes.NewReader(body)), r.URL.RequestURI(), "127.0.0.1:1"
	served.Host = r.URL.Host
	reader, writer := io.Pipe()
	w := &response{header: http.Header{}, begun: make(chan struct{}), pipe: writer}
	go func() {
		err := error(io.EOF)
		defer func() {
			if recover() != nil {
				err = errHungUp
			}
			w.end(err)
			hangUp()
		}()
		t.Handler.ServeHTTP(w, served)
	}()
	stop := context.AfterFunc(r.Context(), func() { reader.CloseWithError(r.Context().Err()) })
	select {
	case <-w.begun:
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	if w.err != nil {
		return nil, w.err
	}
	return &http.Response{
		StatusCode: w.status, Status: http.StatusText(w.status), Header: w.sent, Request: r, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		ContentLength: -1, Body: &answer{Reader: reader, close: func() { stop(); hangUp(); reader.Close() }},
	}, nil
}

var errHungUp = errors.New("the connection was closed")

// answer is the body of a response.
type answer struct {
	io.Reader
	close func()
}

func (b *answer) Close() error { b.close(); return nil }

// response is the writer of one response.
type response struct {
	header http.Header
	pipe   *io.PipeWriter

	once   sync.Once
	begun  chan struct{}
	status int         // set before begun is closed
	sent   http.Header // likewise
	err    error       // likewise
}

func (w *response) Header() http.Header { return w.header }

func (w *response) WriteHeader(status int) {
	w.once.Do(func() {
		w.status, w.sent = status, w.header.Clone()
		close(w.begun)
	})
}

func (w *response) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.pipe.Write(p)
}

// Flush implements [http.Flusher].
func (w *response) Flush() { w.WriteHeader(http.StatusOK) }

// end ends the response: with an error, the connection breaks off.
func (w *response) end(err error) {
	w.once.Do(func() {
		if err != io.EOF {
			w.err = err
		}
		w.status, w.sent = http.StatusOK, w.header.Clone()
		close(w.begun)
	})
	if err == io.EOF {
		w.pipe.Close()
	} else {
		w.pipe.CloseWithError(io.ErrUnexpectedEOF)
	}
}
