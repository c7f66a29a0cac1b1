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

// must returns v, and panics if there is an error.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func privatePEM(key crypto.PrivateKey) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(key))})
}

func ecdsaKey(curve elliptic.Curve) *ecdsa.PrivateKey {
	return must(ecdsa.GenerateKey(curve, rand.Reader))
}

func rsaKey(bits int) *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, bits)) }

// rebuilt is what a verifier rebuilds when it has parsed the card of secured, with another
// description: RFC 8785 of all that is not empty.
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
	return card.Signatures, must(jcs.Transform(must(json.Marshal(object))))
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
		jose.ES256: ecdsaKey(elliptic.P256()), jose.RS256: rsaKey(2048), jose.EdDSA: ed,
	} {
		t.Run(string(algorithm), func(t *testing.T) {
			text := privatePEM(key)
			signer := must(NewSigner(text))
			_, data := public(t, Config{Public: card, Signer: signer})
			if _, again := public(t, Config{Public: card, Signer: must(NewSigner(text))}); string(data) != string(again) {
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
				jws := must(jose.ParseDetached(s.Protected+".."+s.Signature, []byte(payload), []jose.SignatureAlgorithm{algorithm}))
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
	sec1 := must(x509.MarshalECPrivateKey(ecdsaKey(elliptic.P256())))
	x25519 := must(ecdh.X25519().GenerateKey(rand.Reader))
	for want, text := range map[string][]byte{
		"there is no PEM (-----BEGIN PRIVATE KEY-----)":                                                            []byte(`{"username":"","password":""}`),
		"the key's curve is P-384 instead of P-256":                                                                privatePEM(ecdsaKey(elliptic.P384())),
		"the key is RSA with 1024 bits, less than 2048":                                                            privatePEM(rsaKey(1024)),
		"the PEM is not a private key in PKCS #8":                                                                  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: sec1}),
		"the key cannot sign: it is none of P-256, RSA and Ed25519":                                                privatePEM(x25519),
		`the PEM is "EC PRIVATE KEY" instead of "PRIVATE KEY" (PKCS #8, as openssl pkcs8 -topk8 -nodes writes it)`: pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: sec1}),
	} {
		if _, err := NewSigner(text); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func publicDER(key any) string {
	return base64.StdEncoding.EncodeToString(must(x509.MarshalPKIXPublicKey(key)))
}

// TestTwoKeys changes the signing key in three deployments. At each step, either version's keys
// verify the other's card: while the alias moves, both answer.
func TestTwoKeys(t *testing.T) {
	former, next := ecdsaKey(elliptic.P256()), ecdsaKey(elliptic.P256())
	version := func(signs, other *ecdsa.PrivateKey) *Signer {
		s := must(NewSigner(privatePEM(signs)))
		if other != nil {
			if err := s.AlsoPublish(publicDER(other.Public())); err != nil {
				t.Fatal(err)
			}
		}
		return s
	}
	versions := []*Signer{version(former, nil), version(former, next), version(next, former), version(next, nil)}
	verifies := func(card, keys *Signer) bool {
		_, data := public(t, Config{Public: secured(), Signer: card})
		signatures, raw := signed(t, data)
		detached := signatures[1].Protected + ".." + signatures[1].Signature
		jws := must(jose.ParseDetached(detached, raw, []jose.SignatureAlgorithm{jose.ES256}))
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
	s := must(NewSigner(privatePEM(ecdsaKey(elliptic.P256()))))
	private := must(x509.MarshalPKCS8PrivateKey(ecdsaKey(elliptic.P256())))
	for key, want := range map[string]string{
		"-----BEGIN PUBLIC KEY-----": "it is not base64",
		"AAAA":                       "it is not a public key in DER (SubjectPublicKeyInfo)",
		base64.StdEncoding.EncodeToString(private):    "it is not a public key in DER (SubjectPublicKeyInfo)",
		publicDER(ecdsaKey(elliptic.P384()).Public()): "the key's curve is P-384 instead of P-256",
	} {
		if err := s.AlsoPublish(key); err == nil || err.Error() != want {
			t.Errorf("%.20s: %v, want %s", key, err, want)
		}
	}
}
