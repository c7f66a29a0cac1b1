package localtest_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// permitted returns a DynamoDB that does for a function what its policy in template.yaml allows, and fails the test if it is asked
// for more.
func permitted(t testing.TB, endpoint, function string) (guarded string) {
	t.Helper()
	allowed := permissions(t, function)
	target, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 100},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the function is dead
		}
		var request struct{ IndexName string }
		if err := json.Unmarshal(body, &request); err != nil {
			t.Error(err)
		}
		_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		if asked := strings.TrimSpace(operation + " " + request.IndexName); !allowed[asked] {
			t.Errorf("the policy of %s does not allow %s", function, asked)
			w.WriteHeader(http.StatusBadRequest)
			io.WriteString(w, `{"__type":"com.amazon.coral.service#AccessDeniedException"}`)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// permissions returns the operations that the policy of a function in template.yaml allows on the table, such as PutItem, and on its
// indexes, such as "Query owner".
func permissions(t testing.TB, function string) map[string]bool {
	t.Helper()
	policy := parsedTemplate(t).Resources[strings.TrimSuffix(function, "Function")+"Policy"].Properties["PolicyDocument"]
	text, err := json.Marshal(policy)
	if err != nil {
		t.Fatal(err)
	}
	var document struct {
		Statement []struct{ Action, Resource json.RawMessage }
	}
	if err := json.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}
	allowed := map[string]bool{}
	for _, s := range document.Statement {
		if !strings.Contains(string(s.Resource), `"TaskTable"`) {
			continue // of something else
		}
		index := ""
		if m := regexp.MustCompile(`/index/(\w+)"`).FindSubmatch(s.Resource); m != nil {
			index = string(m[1])
		}
		for _, action := range regexp.MustCompile(`dynamodb:(\w+)`).FindAllSubmatch(s.Action, -1) {
			allowed[strings.TrimSpace(string(action[1])+" "+index)] = true
		}
	}
	if !allowed["Query"] {
		t.Fatalf("the policy of %s allows %v", function, allowed)
	}
	return allowed
}
