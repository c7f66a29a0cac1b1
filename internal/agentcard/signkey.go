package agentcard

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/go-jose/go-jose/v4"
)

// NewSigner returns a signer with a private key in PEM (PKCS #8). The kind of key decides the
// algorithm: ES256 for P-256, RS256 for RSA, EdDSA for Ed25519. The key's id is its thumbprint (RFC
// 7638). An error contains nothing of the key.
func NewSigner(text []byte) (*Signer, error) {
	block, _ := pem.Decode(text)
	switch {
	case block == nil:
		return nil, errors.New("there is no PEM (-----BEGIN PRIVATE KEY-----)")
	case block.Type != "PRIVATE KEY":
		return nil, fmt.Errorf("the PEM is %q instead of \"PRIVATE KEY\" (PKCS #8, as openssl pkcs8 -topk8 -nodes writes it)", block.Type)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("the PEM is not a private key in PKCS #8")
	}
	private, ok := key.(crypto.Signer)
	if !ok {
		return nil, errors.New("the key cannot sign: it is none of P-256, RSA and Ed25519")
	}
	public, err := publicKey(private.Public())
	if err != nil {
		return nil, err
	}
	return &Signer{signingKey{private, public}, []jose.JSONWebKey{public}}, nil
}

// AlsoPublish adds a public key to the published ones: base64 of DER (SubjectPublicKeyInfo). While
// a deployment changes its key, clients have cards that either key has signed, and may ask an
// instance with one key for the other. The signer's own key changes nothing.
func (s *Signer) AlsoPublish(key string) error {
	der, err := base64.StdEncoding.DecodeString(key)
	if err != nil {
		return errors.New("it is not base64")
	}
	parsed, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return errors.New("it is not a public key in DER (SubjectPublicKeyInfo)")
	}
	public, err := publicKey(parsed)
	if err != nil {
		return err
	}
	if public.KeyID != s.key.public.KeyID {
		s.published = append(s.published, public)
	}
	return nil
}

func publicKey(key any) (jose.JSONWebKey, error) {
	var algorithm jose.SignatureAlgorithm
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		if k.Curve != elliptic.P256() {
			return jose.JSONWebKey{}, fmt.Errorf("the key's curve is %s instead of P-256", k.Curve.Params().Name)
		}
		algorithm = jose.ES256
	case *rsa.PublicKey:
		if k.N.BitLen() < 2048 { // RFC 7518, 3.3
			return jose.JSONWebKey{}, fmt.Errorf("the key is RSA with %d bits, less than 2048", k.N.BitLen())
		}
		algorithm = jose.RS256
	case ed25519.PublicKey:
		algorithm = jose.EdDSA
	default:
		return jose.JSONWebKey{}, errors.New("the key is none of P-256, RSA and Ed25519")
	}
	public := jose.JSONWebKey{Key: key, Algorithm: string(algorithm), Use: "sig"}
	id, err := public.Thumbprint(crypto.SHA256)
	if err != nil {
		return jose.JSONWebKey{}, err
	}
	public.KeyID = base64.RawURLEncoding.EncodeToString(id)
	return public, nil
}
