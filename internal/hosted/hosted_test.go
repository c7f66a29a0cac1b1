package hosted_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"a2alambda/internal/durable"
	"a2alambda/internal/hosted"
	"a2alambda/internal/run"
	"a2alambda/localtest/ministack"
)

func TestOpen(t *testing.T) {
	t.Setenv("AWS_REGION", "us-east-1")
	for name, test := range map[string]struct {
		env     map[string]string
		card    string // the card's name
		wantErr string
	}{
		"default":   {nil, "Streaming Demo Agent", ""},
		"demo":      {map[string]string{"AGENT": "demo", "MODEL_ID": "m"}, "Streaming Demo Agent", ""},
		"forgotten": {map[string]string{"MODEL_ID": "m"}, "", "MODEL_ID needs AGENT=model or AGENT=bedrock: AGENT is not set, and the demo agent has no model"},
		"bedrock":   {map[string]string{"AGENT": "bedrock", "MODEL_ID": "m"}, "Bedrock Agent", ""},
		"no model":  {map[string]string{"AGENT": "bedrock"}, "", "AGENT=bedrock needs MODEL_ID"},
		"no number": {map[string]string{"AGENT": "bedrock", "MODEL_ID": "m", "MAX_TOKENS": "many"}, "", `MAX_TOKENS is "many", not a number of tokens`},
		"none":      {map[string]string{"AGENT": "bedrock", "MODEL_ID": "m", "MAX_TOKENS": "0"}, "", `MAX_TOKENS is "0", not a number of tokens`},
		"model":     {map[string]string{"AGENT": "model", "MODEL_URL": "http://localhost:11434/v1", "MODEL_ID": "m", "MODEL_PRICE": "0.06/0.24"}, "Model Agent", ""},
		"on Bedrock": {map[string]string{"AGENT": "model", "MODEL_URL": "bedrock", "MODEL_ID": "m", "GUARDRAIL": "g/1", "MODEL_TIMEOUT": "0",
			"PEERS": "writer=https://writer.example"}, "Model Agent", ""},
		"no URL": {map[string]string{"AGENT": "model", "MODEL_ID": "m"}, "",
			"AGENT=model needs MODEL_URL: where an endpoint with OpenAI's chat completions is, such as http://localhost:11434/v1, or bedrock"},
		"no such URL": {map[string]string{"AGENT": "model", "MODEL_ID": "m", "MODEL_URL": "localhost"}, "", "MODEL_URL is no URL such as http://localhost:11434/v1, and not bedrock"},
		"key in URL":  {map[string]string{"AGENT": "model", "MODEL_ID": "m", "MODEL_URL": "https://x@example.com"}, "", "MODEL_URL must have no user and no query: the key is MODEL_KEY"},
		"open key": {map[string]string{"AGENT": "model", "MODEL_ID": "m", "MODEL_URL": "http://example.com", "MODEL_KEY": "sk-1"}, "",
			"MODEL_URL must be https, or on this machine or in a private network: else others can read MODEL_KEY"},
		"broken key": {map[string]string{"AGENT": "model", "MODEL_ID": "m", "MODEL_URL": "https://example.com", "MODEL_KEY": "sk-1\n"}, "",
			"MODEL_KEY has characters that no key has"},
		"guarded elsewhere": {map[string]string{"AGENT": "model", "MODEL_ID": "m", "MODEL_URL": "https://example.com", "GUARDRAIL": "g/1"}, "",
			"GUARDRAIL needs a model on Amazon Bedrock"},
		"no guardrail": {map[string]string{"AGENT": "bedrock", "MODEL_ID": "m", "GUARDRAIL": "g"}, "", `GUARDRAIL is "g", not ID/VERSION of a guardrail`},
		"elsewhere": {map[string]string{"AGENT": "bedrock", "MODEL_ID": "m", "MODEL_URL": "https://example.com"}, "",
			"MODEL_URL needs AGENT=model: AGENT=bedrock has its models on Amazon Bedrock"},
		"no time": {map[string]string{"AGENT": "bedrock", "MODEL_ID": "m", "MODEL_TIMEOUT": "soon"}, "", `MODEL_TIMEOUT is "soon", not a time like 90s or 5m, or 0 for none`},
		"no place": {map[string]string{"AGENT": "bedrock", "MODEL_ID": "m", "AWS_REGION": "us-east-1", "FILES_ALLOWED": "https://files.example"}, "",
			`FILES_ALLOWED: "https://files.example" is no URL such as https://files.example/uploads/, with a slash at the end`},
		"no price":  {map[string]string{"AGENT": "bedrock", "MODEL_ID": "m", "MODEL_PRICE": "1"}, "", `MODEL_PRICE is "1", not what a million tokens cost, in and out, such as 0.06/0.24`},
		"no rounds": {map[string]string{"AGENT": "bedrock", "MODEL_ID": "m", "MAX_ROUNDS": "-1"}, "", `MAX_ROUNDS is "-1", not a number of rounds`},
		"long peer": {map[string]string{"AGENT": "model", "MODEL_ID": "m", "MODEL_URL": "bedrock", "PEERS": strings.Repeat("x", 64) + "=https://x.example"}, "",
			`PEERS: the peer "` + strings.Repeat("x", 64) + `" has a name that a model cannot call: at most 60 letters, digits, _ and -`},
		"purchase":  {map[string]string{"AGENT": "purchase", "SHOP_URL": "https://shop.example", "PEERS": "writer=https://writer.example"}, "Purchase Agent", ""},
		"no shop":   {map[string]string{"AGENT": "purchase"}, "", "AGENT=purchase needs SHOP_URL, the URL of a shop"},
		"open shop": {map[string]string{"AGENT": "purchase", "SHOP_URL": "http://shop.example"}, "", "SHOP_URL: url must be https"},
		"no writer": {map[string]string{"AGENT": "purchase", "SHOP_URL": "http://127.0.0.1:1"}, "", "AGENT=purchase needs an agent that writes receipts: PEERS=writer=https://…"},
		"no callbacks": {map[string]string{"AGENT": "purchase", "SHOP_URL": "http://127.0.0.1:1", "AWS_LAMBDA_RUNTIME_API": "x"}, "",
			"AGENT=purchase needs CALLBACK_URL, where the shop tells of deliveries: the parameter Callbacks sets it"},
		"unknown": {map[string]string{"AGENT": "mine"}, "", `AGENT is "mine", not one of demo, model, bedrock and purchase`},
	} {
		t.Run(name, func(t *testing.T) {
			a, err := hosted.Open(t.Context(), func(name string) string { return test.env[name] })
			if test.wantErr != "" {
				if err == nil || err.Error() != test.wantErr {
					t.Errorf("got %v, want %s", err, test.wantErr)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			_, resumes := a.Executor.(run.Resumer)
			_, isDurable := a.Executor.(*durable.Agent)
			if !resumes && !isDurable || a.Card.Name != test.card {
				t.Errorf("got %+v", a)
			}
		})
	}
}

// TestConfig opens the agent that a file describes: from the disk and, on Lambda, as it was when the
// function was built.
func TestConfig(t *testing.T) {
	file := filepath.Join(t.TempDir(), "agent.yaml")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	open := func(env ...string) (*hosted.Agent, error) {
		return hosted.Open(t.Context(), func(name string) string {
			for _, e := range append(env, "AGENT=model", "AGENT_CONFIG="+file) {
				if n, v, _ := strings.Cut(e, "="); n == name {
					return v
				}
			}
			return ""
		})
	}
	write("card: {name: Clerk, skills: [{id: a, name: A, description: B, tags: [c]}]}\nmodel: {url: 'http://127.0.0.1:9/v1', name: m}\n" +
		"mcp: [{name: shop, url: 'http://127.0.0.1:9'}]\npeers: [{name: writer, url: 'https://writer.example'}]\napprove: [ask_writer, 'shop_*']\n")
	a, err := open()
	if err != nil {
		t.Fatal(err)
	}
	if a.Card.Name != "Clerk" || a.Card.Skills[0].ID != "a" || a.Card.Version != "1.0.0" || a.Peers["writer"] == nil {
		t.Errorf("got %+v, %v", a.Card, a.Peers)
	}
	if err := a.Check(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "MCP server shop: no connection: ") {
		t.Errorf("check: %v", err)
	}
	if _, err = open("MODEL_ID=n"); err == nil || err.Error() != file+":2: model.name says what MODEL_ID says, too: leave one out" {
		t.Errorf("both: %v", err)
	}
	if _, err = open("AGENT=demo"); err == nil || err.Error() != "AGENT_CONFIG needs AGENT=model" {
		t.Errorf("demo: %v", err)
	}
	write("model: {name: m}\n")
	if _, err = open(); err == nil || err.Error() != "AGENT=model needs MODEL_URL, or model.url in "+file+
		": where an endpoint with OpenAI's chat completions is, such as http://localhost:11434/v1, or bedrock" {
		t.Errorf("no URL: %v", err)
	}
	if a, err := open("AGENT_CONFIG=example.yaml", "AWS_LAMBDA_RUNTIME_API=x"); err != nil || a.Check == nil {
		t.Errorf("example: %v", err)
	}
	if _, err = open("AGENT_CONFIG=none.yaml", "AWS_LAMBDA_RUNTIME_API=x"); err == nil ||
		err.Error() != `AGENT_CONFIG is "none.yaml", a file that was not in internal/hosted/config when the function was built` {
		t.Errorf("none: %v", err)
	}
}

// TestConfigInStore opens the agent of a file in Parameter Store. What is wrong with the file is told
// with the parameter's name, and what is wrong with the parameter as a sentence.
func TestConfigInStore(t *testing.T) {
	account := ministack.Shared(t)
	t.Setenv("AWS_ENDPOINT_URL_SSM", account.Endpoint)
	t.Setenv("AWS_REGION", ministack.Region)
	t.Setenv("AWS_ACCESS_KEY_ID", ministack.Key)
	t.Setenv("AWS_SECRET_ACCESS_KEY", ministack.Key)
	for i, test := range []struct{ file, want string }{ // want "" for an agent
		{"card: {name: Clerk}\nmodel: {url: 'http://127.0.0.1:9/v1', name: m}\n", ""},
		{"card:\n  name: Clerk\n\n\nmodel:\n  url: http://127.0.0.1:9/v1\n\tname: m\n", "NAME:7: a tab"},
		{"card: {name: Clerk}\nmodell: {name: m}\n", "NAME:2: "},
		{" ", "NAME:1: the file is empty"},
	} {
		name := fmt.Sprintf("/clerk/%d", i)
		if err := account.PutParameter(t.Context(), name, test.file); err != nil {
			t.Fatal(err)
		}
		for _, lambda := range []string{"", "x"} {
			env := map[string]string{
				"AGENT": "model", "AGENT_CONFIG": "ssm:" + name, "AWS_LAMBDA_RUNTIME_API": lambda,
			}
			a, err := hosted.Open(t.Context(), func(name string) string { return env[name] })
			switch want := strings.ReplaceAll(test.want, "NAME", name); {
			case want == "" && (err != nil || a.Card.Name != "Clerk"):
				t.Errorf("%q: %v", test.file, err)
			case want != "" && (err == nil || !strings.HasPrefix(err.Error(), want)):
				t.Errorf("%q: %v, want %s…", test.file, err, want)
			}
			env["AGENT_CONFIG"] = "ssm:/clerk/none"
			if _, err = hosted.Open(t.Context(), func(name string) string { return env[name] }); err == nil ||
				err.Error() != "AGENT_CONFIG is ssm:/clerk/none: there is no such parameter in Parameter Store in region "+ministack.Region {
				t.Errorf("none: %v", err)
			}
		}
	}
}

// TestNoRegion checks that a missing region is an error at the start, not at the first request.
func TestNoRegion(t *testing.T) {
	for _, name := range []string{"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_CONFIG_FILE", t.TempDir()+"/none")
	env := map[string]string{"AGENT": "bedrock", "MODEL_ID": "m"}
	_, err := hosted.Open(t.Context(), func(name string) string { return env[name] })
	if want := "AGENT=bedrock needs AWS_REGION, or a profile with a region"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
