package auth_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2acompat/a2av0"

	"a2alambda/internal/auth"
)

func refused(t *testing.T, err error, want auth.Error) {
	t.Helper()
	var got *auth.Error
	if !errors.As(err, &got) || *got != want {
		t.Errorf("error %#v, want %#v", err, want)
	}
}

func TestNone(t *testing.T) {
	r := httptest.NewRequest("POST", "/", nil)
	r.Header.Set("Authorization", "Bearer x")
	if owner, err := auth.None().Authenticate(r); owner != "" || err != nil {
		t.Errorf("owner %q, %v", owner, err)
	}
}

func TestIAM(t *testing.T) {
	for id, want := range map[string]string{
		"AIDAEXAMPLE":               "AIDAEXAMPLE",
		"AROAEXAMPLE:session":       "AROAEXAMPLE",
		"AROAEXAMPLE:AIDAOTHER":     "AROAEXAMPLE",
		"AROAEXAMPLE:":              "AROAEXAMPLE",
		"AROAEXAMPLE":               "AROAEXAMPLE",
		"123456789012":              "123456789012",
		"12345678901a:x":            "12345678901a:x",
		"eu-central-1:0f2c5a4e-89b": "eu-central-1:0f2c5a4e-89b",
	} {
		owner, err := auth.IAM(func(*http.Request) string { return id }).Authenticate(httptest.NewRequest("POST", "/", nil))
		if owner != want || err != nil {
			t.Errorf("%s: owner %q, %v; want %q", id, owner, err, want)
		}
	}
	for _, id := range []string{"123456789012:federated", "123456789012:"} {
		_, err := auth.IAM(func(*http.Request) string { return id }).Authenticate(httptest.NewRequest("POST", "/", nil))
		refused(t, err, auth.Error{Status: 403, Message: "federated users choose their names: sign as an IAM user, or with a role"})
	}
	_, err := auth.IAM(func(*http.Request) string { return "" }).Authenticate(httptest.NewRequest("POST", "/", nil))
	refused(t, err, auth.Error{Status: 403, Challenge: "AWS4-HMAC-SHA256", Message: "the request must be signed with AWS Signature Version 4"})
}

func TestDeclare(t *testing.T) {
	for _, tt := range []struct {
		name         string
		scheme       auth.Scheme
		schemes      string // as a client of 1.0 reads them
		requirements string
		old          string // schemes and requirements in the shape of 0.3
		oldNeed      string
	}{
		{"none", auth.None(), `null`, `null`, `null`, `null`},
		{"IAM", auth.IAM(nil),
			`{"iam":{"httpAuthSecurityScheme":{"description":"AWS Signature Version 4, for the service lambda at a function URL and execute-api at an API Gateway","scheme":"AWS4-HMAC-SHA256"}}}`,
			`[{"schemes":{"iam":[]}}]`,
			`{"iam":{"type":"http","scheme":"AWS4-HMAC-SHA256"}}`, `[{"iam":[]}]`},
		{"OIDC", newOIDC(t, "https://issuer.example"),
			`{"bearer":{"httpAuthSecurityScheme":{"description":"a token of the issuer that https://issuer.example/.well-known/openid-configuration describes","scheme":"Bearer","bearerFormat":"JWT"}},"oidc":{"openIdConnectSecurityScheme":{"openIdConnectUrl":"https://issuer.example/.well-known/openid-configuration"}}}`,
			`[{"schemes":{"bearer":[]}},{"schemes":{"oidc":[]}}]`,
			`{"bearer":{"type":"http","scheme":"Bearer"},"oidc":{"type":"openIdConnect","openIdConnectUrl":"https://issuer.example/.well-known/openid-configuration"}}`, `[{"bearer":[]},{"oidc":[]}]`},
		{"OIDC, slash", newOIDC(t, "https://issuer.example/tenant/"),
			`{"bearer":{"httpAuthSecurityScheme":{"description":"a token of the issuer that https://issuer.example/tenant/.well-known/openid-configuration describes","scheme":"Bearer","bearerFormat":"JWT"}},"oidc":{"openIdConnectSecurityScheme":{"openIdConnectUrl":"https://issuer.example/tenant/.well-known/openid-configuration"}}}`,
			`[{"schemes":{"bearer":[]}},{"schemes":{"oidc":[]}}]`,
			`{"bearer":{"type":"http","scheme":"Bearer"},"oidc":{"type":"openIdConnect","openIdConnectUrl":"https://issuer.example/tenant/.well-known/openid-configuration"}}`, `[{"bearer":[]},{"oidc":[]}]`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			card := &a2a.AgentCard{Name: "agent", SupportedInterfaces: []*a2a.AgentInterface{
				{URL: "https://agent.example/", ProtocolBinding: a2a.TransportProtocolJSONRPC, ProtocolVersion: "0.3"},
			}}
			tt.scheme.Declare(card)
			wantField(t, card, "securitySchemes", tt.schemes)
			wantField(t, card, "securityRequirements", tt.requirements)
			data := must(a2av0.NewStaticAgentCardProducer(card).(interface {
				CardJSON(context.Context) ([]byte, error)
			}).CardJSON(t.Context()))
			var compat struct {
				SecuritySchemes map[string]map[string]any `json:"securitySchemes"`
				Security        json.RawMessage           `json:"security"`
			}
			if err := json.Unmarshal(data, &compat); err != nil {
				t.Fatal(err)
			}
			for _, scheme := range compat.SecuritySchemes {
				maps.DeleteFunc(scheme, func(k string, _ any) bool { return !slices.Contains([]string{"type", "scheme", "openIdConnectUrl"}, k) })
			}
			sameJSON(t, "0.3 schemes", compat.SecuritySchemes, tt.old)
			sameJSON(t, "0.3 security", compat.Security, tt.oldNeed)
		})
	}
}

// TestDeclareCopies checks that Declare does not change what copies of a card share.
func TestDeclareCopies(t *testing.T) {
	own := a2a.NamedSecuritySchemes{"own": a2a.MutualTLSSecurityScheme{}}
	needs := make(a2a.SecurityRequirementsOptions, 0, 4)
	card := a2a.AgentCard{SecuritySchemes: own, SecurityRequirements: needs}
	auth.IAM(nil).Declare(&card)
	if len(own) != 1 || needs[:1][0] != nil {
		t.Errorf("shared: %v, %v", own, needs[:1])
	}
}

func wantField(t *testing.T, object any, name, want string) {
	t.Helper()
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(must(json.Marshal(object)), &fields); err != nil {
		t.Fatal(err)
	}
	sameJSON(t, name, fields[name], want)
}

// sameJSON fails unless v as JSON equals want. A missing value is null.
func sameJSON(t *testing.T, what string, v any, want string) {
	t.Helper()
	data := must(json.Marshal(v))
	var a, b any
	if err := errors.Join(json.Unmarshal(data, &a), json.Unmarshal([]byte(want), &b)); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(a, b) {
		t.Errorf("%s: %s\nwant %s", what, data, want)
	}
}
