// Command agent hosts an A2A agent: as a Lambda function behind a function URL or an API Gateway,
// or elsewhere as an HTTP server at http://localhost:10000.
//
// usage.txt lists the environment.
package main

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"a2alambda/internal/a2ahttp"
	"a2alambda/internal/agentcard"
	"a2alambda/internal/auth"
	"a2alambda/internal/durable"
	"a2alambda/internal/functionurl"
	"a2alambda/internal/hosted"
	"a2alambda/internal/lambdaenv"
	"a2alambda/internal/outgoing"
	"a2alambda/internal/page"
	"a2alambda/internal/push"
	"a2alambda/internal/run"
	"a2alambda/internal/server"
	"a2alambda/internal/usage"
	"a2alambda/internal/webhook"
)

// maxRetention is the most days that a task may be kept.
const maxRetention = 36500

//go:embed usage.txt
var help string

func main() {
	if len(os.Args) > 1 && os.Args[1] == "check" {
		if err := checkDeployment(os.Args[2:], os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "agent check:", err)
			os.Exit(1)
		}
		return
	}
	if len(os.Args) > 1 && os.Args[1] == "task" {
		if err := taskCommand(os.Args[2:], os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "agent task:", err)
			os.Exit(1)
		}
		return
	}
	usage.Exit(help)
	if err := serve(context.Background()); err != nil {
		lambdaenv.Fail("agent", err)
	}
}

func serve(ctx context.Context) error {
	lambdaenv.LimitMemory()
	if err := lambdaenv.CheckConcurrency(); err != nil {
		return err
	}
	agentCore, err := onAgentCore()
	if err != nil {
		return err
	}
	getenv, err := lambdaenv.Settings(os.Getenv)
	if err != nil {
		return err
	}
	street, err := openStreet(getenv)
	if err != nil {
		return err
	}
	if street != nil {
		defer street.Close()
		getenv = street.Getenv(getenv)
	}
	agent, err := hosted.Open(ctx, getenv) // your own agent goes there
	if err != nil {
		return err
	}
	card, extended := agent.Card, agent.Extended
	scheme, err := callers()
	if err != nil {
		return err
	}
	scheme.Declare(card)
	if extended != nil {
		scheme.Declare(extended)
	}
	if len(card.SecuritySchemes) == 0 {
		extended = nil // it is for authenticated callers
	}
	days, err := strconv.Atoi(cmp.Or(os.Getenv("RETENTION_DAYS"), "30"))
	if err != nil || days < 1 || days > maxRetention {
		return fmt.Errorf("RETENTION_DAYS is %q, not a number of days from 1 to %d", os.Getenv("RETENTION_DAYS"), maxRetention)
	}
	window, err := joinWindow(getenv("JOIN_WINDOW"))
	if err != nil {
		return err
	}
	journal, err := lambdaenv.Journal(getenv)
	if err != nil {
		return err
	}
	signer, err := cardSigner(os.Getenv("CARD_SIGNING_KEY"), os.Getenv("OTHER_CARD_PUBLIC_KEY"))
	if err != nil {
		return err
	}
	guard, err := pushGuard()
	if err != nil {
		return err
	}
	public, err := publicURL(os.Getenv("PUBLIC_URL"))
	if err != nil {
		return err
	}
	_, steps := agent.Executor.(*durable.Agent)
	browsers, err := browserPage(steps)
	if err != nil {
		return err
	}
	var session func(*http.Request) string
	if agentCore {
		session = sessionOf
	}
	handler := func(r *run.Runner, pushes push.Store, enter func() (func(), error)) http.Handler {
		return a2ahttp.New(a2ahttp.Config{
			Server: server.New(server.Config{
				Store: r.Store, Runner: r, Retention: time.Duration(days) * 24 * time.Hour, JoinWindow: window, Card: card,
				Push: &server.Push{Store: pushes, Check: webhook.Check(guard)},
			}),
			Extended: extended,
			OnlyRPC:  agentCore,
			Signer:   signer,
			BaseURL:  public.base,
			Room:     functionurl.Room,
			Enter:    enter,
			Session:  session,
			Auth:     scheme,
			Page:     browsers,
			Logger:   r.Logger,
		})
	}
	if !onLambda() {
		grace, err := shutdownGrace(os.Getenv("SHUTDOWN_GRACE"))
		if err != nil {
			return err
		}
		// Before what follows, because a taken port is the likeliest failure.
		listener, err := listen(address(), cmp.Or(os.Getenv("PORT"), "10000"))
		if err != nil {
			return err
		}
		defer listener.Close()
		l, err := openLocal(ctx, agent, guard, cmp.Or(os.Getenv("PUBLIC_URL"), homeOf(listener)), journal)
		if err != nil {
			return err
		}
		l.window, l.grace, l.street, l.agentCore = window, grace, street, agentCore
		if agent.Check != nil {
			go l.check(agent.Check)
		}
		h := public.serve(l.withCallbacks(handler(l.runner, l.pushes, l.places.enter)))
		return l.serve(card.Name, os.Getenv("PUBLIC_URL"), h, listener)
	}
	table, err := lambdaenv.Open(ctx, os.Getenv("TABLE_NAME"))
	if err != nil {
		return err
	}
	if lambdacontext.MaxConcurrency() > 1 { // only this function is on Managed Instances
		table.Log.Share()
	}
	logger := lambdaenv.NewLogger(os.Getenv("SERVICE_NAME"))
	runner, err := table.Runner(os.Getenv("WORKER_FUNCTION_NAME"), run.Config{
		Executor: agent.Executor, Peers: agent.Peers, Logger: logger, Callbacks: os.Getenv("CALLBACK_URL"),
		Journal: journal,
	})
	if err != nil {
		return err
	}
	lambdaenv.Warm(ctx, table.Log)
	h := functionurl.Handler(public.serve(handler(runner, table.Log.Pushes(), nil)))
	lambdaenv.Start(lambdaenv.WithCheck(table.Log.Reach, h), runner.HandOver)
	return nil
}

// cardSigner returns the signer of the agent card. It also publishes another public key. Either key
// may be "".
func cardSigner(private, other string) (*agentcard.Signer, error) {
	switch {
	case private == "" && other != "":
		return nil, errors.New("OTHER_CARD_PUBLIC_KEY needs CARD_SIGNING_KEY: it is the second key, not the first")
	case private == "":
		return nil, nil
	}
	signer, err := agentcard.NewSigner([]byte(private))
	if err != nil {
		return nil, fmt.Errorf("CARD_SIGNING_KEY: %w", err)
	}
	if other != "" {
		if err := signer.AlsoPublish(other); err != nil {
			return nil, fmt.Errorf("OTHER_CARD_PUBLIC_KEY: %w", err)
		}
	}
	return signer, nil
}

// joinWindow returns the [server.Server]'s window from a duration, which may be "".
func joinWindow(text string) (time.Duration, error) {
	if text == "" {
		return server.DefaultJoinWindow, nil
	}
	window, err := time.ParseDuration(text)
	switch {
	case err != nil || window < 0:
		return 0, fmt.Errorf("JOIN_WINDOW is %q, not a time like 30s, 10m or 1h, or 0", text)
	case window == 0:
		return -1, nil
	}
	return window, nil
}

// browserPage returns the page for browsers, or nil if PAGE is false. Steps is that of [page.New].
func browserPage(steps bool) (http.Handler, error) {
	value := cmp.Or(os.Getenv("PAGE"), strconv.FormatBool(!onLambda()))
	switch wanted, err := strconv.ParseBool(value); {
	case err != nil:
		return nil, fmt.Errorf("PAGE is %q, not one of true and false", value)
	case wanted:
		return page.New(steps), nil
	}
	return nil, nil
}

func pushGuard() (outgoing.Guard, error) {
	allowed := os.Getenv("PUSH_ALLOWED_CIDRS")
	if allowed == "" && !onLambda() && functionurl.IsLoopback(strings.ToLower(address())) {
		allowed = loopback // for a remote client this would open what is private to the machine
	}
	guard, err := outgoing.ParseAllow(allowed)
	if err != nil {
		return outgoing.Guard{}, fmt.Errorf("PUSH_ALLOWED_CIDRS: %w", err)
	}
	return guard, nil
}

func address() string { return cmp.Or(os.Getenv("ADDRESS"), "localhost") }

func onLambda() bool { return os.Getenv("AWS_LAMBDA_RUNTIME_API") != "" }

// callers returns the scheme that authenticates callers, by AUTH.
func callers() (auth.Scheme, error) {
	samLocal := os.Getenv("AWS_SAM_LOCAL") == "true" // it verifies no signatures, and sets no AUTH
	mode, issuer := os.Getenv("AUTH"), os.Getenv("OIDC_ISSUER")
	switch {
	case mode != "oidc" && issuer == "" && os.Getenv("OIDC_AUDIENCE") != "":
		return nil, fmt.Errorf("OIDC_AUDIENCE needs AUTH=oidc, and AUTH is %q: nobody would be asked for a token", mode)
	case mode != "oidc" && issuer != "":
		return nil, fmt.Errorf("OIDC_ISSUER needs AUTH=oidc, and AUTH is %q: nobody would be asked for a token", mode)
	case mode == "none", mode == "" && !onLambda(), mode != "oidc" && samLocal:
		return auth.None(), nil
	case mode == "iam" && !onLambda():
		return nil, errors.New("AUTH=iam needs Lambda, which verifies the signatures")
	case mode == "iam":
		return auth.IAM(functionurl.IAMUser), nil
	case mode == "oidc" && issuer == "":
		return nil, errors.New("AUTH=oidc needs OIDC_ISSUER, the URL of the issuer of the tokens")
	case mode == "oidc" && os.Getenv("OIDC_AUDIENCE") == "":
		return nil, errors.New("AUTH=oidc needs OIDC_AUDIENCE, the audience of the tokens")
	case mode == "oidc":
		scheme, err := auth.OIDC(issuer, os.Getenv("OIDC_AUDIENCE"), lambdacontext.NewLogger())
		if err != nil {
			return nil, fmt.Errorf("OIDC_ISSUER: %w", err)
		}
		return scheme, nil
	default:
		return nil, fmt.Errorf("AUTH is %q, not one of none, iam and oidc", mode)
	}
}
