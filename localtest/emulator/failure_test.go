package emulator_test

import (
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"a2alambda/localtest/emulator"
)

const serverError = `{"message":"Internal Server Error"}`

// A function that fails and lives is used again.
func TestFunctionFails(t *testing.T) {
	f := start(t, emulator.Config{})
	pid := f.text(t, "/pid")
	f.want(t, "/runtime/error", 502, serverError, false)
	f.want(t, "/fail?how=panic", 500, `{"jsonrpc":"2.0","id":null,"error":{"code":-32603,"message":"Internal error"}}`, false)
	f.want(t, "/fail?how=panic&first=begun", 200, "begun", true)
	f.want(t, "/runtime/status", 502, serverError, false)
	if got := f.text(t, "/pid"); got != pid {
		t.Errorf("process %s answered, want %s", got, pid)
	}
	log := f.log.String()
	for _, want := range []string{`"errorMessage":"error as told"`, "the function failed in the middle of its answer: HandlerPanic", "the response has status 42"} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %s", want)
		}
	}
}

// A function that dies is replaced, and its client gets Lambda's answer.
func TestFunctionDies(t *testing.T) {
	f := start(t, emulator.Config{})
	for _, path := range []string{"/runtime/panic", "/fail?how=exit"} {
		pid := f.text(t, "/pid")
		f.want(t, path, 502, serverError, false)
		if all := f.Instances(); len(all) > 0 {
			t.Errorf("%s: instances: %v", path, all)
		}
		if got := f.text(t, "/pid"); got == pid {
			t.Errorf("%s: process %s answered again", path, got)
		}
	}
}

func TestTimeout(t *testing.T) {
	for _, tt := range []struct {
		path, body string
		status     int
		cut        bool
		overtime   time.Duration
	}{
		{path: "/fail?how=hang", status: 502, body: serverError},
		{path: "/fail?how=hang&first=begun", status: 200, body: "begun", cut: true},
		{path: "/fail?how=hang", status: 502, body: serverError, overtime: 200 * time.Millisecond},
	} {
		t.Run(tt.path, func(t *testing.T) {
			f := start(t, emulator.Config{Timeout: 300*time.Millisecond - tt.overtime, Overtime: tt.overtime})
			begun := time.Now()
			f.want(t, tt.path, tt.status, tt.body, tt.cut)
			if d := time.Since(begun); d < 300*time.Millisecond {
				t.Errorf("killed after %v", d)
			}
			if all := f.Instances(); len(all) > 0 {
				t.Errorf("instances: %v", all)
			}
			if log := f.log.String(); !strings.Contains(log, " task timed out after 0.30 seconds\n") {
				t.Error("the log does not say that the function timed out")
			}
			f.text(t, "/pid")
		})
	}
}

func TestInitFails(t *testing.T) {
	f := start(t, emulator.Config{Env: []string{"FAIL_INIT=1"}})
	f.want(t, "/pid", 502, serverError, false)
	if all := f.Instances(); len(all) > 0 {
		t.Errorf("instances: %v", all)
	}
	if log := f.log.String(); !strings.Contains(log, "init failed as told") || !strings.Contains(log, "ended before it asked for an event") {
		t.Errorf("logged %s", log)
	}
}

func TestBuffered(t *testing.T) {
	f := start(t, emulator.Config{})
	f.want(t, "/runtime/json", 200, `{"plain":"json"}`, false)
	response := f.get(t, "/runtime/buffered")
	b, err := io.ReadAll(response.Body)
	if response.StatusCode != 201 || string(b) != "\x00\xff" || err != nil || response.Header.Get("X-A") != "1" || response.Header.Get("Set-Cookie") != "c=1" {
		t.Errorf("status %d, headers %q, body %q, %v", response.StatusCode, response.Header, b, err)
	}
}

func TestEnvironment(t *testing.T) {
	t.Setenv("OF_THE_EMULATOR", "1")
	f := start(t, emulator.Config{Env: []string{"TABLE_NAME=tasks", "AWS_REGION=eu-central-1"}})
	env := strings.Split(f.text(t, "/env"), "\n")
	for _, want := range []string{"TABLE_NAME=tasks", "AWS_REGION=eu-central-1", "AWS_LAMBDA_FUNCTION_NAME=function", "AWS_LAMBDA_LOG_FORMAT=JSON", "AWS_ACCESS_KEY_ID=local"} {
		if !slices.Contains(env, want) {
			t.Errorf("%s is missing in %q", want, env)
		}
	}
	for _, v := range env {
		if strings.HasPrefix(v, "OF_THE_EMULATOR=") || v == "AWS_REGION=us-east-1" || strings.HasPrefix(v, "HOME=") {
			t.Errorf("%s is set", v)
		}
	}
}

// Answers that no event asked for are refused.
func TestRuntimeAPI(t *testing.T) {
	f, g := start(t, emulator.Config{}), newGate(t)
	var api string
	for v := range strings.SplitSeq(f.text(t, "/env"), "\n") {
		if addr, ok := strings.CutPrefix(v, "AWS_LAMBDA_RUNTIME_API="); ok {
			api = "http://" + addr + "/2018-06-01/runtime/"
		}
	}
	response := f.get(t, g.path())
	line(t, response.Body)
	for path, want := range map[string]string{
		"invocation/bogus/response":                                           `400 InvalidRequestID`,
		"invocation/" + response.Header.Get("X-Amzn-Requestid") + "/error":    `403 InvalidStateTransition`,
		"invocation/" + response.Header.Get("X-Amzn-Requestid") + "/response": `403 InvalidStateTransition`,
	} {
		answer, body := do(t, http.DefaultClient, newRequest(t, "POST", api+path, "{}"))
		var report struct{ ErrorType string }
		must(t, json.Unmarshal([]byte(body), &report))
		if got := strconv.Itoa(answer.StatusCode) + " " + report.ErrorType; got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	g.pass(t, 400)
	if b, err := io.ReadAll(response.Body); len(b) > 0 || err != nil {
		t.Errorf("the stream ended with %q, %v", b, err)
	}
}

func TestNew(t *testing.T) {
	for _, binary := range []string{"", ".", "failure_test.go", filepath.Join(t.TempDir(), "none")} {
		if e, err := emulator.New(emulator.Config{Binary: binary}); err == nil || !strings.HasPrefix(err.Error(), "emulator: ") {
			t.Errorf("%q: %v, %v", binary, e, err)
		}
	}
	if _, err := emulator.Build(t.Context(), "a2alambda/localtest/emulator/none"); err == nil || !strings.HasPrefix(err.Error(), "emulator: build a2alambda/localtest/emulator/none: ") {
		t.Errorf("built a package that is not there: %v", err)
	}
}
