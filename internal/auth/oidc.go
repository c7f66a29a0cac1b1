package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"

	"a2alambda/internal/tasklog"
)

// algorithms are the accepted signatures: those that need the issuer's private key.
var algorithms = []jose.SignatureAlgorithm{
	jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
}

// maxSubject is the longest subject in bytes (OpenID Connect Core 1.0, section 2).
const maxSubject = 255

// OIDC returns the scheme of bearer tokens (RFC 6750): JSON Web Tokens that issuer has signed for
// audience. issuer is an https URL, exactly as in the tokens (http on this machine, for tests),
// with a discovery document (OpenID Connect Discovery 1.0, section 4). It is first asked when the
// first token comes, so an instance starts without it.
//
// A token must have the claims iss, exp, sub and aud. Access tokens of Amazon Cognito have no aud:
// there, client_id is the audience. A typ in its header must be JWT or at+jwt (RFC 9068, section
// 2.1): with the same keys issuers sign other things, such as logout+jwt, which let nobody in. The
// owner is the subject at this issuer: see [tasklog.Owner]. Clocks may differ by five minutes for a
// token that is not valid yet, and not at all for an expired one.
//
// While the issuer can't be reached and no known key fits, requests are refused with status 503,
// and the reason goes to logger.
func OIDC(issuer, audience string, logger *slog.Logger) (Scheme, error) {
	if u, err := url.Parse(issuer); err != nil || !isSecure(u) || u.RawQuery != "" || u.Fragment != "" || strings.ContainsAny(issuer, " \t") {
		return nil, fmt.Errorf("auth: the issuer %q is no https URL", issuer)
	}
	if audience == "" {
		return nil, errors.New("auth: an issuer without an audience")
	}
	// The library's audience check does not know client_id.
	config := &oidc.Config{SkipClientIDCheck: true}
	for _, a := range algorithms {
		config.SupportedSigningAlgs = append(config.SupportedSigningAlgs, string(a))
	}
	return &tokens{issuer, audience, config, newKeys(issuer, logger)}, nil
}

// isSecure reports whether what comes from u can't be changed on the way.
func isSecure(u *url.URL) bool {
	ip, err := netip.ParseAddr(u.Hostname())
	loopback := err == nil && ip.IsLoopback() || u.Hostname() == "localhost"
	return u.Host != "" && (u.Scheme == "https" || u.Scheme == "http" && loopback)
}

type tokens struct {
	issuer   string
	audience string
	config   *oidc.Config
	keys     *keys
}

func (s *tokens) Authenticate(r *http.Request) (string, error) {
	raw, err := bearer(r.Header)
	if err != nil {
		return "", err
	}
	check := &signatureCheck{keys: s.keys}
	token, err := oidc.NewVerifier(s.issuer, check, s.config).Verify(r.Context(), raw)
	if check.unavailable {
		return "", &Error{Status: http.StatusServiceUnavailable, Message: "tokens can't be checked at the moment, try again later"}
	}
	if check.otherType {
		return "", invalid("the token is of another type than JWT and at+jwt")
	}
	if expired := (*oidc.TokenExpiredError)(nil); errors.As(err, &expired) {
		return "", invalid("the token has expired")
	}
	var claims map[string]any
	if err != nil || token.Claims(&claims) != nil {
		return "", invalid("the token is not valid")
	}
	audience := token.Audience
	if _, ok := claims["aud"]; !ok {
		client, _ := claims["client_id"].(string)
		audience = []string{client}
	}
	if !slices.Contains(audience, s.audience) {
		return "", invalid("the token is for another audience")
	}
	// Not token.Subject, which a claim "Sub" would set, too.
	subject, _ := claims["sub"].(string)
	if subject == "" || len(subject) > maxSubject {
		return "", invalid("the token has no valid subject")
	}
	return tasklog.Owner(s.issuer, subject), nil
}

// signatureCheck verifies the type and the signature of one token. It remembers why that failed,
// because the verifier's error does not say.
type signatureCheck struct {
	keys        *keys
	unavailable bool
	otherType   bool
}

func (c *signatureCheck) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	signed, err := jose.ParseSignedCompact(token, algorithms)
	if err != nil {
		return nil, err
	}
	if typ, ok := signed.Signatures[0].Protected.ExtraHeaders[jose.HeaderType]; ok && !isAccess(typ) {
		c.otherType = true
		return nil, errors.New("auth: a token of another type")
	}
	payload, err := c.keys.verify(ctx, signed)
	c.unavailable = errors.Is(err, errUnavailable)
	return payload, err
}

// isAccess reports whether a token with this typ in its header may let a caller in. It is a media
// type, whose "application/" may be left out (RFC 7515, section 4.1.9).
func isAccess(typ any) bool {
	name, _ := typ.(string)
	name = strings.TrimPrefix(strings.ToLower(name), "application/")
	return name == "jwt" || name == "at+jwt"
}

func (s *tokens) Declare(card *a2a.AgentCard) {
	discovery := strings.TrimSuffix(s.issuer, "/") + "/.well-known/openid-configuration"
	declare(card,
		namedScheme{"bearer", a2a.HTTPAuthSecurityScheme{
			Scheme: "Bearer", BearerFormat: "JWT", Description: "a token of the issuer that " + discovery + " describes",
		}},
		namedScheme{"oidc", a2a.OpenIDConnectSecurityScheme{OpenIDConnectURL: discovery}},
	)
}

// challenge answers a request without a token. A bad token adds a reason (RFC 6750, section 3).
const challenge = `Bearer realm="a2a"`

var b64token = regexp.MustCompile(`^[A-Za-z0-9._~+/-]+=*$`)

// bearer returns the request's token (RFC 6750, section 2.1).
func bearer(h http.Header) (string, error) {
	values := h.Values("Authorization")
	if len(values) > 1 {
		return "", invalid("there is more than one Authorization header")
	}
	scheme, token, _ := strings.Cut(strings.Join(values, ""), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", &Error{Status: http.StatusUnauthorized, Challenge: challenge, Message: "a bearer token is required"}
	}
	token = strings.Trim(token, " ")
	if !b64token.MatchString(token) {
		return "", invalid("the token is malformed")
	}
	return token, nil
}

// invalid refuses a token. The description must not contain quotes or backslashes.
func invalid(description string) *Error {
	return &Error{
		Status:    http.StatusUnauthorized,
		Challenge: challenge + `, error="invalid_token", error_description="` + description + `"`,
		Message:   description,
	}
}
