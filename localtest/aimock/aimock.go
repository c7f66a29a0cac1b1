// Package aimock runs aimock (npm: @copilotkit/aimock), a mock of the wire protocols of model
// providers. It was not written here.
package aimock

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"a2alambda/localtest"
	"a2alambda/localtest/process"
)

// Server is a running aimock.
type Server struct {
	// URL is its base URL: Bedrock is there, and OpenAI's API at /v1.
	URL string

	tb testing.TB
}

// Start starts a server that answers by fixtures, in aimock's JSON. It ends with the test.
func Start(tb testing.TB, fixtures string) *Server {
	tb.Helper()
	program := localtest.Setup(tb, "aimock")
	file := filepath.Join(tb.TempDir(), "fixtures.json")
	localtest.Must(tb, os.WriteFile(file, []byte(fixtures), 0o600))
	port, err := process.FreePort()
	localtest.Must(tb, err)
	s := &Server{URL: fmt.Sprintf("http://127.0.0.1:%d", port), tb: tb}
	cmd := exec.Command("node", program, "--port", fmt.Sprint(port), "--fixtures", file, "--strict", "--chunk-size", "8")
	p, err := process.Start(tb.Context(), cmd, s.URL+"/health")
	if err != nil {
		tb.Fatalf("aimock: %v", err)
	}
	p.StopAtEnd(tb, "aimock")
	return s
}

// Asked returns the JSON of the requests to the models that were answered, the oldest first.
func (s *Server) Asked() (bodies []string) {
	s.tb.Helper()
	resp, err := http.Get(s.URL + "/__aimock/journal")
	localtest.Must(s.tb, err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	localtest.Must(s.tb, err)
	var entries []struct {
		Path string
		Body json.RawMessage
	}
	if err := json.Unmarshal(data, &entries); err != nil {
		s.tb.Fatalf("aimock's journal: %v: %.300s", err, data)
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Path, "/chat/completions") || strings.HasSuffix(e.Path, "/converse-stream") {
			bodies = append(bodies, string(e.Body))
		}
	}
	return bodies
}
