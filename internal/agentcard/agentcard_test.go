package agentcard

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"

	legacy "github.com/a2aproject/a2a-go/a2a"
	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2aclient/agentcard"
	"github.com/a2aproject/a2a-go/v2/a2acompat/a2av0"

	"a2alambda/internal/demoagent"
)

const base = "https://agent.example/"

// secured is a card with a security scheme of each kind.
func secured() *a2a.AgentCard {
	card := demoagent.Card()
	card.SecuritySchemes = a2a.NamedSecuritySchemes{
		"oidc":   a2a.OpenIDConnectSecurityScheme{OpenIDConnectURL: "https://issuer.example/.well-known/openid-configuration"},
		"iam":    a2a.HTTPAuthSecurityScheme{Scheme: "AWS4-HMAC-SHA256", Description: "signed"},
		"key":    a2a.APIKeySecurityScheme{Location: a2a.APIKeySecuritySchemeLocationHeader, Name: "X-Key"},
		"mtls":   a2a.MutualTLSSecurityScheme{Description: "certificate"},
		"oauth2": a2a.OAuth2SecurityScheme{Flows: a2a.ClientCredentialsOAuthFlow{TokenURL: "https://issuer.example/token", Scopes: map[string]string{"a": "A"}}},
	}
	card.SecurityRequirements = a2a.SecurityRequirementsOptions{{"oidc": {}}, {"key": {}, "mtls": {}}}
	card.Skills[0].SecurityRequirements = a2a.SecurityRequirementsOptions{{"iam": {}}}
	return card
}

// public returns the fields of the public card's document, and the document.
func public(t *testing.T, c Config) (map[string]any, []byte) {
	t.Helper()
	data, err := New(c).PublicJSON(base)
	card, invalid := fields(data)
	if err != nil || invalid != nil {
		t.Fatal(err, invalid)
	}
	return card, data
}

// TestCardOfBothVersions reads the one card with the parsers of both versions.
func TestCardOfBothVersions(t *testing.T) {
	card := secured()
	_, data := public(t, Config{Public: card})
	for name, parse := range map[string]agentcard.Parser{"1.0": agentcard.DefaultCardParser, "1.0 and 0.3": a2av0.NewAgentCardParser()} {
		got, err := parse(data)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !reflect.DeepEqual(got.SecuritySchemes, card.SecuritySchemes) {
			t.Errorf("%s: security schemes %+v", name, got.SecuritySchemes)
		}
		if !reflect.DeepEqual(got.SecurityRequirements, card.SecurityRequirements) {
			t.Errorf("%s: security requirements %+v", name, got.SecurityRequirements)
		}
		if !reflect.DeepEqual(got.Skills, card.Skills) {
			t.Errorf("%s: skills %+v", name, got.Skills)
		}
		var interfaces []string
		for _, i := range got.SupportedInterfaces {
			interfaces = append(interfaces, fmt.Sprint(i.ProtocolBinding, " ", i.ProtocolVersion, " ", i.URL))
		}
		want := []string{"JSONRPC 1.0 " + base, "HTTP+JSON 1.0 " + base, "JSONRPC 0.3 " + base, "HTTP+JSON 0.3 " + base}
		if !slices.Equal(interfaces, want) {
			t.Errorf("%s: interfaces %q", name, interfaces)
		}
	}
	var old legacy.AgentCard
	if err := json.Unmarshal(data, &old); err != nil {
		t.Fatal(err)
	}
	wantSchemes := legacy.NamedSecuritySchemes{
		"oidc":   legacy.OpenIDConnectSecurityScheme{OpenIDConnectURL: "https://issuer.example/.well-known/openid-configuration"},
		"iam":    legacy.HTTPAuthSecurityScheme{Scheme: "AWS4-HMAC-SHA256", Description: "signed"},
		"key":    legacy.APIKeySecurityScheme{In: legacy.APIKeySecuritySchemeInHeader, Name: "X-Key"},
		"mtls":   legacy.MutualTLSSecurityScheme{Description: "certificate"},
		"oauth2": legacy.OAuth2SecurityScheme{Flows: legacy.OAuthFlows{ClientCredentials: &legacy.ClientCredentialsOAuthFlow{TokenURL: "https://issuer.example/token", Scopes: map[string]string{"a": "A"}}}},
	}
	if !reflect.DeepEqual(old.SecuritySchemes, wantSchemes) {
		t.Errorf("0.3: security schemes %+v", old.SecuritySchemes)
	}
	if want := []legacy.SecurityRequirements{{"oidc": {}}, {"key": {}, "mtls": {}}}; !reflect.DeepEqual(old.Security, want) {
		t.Errorf("0.3: security %+v", old.Security)
	}
	if want := []legacy.SecurityRequirements{{"iam": {}}}; !reflect.DeepEqual(old.Skills[0].Security, want) {
		t.Errorf("0.3: the skill's security %+v", old.Skills[0].Security)
	}
	if old.URL != base || old.PreferredTransport != legacy.TransportProtocolJSONRPC || old.ProtocolVersion != "0.3.0" {
		t.Errorf("0.3: %s, %s, %s", old.URL, old.PreferredTransport, old.ProtocolVersion)
	}
	want := []legacy.AgentInterface{
		{URL: base, Transport: legacy.TransportProtocolJSONRPC}, {URL: base, Transport: legacy.TransportProtocolHTTPJSON},
	}
	if !slices.Equal(old.AdditionalInterfaces, want) {
		t.Errorf("0.3: additional interfaces %+v", old.AdditionalInterfaces)
	}
}

func TestExtendedCard(t *testing.T) {
	card, _ := public(t, Config{Public: demoagent.Card()})
	if _, ok := card["capabilities"].(map[string]any)["extendedAgentCard"]; ok || card["supportsAuthenticatedExtendedCard"] != nil {
		t.Errorf("the public card declares an extended one: %v", card)
	}
	c := Config{Public: demoagent.Card(), Extended: demoagent.ExtendedCard()}
	card, _ = public(t, c)
	all := map[string]map[string]any{"public": card}
	for version, merged := range map[string]bool{"1.0": false, "0.3": true} {
		data, err := New(c).ExtendedJSON(base, merged)
		if err != nil {
			t.Fatal(err)
		}
		all[version], _ = fields(data)
	}
	for name, card := range all {
		if card["capabilities"].(map[string]any)["extendedAgentCard"] != true {
			t.Errorf("%s: capabilities %v", name, card["capabilities"])
		}
		if skills := card["skills"].([]any); (len(skills) == 2) != (name != "public") {
			t.Errorf("%s: skills %v", name, skills)
		}
		if _, ok := card["supportsAuthenticatedExtendedCard"]; ok != (name != "1.0") {
			t.Errorf("%s: supportsAuthenticatedExtendedCard: %v", name, ok)
		}
	}
	want := []string{"capabilities", "defaultInputModes", "defaultOutputModes", "description", "name", "skills", "supportedInterfaces", "version"}
	if got := slices.Sorted(maps.Keys(all["1.0"])); !slices.Equal(got, want) {
		t.Errorf("1.0: fields %q", got)
	}
	if len(demoagent.Card().Skills) != 1 {
		t.Error("the public card has the extended one's skill")
	}
}

// TestCardsAreBounded checks that a card is made once, and that invented Host headers don't fill
// the memory.
func TestCardsAreBounded(t *testing.T) {
	cards := New(Config{Public: demoagent.Card()})
	made := func(base string) []byte {
		data, err := cards.PublicJSON(base)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	if first, second := made(base), made(base); &first[0] != &second[0] {
		t.Error("the card was made twice")
	}
	for i := range 10 * maxCards {
		made(fmt.Sprintf("http://%d.example/", i))
		if n := len(cards.made); n > maxCards {
			t.Fatalf("%d cards in memory", n)
		}
	}
}
