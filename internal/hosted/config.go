package hosted

import (
	"cmp"
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"slices"
	"strings"

	"a2alambda/internal/agentfile"
	"a2alambda/internal/lambdaenv"
	"a2alambda/internal/mcp"
	"a2alambda/internal/model"
	"a2alambda/internal/parameter"
	"a2alambda/internal/tool"
)

// embedded are the files that are deployed with the functions. Put your agent.yaml there.
//
//go:embed config
var embedded embed.FS

// agentFile is a file that AGENT_CONFIG names.
type agentFile = agentfile.File

// openFile reads the file that AGENT_CONFIG names, or returns nil. It is in Parameter Store, or on the
// disk; on Lambda, instead of the latter, one of those in the folder config beside this file, as they
// were when the function was built.
func openFile(ctx context.Context, getenv func(string) string) (*agentFile, error) {
	name := getenv("AGENT_CONFIG")
	if name == "" {
		return nil, nil
	}
	if getenv("AGENT") != "model" {
		return nil, fmt.Errorf("AGENT_CONFIG needs AGENT=model")
	}
	var data []byte
	var err error
	if stored, ok := strings.CutPrefix(name, storePrefix); ok {
		name = stored // of the file, in errors
		if data, err = inStore(ctx, name); err != nil {
			return nil, fmt.Errorf("AGENT_CONFIG is %s%s: %w", storePrefix, name, err)
		}
	} else if getenv("AWS_LAMBDA_RUNTIME_API") == "" {
		if data, err = os.ReadFile(name); err != nil {
			return nil, fmt.Errorf("AGENT_CONFIG: %w", err)
		}
	} else if data, err = fs.ReadFile(embedded, path.Join("config", name)); err != nil {
		return nil, fmt.Errorf("AGENT_CONFIG is %q, a file that was not in internal/hosted/config when the function was built", name)
	}
	return agentfile.Parse(name, data, getenv)
}

// storePrefix begins an AGENT_CONFIG that is the name of a parameter in Parameter Store.
const storePrefix = "ssm:"

func inStore(ctx context.Context, name string) ([]byte, error) {
	cfg, err := lambdaenv.Config(ctx)
	if err != nil {
		return nil, err
	}
	if cfg.Region == "" {
		return nil, errors.New("AWS_REGION is not set")
	}
	text, err := parameter.Read(ctx, cfg, name)
	return []byte(text), err
}

// orKey is the end of an error: what the file may say instead, if there is one.
func orKey(file *agentFile, key string) string {
	if file == nil {
		return ""
	}
	return ", or " + key + " in " + file.Name
}

// extend adds to an agent what the file says and the environment cannot.
func (a *Agent) extend(c *model.Config, file *agentFile, getenv func(string) string) error {
	a.Card.Name = cmp.Or(file.Card.Name, a.Card.Name)
	a.Card.Description = cmp.Or(file.Card.Description, a.Card.Description)
	a.Card.Version = cmp.Or(file.Card.Version, a.Card.Version)
	if len(file.Card.Skills) > 0 {
		a.Card.Skills = file.Card.Skills
	}
	for i, p := range c.Peers {
		if j := slices.IndexFunc(file.Peers, func(o agentfile.Peer) bool { return o.Name == p.Name }); j >= 0 {
			c.Peers[i].Approve = file.Peers[j].Approve
			if text := file.Peers[j].Description; text != "" {
				c.Peers[i].About = func(context.Context) string { return text }
			}
		}
	}
	if len(file.Servers) == 0 {
		return nil
	}
	logger := slog.Default()
	if getenv("AWS_LAMBDA_RUNTIME_API") != "" {
		logger = lambdaenv.NewLogger(getenv("SERVICE_NAME"))
	}
	ofPeer := func(pattern string) bool { return strings.HasPrefix(pattern, "ask_") }
	set, err := mcp.New(mcp.Config{
		Servers: file.Servers, Logger: logger,
		Allow: slices.DeleteFunc(slices.Clone(file.Allow), ofPeer), Approve: slices.DeleteFunc(slices.Clone(file.Approve), ofPeer),
	})
	if err != nil {
		return err
	}
	c.ToolTimeout, a.Check = file.ToolTimeout, set.Check
	c.Tools = func() (func(context.Context) []tool.Tool, func()) {
		r := set.Run()
		return r.Tools, r.Close
	}
	return nil
}
