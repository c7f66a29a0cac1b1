package auth_test

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"a2alambda/internal/auth"
	"a2alambda/internal/auth/authtest"
	"a2alambda/internal/tasklog"
)

const bare = `Bearer realm="a2a"`

func invalid(description string) auth.Error {
	return auth.Error{Status: 401, Challenge: bare + `, error="invalid_token", error_description="` + description + `"`, Message: description}
}

func newOIDC(t *testing.T, issuer string) auth.Scheme {
	t.Helper()
	return must(auth.OIDC(issuer, "agent", slog.New(slog.DiscardHandler)))
}

// must returns v, and panics if there is an error.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func request(authorization ...string) *http.Request {
	r := httptest.NewRequest("POST", "/", nil)
	r.Header["Authorization"] = authorization
	return r
}

// authenticate returns the subject of a token that is accepted.
func authenticate(s auth.Scheme, token string) (string, error) {
	return subject(s, request("Bearer "+token))
}

func subject(s auth.Scheme, r *http.Request) (string, error) {
	owner, err := s.Authenticate(r)
	name, _ := tasklog.Subject(owner)
	return name, err
}

// TestOwner checks that the same subject is another caller at another issuer.
func TestOwner(t *testing.T) {
	one, other := authtest.NewIssuer(t), authtest.NewIssuer(t)
	var owners []string
	for _, issuer := range []*authtest.Issuer{one, other, one} {
		owner, err := newOIDC(t, issuer.URL).Authenticate(request("Bearer " + issuer.Token(map[string]any{"sub": "alice", "aud": "agent"})))
		if err != nil || owner != issuer.URL+" alice" {
			t.Errorf("owner %q, %v", owner, err)
		}
		owners = append(owners, owner)
	}
	if owners[0] == owners[1] || owners[0] != owners[2] {
		t.Errorf("owners %q", owners)
	}
}

// TestType checks which typ a token may have: the issuer signs other things with the same key.
func TestType(t *testing.T) {
	issuer := authtest.NewIssuer(t)
	scheme := newOIDC(t, issuer.URL)
	claims := map[string]any{"sub": "alice", "aud": "agent"}
	for _, typ := range []any{nil, "JWT", "jwt", "Jwt", "at+jwt", "AT+JWT", "application/at+jwt", "Application/AT+jwt", "application/jwt"} {
		if owner, err := authenticate(scheme, issuer.TokenOfType(typ, claims)); owner != "alice" || err != nil {
			t.Errorf("%v: owner %q, %v", typ, owner, err)
		}
	}
	asked := issuer.Asked()
	fresh := newOIDC(t, issuer.URL)
	for _, typ := range []any{
		"logout+jwt", "application/logout+jwt", "secevent+jwt", "dpop+jwt", "id+jwt", "JOSE", "", " JWT", "JWT ", "application/", "text/jwt",
		"application/application/jwt", "jwt;x=1", 1, true, []string{"JWT"}, map[string]string{"JWT": "JWT"},
	} {
		owner, err := authenticate(fresh, issuer.TokenOfType(typ, claims))
		if refused(t, err, invalid("the token is of another type than JWT and at+jwt")); owner != "" {
			t.Errorf("%v: owner %q", typ, owner)
		}
	}
	if issuer.Asked() != asked {
		t.Error("the issuer was asked for keys for tokens that are of no use")
	}
}

func TestTokens(t *testing.T) {
	issuer := authtest.NewIssuer(t)
	scheme := newOIDC(t, issuer.URL)
	type claims = map[string]any
	in := func(d time.Duration) int64 { return time.Now().Add(d).Unix() }
	for _, tt := range []struct {
		name   string
		claims claims
		want   string // the owner, or the error
		ok     bool
	}{
		{"good", claims{"sub": "alice", "aud": "agent"}, "alice", true},
		{"several audiences", claims{"sub": "alice", "aud": []string{"other", "agent"}}, "alice", true},
		{"valid since a minute ago", claims{"sub": "alice", "aud": "agent", "nbf": in(-time.Minute)}, "alice", true},
		{"longest subject", claims{"sub": strings.Repeat("a", 255), "aud": "agent"}, strings.Repeat("a", 255), true},
		{"Cognito access token", claims{"sub": "alice", "client_id": "agent", "token_use": "access", "username": "bob"}, "alice", true},
		{"Cognito id token", claims{"sub": "alice", "aud": "agent", "token_use": "id", "cognito:username": "bob"}, "alice", true},

		{"expired", claims{"sub": "alice", "aud": "agent", "exp": in(-time.Second)}, "the token has expired", false},
		{"expires never", claims{"sub": "alice", "aud": "agent", "exp": nil}, "the token has expired", false},
		{"not yet valid", claims{"sub": "alice", "aud": "agent", "nbf": in(6 * time.Minute)}, "the token is not valid", false},
		{"wrong issuer", claims{"sub": "alice", "aud": "agent", "iss": "https://issuer.example"}, "the token is not valid", false},
		{"no issuer", claims{"sub": "alice", "aud": "agent", "iss": nil}, "the token is not valid", false},
		{"issuer with a slash", claims{"sub": "alice", "aud": "agent", "iss": issuer.URL + "/"}, "the token is not valid", false},
		{"wrong audience", claims{"sub": "alice", "aud": "other"}, "the token is for another audience", false},
		{"no audience", claims{"sub": "alice"}, "the token is for another audience", false},
		{"null audience", claims{"sub": "alice", "aud": json.RawMessage("null"), "client_id": "agent"}, "the token is for another audience", false},
		{"empty audience", claims{"sub": "alice", "aud": []string{}, "client_id": "agent"}, "the token is for another audience", false},
		{"audience, and the client's id", claims{"sub": "alice", "aud": "other", "client_id": "agent"}, "the token is for another audience", false},
		{"Cognito, another client", claims{"sub": "alice", "client_id": "other", "token_use": "access"}, "the token is for another audience", false},
		{"client id of another kind", claims{"sub": "alice", "client_id": []string{"agent"}}, "the token is for another audience", false},
		{"no subject", claims{"aud": "agent"}, "the token has no valid subject", false},
		{"empty subject", claims{"sub": "", "aud": "agent"}, "the token has no valid subject", false},
		{"subject of another case", claims{"Sub": "alice", "aud": "agent"}, "the token has no valid subject", false},
		{"long subject", claims{"sub": strings.Repeat("a", 256), "aud": "agent"}, "the token has no valid subject", false},
		{"subject of another kind", claims{"sub": 1, "aud": "agent"}, "the token is not valid", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			owner, err := authenticate(scheme, issuer.Token(tt.claims))
			switch {
			case !tt.ok:
				refused(t, err, invalid(tt.want))
			case owner != tt.want || err != nil:
				t.Errorf("owner %q, %v", owner, err)
			}
		})
	}
	if issuer.Asked() != 1 {
		t.Errorf("the keys were fetched %d times", issuer.Asked())
	}
}

// TestAuthorization checks which headers hold a token.
func TestAuthorization(t *testing.T) {
	issuer := authtest.NewIssuer(t)
	scheme := newOIDC(t, issuer.URL)
	token := issuer.Token(map[string]any{"sub": "alice", "aud": "agent"})
	for _, h := range []string{"Bearer " + token, "bearer " + token, "BEARER  " + token + " "} {
		if owner, err := subject(scheme, request(h)); owner != "alice" || err != nil {
			t.Errorf("%.10s: owner %q, %v", h, owner, err)
		}
	}
	required := auth.Error{Status: 401, Challenge: bare, Message: "a bearer token is required"}
	malformed, notValid := invalid("the token is malformed"), invalid("the token is not valid")
	for _, tt := range []struct {
		headers []string
		want    auth.Error
	}{
		{nil, required},
		{[]string{""}, required},
		{[]string{token}, required},
		{[]string{"Basic YTpi"}, required},
		{[]string{"Bearer" + token}, required},
		{[]string{"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261122/us-east-1/lambda/aws4_request"}, required},
		{[]string{"Bearer"}, malformed},
		{[]string{"Bearer  "}, malformed},
		{[]string{"Bearer " + token + ",Bearer " + token}, malformed},
		{[]string{"Bearer " + token + " " + token}, malformed},
		{[]string{`Bearer "` + token + `"`}, malformed},
		{[]string{"Bearer\t" + token}, required},
		{[]string{`Bearer {"payload":"e30","signatures":[]}`}, malformed},
		{[]string{"Bearer x"}, notValid},
		{[]string{"Bearer ..."}, notValid},
		{[]string{"Bearer a.b.c"}, notValid},
		{[]string{"Bearer " + token + "="}, notValid},
		{[]string{"Bearer " + token, "Bearer " + token}, invalid("there is more than one Authorization header")},
		{[]string{"Basic YTpi", "Bearer " + token}, invalid("there is more than one Authorization header")},
	} {
		owner, err := scheme.Authenticate(request(tt.headers...))
		if refused(t, err, tt.want); owner != "" {
			t.Errorf("%.20q: owner %q", tt.headers, owner)
		}
	}
}

// publicKey returns the issuer's public key, also as its key set.
func publicKey(t *testing.T, issuer *authtest.Issuer) (key *rsa.PublicKey, keySet []byte) {
	t.Helper()
	response := must(http.Get(issuer.URL + "/keys"))
	defer response.Body.Close()
	keySet = must(io.ReadAll(response.Body))
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(keySet, &set); err != nil {
		t.Fatal(err)
	}
	return set.Keys[0].Key.(*rsa.PublicKey), keySet
}

// TestForged checks tokens that somebody else has made.
func TestForged(t *testing.T) {
	issuer, other := authtest.NewIssuer(t), authtest.NewIssuer(t)
	scheme := newOIDC(t, issuer.URL)
	good := issuer.Token(map[string]any{"sub": "alice", "aud": "agent"})
	parts := strings.Split(good, ".")
	b64 := base64.RawURLEncoding.EncodeToString
	mallory := map[string]any{"iss": issuer.URL, "sub": "mallory", "aud": "agent", "exp": time.Now().Add(time.Hour).Unix()}
	payload := must(json.Marshal(mallory))
	forged := map[string]string{
		"tampered payload":                  parts[0] + "." + b64(payload) + "." + parts[2],
		"tampered signature":                parts[0] + "." + parts[1] + "." + strings.Repeat("A", len(parts[2])),
		"no signature":                      parts[0] + "." + parts[1] + ".",
		"alg none":                          b64([]byte(`{"alg":"none","kid":"key-1"}`)) + "." + b64(payload) + ".",
		"alg None":                          b64([]byte(`{"alg":"None"}`)) + "." + b64(payload) + ".",
		"alg none with a signature":         b64([]byte(`{"alg":"none","kid":"key-1"}`)) + "." + b64(payload) + "." + parts[2],
		"no alg":                            b64([]byte(`{"kid":"key-1"}`)) + "." + b64(payload) + "." + parts[2],
		"a critical header":                 b64([]byte(`{"alg":"RS256","kid":"key-1","crit":["exp"],"exp":1}`)) + "." + b64(payload) + "." + parts[2],
		"another issuer's key, the same id": other.Token(mallory),
		"another issuer's token":            other.Token(map[string]any{"sub": "mallory", "aud": "agent"}),
	}
	other.Rotate(jose.ES256)
	forged["unknown key id"] = other.Token(mallory)
	// RS256's public key as the secret of HS256, in each form in which a library might take it.
	key, keySet := publicKey(t, issuer)
	pkix := must(x509.MarshalPKIXPublicKey(key))
	for name, secret := range map[string][]byte{
		"PEM":     pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pkix}),
		"PKIX":    pkix,
		"PKCS 1":  x509.MarshalPKCS1PublicKey(key),
		"modulus": key.N.Bytes(),
		"key set": keySet,
		"nothing": nil,
	} {
		head := b64([]byte(`{"alg":"HS256","kid":"key-1"}`)) + "." + b64(payload)
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(head))
		forged["HS256 with "+name] = head + "." + b64(mac.Sum(nil))
	}
	// A token that brings its own key along.
	own := must(rsa.GenerateKey(rand.Reader, 2048))
	for name, id := range map[string]string{"embedded key": "", "embedded key, the same id": "key-1"} {
		key := jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: own, KeyID: id}}
		signer := must(jose.NewSigner(key, &jose.SignerOptions{EmbedJWK: true}))
		forged[name] = must(must(signer.Sign(payload)).CompactSerialize())
	}
	for name, token := range forged {
		t.Run(name, func(t *testing.T) {
			owner, err := authenticate(scheme, token)
			if refused(t, err, invalid("the token is not valid")); owner != "" {
				t.Errorf("owner %q", owner)
			}
		})
	}
	if owner, err := authenticate(scheme, good); owner != "alice" || err != nil {
		t.Errorf("the good token: %q, %v", owner, err)
	}
}

func TestOIDCConfig(t *testing.T) {
	for _, issuer := range []string{"https://issuer.example", "https://issuer.example/a/b/", "http://localhost:8080", "http://127.0.0.1", "http://[::1]:1"} {
		if _, err := auth.OIDC(issuer, "agent", slog.Default()); err != nil {
			t.Errorf("%s: %v", issuer, err)
		}
	}
	for _, issuer := range []string{"", "issuer.example", "http://issuer.example", "http://localhost.example", "ftp://issuer.example", "https://", "https:///x",
		"https://issuer.example?a", "https://issuer.example/#a", "://", "http://10.0.0.1", "https://issuer.example/a b", " https://issuer.example"} {
		if _, err := auth.OIDC(issuer, "agent", slog.Default()); err == nil {
			t.Errorf("%q is accepted", issuer)
		}
	}
	if _, err := auth.OIDC("https://issuer.example", "", slog.Default()); err == nil {
		t.Error("no audience is accepted")
	}
}
