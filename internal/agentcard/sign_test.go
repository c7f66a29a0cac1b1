package agentcard

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/go-jose/go-jose/v4"
	"github.com/gowebpki/jcs"
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

// rebuilt is what a verifier rebuilds from a parsed card, secured with another description: RFC
// 8785 of all that is not empty.
const rebuilt = `{"capabilities":{"streaming":true},"defaultInputModes":["text/plain","text/markdown","text/html","text/csv"],"defaultOutputModes":["text/plain","text/markdown"],` +
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

// published returns the public keys that the signer publishes.
func published(t *testing.T, s *Signer) (keys jose.JSONWebKeySet) {
	t.Helper()
	data, err := s.JWKS()
	if err = errors.Join(err, json.Unmarshal(data, &keys)); err != nil {
		t.Fatalf("%s, %v", data, err)
	}
	return keys
}

// signed returns the signatures of a card's document, and the document without them, which the last
// one is over.
func signed(t *testing.T, data []byte) ([]a2a.AgentCardSignature, []byte) {
	t.Helper()
	var card a2a.AgentCard
	object, err := fields(data)
	if err = errors.Join(err, json.Unmarshal(data, &card)); err != nil {
		t.Fatal(err)
	}
	delete(object, "signatures")
	raw, err := json.Marshal(object)
	if err == nil {
		raw, err = jcs.Transform(raw)
	}
	if err != nil {
		t.Fatal(err)
	}
	return card.Signatures, raw
}

// TestSignatures verifies both signatures of a card with the published key: the first over the
// parsed card, the second over the document without signatures.
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
			_, data := public(t, Config{Public: card, Signer: signer})
			other, _ := NewSigner(text)
			if _, again := public(t, Config{Public: card, Signer: other}); string(data) != string(again) {
				t.Error("another instance serves other bytes")
			}
			keys := published(t, signer)
			if len(keys.Keys) != 1 || !keys.Keys[0].IsPublic() {
				t.Fatalf("public keys: %+v", keys)
			}
			signatures, raw := signed(t, data)
			if len(signatures) != 2 {
				t.Fatalf("%d signatures", len(signatures))
			}
			for i, payload := range []string{rebuilt, string(raw)} {
				s := signatures[i]
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

func TestNewSignerRefuses(t *testing.T) {
	sec1, err := x509.MarshalECPrivateKey(ecdsaKey(t, elliptic.P256()))
	if err != nil {
		t.Fatal(err)
	}
	x25519, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for want, text := range map[string][]byte{
		"there is no PEM (-----BEGIN PRIVATE KEY-----)":                                                            []byte(`{"username":"","password":""}`),
		"the key's curve is P-384 instead of P-256":                                                                privatePEM(t, ecdsaKey(t, elliptic.P384())),
		"the key is RSA with 1024 bits, less than 2048":                                                            privatePEM(t, rsaKey(t, 1024)),
		"the PEM is not a private key in PKCS #8":                                                                  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: sec1}),
		"the key cannot sign: it is none of P-256, RSA and Ed25519":                                                privatePEM(t, x25519),
		`the PEM is "EC PRIVATE KEY" instead of "PRIVATE KEY" (PKCS #8, as openssl pkcs8 -topk8 -nodes writes it)`: pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: sec1}),
	} {
		if _, err := NewSigner(text); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func publicDER(t *testing.T, key any) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(der)
}

// TestTwoKeys changes the signing key in three deployments. At each step, either version's keys
// verify the other's card: while the alias moves, both answer.
func TestTwoKeys(t *testing.T) {
	former, next := ecdsaKey(t, elliptic.P256()), ecdsaKey(t, elliptic.P256())
	version := func(signs, other *ecdsa.PrivateKey) *Signer {
		s, err := NewSigner(privatePEM(t, signs))
		if err == nil && other != nil {
			err = s.AlsoPublish(publicDER(t, other.Public()))
		}
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	versions := []*Signer{version(former, nil), version(former, next), version(next, former), version(next, nil)}
	verifies := func(card, keys *Signer) bool {
		_, data := public(t, Config{Public: secured(), Signer: card})
		signatures, raw := signed(t, data)
		jws, err := jose.ParseDetached(signatures[1].Protected+".."+signatures[1].Signature, raw, []jose.SignatureAlgorithm{jose.ES256})
		if err != nil {
			t.Fatal(err)
		}
		set := published(t, keys)
		for _, key := range set.Key(jws.Signatures[0].Protected.KeyID) {
			if jws.DetachedVerify(raw, key) == nil {
				return true
			}
		}
		return false
	}
	for i := range versions[1:] {
		before, after := versions[i], versions[i+1]
		if !verifies(before, after) || !verifies(after, before) {
			t.Errorf("between the deployments %d and %d a card cannot be verified", i, i+1)
		}
	}
	if verifies(versions[0], versions[3]) {
		t.Error("the former key is served for good")
	}
	if same := version(former, former); len(same.published) != 1 {
		t.Errorf("one key is published %d times", len(same.published))
	}
}

func TestAlsoPublishRefuses(t *testing.T) {
	s, err := NewSigner(privatePEM(t, ecdsaKey(t, elliptic.P256())))
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(ecdsaKey(t, elliptic.P256()))
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"-----BEGIN PUBLIC KEY-----": "it is not base64",
		"AAAA":                       "it is not a public key in DER (SubjectPublicKeyInfo)",
		base64.StdEncoding.EncodeToString(private):          "it is not a public key in DER (SubjectPublicKeyInfo)",
		publicDER(t, ecdsaKey(t, elliptic.P384()).Public()): "the key's curve is P-384 instead of P-256",
	} {
		if err := s.AlsoPublish(key); err == nil || err.Error() != want {
			t.Errorf("%.20s: %v, want %s", key, err, want)
		}
	}
}
