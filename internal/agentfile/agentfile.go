// Package agentfile reads agent.yaml: what an agent with a model is, in one file.
//
// The file is strict: what it says and this package does not know is an error, with its line. It has
// no secrets: ${NAME}, in the places that may need one, stands for the value of an environment
// variable, or of an entry in the JSON object AGENT_SECRETS.
package agentfile

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/mcp"
)

// File is what a file says.
type File struct {
	// Name is that of the file, for errors.
	Name string
	// Card has what the file says of the agent's card. Other fields are empty.
	Card Card
	// Servers are the MCP servers, with their secrets.
	Servers []mcp.Server
	// Peers are the agents that the model may ask. Their URLs and credentials are in the environment
	// that Getenv returns.
	Peers []Peer
	// Allow and Approve are names of tools, and beginnings of names, as [mcp.Config] has them. Approve
	// may also have ask_ and the name of a peer.
	Allow, Approve []string
	// ToolTimeout is how long one try of a tool may take: the longest that one of the servers has. It
	// is 0 if there is none.
	ToolTimeout time.Duration

	env   map[string]string
	lines map[string]place // of what is in env
}

// Card has texts of an agent card.
type Card struct {
	Name, Description, Version string
	Skills                     []a2a.AgentSkill
}

// Peer is an agent that the model may ask.
type Peer struct {
	Name, Description string
	Approve           bool // the user is asked first
}

// place is where something stands.
type place struct {
	key  string // such as model.name
	line int
}

// maxFile is the most bytes of a file.
const maxFile = 1 << 20

// Parse reads a file of the name. The error has a line for each thing that is wrong, which begins
// with name:line.
func Parse(name string, data []byte, getenv func(string) string) (*File, error) {
	if len(data) > maxFile {
		return nil, fmt.Errorf("%s has more than %d KB", name, maxFile>>10)
	}
	secrets := map[string]string{}
	if text := getenv("AGENT_SECRETS"); text != "" && json.Unmarshal([]byte(text), &secrets) != nil { // the decoder's error may quote it
		return nil, errors.New(`AGENT_SECRETS is not a JSON object of strings, such as {"SHOP_TOKEN":"…"}`)
	}
	r := &reader{
		File:   &File{Name: name, env: map[string]string{}, lines: map[string]place{}},
		lambda: getenv("AWS_LAMBDA_RUNTIME_API") != "",
		secret: func(name string) string {
			if v := secrets[name]; v != "" {
				return v
			}
			return getenv(name)
		},
	}
	if root := r.parse(data); root != nil {
		r.root(root)
		r.patterns()
	}
	slices.SortStableFunc(r.errs, func(a, b mistake) int { return a.line - b.line })
	var errs []error
	for _, m := range r.errs {
		errs = append(errs, fmt.Errorf("%s:%d: %s", name, m.line, m.text))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return r.File, nil
}

// Getenv returns the environment, extended by what the file says of the model, its limits and the
// peers: the variables that say the same. It is an error if both say something.
func (f *File) Getenv(getenv func(string) string) (func(string) string, error) {
	var errs []error
	for _, name := range []string{
		"MODEL_URL", "MODEL_ID", "MODEL_KEY", "GUARDRAIL", "SYSTEM_PROMPT", "MAX_TOKENS", "MAX_ROUNDS", "TASK_TOKENS",
		"MODEL_TIMEOUT", "MODEL_PRICE", "FILES_ALLOWED", "PEERS", "PEER_CREDENTIALS",
	} {
		if at, ok := f.lines[name]; ok && getenv(name) != "" {
			errs = append(errs, fmt.Errorf("%s:%d: %s says what %s says, too: leave one out", f.Name, at.line, at.key, name))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return func(name string) string {
		if v, ok := f.env[name]; ok {
			return v
		}
		return getenv(name)
	}, nil
}

// set says a variable.
func (r *reader) set(name, value, key string, line int) {
	r.env[name], r.lines[name] = value, place{key, line}
}

func number(n int64) string { return strconv.FormatInt(n, 10) }
