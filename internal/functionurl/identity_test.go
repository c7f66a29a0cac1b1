package functionurl_test

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"testing"

	"a2alambda/internal/functionurl"
)

// signedBy is an edit: a principal has signed the request of a function URL or an HTTP API.
func signedBy(user string) func(map[string]any) {
	return set(map[string]any{"iam": map[string]any{
		"accessKey": "AKIDEXAMPLE", "accountId": "111122223333", "callerId": user, "cognitoIdentity": nil,
		"principalOrgId": "o-example", "userArn": "arn:aws:iam::111122223333:user/example", "userId": user,
	}}, "requestContext", "authorizer")
}

func identity(key string, value any) func(map[string]any) {
	return set(value, "requestContext", "identity", key)
}

// claimed is an edit: the client claims an identity by headers that look like the event's context.
func claimed(ev map[string]any) {
	for _, k := range []string{"headers", "multiValueHeaders"} {
		if h, ok := ev[k].(map[string]any); ok {
			for _, name := range []string{"userId", "x-amzn-iam-user-id", "requestContext.authorizer.iam.userId"} {
				h[name] = "AIDAEVIL"
				if k == "multiValueHeaders" {
					h[name] = []any{"AIDAEVIL"}
				}
			}
		}
	}
}

func TestIAMUser(t *testing.T) {
	pool := map[string]any{"identityId": "eu-central-1:0f2c5a4e", "identityPoolId": "eu-central-1:pool", "amr": []any{"authenticated"}}
	for _, tt := range []struct {
		name string
		ev   json.RawMessage
		want string
	}{
		{"function URL", event(t, "function-url.json", claimed), ""},
		{"function URL, no authorizer", event(t, "function-url.json", set(nil, "requestContext", "authorizer")), ""},
		{"function URL, another authorizer", event(t, "function-url.json", set(map[string]any{"iam": nil}, "requestContext", "authorizer")), ""},
		{"function URL, user", event(t, "function-url.json", signedBy("AIDAEXAMPLE"), claimed), "AIDAEXAMPLE"},
		{"function URL, role", event(t, "function-url.json", signedBy("AROAEXAMPLE:session")), "AROAEXAMPLE:session"},
		{"HTTP API", event(t, "http.json", claimed), ""},
		{"HTTP API, JWT", event(t, "http.json", set(map[string]any{"jwt": map[string]any{"claims": map[string]any{"userId": "AIDAEVIL"}}}, "requestContext", "authorizer")), ""},
		{"HTTP API, user", event(t, "http.json", signedBy("AIDAEXAMPLE"), claimed), "AIDAEXAMPLE"},
		{"HTTP API, identity pool", event(t, "http.json", signedBy("AROAPOOL:CognitoIdentityCredentials"),
			set(pool, "requestContext", "authorizer", "iam", "cognitoIdentity")), "eu-central-1:0f2c5a4e"},
		{"HTTP API, payload 1.0", event(t, "rest.json", set("1.0", "version"), identity("user", "AIDAEXAMPLE")), "AIDAEXAMPLE"},
		{"REST API", event(t, "rest.json", claimed), ""},
		{"REST API, null", event(t, "rest.json", identity("user", nil), identity("caller", nil), identity("userArn", nil)), ""},
		{"REST API, user", event(t, "rest.json", identity("user", "AIDAEXAMPLE"), claimed), "AIDAEXAMPLE"},
		{"REST API, identity pool", event(t, "rest.json", identity("user", "AROAPOOL:CognitoIdentityCredentials"),
			identity("cognitoIdentityId", "eu-central-1:0f2c5a4e")), "eu-central-1:0f2c5a4e"},
		{"sam local, REST API", event(t, "sam-rest.json", claimed), ""},
		{"sam local, HTTP API", event(t, "sam-http.json", claimed), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, got := answer(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "user "+functionurl.IAMUser(r)) }, tt.ev)
			if status != 200 || got != "user "+tt.want {
				t.Errorf("status %d, %s; want %s", status, got, tt.want)
			}
		})
	}
	if got := functionurl.IAMUser(httptest.NewRequest("GET", "/", nil)); got != "" {
		t.Errorf("a request of no event: %q", got)
	}
}

// TestStreamCORS checks that a signed URL's responses leave CORS headers to Lambda.
func TestStreamCORS(t *testing.T) {
	cors := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("access-control-expose-headers", "ETag")
		w.Header().Set("Vary", "Origin")
		w.WriteHeader(http.StatusNoContent)
	}
	for _, tt := range []struct {
		name  string
		edits []func(map[string]any)
		want  map[string]string
	}{
		{"unsigned", nil, map[string]string{"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "ETag", "Vary": "Origin"}},
		{"signed", []func(map[string]any){signedBy("AIDAEXAMPLE")}, map[string]string{"Vary": "Origin"}},
	} {
		response := begin(t, cors, tt.edits...)
		response.Close()
		if !maps.Equal(response.Headers, tt.want) {
			t.Errorf("%s: headers %q, want %q", tt.name, response.Headers, tt.want)
		}
	}
}
