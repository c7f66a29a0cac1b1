package a2ahttp_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/tools/txtar"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"a2alambda/internal/a2ahttp"
	"a2alambda/internal/auth"
	"a2alambda/internal/demoagent"
	"a2alambda/internal/durable"
	"a2alambda/internal/hosttest"
	"a2alambda/internal/memlog"
	"a2alambda/internal/outgoing"
	"a2alambda/internal/run"
	"a2alambda/internal/server"
	"a2alambda/internal/tasklog"
	"a2alambda/internal/webhook"
)

var update = flag.Bool("update", false, "write the responses into the transcripts")

func handlerOf(l tasklog.Store, logs io.Writer, x a2asrv.AgentExecutor) http.Handler {
	h, _ := handlerAndRunner(l, logs, x)
	return h
}

// handlerAndRunner returns an executor's handler and its runner. Workers run in the background.
func handlerAndRunner(l tasklog.Store, logs io.Writer, x a2asrv.AgentExecutor) (http.Handler, *run.Runner) {
	c := configOf(l, logs, x)
	return a2ahttp.New(c), c.Server.Runner
}

func configOf(l tasklog.Store, logs io.Writer, x a2asrv.AgentExecutor) a2ahttp.Config {
	c := hosttest.New(l, x, slog.New(slog.NewTextHandler(logs, nil)))
	c.Server.Retention, c.Server.Push = 24*time.Hour, pushOf(l)
	return c
}

// variants configure the servers of some transcripts.
var variants = map[string]func(*a2ahttp.Config){
	"auth": func(c *a2ahttp.Config) {
		c.Auth = byToken{}
		c.Extended = demoagent.ExtendedCard()
	},
	"ending": func(c *a2ahttp.Config) { c.Server.Runner.HandOver(time.Second) },
	"full":   func(c *a2ahttp.Config) { c.Enter = func() (func(), error) { return nil, a2ahttp.ErrFull } },
	"extensions": func(c *a2ahttp.Config) {
		c.Server.Card.Capabilities.Extensions = []a2a.AgentExtension{
			{URI: "https://example.com/required/v1", Required: true}, {URI: "https://example.com/other/v1"},
		}
	},
	"page": func(c *a2ahttp.Config) {
		c.Page = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, "<!doctype html>")
		})
	},
	"steps": func(c *a2ahttp.Config) {
		c.Auth = byToken{}
		c.Server.Runner.Executor = durable.New(receiptOf)
	},
	"unsupported": func(c *a2ahttp.Config) { c.Server.Push = nil },
}

// receiptOf is a durable agent that is quick, waits for an hour, and asks.
func receiptOf(ctx context.Context, _ *durable.Task) error {
	if _, err := durable.Do(ctx, "quote", func(context.Context) (string, error) { return "secret", nil }); err != nil {
		return err
	}
	_, err := durable.Do(ctx, "charge", func(context.Context) (string, error) { return "", errors.New("secret") })
	if err == nil {
		return errors.New("charged")
	}
	g := durable.NewGroup(ctx)
	g.Go("later", func(ctx context.Context) error { return durable.Sleep(ctx, "nap", time.Hour) })
	g.Go("now", func(ctx context.Context) error {
		_, err := durable.Ask(ctx, "which card?", a2a.NewTextPart("Which card?"))
		return err
	})
	return g.Wait()
}

// known is a log whose secret is always the same, so that ids sort the same in each run.
type known struct{ *memlog.Log }

func (known) Secret(context.Context) ([]byte, error) { return make([]byte, tasklog.SecretBytes), nil }

type byToken struct{}

func (byToken) Declare(*a2a.AgentCard) {}

func (byToken) Authenticate(r *http.Request) (string, error) {
	switch name, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); {
	case !ok:
		return "", &auth.Error{Status: http.StatusUnauthorized, Challenge: `Bearer realm="a2a"`, Message: "a bearer token is required"}
	case name == "mallory":
		return "", &auth.Error{Status: http.StatusForbidden, Message: "not for mallory"}
	case name == "unknown":
		return "", &auth.Error{Status: http.StatusServiceUnavailable, Message: "the issuer of the token can't be reached"}
	default:
		return name, nil
	}
}

// pushOf returns a server's push configuration, if the store can keep clients' configurations.
func pushOf(l tasklog.Store) *server.Push {
	store, ok := l.(interface{ Pushes() *memlog.Pushes })
	if !ok {
		return nil
	}
	return &server.Push{Store: store.Pushes(), Check: webhook.Check(outgoing.Guard{})}
}

// TestTranscripts sends the requests in testdata/*.txtar and compares the responses byte for byte.
// Ids and times are made anew in each run: they read <id 1>, <id 2>, … and <time>. A request may
// use an id that came before. ETags count as ids.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no transcripts", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			// In fake time nothing takes any time, so some has to pass between requests.
			synctest.Test(t, func(t *testing.T) {
				config := configOf(known{new(memlog.Log)}, t.Output(), slow(0))
				if vary := variants[strings.TrimSuffix(filepath.Base(file), ".txtar")]; vary != nil {
					vary(&config)
				}
				h := a2ahttp.New(config)
				var names ids
				for i := 0; i+1 < len(archive.Files); i += 2 {
					request, response := archive.Files[i], &archive.Files[i+1]
					w := serve(h, parseRequest(t, names.actual(string(request.Data))))
					got := names.stable(describe(w.Result(), w.Body.String()))
					if *update {
						response.Data = []byte(got)
					} else if got != string(response.Data) {
						t.Errorf("%s\n%s\ngot\n%s\nwant\n%s", request.Name, request.Data, got, response.Data)
					}
					time.Sleep(time.Second)
				}
			})
			if *update {
				if err := os.WriteFile(file, txtar.Format(archive), 0o666); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// parseRequest makes a request from its text: method and path, headers, an empty line, the body.
func parseRequest(t *testing.T, text string) *http.Request {
	t.Helper()
	head, body, _ := strings.Cut(text, "\n\n")
	lines := strings.Split(strings.TrimSpace(head), "\n")
	method, path, ok := strings.Cut(lines[0], " ")
	if !ok {
		t.Fatalf("%q is not a method and a path", lines[0])
	}
	r := httptest.NewRequest(method, path, strings.NewReader(strings.TrimSuffix(body, "\n")))
	r.Host = "localhost:10000"
	for _, line := range lines[1:] {
		name, value, ok := strings.Cut(line, ": ")
		if !ok {
			t.Fatalf("%q is not a header", line)
		}
		r.Header.Set(name, value)
		if name == "Host" {
			r.Host = value
		}
	}
	return r
}

func describe(r *http.Response, body string) string {
	var b strings.Builder
	fmt.Fprintln(&b, r.StatusCode)
	var headers bytes.Buffer
	_ = r.Header.Write(&headers)
	b.WriteString(strings.ReplaceAll(headers.String(), "\r", ""))
	b.WriteString("\n" + body)
	if body != "" && !strings.HasSuffix(body, "\n") {
		b.WriteString("\n")
	}
	return b.String()
}

// ids are the ids of a transcript, in order of appearance.
type ids []string

var (
	uuids = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[78][0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{64}|eyJ[\w-]{40,}`) // and page tokens
	times = regexp.MustCompile(`"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z"`)
	named = regexp.MustCompile(`<id \d+>`)
)

func (n *ids) stable(text string) string {
	text = times.ReplaceAllString(text, `"<time>"`)
	return uuids.ReplaceAllStringFunc(text, func(id string) string {
		for i, known := range *n {
			if id == known {
				return fmt.Sprintf("<id %d>", i+1)
			}
		}
		*n = append(*n, id)
		return fmt.Sprintf("<id %d>", len(*n))
	})
}

func (n *ids) actual(text string) string {
	return named.ReplaceAllStringFunc(text, func(name string) string {
		var i int
		_, _ = fmt.Sscanf(name, "<id %d>", &i)
		return (*n)[i-1]
	})
}
