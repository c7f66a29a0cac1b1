package hosted_test

import (
	"testing"

	"a2alambda/internal/durable"
	"a2alambda/internal/hosted"
	"a2alambda/internal/run"
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
		"forgotten": {map[string]string{"MODEL_ID": "m"}, "", "MODEL_ID needs AGENT=bedrock: AGENT is not set, and the demo agent has no model"},
		"bedrock":   {map[string]string{"AGENT": "bedrock", "MODEL_ID": "m"}, "Bedrock Agent", ""},
		"no model":  {map[string]string{"AGENT": "bedrock"}, "", "AGENT=bedrock needs MODEL_ID"},
		"no number": {map[string]string{"AGENT": "bedrock", "MODEL_ID": "m", "MAX_TOKENS": "many"}, "", `MAX_TOKENS is "many", not a number of tokens`},
		"none":      {map[string]string{"AGENT": "bedrock", "MODEL_ID": "m", "MAX_TOKENS": "0"}, "", `MAX_TOKENS is "0", not a number of tokens`},
		"purchase":  {map[string]string{"AGENT": "purchase", "SHOP_URL": "https://shop.example", "PEERS": "writer=https://writer.example"}, "Purchase Agent", ""},
		"no shop":   {map[string]string{"AGENT": "purchase"}, "", "AGENT=purchase needs SHOP_URL, the URL of a shop"},
		"open shop": {map[string]string{"AGENT": "purchase", "SHOP_URL": "http://shop.example"}, "", "SHOP_URL: url must be https"},
		"no writer": {map[string]string{"AGENT": "purchase", "SHOP_URL": "http://127.0.0.1:1"}, "", "AGENT=purchase needs an agent that writes receipts: PEERS=writer=https://…"},
		"no callbacks": {map[string]string{"AGENT": "purchase", "SHOP_URL": "http://127.0.0.1:1", "AWS_LAMBDA_RUNTIME_API": "x"}, "",
			"AGENT=purchase needs CALLBACK_URL, where the shop tells of deliveries: the parameter Callbacks sets it"},
		"unknown": {map[string]string{"AGENT": "mine"}, "", `AGENT is "mine", not one of demo, bedrock and purchase`},
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
