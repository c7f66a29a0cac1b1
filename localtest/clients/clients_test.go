// Package clients tests clients from the package registries with the agent. The protocol's SDKs do
// all that they can. Each framework sends a message, streams one, continues a task or a
// conversation, is refused, and comes without its token. testdata has what each shows its user,
// which is not always what the agent said.
//
// Frameworks that take hundreds of megabytes are left out without -heavy:
//
//	go test ./localtest/clients -heavy
package clients

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"a2alambda/localtest"
	"a2alambda/localtest/localserver"
)

var (
	heavy  = flag.Bool("heavy", false, "run also what takes hundreds of megabytes to install")
	update = flag.Bool("update", false, "write what the clients print into testdata")
)

type program struct{ file, part string }

var light = []program{
	{"Java03.java", "java03"},
	{"aip.mjs", "aip"},
	{"eventsource.mjs", "eventsource"},
	{"adk_agent.py", "adk"},
	{"strands_agent.py", "strands"},
	{"jsadk.mjs", "jsadk"},
	{"ag2_agent.py", "ag2"},
}

var heavies = []program{
	{"crewai_agent.py", "crewai"},
	{"litellm_agent.py", "litellm"},
}

func TestMain(m *testing.M) {
	flag.Parse()
	if !*heavy {
		var names []string
		for _, c := range heavies {
			names = append(names, c.part)
		}
		fmt.Println("left out without -heavy:", strings.Join(names, ", "))
	}
	os.Exit(m.Run())
}

func TestClients(t *testing.T) {
	t.Parallel()
	url, token := localserver.StartOIDC(t)
	clients := light
	if *heavy {
		clients = append(clients, heavies...)
	}
	for _, c := range clients {
		t.Run(c.part, func(t *testing.T) {
			t.Parallel()
			printed := strings.ReplaceAll(output(t, c, url, token(c.part)), url, "http://agent.example")
			compare(t, printed, "testdata/"+c.part+".txt")
		})
	}
}

func output(t *testing.T, c program, args ...string) string {
	t.Helper()
	installed := localtest.Setup(t, c.part)
	args = append([]string{"testdata/" + c.file}, args...)
	program := installed
	env := os.Environ()
	switch filepath.Ext(c.file) {
	case ".java":
		program, args = "java", append([]string{"-cp", filepath.Join(installed, "*")}, args...)
	case ".mjs", ".cjs":
		program, env = "node", append(env, "NODE_PATH="+installed)
	}
	cmd := exec.CommandContext(t.Context(), program, args...)
	var stderr strings.Builder
	cmd.Env, cmd.Stderr = env, &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("the client ended with %v after\n%s%s", err, out, stderr.String())
	}
	return string(out)
}

// compare compares an output with a file. With -update it writes the file.
func compare(t *testing.T, got, file string) {
	t.Helper()
	if *update {
		localtest.Must(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	localtest.Must(t, err)
	if got != string(want) {
		t.Errorf("got\n%s\nwant, as in %s,\n%s", got, file, want)
	}
}
