package a2ahttp_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"net/http/httptest"
	"strings"
	"testing"

	"a2alambda/internal/a2ahttp"
	"a2alambda/internal/agentcard"
	"a2alambda/internal/memlog"
)

// TestSignedCard checks that a signer adds signatures to the card, and its public keys to the
// server.
func TestSignedCard(t *testing.T) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := agentcard.NewSigner(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	if err != nil {
		t.Fatal(err)
	}
	keys, err := signer.JWKS()
	if err != nil {
		t.Fatal(err)
	}
	for _, signer := range []*agentcard.Signer{signer, nil} {
		c := configOf(new(memlog.Log), t.Output(), slow(0))
		c.Signer = signer
		h := a2ahttp.New(c)
		get := func(path string) (int, string) {
			w := serve(h, httptest.NewRequest("GET", path, nil))
			return w.Code, w.Body.String()
		}
		if _, card := get("/.well-known/agent-card.json"); strings.Contains(card, `"signatures"`) != (signer != nil) {
			t.Errorf("signer %v: the card is %s", signer != nil, card)
		}
		status, body := get("/.well-known/jwks.json")
		if signer != nil && (status != 200 || body != string(keys)+"\n") || signer == nil && status != 404 {
			t.Errorf("signer %v: public keys: %d %s", signer != nil, status, body)
		}
	}
}
