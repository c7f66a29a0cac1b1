package lambdaenv_test

import (
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"a2alambda/internal/lambdaenv"
	"a2alambda/internal/tasklog"
)

// TestWarm checks that the first real request finds a connection.
func TestWarm(t *testing.T) {
	var connections, requests atomic.Int64
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		io.Copy(io.Discard, r.Body) // else the connection can't be used again
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		fmt.Fprintf(w, `{"Item":{"b":{"B":%q}}}`, base64.StdEncoding.EncodeToString(make([]byte, tasklog.SecretBytes))) // the secret is there
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	s.Start()
	defer s.Close()
	table := open(t, s.URL)
	if n := connections.Load(); n != 0 {
		t.Errorf("%d connections before the warming", n)
	}
	lambdaenv.Warm(t.Context(), table.Log)
	if n := requests.Load(); n != 1 || connections.Load() != 1 {
		t.Errorf("the warming sent %d requests by %d connections, want one by one", n, connections.Load())
	}
	// The connection can be used again only a moment after its response was read. A faster request
	// opens another.
	for end := time.Now().Add(10 * time.Second); ; {
		before := connections.Load()
		if err := table.Log.RequestCancel(t.Context(), tasklog.Head{ID: "task"}); err != nil {
			t.Fatal(err)
		}
		if connections.Load() == before {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%d requests opened %d connections", requests.Load(), connections.Load())
		}
	}
}

// TestWarmGivesUp checks that a function starts even if its table does not answer.
func TestWarmGivesUp(t *testing.T) {
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) // else the server does not notice that the client leaves
		<-r.Context().Done()
	}))
	defer silent.Close()
	table := open(t, silent.URL)
	begin := time.Now()
	lambdaenv.Warm(t.Context(), table.Log)
	if d := time.Since(begin); d > 5*time.Second {
		t.Errorf("the warming took %v, want a second", d)
	}
}

// TestSilence checks that a request without an answer is sent again.
func TestSilence(t *testing.T) {
	var requests atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		if requests.Add(1) == 1 {
			<-r.Context().Done()
			return
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		w.Write([]byte("{}"))
	}))
	defer s.Close()
	table := open(t, s.URL)
	if _, err := table.Log.AskedOf(t.Context(), "PROCESS"); err != nil || requests.Load() != 2 {
		t.Errorf("after %d requests: %v", requests.Load(), err)
	}
}

// TestRoots checks that directories of root certificates are skipped only if the file is there.
func TestRoots(t *testing.T) {
	lambda(t, "http://127.0.0.1:1")
	file := filepath.Join(t.TempDir(), "roots.pem")
	t.Setenv("SSL_CERT_FILE", file)
	for _, test := range []struct {
		name, dir, want string
		file            bool
	}{
		{"no file", "", "", false},
		{"a file", "", "/none", true},
		{"a directory that somebody wants", "/wanted", "/wanted", true},
	} {
		t.Setenv("SSL_CERT_DIR", test.dir)
		if test.file {
			if err := os.WriteFile(file, []byte("certificates"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := lambdaenv.Open(t.Context(), "tasks"); err != nil {
			t.Fatal(err)
		}
		if got := os.Getenv("SSL_CERT_DIR"); got != test.want {
			t.Errorf("%s: SSL_CERT_DIR is %q, want %q", test.name, got, test.want)
		}
	}
}

// open returns a table at the endpoint.
func open(t *testing.T, endpoint string) *lambdaenv.Table {
	t.Helper()
	lambda(t, endpoint)
	table, err := lambdaenv.Open(t.Context(), "tasks")
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// lambda sets a function's environment, with DynamoDB at the endpoint.
func lambda(t *testing.T, endpoint string) {
	t.Setenv("AWS_REGION", "us-east-1")
	t.Setenv("AWS_ACCESS_KEY_ID", "id")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AWS_ENDPOINT_URL_DYNAMODB", endpoint)
}
