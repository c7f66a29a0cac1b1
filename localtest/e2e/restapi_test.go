package e2e

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	apigateway "github.com/aws/aws-lambda-go/events"

	"a2alambda/localtest/client"
	"a2alambda/localtest/emulator"
)

// TestRestAPICallers has the agent, with AUTH=iam, serve signed requests of a REST API: each principal its own tasks.
func TestRestAPICallers(t *testing.T) {
	t.Parallel()
	config := deployedFunctions(t)["agent"]
	config.Name, config.Env = "agent", append(config.Env, "AUTH=iam")
	agent, err := emulator.New(config)
	if err != nil {
		t.Fatal(err)
	}
	defer agent.Close()
	invoke, err := emulator.NewLambda(emulator.LambdaConfig{Functions: []*emulator.Emulator{agent}, Log: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	lambda := httptest.NewServer(invoke)
	defer lambda.Close()
	captured, err := os.ReadFile("../../internal/functionurl/testdata/rest.json")
	if err != nil {
		t.Fatal(err)
	}
	ask := func(user, body string) (status int, answer string) {
		t.Helper()
		var event apigateway.APIGatewayProxyRequest
		if err := json.Unmarshal(captured, &event); err != nil {
			t.Fatal(err)
		}
		event.Path, event.HTTPMethod, event.Body = "/", "POST", body
		event.QueryStringParameters, event.MultiValueQueryStringParameters = nil, nil
		event.RequestContext.Identity.User = user
		payload, err := json.Marshal(event)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.Post(lambda.URL+"/2015-03-31/functions/agent/invocations", "application/json", bytes.NewReader(payload))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var got apigateway.APIGatewayProxyResponse
		if err := json.NewDecoder(resp.Body).Decode(&got); err != nil {
			t.Fatal(err)
		}
		return got.StatusCode, got.Body
	}
	send := client.Request("message/send", client.Message("Send me a regular response"))
	if status, answer := ask("", send); status != http.StatusForbidden {
		t.Errorf("without a signature: %d, %s", status, answer)
	}
	status, answer := ask("AROAEXAMPLE:session-1", send)
	if status != http.StatusOK {
		t.Fatalf("signed: %d, %s", status, answer)
	}
	get := client.Request("tasks/get", client.ByID(client.TaskIn(t, answer)))
	if _, same := ask("AROAEXAMPLE:session-2", get); !strings.Contains(same, `"state":"completed"`) {
		t.Errorf("another session of the role gets %s", same)
	}
	if _, other := ask("AIDAOTHER", get); !strings.Contains(other, "-32001") {
		t.Errorf("another principal gets %s", other)
	}
}
