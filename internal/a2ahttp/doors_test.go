package a2ahttp_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/aws/aws-lambda-go/events"

	"a2alambda/internal/a2ahttp"
	"a2alambda/internal/functionurl"
	"a2alambda/internal/memlog"
)

// door is a front door. The headers are lines; several may have the same name.
type door func(t *testing.T, h http.Handler, verb, target, body string, headers [][2]string) *httptest.ResponseRecorder

var doors = map[string]door{
	"local server": func(t *testing.T, h http.Handler, verb, target, body string, headers [][2]string) *httptest.ResponseRecorder {
		s := httptest.NewServer(h)
		defer s.Close()
		r, err := http.NewRequest(verb, s.URL+target, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range headers {
			r.Header.Add(line[0], line[1])
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		w := httptest.NewRecorder()
		w.Code = resp.StatusCode
		maps.Copy(w.Header(), resp.Header)
		_, _ = io.Copy(w.Body, resp.Body)
		return w
	},
	"function URL": event("x.lambda-url.us-east-1.on.aws"),
	"HTTP API":     event("x.execute-api.us-east-1.amazonaws.com"),
	"REST API": func(t *testing.T, h http.Handler, verb, target, body string, headers [][2]string) *httptest.ResponseRecorder {
		path, query, _ := strings.Cut(target, "?")
		e := events.APIGatewayProxyRequest{HTTPMethod: verb, Path: path, Body: body, MultiValueHeaders: map[string][]string{}, Headers: map[string]string{}}
		e.RequestContext.DomainName, e.RequestContext.Identity.SourceIP = "x.execute-api.us-east-1.amazonaws.com", "203.0.113.7"
		for _, line := range headers {
			e.MultiValueHeaders[line[0]] = append(e.MultiValueHeaders[line[0]], line[1])
			e.Headers[line[0]] = line[1]
		}
		for pair := range strings.SplitSeq(query, "&") {
			if name, value, ok := strings.Cut(pair, "="); ok {
				if e.MultiValueQueryStringParameters == nil {
					e.MultiValueQueryStringParameters = map[string][]string{}
				}
				e.MultiValueQueryStringParameters[name] = append(e.MultiValueQueryStringParameters[name], value)
			}
		}
		return invoke(t, h, e)
	},
}

// event is a front door whose events have the lines of a header joined.
func event(domain string) door {
	return func(t *testing.T, h http.Handler, verb, target, body string, headers [][2]string) *httptest.ResponseRecorder {
		path, query, _ := strings.Cut(target, "?")
		joined := map[string]string{}
		for _, line := range headers {
			name := strings.ToLower(line[0])
			if was, ok := joined[name]; ok {
				line[1] = was + "," + line[1]
			}
			joined[name] = line[1]
		}
		e := events.APIGatewayV2HTTPRequest{Version: "2.0", RawPath: path, RawQueryString: query, Headers: joined, Body: body}
		e.RequestContext.DomainName, e.RequestContext.Stage = domain, "$default"
		e.RequestContext.HTTP.Method, e.RequestContext.HTTP.Path, e.RequestContext.HTTP.SourceIP = verb, path, "203.0.113.7"
		return invoke(t, h, e)
	}
}

func invoke(t *testing.T, h http.Handler, e any) *httptest.ResponseRecorder {
	t.Helper()
	payload, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	out, err := functionurl.Handler(h)(context.Background(), payload)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	switch r := out.(type) {
	case *events.LambdaFunctionURLStreamingResponse:
		w.Code = r.StatusCode
		for k, v := range r.Headers {
			w.Header().Set(k, v)
		}
		if _, err := io.Copy(w.Body, r.Body); err != nil {
			t.Fatal(err)
		}
		if c, ok := r.Body.(io.Closer); ok {
			_ = c.Close()
		}
	case events.APIGatewayProxyResponse:
		w.Code, w.Body = r.StatusCode, bytes.NewBufferString(r.Body)
		maps.Copy(w.Header(), r.MultiValueHeaders)
	case events.APIGatewayV2HTTPResponse:
		w.Code, w.Body = r.StatusCode, bytes.NewBufferString(r.Body)
		for k, v := range r.Headers {
			w.Header().Set(k, v)
		}
	default:
		t.Fatalf("answered with %T", out)
	}
	return w
}

// TestHeadersOfOneValue sends headers of one value twice, in one line and in two. They count the
// same at every front door.
func TestHeadersOfOneValue(t *testing.T) {
	l := new(memlog.Log)
	c := configOf(l, t.Output(), slow(0))
	c.Auth = byToken{}
	c.Server.Card.Capabilities.Extensions = []a2a.AgentExtension{{URI: "https://example.com/a"}, {URI: "https://example.com/b"}}
	h := a2ahttp.New(c)
	token := [2]string{"Authorization", "Bearer alice"}
	json := [2]string{"Content-Type", "application/json"}
	w := doors["local server"](t, h, "POST", "/", sendCall, [][2]string{token, json})
	id := idIn(w.Body.String())
	if id == "" {
		t.Fatal(w.Body)
	}
	subscribe := "/tasks/" + id + ":subscribe"
	for _, test := range []struct {
		name, verb, target, body, header string
		values                           []string // of the header
		want                             string
	}{
		{"one position", "GET", subscribe, "", "Last-Event-ID", []string{"5"}, "200 5 6"},
		{"two positions", "GET", subscribe, "", "Last-Event-ID", []string{"2", "5"}, "200 5 6"},
		{"the last position", "GET", subscribe, "", "Last-Event-ID", []string{"2", "6"}, "204"},
		{"the last position, message", "POST", "/", strings.Replace(sendCall, "SendMessage", "SendStreamingMessage", 1), "Last-Event-ID", []string{"2", "6"}, "200"},
		{"two positions over JSON-RPC", "POST", "/", rpc("SubscribeToTask", `{"id":%q}`, id), "Last-Event-ID", []string{"2", "5"}, "200 5 6"},
		{"a position in the query", "GET", subscribe + "?lastEventId=2&lastEventId=5", "", "X-Other", []string{"1"}, "200 5 6"},
		{"the same version", "POST", "/", rpc("GetTask", `{"id":%q}`, id), "A2A-Version", []string{"1.0", "1.0"}, "200"},
		{"the same version, HTTP+JSON", "GET", "/tasks/" + id, "", "A2A-Version", []string{"1.0", "1.0"}, "200"},
		{"the same version in the query", "GET", "/tasks/" + id + "?A2A-Version=1.0&A2A-Version=1.0", "", "X-Other", []string{"1"}, "200"},
		{"two versions", "POST", "/", rpc("GetTask", `{"id":%q}`, id), "A2A-Version", []string{"1.0", "0.3"}, "200 error -32009"},
		{"two versions, HTTP+JSON", "GET", "/tasks/" + id, "", "A2A-Version", []string{"0.3", "1.0"}, "400 error 400"},
		{"the same type", "POST", "/", rpc("GetTask", `{"id":%q}`, id), "Content-Type", []string{"application/json", "application/json"}, "200"},
		{"two types", "POST", "/", rpc("GetTask", `{"id":%q}`, id), "Content-Type", []string{"text/plain", "application/json; charset=utf-8"}, "200"},
		{"two types, the wrong one last", "POST", "/", rpc("GetTask", `{"id":%q}`, id), "Content-Type", []string{"application/json", "text/plain"}, "415 error -32600"},
		{"the same token", "GET", "/tasks/" + id, "", "Authorization", []string{"Bearer alice", "Bearer alice"}, "200"},
		{"two tokens", "GET", "/tasks/" + id, "", "Authorization", []string{"Bearer alice", "Bearer bob"}, "404 error 404"},
		{"extensions, a list", "GET", "/tasks/" + id, "", "A2A-Extensions", []string{"https://example.com/a", "https://example.com/c, https://example.com/b"}, "200"},
	} {
		for name, come := range doors {
			for _, lines := range [][]string{test.values, {strings.Join(test.values, ", ")}} {
				var headers [][2]string
				for _, v := range lines {
					headers = append(headers, [2]string{test.header, v})
				}
				if test.header != "Authorization" {
					headers = append(headers, token)
				}
				if test.header != "Content-Type" && test.verb == "POST" {
					headers = append(headers, json)
				}
				w := come(t, h, test.verb, test.target, test.body, headers)
				if got := outcome(w); got != test.want {
					t.Errorf("%s at the %s, in %d lines: %s, want %s: %s", test.name, name, len(lines), got, test.want, w.Body)
				}
				if got := w.Header().Get("A2A-Extensions"); test.header == "A2A-Extensions" && got != "https://example.com/a, https://example.com/b" {
					t.Errorf("%s at the %s, in %d lines: active are %q", test.name, name, len(lines), got)
				}
			}
		}
	}
}

// TestCaches checks, for every operation and for other requests, that no cache keeps the answer,
// or, where one may, on which headers the answer depends.
func TestCaches(t *testing.T) {
	c := configOf(new(memlog.Log), t.Output(), slow(0))
	c.Page = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Cache-Control", "no-cache") })
	c.Extended = c.Server.Card
	h := a2ahttp.New(c)
	id := idIn(answer(t, h, sendCall))
	const varies = "Authorization, A2A-Version, A2A-Extensions, X-A2A-Extensions, Last-Event-ID"
	check := func(name string, r *http.Request, cache, vary string) {
		t.Helper()
		w := serve(h, r)
		if got := w.Header().Get("Cache-Control"); got != cache || w.Header().Get("Vary") != vary {
			t.Errorf("%s: status %d, Cache-Control %q, Vary %q, want %q and %q", name, w.Code, got, w.Header().Get("Vary"), cache, vary)
		}
	}
	for _, operation := range a2ahttp.Operations() {
		for task, of := range map[string]string{"of a task": id, "of no task": "2dba5dbc-1cf6-8ea2-99ea-589d5dddfc17"} {
			verb, path, isHTTP := strings.Cut(operation, " ")
			var r *http.Request
			if isHTTP {
				path = strings.NewReplacer("{id}", of, "{taskId}", of).Replace(path)
				r = httptest.NewRequest(verb, path, strings.NewReader("{}"))
			} else {
				params := fmt.Sprintf(`{"id":%q,"taskId":%q}`, of, of)
				r = post(t.Context(), rpc(operation, "%s", params))
			}
			cache := "no-store"
			switch lower := strings.ToLower(operation); {
			case strings.HasSuffix(lower, "card"):
				cache = "private, max-age=300"
			case !isHTTP && (strings.Contains(lower, "stream") || strings.Contains(lower, "subscribe")):
				cache = "no-store, no-transform"
			}
			check(operation+" "+task, r, cache, varies)
		}
	}
	check("a stream", post(t.Context(), strings.Replace(streamCall, `"m"`, `"n"`, 1)), "no-store, no-transform", varies)
	check("no JSON", post(t.Context(), "{"), "no-store", varies)
	check("no such path", httptest.NewRequest("GET", "/nothing", nil), "no-store", varies)
	check("another verb", httptest.NewRequest("DELETE", "/tasks/"+id, nil), "no-store", varies)
	check("card", httptest.NewRequest("GET", "/.well-known/agent-card.json", nil), "public, max-age=300", "")
	check("card, another verb", httptest.NewRequest("POST", "/.well-known/agent-card.json", nil), "no-store", "")
	page := httptest.NewRequest("GET", "/", nil)
	page.Header.Set("Accept", "text/html")
	check("page", page, "no-cache", "Accept")
	check("no page", httptest.NewRequest("GET", "/", nil), "no-store", "Accept")
	check("preflight", httptest.NewRequest("OPTIONS", "/", nil), "no-store", "")
}
