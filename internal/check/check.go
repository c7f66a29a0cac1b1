// Package check tries a deployment of this project as a client would, and reports what works.
//
// It needs only the URL. It sends messages to the agent, which costs what a few messages cost. A
// front door that answers in one piece, as API Gateway and sam local do, cannot stream. The report
// says so, which is no failure unless [Config.Need] has that check.
package check

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// Config says what is checked, and how.
type Config struct {
	// URL is the agent's. It is required.
	URL string
	// Authorize adds credentials to a request with this body. Nil adds none.
	Authorize func(r *http.Request, body []byte) error
	// Message is the text for the agent. Its answer should take seconds. Default: the tutorial's.
	Message string
	// Push is the URL at which the deployment can post push notifications to this process. If it is
	// empty, they are not checked.
	Push string
	// Receiver is where this process listens for them. If it is nil, only the acceptance of the
	// configuration is checked.
	Receiver net.Listener
	// Long is how long a stream is held open, beyond the 30 s of API Gateway. Zero leaves it out.
	Long time.Duration
	// Need names checks that must be ok: for them, cannot is a failure.
	Need []string
	// Client is the HTTP client. Default: one that follows no redirects.
	Client *http.Client
}

type outcome string

const (
	holds  outcome = "ok"
	cannot outcome = "cannot" // the front door is not able to
	fails  outcome = "FAILED"
	none   outcome = "-" // not tried
)

type result struct {
	outcome outcome
	text    string
}

func ok(text string, args ...any) result   { return result{holds, fmt.Sprintf(text, args...)} }
func no(text string, args ...any) result   { return result{cannot, fmt.Sprintf(text, args...)} }
func bad(text string, args ...any) result  { return result{fails, fmt.Sprintf(text, args...)} }
func skip(text string, args ...any) result { return result{none, fmt.Sprintf(text, args...)} }

// checks are all checks, in order: later ones use what earlier ones have found.
var checks = []struct {
	name string
	run  func(*session, context.Context) result
}{
	{"card", (*session).card}, {"caller", (*session).caller}, {"stream", (*session).stream}, {"resume", (*session).resume},
	{"retry", (*session).retry}, {"get", (*session).get}, {"list", (*session).list}, {"cancel", (*session).cancel},
	{"refused", (*session).refused}, {"unknown", (*session).unknown}, {"v0.3", (*session).v03}, {"http+json", (*session).rest},
	{"headers", (*session).headers}, {"preflight", (*session).preflight}, {"large", (*session).large}, {"size", (*session).size},
	{"push", (*session).push}, {"long", (*session).long},
}

// Names returns the names of the checks.
func Names() (names []string) {
	for _, c := range checks {
		names = append(names, c.name)
	}
	return names
}

// ErrFailed means that something required does not work.
var ErrFailed = errors.New("the check failed")

// Run runs the checks, and prints a line for each to out. It returns ErrFailed if a check failed,
// or if one of [Config.Need] is not ok.
func Run(ctx context.Context, c Config, out io.Writer) error {
	for _, name := range c.Need {
		if !slices.Contains(Names(), name) {
			return fmt.Errorf("there is no check %q, but %s", name, strings.Join(Names(), ", "))
		}
	}
	if c.Message == "" {
		c.Message = "Stream me a response!"
	}
	if c.Client == nil {
		c.Client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	s := &session{Config: c, message: a2a.NewMessageID()}
	s.URL = strings.TrimSuffix(c.URL, "/") + "/"
	fmt.Fprintf(out, "%s at %s\n\n", s.URL, time.Now().UTC().Format(time.RFC3339))
	var failed []string
	for _, check := range checks {
		begin := time.Now()
		r := check.run(s, ctx)
		fmt.Fprintf(out, "%-10s %-7s %8s  %s\n", check.name, r.outcome, time.Since(begin).Round(time.Millisecond), r.text)
		if r.outcome == fails || r.outcome != holds && slices.Contains(c.Need, check.name) {
			failed = append(failed, check.name)
		}
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
	}
	if len(failed) > 0 {
		fmt.Fprintf(out, "\nFAILED: %s\n", strings.Join(failed, ", "))
		return ErrFailed
	}
	fmt.Fprintln(out, "\nall that has to hold holds")
	return nil
}
