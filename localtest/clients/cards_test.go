package clients

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	old "github.com/a2aproject/a2a-go/a2a"
	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2aclient/agentcard"
	"github.com/a2aproject/a2a-go/v2/a2acompat/a2av0"
	pb "github.com/a2aproject/a2a-go/v2/a2apb/v1"
	"google.golang.org/protobuf/encoding/protojson"

	"a2alambda/localtest"
	"a2alambda/localtest/client"
	"a2alambda/localtest/localserver"
)

// cardForms are the forms in which a card of 1.0 may give its security requirements, next to the
// fields of 0.3. No other JSON can be read by more than one of the parsers: they expect values of
// different types in "schemes".
var cardForms = []struct {
	name         string
	requirements string // fields of the card
}{
	{"an array of scopes, as a2a-go writes them", `"securityRequirements":[{"schemes":{"bearer":[]}},{"schemes":{"oidc":[]}}]`},
	{"an object with a list, as ProtoJSON has it", `"securityRequirements":[{"schemes":{"bearer":{"list":[]}}},{"schemes":{"oidc":{"list":[]}}}]`},
	{"an empty object", `"securityRequirements":[{"schemes":{"bearer":{}}},{"schemes":{"oidc":{}}}]`},
	{"null", `"securityRequirements":[{"schemes":{"bearer":null}},{"schemes":{"oidc":null}}]`},
	{"an alternative without schemes", `"securityRequirements":[{}]`},
	{"the fields of 0.3 alone", ``},
	{"the list by the name in the protocol buffers", `"security_requirements":[{"schemes":{"bearer":{"list":[]}}},{"schemes":{"oidc":{"list":[]}}}]`},
}

// served is the form that the agent serves.
const served = "what is served: that, and the array by a name that only Go's parser knows"

// readers read cards in this process. They return the schemes' names of each alternative.
var readers = []struct {
	name string
	read func(card []byte) ([][]string, error)
}{
	{"a2a-go 2.4.0", parsed(agentcard.DefaultCardParser)},
	{"a2a-go 2.4.0 with 0.3", parsed(a2av0.NewAgentCardParser())},
	{"a2a-go 0.3", func(data []byte) (names [][]string, err error) {
		var card old.AgentCard
		err = json.Unmarshal(data, &card)
		for _, r := range card.Security {
			names = append(names, keys(r))
		}
		return names, err
	}},
	{"ProtoJSON", func(data []byte) (names [][]string, err error) {
		var card pb.AgentCard
		err = protojson.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(data, &card)
		for _, r := range card.GetSecurityRequirements() {
			names = append(names, keys(r.GetSchemes()))
		}
		return names, err
	}},
}

func parsed(parse agentcard.Parser) func([]byte) ([][]string, error) {
	return func(data []byte) (names [][]string, err error) {
		card, err := parse(data)
		if err != nil {
			return nil, err
		}
		for _, r := range card.SecurityRequirements {
			names = append(names, keys(map[a2a.SecuritySchemeName]a2a.SecuritySchemeScopes(r)))
		}
		return names, nil
	}
}

func keys[K ~string, V any](m map[K]V) (names []string) {
	for k := range m {
		names = append(names, string(k))
	}
	slices.Sort(names)
	return names
}

// programs read cards, and print a line for each.
var programs = []struct {
	name string
	program
}{
	{"Python SDK 1.3.0", program{"cards.py", "python1"}},
	{"Python SDK 0.3.26", program{"cards.py", "python03"}},
	{"Python SDK 0.2.8", program{"cards.py", "python02"}},
	{"JavaScript SDK 1.3.0", program{"cards.mjs", "js1"}},
	{"JavaScript SDK 0.3.14", program{"cards.mjs", "js03"}},
	{"Java SDK 0.3.3", program{"Cards.java", "java03"}},
}

// TestCards has clients' parsers read the agent's card with its security requirements in each form,
// and as it is served. testdata/cards.txt says which of them can read what.
func TestCards(t *testing.T) {
	t.Parallel()
	url, _ := localserver.StartOIDC(t)
	answer, err := client.Do(t.Context(), http.MethodGet, url+"/.well-known/agent-card.json", "")
	card := []byte(answer.Body)
	var fields map[string]json.RawMessage
	if err != nil || json.Unmarshal(card, &fields) != nil {
		t.Fatalf("%s, %v", card, err)
	}
	delete(fields, "SecurityRequirements")
	delete(fields, "security_requirements")
	plain, err := json.Marshal(fields)
	localtest.Must(t, err)

	dir := t.TempDir()
	var names, files []string
	write := func(name string, card []byte) {
		file := filepath.Join(dir, fmt.Sprint(len(files), ".json"))
		localtest.Must(t, os.WriteFile(file, card, 0o644))
		names, files = append(names, name), append(files, file)
	}
	for _, f := range cardForms {
		requirements := f.requirements
		if requirements != "" {
			requirements += ","
		}
		write(f.name, []byte("{"+requirements+string(plain[1:])))
	}
	write(served, card)

	table := make([]strings.Builder, len(names))
	for i, name := range names {
		fmt.Fprintln(&table[i], name)
	}
	for _, r := range readers {
		for i, file := range files {
			data, err := os.ReadFile(file)
			localtest.Must(t, err)
			read, err := r.read(data)
			fmt.Fprintf(&table[i], "  %s: %s\n", r.name, inWords(read, err))
		}
	}
	for _, p := range programs {
		lines := strings.Split(strings.TrimSuffix(output(t, p.program, files...), "\n"), "\n")
		if len(lines) != len(files) {
			t.Fatalf("%s: %q", p.name, lines)
		}
		for i, line := range lines {
			fmt.Fprintf(&table[i], "  %s: %s\n", p.name, orNone(line))
		}
	}
	var all strings.Builder
	for i := range table {
		all.WriteString(table[i].String())
	}
	compare(t, all.String(), "testdata/cards.txt")
}

// inWords returns what a reader has read, as the programs print it.
func inWords(names [][]string, err error) string {
	if err != nil {
		return "not the card"
	}
	var all []string
	for _, of := range names {
		if len(of) == 0 {
			of = []string{"nothing"}
		}
		all = append(all, strings.Join(of, " and "))
	}
	return orNone(strings.Join(all, ", "))
}

func orNone(requirements string) string {
	if requirements == "" {
		return "no requirement"
	}
	return requirements
}
