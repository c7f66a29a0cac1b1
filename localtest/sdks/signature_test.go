package sdks

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"os/exec"
	"strings"
	"testing"

	"a2alambda/localtest"
	"a2alambda/localtest/localserver"
)

// TestCardSignature has the Python SDK verify the signature of the card.
func TestCardSignature(t *testing.T) {
	t.Parallel()
	python := localtest.Setup(t, "python1")
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	url := localserver.Start(t, "CARD_SIGNING_KEY="+string(text))
	verify := exec.CommandContext(t.Context(), python, "testdata/verify_card.py", url+"/.well-known/agent-card.json")
	var stderr strings.Builder
	verify.Stderr = &stderr
	if out, err := verify.Output(); err != nil || string(out) != "verified: Streaming Demo Agent\n" {
		t.Errorf("the verifier ended with %v and printed %s%s", err, out, &stderr)
	}
}
