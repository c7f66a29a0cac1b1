package mcp

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"a2alambda/internal/tool"
)

const (
	// listFor is how long a list of tools counts, if the server does not say that it has changed.
	// Where a server cannot be asked again, the former list counts for as long as askAgain, which is
	// also how long a server that did not answer is left alone.
	listFor  = 5 * time.Minute
	askAgain = 15 * time.Second

	// The bounds of a list: pages, tools, and of each tool the bytes of its schema and description.
	maxPages       = 20
	maxTools       = 200
	maxSchema      = 64 << 10
	maxDescription = 8 << 10

	// maxTold is how many tools that are left out have a line in the log.
	maxTold = 10
)

// listed is a tool in a server's list.
type listed struct {
	own, name, description string // own: by which the server knows it
	schema                 json.RawMessage
	once, destructive      bool
	headers                bool // some arguments go into headers
}

// cache has a server's list.
type cache struct {
	turn  chan struct{} // who has the token asks the server
	mu    sync.Mutex
	tools []*listed
	ok    bool // there is a list
	until time.Time
	err   error // of the last time that the server was asked
	news  int   // how often the list was said to have changed
}

func newCache() cache {
	return cache{turn: make(chan struct{}, 1)}
}

// expire has the server asked again.
func (c *cache) expire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.until = time.Time{}
	c.news++
}

func (c *cache) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.news
}

// get returns what there is, and whether it still counts.
func (c *cache) get() (tools []*listed, err error, counts bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	counts = time.Now().Before(c.until)
	if c.ok {
		return c.tools, nil, counts
	}
	return nil, c.err, counts
}

// put keeps what has come of asking the server, which began when there were so many news. It returns
// what counts.
func (c *cache) put(tools []*listed, err error, news int) ([]*listed, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
	switch {
	case err != nil:
		c.until = time.Now().Add(askAgain)
	case c.news == news:
		c.until = time.Now().Add(listFor)
	}
	if err == nil {
		c.tools, c.ok = tools, true
	}
	if c.ok {
		return c.tools, nil
	}
	return nil, err
}

// known reports whether the server has been asked with success.
func (s *server) known() bool {
	s.tools.mu.Lock()
	defer s.tools.mu.Unlock()
	return s.tools.ok
}

// has reports whether the server has a tool of the name, or with the beginning of a name.
func (s *server) has(pattern string) bool {
	s.tools.mu.Lock()
	defer s.tools.mu.Unlock()
	return slices.ContainsFunc(s.tools.tools, func(t *listed) bool { return Match([]string{pattern}, t.name) })
}

// Tools returns the tools of all servers, in the order of the servers and of their lists. A server
// that does not answer, or did not some seconds ago, has none, or those that it had.
//
// A list counts for five minutes in this process, unless the server says that it has changed. What a
// tool is (Once, Approve) may change with it: record what decides how a call is made.
func (r *Run) Tools(ctx context.Context) (tools []tool.Tool) {
	if r == nil {
		return nil
	}
	lists := make([][]*listed, len(r.set.servers))
	var all sync.WaitGroup
	for i, s := range r.set.servers {
		all.Go(func() { lists[i], _ = r.list(ctx, s) })
	}
	all.Wait()
	for i, s := range r.set.servers {
		for _, t := range lists[i] {
			tools = append(tools, r.tool(s, t))
		}
	}
	return tools
}

func (r *Run) tool(s *server, t *listed) tool.Tool {
	approve := t.destructive && !Match(r.set.allow, t.name) || Match(r.set.approve, t.name)
	return tool.Tool{
		Name: t.name, Description: t.description, Schema: t.schema, Once: t.once, Approve: approve,
		Call: func(ctx context.Context, args json.RawMessage) (tool.Result, error) { return r.call(ctx, s, t, args) },
	}
}

// list returns the tools of a server.
func (r *Run) list(ctx context.Context, s *server) ([]*listed, error) {
	if tools, err, counts := s.tools.get(); counts {
		return tools, err
	}
	select {
	case s.tools.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { <-s.tools.turn }()
	if tools, err, counts := s.tools.get(); counts { // somebody else has asked
		return tools, err
	}
	news := s.tools.count()
	tools, err := r.askNew(ctx, s)
	if err != nil && ctx.Err() != nil {
		return nil, context.Cause(ctx) // that says nothing of the server
	}
	if err != nil && !r.quiet {
		r.set.logger.WarnContext(ctx, "an MCP server does not answer: its tools are missing, or are those of a former list", "server", s.Name, "error", err)
	}
	return s.tools.put(tools, err, news)
}

// askNew asks a server for its tools, and leaves out what cannot be used.
func (r *Run) askNew(ctx context.Context, s *server) ([]*listed, error) {
	c, err := r.take(ctx, s)
	if err != nil {
		return nil, err
	}
	all, err := s.ask(ctx, c)
	if err != nil {
		r.drop(c)
		return nil, err
	}
	r.give(c)
	var tools []*listed
	out := 0 // left out
	for _, one := range all {
		t, err := s.use(one)
		if err == nil && len(tools) == maxTools {
			err = fmt.Errorf("the server has more than %d tools", maxTools)
		}
		if err == nil && slices.ContainsFunc(tools, func(o *listed) bool { return o.name == t.name }) {
			err = fmt.Errorf("there is another one of this name")
		}
		switch {
		case err == nil:
			tools = append(tools, t)
		case out < maxTold:
			r.set.logger.WarnContext(ctx, "a tool of an MCP server is left out", "server", s.Name, "tool", s.brief(one.Name), "reason", err)
			fallthrough
		default:
			out++
		}
	}
	if out > maxTold {
		r.set.logger.WarnContext(ctx, "more tools of an MCP server are left out", "server", s.Name, "tools", out-maxTold)
	}
	return tools, nil
}

// ask asks a server for its tools, in a session.
func (s *server) ask(ctx context.Context, c *session) (all []*sdk.Tool, err error) {
	limit, stop := context.WithTimeout(ctx, s.Connect)
	defer stop()
	limit, end := context.WithCancelCause(limit)
	defer end(nil)
	seen := &seen{end: end}
	in := context.WithValue(limit, seenKey{}, seen)
	if caps := c.InitializeResult().Capabilities; caps == nil || caps.Tools == nil {
		return nil, nil // it has resources or prompts only
	}
	pages := 0
	for params := new(sdk.ListToolsParams); ; {
		page, err := c.ListTools(in, params)
		if err != nil {
			return nil, s.unreached(ctx, limit, seen, err)
		}
		all = append(all, page.Tools...)
		if params.Cursor = page.NextCursor; params.Cursor == "" {
			c.listed = true
			return all, nil
		}
		if pages++; pages == maxPages {
			return nil, &Error{Unsent: true, Text: fmt.Sprintf("%s: its list has more than %d pages", s.Name, maxPages)}
		}
	}
}

// use returns what the set needs of a tool, or why it cannot be used.
func (s *server) use(t *sdk.Tool) (*listed, error) {
	l := &listed{own: t.Name, name: nameOf(s.Name, t.Name), description: t.Description, once: true, destructive: true}
	if l.description == "" {
		l.description = t.Title
	}
	l.description = cut(s.redact(l.description), maxDescription)
	if a := t.Annotations; a != nil {
		l.once = !a.ReadOnlyHint && !a.IdempotentHint
		l.destructive = !a.ReadOnlyHint && (a.DestructiveHint == nil || *a.DestructiveHint)
	}
	var err error
	l.schema, err = schemaOf(t.InputSchema)
	l.headers = strings.Contains(string(l.schema), `"x-mcp-header"`)
	return l, err
}

// schemaOf returns a tool's schema: that of a JSON object.
func schemaOf(schema any) (json.RawMessage, error) {
	object, ok := schema.(map[string]any)
	switch {
	case schema == nil:
		object = map[string]any{"properties": map[string]any{}}
	case !ok:
		return nil, fmt.Errorf("its schema is not that of an object")
	}
	switch object["type"] {
	case nil:
		object["type"] = "object"
	case "object":
	default:
		return nil, fmt.Errorf("its schema is not that of an object")
	}
	data, err := json.Marshal(object)
	if err == nil && len(data) > maxSchema {
		err = fmt.Errorf("its schema has more than %d KB", maxSchema>>10)
	}
	return data, err
}
