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
