package wire

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/go-jose/go-jose/v4"
	"github.com/gowebpki/jcs"

	"a2alambda/internal/server"
)

func privatePEM(t *testing.T, key crypto.PrivateKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func ecdsaKey(t *testing.T, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func rsaKey(t *testing.T, bits int) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// rebuilt is what a verifier that parses the card rebuilds from secured with another description: RFC 8785 of what is not empty.
const rebuilt = `{"capabilities":{"streaming":true},"defaultInputModes":["text/plain","text/markdown"],"defaultOutputModes":["text/plain","text/markdown"],` +
	`"description":"größer als \"<&>\" \\ und 🌊","name":"Streaming Demo Agent",` +
	`"securitySchemes":{"iam":{"httpAuthSecurityScheme":{"description":"signed","scheme":"AWS4-HMAC-SHA256"}},` +
	`"key":{"apiKeySecurityScheme":{"location":"header","name":"X-Key"}},"mtls":{"mtlsSecurityScheme":{"description":"certificate"}},` +
	`"oauth2":{"oauth2SecurityScheme":{"flows":{"clientCredentials":{"scopes":{"a":"A"},"tokenUrl":"https://issuer.example/token"}}}},` +
	`"oidc":{"openIdConnectSecurityScheme":{"openIdConnectUrl":"https://issuer.example/.well-known/openid-configuration"}}},` +
	`"skills":[{"description":"Generates real-time streaming responses with status updates",` +
	`"examples":["Process my request","Stream me a response"],"id":"streaming_response","name":"Streaming Response Generator",` +
	`"tags":["streaming","real-time","status-updates"]}],"supportedInterfaces":[` +
	`{"protocolBinding":"JSONRPC","protocolVersion":"1.0","url":"https://agent.example/"},` +
	`{"protocolBinding":"HTTP+JSON","protocolVersion":"1.0","url":"https://agent.example/"},` +
	`{"protocolBinding":"JSONRPC","protocolVersion":"0.3","url":"https://agent.example/"},` +
	`{"protocolBinding":"HTTP+JSON","protocolVersion":"0.3","url":"https://agent.example/"}],"version":"1.0.0"}`

// TestSignatures verifies both signatures of a card, with the key that the handler serves: the first over what is left of it when
// it is parsed, the second over the document without the signatures.
func TestSignatures(t *testing.T) {
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	card := secured()
	card.Description = `größer als "<&>" \ und 🌊`
	for algorithm, key := range map[jose.SignatureAlgorithm]crypto.PrivateKey{
		jose.ES256: ecdsaKey(t, elliptic.P256()), jose.RS256: rsaKey(t, 2048), jose.EdDSA: ed,
	} {
		t.Run(string(algorithm), func(t *testing.T) {
			text := privatePEM(t, key)
			signer, err := NewSigner(text)
			if err != nil {
				t.Fatal(err)
			}
			data := served(t, Config{Server: &server.Server{Card: card}, Signer: signer})
			other, _ := NewSigner(text)
			if string(data) != string(served(t, Config{Server: &server.Server{Card: card}, Signer: other})) {
				t.Error("another instance serves other bytes")
			}

			w := httptest.NewRecorder()
			New(Config{Signer: signer, Logger: slog.New(slog.DiscardHandler)}).ServeHTTP(w, httptest.NewRequest("GET", "/.well-known/jwks.json", nil))
			var keys jose.JSONWebKeySet
			if err := json.Unmarshal(w.Body.Bytes(), &keys); err != nil || len(keys.Keys) != 1 || !keys.Keys[0].IsPublic() {
				t.Fatalf("%s, %v", w.Body, err)
			}

			var signed a2a.AgentCard
			err = json.Unmarshal(data, &signed)
			doc, _ := document(data)
			if err != nil || len(signed.Signatures) != 2 {
				t.Fatalf("%d signatures, %v", len(signed.Signatures), err)
			}
			delete(doc, "signatures")
			raw, err := json.Marshal(doc)
			if err != nil {
				t.Fatal(err)
			}
			if raw, err = jcs.Transform(raw); err != nil {
				t.Fatal(err)
			}
			for i, payload := range []string{rebuilt, string(raw)} {
				s := signed.Signatures[i]
				jws, err := jose.ParseDetached(s.Protected+".."+s.Signature, []byte(payload), []jose.SignatureAlgorithm{algorithm})
				if err != nil {
					t.Fatal(err)
				}
				header := jws.Signatures[0].Protected
				if header.KeyID != keys.Keys[0].KeyID || header.ExtraHeaders["typ"] != "JOSE" ||
					header.ExtraHeaders["jku"] != base+".well-known/jwks.json" {
					t.Errorf("signature %d: header %+v", i, header)
				}
				if err := jws.DetachedVerify([]byte(payload), keys.Keys[0]); err != nil {
					t.Errorf("signature %d: %v", i, err)
				}
				if err := jws.DetachedVerify([]byte(payload+" "), keys.Keys[0]); err == nil {
					t.Errorf("signature %d is good for another payload", i)
				}
			}
		})
	}
}

func TestNoSigner(t *testing.T) {
	doc, _ := document(served(t, Config{Server: &server.Server{Card: secured()}}))
	if slices.Contains(slices.Collect(maps.Keys(doc)), "signatures") {
		t.Error("the card has signatures")
	}
	w := httptest.NewRecorder()
	New(Config{Logger: slog.New(slog.DiscardHandler)}).ServeHTTP(w, httptest.NewRequest("GET", "/.well-known/jwks.json", nil))
	if w.Code != http.StatusNotFound {
		t.Errorf("public keys: status %d", w.Code)
	}
}

func TestNewSignerRefuses(t *testing.T) {
	for want, text := range map[string][]byte{
		"no PEM":                       []byte("secret"),
		"curve P-384 instead of P-256": privatePEM(t, ecdsaKey(t, elliptic.P384())),
		"an RSA key of 1024 bits, less than 2048": privatePEM(t, rsaKey(t, 1024)),
	} {
		if _, err := NewSigner(text); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
