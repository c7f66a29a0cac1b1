package mcp

import (
	"context"
	"sync"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

const (
	// closeWithin is how long the end of a run waits until its sessions have ended.
	closeWithin = time.Second

	// resume is how often a stream that broke off is gone on with, without that anything comes.
	resume = 2

	// stateless is the first revision of MCP without sessions.
	stateless = "2026-07-28"
)

// Run has the sessions of one run of a task. A nil Run has no servers. Its methods may be used from
// several goroutines.
type Run struct {
	set   *Set
	quiet bool // servers that are down are not logged

	mu   sync.Mutex
	idle map[*server][]*session
	over bool
}

// Run returns a run. It must be closed. It sends no request yet.
func (s *Set) Run() *Run {
	if s == nil {
		return nil
	}
	return &Run{set: s, idle: map[*server][]*session{}}
}

// Close ends the sessions. It takes a second at most.
func (r *Run) Close() {
	if r == nil {
		return
	}
	r.mu.Lock()
	idle := r.idle
	r.idle, r.over = nil, true
	r.mu.Unlock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		var all sync.WaitGroup
		for _, sessions := range idle {
			for _, c := range sessions {
				all.Go(c.close)
			}
		}
		all.Wait()
	}()
	select {
	case <-done:
	case <-time.After(closeWithin):
	}
}

// session is a session with a server.
type session struct {
	*sdk.ClientSession
	server *server
	used   bool // a call has been made in it before
	listed bool // it has asked for the tools
}

func (c *session) close() {
	if c.server.process == nil {
		_ = c.Close()
	}
}

// stateless reports whether the revision of MCP has no sessions.
func (c *session) stateless() bool { return c.InitializeResult().ProtocolVersion >= stateless }

// take returns a session that nobody else uses until it is given back. Of a command it is the
// command's one session.
func (r *Run) take(ctx context.Context, s *server) (*session, error) {
	if s.process != nil {
		c, err := s.process.get(ctx)
		if err != nil {
			return nil, err
		}
		return &session{ClientSession: c, server: s}, nil
	}
	r.mu.Lock()
	if n := len(r.idle[s]); n > 0 {
		c := r.idle[s][n-1]
		r.idle[s] = r.idle[s][:n-1]
		r.mu.Unlock()
		return c, nil
	}
	r.mu.Unlock()
	c, again, err := s.connect(ctx)
	if again { // a connection that was kept may be dead; to connect twice does no harm
		c, _, err = s.connect(ctx)
	}
	return c, err
}

// give gives a session back, for the next call.
func (r *Run) give(c *session) {
	if c.server.process != nil {
		return
	}
	c.used = true
	r.mu.Lock()
	over := r.over
	if !over {
		r.idle[c.server] = append(r.idle[c.server], c)
	}
	r.mu.Unlock()
	if over {
		go c.close()
	}
}

// drop ends a session that is broken, or may be.
func (r *Run) drop(c *session) {
	if c.server.process != nil {
		c.server.process.drop(c.ClientSession)
		return
	}
	go c.close() // the server may not answer
}

// connect makes a session with a server by URL. Again means that the request may have been lost.
func (s *server) connect(ctx context.Context) (c *session, again bool, err error) {
	limit, stop := context.WithTimeout(ctx, s.Connect)
	defer stop()
	limit, end := context.WithCancelCause(limit)
	defer end(nil)
	seen := &seen{end: end}
	was, _ := s.revision.Load().(string)
	made, err := s.client.Connect(context.WithValue(limit, seenKey{}, seen), &sdk.StreamableClientTransport{
		Endpoint: s.URL, HTTPClient: s.http, MaxRetries: resume, DisableStandaloneSSE: true,
		MaxEventSize: maxAnswer,
	}, &sdk.ClientSessionOptions{ProtocolVersion: was})
	if err != nil {
		s.revision.Store("") // it may be another server by now
		written, status := seen.get()
		return nil, written && status == 0 && limit.Err() == nil, s.unreached(ctx, limit, seen, err)
	}
	if v := made.InitializeResult().ProtocolVersion; v < stateless {
		s.revision.Store(v)
	}
	return &session{ClientSession: made, server: s}, false, nil
}
