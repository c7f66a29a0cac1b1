package clients

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"testing"

	"a2alambda/localtest"
	"a2alambda/localtest/localserver"
)

func TestCardSignature(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	localtest.Must(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	localtest.Must(t, err)
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	url := localserver.Start(t, "CARD_SIGNING_KEY="+string(text))
	got := output(t, program{"verify_card.py", "python1"}, url+"/.well-known/agent-card.json")
	if got != "verified: Streaming Demo Agent\n" {
		t.Errorf("the verifier printed %s", got)
	}
}
