package functionurl

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-lambda-go/events"
	"github.com/awslabs/aws-lambda-go-api-proxy/httpadapter"
)

const badRequest = "Bad Request\n"

// proxyREST serves the event of a REST API, or of an HTTP API whose payload format is 1.0.
func proxyREST(ctx context.Context, h http.Handler, payload json.RawMessage, httpAPI bool) (any, error) {
	var ev events.APIGatewayProxyRequest
	if err := json.Unmarshal(payload, &ev); err != nil {
		return nil, fmt.Errorf("functionurl: API Gateway event: %w", err)
	}
	if httpAPI {
		ev.Path = trimStage(ev.Path, ev.RequestContext.Stage)
	}
	base, path := splitBase(ev.Path, ev.Resource, ev.PathParameters)
	ctx = inOnePiece(withIAMUser(withBaseURL(ctx, restBase(&ev)+base), restIAMUser(&ev)))
	ev.Path = encoded(path, httpAPI)
	rc := &ev.RequestContext
	response, err := httpadapter.New(buffered(h, rc.DomainName, rc.Identity.SourceIP)).ProxyWithContext(ctx, ev)
	if err != nil {
		// buffered always answers: the event's request was malformed.
		return events.APIGatewayProxyResponse{
			StatusCode:        http.StatusBadRequest,
			MultiValueHeaders: ownHeader("text/plain; charset=utf-8"),
			Body:              badRequest,
		}, nil
	}
	return response, nil
}

func proxyHTTP(ctx context.Context, h http.Handler, payload json.RawMessage) (any, error) {
	var ev events.APIGatewayV2HTTPRequest
	if err := json.Unmarshal(payload, &ev); err != nil {
		return nil, fmt.Errorf("functionurl: API Gateway event: %w", err)
	}
	_, route, _ := strings.Cut(ev.RouteKey, " ") // after the verb
	base, path := splitBase(trimStage(ev.RawPath, ev.RequestContext.Stage), route, ev.PathParameters)
	ctx = inOnePiece(withIAMUser(withBaseURL(ctx, httpBase(&ev)+base), httpIAMUser(&ev)))
	ev.RawPath = encoded(path, true)
	rc := &ev.RequestContext
	whole := func(w http.ResponseWriter, r *http.Request) {
		// The adapter splits most headers at commas. Here, as at the other front doors, only the
		// reader of a header knows if it is a list.
		for k, v := range ev.Headers {
			if !strings.EqualFold(k, "Host") {
				r.Header.Set(k, v)
			}
		}
		h.ServeHTTP(w, r)
	}
	response, err := httpadapter.NewV2(buffered(http.HandlerFunc(whole), rc.DomainName, rc.HTTP.SourceIP)).ProxyWithContext(ctx, ev)
	if err != nil {
		return events.APIGatewayV2HTTPResponse{
			StatusCode: http.StatusBadRequest,
			Headers:    map[string]string{"Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"},
			Body:       badRequest,
		}, nil
	}
	return response, nil
}

// trimStage removes the stage from an HTTP API's path. It is there for every domain, unless it is
// "$default".
func trimStage(path, stage string) string {
	if rest, ok := strings.CutPrefix(path, "/"+stage); ok && stage != "" && (rest == "" || rest[0] == '/') {
		return "/" + strings.TrimPrefix(rest, "/")
	}
	return path
}

// splitBase splits an event's path into the base path, under which a custom domain maps the API (or
// the API the function), and the rest. The rest is the open part of the route: /{proxy+}, or
// nothing. The base path ends in a slash and begins without one; it may be "".
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/rest-api-mappings.html
func splitBase(path, route string, parameters map[string]string) (base, rest string) {
	whole, tail := path, ""
	switch proxy, ok := parameters["proxy"]; {
	case strings.HasSuffix(route, "/{proxy+}") && ok:
		tail = "/" + proxy
	case route != "/":
		return "", path
	}
	if !strings.HasSuffix(whole, tail) { // only one of them may be decoded
		whole, _ = url.PathUnescape(whole)
		tail, _ = url.PathUnescape(tail)
	}
	before, ok := strings.CutSuffix(whole, tail)
	if before = strings.TrimRight(before, "/"); !ok || !strings.HasPrefix(path, before) || before == "" {
		return "", path
	}
	return strings.TrimLeft(before, "/") + "/", "/" + strings.TrimPrefix(path[len(before):], "/")
}

// encoded returns the path percent-encoded. HTTP APIs and SAM's local API give it decoded, a REST
// API as the client sent it.
func encoded(path string, decoded bool) string {
	if _, err := url.PathUnescape(path); err == nil && !decoded && !strings.ContainsAny(path, "?#") {
		return path
	}
	return (&url.URL{Path: path}).EscapedPath()
}

// buffered gives h a writer that can flush (httpadapter's for HTTP APIs can't), recovers its
// panics, and passes the response on when h has returned.
func buffered(h http.Handler, host, sourceIP string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asServed(r, host, sourceIP)
		var status int
		var header http.Header
		var body bytes.Buffer
		done := make(chan error, 1)
		go serve(h, newResponseWriter(r.Method, &body, func(s int, h http.Header) { status, header = s, h }), r,
			func(err error) { done <- err })
		instead := ""
		if err := <-done; err != nil {
			instead = internalError
		} else if sentLen(header, body.Bytes()) > maxAnswer {
			instead = tooLong
		}
		if instead != "" {
			status, header = http.StatusInternalServerError, ownHeader("application/json")
			body.Reset()
			body.WriteString(instead)
		}
		maps.Copy(w.Header(), header)
		w.WriteHeader(status)
		if body.Len() > 0 {
			w.Write(body.Bytes())
		}
	})
}
