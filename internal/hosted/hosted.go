// Package hosted chooses the agent that the functions host. Change it to host another agent.
package hosted

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"a2alambda/internal/bedrock"
	"a2alambda/internal/demoagent"
	"a2alambda/internal/durable"
	"a2alambda/internal/lambdaenv"
	"a2alambda/internal/peer"
	"a2alambda/internal/purchase"
	"a2alambda/internal/purchase/shop"
	"a2alambda/internal/run"
)

// Agent is an agent to host.
type Agent struct {
	Executor a2asrv.AgentExecutor
	// Card is the agent's card without interfaces.
	Card *a2a.AgentCard
	// Extended is the card for authenticated callers. It may be nil.
	Extended *a2a.AgentCard
	// Peers are the other agents that it may call, if it is a durable one.
	Peers peer.Set
}

// Open returns the agent that the environment names:
//
//	AGENT          demo (the default), bedrock or purchase
//
// and of bedrock
//
//	MODEL_ID       id or ARN of a model or an inference profile
//	SYSTEM_PROMPT  may be empty
//	MAX_TOKENS     most tokens of an answer. Default 4096
//
// and of purchase
//
//	SHOP_URL       URL of the shop
//	CALLBACK_URL   on Lambda, where callbacks come in
//
// and the agents that a durable agent may call, of which purchase needs "writer": see [peer.Parse]
//
//	PEERS, PEER_CREDENTIALS, PEERS_ALLOWED_CIDRS
func Open(ctx context.Context, getenv func(string) string) (*Agent, error) {
	agent, err := open(ctx, getenv)
	if err != nil {
		return nil, err
	}
	agent.Peers, err = peer.Parse(getenv("PEERS"), getenv("PEER_CREDENTIALS"), getenv("PEERS_ALLOWED_CIDRS"))
	if err == nil && getenv("AGENT") == "purchase" && agent.Peers[purchase.Writer] == nil {
		err = fmt.Errorf("AGENT=purchase needs an agent that writes receipts: PEERS=%s=https://…", purchase.Writer)
	}
	return agent, err
}

func open(ctx context.Context, getenv func(string) string) (*Agent, error) {
	switch name := cmp.Or(getenv("AGENT"), "demo"); name {
	case "demo":
		if getenv("AGENT") == "" && getenv("MODEL_ID") != "" {
			return nil, errors.New("MODEL_ID needs AGENT=bedrock: AGENT is not set, and the demo agent has no model")
		}
		return &Agent{Executor: demoagent.NewExecutor(), Card: demoagent.Card(), Extended: demoagent.ExtendedCard()}, nil
	case "bedrock":
		return openBedrock(ctx, getenv)
	case "purchase":
		return openPurchase(getenv)
	// Put your own agent here.
	default:
		return nil, fmt.Errorf("AGENT is %q, not one of demo, bedrock and purchase", name)
	}
}

func openBedrock(ctx context.Context, getenv func(string) string) (*Agent, error) {
	model := getenv("MODEL_ID")
	if model == "" {
		return nil, errors.New("AGENT=bedrock needs MODEL_ID")
	}
	tokens, err := strconv.ParseInt(cmp.Or(getenv("MAX_TOKENS"), "4096"), 10, 32)
	if err != nil || tokens < 1 {
		return nil, fmt.Errorf("MAX_TOKENS is %q, not a number of tokens", getenv("MAX_TOKENS"))
	}
	cfg, err := lambdaenv.Config(ctx)
	if err != nil {
		return nil, fmt.Errorf("bedrock: %w", err)
	}
	if cfg.Region == "" {
		return nil, errors.New("AGENT=bedrock needs AWS_REGION, or a profile with a region")
	}
	return &Agent{
		Executor: &bedrock.Executor{
			Client:    bedrock.NewClient(cfg),
			Model:     model,
			System:    getenv("SYSTEM_PROMPT"),
			MaxTokens: int32(tokens),
			Earlier:   run.Earlier,
		},
		Card: bedrock.Card(),
	}, nil
}

func openPurchase(getenv func(string) string) (*Agent, error) {
	at := getenv("SHOP_URL")
	switch {
	case at == "":
		return nil, errors.New("AGENT=purchase needs SHOP_URL, the URL of a shop")
	case getenv("AWS_LAMBDA_RUNTIME_API") != "" && getenv("CALLBACK_URL") == "":
		return nil, errors.New("AGENT=purchase needs CALLBACK_URL, where the shop tells of deliveries: the parameter Callbacks sets it")
	}
	s, err := shop.Open(at)
	if err != nil {
		return nil, fmt.Errorf("SHOP_URL: %w", err)
	}
	return &Agent{Executor: durable.New(purchase.Agent(s)), Card: purchase.Card()}, nil
}
