package agentcard

import (
	"fmt"
	"maps"
)

// merge adds to a card of 1.0 the fields that 0.3 has elsewhere.
func merge(card map[string]any) error {
	card["protocolVersion"] = "0.3.0" // 0.3's schema has three numbers
	// The main interface is also an additional one, for completeness (specification 0.3, 5.6.2).
	var interfaces []any
	all, _ := card["supportedInterfaces"].([]any)
	for _, i := range all {
		if i, _ := i.(map[string]any); i["protocolVersion"] == "0.3" {
			interfaces = append(interfaces, map[string]any{"url": i["url"], "transport": i["protocolBinding"]})
			if len(interfaces) == 1 {
				card["url"], card["preferredTransport"] = i["url"], i["protocolBinding"]
			}
		}
	}
	card["additionalInterfaces"] = interfaces
	// The SDK's type has no such field. It is true: a task keeps the messages of all its states.
	if capabilities, ok := card["capabilities"].(map[string]any); ok {
		capabilities["stateTransitionHistory"] = true
		if capabilities["extendedAgentCard"] == true {
			card["supportsAuthenticatedExtendedCard"] = true
		}
	}
	for _, object := range withSkills(card) {
		addSecurity(object)
	}
	schemes, _ := card["securitySchemes"].(map[string]any)
	for name, scheme := range schemes {
		scheme, _ := scheme.(map[string]any)
		if !addType(scheme) {
			return fmt.Errorf("no 0.3 shape of the security scheme %q", name)
		}
	}
	return nil
}

// withSkills returns the card and its skills: objects that may have security requirements.
func withSkills(card map[string]any) []map[string]any {
	all := []map[string]any{card}
	skills, _ := card["skills"].([]any)
	for _, skill := range skills {
		if skill, ok := skill.(map[string]any); ok {
			all = append(all, skill)
		}
	}
	return all
}

// spellRequirements writes the security requirements so that all clients can read the card, and as
// many as possible the requirements.
//
// The Go SDK writes and reads a scheme's scopes as an array, where ProtoJSON has an object:
// {"list":[…]}. Each parser refuses the whole card for the other's form, so the name
// securityRequirements can't be used. Parsers of ProtoJSON also read a field by its protocol
// buffers' name, security_requirements: there they find their form. Go's parser, unlike ProtoJSON,
// ignores the case of names: it reads SecurityRequirements. A client that looks for
// securityRequirements itself finds only the fields of 0.3. localtest/clients/testdata/cards.txt
// says which client reads what.
func spellRequirements(card map[string]any) {
	for _, object := range withSkills(card) {
		if requirements, ok := object["securityRequirements"]; ok {
			delete(object, "securityRequirements")
			object["SecurityRequirements"], object["security_requirements"] = requirements, inProtoJSON(requirements)
		}
	}
}

// inProtoJSON converts the security requirements from the SDK's form to ProtoJSON's.
func inProtoJSON(requirements any) (converted []any) {
	all, _ := requirements.([]any)
	for _, r := range all {
		r, _ := r.(map[string]any)
		schemes := map[string]any{}
		arrays, _ := r["schemes"].(map[string]any)
		for name, scopes := range arrays {
			schemes[name] = map[string]any{"list": scopes}
		}
		converted = append(converted, map[string]any{"schemes": schemes})
	}
	return converted
}

// addSecurity adds 0.3's form of the security requirements of a card or a skill.
func addSecurity(object map[string]any) {
	var security []any
	requirements, _ := object["securityRequirements"].([]any)
	for _, r := range requirements {
		if r, ok := r.(map[string]any); ok {
			security = append(security, r["schemes"])
		}
	}
	if len(security) > 0 {
		object["security"] = security
	}
}

// schemeTypes are 0.3's types of security schemes, by the name of 1.0's wrapper.
var schemeTypes = map[string]string{
	"apiKeySecurityScheme":        "apiKey",
	"httpAuthSecurityScheme":      "http",
	"mtlsSecurityScheme":          "mutualTLS",
	"oauth2SecurityScheme":        "oauth2",
	"openIdConnectSecurityScheme": "openIdConnect",
}

// addType adds to a security scheme its fields in 0.3's form: without a wrapper, and with a type.
// It reports false if there is no such type.
func addType(scheme map[string]any) bool {
	for wrapper, kind := range schemeTypes {
		if fields, ok := scheme[wrapper].(map[string]any); ok {
			maps.Copy(scheme, fields)
			if kind == "apiKey" {
				scheme["in"] = fields["location"]
				delete(scheme, "location")
			}
			scheme["type"] = kind
			return true
		}
	}
	return false
}
