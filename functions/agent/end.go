package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// defaultGrace is less than the 30 s that ECS and Kubernetes wait before they kill a process.
const defaultGrace = 25 * time.Second

// shutdownGrace returns how long a local server may take to end, from a duration, which may be "".
func shutdownGrace(text string) (time.Duration, error) {
	if text == "" {
		return defaultGrace, nil
	}
	grace, err := time.ParseDuration(text)
	if err != nil || grace <= 0 {
		return 0, fmt.Errorf("SHUTDOWN_GRACE is %q, not a time like 25s or 2m", text)
	}
	return grace, nil
}

// end ends a server within its grace. Until its runs are handed over it refuses requests, with an
// answer that says so; then nobody can connect. It returns an error if something had to be cut.
func (l *local) end(s *http.Server, requests func() int64) error {
	ctx, cancel := context.WithTimeout(context.Background(), l.grace)
	defer cancel()
	s.SetKeepAlivesEnabled(false) // the next request of a client goes to another server
	if n := requests(); n > 0 {
		fmt.Printf("\nEnding within %v: %d requests are under way. Another Ctrl-C ends them at once.\n", l.grace, n)
	}
	defer time.AfterFunc(l.grace*3/4, l.deliverer.End).Stop()
	l.setEnding()
	l.runner.HandOver(l.grace * 9 / 10)
	err := s.Shutdown(ctx)
	if n := l.running.Load(); n > 0 {
		fmt.Printf("\nWaiting for tasks and deliveries in the background to end: %d are under way. Another Ctrl-C ends them at once.\n", n)
	}
	idle := make(chan struct{})
	go func() {
		l.jobs.Wait()
		close(idle)
	}()
	select {
	case <-idle:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("not all requests and deliveries have ended within SHUTDOWN_GRACE, which is %v: the rest is cut", l.grace)
	}
	return err
}
