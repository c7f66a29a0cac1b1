package functionurl_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"a2alambda/internal/functionurl"
)

// event reads a captured event and applies edits to its JSON object.
func event(t testing.TB, name string, edits ...func(ev map[string]any)) json.RawMessage {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	var ev map[string]any
	if err := json.Unmarshal(b, &ev); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	for _, edit := range edits {
		edit(ev)
	}
	b, err = json.Marshal(ev)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// set is an edit: it sets the value at a path of keys.
func set(value any, path ...string) func(map[string]any) {
	return func(ev map[string]any) {
		for _, k := range path[:len(path)-1] {
			ev = ev[k].(map[string]any)
		}
		ev[path[len(path)-1]] = value
	}
}

// describe answers with all that a handler sees of its request, without the headers in which the
// events differ.
func describe(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(err)
	}
	if _, _, err := net.SplitHostPort(r.RemoteAddr); err != nil {
		panic(err)
	}
	fmt.Fprintf(w, "%s %s %s\n", r.Method, r.RequestURI, r.Proto)
	fmt.Fprintf(w, "host %s from %s tls %t\n", r.Host, r.RemoteAddr, r.TLS != nil)
	fmt.Fprintf(w, "url %s path %s query %q\n", r.URL, r.URL.Path, r.URL.Query())
	fmt.Fprintf(w, "base %s\n", functionurl.BaseURL(r))
	for _, k := range slices.Sorted(maps.Keys(r.Header)) {
		if k != "User-Agent" && !strings.HasPrefix(k, "X-") {
			fmt.Fprintf(w, "%s: %q\n", k, r.Header[k])
		}
	}
	var cookies []string
	for _, c := range r.Cookies() {
		cookies = append(cookies, c.Name+"="+c.Value)
	}
	fmt.Fprintf(w, "cookies %q\n", cookies)
	fmt.Fprintf(w, "body %d %q\n", r.ContentLength, body)
}

// answer invokes h with any event and returns the response's status and body.
func answer(t testing.TB, h http.HandlerFunc, ev json.RawMessage) (int, string) {
	t.Helper()
	status, _, body := respond(t, h, ev)
	return status, body
}

func respond(t testing.TB, h http.HandlerFunc, ev json.RawMessage) (status int, nosniff, body string) {
	t.Helper()
	invocation := lambdacontext.NewContext(context.Background(), &lambdacontext.LambdaContext{AwsRequestID: "invocation-1"})
	out, err := functionurl.Handler(h)(invocation, ev)
	if err != nil {
		t.Fatal(err)
	}
	const name = "X-Content-Type-Options"
	switch out := out.(type) {
	case *events.LambdaFunctionURLStreamingResponse:
		body, err := io.ReadAll(out.Body)
		if err != nil {
			t.Fatal(err)
		}
		return out.StatusCode, out.Headers[name], string(body)
	case events.APIGatewayProxyResponse:
		return out.StatusCode, http.Header(out.MultiValueHeaders).Get(name), out.Body
	case events.APIGatewayV2HTTPResponse:
		return out.StatusCode, out.Headers[name], out.Body
	}
	t.Fatalf("response is a %T", out)
	return 0, "", ""
}

func TestRequest(t *testing.T) {
	for _, tt := range []struct {
		name string
		ev   json.RawMessage
		want string
	}{
		{"function URL", event(t, "function-url.json"), `
POST /a%2Fb/c%20d?q=1&q=%C3%A4&r= HTTP/1.1
host exampleurlid.lambda-url.eu-central-1.on.aws from 203.0.113.7:0 tls true
url /a%2Fb/c%20d?q=1&q=%C3%A4&r= path /a/b/c d query map["q":["1" "ä"] "r":[""]]
base https://exampleurlid.lambda-url.eu-central-1.on.aws/
Accept: ["text/event-stream, application/json"]
Content-Length: ["17"]
Content-Type: ["application/json"]
Cookie: ["session=abc; theme=dark"]
Last-Event-Id: ["41"]
cookies ["session=abc" "theme=dark"]
body 17 "{\"hello\":\"world\"}"
`},
		{"base64", event(t, "function-url-base64.json"), `
PUT / HTTP/1.1
host exampleurlid.lambda-url.eu-central-1.on.aws from [2001:db8::7]:0 tls true
url / path / query map[]
base https://exampleurlid.lambda-url.eu-central-1.on.aws/
Content-Length: ["4"]
Content-Type: ["application/octet-stream"]
cookies []
body 4 "\x00\xff\xfe\n"
`},
		{"path that is not encoded", event(t, "function-url-base64.json", set("//x/%zz?", "rawPath"), set(nil, "body")), `
PUT //x/%25zz%3F HTTP/1.1
host exampleurlid.lambda-url.eu-central-1.on.aws from [2001:db8::7]:0 tls true
url //x/%25zz%3F path //x/%zz? query map[]
base https://exampleurlid.lambda-url.eu-central-1.on.aws/
Content-Length: ["4"]
Content-Type: ["application/octet-stream"]
cookies []
body 0 ""
`},
		{"REST API", event(t, "rest.json"), `
POST /a%2Fb/card?q=1&q=2 HTTP/1.1
host exampleapi.execute-api.eu-central-1.amazonaws.com from 203.0.113.7:0 tls true
url /a%2Fb/card?q=1&q=2 path /a/b/card query map["q":["1" "2"]]
base https://exampleapi.execute-api.eu-central-1.amazonaws.com/prod/
Accept: ["*/*"]
Content-Type: ["application/json"]
cookies []
body 17 "{\"hello\":\"world\"}"
`},
		{"HTTP API", event(t, "http.json", set("2, 4", "headers", "last-event-id")), `
POST /a%20b/card?q=1&q=2 HTTP/1.1
host exampleapi.execute-api.eu-central-1.amazonaws.com from 203.0.113.7:0 tls true
url /a%20b/card?q=1&q=2 path /a b/card query map["q":["1" "2"]]
base https://exampleapi.execute-api.eu-central-1.amazonaws.com/prod/
Accept: ["*/*"]
Content-Type: ["application/json"]
Cookie: ["session=abc" "theme=dark"]
Last-Event-Id: ["2, 4"]
cookies ["session=abc" "theme=dark"]
body 17 "{\"hello\":\"world\"}"
`},
		{"HTTP API, payload 1.0, base64", event(t, "rest.json", set("1.0", "version"), set("/prod", "path"), set("aGkK", "body"), set(true, "isBase64Encoded")), `
POST /?q=1&q=2 HTTP/1.1
host exampleapi.execute-api.eu-central-1.amazonaws.com from 203.0.113.7:0 tls true
url /?q=1&q=2 path / query map["q":["1" "2"]]
base https://exampleapi.execute-api.eu-central-1.amazonaws.com/prod/
Accept: ["*/*"]
Content-Type: ["application/json"]
cookies []
body 3 "hi\n"
`},
		{"sam local, REST API", event(t, "sam-rest.json"), `
POST /a%20b/card?q=1&q=2 HTTP/1.1
host 127.0.0.1:3000 from 127.0.0.1:0 tls true
url /a%20b/card?q=1&q=2 path /a b/card query map["q":["1" "2"]]
base http://127.0.0.1:3000/
Content-Type: ["application/json"]
cookies []
body 17 "{\"hello\":\"world\"}"
`},
		{"sam local, HTTP API", event(t, "sam-http.json", set("/100%?", "rawPath")), `
POST /100%25%3F?q=1&q=2 HTTP/1.1
host localhost from 127.0.0.1:0 tls true
url /100%25%3F?q=1&q=2 path /100%? query map["q":["1" "2"]]
base http://127.0.0.1:3000/
Content-Type: ["application/json"]
cookies []
body 17 "{\"hello\":\"world\"}"
`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, got := answer(t, describe, tt.ev)
			if want := strings.TrimPrefix(tt.want, "\n"); status != 200 || got != want {
				t.Errorf("status %d, body\n%s\nwant 200 and\n%s", status, got, want)
			}
		})
	}
}

func TestBadRequest(t *testing.T) {
	never := func(http.ResponseWriter, *http.Request) { t.Error("the handler was called") }
	for _, name := range []string{"function-url.json", "rest.json", "http.json"} {
		for what, ev := range map[string]json.RawMessage{
			"body":   event(t, name, set(true, "isBase64Encoded"), set("AA?=", "body")),
			"method": event(t, name, badMethod),
		} {
			if status, nosniff, body := respond(t, never, ev); status != 400 || body != "Bad Request\n" || nosniff != "nosniff" {
				t.Errorf("%s, bad %s: status %d, body %q, %q", name, what, status, body, nosniff)
			}
		}
	}
}

// TestPanicNosniff has a handler panic before its response begins, at each front door.
func TestPanicNosniff(t *testing.T) {
	for _, name := range []string{"function-url.json", "rest.json", "http.json"} {
		panics := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
		if _, nosniff, _ := respond(t, panics, event(t, name)); nosniff != "nosniff" {
			t.Errorf("%s: %q", name, nosniff)
		}
	}
}

func badMethod(ev map[string]any) {
	if _, ok := ev["httpMethod"]; ok {
		ev["httpMethod"] = "GET /"
		return
	}
	set("GET /", "requestContext", "http", "method")(ev)
}

func TestUnsupportedEvent(t *testing.T) {
	const prefix = "functionurl: the event is neither a function URL's nor API Gateway's: "
	for _, tt := range []struct{ ev, want string }{
		{`{"Records":[{"eventSource":"aws:sqs","body":"secret"}]}`, `its keys are ["Records"]`},
		{`{"version":"0","source":"aws.events","detail":{"secret":1}}`, `its keys are ["detail" "source" "version"]`},
		{`{"version":2}`, `its keys are ["version"]`},
		{`{"version":"2.0","requestContext":{}}`, `its keys are ["requestContext" "version"]`},
		{`{"requestContext":{"elb":{}},"httpMethod":"GET"}`, `its keys are ["httpMethod" "requestContext"]`},
		{`{"k0":0,"k1":0,"k2":0,"k3":0,"k4":0,"k5":0,"k6":0,"k7":0,"k8":0,"k9":0,"l":0}`, `its keys are ["k0" "k1" "k2" "k3" "k4" "k5" "k6" "k7" "k8" "k9" …]`},
		{`{"` + strings.Repeat("x", 1000) + `":0}`, `its keys are ["` + strings.Repeat("x", 40) + `"]`},
		{`{}`, `its keys are []`},
		{`[{"secret":1}]`, `it is an array`},
		{`"secret"`, `it is a string`},
		{`null`, `it is null`},
		{`false`, `it is a boolean`},
		{`-1`, `it is a number`},
		{`secret`, `it is not JSON`},
	} {
		out, err := functionurl.Handler(http.NotFoundHandler())(context.Background(), json.RawMessage(tt.ev))
		if out != nil || err == nil || err.Error() != prefix+tt.want {
			t.Errorf("%.60s: %v, %v; want %s", tt.ev, out, err, tt.want)
		}
	}
}

func TestBufferedResponse(t *testing.T) {
	h := functionurl.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Set-Cookie", "a=1")
		w.Header().Add("Set-Cookie", "b=2")
		w.Header().Add("Vary", "Accept")
		w.Header().Add("Vary", "Origin")
		w.WriteHeader(http.StatusAccepted)
		w.Header().Set("Late", "1")
		for _, s := range []string{"data: 1\n\n", "data: 2\n\n"} {
			io.WriteString(w, s)
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Error(err)
			}
		}
	}))
	for _, tt := range []struct{ event, want string }{
		{"rest.json", `{"statusCode":202,"headers":null,"multiValueHeaders":{"Content-Type":["text/plain; charset=utf-8"],"Set-Cookie":["a=1","b=2"],"Vary":["Accept","Origin"]},"body":"data: 1\n\ndata: 2\n\n"}`},
		{"http.json", `{"statusCode":202,"headers":{"Content-Type":"text/plain; charset=utf-8","Vary":"Accept,Origin"},"multiValueHeaders":null,"body":"data: 1\n\ndata: 2\n\n","cookies":["a=1","b=2"]}`},
	} {
		out, err := h(context.Background(), event(t, tt.event))
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := json.Marshal(out); string(got) != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.event, got, tt.want)
		}
	}
}

func TestBufferedBinary(t *testing.T) {
	binary := functionurl.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Write([]byte{0, 0xff})
	}))
	out, err := binary(context.Background(), event(t, "http.json"))
	if r, ok := out.(events.APIGatewayV2HTTPResponse); err != nil || !ok || r.Body != "AP8=" || !r.IsBase64Encoded {
		t.Errorf("%+v, %v", out, err)
	}
}

func FuzzHandler(f *testing.F) {
	names, err := filepath.Glob("testdata/*.json")
	if err != nil || len(names) == 0 {
		f.Fatal("no events in testdata: ", err)
	}
	for _, name := range names {
		f.Add([]byte(event(f, filepath.Base(name))))
	}
	f.Add([]byte(`{"Records":[]}`))
	f.Add([]byte(`null`))
	f.Add([]byte(`{"requestContext":{"domainName":".lambda-url.","http":{"method":"\u0000"}}}`))
	h := functionurl.Handler(http.HandlerFunc(describe))
	f.Fuzz(func(t *testing.T, ev []byte) {
		out, err := h(context.Background(), ev)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "functionurl: ") {
				t.Errorf("error without origin: %v", err)
			}
			return
		}
		var b bytes.Buffer
		status := 0
		switch out := out.(type) {
		case *events.LambdaFunctionURLStreamingResponse:
			status = out.StatusCode
			_, err = io.Copy(&b, out)
		case events.APIGatewayProxyResponse:
			status = out.StatusCode
			err = json.NewEncoder(&b).Encode(out)
		case events.APIGatewayV2HTTPResponse:
			status = out.StatusCode
			err = json.NewEncoder(&b).Encode(out)
		}
		if err != nil || status != 200 && status != 400 || b.Len() == 0 {
			t.Errorf("status %d, %d bytes, error %v", status, b.Len(), err)
		}
	})
}
