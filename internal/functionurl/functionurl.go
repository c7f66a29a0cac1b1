// Package functionurl serves an [http.Handler] from AWS Lambda.
//
// A function URL (invoke mode RESPONSE_STREAM) gets its response as a stream: each Flush of the
// handler is sent at once as a chunk. API Gateway, with REST and HTTP APIs alike, gets it in one
// piece when the handler has returned.
//
// Nothing of a request outlives its response: the stream ends only after the handler has returned,
// because Lambda freezes the process there.
package functionurl

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Handler returns a function for [lambda.Start] that serves h.
//
// It tells the events apart by their shape:
//   - a function URL's ("requestContext.domainName" has ".lambda-url.") is
//     answered with an [events.LambdaFunctionURLStreamingResponse];
//   - an HTTP API's ("version": "2.0") and a REST API's ("httpMethod") are
//     answered with the response of their kind, buffered;
//   - any other event is an error, so that the invocation fails.
//
// A panic in h never ends the process. If the client has seen nothing yet, it gets status 500 with
// a JSON-RPC internal error. A stream that has begun is cut, and the runtime reports the invocation
// as failed. The panic is logged, except [http.ErrAbortHandler].
//
// Event shapes: https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html and
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
func Handler(h http.Handler) func(context.Context, json.RawMessage) (any, error) {
	return func(ctx context.Context, payload json.RawMessage) (any, error) {
		var s shape
		if err := json.Unmarshal(payload, &s); err != nil {
			return nil, unsupported(payload)
		}
		switch {
		case s.RequestContext.ELB != nil:
			return nil, unsupported(payload)
		case strings.Contains(s.RequestContext.DomainName, ".lambda-url.") && s.RequestContext.HTTP.Method != "":
			return stream(ctx, h, payload)
		case s.Version == "2.0" && s.RequestContext.HTTP.Method != "":
			return proxyHTTP(ctx, h, payload)
		case s.HTTPMethod != "":
			return proxyREST(ctx, h, payload, s.Version == "1.0")
		}
		return nil, unsupported(payload)
	}
}

// shape has the fields in which the supported events differ.
type shape struct {
	Version        string `json:"version"`
	HTTPMethod     string `json:"httpMethod"`
	RequestContext struct {
		DomainName string `json:"domainName"`
		HTTP       struct {
			Method string `json:"method"`
		} `json:"http"`
		// ELB marks a load balancer's event, which looks like a REST API's but needs another
		// answer.
		ELB json.RawMessage `json:"elb"`
	} `json:"requestContext"`
}

// unsupported names the event by its keys: the values may be private.
func unsupported(payload json.RawMessage) error {
	var object map[string]json.RawMessage
	if json.Unmarshal(payload, &object) != nil || object == nil {
		kind := "not JSON"
		if p := bytes.TrimSpace(payload); json.Valid(p) {
			switch p[0] {
			case '[':
				kind = "an array"
			case '"':
				kind = "a string"
			case 'n':
				kind = "null"
			case 't', 'f':
				kind = "a boolean"
			default:
				kind = "a number"
			}
		}
		return fmt.Errorf("functionurl: the event is neither a function URL's nor API Gateway's: it is %s", kind)
	}
	keys := make([]string, 0, len(object))
	for k := range object {
		keys = append(keys, fmt.Sprintf("%.40q", k))
	}
	slices.Sort(keys)
	if len(keys) > 10 {
		keys = append(keys[:10], "…")
	}
	return fmt.Errorf("functionurl: the event is neither a function URL's nor API Gateway's: its keys are [%s]", strings.Join(keys, " "))
}
