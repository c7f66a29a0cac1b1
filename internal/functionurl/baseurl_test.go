package functionurl_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"a2alambda/internal/functionurl"
)

func base(w http.ResponseWriter, r *http.Request) { io.WriteString(w, functionurl.BaseURL(r)) }

func TestBaseURL(t *testing.T) {
	domain := func(d string) func(map[string]any) { return set(d, "requestContext", "domainName") }
	stage := func(s string) func(map[string]any) { return set(s, "requestContext", "stage") }
	for _, tt := range []struct {
		name string
		ev   json.RawMessage
		want string
	}{
		{"function URL", event(t, "function-url.json"), "https://exampleurlid.lambda-url.eu-central-1.on.aws/"},
		{"function URL, another Host", event(t, "function-url.json", set("evil.example", "headers", "host")), "https://exampleurlid.lambda-url.eu-central-1.on.aws/"},
		{"function URL, X-Forwarded-Host", event(t, "function-url.json", set("evil.example", "headers", "x-forwarded-host"), set("http", "headers", "x-forwarded-proto")), "https://exampleurlid.lambda-url.eu-central-1.on.aws/"},
		{"emulator", event(t, "function-url.json", set("localhost:10000", "headers", "host")), "http://localhost:10000/"},
		{"emulator, IPv6", event(t, "function-url.json", set("[::1]:10000", "headers", "host")), "http://[::1]:10000/"},
		{"emulator, no port", event(t, "function-url.json", set("127.0.0.1", "headers", "host")), "http://127.0.0.1/"},
		{"REST API", event(t, "rest.json"), "https://exampleapi.execute-api.eu-central-1.amazonaws.com/prod/"},
		{"REST API, X-Forwarded-Proto", event(t, "rest.json", set("http", "headers", "X-Forwarded-Proto")), "https://exampleapi.execute-api.eu-central-1.amazonaws.com/prod/"},
		{"REST API, custom domain", event(t, "rest.json", domain("api.example.com"), set("/a%2Fb/card", "requestContext", "path")), "https://api.example.com/"},
		{"REST API, custom domain with a base path", event(t, "rest.json", domain("api.example.com"), set("/agents/one/a%2Fb/card", "path")), "https://api.example.com/agents/one/"},
		{"REST API, the base path itself", event(t, "rest.json", domain("api.example.com"), set("/agents/one", "path"), set("/", "resource"), set(nil, "pathParameters")), "https://api.example.com/agents/one/"},
		{"REST API, a resource of it", event(t, "rest.json", set("/agent/a%2Fb/card", "path"), set("/agent/{proxy+}", "resource")), "https://exampleapi.execute-api.eu-central-1.amazonaws.com/prod/agent/"},
		{"HTTP API, custom domain with a base path", event(t, "http.json", domain("api.example.com"), stage("$default"), set("/one/x/y", "rawPath"), set("ANY /{proxy+}", "routeKey"), set(map[string]any{"proxy": "x/y"}, "pathParameters")), "https://api.example.com/one/"},
		{"HTTP API", event(t, "http.json"), "https://exampleapi.execute-api.eu-central-1.amazonaws.com/prod/"},
		{"HTTP API, $default", event(t, "http.json", stage("$default")), "https://exampleapi.execute-api.eu-central-1.amazonaws.com/"},
		{"HTTP API, custom domain", event(t, "http.json", domain("api.example.com")), "https://api.example.com/"},
		{"sam local, REST API", event(t, "sam-rest.json"), "http://127.0.0.1:3000/"},
		{"sam local, REST API, named", event(t, "sam-rest.json", domain("devbox:3000")), "http://devbox:3000/"},
		{"sam local, REST API, port 80", event(t, "sam-rest.json", domain("localhost")), "http://localhost/"},
		{"sam local, REST API, TLS", event(t, "sam-rest.json", set("https", "headers", "X-Forwarded-Proto")), "https://127.0.0.1:3000/"},
		{"sam local, HTTP API", event(t, "sam-http.json"), "http://127.0.0.1:3000/"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if status, got := answer(t, base, tt.ev); status != 200 || got != tt.want {
				t.Errorf("status %d, %s; want %s", status, got, tt.want)
			}
		})
	}
}

func TestBaseURLOfServer(t *testing.T) {
	plain := httptest.NewServer(http.HandlerFunc(base))
	defer plain.Close()
	secure := httptest.NewTLSServer(http.HandlerFunc(base))
	defer secure.Close()
	for _, server := range []*httptest.Server{plain, secure} {
		for _, host := range []string{"", "localhost:10000"} {
			r, err := http.NewRequest("GET", server.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Host = host
			r.Header.Set("X-Forwarded-Host", "evil.example")
			r.Header.Set("X-Forwarded-Proto", "gopher")
			response, err := server.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(response.Body)
			response.Body.Close()
			if err != nil {
				t.Fatal(err)
			}
			want := server.URL + "/"
			if host != "" {
				scheme, _, _ := strings.Cut(server.URL, ":")
				want = fmt.Sprintf("%s://%s/", scheme, host)
			}
			if string(got) != want {
				t.Errorf("%s; want %s", got, want)
			}
		}
	}
}

// TestPath checks the path that a handler gets, in whatever form the event has it.
func TestPath(t *testing.T) {
	path := func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.URL.EscapedPath()) }
	proxy := func(path, proxy string) []func(map[string]any) {
		return []func(map[string]any){set(path, "path"), set("/{proxy+}", "resource"), set(map[string]any{"proxy": proxy}, "pathParameters")}
	}
	root := func(path string) []func(map[string]any) {
		return []func(map[string]any){set(path, "path"), set("/", "resource"), set(nil, "pathParameters")}
	}
	routed := func(path, route string, parameters any) []func(map[string]any) {
		return []func(map[string]any){set(path, "rawPath"), set(route, "routeKey"), set("$default", "requestContext", "stage"), set(parameters, "pathParameters")}
	}
	for _, tt := range []struct {
		name, file string
		edits      []func(map[string]any)
		want       string
	}{
		{"function URL, two slashes", "function-url.json", []func(map[string]any){set("//message:send", "rawPath")}, "//message:send"},
		{"REST API, two slashes", "rest.json", proxy("//message:send", "/message:send"), "//message:send"},
		{"REST API, two slashes of which the parameter knows one", "rest.json", proxy("//message:send", "message:send"), "//message:send"},
		{"REST API, base path", "rest.json", proxy("/one/tasks/a%2Fb", "tasks/a%2Fb"), "/tasks/a%2Fb"},
		{"REST API, base path, parameter decoded", "rest.json", proxy("/one/tasks/a%20b", "tasks/a b"), "/tasks/a%20b"},
		{"REST API, base path and two slashes", "rest.json", proxy("/one//message:send", "message:send"), "//message:send"},
		{"REST API, a tenant named as the operation", "rest.json", proxy("/tasks/tasks", "tasks/tasks"), "/tasks/tasks"},
		{"REST API, base path alone", "rest.json", root("/one"), "/"},
		{"REST API, base path and a slash", "rest.json", root("/one/"), "/"},
		{"REST API, root", "rest.json", root("/"), "/"},
		{"HTTP API, two slashes", "http.json", routed("//message:send", "$default", nil), "//message:send"},
		{"HTTP API, base path", "http.json", routed("/one/message:send", "POST /{proxy+}", map[string]any{"proxy": "message:send"}), "/message:send"},
		{"HTTP API, base path alone", "http.json", routed("/one", "POST /", nil), "/"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if status, got := answer(t, path, event(t, tt.file, tt.edits...)); status != 200 || got != tt.want {
				t.Errorf("status %d, %s; want %s", status, got, tt.want)
			}
		})
	}
}
