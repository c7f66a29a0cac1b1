package agentcard

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2aclient/agentcard"
	"github.com/a2aproject/a2a-go/v2/a2acompat/a2av0"
	pb "github.com/a2aproject/a2a-go/v2/a2apb/v1"
	"google.golang.org/protobuf/encoding/protojson"

	"a2alambda/internal/demoagent"
)

// TestFormsOfRequirements reads the card with parsers that each refuse the other's form of security
// requirements: the Go SDK's, with scopes in an array, and ProtoJSON's, with an object that has a
// list. localtest's TestCards has the clients in other languages.
func TestFormsOfRequirements(t *testing.T) {
	card := demoagent.Card()
	card.SecuritySchemes = a2a.NamedSecuritySchemes{
		"bearer": a2a.HTTPAuthSecurityScheme{Scheme: "Bearer"},
		"oauth2": a2a.OAuth2SecurityScheme{Flows: a2a.ClientCredentialsOAuthFlow{
			TokenURL: "https://issuer.example/token", Scopes: map[string]string{"read": "R", "write": "W"},
		}},
	}
	card.SecurityRequirements = a2a.SecurityRequirementsOptions{{"bearer": {}}, {"oauth2": {"read", "write"}, "bearer": {}}}
	card.Skills[0].SecurityRequirements = a2a.SecurityRequirementsOptions{{"oauth2": {"read"}}}
	asProto := func(skill, ofCard []*pb.SecurityRequirement) (names [2][]map[string][]string) {
		for i, requirements := range [][]*pb.SecurityRequirement{ofCard, skill} {
			for _, r := range requirements {
				read := map[string][]string{}
				for name, scopes := range r.GetSchemes() {
					read[name] = append([]string{}, scopes.GetList()...)
				}
				names[i] = append(names[i], read)
			}
		}
		return names
	}
	want := [2][]map[string][]string{{{"bearer": {}}, {"oauth2": {"read", "write"}, "bearer": {}}}, {{"oauth2": {"read"}}}}
	cards := New(Config{Public: card, Extended: card})
	for _, merged := range []bool{true, false} { // a card of both versions, and one of 1.0 alone
		data, err := cards.ExtendedJSON(base, merged)
		if err != nil {
			t.Fatal(err)
		}
		for name, parse := range map[string]agentcard.Parser{"a2a-go": agentcard.DefaultCardParser, "a2a-go with 0.3": a2av0.NewAgentCardParser()} {
			got, err := parse(data)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if !reflect.DeepEqual(got.SecurityRequirements, card.SecurityRequirements) ||
				!reflect.DeepEqual(got.Skills[0].SecurityRequirements, card.Skills[0].SecurityRequirements) {
				t.Errorf("%s: %v, %v", name, got.SecurityRequirements, got.Skills[0].SecurityRequirements)
			}
		}
		var strict pb.AgentCard
		if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(data, &strict); err != nil {
			t.Errorf("ProtoJSON: %v", err)
		} else if got := asProto(strict.Skills[0].SecurityRequirements, strict.SecurityRequirements); !reflect.DeepEqual(got, want) {
			t.Errorf("ProtoJSON: %v", got)
		}
		if len(strict.SecuritySchemes) != 2 || strict.SecuritySchemes["bearer"].GetHttpAuthSecurityScheme().GetScheme() != "Bearer" {
			t.Errorf("ProtoJSON: schemes %v", strict.SecuritySchemes)
		}
		var old struct{ Security []map[string][]string }
		if err := json.Unmarshal(data, &old); err != nil || merged != reflect.DeepEqual(old.Security, want[0]) {
			t.Errorf("0.3: %v, %v", old.Security, err)
		}
	}
}
