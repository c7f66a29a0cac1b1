package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// serveLocal serves the handler on localhost until SIGINT or SIGTERM, and then until the running streams have ended. A second
// signal ends them.
func serveLocal(handler http.Handler, port, store string) error {
	listener, err := net.Listen("tcp", net.JoinHostPort("localhost", port))
	if err != nil {
		return err
	}
	_, port, _ = net.SplitHostPort(listener.Addr().String())
	url := "http://localhost:" + port + "/"
	fmt.Printf(`🌊 Streaming Demo Agent
📋 Agent card: %[1]s.well-known/agent-card.json
💬 A2A endpoint: %[1]s
💾 Tasks in %[2]s

Try it:
curl -N %[1]s -H 'Content-Type: application/json' -d '{"jsonrpc":"2.0","id":1,"method":"message/stream","params":{"message":{"role":"user","parts":[{"kind":"text","text":"Stream me a response!"}],"messageId":"'$RANDOM'"}}}'
`, url, store)

	s := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	stopped := make(chan error, 1)
	signalled, restore := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signalled.Done()
		restore() // a second signal is deadly
		stopped <- s.Shutdown(context.Background())
	}()
	if err := s.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-stopped
}
