package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"a2alambda/localtest/emulator"
)

// TestReadme runs the README's commands as they are, except the port and the executable's place.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	if len(blocks) != 2 {
		t.Fatalf("the README has %d blocks of commands, not two", len(blocks))
	}
	bootstrap := filepath.Join(t.TempDir(), "bootstrap")
	script := strings.NewReplacer("-o bootstrap", "-o "+bootstrap, "./bootstrap", bootstrap, "127.0.0.1:9000", "127.0.0.1:0").Replace(blocks[0][1])
	url := run(t, script)

	out, err := exec.Command("sh", "-c", strings.Replace(blocks[1][1], "http://127.0.0.1:9000/", url, 1)).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "\nid: 3\ndata: ") {
		t.Errorf("curl ended with %v after\n%s", err, out)
	}
}

// TestFaults has an instance killed, and one frozen, in the middle of their answers.
func TestFaults(t *testing.T) {
	bootstrap := filepath.Join(t.TempDir(), "bootstrap")
	build := "go build -tags lambda.norpc -o " + bootstrap + " ./localtest/emulator/internal/testfunction\n"
	const emulate = "go run ./localtest/emulator/cmd/emulate -addr 127.0.0.1:0 "
	begun := time.Now()
	_, err := get(t, run(t, build+emulate+"-kill-after 200ms "+bootstrap)+"fail?how=hang&first=x")
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the answer of an instance that was to be killed ended with %v after %v", err, time.Since(begun))
	}

	// The function asks its gate for each step, as fast as it can.
	var last time.Time
	gate := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		now := time.Now()
		if !last.IsZero() && now.Sub(last) > time.Second {
			w.WriteHeader(http.StatusNoContent) // the last step
		}
		last = now
	}))
	defer gate.Close()
	url := run(t, emulate+"-timeout 1m -env A=b -freeze-after 100ms -freeze-for 1100ms "+bootstrap)
	if body, err := get(t, url+"steps?gate="+gate.URL); err != nil {
		t.Errorf("an instance that was to stop for a second answered %.100s, %v", body, err)
	}
	if body, err := get(t, url+"env"); err != nil || !strings.Contains(body, "\nA=b") {
		t.Errorf("the environment is %v, %s", err, body)
	}
}

// TestMemory has an instance of 128 MB take more.
func TestMemory(t *testing.T) {
	bootstrap, err := emulator.Build(t.Context(), "a2alambda/localtest/emulator/internal/testfunction")
	if err != nil {
		t.Fatal(err)
	}
	url := run(t, "go run ./localtest/emulator/cmd/emulate -addr 127.0.0.1:0 -v -memory 128 "+bootstrap)
	for path, want := range map[string]string{"hog?mb=30": "30 MB", "hog?mb=200": `{"message":"Internal Server Error"}`, "env": "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=128"} {
		if body, err := get(t, url+path); err != nil || !strings.Contains(body, want) {
			t.Errorf("%s: %.300s, %v; want %s", path, body, err, want)
		}
	}
	if err := emulate(t.Context(), []string{"-memory", "100", bootstrap}); err == nil || !strings.Contains(err.Error(), "Lambda has from 128") {
		t.Errorf("100 MB: %v", err)
	}
}

func TestBill(t *testing.T) {
	got := bill(emulator.Usage{Invocations: 2, Billed: 2 * time.Second, GBSeconds: 1})
	if want := "Billed: 2 invocations, 2s, 1.000000 GB-seconds: $0.000013733 on arm64, $0.000017067 on x86_64 ("; !strings.HasPrefix(got, want) {
		t.Errorf("got %s, want %s", got, want)
	}
}

func get(t *testing.T, url string) (string, error) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}

// run runs a script in the repository's root for the test. It returns the function URL in the
// output.
func run(t *testing.T, script string) (url string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, "sh", "-c", script)
	cmd.Dir, cmd.Stderr, cmd.SysProcAttr = "../../../..", t.Output(), &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait()
	})
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		if url, ok := strings.CutPrefix(lines.Text(), "Function URL: "); ok {
			return url
		}
	}
	t.Fatal("it prints no function URL")
	return ""
}
