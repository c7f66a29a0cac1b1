// Package authtest has an OpenID Connect issuer for tests.
package authtest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Issuer is a local server that publishes a discovery document and one key.
type Issuer struct {
	URL string // the iss of its tokens

	tb     testing.TB
	mu     sync.Mutex // guards what follows
	key    jose.JSONWebKey
	alg    jose.SignatureAlgorithm
	keys   int // how many there have been
	asked  int
	broken http.HandlerFunc // answers instead, if it is not nil
}

// NewIssuer returns an issuer with an RS256 key. It ends with the test.
func NewIssuer(tb testing.TB) *Issuer {
	i := &Issuer{tb: tb}
	i.begin(httptest.NewServer(i.handler()))
	return i
}

func (i *Issuer) begin(server *httptest.Server) {
	i.tb.Cleanup(server.Close)
	i.URL = server.URL
	i.Rotate(jose.RS256)
}

// NewTLSIssuer is NewIssuer with an https URL. It also returns the path of the issuer's
// certificate, in PEM, for SSL_CERT_FILE.
func NewTLSIssuer(tb testing.TB) (i *Issuer, certificate string) {
	i = &Issuer{tb: tb}
	server := httptest.NewTLSServer(i.handler())
	i.begin(server)
	certificate = filepath.Join(tb.TempDir(), "issuer.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(certificate, block, 0o600); err != nil {
		tb.Fatal("authtest: certificate: ", err)
	}
	return i, certificate
}

func (i *Issuer) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", i.discovery)
	mux.HandleFunc("GET /keys", i.keySet)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.mu.Lock()
		broken := i.broken
		i.mu.Unlock()
		if broken != nil {
			broken(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func (i *Issuer) discovery(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]any{
		"issuer": i.URL, "jwks_uri": i.URL + "/keys", "authorization_endpoint": i.URL + "/authorize", "token_endpoint": i.URL + "/token",
		"response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"},
		"id_token_signing_alg_values_supported": []string{"RS256", "ES256"},
	})
}

func (i *Issuer) keySet(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	i.asked++
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{i.key.Public()}}
	i.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(set)
}

// Rotate replaces the key with a new one, RS256 or ES256.
func (i *Issuer) Rotate(alg jose.SignatureAlgorithm) {
	i.tb.Helper()
	var private crypto.Signer
	var err error
	switch alg {
	case jose.RS256:
		private, err = rsa.GenerateKey(rand.Reader, 2048)
	case jose.ES256:
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	default:
		err = fmt.Errorf("no keys for %s", alg)
	}
	if err != nil {
		i.tb.Fatal("authtest: rotate: ", err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys++
	i.alg = alg
	i.key = jose.JSONWebKey{Key: private, KeyID: fmt.Sprintf("key-%d", i.keys), Algorithm: string(alg), Use: "sig"}
}

// Break has h answer all requests to the issuer from now on; nil ends that.
func (i *Issuer) Break(h http.HandlerFunc) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.broken = h
}

// Asked returns how often the keys were fetched.
func (i *Issuer) Asked() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.asked
}

// Token returns a token with the claims, signed with the current key. By default it has iss, iat,
// and an exp in an hour. A claim that is nil is left out.
func (i *Issuer) Token(claims map[string]any) string {
	i.tb.Helper()
	return i.TokenOfType("JWT", claims)
}

// TokenOfType is Token with another typ in the header, or none if that is nil.
func (i *Issuer) TokenOfType(typ any, claims map[string]any) string {
	i.tb.Helper()
	now := time.Now()
	all := map[string]any{"iss": i.URL, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix()}
	maps.Copy(all, claims)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	check := func(err error) {
		if err != nil {
			i.tb.Fatal("authtest: token: ", err)
		}
	}
	payload, err := json.Marshal(all)
	check(err)
	i.mu.Lock()
	key := jose.SigningKey{Algorithm: i.alg, Key: i.key}
	i.mu.Unlock()
	options := new(jose.SignerOptions)
	if typ != nil {
		options = options.WithHeader(jose.HeaderType, typ)
	}
	signer, err := jose.NewSigner(key, options)
	check(err)
	signed, err := signer.Sign(payload)
	check(err)
	token, err := signed.CompactSerialize()
	check(err)
	return token
}
