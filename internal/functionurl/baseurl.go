package functionurl

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/aws/aws-lambda-go/events"
)

type baseURLKey struct{}

func withBaseURL(ctx context.Context, base string) context.Context {
	return context.WithValue(ctx, baseURLKey{}, base)
}

// BaseURL returns the URL at which a client reached the handler that got r. It ends in "/".
//
//	function URL      https://<domain>/
//	REST API          https://<domain>/<stage>/
//	HTTP API          https://<domain>/<stage>/, without the stage if it is "$default"
//	custom domain     https://<domain>/<base path>/
//	sam local         http://<Host>/
//	any other server  http://<Host>/, or https where r came over TLS
//
// On Lambda the client chooses nothing in it: the domain comes from the event's context. Elsewhere
// it is the Host header, which a client can forge, so what is made of it must go back to that
// client only. X-Forwarded headers are ignored. The base path, under which a custom domain maps an
// API, is what the event's path has before the open part of the route. An HTTP API's route $default
// has no open part, so there the base path is missing.
func BaseURL(r *http.Request) string {
	if base, ok := r.Context().Value(baseURLKey{}).(string); ok {
		return base
	}
	if r.TLS != nil {
		return "https://" + r.Host + "/"
	}
	return "http://" + r.Host + "/"
}

// functionURLBase recognizes the local emulator by a Host header that is this machine: Lambda
// routes by that header, so there it always equals the domain.
func functionURLBase(ev *events.LambdaFunctionURLRequest) string {
	domain := ev.RequestContext.DomainName
	if host := header(ev.Headers, "Host"); host != domain && IsLoopback(host) {
		return "http://" + host + "/"
	}
	return "https://" + domain + "/"
}

func restBase(ev *events.APIGatewayProxyRequest) string {
	return gatewayBase(ev.RequestContext.DomainName, ev.RequestContext.Stage, ev.Headers)
}

// httpBase: SAM's local API calls every HTTP API's domain "localhost", without the port.
func httpBase(ev *events.APIGatewayV2HTTPRequest) string {
	domain := ev.RequestContext.DomainName
	if host := header(ev.Headers, "Host"); domain == "localhost" && host != "" {
		domain = host
	}
	return gatewayBase(domain, ev.RequestContext.Stage, ev.Headers)
}

// gatewayBase recognizes SAM's local API by a domain with a port, or one that is this machine: its
// domain is the Host header, and its paths have no stage. It sets X-Forwarded-Proto itself.
func gatewayBase(domain, stage string, headers map[string]string) string {
	if strings.Contains(domain, ":") || IsLoopback(domain) {
		if header(headers, "X-Forwarded-Proto") == "https" {
			return "https://" + domain + "/"
		}
		return "http://" + domain + "/"
	}
	if strings.Contains(domain, ".execute-api.") && stage != "" && stage != "$default" {
		return "https://" + domain + "/" + stage + "/"
	}
	return "https://" + domain + "/"
}

// header returns a header of an event. The case of names differs by source.
func header(headers map[string]string, name string) string {
	for k, v := range headers {
		if strings.EqualFold(k, name) {
			return v
		}
	}
	return ""
}

// IsLoopback reports whether host, which may have a port, is this machine. A name is in lower case.
func IsLoopback(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && ip.IsLoopback()
}
