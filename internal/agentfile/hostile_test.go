package agentfile

import (
	"strings"
	"testing"
)

// TestFlags: true is true in each of YAML's spellings, and nothing else is.
func TestFlags(t *testing.T) {
	const peer = "model: {url: bedrock, name: nova}\npeers:\n  - name: a\n    url: https://a.example\n    deduplicates: "
	for value, want := range map[string]string{
		"true": "a=https://a.example;deduplicates", "True": "a=https://a.example;deduplicates", "TRUE": "a=https://a.example;deduplicates",
		"false": "a=https://a.example", "False": "a=https://a.example",
		"yes": "", "on": "", "1": "", "'true'": "", "!!bool yes": "", "!!bool maybe": "", "[true]": "",
	} {
		f, err := Parse("agent.yaml", []byte(peer+value+"\n"), env())
		if want == "" {
			if err == nil || err.Error() != "agent.yaml:5: peers[1].deduplicates must be true or false" {
				t.Errorf("%s: %v", value, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", value, err)
			continue
		}
		if got := f.env["PEERS"]; got != want {
			t.Errorf("%s: PEERS is %s", value, got)
		}
	}
}

// TestOddFiles: a file of any kind is read, or an error with its line, soon.
func TestOddFiles(t *testing.T) {
	const model = "model: {url: bedrock, name: nova}\n"
	for name, c := range map[string]struct{ file, want string }{
		"BOM":             {"\ufeff" + model, ""},
		"CRLF":            {strings.ReplaceAll(model+"system: |\n  a\n  b\n", "\n", "\r\n"), ""},
		"UTF-16":          {"\xff\xfem\x00", "agent.yaml:1: the file is not UTF-8"},
		"NUL":             {"model: \x00\n", "agent.yaml:1: control characters are not allowed"},
		"only ---":        {"---\n", "agent.yaml:2: the file must have keys and values, such as model:"},
		"aliases":         {bomb(), "agent.yaml:1: a is not known"},
		"deep":            {strings.Repeat("[", 200_000), "agent.yaml:1: exceeded max depth of 10000"},
		"an alias itself": {"model: &a [*a]\n", "agent.yaml:1: model has an anchor"},
		"a merge":         {"model: &m {url: bedrock, name: nova}\n<<: *m\n", "agent.yaml:1: model has an anchor"},
		"a tag":           {model + "system: !!binary aGk=\n", "agent.yaml:2: system must be a text: write it in quotes"},
		"a tag of ours":   {model + "system: !secret x\n", "agent.yaml:2: system must be a text: write it in quotes"},
		"a huge number":   {model + "limits: {tokens: 1e400}\n", "agent.yaml:2: limits.tokens must be a number from 1 to 2147483647"},
		"hexadecimal":     {model + "limits: {tokens: 0x10}\n", "agent.yaml:2: limits.tokens must be a number from 1 to 2147483647"},
		"negative":        {model + "limits: {rounds: -1}\n", "agent.yaml:2: limits.rounds must be a number from 1 to 1000"},
		"no number":       {"model: {url: bedrock, name: nova, price: {input: .nan, output: .inf}}\n", "agent.yaml:1: model.price.input must be a number, 0 or more"},
		"${ open":         {model + "mcp: [{name: a, url: 'https://a.example/${X'}]\n", "agent.yaml:2: mcp[1].url has a reference that is not ${NAME}"},
		"${ in ${":        {model + "mcp: [{name: a, url: 'https://a.example/${X${Y}}'}]\n", "agent.yaml:2: mcp[1].url has a reference that is not ${NAME}"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse("agent.yaml", []byte(c.file), env("X=s3cr3t", "Y=s3cr3t"))
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), c.want)):
				t.Errorf("got %.300v, want %s", err, c.want)
			case err != nil && (strings.Contains(err.Error(), "s3cr3t") || len(err.Error()) > 2000):
				t.Errorf("got %.300v", err)
			}
		})
	}
}

// TestPrivate: a secret goes by https, or to a private network.
func TestPrivate(t *testing.T) {
	for url, want := range map[string]bool{
		"https://shop.example/mcp": true, "http://shop.example/mcp": false, "HTTP://shop.example": false, "http://8.8.8.8": false, "http://[2001:db8::1]": false,
		"http://localhost:3000": true, "http://127.0.0.1": true, "http://[::1]:3000": true, "http://10.1.2.3": true, "http://192.168.0.1": true, "http://shop:3000": true,
		"http://localhost.example": false, "http://127.0.0.1.example": false, "http://0x08080808": false, "http://134744072": false, "http://shop.localhost": true, "http://shop.": false,
	} {
		if got := Private(url); got != want {
			t.Errorf("%s: %t", url, got)
		}
		const model = "model: {url: bedrock, name: nova}\n"
		for _, c := range []struct{ file, wrong string }{
			{"mcp: [{name: a, url: '" + url + "', headers: {Authorization: 'Bearer ${S}'}}]\n", "mcp[1].url must be https, or on this machine or in a private network: else others can read its secrets"},
			{"mcp: [{name: a, url: '" + url + "'}]\n", ""},
			{"peers: [{name: a, url: '" + url + "', credentials: '${S}'}]\n", "peers[1].url must be https, or on this machine or in a private network: else others can read its credentials"},
		} {
			_, err := Parse("agent.yaml", []byte(model+c.file), env("S=s3cr3t"))
			if wrong := !want && c.wrong != ""; wrong != (err != nil) || wrong && err.Error() != "agent.yaml:2: "+c.wrong {
				t.Errorf("%s: %v", c.file, err)
			}
		}
	}
}

// bomb returns a small file that is a large one, if aliases are followed.
func bomb() string {
	var b strings.Builder
	b.WriteString("a: &a [x,x,x,x,x,x,x,x,x]\n")
	for c := 'b'; c <= 'k'; c++ {
		prev := string(c - 1)
		b.WriteString(string(c) + ": &" + string(c) + " [" + strings.TrimSuffix(strings.Repeat("*"+prev+",", 9), ",") + "]\n")
	}
	return b.String()
}

// FuzzParse: no file makes the reader panic, or has a secret in its error.
func FuzzParse(f *testing.F) {
	f.Add("model: {url: bedrock, name: nova}\nmcp:\n  - {name: a, url: 'https://a/${S}', headers: {Authorization: 'Bearer ${S}'}}\nallow: ['a_*']\n")
	f.Add("peers:\n  - {name: a, url: 'http://b', credentials: '${S}', adopt: true}\napprove: [ask_a]\ncard: {skills: [{id: a, name: b, description: c, tags: [d]}]}\n")
	f.Add("limits: {rounds: 1, tokens: 2, tool_timeout: 3s}\nsystem: |\n\tx\n")
	f.Fuzz(func(t *testing.T, file string) {
		parsed, err := Parse("agent.yaml", []byte(file), env("S=s3cr3t"))
		if (parsed == nil) == (err == nil) || err != nil && strings.Contains(err.Error(), "s3cr3t") && !strings.Contains(file, "s3cr3t") {
			t.Errorf("%v, %v", parsed, err)
		}
	})
}
