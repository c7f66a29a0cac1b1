// Package street has what the purchase agent needs on this machine: a shop and a writer, each at a
// loopback port of its own.
package street

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/a2ahttp"
	"a2alambda/internal/auth"
	"a2alambda/internal/functionurl"
	"a2alambda/internal/memlog"
	"a2alambda/internal/outgoing"
	"a2alambda/internal/purchase"
	"a2alambda/internal/purchase/shop"
	"a2alambda/internal/purchase/writer"
	"a2alambda/internal/run"
	"a2alambda/internal/server"
)

// Street is where shop and writer are.
type Street struct {
	Shop *shop.Shop
	// Receipts are the writer's tasks.
	Receipts *memlog.Log
	// ShopURL is the shop's URL, and Peers the value of PEERS that has the writer.
	ShopURL, Peers string

	servers []*http.Server
	workers sync.WaitGroup
}

// Usual is a shop that people watch: a quote takes a second, and each third one fails. The shop
// delivers after five seconds.
func Usual() shop.Config {
	return shop.Config{Slow: time.Second, Fails: 3, Delivers: 5 * time.Second}
}

// Open starts shop and writer. The shop posts to callbacks on this machine only. The writer takes
// some time for each word. The caller must call [Street.Close].
func Open(c shop.Config, pause time.Duration, logger *slog.Logger) (*Street, error) {
	c.Client = outgoing.Guard{}.With(&url.URL{Host: "localhost"}).Client()
	s := &Street{Shop: shop.New(c), Receipts: new(memlog.Log)}
	at, err := s.serve(s.Shop)
	if err != nil {
		return nil, err
	}
	s.ShopURL = at
	if at, err = s.serve(s.write(pause, logger)); err != nil {
		return nil, err
	}
	s.Peers = purchase.Writer + "=" + at + ";deduplicates"
	return s, nil
}

// serve serves a handler, and returns its URL.
func (s *Street) serve(h http.Handler) (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.Close()
		return "", fmt.Errorf("a shop and a writer for the purchase agent: %w", err)
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	s.servers = append(s.servers, server)
	go server.Serve(l)
	return "http://" + l.Addr().String() + "/", nil
}

// write returns the writer's handler.
func (s *Street) write(pause time.Duration, logger *slog.Logger) http.Handler {
	var r *run.Runner
	r = run.New(run.Config{
		Store: s.Receipts, Executor: writer.Writer{Pause: pause}, Logger: logger,
		Invoke: func(ctx context.Context, id a2a.TaskID) error {
			s.workers.Go(func() { _ = r.Work(context.WithoutCancel(ctx), id) }) // it logs errors
			return nil
		},
	})
	return a2ahttp.New(a2ahttp.Config{
		Server:  server.New(server.Config{Store: s.Receipts, Runner: r, Retention: 24 * time.Hour, Card: writer.Card()}),
		BaseURL: functionurl.BaseURL, Auth: auth.None(), Logger: logger,
	})
}

// Getenv returns the environment with shop and writer, unless it has its own.
func (s *Street) Getenv(getenv func(string) string) func(string) string {
	return func(name string) string {
		switch v := getenv(name); {
		case v != "":
			return v
		case name == "SHOP_URL":
			return s.ShopURL
		case name == "PEERS":
			return s.Peers
		}
		return getenv(name)
	}
}

// Close closes shop and writer.
func (s *Street) Close() {
	s.Shop.Close()
	for _, server := range s.servers {
		server.Close()
	}
	s.workers.Wait()
}
