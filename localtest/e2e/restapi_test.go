package e2e

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	apigateway "github.com/aws/aws-lambda-go/events"

	"a2alambda/localtest"
	"a2alambda/localtest/client"
)

// TestRestAPICallers serves signed requests of a REST API: each principal has tasks of its own.
func TestRestAPICallers(t *testing.T) {
	t.Parallel()
	config := deployedFunctions(t)["agent"]
	config.Env = append(config.Env, "AUTH=iam")
	lambda := httptest.NewServer(hooked{"agent": config}.start(t))
	defer lambda.Close()
	captured, err := os.ReadFile("../../internal/functionurl/testdata/rest.json")
	localtest.Must(t, err)
	ask := func(user, body string) (status int, answer string) {
		t.Helper()
		var event apigateway.APIGatewayProxyRequest
		localtest.Must(t, json.Unmarshal(captured, &event))
		event.Path, event.HTTPMethod, event.Body = "/", "POST", body
		event.QueryStringParameters, event.MultiValueQueryStringParameters = nil, nil
		event.RequestContext.Identity.User = user
		payload, err := json.Marshal(event)
		localtest.Must(t, err)
		a, err := client.Do(t.Context(), http.MethodPost, lambda.URL+"/2015-03-31/functions/agent/invocations", string(payload))
		var got apigateway.APIGatewayProxyResponse
		localtest.Must(t, err, json.Unmarshal([]byte(a.Body), &got))
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
