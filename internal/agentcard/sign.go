package agentcard

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/json"
	"math/big"
	"strings"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/go-jose/go-jose/v4"
	"github.com/gowebpki/jcs"
)

// JWKSPath is the path of the signatures' public keys, below the base URL.
const JWKSPath = ".well-known/jwks.json"

// Signer signs agent cards: specification 1.0, 8.4. Its signatures are deterministic, so all
// instances serve the same bytes.
type Signer struct {
	key       signingKey
	published []jose.JSONWebKey // the public key of key first
}

// signingKey is a private key as [jose.OpaqueSigner].
type signingKey struct {
	private crypto.Signer
	public  jose.JSONWebKey
}

// sign returns the signature of a card's document, still without signatures, for the base URL.
func (s *Signer) sign(doc map[string]any, base string) (a2a.AgentCardSignature, error) {
	data, err := json.Marshal(doc)
	if err != nil {
		return a2a.AgentCardSignature{}, err
	}
	payload, err := jcs.Transform(data)
	if err != nil {
		return a2a.AgentCardSignature{}, err
	}
	signer, err := jose.NewSigner(
		jose.SigningKey{Algorithm: s.key.Algs()[0], Key: &s.key},
		(&jose.SignerOptions{}).WithType("JOSE").WithHeader("jku", base+JWKSPath),
	)
	if err != nil {
		return a2a.AgentCardSignature{}, err
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		return a2a.AgentCardSignature{}, err
	}
	compact, err := jws.DetachedCompactSerialize()
	if err != nil {
		return a2a.AgentCardSignature{}, err
	}
	protected, signature, _ := strings.Cut(compact, "..")
	return a2a.AgentCardSignature{Protected: protected, Signature: signature}, nil
}

func (k *signingKey) Public() *jose.JSONWebKey { return &k.public }

func (k *signingKey) Algs() []jose.SignatureAlgorithm {
	return []jose.SignatureAlgorithm{jose.SignatureAlgorithm(k.public.Algorithm)}
}

// SignPayload implements RFC 7518, 3.3 and 3.4, and RFC 8037, 3.1.
func (k *signingKey) SignPayload(payload []byte, _ jose.SignatureAlgorithm) ([]byte, error) {
	if _, ok := k.private.(ed25519.PrivateKey); ok {
		return k.private.Sign(nil, payload, crypto.Hash(0))
	}
	digest := sha256.Sum256(payload)
	signature, err := k.private.Sign(nil, digest[:], crypto.SHA256) // ECDSA is as in RFC 6979
	if _, ok := k.private.(*ecdsa.PrivateKey); !ok || err != nil {
		return signature, err
	}
	var numbers struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(signature, &numbers); err != nil {
		return nil, err
	}
	fixed := make([]byte, 64)
	numbers.R.FillBytes(fixed[:32])
	numbers.S.FillBytes(fixed[32:])
	return fixed, nil
}

// JWKS returns the document of the public keys: RFC 7517, 5.
func (s *Signer) JWKS() ([]byte, error) {
	return json.Marshal(jose.JSONWebKeySet{Keys: s.published})
}

// nonempty returns a JSON value without its empty strings, arrays, objects and nulls, or nil if it
// is empty itself.
func nonempty(value any) any {
	switch v := value.(type) {
	case string:
		if v == "" {
			return nil
		}
	case []any:
		var kept []any
		for _, e := range v {
			if e = nonempty(e); e != nil {
				kept = append(kept, e)
			}
		}
		if len(kept) == 0 {
			return nil
		}
		return kept
	case map[string]any:
		kept := make(map[string]any)
		for name, e := range v {
			if e = nonempty(e); e != nil {
				kept[name] = e
			}
		}
		if len(kept) == 0 {
			return nil
		}
		return kept
	}
	return value
}
