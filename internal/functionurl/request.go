package functionurl

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-lambda-go/events"
)

var (
	errBadBody    = errors.New("functionurl: request body is not base64")
	errBadRequest = errors.New("functionurl: request line is not HTTP")
)

// newRequest makes a request of a function URL's event, like net/http's server. An error means that
// the client's request is bad.
func newRequest(ctx context.Context, ev *events.LambdaFunctionURLRequest) (*http.Request, error) {
	body := ev.Body
	if ev.IsBase64Encoded {
		b, err := base64.StdEncoding.DecodeString(body)
		if err != nil {
			return nil, errBadBody
		}
		body = string(b)
	}
	r, err := http.NewRequestWithContext(ctx, ev.RequestContext.HTTP.Method, "/", strings.NewReader(body))
	if err != nil {
		return nil, errBadRequest
	}
	r.URL = &url.URL{Path: ev.RawPath, RawQuery: ev.RawQueryString}
	if p, err := url.PathUnescape(ev.RawPath); err == nil {
		r.URL.Path, r.URL.RawPath = p, ev.RawPath
	}
	for k, v := range ev.Headers {
		r.Header.Add(k, v)
	}
	if len(ev.Cookies) > 0 {
		r.Header.Set("Cookie", strings.Join(ev.Cookies, "; "))
	}
	ev.Body = "" // the event lives as long as the answer
	asServed(r, ev.RequestContext.DomainName, ev.RequestContext.HTTP.SourceIP)
	return r, nil
}

// asServed makes r look as if net/http's server had read it from a TLS connection: the address has
// a port, Host is not among the headers, the URL has no host.
func asServed(r *http.Request, host, sourceIP string) {
	r.Host = host
	r.Header.Del("Host")
	r.URL.Scheme, r.URL.Host = "", ""
	r.RequestURI = r.URL.RequestURI()
	r.RemoteAddr = net.JoinHostPort(sourceIP, "0")
	r.TLS = &tls.ConnectionState{Version: tls.VersionTLS12, HandshakeComplete: true, ServerName: host}
}
