package hosted

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"a2alambda/internal/agentfile"
	"a2alambda/internal/durable"
	"a2alambda/internal/lambdaenv"
	"a2alambda/internal/model"
	"a2alambda/internal/model/bedrock"
	"a2alambda/internal/model/openai"
	"a2alambda/internal/outgoing"
	"a2alambda/internal/peer"
	"a2alambda/internal/run"
)

// onBedrock is the MODEL_URL of a model on Amazon Bedrock.
const onBedrock = "bedrock"

// openModel returns the agent with a model. If it is not AGENT=bedrock, it has the peers as tools, and
// those of the file, which may be nil.
func openModel(ctx context.Context, getenv func(string) string, peers peer.Set, file *agentFile) (*Agent, error) {
	agent, id, at := getenv("AGENT"), getenv("MODEL_ID"), getenv("MODEL_URL")
	switch {
	case id == "":
		return nil, fmt.Errorf("AGENT=%s needs MODEL_ID%s", agent, orKey(file, "model.name"))
	case agent == "bedrock" && at != "" && at != onBedrock:
		return nil, errors.New("MODEL_URL needs AGENT=model: AGENT=bedrock has its models on Amazon Bedrock")
	case agent == "bedrock":
		at = onBedrock
	case at == "":
		return nil, fmt.Errorf("AGENT=model needs MODEL_URL%s: where an endpoint with OpenAI's chat completions is, such as http://localhost:11434/v1, or bedrock",
			orKey(file, "model.url"))
	}
	var config model.Config
	var err error
	card := "Model Agent"
	if at == onBedrock {
		config.Model, err = openBedrock(ctx, id, getenv)
	} else {
		config.Model, err = openEndpoint(at, id, getenv)
	}
	if err != nil {
		return nil, err
	}
	if config.MaxTokens, err = number(getenv, "MAX_TOKENS", "tokens", model.DefaultMaxTokens); err != nil {
		return nil, err
	}
	if config.MaxRounds, err = number(getenv, "MAX_ROUNDS", "rounds", model.DefaultMaxRounds); err != nil {
		return nil, err
	}
	spends, err := number(getenv, "TASK_TOKENS", "tokens", model.DefaultTaskTokens)
	if err != nil {
		return nil, err
	}
	if config.ModelTimeout, err = modelTimeout(getenv); err != nil {
		return nil, err
	}
	if config.Price, err = price(getenv("MODEL_PRICE")); err != nil {
		return nil, err
	}
	files, err := outgoing.ParseFiles(getenv("FILES_ALLOWED"))
	if err != nil {
		return nil, fmt.Errorf("FILES_ALLOWED: %w", err)
	}
	config.File = files.Read
	config.System, config.TaskTokens, config.Earlier = getenv("SYSTEM_PROMPT"), int64(spends), run.Earlier
	if agent == "bedrock" {
		card = "Bedrock Agent"
	} else {
		for _, name := range peers.Names() {
			config.Peers = append(config.Peers, model.Peer{Name: name, About: peers[name].About})
		}
	}
	made := &Agent{Card: model.Card(card, config.Model)}
	if file != nil {
		if err := made.extend(&config, file, getenv); err != nil {
			return nil, err
		}
	}
	f, err := model.Agent(config)
	if err != nil {
		return nil, fmt.Errorf("PEERS: %w", err)
	}
	made.Executor = durable.New(f)
	return made, nil
}

func openBedrock(ctx context.Context, id string, getenv func(string) string) (*bedrock.Model, error) {
	m := &bedrock.Model{ID: id}
	if g := getenv("GUARDRAIL"); g != "" {
		i := strings.LastIndexByte(g, '/') // an ARN has one before, too
		if i < 1 || i == len(g)-1 {
			return nil, fmt.Errorf("GUARDRAIL is %q, not ID/VERSION of a guardrail", g)
		}
		m.Guardrail, m.GuardrailVersion = g[:i], g[i+1:]
	}
	cfg, err := lambdaenv.Config(ctx)
	if err != nil {
		return nil, fmt.Errorf("bedrock: %w", err)
	}
	if cfg.Region == "" {
		return nil, fmt.Errorf("AGENT=%s needs AWS_REGION, or a profile with a region", getenv("AGENT"))
	}
	m.Client = bedrock.NewClient(cfg)
	return m, nil
}

func openEndpoint(at, id string, getenv func(string) string) (*openai.Model, error) {
	key := getenv("MODEL_KEY")
	u, err := url.Parse(at)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("MODEL_URL is no URL such as http://localhost:11434/v1, and not bedrock")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("MODEL_URL must have no user and no query: the key is MODEL_KEY")
	case key != "" && !agentfile.Private(at):
		return nil, errors.New("MODEL_URL must be https, or on this machine or in a private network: else others can read MODEL_KEY")
	case strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }):
		return nil, errors.New("MODEL_KEY has characters that no key has")
	case getenv("GUARDRAIL") != "":
		return nil, errors.New("GUARDRAIL needs a model on Amazon Bedrock")
	}
	return openai.New(openai.Config{URL: at, Key: key, Model: id}), nil
}

// How long an answer of the model may take, unless MODEL_TIMEOUT says otherwise.
const (
	onLambda  = 5 * time.Minute
	elsewhere = 30 * time.Minute
)

// modelTimeout returns how long an answer of the model may take.
func modelTimeout(getenv func(string) string) (time.Duration, error) {
	text := getenv("MODEL_TIMEOUT")
	switch {
	case text == "" && getenv("AWS_LAMBDA_RUNTIME_API") != "":
		return onLambda, nil
	case text == "":
		return elsewhere, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("MODEL_TIMEOUT is %q, not a time like 90s or 5m, or 0 for none", text)
	}
	return d, nil
}

// price returns what a million tokens cost, from "in/out".
func price(text string) (p model.Price, err error) {
	if text == "" {
		return p, nil
	}
	in, out, ok := strings.Cut(text, "/")
	if p.Input, err = strconv.ParseFloat(in, 64); err == nil {
		p.Output, err = strconv.ParseFloat(out, 64)
	}
	if !ok || err != nil || !(p.Input >= 0 && p.Output >= 0 && p.Input+p.Output < 1e9) {
		return p, fmt.Errorf("MODEL_PRICE is %q, not what a million tokens cost, in and out, such as 0.06/0.24", text)
	}
	return p, nil
}

// number returns a number from the environment.
func number(getenv func(string) string, name, of string, usual int) (int, error) {
	n, err := strconv.ParseInt(cmp.Or(getenv(name), strconv.Itoa(usual)), 10, 32)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%s is %q, not a number of %s", name, getenv(name), of)
	}
	return int(n), nil
}
