package mcp

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// endWithin is how long a command may take to end once its stdin is closed.
const endWithin = 2 * time.Second

// process is the command of a server, and the session with it. It is started at its first use, and
// again after its end.
type process struct {
	server *server
	logger *slog.Logger

	turn    sync.Mutex // held while it starts
	mu      sync.Mutex // guards what follows
	session *sdk.ClientSession
}

// inherited are the variables that a command gets of this process's environment: what programs need
// to start, and nothing that could be a secret. They are those of the other SDKs.
// https://modelcontextprotocol.io/docs/tools/debugging#environment-variables
var inherited = []string{
	"PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "LANG", "LC_ALL", "TMPDIR", "XDG_CACHE_HOME",
	"APPDATA", "HOMEDRIVE", "HOMEPATH", "LOCALAPPDATA", "PATHEXT", "PROCESSOR_ARCHITECTURE", "PROGRAMFILES", "SYSTEMDRIVE",
	"SYSTEMROOT", "TEMP", "TMP", "USERNAME", "USERPROFILE",
}

func environ(extra []string) (env []string) {
	for _, name := range inherited {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return append(env, extra...)
}

// get returns the session, and starts the command if it does not run.
func (p *process) get(ctx context.Context) (*sdk.ClientSession, error) {
	p.turn.Lock()
	defer p.turn.Unlock()
	p.mu.Lock()
	c := p.session
	p.mu.Unlock()
	if c != nil {
		return c, nil
	}
	s := p.server
	// The session outlives the caller, and so has nothing of its context.
	limit, stop := context.WithTimeout(context.Background(), s.Connect)
	defer stop()
	defer context.AfterFunc(ctx, stop)()
	t := &command{args: s.Command, env: environ(s.Env), stderr: tail{redact: s.redact}}
	c, err := s.client.Connect(limit, t, nil)
	if err != nil {
		text := fmt.Sprintf("%s: the command %s does not answer as an MCP server", s.Name, s.Command[0])
		if t.err != nil {
			text = fmt.Sprintf("%s: the command %s cannot be started: %s", s.Name, s.Command[0], s.brief(t.err.Error()))
		} else if limit.Err() != nil && ctx.Err() == nil {
			text = fmt.Sprintf("%s: the command %s does not answer within %v", s.Name, s.Command[0], s.Connect)
		}
		if last := t.stderr.String(); last != "" {
			text += "; its last words: " + s.brief(last)
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, &Error{Unsent: true, Text: text}
	}
	p.mu.Lock()
	p.session = c
	p.mu.Unlock()
	go func() {
		_ = c.Wait() // until it has ended, or what it says cannot be understood
		p.drop(c)
	}()
	return c, nil
}

// drop ends a session, and its command.
func (p *process) drop(c *sdk.ClientSession) {
	p.mu.Lock()
	ours := p.session == c
	if ours {
		p.session = nil
	}
	p.mu.Unlock()
	if ours {
		go c.Close()
	}
}

// close ends the command for good, or until its next use.
func (p *process) close() {
	p.mu.Lock()
	c := p.session
	p.session = nil
	p.mu.Unlock()
	if c != nil {
		_ = c.Close()
	}
}

// command is the transport to a command. It bounds the messages.
type command struct {
	args, env []string
	stderr    tail
	err       error // of the start
}

// Connect implements [sdk.Transport].
func (t *command) Connect(ctx context.Context) (sdk.Connection, error) {
	cmd := exec.Command(t.args[0], t.args[1:]...)
	cmd.Env, cmd.Stderr = t.env, &t.stderr
	cmd.WaitDelay = endWithin
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if t.err = cmd.Start(); t.err != nil {
		return nil, t.err
	}
	return (&sdk.IOTransport{Reader: &lines{r: stdout, cmd: cmd}, Writer: &input{stdin, cmd, sync.Once{}}}).Connect(ctx)
}

// lines reads messages, one a line, and refuses what is longer than maxAnswer.
type lines struct {
	r   io.ReadCloser
	cmd *exec.Cmd
	n   int // bytes of the line so far
}

func (l *lines) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	if i := bytes.LastIndexByte(p[:n], '\n'); i >= 0 {
		l.n = n - i - 1
	} else if l.n += n; l.n > maxAnswer {
		return 0, errTooLarge
	}
	return n, err
}

func (l *lines) Close() error { return nil } // the end of its input ends the command

// input writes to a command, and ends it.
type input struct {
	io.WriteCloser
	cmd  *exec.Cmd
	once sync.Once
}

// Close closes the command's stdin, waits for its end, and ends it by force if need be.
func (w *input) Close() (err error) {
	w.once.Do(func() {
		err = w.WriteCloser.Close()
		timer := time.AfterFunc(endWithin, func() { _ = w.cmd.Process.Kill() })
		_ = w.cmd.Wait()
		timer.Stop()
	})
	return err
}

// maxTail is the most bytes of a command's words that are kept.
const maxTail = 8 << 10

// tail keeps the end of what is written.
type tail struct {
	redact func(string) string

	mu   sync.Mutex
	text []byte
	cut  bool // there was more before
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, b...)
	if over := len(t.text) - maxTail; over > 0 {
		t.text, t.cut = bytes.Clone(t.text[over:]), true
	}
	return len(b), nil
}

// String returns the end of the last line, without secrets. If something was cut off, it looks at the
// second half of the rest only: the first may begin in a secret.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := t.redact(strings.ToValidUTF8(string(t.text), ""))
	if t.cut {
		text = text[len(text)/2:]
	}
	text = strings.TrimSpace(strings.ToValidUTF8(text, ""))
	text = strings.TrimSpace(text[strings.LastIndexByte(text, '\n')+1:])
	return strings.ToValidUTF8(text[max(0, len(text)-maxWords):], "")
}
