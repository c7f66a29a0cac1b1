// Package hosted chooses the agent that the functions host. Change it to host another agent.
package hosted

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"a2alambda/internal/demoagent"
	"a2alambda/internal/durable"
	"a2alambda/internal/peer"
	"a2alambda/internal/purchase"
	"a2alambda/internal/purchase/shop"
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
	// Check says which of its tools cannot be used, a line for each. It may be nil.
	Check func(ctx context.Context) error
}

// Open returns the agent that the environment names:
//
//	AGENT          demo (the default), model, bedrock or purchase
//
// and of model and bedrock
//
//	MODEL_URL      of model: base URL of an endpoint with OpenAI's chat completions, or bedrock
//	MODEL_ID       name of the model; on Bedrock, the id or ARN of a model or an inference profile
//	MODEL_KEY      API key of the endpoint
//	GUARDRAIL      on Bedrock: ID/VERSION of a guardrail
//	SYSTEM_PROMPT  may be empty
//	MAX_TOKENS     most tokens of an answer. Default 4096
//	MAX_ROUNDS     most answers in a task. Default 20
//	TASK_TOKENS    most tokens of a task, in and out. Default 1000000
//	MODEL_TIMEOUT  how long an answer may take. Default 5m on Lambda, 30m elsewhere
//	MODEL_PRICE    what a million tokens cost, IN/OUT
//	FILES_ALLOWED  URLs below which a message may have files. See [outgoing.ParseFiles]
//
// or, of model, a file that says all that and more: see package agentfile
//
//	AGENT_CONFIG, AGENT_SECRETS
//
// and of purchase
//
//	SHOP_URL       URL of the shop
//	CALLBACK_URL   on Lambda, where callbacks come in
//
// and the agents that a durable agent may call: those that a model may ask; purchase needs "writer".
// See [peer.Parse]
//
//	PEERS, PEER_CREDENTIALS, PEERS_ALLOWED_CIDRS
func Open(ctx context.Context, getenv func(string) string) (*Agent, error) {
	file, err := openFile(ctx, getenv)
	if err != nil {
		return nil, err
	}
	if file != nil {
		if getenv, err = file.Getenv(getenv); err != nil {
			return nil, err
		}
	}
	peers, wrong := peer.Parse(getenv("PEERS"), getenv("PEER_CREDENTIALS"), getenv("PEERS_ALLOWED_CIDRS"))
	agent, err := open(ctx, getenv, peers, file)
	if err != nil {
		return nil, err
	}
	agent.Peers, err = peers, wrong
	if err == nil && getenv("AGENT") == "purchase" && agent.Peers[purchase.Writer] == nil {
		err = fmt.Errorf("AGENT=purchase needs an agent that writes receipts: PEERS=%s=https://…", purchase.Writer)
	}
	return agent, err
}

func open(ctx context.Context, getenv func(string) string, peers peer.Set, file *agentFile) (*Agent, error) {
	switch name := cmp.Or(getenv("AGENT"), "demo"); name {
	case "demo":
		if getenv("AGENT") == "" && getenv("MODEL_ID") != "" {
			return nil, errors.New("MODEL_ID needs AGENT=model or AGENT=bedrock: AGENT is not set, and the demo agent has no model")
		}
		return &Agent{Executor: demoagent.NewExecutor(), Card: demoagent.Card(), Extended: demoagent.ExtendedCard()}, nil
	case "model", "bedrock":
		return openModel(ctx, getenv, peers, file)
	case "purchase":
		return openPurchase(getenv)
	// Put your own agent here.
	default:
		return nil, fmt.Errorf("AGENT is %q, not one of demo, model, bedrock and purchase", name)
	}
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
