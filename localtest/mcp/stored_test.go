package mcp

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"a2alambda/localtest"
	"a2alambda/localtest/aimock"
	"a2alambda/localtest/client"
	"a2alambda/localtest/dynamodblocal"
	"a2alambda/localtest/emulator"
	"a2alambda/localtest/localserver"
	"a2alambda/localtest/ministack"
	"a2alambda/localtest/stack"
)

// TestStored is an agent whose file is in Parameter Store: as a Lambda function, which is built
// without it, and as a local server. Its card is the file's, and it calls the file's tools.
func TestStored(t *testing.T) {
	t.Parallel()
	s, mock, account := newShop(t), aimock.Start(t, fixtures), ministack.Shared(t)
	localtest.Must(t, account.PutParameter(t.Context(), "/shop/agent.yaml", fmt.Sprintf(`
card: {name: Shop agent}
system: You run a shop.
mcp:
  - name: shop
    url: %s
    headers: {Authorization: "Bearer ${SHOP_TOKEN}"}
`, s.config().URL)))
	env := []string{
		"AGENT=model", "MODEL_URL=" + mock.URL + "/v1", "MODEL_ID=gpt-4o", "MODEL_KEY=sk-s3cr3t", `AGENT_SECRETS={"SHOP_TOKEN":"s3cr3t-of-the-shop"}`,
		"AGENT_CONFIG=ssm:/shop/agent.yaml:1", "AWS_ENDPOINT_URL_SSM=" + account.ParameterStore(t),
	}
	_, table := dynamodblocal.Table(t)
	f, err := emulator.New(emulator.Config{
		Name: "agent", Binary: stack.Function(t, "agent"), Log: t.Output(), Env: append([]string{
			"AUTH=none", "TABLE_NAME=" + table, "WORKER_FUNCTION_NAME=worker", "AWS_ENDPOINT_URL_DYNAMODB=" + dynamodblocal.Endpoint(t),
		}, env...),
	})
	localtest.Must(t, err)
	t.Cleanup(func() { f.Close() })
	deployed := httptest.NewServer(f)
	t.Cleanup(deployed.Close)
	local := localserver.Start(t, append(env, "TABLE_NAME=", "AWS_REGION="+ministack.Region, "AWS_ACCESS_KEY_ID=k", "AWS_SECRET_ACCESS_KEY=s")...)
	for _, url := range []string{deployed.URL, local} {
		answer, err := client.Do(t.Context(), "GET", url+"/.well-known/agent-card.json", "")
		if err != nil || !strings.Contains(answer.Body, `Shop agent`) {
			t.Errorf("card: %v %s", err, answer.Body)
		}
		if text := send(t, url, "Is there a teapot?", ""); !strings.Contains(text, "There is one with a lid.") {
			t.Errorf("a search: %s", text)
		}
	}
	if got := s.calls(); len(got) != 2 {
		t.Errorf("the ledger has %q", got)
	}
}
