package deploy_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"a2alambda/localtest"
	agent "a2alambda/localtest/client"
	"a2alambda/localtest/deploy"
	"a2alambda/localtest/localserver"
)

// properties decodes a resource's properties under these parameters.
func properties(t *testing.T, tm *deploy.Template, resource string, p deploy.Parameters, to any) {
	t.Helper()
	of, err := tm.Properties(resource, p)
	var data []byte
	if err == nil {
		data, err = json.Marshal(of)
	}
	if err == nil {
		err = json.Unmarshal(data, to)
	}
	if err != nil {
		t.Fatalf("%s: %v", resource, err)
	}
}

// TestRestAPI checks that with Auth iam the REST API admits only signed requests, limits requests,
// and leads to the alias.
// alias.
func TestRestAPI(t *testing.T) {
	tm := deploy.Read(t)
	for signed, p := range map[bool]deploy.Parameters{false: {"Auth": "none", "RestApi": "yes"}, true: {"Auth": "iam", "RestApi": "logged"}} {
		type integration struct{ Type, URI string }
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
		properties(t, tm, "AgentApi", p, &api)
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
				if !strings.HasSuffix(m.Integration.URI, "/functions/${AgentFunction.Arn}:live/invocations") {
					t.Errorf("%s %s leads to %s", method, path, m.Integration.URI)
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
		// Without the condition they would exist without the API, and the deployment would fail.
		if refers, _ := json.Marshal(r.Properties); strings.Contains(string(refers), "AgentApi") && r.Condition != "HasApi" || name == "AgentApi" && r.Condition != "HasApi" {
			t.Errorf("%s has the condition %q", name, r.Condition)
		}
	}
}

// TestPreflight checks that AWS answers preflight requests as the function does, where AWS answers
// them: at a function URL with AuthType AWS_IAM, and at the REST API.
func TestPreflight(t *testing.T) {
	t.Parallel()
	tm := deploy.Read(t)
	resp, err := agent.Do(t.Context(), http.MethodOptions, localserver.Start(t, "TABLE_NAME=")+"/", "")
	localtest.Must(t, err)
	list := func(s string) []string {
		fields := strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' || r == '\'' })
		slices.Sort(fields)
		return fields
	}
	headers := list(resp.Header.Get("Access-Control-Allow-Headers") + ",x-amz-content-sha256,x-amz-date,x-amz-security-token")
	methods := list(resp.Header.Get("Access-Control-Allow-Methods"))

	signed := deploy.Parameters{"Auth": "iam", "RestApi": "yes"}
	var function struct {
		FunctionURLConfig struct {
			Cors struct{ AllowMethods, AllowHeaders []string }
		}
	}
	properties(t, tm, "AgentFunction", signed, &function)
	cors := function.FunctionURLConfig.Cors
	slices.Sort(cors.AllowHeaders)
	slices.Sort(cors.AllowMethods)
	if !slices.Equal(cors.AllowHeaders, headers) || !slices.Equal(cors.AllowMethods, methods) {
		t.Errorf("the function URL allows %v and %v, want %v and %v", cors.AllowMethods, cors.AllowHeaders, methods, headers)
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
	if properties(t, tm, "AgentApi", signed, &api); len(api.DefinitionBody.Paths) != 2 {
		t.Errorf("the REST API has the paths %v", api.DefinitionBody.Paths)
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
