package localserver

import (
	"net/http"
	"strings"
	"testing"
)

// TestPublicURL checks that the card has the configured domain.
func TestPublicURL(t *testing.T) {
	t.Parallel()
	url := Start(t, "PUBLIC_URL=https://agent.example.com")
	if status, card := get(t, url+"/.well-known/agent-card.json", "", ""); status != http.StatusOK ||
		!strings.Contains(card, `"url": "https://agent.example.com/"`) || strings.Contains(card, "localhost") {
		t.Errorf("the card is %s", card)
	}
}
