package emulator

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// Caller is an IAM principal that may use a function URL.
type Caller struct {
	Secret  string // of its access key
	UserID  string // "AIDA…" for a user, "AROA…:<session name>" for an assumed role
	UserARN string
	Account string
}

// maxSkew is how far a signature's time may be from now.
const maxSkew = 5 * time.Minute

var authorization = regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=([^/, ]+)/\S+, ?SignedHeaders=([^, ]+), ?Signature=([0-9a-f]{64})$`)

// caller returns the access key that signed a request, if it is a caller's and the signature is
// right. It checks the signature of a copy that has only what was signed.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
func (e *Emulator) caller(r *http.Request, body []byte) (key string, ok bool) {
	claim := authorization.FindStringSubmatch(r.Header.Get("Authorization"))
	if claim == nil || len(r.Header["Authorization"]) != 1 {
		return "", false
	}
	caller, ok := e.config.Callers[claim[1]]
	if !ok {
		return "", false
	}
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil || time.Since(at).Abs() > maxSkew {
		return "", false
	}
	signed := &http.Request{Method: r.Method, Host: r.Host, Header: http.Header{},
		URL: &url.URL{Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery}}
	for name := range strings.SplitSeq(claim[2], ";") {
		switch name := http.CanonicalHeaderKey(name); name {
		case "Host":
		case "Content-Length":
			signed.ContentLength = r.ContentLength
		default:
			signed.Header[name] = slices.Clone(r.Header[name])
		}
	}
	if err := sign(signed, body, claim[1], caller.Secret, "lambda", at); err != nil {
		return "", false
	}
	own := authorization.FindStringSubmatch(signed.Header.Get("Authorization"))
	return claim[1], own != nil && own[2] == claim[2] && own[3] == claim[3]
}

func sign(r *http.Request, body []byte, key, secret, service string, at time.Time) error {
	sum := sha256.Sum256(body)
	credentials := aws.Credentials{AccessKeyID: key, SecretAccessKey: secret}
	return v4.NewSigner().SignHTTP(r.Context(), credentials, r, hex.EncodeToString(sum[:]), service, region, at)
}

// iam returns the event's part about a caller.
func iam(key string, c Caller) *events.LambdaFunctionURLRequestContextAuthorizerDescription {
	return &events.LambdaFunctionURLRequestContextAuthorizerDescription{
		IAM: &events.LambdaFunctionURLRequestContextAuthorizerIAMDescription{
			AccessKey: key,
			AccountID: c.Account,
			CallerID:  c.UserID,
			UserARN:   c.UserARN,
			UserID:    c.UserID,
		},
	}
}

// forbid answers as Lambda does to an unsigned request. Lambda's answer to a wrong signature has
// other words.
func forbid(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Amzn-Errortype", "AccessDeniedException")
	w.WriteHeader(http.StatusForbidden)
	fmt.Fprint(w, `{"Message":"Forbidden. For troubleshooting Function URL authorization issues, see: https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html"}`)
}

// Signer is a transport that signs requests as a caller.
type Signer struct {
	AccessKey, Secret string
	Service           string            // "" means "lambda", a function URL's
	Next              http.RoundTripper // nil means [http.DefaultTransport]
}

// RoundTrip sends a signed copy of r.
func (s Signer) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		body, err = io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil {
			return nil, err
		}
	}
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(body))
	if len(body) == 0 {
		r.Body = http.NoBody
	}
	r.ContentLength = int64(len(body))
	if err := sign(r, body, s.AccessKey, s.Secret, cmp.Or(s.Service, "lambda"), time.Now()); err != nil {
		return nil, fmt.Errorf("emulator: sign: %w", err)
	}
	return cmp.Or(s.Next, http.DefaultTransport).RoundTrip(r)
}
