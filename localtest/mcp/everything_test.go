package mcp

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"a2alambda/internal/mcp"
	"a2alambda/localtest"
	"a2alambda/localtest/process"
)

// TestEverything calls the tools of the reference server, over HTTP and as a command.
func TestEverything(t *testing.T) {
	script := localtest.Setup(t, "everything")
	t.Run("http", func(t *testing.T) {
		port, err := process.FreePort()
		localtest.Must(t, err)
		server := mcp.Server{Name: "every", URL: fmt.Sprintf("http://127.0.0.1:%d/mcp", port), Connect: time.Minute}
		start := func() *process.Process {
			cmd := exec.Command("node", script, "streamableHttp")
			cmd.Env = append(cmd.Environ(), fmt.Sprint("PORT=", port), "TOKEN=s3cr3t")
			p, err := process.Start(t.Context(), cmd, server.URL)
			localtest.Must(t, err)
			t.Cleanup(p.Kill)
			return p
		}
		p := start()
		server.Secrets = []string{"s3cr3t"}
		everything(t, server)
		// It has sessions, and refuses with status 400 those that it does not know.
		run, _ := open(t, server)
		call(t, run, "every_echo", `{"message":"Hello!"}`)
		p.Kill()
		start()
		if r := call(t, run, "every_echo", `{"message":"Hello again!"}`); r.Text != "Echo: Hello again!" {
			t.Errorf("after the session was gone: %+v", r)
		}
	})
	t.Run("stdio", func(t *testing.T) {
		t.Setenv("UNRELATED", "hidden")
		everything(t, mcp.Server{
			Name: "every", Command: []string{"node", script, "stdio"}, Env: []string{"TOKEN=s3cr3t"}, Secrets: []string{"s3cr3t"}, Connect: time.Minute,
		})
	})
}

func everything(t *testing.T, server mcp.Server) {
	run, log := open(t, server)
	tools := run.Tools(t.Context())
	if len(tools) < 12 {
		t.Errorf("%d tools", len(tools))
	}
	for _, one := range tools {
		if strings.Contains(one.Name, "elicitation") || strings.Contains(one.Name, "sampling") {
			t.Errorf("%s is there, which needs what this client has not", one.Name)
		}
	}
	for _, c := range []struct{ name, args, text string }{
		{"echo", `{"message":"Hello, tool!"}`, "Echo: Hello, tool!"},
		{"get-sum", `{"a":2,"b":3}`, "The sum of 2 and 3 is 5."},
		{"get-tiny-image", `{}`, "[image image/png, "},
		{"get-resource-links", `{"count":2}`, "[link "},
		{"get-resource-reference", `{"resourceType":"Text","resourceId":1}`, "[resource "},
		{"get-resource-reference", `{"resourceType":"Blob","resourceId":1}`, "[resource "},
		{"get-structured-content", `{"location":"Chicago"}`, `"temperature"`},
		{"trigger-long-running-operation", `{"duration":0.2,"steps":2}`, "Long running operation completed"},
		{"get-env", `{}`, "***"},
	} {
		r := call(t, run, "every_"+c.name, c.args)
		if r.Failed || !strings.Contains(r.Text, c.text) {
			t.Errorf("%s: %+v", c.name, r)
		}
		if strings.Contains(r.Text, "s3cr3t") || strings.Contains(r.Text, "hidden") {
			t.Errorf("%s tells what it must not: %s", c.name, r.Text)
		}
		var kinds []string
		for _, p := range r.Parts {
			switch p.Content.(type) {
			case a2a.Raw:
				kinds = append(kinds, "raw "+p.MediaType)
			case a2a.Data:
				kinds = append(kinds, "data")
			case a2a.URL:
				kinds = append(kinds, "url")
			}
		}
		if want := map[string]string{"get-tiny-image": "raw image/png", "get-structured-content": "data"}[c.name]; want != "" && strings.Join(kinds, ", ") != want {
			t.Errorf("%s has the parts %q, want %s", c.name, kinds, want)
		}
	}
	if log.String() != "" {
		t.Errorf("log: %s", log.String())
	}
}
