package agentfile

import (
	"regexp"
	"slices"
	"strings"

	"a2alambda/internal/mcp"
)

// askPrefix is the beginning of the tools that ask peers, before "_" and the peer's name.
const askPrefix = "ask"

var isPattern = regexp.MustCompile(`^[A-Za-z0-9-]+_[A-Za-z0-9_-]*\*?$`)

// patterns checks allow and approve. Whether a server has the tool is known when it answers.
func (r *reader) patterns() {
	for _, list := range []struct {
		name string
		all  []string
	}{{"allow", r.Allow}, {"approve", r.Approve}} {
		for i, p := range list.all {
			at := r.lines[list.name+" "+p]
			server, _, _ := strings.Cut(p, "_")
			switch {
			case slices.Index(list.all, p) < i:
				r.wrong(at.line, "%s has %s twice", list.name, p)
			case !isPattern.MatchString(p):
				r.wrong(at.line, "%s must be a tool, such as shop_search, or the beginning of tools, such as shop_*: %q", at.key, p)
			case server == askPrefix && r.asks(p):
			case server == askPrefix:
				r.wrong(at.line, "%s is %s, but there is no such peer", at.key, p)
			case !slices.ContainsFunc(r.Servers, func(s mcp.Server) bool { return s.Name == server }):
				r.wrong(at.line, "%s is %s, but there is no MCP server %s", at.key, p, server)
			case list.name == "allow" && slices.ContainsFunc(r.Approve, func(a string) bool { return covers(a, p) }):
				r.wrong(at.line, "%s is %s, which approve has, too", at.key, p)
			}
		}
	}
	for i, p := range r.Peers {
		r.Peers[i].Approve = mcp.Match(r.Approve, askPrefix+"_"+p.Name)
	}
}

// asks reports whether a pattern is of a peer.
func (r *reader) asks(pattern string) bool {
	return slices.ContainsFunc(r.Peers, func(p Peer) bool { return mcp.Match([]string{pattern}, askPrefix+"_"+p.Name) })
}

// covers reports whether all tools of a pattern are tools of another one.
func covers(other, pattern string) bool {
	begin, ok := strings.CutSuffix(other, "*")
	return other == pattern || ok && strings.HasPrefix(pattern, begin)
}
