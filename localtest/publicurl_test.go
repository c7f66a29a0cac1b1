package localtest_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"a2alambda/localtest"
)

// TestPublicURL checks that the card names the domain that the agent is told it has.
func TestPublicURL(t *testing.T) {
	t.Parallel()
	url := localtest.StartAgent(t, "PUBLIC_URL=https://agent.example.com")
	resp, err := http.Get(url + "/.well-known/agent-card.json")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	card, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(card), `"url": "https://agent.example.com/"`) || strings.Contains(string(card), "localhost") {
		t.Errorf("the card is %s", card)
	}
}
