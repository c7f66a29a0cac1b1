package localtest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	apigateway "github.com/aws/aws-lambda-go/events"

	"a2alambda/localtest"
	"a2alambda/localtest/emulator"
)

// chosen returns a value of the template with each Fn::If decided by the conditions.
func chosen(value any, conditions map[string]bool) any {
	switch v := value.(type) {
	case []any:
		list := make([]any, 0, len(v))
		for _, e := range v {
			list = append(list, chosen(e, conditions))
		}
		return list
	case map[string]any:
		if args, ok := v["Fn::If"].([]any); ok {
			is, known := conditions[args[0].(string)]
			switch {
			case !known:
				return v
			case is:
				return chosen(args[1], conditions)
			}
			return chosen(args[2], conditions)
		}
		object := make(map[string]any, len(v))
		for name, e := range v {
			object[name] = chosen(e, conditions)
		}
		return object
	}
	return value
}

// TestRestAPI checks that nobody gets to the function through the REST API without a signature where Auth is iam, that its requests are
// limited, and that it leads to the alias.
func TestRestAPI(t *testing.T) {
	tm := parsedTemplate(t)
	for _, signed := range []bool{false, true} {
		data, err := json.Marshal(chosen(any(tm.Resources["AgentApi"].Properties), map[string]bool{"Signed": signed, "LogsApi": signed}))
		if err != nil {
			t.Fatal(err)
		}
		type integration struct {
			Type string
			URI  struct {
				Sub string `json:"Fn::Sub"`
			}
		}
		var api struct {
			AlwaysDeploy   bool
			MethodSettings []struct {
				ResourcePath, HTTPMethod                  string
				ThrottlingRateLimit, ThrottlingBurstLimit int
			}
			AccessLogSetting struct{ Format string }
			DefinitionBody   struct {
				Paths map[string]map[string]struct {
					Security    []map[string][]string
					Integration integration `json:"x-amazon-apigateway-integration"`
				}
				Components struct {
					SecuritySchemes map[string]map[string]string
				}
			}
		}
		if err := json.Unmarshal(data, &api); err != nil {
			t.Fatal(err)
		}
		routes := 0
		for path, methods := range api.DefinitionBody.Paths {
			for method, m := range methods {
				if method == "options" {
					if m.Integration.Type != "mock" {
						t.Errorf("OPTIONS %s, which needs no signature, invokes the function", path)
					}
					continue
				}
				routes++
				want := 0
				if signed {
					want = 1
				}
				if len(m.Security) != want || signed && m.Security[0]["signed"] == nil {
					t.Errorf("signed %t: %s %s needs %v", signed, method, path, m.Security)
				}
				if !strings.HasSuffix(m.Integration.URI.Sub, "/functions/${AgentFunction.Arn}:live/invocations") {
					t.Errorf("%s %s leads to %s", method, path, m.Integration.URI.Sub)
				}
			}
		}
		if scheme := api.DefinitionBody.Components.SecuritySchemes["signed"]; scheme["x-amazon-apigateway-authtype"] != "awsSigv4" || scheme["name"] != "Authorization" {
			t.Errorf("the security scheme is %v", scheme)
		}
		if s := api.MethodSettings; routes != 2 || !api.AlwaysDeploy || len(s) != 1 || s[0].ResourcePath != "/*" || s[0].HTTPMethod != "*" ||
			s[0].ThrottlingRateLimit < 1 || s[0].ThrottlingBurstLimit < 1 {
			t.Errorf("%d routes, AlwaysDeploy %t, limits %+v", routes, api.AlwaysDeploy, s)
		}
		if format := api.AccessLogSetting.Format; signed != json.Valid([]byte(format)) {
			t.Errorf("the access log has lines %s", format)
		}
	}
	for name, r := range tm.Resources {
		// Without the condition, they would be there without the API, and the deployment fail.
		if refers, _ := json.Marshal(r.Properties); strings.Contains(string(refers), "AgentApi") && r.Condition != "HasApi" || name == "AgentApi" && r.Condition != "HasApi" {
			t.Errorf("%s has the condition %q", name, r.Condition)
		}
	}
}

// TestPreflight checks that AWS allows pages what the function itself allows them, where AWS answers in its place: at a function URL with
// AuthType AWS_IAM, and at the REST API.
func TestPreflight(t *testing.T) {
	t.Parallel()
	tm := parsedTemplate(t)
	request, err := http.NewRequestWithContext(t.Context(), "OPTIONS", localtest.StartAgent(t, "TABLE_NAME=")+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	list := func(s string) []string {
		fields := strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' || r == '\'' })
		slices.Sort(fields)
		return fields
	}
	headers := list(resp.Header.Get("Access-Control-Allow-Headers") + ",x-amz-content-sha256,x-amz-date,x-amz-security-token")
	methods := list(resp.Header.Get("Access-Control-Allow-Methods"))

	var url struct {
		Cors struct{ AllowMethods, AllowHeaders []string }
	}
	data, err := json.Marshal(chosen(tm.Resources["AgentFunction"].Properties["FunctionUrlConfig"], map[string]bool{"Signed": true}))
	if err == nil {
		err = json.Unmarshal(data, &url)
	}
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(url.Cors.AllowHeaders)
	slices.Sort(url.Cors.AllowMethods)
	if !slices.Equal(url.Cors.AllowHeaders, headers) || !slices.Equal(url.Cors.AllowMethods, methods) {
		t.Errorf("the function URL allows %v and %v, want %v and %v", url.Cors.AllowMethods, url.Cors.AllowHeaders, methods, headers)
	}

	var api struct {
		DefinitionBody struct {
			Paths map[string]struct {
				Options struct {
					Integration struct {
						Responses map[string]struct{ ResponseParameters map[string]string }
					} `json:"x-amazon-apigateway-integration"`
				}
			}
		}
	}
	data, err = json.Marshal(tm.Resources["AgentApi"].Properties)
	if err == nil {
		err = json.Unmarshal(data, &api)
	}
	if err != nil || len(api.DefinitionBody.Paths) != 2 {
		t.Fatal(err)
	}
	for path, p := range api.DefinitionBody.Paths {
		got := p.Options.Integration.Responses["default"].ResponseParameters
		if h := list(got["method.response.header.Access-Control-Allow-Headers"]); !slices.Equal(h, headers) {
			t.Errorf("the REST API allows for %s %v, want %v", path, h, headers)
		}
		if m := list(got["method.response.header.Access-Control-Allow-Methods"]); !slices.Equal(m, methods) {
			t.Errorf("the REST API allows for %s %v, want %v", path, m, methods)
		}
	}
}

// TestRestAPICallers has the agent, with AUTH=iam, serve signed requests of a REST API: each principal its own tasks.
func TestRestAPICallers(t *testing.T) {
	t.Parallel()
	binary, err := emulator.Build(t.Context(), "a2alambda/functions/agent")
	if err != nil {
		t.Fatal(err)
	}
	config := deployedFunctions(t)["agent"]
	config.Name, config.Binary, config.Env = "agent", binary, append(config.Env, "AUTH=iam")
	agent, err := emulator.New(config)
	if err != nil {
		t.Fatal(err)
	}
	defer agent.Close()
	invoke, err := emulator.NewLambda(emulator.LambdaConfig{Functions: []*emulator.Emulator{agent}, Log: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	lambda := httptest.NewServer(invoke)
	defer lambda.Close()
	captured, err := os.ReadFile("../internal/functionurl/testdata/rest.json")
	if err != nil {
		t.Fatal(err)
	}
	ask := func(user, body string) (status int, answer string) {
		t.Helper()
		var event apigateway.APIGatewayProxyRequest
		if err := json.Unmarshal(captured, &event); err != nil {
			t.Fatal(err)
		}
		event.Path, event.HTTPMethod, event.Body = "/", "POST", body
		event.QueryStringParameters, event.MultiValueQueryStringParameters = nil, nil
		event.RequestContext.Identity.User = user
		payload, err := json.Marshal(event)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.Post(lambda.URL+"/2015-03-31/functions/agent/invocations", "application/json", bytes.NewReader(payload))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var got apigateway.APIGatewayProxyResponse
		if err := json.NewDecoder(resp.Body).Decode(&got); err != nil {
			t.Fatal(err)
		}
		return got.StatusCode, got.Body
	}
	send := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"message/send","params":%s}`, message("Send me a regular response"))
	if status, answer := ask("", send); status != http.StatusForbidden {
		t.Errorf("without a signature: %d, %s", status, answer)
	}
	status, answer := ask("AROAEXAMPLE:session-1", send)
	if status != http.StatusOK {
		t.Fatalf("signed: %d, %s", status, answer)
	}
	get := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{"id":%q}}`, taskIn(t, answer))
	if _, same := ask("AROAEXAMPLE:session-2", get); !strings.Contains(same, `"state":"completed"`) {
		t.Errorf("another session of the role gets %s", same)
	}
	if _, other := ask("AIDAOTHER", get); !strings.Contains(other, "-32001") {
		t.Errorf("another principal gets %s", other)
	}
}
