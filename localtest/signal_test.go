package localtest

import (
	"bufio"
	"net/http"
	"strings"
	"syscall"
	"testing"
)

// TestSignal checks that a local server says where it is and what to try, and that a stream that runs when the server is told
// to end goes on to its own end.
func TestSignal(t *testing.T) {
	t.Parallel()
	p, url := startAgent(t, "TABLE_NAME=")
	url += "/"
	defer p.kill()
	for _, want := range []string{url, "memory", "curl -N " + url} {
		if !strings.Contains(p.out.String(), want) {
			t.Errorf("the server does not say %q:\n%s", want, p.out.String())
		}
	}

	resp, err := http.Post(url, "application/json", strings.NewReader(
		`{"jsonrpc":"2.0","id":1,"method":"message/stream","params":`+
			`{"message":{"role":"user","messageId":"m","parts":[{"kind":"text","text":"hello"}]}}}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var ids []string
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		id, ok := strings.CutPrefix(lines.Text(), "id: ")
		if !ok {
			continue
		}
		if ids = append(ids, id); len(ids) == 2 {
			if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got := strings.Join(ids, " "); got != "1 2 3 4 5 6" {
		t.Errorf("the stream had events %s", got)
	}
	if <-p.done; p.err != nil {
		t.Errorf("the server ended with %v:\n%s", p.err, p.out.String())
	}
}
