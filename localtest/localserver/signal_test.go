package localserver

import (
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"

	"a2alambda/localtest"
	"a2alambda/localtest/client"
)

// TestSignal checks that a local server prints where it is and what to try, and that a running
// stream continues to its end after the signal.
func TestSignal(t *testing.T) {
	t.Parallel()
	p, url := StartProcess(t, "TABLE_NAME=")
	url += "/"
	defer p.Kill()
	for _, want := range []string{url, "memory", "curl -N " + url} {
		if !strings.Contains(p.Output.String(), want) {
			t.Errorf("the server does not say %q:\n%s", want, p.Output.String())
		}
	}

	stream := client.Follow(t, url, "message/stream", client.Message("hello"))
	ids := ""
	for {
		e, err := stream.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		localtest.Must(t, err)
		if ids += e.ID + " "; ids == "1 2 " {
			localtest.Must(t, p.Process.Signal(syscall.SIGTERM))
		}
	}
	if ids != "1 2 3 4 5 6 " {
		t.Errorf("the stream had events %s", ids)
	}
	if <-p.Done; p.Err != nil {
		t.Errorf("the server ended with %v:\n%s", p.Err, p.Output.String())
	}
}
