package agentfile

import (
	"fmt"
	"net/http"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"a2alambda/internal/mcp"
)

func env(pairs ...string) func(string) string {
	return func(name string) string {
		for _, p := range pairs {
			if n, v, _ := strings.Cut(p, "="); n == name {
				return v
			}
		}
		return ""
	}
}

// TestParse reads a file with all keys.
func TestParse(t *testing.T) {
	data, err := os.ReadFile("testdata/agent.yaml")
	if err != nil {
		t.Fatal(err)
	}
	getenv := env("MODEL_TOKEN=m0del", `AGENT_SECRETS={"SHOP_TOKEN":"sh0p","WRITER":"wr1ter"}`, "FILES_KEY=f1les", "OTHER=x")
	f, err := Parse("agent.yaml", data, getenv)
	if err != nil {
		t.Fatal(err)
	}
	if c := f.Card; c.Name != "Shop agent" || c.Version != "1.0" || len(c.Skills) != 1 || c.Skills[0].Tags[0] != "shop" || len(c.Skills[0].Examples) != 2 {
		t.Errorf("card: %+v", c)
	}
	want := []mcp.Server{{
		Name: "shop", URL: "https://shop.example/mcp?tenant=sh0p", Header: http.Header{"Authorization": {"Bearer sh0p"}, "X-Team": {"blue"}},
		Secrets: []string{"sh0p", "sh0p"}, Connect: 5 * time.Second, Call: 5 * time.Minute,
	}, {
		Name: "files", Header: http.Header{}, Command: []string{"npx", "-y", "@modelcontextprotocol/server-filesystem", "."},
		Env: []string{"KEY=f1les"}, Secrets: []string{"f1les"}, Connect: 10 * time.Second, Call: 90 * time.Second,
	}}
	if !reflect.DeepEqual(f.Servers, want) {
		t.Errorf("servers:\n got %+v\nwant %+v", f.Servers, want)
	}
	if want := []Peer{{"writer", "Writes receipts.", true}, {"other", "", false}}; !reflect.DeepEqual(f.Peers, want) {
		t.Errorf("peers: %+v", f.Peers)
	}
	if fmt.Sprint(f.Allow, f.Approve, f.ToolTimeout) != "[shop_add files_*] [shop_search ask_writer] 5m5s" {
		t.Errorf("allow %v, approve %v, %v", f.Allow, f.Approve, f.ToolTimeout)
	}
	get, err := f.Getenv(getenv)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"MODEL_URL": "https://models.example/v1", "MODEL_ID": "llama3.3", "MODEL_KEY": "m0del", "MAX_TOKENS": "2048", "MODEL_TIMEOUT": "5m0s",
		"MODEL_PRICE": "0.06/0.24", "SYSTEM_PROMPT": "You run a shop.\nPrices are in $.\n", "MAX_ROUNDS": "12", "TASK_TOKENS": "200000",
		"PEERS": "writer=https://writer.example;deduplicates;adopt,other=https://other.example", "PEER_CREDENTIALS": `{"writer":"Bearer wr1ter"}`,
		"FILES_ALLOWED": "https://files.example/uploads/,https://other.example/",
		"OTHER":         "x",
	} {
		if got := get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	_, err = f.Getenv(env("MODEL_ID=x", "PEERS=a=b"))
	if err == nil || err.Error() != "agent.yaml:16: model.name says what MODEL_ID says, too: leave one out\nagent.yaml:38: peers says what PEERS says, too: leave one out" {
		t.Errorf("both say it: %v", err)
	}
}

// TestDocument reads the file that the document shows: every key is there, and none that is unknown.
func TestDocument(t *testing.T) {
	doc, err := os.ReadFile("../../docs/model.md")
	if err != nil {
		t.Fatal(err)
	}
	_, file, _ := strings.Cut(string(doc), "```yaml\n")
	file, _, _ = strings.Cut(file, "```")
	file = strings.Replace(file, "  guardrail: abc123/1", "  #", 1) // it goes with another url
	f, err := Parse("agent.yaml", []byte(file), env("MODEL_TOKEN=a", "SHOP_TOKEN=b", "FILES_TOKEN=c", "WRITER_TOKEN=d"))
	if err != nil || len(f.Servers) != 2 || len(f.Peers) != 1 {
		t.Errorf("%v in:\n%s", err, file)
	}
}

// TestWrong: each thing that is wrong is a sentence, with its line.
func TestWrong(t *testing.T) {
	const model = "model: {url: bedrock, name: nova}\n"
	const shop = model + "mcp:\n  - name: shop\n    url: https://shop.example/mcp\n"
	for _, c := range []struct{ name, file, want string }{
		{"empty", "", `1: the file is empty`},
		{"only a comment", "# later\n", `1: the file is empty`},
		{"a list", "- model\n", `1: the file must have keys and values, such as model:`},
		{"a tab on line 7", model + "limits:\n  rounds: 3\nmcp:\n  - name: shop\n    url: https://shop.example/mcp\n\theaders: {}\n", `7: a tab is at the beginning of the line: YAML takes spaces only`},
		{"a tab in line 3", model + "limits:\n\trounds: 3\n", `3: a tab is at the beginning of the line: YAML takes spaces only`},
		{"two documents", model + "---\n" + model, `2: a second document begins: there can be only one`},
		{"no UTF-8", model + "system: \xff\n", `2: the file is not UTF-8`},
		{"unknown key", model + "modle: {}\n", `2: modle is not known: there are allow, approve, card, files, limits, mcp, model, peers, system`},
		{"unknown key inside", "model:\n  url: bedrock\n  name: nova\n  temprature: 1\n", `4: model.temprature is not known: there are guardrail, key, max_tokens, name, price, timeout, url`},
		{"merge key", model + "limits:\n  <<: {rounds: 3}\n", `3: limits.<< is not known: there are rounds, tokens, tool_timeout`},
		{"twice", model + "system: a\nsystem: b\n", `3: system is there twice, first in line 2`},
		{"twice inside", "model:\n  url: bedrock\n  name: nova\n  name: nova\n", `4: model.name is there twice, first in line 3`},
		{"anchor", model + "system: &a text\n", `2: system has an anchor or an alias, which this file cannot have`},
		{"alias", "model: {url: bedrock, name: &n nova}\ncard: {name: *n}\n", "1: model.name has an anchor or an alias, which this file cannot have\n2: card.name has an anchor or an alias, which this file cannot have"},
		{"nothing", model + "system:\n", `2: system is empty`},
		{"blank", model + "system: \" \"\n", `2: system is empty`},
		{"number for text", model + "card:\n  version: 1.0\n", `3: card.version must be a text: write it in quotes`},
		{"list for text", model + "system: [a]\n", `2: system must be a text: it is a list`},
		{"text for object", "model: nova\n", `1: model must have keys and values: it is a single value`},
		{"text for list", shop + "allow: shop_x\n", `5: allow must be a list: it is a single value`},
		{"text for number", model + "limits:\n  rounds: many\n", `3: limits.rounds must be a number from 1 to 1000`},
		{"nought", model + "limits: {tokens: 0}\n", `2: limits.tokens must be a number from 1 to 2147483647`},
		{"time", model + "limits: {tool_timeout: 30}\n", `2: limits.tool_timeout must be a time from 1s to 10m, such as 30s`},
		{"URL of the model", "model: {url: localhost, name: x}\n", `1: model.url must be an http or https URL, such as http://localhost:11434/v1, or bedrock`},
		{"key in the URL", "model: {url: 'https://a:b@c', name: x}\n", `1: model.url must have no user and no query: use model.key`},
		{"key in the file", "model: {url: 'https://c', name: x, key: sk-123}\n", `1: model.key must be a reference such as ${MODEL_KEY}: secrets are not in the file`},
		{"key that is not set", "model: {url: 'https://c', name: x, key: '${NOT_SET}'}\n", `1: model.key has ${NOT_SET}, which neither the environment nor AGENT_SECRETS has`},
		{"guardrail", "model: {url: 'https://c', name: x, guardrail: a/1}\n", `1: model.guardrail is for models on Bedrock only`},
		{"guardrail's version", "model: {url: bedrock, name: x, guardrail: a}\n", `1: model.guardrail must be ID/VERSION of a guardrail`},
		{"price", "model:\n  url: bedrock\n  name: x\n  price: {input: cheap}\n", "4: model.price.input must be a number, 0 or more\n4: model.price.output is missing"},
		{"skill", model + "card:\n  skills:\n    - {id: a, name: A}\n", "4: card.skills[1].description is missing\n4: card.skills[1].tags is missing"},
		{"server without a name", model + "mcp:\n  - url: https://shop.example/mcp\n", `3: mcp[1].name is missing`},
		{"empty name", model + "mcp:\n  - name: \"\"\n    url: https://shop.example/mcp\n", `3: mcp[1].name is empty`},
		{"server's name", model + "mcp:\n  - name: my_shop\n    url: https://shop.example/mcp\n", `3: mcp[1].name must be up to 32 letters, digits and -, and not ask`},
		{"two servers", shop + "  - name: shop\n    url: https://shop.example/mcp\n", `5: mcp[2]: there are two servers of the name shop`},
		{"neither", model + "mcp:\n  - name: shop\n", `3: mcp[1] must have either url or command`},
		{"both", shop + "    command: [shop]\n", `3: mcp[1] must have either url or command`},
		{"server's URL", model + "mcp:\n  - name: shop\n    url: ftp://shop.example\n", `4: mcp[1].url: the URL is no http or https URL`},
		{"secret header", shop + "    headers:\n      X-Api-Key: abc\n", `6: mcp[1].headers.X-Api-Key must have its secret as a reference such as ${NAME}: secrets are not in the file`},
		{"header's name", shop + "    headers:\n      'a b': abc\n", `6: mcp[1].headers.a b is no header, or its value has characters that no header may have`},
		{"header of MCP", shop + "    headers: {Mcp-Session-Id: a}\n", `5: mcp[1].headers.Mcp-Session-Id is a header that MCP or HTTP sets itself`},
		{"header twice", shop + "    headers:\n      X-A: b\n      x-a: b\n", `7: mcp[1].headers.x-a is there twice`},
		{"broken reference", shop + "    headers:\n      X-A: ${b\n", `6: mcp[1].headers.X-A has a reference that is not ${NAME}`},
		{"env of a URL", shop + "    env: {A: b}\n", `5: mcp[1].env is for a server with a command: a url has headers`},
		{"no command", model + "mcp:\n  - name: shop\n    command: []\n", `4: mcp[1].command is empty`},
		{"peer's secret", model + "peers:\n  - name: writer\n    url: https://writer.example\n    credentials: Bearer abc\n", `5: peers[1].credentials must have its secret as a reference such as ${NAME}: secrets are not in the file`},
		{"place of files", model + "files:\n  allow:\n    - https://files.example/\n    - https://files.example\n", `5: files.allow[2]: "https://files.example" is no URL such as https://files.example/uploads/, with a slash at the end`},
		{"two places in one", model + "files: {allow: ['https://a/,https://b/']}\n", `2: files.allow[1] has a comma: write a second item`},
		{"two peers", model + "peers:\n  - {name: a, url: 'https://a'}\n  - {name: a, url: 'https://a'}\n", `4: peers[2]: there are two peers of the name a`},
		{"flag", model + "peers:\n  - {name: a, url: 'https://a', adopt: maybe}\n", `3: peers[1].adopt must be true or false`},
		{"no such server", shop + "allow: [shop_add, files_read]\n", `5: allow[2] is files_read, but there is no MCP server files`},
		{"no such peer", shop + "approve: [ask_writer]\n", `5: approve[1] is ask_writer, but there is no such peer`},
		{"no pattern", shop + "allow:\n  - '*'\n", `6: allow[1] must be a tool, such as shop_search, or the beginning of tools, such as shop_*: "*"`},
		{"in both", shop + "allow: [shop_add]\napprove: [shop_add]\n", `5: allow[1] is shop_add, which approve has, too`},
		{"in both, by a pattern", shop + "allow: [shop_add]\napprove: ['shop_*']\n", `5: allow[1] is shop_add, which approve has, too`},
		{"listed twice", shop + "allow: [shop_add, shop_add]\n", `5: allow has shop_add twice`},
		{"several", "modle: {}\nlimits: {rounds: x}\n", "1: modle is not known: there are allow, approve, card, files, limits, mcp, model, peers, system\n2: limits.rounds must be a number from 1 to 1000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse("agent.yaml", []byte(c.file), env())
			want := "agent.yaml:" + strings.ReplaceAll(c.want, "\n", "\nagent.yaml:")
			if err == nil || err.Error() != want {
				t.Errorf("got\n%v\nwant\n%s", err, want)
			}
		})
	}
}

// TestLambda: a command is refused where none can be run. The same file is right elsewhere.
func TestLambda(t *testing.T) {
	file := []byte("model: {url: bedrock, name: nova}\nmcp:\n  - name: shop\n    command: [shop]\nallow: ['shop_*']\napprove: [shop_drop]\n")
	if _, err := Parse("agent.yaml", file, env()); err != nil {
		t.Error(err)
	}
	_, err := Parse("agent.yaml", file, env("AWS_LAMBDA_RUNTIME_API=127.0.0.1:9001"))
	if want := "agent.yaml:4: mcp[1].command cannot be run on Lambda: use a server with a url"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// TestSecretsHidden: no error has a value of the environment.
func TestSecretsHidden(t *testing.T) {
	file := "model: {url: bedrock, name: nova}\nmcp:\n  - name: shop\n    url: ftp://${S}\n    headers: {X-A: \"${S}\u00e9\"}\npeers:\n  - {name: a, url: b, credentials: '${S}'}\n"
	_, err := Parse("agent.yaml", []byte(file), env("S=s3cr3t"))
	if err == nil || strings.Contains(err.Error(), "s3cr3t") {
		t.Errorf("error: %v", err)
	}
	_, err = Parse("agent.yaml", []byte(file), env("AGENT_SECRETS={\"S\":s3cr3t}"))
	if err == nil || strings.Contains(err.Error(), "s3cr3t") {
		t.Errorf("error: %v", err)
	}
}
