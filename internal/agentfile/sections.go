package agentfile

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"go.yaml.in/yaml/v3"

	"a2alambda/internal/mcp"
	"a2alambda/internal/outgoing"
	"a2alambda/internal/tool"
)

// longest is the longest that an answer of the model, or a call of a tool, may take: an invocation
// has fifteen minutes.
const longest = 10 * time.Minute

type fields = map[string]func(n *yaml.Node, key string)

// root reads the whole file.
func (r *reader) root(n *yaml.Node) {
	var servers *yaml.Node
	var serversKey string
	limit := time.Minute
	r.object(n, "", fields{
		"card":   r.card,
		"system": func(n *yaml.Node, key string) { r.set("SYSTEM_PROMPT", r.text(n, key), key, n.Line) },
		"model":  r.model,
		"limits": func(n *yaml.Node, key string) {
			r.object(n, key+".", fields{
				"rounds": func(n *yaml.Node, key string) { r.set("MAX_ROUNDS", number(r.number(n, key, 1000)), key, n.Line) },
				"tokens": func(n *yaml.Node, key string) { r.set("TASK_TOKENS", number(r.number(n, key, 1<<31-1)), key, n.Line) },
				"tool_timeout": func(n *yaml.Node, key string) {
					if d := r.duration(n, key, longest); d != 0 {
						limit = d
					}
				},
			})
		},
		"mcp":   func(n *yaml.Node, key string) { servers, serversKey = n, key }, // after the limits
		"peers": r.peers,
		"files": func(n *yaml.Node, key string) {
			r.object(n, key+".", fields{"allow": r.files})
		},
		"allow":   func(n *yaml.Node, key string) { r.Allow = r.texts(n, key); r.mark("allow", n) },
		"approve": func(n *yaml.Node, key string) { r.Approve = r.texts(n, key); r.mark("approve", n) },
	})
	if servers != nil {
		r.list(servers, serversKey, func(n *yaml.Node, key string) { r.server(n, key, limit) })
	}
}

// mark remembers where the items of a list stand.
func (r *reader) mark(list string, n *yaml.Node) {
	for i, item := range n.Content {
		r.lines[fmt.Sprintf("%s %s", list, item.Value)] = place{fmt.Sprintf("%s[%d]", list, i+1), item.Line}
	}
}

func (r *reader) card(n *yaml.Node, key string) {
	r.object(n, key+".", fields{
		"name":        func(n *yaml.Node, key string) { r.Card.Name = r.text(n, key) },
		"description": func(n *yaml.Node, key string) { r.Card.Description = r.text(n, key) },
		"version":     func(n *yaml.Node, key string) { r.Card.Version = r.text(n, key) },
		"skills": func(n *yaml.Node, key string) {
			r.list(n, key, func(n *yaml.Node, key string) {
				var s a2a.AgentSkill
				r.object(n, key+".", fields{
					"id":          func(n *yaml.Node, key string) { s.ID = r.text(n, key) },
					"name":        func(n *yaml.Node, key string) { s.Name = r.text(n, key) },
					"description": func(n *yaml.Node, key string) { s.Description = r.text(n, key) },
					"tags":        func(n *yaml.Node, key string) { s.Tags = r.texts(n, key) },
					"examples":    func(n *yaml.Node, key string) { s.Examples = r.texts(n, key) },
				})
				// The four that A2A requires.
				if !r.need(n, key+".", "id", "name", "description", "tags") {
					return
				}
				if slices.ContainsFunc(r.Card.Skills, func(o a2a.AgentSkill) bool { return o.ID == s.ID }) {
					r.wrong(n.Line, "%s: there are two skills of the id %s", key, s.ID)
				}
				r.Card.Skills = append(r.Card.Skills, s)
			})
		},
	})
}

// onBedrock is the URL of a model on Amazon Bedrock.
const onBedrock = "bedrock"

func (r *reader) model(n *yaml.Node, key string) {
	var at, secret, guard *yaml.Node
	r.object(n, key+".", fields{
		"url":  func(n *yaml.Node, key string) { at = n; r.set("MODEL_URL", r.text(n, key), key, n.Line) },
		"name": func(n *yaml.Node, key string) { r.set("MODEL_ID", r.text(n, key), key, n.Line) },
		"key": func(n *yaml.Node, key string) {
			secret = n
			if n.Kind != yaml.ScalarNode || !variable.MatchString(n.Value) {
				r.wrong(n.Line, "%s must be a reference such as ${MODEL_KEY}: secrets are not in the file", key)
				return
			}
			v, _ := r.expand(n, key)
			r.set("MODEL_KEY", v, key, n.Line)
		},
		"max_tokens": func(n *yaml.Node, key string) { r.set("MAX_TOKENS", number(r.number(n, key, 1<<31-1)), key, n.Line) },
		"timeout": func(n *yaml.Node, key string) {
			r.set("MODEL_TIMEOUT", r.duration(n, key, longest).String(), key, n.Line)
		},
		"guardrail": func(n *yaml.Node, key string) {
			guard = n
			v := r.text(n, key)
			if id, version, ok := strings.Cut(v, "/"); v != "" && (!ok || id == "" || version == "" || strings.Contains(version, "/")) {
				r.wrong(n.Line, "%s must be ID/VERSION of a guardrail", key)
			}
			r.set("GUARDRAIL", v, key, n.Line)
		},
		"price": func(n *yaml.Node, key string) {
			in, out := "0", "0"
			r.object(n, key+".", fields{
				"input":  func(n *yaml.Node, key string) { in = r.price(n, key) },
				"output": func(n *yaml.Node, key string) { out = r.price(n, key) },
			})
			if r.need(n, key+".", "input", "output") {
				r.set("MODEL_PRICE", in+"/"+out, key, n.Line)
			}
		},
	})
	if at == nil || at.Kind != yaml.ScalarNode {
		return
	}
	bedrock := at.Value == onBedrock
	u, err := url.Parse(at.Value)
	switch {
	case !bedrock && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https"):
		r.wrong(at.Line, "%s.url must be an http or https URL, such as http://localhost:11434/v1, or bedrock", key)
	case !bedrock && (u.User != nil || u.RawQuery != "" || u.Fragment != ""):
		r.wrong(at.Line, "%s.url must have no user and no query: use model.key", key)
	}
	if bedrock && secret != nil {
		r.wrong(secret.Line, "%s.key is not for models on Bedrock: the function's role may call them", key)
	}
	if !bedrock && guard != nil {
		r.wrong(guard.Line, "%s.guardrail is for models on Bedrock only", key)
	}
}

// keeps are headers whose values are secrets, by their names.
var keeps = regexp.MustCompile(`(?i)authorization|cookie|key|token|secret|password|credential|signature`)

// ours are headers that are not the deployer's to set.
var ours = regexp.MustCompile(`(?i)^(mcp-.*|last-event-id|host|content-.*|accept(-encoding)?|connection|transfer-encoding|te|upgrade)$`)

// server reads an MCP server, whose tools may take as long as limit unless it says otherwise.
func (r *reader) server(n *yaml.Node, key string, limit time.Duration) {
	s := mcp.Server{Header: http.Header{}, Connect: 10 * time.Second, Call: limit}
	var at, command, headers, env *yaml.Node
	r.object(n, key+".", fields{
		"name": func(n *yaml.Node, key string) {
			if s.Name = r.text(n, key); s.Name != "" && (!mcp.ValidName(s.Name) || s.Name == askPrefix) {
				r.wrong(n.Line, "%s must be up to 32 letters, digits and -, and not %s", key, askPrefix)
			}
		},
		"url": func(n *yaml.Node, key string) {
			at = n
			had := len(r.errs)
			var secrets []string
			s.URL, secrets = r.expand(n, key)
			s.Secrets = append(s.Secrets, secrets...)
			if err := mcp.CheckURL(s.URL); err != nil && len(r.errs) == had {
				r.wrong(n.Line, "%s: %v", key, err)
			}
		},
		"headers": func(n *yaml.Node, key string) {
			headers = n
			r.pairs(n, key, func(k, v *yaml.Node, key string) {
				value, secrets := r.expand(v, key)
				s.Secrets = append(s.Secrets, secrets...)
				switch {
				case !isToken(k.Value) || strings.ContainsFunc(value, func(c rune) bool { return c < ' ' || c > '~' }):
					r.wrong(k.Line, "%s is no header, or its value has characters that no header may have", key)
				case ours.MatchString(k.Value):
					r.wrong(k.Line, "%s is a header that MCP or HTTP sets itself", key)
				case keeps.MatchString(k.Value) && len(secrets) == 0 && v.Value != "":
					r.wrong(v.Line, "%s must have its secret as a reference such as ${NAME}: secrets are not in the file", key)
				case s.Header.Get(k.Value) != "":
					r.wrong(k.Line, "%s is there twice", key)
				}
				s.Header.Set(k.Value, value)
			})
		},
		"command": func(n *yaml.Node, key string) {
			command = n
			if s.Command = r.texts(n, key); len(s.Command) == 0 && n.Kind == yaml.SequenceNode {
				r.wrong(n.Line, "%s is empty", key)
			}
		},
		"env": func(n *yaml.Node, key string) {
			env = n
			r.pairs(n, key, func(k, v *yaml.Node, key string) {
				value, secrets := r.expand(v, key)
				s.Secrets = append(s.Secrets, secrets...)
				s.Env = append(s.Env, k.Value+"="+value)
			})
		},
		"timeout":         func(n *yaml.Node, key string) { s.Call = r.duration(n, key, longest) },
		"connect_timeout": func(n *yaml.Node, key string) { s.Connect = r.duration(n, key, time.Minute) },
	})
	if !r.need(n, key+".", "name") {
		return
	}
	switch {
	case at == nil && command == nil, at != nil && command != nil:
		r.wrong(n.Line, "%s must have either url or command", key)
	case command != nil && r.lambda:
		r.wrong(command.Line, "%s.command cannot be run on Lambda: use a server with a url", key)
	case command != nil && headers != nil:
		r.wrong(headers.Line, "%s.headers is for a server with a url: a command has env", key)
	case at != nil && env != nil:
		r.wrong(env.Line, "%s.env is for a server with a command: a url has headers", key)
	}
	if at != nil && len(s.Secrets) > 0 && !Private(s.URL) {
		r.wrong(at.Line, "%s.url must be https, or on this machine or in a private network: else others can read its secrets", key)
	}
	if slices.ContainsFunc(r.Servers, func(o mcp.Server) bool { return o.Name == s.Name && s.Name != "" }) {
		r.wrong(n.Line, "%s: there are two servers of the name %s", key, s.Name)
	}
	r.ToolTimeout = max(r.ToolTimeout, s.Connect+s.Call)
	r.Servers = append(r.Servers, s)
}

// pairs reads an object with any keys.
func (r *reader) pairs(n *yaml.Node, key string, each func(k, v *yaml.Node, key string)) {
	all := fields{}
	if n.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(n.Content); i += 2 {
			k := n.Content[i]
			all[k.Value] = func(v *yaml.Node, key string) { each(k, v, key) }
		}
	}
	r.object(n, key+".", all)
}

// isToken reports whether s can be the name of a header.
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(c rune) bool {
		return c <= ' ' || c > '~' || strings.ContainsRune(`()<>@,;:\"/[]?={}`, c)
	})
}

// files reads the URLs below which files of messages may be.
func (r *reader) files(n *yaml.Node, key string) {
	var all []string
	r.list(n, key, func(n *yaml.Node, key string) {
		s := r.text(n, key)
		if _, err := outgoing.ParseFiles(s); err != nil {
			r.wrong(n.Line, "%s: %v", key, err)
		} else if strings.Contains(s, ",") {
			r.wrong(n.Line, "%s has a comma: write a second item", key)
		}
		all = append(all, s)
	})
	r.set("FILES_ALLOWED", strings.Join(all, ","), key, n.Line)
}

// peers reads the agents that the model may ask.
func (r *reader) peers(n *yaml.Node, key string) {
	var list []string
	credentials := map[string]string{}
	r.list(n, key, func(n *yaml.Node, key string) {
		var p Peer
		var at, secret, options string
		r.object(n, key+".", fields{
			"name": func(n *yaml.Node, key string) {
				if p.Name = r.text(n, key); p.Name != "" && !isPeer(p.Name) {
					r.wrong(n.Line, "%s must be up to 60 letters, digits, - and _", key)
				}
			},
			"url": func(n *yaml.Node, key string) {
				at = r.text(n, key)
				u, err := url.Parse(at)
				switch {
				case at == "":
				case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || strings.ContainsAny(at, ",; \n"):
					r.wrong(n.Line, "%s must be an http or https URL, below which the agent card is", key)
				case u.User != nil || u.RawQuery != "" || u.Fragment != "":
					r.wrong(n.Line, "%s must have no user and no query", key)
				}
			},
			"description": func(n *yaml.Node, key string) { p.Description = r.text(n, key) },
			"credentials": func(n *yaml.Node, key string) {
				if n.Kind == yaml.ScalarNode && !strings.Contains(n.Value, "${") {
					r.wrong(n.Line, "%s must have its secret as a reference such as ${NAME}: secrets are not in the file", key)
					return
				}
				secret, _ = r.expand(n, key)
			},
			"deduplicates": func(n *yaml.Node, key string) {
				if r.flag(n, key) {
					options += ";deduplicates"
				}
			},
			"adopt": func(n *yaml.Node, key string) {
				if r.flag(n, key) {
					options += ";adopt"
				}
			},
		})
		if !r.need(n, key+".", "name", "url") {
			return
		}
		if secret != "" && !Private(at) {
			r.wrong(n.Line, "%s.url must be https, or on this machine or in a private network: else others can read its credentials", key)
		}
		if slices.ContainsFunc(r.Peers, func(o Peer) bool { return o.Name == p.Name && p.Name != "" }) {
			r.wrong(n.Line, "%s: there are two peers of the name %s", key, p.Name)
		}
		r.Peers = append(r.Peers, p)
		list = append(list, p.Name+"="+at+options)
		if secret != "" {
			credentials[p.Name] = secret
		}
	})
	r.set("PEERS", strings.Join(list, ","), key, n.Line)
	if len(credentials) > 0 {
		data, _ := json.Marshal(credentials)
		r.set("PEER_CREDENTIALS", string(data), key, n.Line)
	}
}

// isPeer reports whether a peer can have the name, whose tool's has four bytes more.
func isPeer(name string) bool { return tool.IsName(name) && len(name) <= 60 }
