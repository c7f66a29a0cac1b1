package mcp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"a2alambda/internal/durable"
	"a2alambda/internal/tool"
)

// Error is a call, or a connection, without an answer.
type Error struct {
	// Text says what happened, in words for a model. It has no secrets.
	Text string
	// Unsent means that the call has not reached the tool.
	Unsent bool

	again bool // it may be better soon
}

func (e *Error) Error() string { return e.Text }

// Is has errors.Is find [tool.ErrUnsent].
func (e *Error) Is(target error) bool { return target == tool.ErrUnsent && e.Unsent }

// keyMeta is the name, in the metadata of a call, of a key that is the same at each attempt of it. A
// server can know by it that a call is made again.
const keyMeta = "a2alambda/idempotency-key"

var errNoAnswer = errors.New("no answer in time")

// call calls a tool, by its own name.
func (r *Run) call(ctx context.Context, s *server, t *listed, args json.RawMessage) (tool.Result, error) {
	if args = bytes.TrimSpace(args); len(args) == 0 {
		args = json.RawMessage("{}")
	}
	if args[0] != '{' || !json.Valid(args) {
		return tool.Result{Failed: true, Text: "The arguments are no JSON object. The tool was not called."}, nil
	}
	params := &sdk.CallToolParams{Name: t.own, Arguments: args}
	if key := durable.Key(ctx); key != "" {
		params.Meta = sdk.Meta{keyMeta: key}
	}
	for attempt := 1; ; attempt++ {
		result, gone, err := r.callOnce(ctx, s, t, params)
		failed := (*Error)(nil)
		switch {
		case attempt > len(pauses), !errors.As(err, &failed), !gone && !failed.again:
			return result, err
		case gone:
			continue // the server has forgotten the session, and has not called the tool
		}
		select {
		case <-time.After(pauses[attempt-1]):
		case <-ctx.Done():
			return tool.Result{}, context.Cause(ctx)
		}
	}
}

// pauses are those between the attempts of a call that did not reach its tool: a server may be about
// to start again.
var pauses = []time.Duration{300 * time.Millisecond, time.Second}

// callOnce calls a tool. Gone means that the server refused the session.
func (r *Run) callOnce(ctx context.Context, s *server, t *listed, params *sdk.CallToolParams) (result tool.Result, gone bool, err error) {
	c, err := r.take(ctx, s)
	if err != nil {
		return tool.Result{}, false, err
	}
	return r.callIn(ctx, c, t, params)
}

// callIn calls a tool in a session, which it gives back or drops. Gone means that the server refused
// the session.
func (r *Run) callIn(ctx context.Context, c *session, t *listed, params *sdk.CallToolParams) (result tool.Result, gone bool, err error) {
	s := c.server
	if c.stateless() && t.headers && !c.listed {
		// The SDK finds in the list which arguments go into headers.
		if _, err := s.ask(ctx, c); err != nil {
			r.drop(c)
			return tool.Result{}, false, err
		}
	}
	limit, stop := context.WithTimeoutCause(ctx, s.Call, errNoAnswer)
	defer stop()
	limit, end := context.WithCancelCause(limit)
	defer end(nil)
	seen := &seen{fresh: t.once, end: end}
	answer, err := c.CallTool(context.WithValue(limit, seenKey{}, seen), params)
	if err == nil {
		r.give(c)
		return resultOf(answer, s.redact), false, nil
	}
	_, status := seen.get()
	if said := saidBy(err); said != nil && (status == http.StatusOK || s.process != nil) {
		r.give(c)
		if said.Code == jsonrpc.CodeInvalidParams || said.Code == jsonrpc.CodeMethodNotFound {
			s.tools.expire() // it may be another tool by now
		}
		text := fmt.Sprintf("The server refused the call: %s (error %d)", s.brief(said.Message), said.Code)
		return tool.Result{Failed: true, Text: text}, false, nil
	}
	if s.process == nil || limit.Err() == nil { // a command that is slow goes on with its other calls
		r.drop(c)
	}
	switch {
	case ctx.Err() != nil:
		return tool.Result{}, false, context.Cause(ctx)
	case context.Cause(limit) == errTooLarge:
		text := fmt.Sprintf("The tool was called, but its answer has more than %d MB, and was not read.", maxAnswer>>20)
		return tool.Result{Failed: true, Text: text}, false, nil
	}
	gone = c.used && c.ID() != "" && (status == http.StatusNotFound || seen.ofSession())
	e := s.unanswered(limit, seen, err)
	if !e.Unsent {
		e.Text += "; whether the call has had its effect is not known"
	}
	return tool.Result{}, gone, e
}

// saidBy returns the error that a server has answered with, or nil if it is one of the SDK's.
func saidBy(err error) *jsonrpc.Error {
	said := (*jsonrpc.Error)(nil)
	if errors.Is(err, sdk.ErrConnectionClosed) || !errors.As(err, &said) {
		return nil
	}
	switch said.Code {
	case -32003, -32004, -32005: // the client is closing, the server is closing, rejected by transport
		return nil
	}
	return said
}

// unreached returns the error of a connection that was not made, or a list that was not got.
func (s *server) unreached(ctx, limit context.Context, seen *seen, err error) error {
	e := s.unanswered(limit, seen, err)
	e.Unsent = true
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case context.Cause(limit) == errTooLarge:
		e.Text, e.again = fmt.Sprintf("%s: its answer has more than %d MB", s.Name, maxAnswer>>20), false
	case limit.Err() != nil:
		e.Text, e.again = fmt.Sprintf("%s: it does not answer within %v", s.Name, s.Connect), false
	}
	return e
}

// unanswered returns what became of a request without an answer, by what was seen of it.
func (s *server) unanswered(limit context.Context, seen *seen, err error) *Error {
	written, status := seen.get()
	e, text := new(Error), ""
	switch {
	case context.Cause(limit) == errNoAnswer:
		text = fmt.Sprintf("no answer within %v", s.Call)
	case s.process != nil:
		text = "the command has ended, or says what is not MCP"
	case status == 0 && !written:
		e.Unsent, e.again, text = true, true, "no connection: "+s.brief(unwrapURL(err).Error())
	case status == 0:
		text = "no answer: " + s.brief(unwrapURL(err).Error())
	case status == http.StatusServiceUnavailable && seen.fresh, status == http.StatusRequestTimeout && seen.fresh:
		text = statusText(status) // a proxy says it, too, that has waited for the tool in vain
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable:
		e.Unsent, e.again, text = true, true, statusText(status)
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		e.Unsent, text = true, statusText(status)+": the headers for it are missing, wrong or out of date"
	case status >= 300 && status < 500:
		e.Unsent, text = true, statusText(status)
		if said := saidBy(err); said != nil {
			text += ": " + s.brief(said.Message)
		}
	case status >= 500:
		text = statusText(status)
	default:
		text = "the answer broke off, or is not MCP"
	}
	e.Text = s.Name + ": " + text
	return e
}

// unwrapURL returns an error without the URL of the request, which may have secrets in it.
func unwrapURL(err error) error {
	if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}

// maxWords is the most bytes of a server's words in an error.
const maxWords = 500

// brief makes a server's words one line of bounded length, without secrets, and without characters
// that a terminal obeys.
func (s *server) brief(text string) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsGraphic(r) {
			return ' '
		}
		return r
	}, s.redact(text))
	return cut(strings.Join(strings.Fields(text), " "), maxWords)
}

// cut returns the beginning of a text, as whole characters.
func cut(text string, n int) string {
	if len(text) <= n {
		return text
	}
	return strings.ToValidUTF8(text[:n], "")
}
